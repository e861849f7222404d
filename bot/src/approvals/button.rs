//! The buttons of a check run: what they say, and what happens when somebody presses one.

use std::sync::Arc;

use serde_json::json;
use shipline::engine::clock;
use shipline::problem::ProblemKind;

use super::{Word, answer};
use crate::context::Bot;
use crate::decision::{Denied, ReasonCode};
use crate::github::Button;
use crate::handlers::HandlerFailed;
use crate::messages;
use crate::store::{Claimed, Decision, Gate, NewAudit, Via, Voice};
use crate::types::GateId;
use crate::webhook::ButtonPressed;

/// So often GitHub may fail before that is the answer.
const TRIES: u32 = 3;

/// Yes and no to a gate. A press is known by its button, so another question, or the same one after a
/// yes was withdrawn, has buttons of another name.
pub fn buttons(gate: &Gate) -> Vec<Button> {
    let withdrawn = gate.approvals.iter().filter(|one| one.voice == Voice::Withdrawn).count();
    let button = |decision: Decision, label, description| Button {
        label,
        description,
        identifier: format!("{}-{}-{}", decision.word(), gate.id, gate.approvals.len() + withdrawn),
    };
    vec![
        button(Decision::Approve, "Approve", "Let this plan be carried out"),
        button(Decision::Reject, "Reject", "End it: nothing is changed"),
    ]
}

/// The answer and the gate that a button stands for.
fn meant(identifier: &str) -> Option<(Decision, GateId)> {
    let (word, rest) = identifier.split_once('-')?;
    let (gate, _) = rest.split_once('-')?;
    let decision = match word {
        "approve" => Decision::Approve,
        "reject" => Decision::Reject,
        _ => return None,
    };
    Some((decision, GateId::new(gate.parse().ok()?)))
}

/// Somebody pressed a button.
pub async fn pressed(bot: &Arc<Bot>, claimed: &Claimed, button: &ButtonPressed) -> Result<(), HandlerFailed> {
    let Some((decision, id)) = meant(&button.identifier) else {
        tracing::debug!(button.identifier, "not one of our buttons");
        return Ok(());
    };
    // Another repository's gate is none.
    let gate = bot.store.gate(id).await?.filter(|gate| gate.asked.key.repository == button.repository.id);
    let Some(gate) = gate else { return Ok(()) };
    let hub = bot.app.hub(&button.repository);
    let token = format!("button/{}/{}/{}", button.check, button.identifier, button.actor.id);
    let word = Word { actor: &button.actor, decision, via: Via::Button, reason: None, token: &token, plan: None };
    let answered = async {
        let situation = hub.situation(None, Some(&gate.asked.key.environment)).await?;
        answer(bot, &hub, &situation, &gate, &word, None).await
    };
    let denied = match answered.await {
        Ok(Ok(answered)) => {
            bot.metrics.command(decision.word(), answered.code().word());
            return Ok(());
        }
        Ok(Err(denied)) => denied,
        Err(problem) if problem.kind == ProblemKind::Provider && claimed.attempts < TRIES => return Err(problem.into()),
        Err(problem) => Denied::new(ReasonCode::ProviderFailed, problem.what, problem.next),
    };
    bot.metrics.command(decision.word(), denied.code.word());
    let asked = &gate.asked;
    let audit = NewAudit {
        key: token.clone(),
        repository: Some(asked.repository.id),
        repository_name: Some(asked.repository.name.to_string()),
        environment: Some(asked.key.environment.to_string()),
        actor: Some(button.actor.clone()),
        action: decision.word().to_owned(),
        outcome: denied.code.word().to_owned(),
        details: json!({ "schema_version": 1, "via": "button", "gate": gate.id, "why": denied.what }),
    };
    bot.store.audit(&audit.without_secrets(&bot.redactor), clock::now()).await?;
    // A button gives no answer of its own. Only whoever can write sees one.
    if let Some(issue) = asked.issue {
        let marker = format!("<!-- shipline:{token} -->");
        if hub.find_comment(issue, &marker, gate.opened).await?.is_none() {
            let line = format!("{} by {}", decision.word(), button.actor.login);
            let text = messages::denied(&denied, &line);
            hub.comment(issue, &format!("{}\n\n{marker}", text.trim_end())).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_buttons_mean_something() {
        assert_eq!(meant("approve-12-0"), Some((Decision::Approve, GateId::new(12))));
        assert_eq!(meant("reject-7-3"), Some((Decision::Reject, GateId::new(7))));
        for other in ["", "approve", "approve-x-1", "approve-12", "fix-12-0", "approve--1-0"] {
            assert_eq!(meant(other), None, "{other:?}");
        }
    }
}
