//! Slack: an incoming webhook gets blocks.
//!
//! Slack reads `&`, `<` and `>` (links, mentions) in its own markup; everything that is not ours is
//! escaped, so nobody is called by a log line. Limits: 150 characters in a header, 3000 in a section,
//! 50 blocks.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::post::{Address, Post};
use super::{Message, NotTold};
use crate::config::spec::Occasion;
use crate::report::escape::{cut, visible};
use crate::report::{mark, notices};
use crate::rollout::Cause;

/// Services that have a line.
const SERVICES: usize = 20;
/// Failures that have a section.
const FAILURES: usize = 10;
/// Log lines of a failure.
const LINES: usize = 8;
/// Characters of a section; what escaping adds included.
const SECTION: usize = 2900;

pub(super) async fn tell(post: &Post, to: &Address, message: &Message) -> Result<(), NotTold> {
    post.send(to, reqwest::header::HeaderMap::new(), body(message).to_string().into_bytes()).await
}

fn body(message: &Message) -> Value {
    let view = &message.view;
    let sign = match message.occasion {
        Occasion::Start => "🚀",
        Occasion::Success => "✅",
        Occasion::Failure if view.result == "needs-attention" => "🚨",
        Occasion::Failure => "❌",
    };
    let headline = visible(&message.headline()).replace('\n', " ");
    let mut blocks = vec![json!({
        "type": "header", "text": {"type": "plain_text", "text": cut(&format!("{sign} {headline}"), 145), "emoji": false},
    })];
    let mut lines: Vec<String> = view
        .services
        .iter()
        .take(SERVICES)
        .map(|service| {
            let (name, state) = (escaped(service.name.as_str()), escaped(&service.state));
            let release = format!("{} → {}", escaped(&service.before), escaped(&service.after));
            format!("{} *{name}* {release}, {state}", mark(service))
        })
        .collect();
    if view.services.len() > SERVICES {
        lines.push(format!("… and {} more", view.services.len() - SERVICES));
    }
    blocks.push(section(&lines.join("\n")));
    let services = view.services.iter().filter_map(|one| Some(failure(one.name.as_str(), one.cause.as_ref()?)));
    let whole = view.failures().map(|(name, cause)| failure(name, cause));
    blocks.extend(services.chain(whole).take(FAILURES).map(|text| section(&text)));
    if message.occasion == Occasion::Failure {
        let told: Vec<String> = notices(view).take(5).map(|notice| escaped(notice)).collect();
        if !told.is_empty() {
            blocks.push(section(&told.join("\n")));
        }
    }
    if let Some(page) = message.page.as_deref().and_then(link) {
        blocks.push(json!({"type": "context", "elements": [{"type": "mrkdwn", "text": page}]}));
    }
    json!({"text": escaped(&format!("{sign} {headline}")), "blocks": blocks})
}

fn failure(name: &str, cause: &Cause) -> String {
    let mut text = format!("*{}*: {}", escaped(name), escaped(&cause.summary));
    if let Some(says) = &cause.provider_says {
        let _ = write!(text, "\n> {}", escaped(&says.replace('\n', " ")));
    }
    if let Some(log) = &cause.log
        && !log.lines.is_empty()
    {
        let lines = log.lines.iter().skip(log.lines.len().saturating_sub(LINES));
        // A fence inside would end the block.
        let lines: Vec<String> = lines.map(|line| escaped(&cut(line, 200)).replace("```", "'''")).collect();
        let _ = write!(text, "\n```{}```", lines.join("\n"));
    }
    let _ = write!(text, "\n*Next*: {}", escaped(&cut(&cause.next, 500)));
    text
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": cut(text, SECTION)}})
}

/// Text that is not ours: nothing in it is a link, a mention or a control character.
fn escaped(text: &str) -> String {
    visible(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A link to a page, if its address can be one.
fn link(url: &str) -> Option<String> {
    let plain = url.starts_with("https://") || url.starts_with("http://");
    let safe = plain && !url.chars().any(|c| c.is_whitespace() || c.is_control() || "<>|".contains(c));
    safe.then(|| format!("<{}|open>", url.replace('&', "&amp;")))
}

#[cfg(test)]
mod tests;
