//! Webhooks: what waits to be sent, how it is disturbed, and the record of every attempt that
//! `/app/hook/deliveries` tells about.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::Notify;

use super::entry::Ask;
use super::{GitHub, missing, refused};
use crate::reply::{Millis, rfc3339};
use crate::server::Reply;

/// One message: what its attempts have in common.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) guid: String,
    /// The App's id.
    pub(crate) app: u64,
    pub(crate) event: String,
    pub(crate) action: Option<String>,
    pub(crate) installation: Option<u64>,
    pub(crate) repository: Option<u64>,
    pub(crate) payload: Arc<str>,
}

/// First time, or asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Turn {
    First,
    Redelivery,
    /// Sent, but GitHub does not know: a copy on the way.
    Unrecorded,
}

/// What happened to one attempt.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) id: u64,
    pub(crate) message: Message,
    pub(crate) turn: Turn,
    pub(crate) at: Millis,
    pub(crate) duration_ms: u64,
    /// What was answered; nothing when nobody did.
    pub(crate) code: Option<u16>,
    pub(crate) status: String,
    pub(crate) answer: Option<String>,
}

/// An attempt of a webhook, as a test sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// GitHub's number of the attempt.
    pub id: u64,
    /// `X-GitHub-Delivery`: the same for all attempts.
    pub guid: String,
    /// `issue_comment`…
    pub event: String,
    /// `created`…
    pub action: Option<String>,
    /// Whether it was asked for again.
    pub redelivery: bool,
    /// What was answered; nothing when nobody did.
    pub code: Option<u16>,
    /// GitHub's words for it.
    pub status: String,
}

/// What is done with messages that come up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Flow {
    #[default]
    Sent,
    /// They wait.
    Held,
}

/// How a message gets lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Loss {
    /// Nobody answered: recorded as failed.
    Failed,
    /// GitHub never made it.
    Never,
}

/// Everything about webhooks.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    pub(crate) waiting: VecDeque<(Message, Turn)>,
    pub(crate) flow: Flow,
    /// The next so many are lost, in that way.
    pub(crate) losing: Option<(u32, Loss)>,
    /// Oldest first.
    pub(crate) attempts: Vec<Attempt>,
    /// One is on its way just now.
    pub(crate) busy: bool,
    wake: Option<Arc<Notify>>,
}

impl Hooks {
    pub(crate) fn waking(wake: Arc<Notify>) -> Self {
        Self { wake: Some(wake), ..Self::default() }
    }

    /// Rouses the courier.
    pub(crate) fn wake(&self) {
        if let Some(wake) = &self.wake {
            wake.notify_one();
        }
    }

    pub(crate) fn waker(&self) -> Arc<Notify> {
        self.wake.clone().unwrap_or_default()
    }

    pub(crate) fn enqueue(&mut self, message: Message, turn: Turn) {
        self.waiting.push_back((message, turn));
        self.wake();
    }

    /// The next message to send.
    pub(crate) fn next(&mut self) -> Option<(Message, Turn)> {
        if self.flow == Flow::Held { None } else { self.waiting.pop_front() }
    }

    /// Whether nothing is to be sent any more.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.busy && (self.flow == Flow::Held || self.waiting.is_empty())
    }

    pub(crate) fn attempt(&self, id: u64) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| attempt.id == id)
    }
}

/// `sha256=…` of a payload.
pub(crate) fn signature(secret: &str, payload: &[u8]) -> String {
    // A key of any length is good for this code.
    let Ok(mut code) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    code.update(payload);
    let mut text = "sha256=".to_owned();
    for byte in code.finalize().into_bytes() {
        // Writing into a text cannot fail.
        let _written = write!(text, "{byte:02x}");
    }
    text
}

impl Attempt {
    pub(crate) fn seen(&self) -> Delivered {
        Delivered {
            id: self.id,
            guid: self.message.guid.clone(),
            event: self.message.event.clone(),
            action: self.message.action.clone(),
            redelivery: self.turn == Turn::Redelivery,
            code: self.code,
            status: self.status.clone(),
        }
    }

    fn is_success(&self) -> bool {
        self.code.is_some_and(|code| (200..300).contains(&code))
    }

    fn document(&self) -> Value {
        #[expect(clippy::cast_precision_loss, reason = "durations are small")]
        let duration = self.duration_ms as f64 / 1000.0;
        // GitHub counts a server nobody reaches as a bad gateway.
        let code = self.code.unwrap_or(502);
        json!({
            "id": self.id, "guid": self.message.guid, "delivered_at": rfc3339(self.at),
            "redelivery": self.turn == Turn::Redelivery, "duration": duration, "status": self.status,
            "status_code": code, "event": self.message.event, "action": self.message.action,
            "installation_id": self.message.installation, "repository_id": self.message.repository,
            "throttled_at": null,
        })
    }
}

