//! From an answer to what became of it.

use serde_json::json;
use shipline::config::spec::{Access, ApprovalsSpec};
use shipline::engine::clock;
use shipline::problem::Problem;

use super::step;
use crate::context::Bot;
use crate::decision::access::{self, teams};
use crate::decision::approving::{self, Answering};
use crate::decision::{Denied, JobFacts, ReasonCode, Rights, Situation, gather, policy};
use crate::github::Hub;
use crate::store::{Decided, Decision, Gate, GateKind, GateState, NewApproval, NewAudit, Via};
use crate::types::Actor;

/// An answer, on its way.
#[derive(Debug, Clone, Copy)]
pub struct Word<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// What.
    pub decision: Decision,
    /// How.
    pub via: Via,
    /// Why.
    pub reason: Option<&'a str>,
    /// Names this very asking.
    pub token: &'a str,
    /// The plan that is meant, where the person named one.
    pub plan: Option<&'a str>,
}

/// An answer that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// More are needed.
    Counted {
        /// How many there are.
        have: u32,
        /// How many there must be.
        need: u32,
    },
    /// It was the last one needed.
    Approved,
    /// It ended what waited.
    Rejected,
}

impl Answered {
    /// For machines.
    pub fn code(self) -> ReasonCode {
        match self {
            Self::Counted { .. } => ReasonCode::ApprovalCounted,
            Self::Approved => ReasonCode::Approved,
            Self::Rejected => ReasonCode::Rejected,
        }
    }
}

/// Decides an answer and writes it down. The outer error: GitHub or the store did not answer.
pub async fn answer(
    bot: &Bot,
    hub: &Hub,
    situation: &Situation,
    gate: &Gate,
    word: &Word<'_>,
    known: Option<&Rights>,
) -> Result<Result<Answered, Denied>, Problem> {
    let environment = &gate.asked.key.environment;
    let found = gather::config(bot, situation).and_then(|config| {
        let spec = policy::environment(&config, environment)?;
        let rule = approving::rule(gate.asked.name.kind(), spec).ok_or_else(|| {
            let what = format!("The policy of `{environment}` asks nobody for approval any more.");
            Denied::new(ReasonCode::GateOver, what, format!("Cancel it with `/cancel {environment}`, and ask again."))
        })?;
        Ok((rule, spec.policy.access.clone()))
    });
    let (rule, access) = match found {
        Ok(found) => found,
        Err(denied) => return Ok(Err(denied)),
    };
    if word.decision == Decision::Approve
        && let Err(denied) = too_early(gate)
    {
        return Ok(Err(denied));
    }
    let rights = match rights(hub, word.actor, &rule, &access, known).await {
        Ok(rights) => rights,
        // Nobody may until GitHub says so.
        Err(problem) => return Ok(Err(access::unknown(word.actor, &problem.what))),
    };
    let question = Answering {
        environment: environment.as_str(),
        rule: &rule,
        access: &access,
        requester: gate.asked.requester.as_ref(),
        decision: word.decision,
        actor: word.actor,
        rights: &rights,
    };
    if let Err(denied) = approving::allowed(&question) {
        return Ok(Err(denied));
    }
    let stands = step::stands(&bot.store, gate).await.map_err(|failed| gather::stored(&failed))?;
    if gate.state == GateState::Waiting && !stands {
        return Ok(Err(over(gate, GateState::Void)));
    }
    let asked = &gate.asked;
    let audit = NewAudit {
        key: String::new(),
        repository: Some(asked.repository.id),
        repository_name: Some(asked.repository.name.to_string()),
        environment: Some(environment.to_string()),
        actor: Some(word.actor.clone()),
        action: String::new(),
        outcome: String::new(),
        details: json!({
            "decision": word.decision.word(), "via": word.via.word(), "reason": word.reason,
            "policy_commit": situation.policy_commit,
        }),
    };
    let new = NewApproval {
        actor: word.actor.clone(),
        decision: word.decision,
        via: word.via,
        reason: word.reason.map(|reason| bot.redactor.clean(reason)),
        token: word.token.to_owned(),
    };
    let hash = match word.plan {
        Some(plan) if plan.len() >= 6 && asked.hash.starts_with(plan) => &asked.hash,
        Some(other) => other,
        None => &asked.hash,
    };
    let audit = audit.without_secrets(&bot.redactor);
    let decided = bot.store.decide(gate.id, hash, &new, rule.count, audit, clock::now()).await;
    let decided = decided.map_err(|failed| gather::stored(&failed))?;
    let answered = match decided {
        Decided::Counted { have, need } => Answered::Counted { have, need },
        Decided::Approved => Answered::Approved,
        Decided::Rejected => Answered::Rejected,
        Decided::Twice => return Ok(Err(twice(gate, word))),
        Decided::NotWaiting(state) => return Ok(Err(over(gate, state))),
        Decided::OtherPlan => return Ok(Err(other_plan(gate, hash))),
        Decided::Unknown => return Ok(Err(unknown())),
    };
    bot.metrics.gate(asked.name.kind().word(), answered.code().word());
    bot.deployments_due.notify_one();
    Ok(Ok(answered))
}

