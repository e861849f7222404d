//! Custom deployment protection rules: a job of a workflow reaches an environment, and the bot is asked.
//!
//! Here is what the delivery brings; what becomes of the job is [`super::job`]'s. Invariants: the job
//! is durable before anybody hears of it; the address in the payload is never followed, it must be the
//! one we would have used ourselves.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sha2::{Digest as _, Sha256};
use shipline::engine::clock;
use shipline::types::{EnvironmentName, Timestamp};
use tracing::{info, warn};

use crate::context::Bot;
use crate::decision::{JobFacts, approving, gather, policy};
use crate::handlers::HandlerFailed;
use crate::store::{Gate, GateKind, GateName, GatesOf, NewAudit, NewGate};
use crate::types::EnvironmentKey;
use crate::webhook::RuleAsked;

/// GitHub ends a job that waits for longer than 30 days.
const PATIENCE: Duration = Duration::from_hours(30 * 24);

/// How long a job waits where the policy does not say it.
const UNSAID: Duration = Duration::from_hours(24);

/// A job wants to use an environment.
pub async fn asked(bot: &Arc<Bot>, rule: &RuleAsked) -> Result<(), HandlerFailed> {
    let hub = bot.app.hub(&rule.repository);
    if rule.callback != hub.rule_address(rule.run) {
        return ignored(bot, rule, "its callback is not the address of that run in this repository").await;
    }
    let Ok(environment) = rule.environment.parse::<EnvironmentName>() else {
        return ignored(bot, rule, "its environment cannot be one of ours").await;
    };
    let run = hub.run_of_job(rule.run).await?;
    let attempt = run.as_ref().map_or(0, |run| run.attempt);
    if waits_already(bot, rule, &environment, attempt).await? {
        info!(run = %rule.run, environment = rule.environment, "another job of the run waits there: one answer is for both");
        return Ok(());
    }
    let situation = hub.situation(None, Some(&environment)).await?;
    let found = gather::config(bot, &situation)
        .and_then(|config| Ok(approving::rule(GateKind::Rule, policy::environment(&config, &environment)?)));
    // A policy that cannot be read is decided about like everything else: by a look at the job.
    let approvals = found.ok().flatten();
    let now = clock::now();
    let expires = approvals.as_ref().map_or(UNSAID, |rule| rule.expires.duration()).min(PATIENCE);
    let about = format!(
        "{}/{}/{}/{}/{}",
        rule.repository.id,
        rule.run,
        rule.environment,
        rule.sha,
        rule.deployment.unwrap_or_default()
    );
    let new = NewGate {
        name: GateName::Run { run: rule.run, environment: environment.clone(), deployment: rule.deployment },
        repository: rule.repository.clone(),
        key: EnvironmentKey { repository: rule.repository.id, environment },
        hash: hex::encode(Sha256::digest(about.as_bytes())),
        commit: Some(rule.sha),
        issue: rule.pulls.first().copied(),
        // Whoever started the run again is the one who asks, whoever the delivery names.
        requester: Some(run.and_then(|run| run.starter).unwrap_or_else(|| rule.actor.clone())),
        need: approvals.map_or(0, |rule| rule.count),
        expires: now.checked_add(expires).unwrap_or(Timestamp::MAX),
        facts: JobFacts { attempt, ..JobFacts::default() }.value(),
    };
    let gate = bot.store.open_rule_gate(&new, now).await?;
    info!(gate = %gate.id, run = %rule.run, environment = rule.environment, "a job waits at an environment");
    bot.metrics.gate(GateKind::Rule.word(), "opened");
    Ok(())
}

/// GitHub is answered for a run and an environment, not for a job: jobs of one attempt that wait there
/// at the same time share the answer. Those of an attempt before wait no more.
async fn waits_already(
    bot: &Bot,
    rule: &RuleAsked,
    environment: &EnvironmentName,
    attempt: u64,
) -> Result<bool, HandlerFailed> {
    let same = |gate: &Gate| {
        matches!(&gate.asked.name, GateName::Run { run, environment: other, deployment }
            if *run == rule.run && other == environment && *deployment != rule.deployment)
    };
    let mut found = false;
    for gate in bot.store.waiting_gates(rule.repository.id).await?.into_iter().filter(same) {
        if JobFacts::of(&gate).attempt == attempt {
            found = true;
        } else {
            // A look finds out that its run was started again.
            let about = GatesOf::Environment(environment);
            bot.store.wake_gates(rule.repository.id, about, clock::now()).await?;
        }
    }
    Ok(found)
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
