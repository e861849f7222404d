//! GitHub's Markdown: tables, task lists, strikethrough, bare links; of raw HTML only what folds
//! text away, and no comments.

use comrak::nodes::NodeValue;
use comrak::{Arena, Options, format_html, parse_document};

/// Tags that stay as they are.
const KEPT: [&str; 11] = [
    "<details>",
    "<details open>",
    "</details>",
    "<summary>",
    "</summary>",
    "<br>",
    "<br/>",
    "<sub>",
    "</sub>",
    "<sup>",
    "</sup>",
];

/// As HTML that is safe to put into a page.
pub(super) fn html(markdown: &str) -> String {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.tasklist = true;
    options.extension.strikethrough = true;
    options.extension.autolink = true;
    options.extension.alerts = true;
    options.render.github_pre_lang = true;
    options.render.gfm_quirks = true;
    // Comments on GitHub keep their line breaks.
    options.render.hardbreaks = true;
    // What is raw was cleaned below.
    options.render.r#unsafe = true;
    let arena = Arena::new();
    let root = parse_document(&arena, markdown, &options);
    for node in root.descendants() {
        match &mut node.data.borrow_mut().value {
            NodeValue::HtmlBlock(block) => block.literal = cleaned(&block.literal),
            NodeValue::HtmlInline(literal) => *literal = cleaned(literal),
            NodeValue::Link(link) | NodeValue::Image(link) if !is_web(&link.url) => "#".clone_into(&mut link.url),
            _ => {}
        }
    }
    let mut written = String::new();
    // Writing into a text cannot fail.
    let _written = format_html(root, &options, &mut written);
    written
}

fn is_web(url: &str) -> bool {
    ["https://", "http://", "mailto:", "#", "/"].iter().any(|start| url.to_lowercase().starts_with(start))
}

/// Raw HTML without comments, every tag that is not kept shown as text.
fn cleaned(raw: &str) -> String {
    let raw = without_comments(raw);
    let mut found = String::with_capacity(raw.len());
    let mut rest = raw.as_str();
    while let Some(place) = rest.find('<') {
        found.push_str(&rest[..place]);
        rest = &rest[place..];
        let kept = KEPT.iter().find(|tag| rest.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag)));
        if let Some(tag) = kept {
            found.push_str(tag);
            rest = &rest[tag.len()..];
        } else {
            found.push_str("&lt;");
            rest = &rest[1..];
        }
    }
    found + rest
}

/// The text without `<!-- … -->`.
pub(super) fn without_comments(text: &str) -> String {
    let mut found = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!--") {
        found.push_str(before);
        rest = after.split_once("-->").map_or("", |(_, after)| after);
    }
    found + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_text_stays_and_scripts_comments_and_handlers_do_not() {
        let page = html(
            "<!-- shipline:deployment:1 -->\n**hello** <script>alert(1)</script> <img src=x onerror=alert(1)>\n\n\
             <details><summary>7 commits</summary>\n\n- [x] one\n\n</details>\n\n[a](javascript:alert(1))\n",
        );
        for kept in ["<strong>hello</strong>", "<details>", "<summary>7 commits</summary>", "checkbox"] {
            assert!(page.contains(kept), "{kept} is missing in {page}");
        }
        for gone in ["<script", "<img", "shipline:deployment", "javascript:"] {
            assert!(!page.contains(gone), "{gone} is in {page}");
        }
    }

    #[test]
    fn a_table_is_a_table_and_a_comment_without_end_hides_the_rest() {
        assert!(html("| a | b |\n| --- | --- |\n| 1 | 2 |\n").contains("<td>2</td>"));
        assert_eq!(without_comments("a<!-- b"), "a");
    }
}
