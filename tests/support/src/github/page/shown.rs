//! What the readers of a story saw, kept as pages for somebody who wants to look at it: a page for
//! each state of each text. Only where `SHIPLINE_PAGES` names a folder; `scripts/look` does that.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{html, markdown};

/// Pages of this process so far.
static PAGES: AtomicUsize = AtomicUsize::new(0);

/// Keeps texts in GitHub's Markdown, in the order of their being written. Those that end with the
/// same line (a marker) are one text that was edited: of edits under the same heading the last stays.
#[expect(clippy::disallowed_methods, reason = "whoever runs the stories says where the pages go")]
pub fn keep_pages(texts: &[String]) {
    let Some(folder) = std::env::var_os("SHIPLINE_PAGES").map(PathBuf::from) else { return };
    // The runner of tests calls the thread by the test's name.
    let story = std::thread::current().name().unwrap_or("story").replace("::", ".");
    std::fs::create_dir_all(&folder).expect("the folder of the pages can be made");
    for (at, text) in texts.iter().enumerate() {
        let next = texts[at + 1..].iter().find(|next| next.lines().next_back() == text.lines().next_back());
        if next.is_some_and(|next| next.lines().next() == text.lines().next()) {
            continue;
        }
        let number = PAGES.fetch_add(1, Ordering::Relaxed) + 1;
        let page = html::alone(&format!("{story} · {number}"), &markdown::html(text));
        std::fs::write(folder.join(format!("{story}-{number:02}.html")), page).expect("a page can be written");
    }
}
