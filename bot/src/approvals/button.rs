//! The buttons of a check run: what they say, and what happens when somebody presses one.

use std::sync::Arc;

use serde_json::json;
use shipline::engine::clock;
use shipline::problem::{Problem, ProblemKind};

use super::{Answered, Word, answer, step};
use crate::context::Bot;
use crate::decision::{Denied, ReasonCode};
use crate::github::Button;
use crate::handlers::HandlerFailed;
use crate::messages;
use crate::store::{Claimed, Decision, Gate, GateKind, NewAudit, Steer, Via, Voice};
use crate::types::GateId;
use crate::webhook::ButtonPressed;

/// So often GitHub may fail before that is the answer.
const TRIES: u32 = 3;

/// Yes and no to a gate. A press is known by its button, so another question, or the same one after a
/// yes was withdrawn, has buttons of another name.
pub fn buttons(gate: &Gate) -> Vec<Button> {
    let withdrawn = gate.approvals.iter().filter(|one| one.voice == Voice::Withdrawn).count();
    let button = |press: Press, label, description| Button {
        label,
        description,
        identifier: format!("{}-{}-{}", press.word(), gate.id, gate.approvals.len() + withdrawn),
    };
    match gate.asked.name.kind() {
        GateKind::Plan | GateKind::Rule => vec![
            button(Press::APPROVE, "Approve", "Let this plan be carried out"),
            button(Press::REJECT, "Reject", "End it: nothing is changed"),
        ],
        GateKind::Canary => {
            let mut buttons = vec![
                button(Press::APPROVE, "Approve", "Let the next step of traffic begin"),
                button(Press::REJECT, "Reject", "Take all traffic back"),
            ];
            if step::watches_again(gate) {
                buttons.push(button(Press::Resume, "Resume", "Watch this step once more"));
            }
            buttons
        }
    }
}

/// What a button stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Press {
    /// An answer.
    Answer(Decision),
    /// The step is watched once more.
    Resume,
}

impl Press {
    const APPROVE: Self = Self::Answer(Decision::Approve);
    const REJECT: Self = Self::Answer(Decision::Reject);

    fn word(self) -> &'static str {
        match self {
            Self::Answer(decision) => decision.word(),
            Self::Resume => Steer::Resume.word(),
        }
    }
}

/// What a button stands for, and the gate.
fn meant(identifier: &str) -> Option<(Press, GateId)> {
    let (word, rest) = identifier.split_once('-')?;
    let (gate, _) = rest.split_once('-')?;
    let press = [Press::APPROVE, Press::REJECT, Press::Resume].into_iter().find(|press| press.word() == word)?;
    Some((press, GateId::new(gate.parse().ok()?)))
}

/// Somebody pressed a button.
pub async fn pressed(bot: &Arc<Bot>, claimed: &Claimed, button: &ButtonPressed) -> Result<(), HandlerFailed> {
    let Some((press, id)) = meant(&button.identifier) else {
        tracing::debug!(button.identifier, "not one of our buttons");
        return Ok(());
    };
    // Another repository's gate is none.
    let gate = bot.store.gate(id).await?.filter(|gate| gate.asked.key.repository == button.repository.id);
    let Some(gate) = gate else { return Ok(()) };
    let hub = bot.app.hub(&button.repository);
    let token = format!("button/{}/{}/{}", button.check, button.identifier, button.actor.id);
    let answered = async {
        let situation = hub.situation(None, Some(&gate.asked.key.environment)).await?;
        match press {
            Press::Answer(decision) => {
                let actor = &button.actor;
                let word = Word { actor, decision, via: Via::Button, reason: None, token: &token, plan: None };
                let answered = answer(bot, &hub, &situation, &gate, &word, None).await?;
                Ok::<_, Problem>(answered.map(Answered::code))
            }
            Press::Resume => {
                let again = step::watch_again(bot, &hub, &situation, &gate, (&button.actor, claimed.received)).await?;
                Ok(again.map(|()| ReasonCode::Done))
            }
        }
    };
    let denied = match answered.await {
        Ok(Ok(code)) => {
            bot.metrics.command(press.word(), code.word());
            if press == Press::Resume {
                let audit = audit(&gate, button, (press, &token), code, None);
                bot.store.audit(&audit.without_secrets(&bot.redactor), clock::now()).await?;
            }
            return Ok(());
        }
        Ok(Err(denied)) => denied,
        Err(problem) if problem.kind == ProblemKind::Provider && claimed.attempts < TRIES => return Err(problem.into()),
        Err(problem) => Denied::new(ReasonCode::ProviderFailed, problem.what, problem.next),
    };
    bot.metrics.command(press.word(), denied.code.word());
    let audit = audit(&gate, button, (press, &token), denied.code, Some(&denied.what));
    bot.store.audit(&audit.without_secrets(&bot.redactor), clock::now()).await?;
    // A button gives no answer of its own. Only whoever can write sees one.
    if let Some(issue) = gate.asked.issue {
        let marker = format!("<!-- shipline:{token} -->");
        if hub.find_comment(issue, &marker, gate.opened).await?.is_none() {
            let line = format!("{} by {}", press.word(), button.actor.login);
            let text = messages::denied(&denied, &line);
            hub.comment(issue, &format!("{}\n\n{marker}", text.trim_end())).await?;
        }
    }
    Ok(())
}

/// What the audit chain says of a press that a gate's own entries do not tell.
fn audit(
    gate: &Gate,
    button: &ButtonPressed,
    (press, token): (Press, &str),
    code: ReasonCode,
    why: Option<&str>,
) -> NewAudit {
    let asked = &gate.asked;
    NewAudit {
        key: token.to_owned(),
        repository: Some(asked.repository.id),
        repository_name: Some(asked.repository.name.to_string()),
        environment: Some(asked.key.environment.to_string()),
        actor: Some(button.actor.clone()),
        action: press.word().to_owned(),
        outcome: code.word().to_owned(),
        details: json!({ "schema_version": 1, "via": "button", "gate": gate.id, "why": why }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_buttons_mean_something() {
        assert_eq!(meant("approve-12-0"), Some((Press::APPROVE, GateId::new(12))));
        assert_eq!(meant("reject-7-3"), Some((Press::REJECT, GateId::new(7))));
        assert_eq!(meant("resume-7-0"), Some((Press::Resume, GateId::new(7))));
        for other in ["", "approve", "approve-x-1", "approve-12", "fix-12-0", "approve--1-0"] {
            assert_eq!(meant(other), None, "{other:?}");
        }
    }
}
