//! The conversation as text, for terminals.

use super::terminal::readable;
use super::{Said, Thread, clock, reason, short};

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
        lines.extend([String::new(), comment(said)]);
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

/// The comments with this number and higher ones.
pub(super) fn since(thread: &Thread<'_>, first: u64) -> String {
    let comments: Vec<String> = thread.comments.iter().filter(|said| said.id >= first).map(comment).collect();
    comments.join("\n\n") + "\n"
}

fn comment(said: &Said<'_>) -> String {
    let bot = if said.is_bot { " bot" } else { "" };
    let edited = if said.edited { " · edited" } else { "" };
    let head = format!("── @{}{bot} · {}{edited} ", said.author, clock(said.created));
    let mut text = head.clone() + &"─".repeat(WIDTH.saturating_sub(head.chars().count())) + "\n";
    if let Some(classifier) = said.minimized {
        return text + &format!("   (folded away: {})", reason(classifier));
    }
    text.push_str(&readable(said.body));
    if !said.reactions.is_empty() {
        let faces: Vec<String> = said.reactions.iter().map(|(face, count)| format!("{face} {count}")).collect();
        text.push_str("\n\n   ");
        text.push_str(&faces.join("  "));
    }
    text
}
