//! A plan that waits for people: what they decide on, who may, how, and what was answered.

use std::fmt::Write as _;

use shipline::report::escape::{code, cut, sentence};
use shipline::report::plural;
use shipline::types::Timestamp;

use super::sections::Sections;
use super::words::{at, long, quoted, release, who};
use crate::store::{Decision, Deployment, Gate, GateName, GateState, Voice, WaitingGate};
use crate::types::GateId;

/// Answers beyond this many are not told one by one.
const ANSWERS: usize = 20;

/// Marks the comment that calls people once more. An HTML comment.
pub fn reminder_marker(gate: GateId) -> String {
    format!("<!-- shipline:reminder:{gate} -->")
}

/// Whose turn it is and how, with what was answered so far.
pub(super) fn turn(text: &mut Sections, deployment: &Deployment, waiting: &WaitingGate, gate: &Gate) {
    if let Some(again) = &waiting.again {
        text.add(&format!("> {}", sentence(&cut(again, 500))));
    }
    let environment = &deployment.asked.key.environment;
    text.add(&format!(
        "**Your turn, {}** ({} needed{}): `/approve {environment}` or `/reject {environment} <reason>`. Nobody answers \
         {}: it ends, and nothing is changed.",
        people(waiting),
        needed(waiting, gate),
        not_the_requester(deployment, gate),
        until(waiting)
    ));
    text.add(&answers(gate));
}

/// Calls people once more.
pub fn reminder(deployment: &Deployment, waiting: &WaitingGate, gate: &Gate) -> String {
    let environment = &deployment.asked.key.environment;
    let mut text = Sections::new();
    text.add(&format!(
        "**Still your turn, {}**: {} ← {} (plan {}) waits since {}; {} needed{}.",
        people(waiting),
        code(environment.as_str()),
        release(deployment),
        code(waiting.hash.get(..6).unwrap_or_default()),
        at(waiting.since),
        needed(waiting, gate),
        not_the_requester(deployment, gate)
    ));
    text.add(&format!(
        "`/approve {environment}` or `/reject {environment} <reason>`. Nobody answers {}: it ends, and nothing is changed.",
        until(waiting)
    ));
    text.finish_with(&reminder_marker(gate.id))
}

/// How it stands, for the heading.
pub(super) fn standing(waiting: &WaitingGate, gate: &Gate) -> String {
    format!("waiting for approval, {} of {}", gate.have(), waiting.need)
}

/// The only mentions the bot makes: people and teams that the policy names, checked for their form there.
fn people(waiting: &WaitingGate) -> String {
    match waiting.people.as_slice() {
        [] => "nobody".to_owned(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

fn needed(waiting: &WaitingGate, gate: &Gate) -> String {
    let left = waiting.need.saturating_sub(gate.have());
    format!("{left} of {}", waiting.need)
}

pub(super) fn not_the_requester(deployment: &Deployment, gate: &Gate) -> String {
    if gate.asked.facts["requester"] == "may" {
        String::new()
    } else {
        format!(", not {}", who(&deployment.asked.actor))
    }
}

fn until(waiting: &WaitingGate) -> String {
    let length = |from: Timestamp, to: Timestamp| long(to.as_second() - from.as_second());
    format!("until {} ({} after the question)", at(waiting.expires), length(waiting.since, waiting.expires))
}

pub(super) fn answers(gate: &Gate) -> String {
    let mut out = String::new();
    for one in gate.approvals.iter().take(ANSWERS) {
        let verb = match one.decision {
            Decision::Approve => "approved",
            Decision::Reject => "rejected",
        };
        let reason = one.reason.as_deref().map(quoted).filter(|reason| !reason.is_empty());
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let gone = match one.voice {
            Voice::Counts => "",
            Voice::Withdrawn => "; it counts no more, because the right to is gone",
        };
        let _ = writeln!(out, "- {} {verb} at {}{reason}{gone}", who(&one.actor), at(one.at));
    }
    if gate.approvals.len() > ANSWERS {
        let more = gate.approvals.len() - ANSWERS;
        let _ = writeln!(out, "- … and {more} more {}", plural(more, "answer"));
    }
    out
}

/// Marks the comment about a job that waits. An HTML comment.
pub fn rule_marker(gate: GateId) -> String {
    format!("<!-- shipline:gate:{gate} -->")
}

/// A job of a workflow that waits for people, or how it was answered.
pub fn rule(gate: &Gate, state: GateState, server_url: &str) -> String {
    let asked = &gate.asked;
    let environment = &asked.key.environment;
    let standing = match state {
        GateState::Waiting => format!("waiting for approval, {} of {}", gate.have(), asked.need),
        GateState::Approved => "approved".to_owned(),
        GateState::Rejected => "rejected".to_owned(),
        GateState::Expired => "not approved in time".to_owned(),
        GateState::Void => "not needed any more".to_owned(),
    };
    let what = asked.commit.map(|sha| code(&sha.short())).unwrap_or_default();
    let mut text = Sections::headed(&format!("{environment} ← {what} · {standing}"));
    let repository = asked.repository.name.as_str();
    let run = match &asked.name {
        GateName::Run { run, .. } => format!("[a job of a workflow]({server_url}/{repository}/actions/runs/{run})"),
        GateName::Deployment { .. } => "a deployment".to_owned(),
    };
    let by = asked.requester.as_ref().map(|by| format!(", started by {}", who(by))).unwrap_or_default();
    text.add(&format!("{run} wants to use this environment{by}."));
    if state == GateState::Waiting {
        let people: Vec<&str> =
            asked.facts["people"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str).collect();
        let own = match &asked.requester {
            Some(by) if asked.facts["requester"] != "may" => format!(", not {}", who(by)),
            _ => String::new(),
        };
        let left = asked.need.saturating_sub(gate.have());
        text.add(&format!(
            "**Your turn, {}** ({left} of {} needed{own}): `/approve {environment}` or `/reject {environment} <reason>`. \
             Nobody answers until {}: the job is rejected.",
            people.join(" or "),
            asked.need,
            at(asked.expires)
        ));
    }
    text.add(&answers(gate));
    text.finish_with(&rule_marker(gate.id))
}

/// What GitHub shows beside its answer to a job.
pub fn rule_answer(gate: &Gate, state: GateState) -> String {
    let by = |decision: Decision| {
        let said = gate.approvals.iter().filter(|one| one.decision == decision && one.voice == Voice::Counts);
        said.map(|one| one.actor.login.as_str()).collect::<Vec<_>>().join(", ")
    };
    match state {
        GateState::Approved => format!("Approved by {}.", by(Decision::Approve)),
        GateState::Rejected => {
            let reason = gate.rejection().and_then(|no| no.reason.as_deref()).unwrap_or_default();
            let reason = if reason.is_empty() { String::new() } else { format!(": {}", cut(reason, 500)) };
            format!("Rejected by {}{reason}.", by(Decision::Reject))
        }
        GateState::Expired => format!("Approved by {} of {} in time.", gate.have(), gate.asked.need),
        GateState::Waiting | GateState::Void => "Not needed any more.".to_owned(),
    }
}
