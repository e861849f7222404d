//! A job of a workflow that waits at an environment: its comment, and what GitHub shows beside it.

use shipline::report::escape::{code, cut, sentence};

use super::gate::answers;
use super::refusal;
use super::reminder_marker;
use super::sections::Sections;
use super::words::{at, who};
use crate::decision::{Denied, JobFacts};
use crate::store::{Decision, Gate, GateName, GateState, Voice};
use crate::types::GateId;

/// The longest reason beside an answer.
const REASON: usize = 500;

/// Marks the comment about a job that waits. An HTML comment.
pub fn job_marker(gate: GateId) -> String {
    format!("<!-- shipline:gate:{gate} -->")
}

/// A job that waits, or how it was answered.
pub fn job(gate: &Gate, job: &JobFacts, server_url: &str) -> String {
    let environment = &gate.asked.key.environment;
    let asks = job.rules.is_some();
    let standing = match (gate.state, &job.waits) {
        (GateState::Waiting, None) if asks => format!("waiting for approval, {} of {}", gate.have(), gate.asked.need),
        (GateState::Waiting, Some(_)) if asks => {
            format!("held, waiting for approval, {} of {}", gate.have(), gate.asked.need)
        }
        (GateState::Waiting, Some(_)) => "held".to_owned(),
        (GateState::Waiting, None) => "being looked at".to_owned(),
        (GateState::Approved, Some(_)) => "approved, held".to_owned(),
        (GateState::Approved, None) => "approved".to_owned(),
        (GateState::Rejected, _) => "rejected".to_owned(),
        (GateState::Expired, _) => "not approved in time".to_owned(),
        (GateState::Void, _) if job.refused.is_some() => "refused".to_owned(),
        (GateState::Void, _) => "not needed any more".to_owned(),
    };
    let what = gate.asked.commit.map(|sha| code(&sha.short())).unwrap_or_default();
    let mut text = Sections::headed(&format!("{environment} ← {what} · {standing}"));
    let by = gate.asked.requester.as_ref().map(|by| format!(", started by {}", who(by))).unwrap_or_default();
    text.add(&format!("{} wants to use this environment{by}.", run(gate, server_url)));
    if let (GateState::Void, Some(refused)) = (gate.state, &job.refused) {
        text.add(&sentence(&cut(&refused.what, REASON)));
        refusal::body(&mut text, refused);
    }
    let open = matches!(gate.state, GateState::Waiting | GateState::Approved);
    if let Some((waits, _)) = job.waits.as_ref().filter(|_| open) {
        text.add(&format!("{} {}", sentence(&cut(&waits.what, REASON)), until(gate)));
    }
    if gate.state == GateState::Waiting && asks {
        if let Some(again) = &job.again {
            text.add(&format!("> {}", sentence(&cut(again, REASON))));
        }
        text.add(&format!(
            "**Your turn, {}** ({}): `/approve {environment}` or `/reject {environment} <reason>`. Nobody answers until \
             {}: the job is rejected.",
            people(job),
            needed(gate, job),
            at(gate.asked.expires)
        ));
    }
    text.add(&answers(gate));
    text.finish_with(&job_marker(gate.id))
}

/// Calls people once more, in a comment of its own.
pub fn job_reminder(gate: &Gate, job: &JobFacts, server_url: &str) -> String {
    let environment = &gate.asked.key.environment;
    let mut text = Sections::new();
    text.add(&format!(
        "**Still your turn, {}**: {} waits for {} since {}; {}.",
        people(job),
        run(gate, server_url),
        code(environment.as_str()),
        at(gate.opened),
        needed(gate, job)
    ));
    text.add(&format!(
        "`/approve {environment}` or `/reject {environment} <reason>`. Nobody answers until {}: the job is rejected.",
        at(gate.asked.expires)
    ));
    text.finish_with(&reminder_marker(gate.id))
}

/// What GitHub shows beside a job that is held by something that passes.
pub fn job_waits(gate: &Gate, waits: &Denied) -> String {
    format!("{} {}", cut(&waits.what, REASON), until(gate))
}

/// What GitHub shows beside a job that people are asked about. It calls nobody, so it names nobody with an `@`.
pub fn job_asks(gate: &Gate, job: &JobFacts) -> String {
    let environment = &gate.asked.key.environment;
    let people = people(job).replace('@', "");
    let how = match (gate.asked.issue, gate.asked.commit) {
        (Some(issue), _) => format!("`/approve {environment}` or `/reject {environment} <reason>` in #{issue}"),
        (None, Some(sha)) => format!("`/approve {environment} --sha {sha}` or `/reject {environment}` in a comment"),
        (None, None) => format!("`/approve {environment}` or `/reject {environment}`"),
    };
    format!(
        "Waits for approval by {people} ({}): {how}, until {}. Approval {} of the interface.",
        needed(gate, job),
        at(gate.asked.expires),
        gate.id
    )
}

/// What GitHub shows beside its answer to a job.
pub fn job_answer(gate: &Gate, job: &JobFacts) -> String {
    let by = |decision: Decision| {
        let said = gate.approvals.iter().filter(|one| one.decision == decision && one.voice == Voice::Counts);
        said.map(|one| one.actor.login.as_str()).collect::<Vec<_>>().join(", ")
    };
    if let Some(refused) = &job.refused {
        let said = [&refused.what].into_iter().chain(&refused.why);
        let said: Vec<String> = said.map(|fact| cut(fact, REASON)).collect();
        return format!("{} Next: {} ({})", said.join(" "), refused.next, refused.code.word());
    }
    match gate.state {
        GateState::Approved => format!("Approved by {}.", by(Decision::Approve)),
        GateState::Rejected => {
            let reason = gate.rejection().and_then(|no| no.reason.as_deref()).unwrap_or_default();
            let reason = if reason.is_empty() { String::new() } else { format!(": {}", cut(reason, REASON)) };
            format!("Rejected by {}{reason}.", by(Decision::Reject))
        }
        GateState::Expired => format!("Approved by {} of {} in time.", gate.have(), gate.asked.need),
        GateState::Waiting if job.lets => "The policy asks nobody, and nothing speaks against it.".to_owned(),
        GateState::Waiting | GateState::Void => "Not needed any more.".to_owned(),
    }
}

fn run(gate: &Gate, server_url: &str) -> String {
    let repository = gate.asked.repository.name.as_str();
    match &gate.asked.name {
        GateName::Run { run, .. } => format!("[a job of a workflow]({server_url}/{repository}/actions/runs/{run})"),
        GateName::Deployment { .. } => "a deployment".to_owned(),
    }
}

fn until(gate: &Gate) -> String {
    format!("The job goes on by itself when that is over; it waits until {}.", at(gate.asked.expires))
}

/// People and teams that the policy names, checked for their form there: mentions.
fn people(job: &JobFacts) -> String {
    if job.people.is_empty() { "nobody".to_owned() } else { job.people.join(" or ") }
}

fn needed(gate: &Gate, job: &JobFacts) -> String {
    let left = gate.asked.need.saturating_sub(gate.have());
    let own = match &gate.asked.requester {
        Some(by) if job.requester != "may" => format!(", not {}", who(by)),
        _ => String::new(),
    };
    format!("{left} of {} needed{own}", gate.asked.need)
}