/// GitHub remembers deliveries for three days.
const KEPT: Millis = 3 * 24 * 3_600_000;

impl GitHub {
    /// `GET /app/hook/deliveries`, newest first; pages by cursor.
    pub(super) fn list_deliveries(&self, app: u64, ask: &Ask<'_>) -> Reply {
        let size: usize = ask.form.get("per_page").and_then(|text| text.parse().ok()).unwrap_or(30).clamp(1, 100);
        let cursor = match ask.form.get("cursor").map(|cursor| cursor.trim_start_matches("v1_").parse::<u64>()) {
            Some(Err(_)) => return refused(422, "Invalid cursor"),
            Some(Ok(id)) => id,
            None => u64::MAX,
        };
        let wanted = |attempt: &&Attempt| match ask.form.get("status").map(String::as_str) {
            Some("success") => attempt.is_success(),
            Some("failure") => !attempt.is_success(),
            _ => true,
        };
        let known = self.hooks.attempts.iter().rev().filter(|attempt| {
            attempt.message.app == app && attempt.turn != Turn::Unrecorded && attempt.at + KEPT > ask.now
        });
        let mut found = known.filter(|attempt| attempt.id <= cursor).filter(wanted);
        let page: Vec<Value> = found.by_ref().take(size).map(Attempt::document).collect();
        let next = found.next().map(|attempt| attempt.id);
        let reply = Reply::json(200, &Value::Array(page));
        match next {
            Some(id) => {
                let url = format!("{}{}?per_page={size}&cursor=v1_{id}", self.base, ask.path);
                reply.with_header("link", &format!("<{url}>; rel=\"next\""))
            }
            None => reply,
        }
    }

    fn own(&self, app: u64, id: u64, now: Millis) -> Option<&Attempt> {
        let kept = |attempt: &&Attempt| {
            attempt.message.app == app && attempt.turn != Turn::Unrecorded && attempt.at + KEPT > now
        };
        self.hooks.attempt(id).filter(kept)
    }

    /// `GET /app/hook/deliveries/{id}`.
    pub(super) fn get_delivery(&self, app: u64, id: u64, now: Millis) -> Reply {
        let Some(attempt) = self.own(app, id, now) else { return missing() };
        let mut document = attempt.document();
        let known = self.apps.app(app);
        let secret = known.and_then(|app| app.secret.as_deref());
        let mut headers: serde_json::Map<String, Value> =
            headers(&attempt.message, known.map_or(0, |app| app.hook_id), secret)
                .into_iter()
                .map(|(name, value)| (name.to_owned(), json!(value)))
                .collect();
        headers.insert("Content-Type".to_owned(), json!("application/json"));
        document["url"] = json!(known.and_then(|app| app.hook_url.clone()).unwrap_or_default());
        let payload: Value = serde_json::from_str(&attempt.message.payload).unwrap_or_default();
        document["request"] = json!({"headers": headers, "payload": payload});
        document["response"] = json!({"headers": {}, "payload": attempt.answer});
        Reply::json(200, &document)
    }

    /// `POST /app/hook/deliveries/{id}/attempts`.
    pub(super) fn redeliver(&mut self, app: u64, id: u64, now: Millis) -> Reply {
        let Some(message) = self.own(app, id, now).map(|attempt| attempt.message.clone()) else {
            return missing();
        };
        self.hooks.enqueue(message, Turn::Redelivery);
        Reply::json(202, &json!({}))
    }
}

/// The headers of a delivery.
pub(crate) fn headers(message: &Message, hook: u64, secret: Option<&str>) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("User-Agent", "GitHub-Hookshot/044aadd".to_owned()),
        ("Accept", "*/*".to_owned()),
        ("X-GitHub-Event", message.event.clone()),
        ("X-GitHub-Delivery", message.guid.clone()),
        ("X-GitHub-Hook-ID", hook.to_string()),
        ("X-GitHub-Hook-Installation-Target-Type", "integration".to_owned()),
        ("X-GitHub-Hook-Installation-Target-ID", message.app.to_string()),
    ];
    if let Some(secret) = secret {
        headers.push(("X-Hub-Signature-256", signature(secret, message.payload.as_bytes())));
    }
    headers
}
