//! `POST /webhooks/github`: the order in which a request is looked at, and the answers.
//!
//! Size, then signature, then headers, then content; stored, then 202. Invariants: nothing of a
//! request is interpreted before its signature was good; a forger learns nothing from the answer;
//! 202 is said only for what is durable or needs not be; whatever GitHub should send again gets 503.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use shipline::engine::clock;
use tokio::sync::Semaphore;

use super::body::{self, NoBody, Room};
use super::event::Delivery;
use super::group_commit::{NotStored, Writer};
use super::payload::{self, Understood};
use super::signature::{self, Secrets};
use crate::metrics::Metrics;
use crate::store::Accepted;

/// How much is taken in at once, and how long it may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The longest body.
    pub largest: usize,
    /// How long a body may take to arrive.
    pub body: Duration,
    /// Requests at once.
    pub requests: usize,
    /// Bytes of all bodies at once.
    pub memory: usize,
    /// How long the store may take; GitHub waits 10 seconds for an answer.
    pub store: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            largest: body::LARGEST,
            body: Duration::from_secs(10),
            requests: 512,
            memory: 4 * body::LARGEST,
            store: Duration::from_secs(8),
        }
    }
}

/// Takes deliveries in. Clones share everything.
#[derive(Clone)]
pub struct Intake(Arc<Inner>);

struct Inner {
    secrets: Secrets,
    writer: Writer,
    metrics: Metrics,
    limits: Limits,
    requests: Semaphore,
    room: Room,
}

/// What became of a request: one status, one word for the metrics, one sentence.
#[derive(Debug)]
enum Answer {
    Stored(Accepted),
    Ignored(payload::Ignored),
    Unverified,
    Body(NoBody),
    Headers(StatusCode, &'static str),
    Payload(payload::BadPayload),
    NotStored(NotStored),
    TooMany,
}

impl Intake {
    /// Ready to take deliveries in.
    pub fn new(secrets: Secrets, writer: Writer, metrics: Metrics, limits: Limits) -> Self {
        let (requests, room) = (Semaphore::new(limits.requests), Room::new(limits.memory));
        Self(Arc::new(Inner { secrets, writer, metrics, limits, requests, room }))
    }
}

/// The handler of the route.
pub async fn receive(State(Intake(intake)): State<Intake>, request: Request) -> Response {
    let began = clock::instant();
    let answer = intake.answer(request).await;
    intake.metrics.delivery(answer.word());
    if let Answer::Stored(_) = answer {
        intake.metrics.acknowledged(clock::instant().duration_since(began).as_secs_f64());
    }
    answer.into_response()
}

impl Inner {
    async fn answer(&self, request: Request) -> Answer {
        let Ok(_turn) = self.requests.try_acquire() else { return Answer::TooMany };
        let (parts, body) = request.into_parts();
        let held = match body::read(body, self.limits.largest, self.limits.body, &self.room).await {
            Ok(held) => held,
            Err(why) => return Answer::Body(why),
        };
        let claimed = parts.headers.get(signature::HEADER).map(HeaderValue::as_bytes);
        let Ok(verified) = self.secrets.verify(held.bytes(), claimed) else { return Answer::Unverified };
        let (event, id) = match named(&parts.headers) {
            Ok(named) => named,
            Err((status, why)) => return Answer::Headers(status, why),
        };
        let event = match payload::read(event, verified) {
            Ok(Understood::Event(event)) => *event,
            Ok(Understood::Ignored(why)) => {
                if why == payload::Ignored::NoInstallation {
                    tracing::warn!(delivery = id, event, "ignored: not sent through the App's installation");
                }
                return Answer::Ignored(why);
            }
            Err(why) => {
                tracing::warn!(delivery = id, event, %why, "a signed delivery cannot be read");
                return Answer::Payload(why);
            }
        };
        let delivery = Delivery { id: id.to_owned(), event };
        // The room is for others while the disk works.
        drop(held);
        match tokio::time::timeout(self.limits.store, self.writer.store(delivery)).await {
            Ok(Ok(accepted)) => Answer::Stored(accepted),
            Ok(Err(why)) => Answer::NotStored(why),
            Err(_) => Answer::NotStored(NotStored::Failed),
        }
    }
}

/// The event's name and the delivery's id, well formed.
fn named(headers: &HeaderMap) -> Result<(&str, &str), (StatusCode, &'static str)> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = text("content-type").split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        let why = "the webhook's content type must be application/json: change it in the App's settings";
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    let event = text("x-github-event");
    if event.is_empty() || event.len() > 64 || !event.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
        return Err((StatusCode::BAD_REQUEST, "X-GitHub-Event is missing or is not the name of an event"));
    }
    let id = text("x-github-delivery");
    if id.is_empty() || id.len() > 64 || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err((StatusCode::BAD_REQUEST, "X-GitHub-Delivery is missing or is not the id of a delivery"));
    }
    Ok((event, id))
}

impl Answer {
    /// The word of the metric.
    fn word(&self) -> &'static str {
        match self {
            Self::Stored(Accepted::New) => "accepted",
            Self::Stored(Accepted::Known) => "known",
            Self::Ignored(_) => "ignored",
            Self::Unverified => "unverified",
            Self::Body(NoBody::TooLarge) => "too-large",
            Self::Body(NoBody::TooSlow) => "too-slow",
            Self::Body(NoBody::Broken) => "broken-off",
            Self::Headers(..) | Self::Payload(_) => "malformed",
            Self::NotStored(NotStored::Failed) => "not-stored",
            Self::Body(NoBody::NoRoom) | Self::NotStored(NotStored::Full) | Self::TooMany => "busy",
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Stored(_) | Self::Ignored(_) => StatusCode::ACCEPTED,
            Self::Unverified => StatusCode::UNAUTHORIZED,
            Self::Body(NoBody::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(NoBody::TooSlow) => StatusCode::REQUEST_TIMEOUT,
            Self::Headers(status, _) => *status,
            Self::Body(NoBody::Broken) | Self::Payload(_) => StatusCode::BAD_REQUEST,
            Self::Body(NoBody::NoRoom) | Self::NotStored(_) | Self::TooMany => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn sentence(&self) -> String {
        match self {
            Self::Stored(Accepted::New) => "accepted".to_owned(),
            Self::Stored(Accepted::Known) => "known".to_owned(),
            Self::Ignored(why) => format!("ignored: {}", why.word()),
            Self::Unverified => signature::Unverified.to_string(),
            Self::Body(NoBody::TooLarge) => "the body is larger than any delivery".to_owned(),
            Self::Body(NoBody::TooSlow) => "the body did not come in time".to_owned(),
            Self::Body(NoBody::Broken) => "the body broke off".to_owned(),
            Self::Headers(_, why) => (*why).to_owned(),
            Self::Payload(why) => why.to_string(),
            Self::NotStored(why) => format!("{why}: the delivery is not stored, and will be asked for again"),
            Self::Body(NoBody::NoRoom) | Self::TooMany => "too many requests at once: try again".to_owned(),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = (status, self.sentence() + "\n").into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

#[cfg(test)]
mod tests;
