//! `/api/approvals`: what waits in a repository, and the answers of whoever may.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use shipline::engine::clock;

use super::answers::{Refusal, document, gate as shown};
use super::{SCHEMA_VERSION, Shared};
use crate::approvals::{self, Answered, Word};
use crate::decision::{Denied, Rights};
use crate::store::{Decision, Gate, NewAudit, Via};
use crate::types::{Actor, GateId};

/// The longest key a sender may give.
const LONGEST_KEY: usize = 200;

/// The body of an answer; may be empty.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    /// Why.
    reason: Option<String>,
    /// The plan that is meant: its hash, or the first six or more characters of it.
    plan: Option<String>,
}

pub(super) async fn list(
    State(shared): State<Shared>,
    Query(asked): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let actor = shared.person(&headers).await?;
    let repository = shared.repository(&actor, asked.get("repository").map(String::as_str)).await?;
    let waiting = shared.bot.store.waiting_gates(repository.id).await?;
    let waiting: Vec<_> = waiting.iter().map(shown).collect();
    Ok(document(StatusCode::OK, &json!({ "schema_version": SCHEMA_VERSION, "approvals": waiting })))
}

pub(super) async fn one(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let actor = shared.person(&headers).await?;
    let (gate, _) = found(&shared, &actor, &id).await?;
    Ok(document(StatusCode::OK, &json!({ "schema_version": SCHEMA_VERSION, "approval": shown(&gate) })))
}

pub(super) async fn approve(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    answer(&shared, Decision::Approve, &id, &headers, &body).await
}

pub(super) async fn reject(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    answer(&shared, Decision::Reject, &id, &headers, &body).await
}

/// The gate, if the person may know of it.
async fn found(shared: &Shared, actor: &Actor, id: &str) -> Result<(Gate, Rights), Refusal> {
    let id: u64 = id.parse().map_err(|_| Refusal::not_found())?;
    if i64::try_from(id).is_err() {
        return Err(Refusal::not_found());
    }
    let gate = shared.bot.store.gate(GateId::new(id)).await?.ok_or_else(Refusal::not_found)?;
    let rights = shared.looks(actor, &gate.asked.repository).await?;
    Ok((gate, rights))
}

async fn answer(
    shared: &Shared,
    decision: Decision,
    id: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Response, Refusal> {
    let actor = shared.person(headers).await?;
    let said = read(headers, body)?;
    let token = match headers.get("idempotency-key") {
        None => uuid::Uuid::new_v4().to_string(),
        Some(key) => match key.to_str() {
            Ok(key) if !key.is_empty() && key.len() <= LONGEST_KEY => key.to_owned(),
            _ => return Err(Refusal::invalid("The `Idempotency-Key` is empty, too long or not plain.", "Use a UUID.")),
        },
    };
    // Somebody else's key is another one.
    let token = format!("api/{}/{token}", actor.id);
    let (gate, rights) = found(shared, &actor, id).await?;
    let hub = shared.bot.app.hub(&gate.asked.repository);
    let situation = hub.situation(None, Some(&gate.asked.key.environment)).await?;
    let (reason, plan) = (said.reason.as_deref(), said.plan.as_deref());
    let word = Word { actor: &actor, decision, via: Via::Api, reason, token: &token, plan };
    let answered = approvals::answer(&shared.bot, &hub, &situation, &gate, &word, Some(&rights)).await?;
    let answered = match answered {
        Ok(answered) => answered,
        Err(denied) => return Err(refused(shared, &gate, &word, denied).await?),
    };
    shared.bot.metrics.command(decision.word(), answered.code().word());
    let now = shared.bot.store.gate(gate.id).await?.unwrap_or(gate);
    let (have, need) = match answered {
        Answered::Counted { have, need } => (have, need),
        Answered::Approved | Answered::Rejected => (now.have(), now.asked.need),
    };
    let body = json!({
        "schema_version": SCHEMA_VERSION, "result": answered.code().word(), "have": have, "need": need,
        "approval": shown(&now),
    });
    Ok(document(StatusCode::OK, &body))
}

/// A no is written down, too.
async fn refused(shared: &Shared, gate: &Gate, word: &Word<'_>, denied: Denied) -> Result<Refusal, Refusal> {
    let asked = &gate.asked;
    let entry = NewAudit {
        key: format!("api/{}", uuid::Uuid::new_v4()),
        repository: Some(asked.repository.id),
        repository_name: Some(asked.repository.name.to_string()),
        environment: Some(asked.key.environment.to_string()),
        actor: Some(word.actor.clone()),
        action: word.decision.word().to_owned(),
        outcome: denied.code.word().to_owned(),
        details: json!({ "schema_version": 1, "via": "api", "gate": gate.id, "why": denied.what, "reason": word.reason }),
    };
    shared.bot.store.audit(&entry.without_secrets(&shared.bot.redactor), clock::now()).await?;
    shared.bot.metrics.command(word.decision.word(), denied.code.word());
    Ok(denied.into())
}

fn read(headers: &HeaderMap, body: &Bytes) -> Result<Said, Refusal> {
    if body.is_empty() {
        return Ok(Said::default());
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Refusal::invalid("The body is not sent as JSON.", "Send `Content-Type: application/json`."));
    }
    serde_json::from_slice(body).map_err(|why| {
        let what = format!("The body is not what is expected: {why}.");
        Refusal::invalid(what, "Send `{}`, or `{\"reason\": \"…\", \"plan\": \"…\"}`.")
    })
}
