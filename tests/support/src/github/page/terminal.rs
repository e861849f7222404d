//! GitHub's Markdown as text for terminals: what a reader sees, without the marks. Tables have
//! aligned columns, links are their words, what is folded away stays folded.

use comrak::nodes::{AstNode, ListType, NodeList, NodeValue};
use comrak::{Arena, Options, parse_document};

/// What people see of it, line by line.
pub(super) fn readable(markdown: &str) -> String {
    let mut options = Options::default();
    options.extension.table = true;
    options.extension.tasklist = true;
    options.extension.strikethrough = true;
    options.extension.alerts = true;
    let arena = Arena::new();
    let root = parse_document(&arena, markdown, &options);
    blocks(root).join("\n\n")
}

/// The blocks inside, each as its text; those inside a closed `<details>` are left out.
fn blocks<'a>(parent: &'a AstNode<'a>) -> Vec<String> {
    let (mut found, mut folded) = (Vec::new(), 0_usize);
    for node in parent.children() {
        if let NodeValue::HtmlBlock(block) = &node.data.borrow().value {
            let html = super::markdown::without_comments(&block.literal);
            if folded == 0
                && let Some(words) = between(&html, "<summary>", "</summary>")
            {
                found.push(format!("▸ {}", without_tags(words)));
            }
            folded += html.matches("<details>").count();
            folded = folded.saturating_sub(html.matches("</details>").count());
            continue;
        }
        if folded == 0 {
            found.extend(Some(block(node)).filter(|text| !text.is_empty()));
        }
    }
    found
}

fn block<'a>(node: &'a AstNode<'a>) -> String {
    match &node.data.borrow().value {
        NodeValue::CodeBlock(code) => indented(code.literal.trim_end(), "    "),
        NodeValue::BlockQuote | NodeValue::Alert(_) => indented(&blocks(node).join("\n\n"), "│ "),
        NodeValue::List(list) => items(node, *list),
        NodeValue::Table(_) => table(node),
        NodeValue::ThematicBreak => "───".to_owned(),
        _ => words(node),
    }
}

fn indented(text: &str, by: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("{by}{line}").trim_end().to_owned()).collect();
    lines.join("\n")
}

fn items<'a>(node: &'a AstNode<'a>, list: NodeList) -> String {
    let marked = node.children().enumerate().map(|(place, item)| {
        let mark = match list.list_type {
            ListType::Ordered => format!("{}. ", list.start + place),
            ListType::Bullet => "• ".to_owned(),
        };
        let text = indented(&blocks(item).join("\n"), &" ".repeat(mark.chars().count()));
        format!("{mark}{}", text.trim_start())
    });
    marked.collect::<Vec<_>>().join("\n")
}

/// Columns of equal width, without those that are empty in every row.
fn table<'a>(node: &'a AstNode<'a>) -> String {
    let rows: Vec<Vec<String>> = node.children().map(|row| row.children().map(words).collect()).collect();
    let width = |column: usize| {
        let of = |row: &Vec<String>| row.get(column).map_or(0, |cell| cell.chars().count());
        rows.iter().map(of).max().unwrap_or(0)
    };
    let filled = |column: &usize| rows.iter().skip(1).any(|row| row.get(*column).is_some_and(|cell| !cell.is_empty()));
    let columns: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).filter(filled).collect();
    let line = |row: &Vec<String>| {
        let cells = columns.iter().map(|column| {
            let cell = row.get(*column).map_or("", String::as_str);
            format!("{cell}{}", " ".repeat(width(*column) - cell.chars().count()))
        });
        format!("  {}", cells.collect::<Vec<_>>().join("   ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What stands in one paragraph, heading or cell.
fn words<'a>(node: &'a AstNode<'a>) -> String {
    let mut text = String::new();
    for inner in node.children() {
        match &inner.data.borrow().value {
            NodeValue::Text(words) => text.push_str(words),
            NodeValue::Code(code) => text.push_str(&code.literal),
            NodeValue::SoftBreak | NodeValue::LineBreak => text.push('\n'),
            NodeValue::HtmlInline(tag) if tag.starts_with("<br") => text.push('\n'),
            NodeValue::HtmlInline(_) => {}
            // Links, emphasis and the like are the words in them.
            _ => text.push_str(&words(inner)),
        }
    }
    text
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(inside, _)| inside)
}

fn without_tags(html: &str) -> String {
    let mut inside = false;
    html.chars()
        .filter(|letter| {
            let shown = !inside && *letter != '<';
            inside = (inside || *letter == '<') && *letter != '>';
            shown
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn a_comment_reads_as_on_the_page_with_its_folds_closed() {
        let text = readable(
            "### staging ← `a1b2c3d` · **failed** after 41 s\n\n[asked](https://x.test/1) 12 min ago · [plan](https://x.test)\n\n\
             | service | before | traffic | |\n| --- | --- | --- | --- |\n| api | `9f8e7d6` |  | [console](https://x.test) |\n\
             | web-frontend | `1` |  | |\n\n```text\nKeyError: 'DATABASE_URL'\n  at x\n```\n\n- revision `api:42`\n- task\n\n\
             > [!CAUTION]\n> Look &#64;team\n\n<details><summary>2 <b>commits</b></summary>\n\n- one\n\n</details>\n\nafter\n\n\
             <!-- shipline:deployment:1 -->\n",
        );
        assert_eq!(
            text,
            "staging ← a1b2c3d · failed after 41 s\n\nasked 12 min ago · plan\n\n\
             \u{20} service        before\n\
             \u{20} api            9f8e7d6   console\n\
             \u{20} web-frontend   1\n\n\
             \u{20}   KeyError: 'DATABASE_URL'\n      at x\n\n• revision api:42\n• task\n\n│ Look @team\n\n▸ 2 commits\n\nafter"
        );
    }

    #[test]
    fn numbered_lists_keep_their_numbers_and_nested_ones_their_place() {
        assert_eq!(readable("1. one\n2. two\n   - inside\n"), "1. one\n2. two\n   • inside");
    }
}
