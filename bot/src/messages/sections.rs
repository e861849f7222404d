//! A text built from sections that are there as a whole or not at all.
//!
//! Invariants: below GitHub's limit; no fence, fold or table is cut in its middle; nothing in it reads
//! as one of our markers except the marker it ends with.

/// GitHub takes 65,536 characters. The rest is for a marker that the caller may add.
const MOST: usize = 65_000;

/// A text that grows by whole sections.
pub(super) struct Sections {
    text: String,
    left_out: usize,
}

impl Sections {
    /// Begins with a heading of the third level.
    pub(super) fn headed(line: &str) -> Self {
        Self { text: harmless(&format!("### {line}\n")), left_out: 0 }
    }

    /// Begins with nothing.
    pub(super) fn new() -> Self {
        Self { text: String::new(), left_out: 0 }
    }

    /// Adds a section, after an empty line, if there is something in it and room for it.
    pub(super) fn add(&mut self, section: &str) {
        let section = harmless(section.trim_end());
        if section.is_empty() {
            return;
        }
        if self.text.len() + section.len() > MOST {
            self.left_out += 1;
            return;
        }
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&section);
        self.text.push('\n');
    }

    /// The text.
    pub(super) fn finish(mut self) -> String {
        if self.left_out > 0 {
            self.text.push_str("\n… more did not fit into one comment.\n");
        }
        self.text
    }

    /// The text, ending with its marker.
    pub(super) fn finish_with(self, marker: &str) -> String {
        format!("{}\n{marker}\n", self.finish())
    }
}

/// Inside code nothing can be escaped, and a reader that looks for a marker does not know Markdown:
/// so that no stranger's log line is ever taken for a marker, none may begin like one.
fn harmless(section: &str) -> String {
    section.replace("<!--", "<! --")
}
