//! A rollout that stands at a step of traffic: what it waits for, who may decide what, what was answered.

use shipline::report::escape::{code, cut, sentence};
use shipline::report::{View, WaitsView};
use shipline::types::Percent;

use super::gate::{answers, not_the_requester, reminder_marker};
use super::sections::Sections;
use super::shapes::Question;
use super::words::{at, release};
use crate::store::{Deployment, Gate, GateState};

/// How it stands, for a heading.
pub fn standing(view: &View, question: Option<&Question>) -> String {
    let Some(waits) = &view.waits else { return "at a step of traffic".to_owned() };
    let none = waits.traffic == Percent::ZERO;
    let share = if none { "no traffic yet".to_owned() } else { format!("{} {} %", waits.strategy, waits.traffic) };
    let approved = question.is_some_and(|question| question.held.is_some());
    let how = match waits.waits.as_str() {
        "bake" => "being watched",
        _ if approved => "approved, held",
        "approval" => "waiting for approval",
        "held" => "held",
        _ => "undecided, waiting for a person",
    };
    format!("{share}, {how}")
}

/// What it waits for, and whose turn it is.
pub(super) fn turn(text: &mut Sections, deployment: &Deployment, waits: &WaitsView, question: Option<&Question>) {
    let environment = &deployment.asked.key.environment;
    if waits.waits == "bake" {
        let then = match waits.then.as_str() {
            "approval" => "then somebody is asked",
            _ => "then more follows, unless something speaks against it",
        };
        return text.add(&format!(
            "{} % of traffic is on the new revision and watched until {}; {then}. `/pause {environment}` holds it, \
             `/promote {environment}` moves the rest now.",
            waits.traffic,
            at(waits.until)
        ));
    }
    if let Some(Question { gate, held: Some(held) }) = question {
        text.add(&format!(
            "**Approved, and held**: {} It goes on by itself when nothing forbids it any more; until {} that has to be, \
             or it goes back. `/cancel {environment}` takes it back now.",
            full(held),
            at(waits.until)
        ));
        return text.add(&answers(gate));
    }
    let why = waits.said.as_deref().map(|said| match waits.waits.as_str() {
        // A person's name has no space, a sentence about a lock has.
        "held" if said.contains(' ') => format!("Held: {} ", full(said)),
        "held" => format!("Held by {} ", full(said)),
        _ => format!("{} ", full(said)),
    });
    let why = why.unwrap_or_default();
    let again = format!(", `/resume {environment}` watches it again");
    let again = if waits.waits == "approval" { "" } else { again.as_str() };
    let needed = question.map(|question| needed(deployment, &question.gate)).unwrap_or_default();
    text.add(&format!(
        "{why}**Your turn, {}**{needed}: `/approve {environment}` goes on, `/reject {environment} <reason>` goes \
         back{again}. Nobody answers until {}: it goes back.",
        people(waits),
        at(waits.until)
    ));
    if let Some(question) = question {
        text.add(&answers(&question.gate));
    }
}

/// Calls people once more.
pub fn reminder(deployment: &Deployment, waits: &WaitsView, gate: &Gate) -> String {
    let environment = &deployment.asked.key.environment;
    let mut text = Sections::new();
    text.add(&format!(
        "**Still your turn, {}**{}: {} ← {} stands at {} % of traffic, and waits since {}.",
        people(waits),
        needed(deployment, gate),
        code(environment.as_str()),
        release(deployment),
        waits.traffic,
        at(waits.since)
    ));
    text.add(&format!(
        "`/approve {environment}` goes on, `/reject {environment} <reason>` goes back. Nobody answers until {}: it goes \
         back.",
        at(waits.until)
    ));
    text.finish_with(&reminder_marker(gate.id))
}

/// The only mentions: people and teams that the policy names, checked for their form there.
fn people(waits: &WaitsView) -> String {
    if waits.people.is_empty() { "whoever may approve".to_owned() } else { waits.people.join(" or ") }
}

fn needed(deployment: &Deployment, gate: &Gate) -> String {
    if gate.state != GateState::Waiting {
        return String::new();
    }
    let (left, need) = (gate.asked.need.saturating_sub(gate.have()), gate.asked.need);
    format!(" ({left} of {need} needed{})", not_the_requester(deployment, gate))
}

/// What somebody or something said, as a sentence of its own.
fn full(said: &str) -> String {
    let said = sentence(&cut(said, 300));
    let ends = said.ends_with(['.', '!', '?', '…']);
    if ends { said } else { format!("{said}.") }
}
