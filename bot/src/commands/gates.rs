//! `/approve`, `/reject`: answer what waits for a person.
//!
//! A comment names no plan. So it only answers a gate that was open when the comment came in, and in
//! the conversation where the gate was asked for, unless it names the commit.

use shipline::types::{CommitSha, EnvironmentName};

use super::ask::{Answer, Ask, Halted};
use crate::approvals::{self, Word};
use crate::decision::{Denied, ReasonCode};
use crate::store::{Decision, Gate, Via};

/// What the person said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) decision: Decision,
    /// The commit that is meant.
    pub(super) sha: Option<CommitSha>,
    pub(super) reason: Option<&'a str>,
}

pub(super) async fn answer(
    ask: &Ask<'_>,
    environment: Option<&EnvironmentName>,
    said: Said<'_>,
) -> Result<Answer, Halted> {
    let token = format!("comment/{}/{}", ask.comment.comment, ask.index);
    // An earlier try may have written it down and got no further.
    let earlier = if ask.claimed.attempts > 0 { ask.bot.store.gate_answered_by(&token).await? } else { None };
    let gate = match earlier {
        Some(gate) => gate,
        None => waiting(ask, environment, said).await?,
    };
    let word = Word {
        actor: &ask.comment.author,
        decision: said.decision,
        via: Via::Comment,
        reason: said.reason,
        token: &token,
        plan: None,
    };
    let answered = approvals::answer(ask.bot, ask.hub, ask.situation, &gate, &word, Some(ask.rights)).await?;
    let answered = match answered {
        Ok(answered) => answered,
        Err(denied) => {
            // Only whoever may look is told what stands against it.
            ask.allow_look()?;
            return Err(denied.into());
        }
    };
    ask.grant();
    // The deployment's comment shows it.
    Ok(Answer::silent(answered.code())
        .noting("gate", gate.id)
        .noting("plan", &gate.asked.hash)
        .noting("deployment", gate.asked.name.deployment()))
}

/// The one gate that is meant.
async fn waiting(ask: &Ask<'_>, environment: Option<&EnvironmentName>, said: Said<'_>) -> Result<Gate, Halted> {
    let all = ask.bot.store.waiting_gates(ask.comment.repository.id).await?;
    let here = |gate: &Gate| gate.asked.issue == Some(ask.comment.issue);
    let of_commit = |gate: &Gate| said.sha.is_some() && gate.asked.commit == said.sha;
    let mut meant: Vec<Gate> = all
        .into_iter()
        .filter(|gate| {
            environment.map_or_else(|| here(gate) || of_commit(gate), |name| gate.asked.key.environment == *name)
        })
        .collect();
    if meant.len() > 1 && meant.iter().any(of_commit) {
        meant.retain(of_commit);
    }
    if meant.len() > 1 {
        ask.allow_look()?;
        let word = said.decision.word();
        let lines: Vec<String> = meant.iter().map(|gate| format!("`/{word} {}`", gate.asked.key.environment)).collect();
        let what = "More than one deployment waits for an approval: which one is meant?";
        return Err(Denied::new(ReasonCode::Usage, what, format!("Write {}.", lines.join(" or "))).into());
    }
    let Some(gate) = meant.pop() else {
        ask.allow_look()?;
        if let Some(name) = environment {
            ask.scene(name)?;
        }
        let place = environment.map(|name| format!(" on `{name}`")).unwrap_or_default();
        let what = format!("No deployment{place} is waiting for an approval.");
        return Err(Denied::new(ReasonCode::NoGate, what, see(environment)).into());
    };
    ask.meant(&gate, said)?;
    Ok(gate)
}

impl Ask<'_> {
    /// Whether the comment can have meant this very plan.
    fn meant(&self, gate: &Gate, said: Said<'_>) -> Result<(), Denied> {
        let environment = &gate.asked.key.environment;
        let (short, issue) = (gate.asked.commit.map(|sha| sha.short()), gate.asked.issue);
        let waits = short.map_or_else(|| "another plan".to_owned(), |sha| format!("`{sha}`"));
        let other = |what: String, next: String| -> Result<(), Denied> {
            self.allow_look()?;
            Err(Denied::new(ReasonCode::OtherPlan, what, next))
        };
        if said.sha.is_some() && gate.asked.commit != said.sha {
            let what = format!("What waits on `{environment}` is {waits}, not the commit that you named.");
            return other(what, "Look at what waits, then answer again.".to_owned());
        }
        if said.sha.is_none() && issue != Some(self.comment.issue) {
            let place = issue.map_or_else(|| "elsewhere".to_owned(), |issue| format!("in `#{issue}`"));
            let what = format!("What waits on `{environment}` is {waits}, and was asked for {place}, not here.");
            return other(what, "Answer there, where the plan is shown.".to_owned());
        }
        if self.claimed.sequence <= gate.sequence {
            let plan: String = gate.asked.hash.chars().take(6).collect();
            let what =
                format!("Plan `{plan}` was shown on `{environment}` after your comment: you cannot have meant it.");
            return other(what, "Look at it, then answer again.".to_owned());
        }
        Ok(())
    }
}

pub(super) fn see(environment: Option<&EnvironmentName>) -> String {
    match environment {
        Some(name) => format!("See what is on its way with `/status {name}`; stop it with `/cancel {name}`."),
        None => "See what is on its way with `/status`; stop it with `/cancel`.".to_owned(),
    }
}
