//! `/approve`, `/reject`, `/promote`, `/pause`, `/resume`: decide what waits for a person. A policy
//! with approvals or a canary refuses every deployment in this version, so nothing ever waits, and
//! that is what these verbs say.

use shipline::types::EnvironmentName;

use super::ask::{Answer, Ask, Halted};
use super::usage::Verb;
use crate::decision::{Denied, ReasonCode};

pub(super) fn run(ask: &Ask<'_>, verb: Verb, environment: Option<&EnvironmentName>) -> Result<Answer, Halted> {
    ask.allow_look()?;
    if let Some(name) = environment {
        ask.scene(name)?;
    }
    let place = environment.map(|name| format!(" on `{name}`")).unwrap_or_default();
    let what = match verb {
        Verb::Promote | Verb::Pause | Verb::Resume => format!("No canary is running{place}."),
        _ => format!("No deployment{place} is waiting for an approval."),
    };
    let next = match environment {
        Some(name) => format!("See what is on its way with `/status {name}`; stop it with `/cancel {name}`."),
        None => "See what is on its way with `/status`; stop it with `/cancel`.".to_owned(),
    };
    Err(Denied::new(ReasonCode::NoGate, what, next)
        .because("This version asks nobody for approval and shifts traffic without a canary; a policy that wants either is refused.")
        .into())
}
