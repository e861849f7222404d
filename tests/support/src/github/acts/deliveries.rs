//! What happens to webhooks on their way.

use serde_json::json;

use super::super::GitHub;
use super::super::hooks::{Flow, Loss, Message, Turn};
use super::{Done, Given, Row};

pub(super) const ACTS: &[Row] = &[
    ("hold", &[], hold),
    ("release", &["order", "drop"], release),
    ("lose", &["count", "how"], lose),
    ("duplicate", &["guid", "times"], duplicate),
    ("resend", &["guid", "event"], resend),
    ("redeliver", &["guid"], redeliver),
];

#[expect(clippy::unnecessary_wraps, reason = "every act may be refused; this one never is")]
fn hold(github: &mut GitHub, _: &Given<'_>) -> Done {
    github.hooks.flow = Flow::Held;
    Ok(json!({}))
}

/// Lets go of what was held back: as it came, `reversed`, or not at all (`drop: n`
/// takes the first n away before).
fn release(github: &mut GitHub, given: &Given<'_>) -> Done {
    for _ in 0..given.number("drop").unwrap_or(0) {
        github.hooks.waiting.pop_front();
    }
    match given.text("order").unwrap_or("as-they-came") {
        "as-they-came" => {}
        "reversed" => github.hooks.waiting = std::mem::take(&mut github.hooks.waiting).into_iter().rev().collect(),
        other => return Err(format!("order is as-they-came or reversed, not {other}")),
    }
    let count = github.hooks.waiting.len();
    github.hooks.flow = Flow::Sent;
    github.hooks.wake();
    Ok(json!({"released": count}))
}

/// The next ones do not arrive: `failed` (GitHub knows) or `never` (nobody does).
fn lose(github: &mut GitHub, given: &Given<'_>) -> Done {
    let how = given.shape::<Loss>("how")?.unwrap_or(Loss::Failed);
    let count = given.number("count").unwrap_or(1);
    github.hooks.losing = Some((u32::try_from(count).unwrap_or(u32::MAX), how));
    Ok(json!({}))
}

/// The message with that id, or the newest one.
fn message(github: &GitHub, given: &Given<'_>) -> Result<Message, String> {
    let guid = given.text("guid");
    let event = given.text("event");
    let sent = github.hooks.attempts.iter().rev().map(|attempt| &attempt.message);
    let mut all = github.hooks.waiting.iter().rev().map(|(message, _)| message).chain(sent);
    let fits = |message: &&Message| {
        guid.is_none_or(|guid| guid == message.guid) && event.is_none_or(|event| event == message.event)
    };
    all.find(fits).cloned().ok_or_else(|| "no such delivery".to_owned())
}

/// The same bytes with the same id again; GitHub's record does not know.
fn duplicate(github: &mut GitHub, given: &Given<'_>) -> Done {
    let message = message(github, given)?;
    for _ in 0..given.number("times").unwrap_or(1) {
        github.hooks.enqueue(message.clone(), Turn::Unrecorded);
    }
    Ok(json!({"guid": message.guid}))
}

/// The same bytes with a new id, as an attacker who once read one could send it.
fn resend(github: &mut GitHub, given: &Given<'_>) -> Done {
    let message = message(github, given)?;
    let guid = github.ids.uuid();
    github.hooks.enqueue(Message { guid: guid.clone(), ..message }, Turn::Unrecorded);
    Ok(json!({"guid": guid}))
}

/// Somebody presses "Redeliver".
fn redeliver(github: &mut GitHub, given: &Given<'_>) -> Done {
    let message = message(github, given)?;
    let guid = message.guid.clone();
    github.hooks.enqueue(message, Turn::Redelivery);
    Ok(json!({"guid": guid}))
}
