//! Custom deployment protection rules: jobs of workflows that wait at GitHub's environments.
//!
//! Same policy, same people, same audit trail as a deployment of the bot's own; only what follows
//! differs: GitHub is answered, and lets the job go on or ends it. Invariants: the question is durable
//! before anybody is asked; an answer is sent again until GitHub has taken it, and GitHub takes one;
//! the address in the payload is never followed, it must be the one we would have used ourselves.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use shipline::engine::{Cancel, clock};
use shipline::problem::Problem;
use shipline::types::{EnvironmentName, Timestamp};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::context::Bot;
use crate::decision::{approving, gather, policy};
use crate::github::{Hub, Reviewed};
use crate::handlers::HandlerFailed;
use crate::messages;
use crate::store::{Gate, GateKind, GateName, GateState, NewAudit, NewGate, StoreFailed};
use crate::webhook::RuleAsked;

/// How often it is looked for gates that are due.
const LOOKS: Duration = Duration::from_secs(2);

/// How long one look may take before somebody else tries.
const HELD: Duration = Duration::from_mins(1);

/// How long GitHub is tried when it does not take an answer.
const AGAIN: Duration = Duration::from_secs(15);

/// GitHub ends a job that waits for longer than 30 days.
const PATIENCE: Duration = Duration::from_hours(30 * 24);

/// A job wants to use an environment.
pub async fn asked(bot: &Arc<Bot>, rule: &RuleAsked) -> Result<(), HandlerFailed> {
    let hub = bot.app.hub(&rule.repository);
    if rule.callback != hub.rule_address(rule.run) {
        return ignored(bot, rule, "its callback is not the address of that run in this repository").await;
    }
    let Ok(environment) = rule.environment.parse::<EnvironmentName>() else {
        return ignored(bot, rule, "its environment cannot be one of ours").await;
    };
    let situation = hub.situation(None, Some(&environment)).await?;
    let found = gather::config(bot, &situation).and_then(|config| {
        let spec = policy::environment(&config, &environment)?;
        Ok(approving::rule(GateKind::Rule, spec))
    });
    let approvals = match found {
        Ok(Some(approvals)) => approvals,
        Ok(None) => return ignored(bot, rule, "the policy asks nobody for this environment").await,
        Err(denied) => return ignored(bot, rule, &denied.what).await,
    };
    // Whoever started the run again is the one who asks, whoever the delivery names.
    let requester = hub.starter(rule.run).await?.unwrap_or_else(|| rule.actor.clone());
    let now = clock::now();
    let about = format!("{}/{}/{}/{}", rule.repository.id, rule.run, rule.environment, rule.sha);
    let new = NewGate {
        name: GateName::Run { run: rule.run, environment: environment.clone() },
        repository: rule.repository.clone(),
        key: crate::types::EnvironmentKey { repository: rule.repository.id, environment },
        hash: hex::encode(Sha256::digest(about.as_bytes())),
        commit: Some(rule.sha),
        issue: rule.pulls.first().copied(),
        requester: Some(requester),
        need: approvals.count,
        expires: now.checked_add(approvals.expires.duration().min(PATIENCE)).unwrap_or(Timestamp::MAX),
        facts: json!({
            "people": approvals.from.iter().map(approving::mention).collect::<Vec<_>>(),
            "requester": approving::word(approvals.requester),
        }),
    };
    let gate = bot.store.open_rule_gate(&new, now).await?;
    info!(gate = %gate.id, run = %rule.run, environment = rule.environment, "a job waits for approval");
    bot.metrics.gate(GateKind::Rule.word(), "opened");
    Ok(())
}

/// Not ours to answer: the job waits until somebody else does.
async fn ignored(bot: &Bot, rule: &RuleAsked, why: &str) -> Result<(), HandlerFailed> {
    warn!(run = %rule.run, environment = rule.environment, why, "a job waits for an answer that is not ours");
    let entry = NewAudit {
        key: format!("rule/{}/{}/ignored", rule.run, rule.environment),
        repository: Some(rule.repository.id),
        repository_name: Some(rule.repository.name.to_string()),
        environment: Some(rule.environment.clone()),
        actor: Some(rule.actor.clone()),
        action: "approval.ignored".to_owned(),
        outcome: "not-ours".to_owned(),
        details: json!({ "schema_version": 1, "run": rule.run, "why": why }),
    };
    bot.store.audit(&entry.without_secrets(&bot.redactor), clock::now()).await?;
    Ok(())
}

