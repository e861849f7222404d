//! Gates as people read them: what a rollout waits for, what was decided, why it went back.

use serde::{Deserialize, Serialize};

use crate::config::spec::{Approval, Strategy};
use crate::rollout::{Asks, Cause, CauseCode, Decision, Event, Gate, Judged, Phase, Plan, Reason, Waits};
use crate::types::{Percent, ServiceName, Span, Timestamp};

/// What a rollout under way waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitsView {
    /// Which wave, from 1.
    pub wave: usize,
    /// Which step of it, from 1.
    pub step: u32,
    /// `canary`, `linear` or `blue-green`.
    #[serde(default)]
    pub strategy: String,
    /// The share of traffic on the new revisions.
    pub traffic: Percent,
    /// `bake`, `approval`, `undecided` or `held`.
    pub waits: String,
    /// Why a person is asked, one sentence; absent for a bake and an approval.
    pub said: Option<String>,
    /// What follows a bake that is good: `approval` (somebody is asked) or `traffic`.
    #[serde(default)]
    pub then: String,
    /// Since when.
    pub since: Timestamp,
    /// When the bake is over, or the time to decide.
    pub until: Timestamp,
    /// Who may decide; empty where that is not known.
    #[serde(default)]
    pub people: Vec<String>,
}

/// What the rollout waits for now.
pub(super) fn waits(plan: &Plan, phase: &Phase) -> Option<WaitsView> {
    let Phase::Gating { wave, gate, .. } = phase else { return None };
    let steering = plan.steering.unwrap_or_default();
    let (word, said, takes) = match &gate.waits {
        Waits::Bake => ("bake", None, steering.strategy.step()),
        Waits::Person { asks: Asks::Approval } => ("approval", None, steering.patience),
        Waits::Person { asks: Asks::Undecided { said } } => ("undecided", Some(said.clone()), steering.patience),
        Waits::Person { asks: Asks::Held { by } } => ("held", Some(by.clone()), steering.patience),
    };
    let Gate { step, traffic, since, .. } = *gate;
    let until = later(since, takes);
    let then = match steering.strategy {
        Strategy::BlueGreen { approval: Approval::Asked, .. } | Strategy::Canary { approval: Approval::Asked, .. } => {
            "approval"
        }
        Strategy::Rolling | Strategy::BlueGreen { .. } | Strategy::Linear { .. } | Strategy::Canary { .. } => "traffic",
    };
    Some(WaitsView {
        wave: wave + 1,
        step,
        strategy: steering.strategy.word().to_owned(),
        traffic,
        waits: word.to_owned(),
        said,
        then: then.to_owned(),
        since,
        until,
        people: Vec::new(),
    })
}

fn later(at: Timestamp, takes: Span) -> Timestamp {
    at.checked_add(takes.duration()).unwrap_or(at)
}

/// The cause of a rollout that went back at a gate, or for what was measured.
pub(super) fn cause(reason: &Reason) -> Option<Cause> {
    match reason {
        Reason::AnalysisFailed { cause } => Some((**cause).clone()),
        Reason::Rejected { by, said } => {
            let why = said.as_ref().map(|said| format!(": {said}")).unwrap_or_default();
            let next = "Talk to them, then deploy again.";
            Some(Cause::new(CauseCode::Rejected, format!("{by} said no{why}"), next))
        }
        Reason::GateExpired { said: None } => Some(Cause::new(
            CauseCode::GateExpired,
            "nobody decided in time at a step of traffic",
            "Deploy again when somebody who may decide is there.",
        )),
        Reason::GateExpired { said: Some(said) } => Some(Cause::new(
            CauseCode::GateExpired,
            format!("its time at a step of traffic was over before it could go on: {said}"),
            "Deploy again when nothing forbids it.",
        )),
        Reason::ServiceFailed { .. }
        | Reason::Superseded { .. }
        | Reason::CheckFailed { .. }
        | Reason::HookFailed { .. }
        | Reason::AlarmFired { .. }
        | Reason::Cancelled => None,
    }
}

/// An event of a gate in a few words, and the service it is about; nothing for all others.
pub fn gate_sentence(event: &Event) -> Option<(Option<&ServiceName>, String)> {
    Some(match event {
        Event::Paused { service, pause } => {
            (Some(service), format!("stands before the next step, {} % of traffic on the new revision", pause.traffic))
        }
        Event::Continued { service, .. } => (Some(service), "goes on to the next step".to_owned()),
        Event::NotContinued { service, cause } => (Some(service), format!("could not go on: {}", cause.summary)),
        Event::Baking { service } => {
            (Some(service), "all traffic is on the new revision, the old one stays for a while".to_owned())
        }
        Event::Judged { step, judged, .. } => (
            None,
            match judged {
                Judged::Pass => format!("step {step}: nothing speaks against it"),
                Judged::Fail { cause } => format!("step {step}: {}", cause.summary),
                Judged::Undecided { said } => format!("step {step}: a person has to decide: {said}"),
                Judged::Held { by } => format!("step {step}: held: {by}"),
            },
        ),
        Event::Decided { step, decision, .. } => (
            None,
            match decision {
                Decision::Approved { by } => format!("step {step}: approved by {}", by.join(", ")),
                Decision::Rejected { by, said: Some(said) } => format!("step {step}: rejected by {by}: {said}"),
                Decision::Rejected { by, said: None } => format!("step {step}: rejected by {by}"),
                Decision::Promoted { by } => format!("step {step}: promoted by {by}"),
                Decision::Paused { by } => format!("step {step}: held by {by}"),
                Decision::Resumed { by } => format!("step {step}: resumed by {by}"),
                Decision::Expired { said: None } => format!("step {step}: nobody decided in time"),
                Decision::Expired { said: Some(said) } => format!("step {step}: its time is over: {said}"),
            },
        ),
        Event::AnalysisFailed { cause } => (None, cause.summary.clone()),
        _ => return None,
    })
}
