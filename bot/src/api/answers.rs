//! What is answered: a status, and JSON with a version.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use shipline::problem::Problem;

use super::SCHEMA_VERSION;
use crate::decision::{Denied, ReasonCode};
use crate::store::{Gate, StoreFailed};

/// A no, or a failure.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) what: String,
    why: Vec<String>,
    next: String,
}

impl Refusal {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        what: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self { status, code, what: what.into(), why: Vec::new(), next: next.into() }
    }

    pub(super) fn unauthorized(what: &str) -> Self {
        let next = "Send a GitHub token of your own: `Authorization: Bearer <token>`.";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", what, next)
    }

    /// What is not there, and what nobody outside may know of.
    pub(super) fn not_found() -> Self {
        let next = "Check the number, and that you can read the repository.";
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is nothing of that name for you.", next)
    }

    pub(super) fn invalid(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, ReasonCode::Usage.word(), what, next)
    }

    pub(super) fn away(what: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ReasonCode::ProviderFailed.word(), what, "Try again in a minute.")
    }

    pub(super) fn too_many() -> Self {
        let code = ReasonCode::TooManyCommands.word();
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, "Too many requests.", "Try again in a minute.")
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        use ReasonCode::{
            AccessDenied, AccessUnknown, GateOver, NoGate, NotAPerson, OtherPlan, OwnRequest, ProviderFailed, Twice,
        };
        let status = match denied.code {
            AccessDenied | OwnRequest | NotAPerson => StatusCode::FORBIDDEN,
            NoGate => StatusCode::NOT_FOUND,
            AccessUnknown | ProviderFailed => StatusCode::SERVICE_UNAVAILABLE,
            Twice | GateOver | OtherPlan => StatusCode::CONFLICT,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self { status, code: denied.code.word(), what: denied.what, why: denied.why, next: denied.next }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        tracing::warn!(problem = %problem.what, "a request of the interface could not be answered");
        Self::away("GitHub or the database did not answer.")
    }
}

impl From<StoreFailed> for Refusal {
    fn from(failed: StoreFailed) -> Self {
        tracing::warn!(%failed, "a request of the interface could not be answered");
        Self::away("The database did not answer.")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, code, what, why, next } = self;
        let error = json!({ "code": code, "what": what, "why": why, "next": next });
        let mut response = document(status, &json!({ "schema_version": SCHEMA_VERSION, "error": error }));
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"shipline\""));
        }
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
        }
        response
    }
}

/// JSON that nobody keeps and no browser takes for something else.
pub(super) fn document(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, format!("{body}\n")).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A gate as scripts see it.
pub(super) fn gate(gate: &Gate) -> Value {
    let asked = &gate.asked;
    let answers = gate.approvals.iter().map(|one| {
        json!({
            "actor": one.actor, "decision": one.decision, "via": one.via, "reason": one.reason, "at": one.at,
            "counts": one.counts(),
        })
    });
    json!({
        "id": gate.id,
        "kind": asked.name.kind().word(),
        "number": asked.name.number(),
        "deployment": asked.name.deployment(),
        "repository": asked.repository.name.as_str(),
        "environment": asked.key.environment,
        "issue": asked.issue,
        "commit": asked.commit,
        "plan": asked.hash,
        "requester": asked.requester,
        "state": gate.state,
        "need": asked.need,
        "have": gate.have(),
        "opened": gate.opened,
        "expires": asked.expires,
        "decided": gate.decided,
        "answers": answers.collect::<Vec<_>>(),
    })
}