/// Looks after gates of jobs until `stop`.
pub fn start(bot: Arc<Bot>, stop: Cancel) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !stop.is_cancelled() {
            if let Err(error) = due(&bot, &stop).await {
                warn!(%error, "jobs that wait for approval could not be looked at, trying again");
            }
            let _due = tokio::time::timeout(LOOKS, stop.cancelled()).await;
        }
    })
}

async fn due(bot: &Arc<Bot>, stop: &Cancel) -> Result<(), StoreFailed> {
    while !stop.is_cancelled() {
        let now = clock::now();
        let held = now.checked_add(HELD).unwrap_or(Timestamp::MAX);
        let Some(gate) = bot.store.claim_rule_gate(now, held).await? else { return Ok(()) };
        let next = look(bot, &gate).await?;
        bot.store.release_rule_gate(gate.id, held, next, clock::now()).await?;
    }
    Ok(())
}

/// One look at a gate; when the next one is due, or nothing when GitHub was answered.
async fn look(bot: &Arc<Bot>, gate: &Gate) -> Result<Option<Timestamp>, StoreFailed> {
    let now = clock::now();
    let hub = bot.app.hub(&gate.asked.repository);
    let again = now.checked_add(AGAIN).unwrap_or(Timestamp::MAX);
    let mut state = gate.state;
    if state == GateState::Waiting {
        if gate.asked.expires > now {
            return Ok(Some(match told(bot, &hub, gate, state).await {
                Ok(()) => gate.asked.expires,
                Err(problem) => {
                    warn!(problem = %problem.what, "people were not asked about a job that waits, trying again");
                    again
                }
            }));
        }
        if !bot.store.end_gate(gate.id, GateState::Expired, now).await? {
            return Ok(Some(now));
        }
        bot.metrics.gate(GateKind::Rule.word(), "expired");
        state = GateState::Expired;
    }
    let GateName::Run { run, ref environment } = gate.asked.name else { return Ok(None) };
    let locked = bot.store.lock_of(&gate.asked.key, now).await?;
    let (review, why) = match (state, locked) {
        (GateState::Approved, Some(lock)) => {
            (Reviewed::Rejected, format!("{environment} is locked by {}: nothing goes there.", lock.holder.login))
        }
        (GateState::Approved, None) => (Reviewed::Approved, messages::rule_answer(gate, state)),
        _ => (Reviewed::Rejected, messages::rule_answer(gate, state)),
    };
    let taken = match hub.review_rule(run, environment, review, &why).await {
        Ok(taken) => taken,
        Err(problem) => {
            warn!(problem = %problem.what, "GitHub did not take the answer to a job that waits, trying again");
            return Ok(Some(again));
        }
    };
    if let Err(problem) = told(bot, &hub, gate, state).await {
        warn!(problem = %problem.what, "how a job was answered was not told");
    }
    let word = if taken { review.word() } else { "not-taken" };
    info!(gate = %gate.id, answer = word, "a job that waited was answered");
    bot.metrics.gate(GateKind::Rule.word(), if taken { "told" } else { "not-taken" });
    let entry = NewAudit {
        key: format!("gate/{}/answered", gate.id),
        repository: Some(gate.asked.repository.id),
        repository_name: Some(gate.asked.repository.name.to_string()),
        environment: Some(gate.asked.key.environment.to_string()),
        actor: None,
        action: "approval.answered".to_owned(),
        outcome: word.to_owned(),
        details: json!({ "schema_version": 1, "gate": gate.id, "run": run, "state": state.word() }),
    };
    bot.store.audit(&entry, clock::now()).await?;
    Ok(None)
}

/// Keeps the comment about a job current, where there is a conversation.
async fn told(bot: &Bot, hub: &Hub, gate: &Gate, state: GateState) -> Result<(), Problem> {
    let Some(issue) = gate.asked.issue else { return Ok(()) };
    let text = messages::rule(gate, state, &bot.server_url);
    match hub.find_comment(issue, &messages::rule_marker(gate.id), gate.opened).await? {
        Some(comment) => hub.edit(comment, &text).await.map(|_| ()),
        None => hub.comment(issue, &text).await.map(|_| ()),
    }
}