/// What a person may do, with all teams that rule and access name.
pub async fn rights(
    hub: &Hub,
    actor: &Actor,
    rule: &ApprovalsSpec,
    access: &Access,
    known: Option<&Rights>,
) -> Result<Rights, Problem> {
    let teams = teams(&approving::named(rule, access));
    match known {
        Some(known) if teams.iter().all(|team| known.teams.contains(team)) => Ok(known.clone()),
        _ => hub.rights(&actor.login, &teams).await,
    }
}

/// A yes to a job before anybody was asked for one: what it waits for comes first.
fn too_early(gate: &Gate) -> Result<(), Denied> {
    let job = JobFacts::of(gate);
    if gate.asked.name.kind() != GateKind::Rule || job.rules.is_some() {
        return Ok(());
    }
    let environment = &gate.asked.key.environment;
    let what = format!("Nobody is asked about the job that wants to use `{environment}` yet.");
    let denied = Denied::new(ReasonCode::NoGate, what, "Wait until you are asked; `/reject` ends it at once.");
    Err(match job.waits {
        Some((waits, _)) => denied.because(waits.what),
        None => denied,
    })
}

fn twice(gate: &Gate, word: &Word<'_>) -> Denied {
    let what = match word.decision {
        Decision::Approve => "You have approved this already: another person must.",
        Decision::Reject => "You have rejected this already.",
    };
    let next = format!("It has {} of {} that it needs.", gate.have(), gate.asked.need);
    Denied::new(ReasonCode::Twice, what, next)
}

pub(super) fn over(gate: &Gate, state: GateState) -> Denied {
    let environment = &gate.asked.key.environment;
    let what = match state {
        GateState::Approved => format!("What waited on `{environment}` is approved already."),
        GateState::Rejected => format!("What waited on `{environment}` is rejected already."),
        GateState::Expired => format!("The time to answer on `{environment}` is over."),
        GateState::Void | GateState::Waiting => format!("What waited on `{environment}` is no more."),
    };
    Denied::new(ReasonCode::GateOver, what, format!("See how it stands with `/status {environment}`."))
}

fn other_plan(gate: &Gate, meant: &str) -> Denied {
    let now: String = gate.asked.hash.chars().take(6).collect();
    let meant: String = meant.chars().filter(char::is_ascii_alphanumeric).take(6).collect();
    let what = format!("The plan that waits is `{now}`, not `{meant}`.");
    Denied::new(ReasonCode::OtherPlan, what, "Look at the plan that waits, then answer again.")
}

fn unknown() -> Denied {
    Denied::new(ReasonCode::NoGate, "There is no such approval.", "List those that wait.")
}
