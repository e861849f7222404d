//! The conversation as text, for terminals.

use super::markdown::without_comments;
use super::{Thread, clock, reason, short};

const WIDTH: usize = 100;

/// The whole conversation.
pub(super) fn write(thread: &Thread<'_>) -> String {
    let Thread { repository, number, title, state, author, .. } = thread;
    let mut lines = vec![format!("{repository}#{number} · {title} · {state}")];
    if let (Some((base, branch)), Some(head)) = (thread.branches, thread.head) {
        lines.push(format!("@{author} wants to merge {branch} ({}) into {base}", short(head)));
    }
    if !thread.body.is_empty() {
        lines.extend([String::new(), readable(thread.body)]);
    }
    for said in &thread.comments {
        let bot = if said.is_bot { " bot" } else { "" };
        let edited = if said.edited { " · edited" } else { "" };
        let head = format!("── @{}{bot} · {}{edited} ", said.author, clock(said.created));
        let rule = "─".repeat(WIDTH.saturating_sub(head.chars().count()));
        lines.extend([String::new(), format!("{head}{rule}")]);
        if let Some(classifier) = said.minimized {
            lines.push(format!("   (folded away: {})", reason(classifier)));
            continue;
        }
        lines.push(readable(said.body));
        if !said.reactions.is_empty() {
            let faces: Vec<String> = said.reactions.iter().map(|(face, count)| format!("{face} {count}")).collect();
            lines.extend([String::new(), format!("   {}", faces.join("  "))]);
        }
    }
    if !thread.checks.is_empty() {
        lines.extend([String::new(), "Checks".to_owned()]);
        lines.extend(thread.checks.iter().map(|(name, how)| format!("  {name}: {how}")));
    }
    if !thread.deployments.is_empty() {
        lines.extend([String::new(), "Deployments".to_owned()]);
        lines.extend(thread.deployments.iter().map(|one| {
            format!("  {} {} {} {} {}", clock(one.at), one.environment, short(&one.sha), one.state, one.description)
                .trim_end()
                .to_owned()
        }));
    }
    lines.join("\n") + "\n"
}

/// Markdown as it was written, without what nobody sees.
fn readable(body: &str) -> String {
    let text = without_comments(body)
        .replace("<details>", "")
        .replace("<details open>", "")
        .replace("</details>", "")
        .replace("<summary>", "▸ ")
        .replace("</summary>", "")
        .replace("<br>", "\n");
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    // Where something was taken out, one empty line is enough.
    lines.dedup_by(|one, before| one.is_empty() && before.is_empty());
    lines.join("\n").trim().to_owned()
}
