//! A step of traffic as its question keeps it, and what a person may say there beside yes and no.

use serde_json::{Value, json};
use shipline::config::spec::ApprovalsSpec;
use shipline::problem::Problem;
use shipline::rollout::{self, Asks, Awaited, Phase, Waits};
use shipline::types::{ServiceName, Timestamp};

use super::answer::{over, rights};
use crate::context::Bot;
use crate::decision::access::{self, Right};
use crate::decision::{Denied, Situation, approving, gather, policy};
use crate::github::Hub;
use crate::store::{Gate, GateKind, GateState, Steer, Steering, Store, StoreFailed};
use crate::types::Actor;

/// Names a step: the same one is the same question.
pub fn about(gate: &rollout::Gate) -> Value {
    json!({ "step": gate.step, "since": gate.since, "traffic": gate.traffic })
}

/// What a question about a step keeps.
pub fn facts<'a>(
    gate: &rollout::Gate,
    services: impl Iterator<Item = &'a ServiceName>,
    rule: Option<&ApprovalsSpec>,
) -> Value {
    let asks = match &gate.waits {
        Waits::Bake => "nothing",
        Waits::Person { asks: Asks::Approval } => "approval",
        Waits::Person { asks: Asks::Undecided { .. } } => "undecided",
        Waits::Person { asks: Asks::Held { .. } } => "held",
    };
    json!({
        "about": about(gate),
        "asks": asks,
        "services": services.collect::<Vec<_>>(),
        "requester": rule.map(|rule| approving::word(rule.requester)),
    })
}

/// Whether the step can be watched once more.
pub(super) fn watches_again(gate: &Gate) -> bool {
    matches!(gate.asked.facts["asks"].as_str(), Some("undecided" | "held"))
}

/// Whether the rollout stands at the step that is asked about, and waits for a word. Anything else asks
/// about what waits by itself.
pub(super) async fn stands(store: &Store, gate: &Gate) -> Result<bool, StoreFailed> {
    let (Some(deployment), GateKind::Canary) = (gate.asked.name.deployment(), gate.asked.name.kind()) else {
        return Ok(true);
    };
    let last = store.last_entry(deployment).await?;
    Ok(last.is_some_and(|entry| match &entry.phase {
        Phase::Gating { gate: now, .. } => now.needs() == Awaited::Word && about(now) == gate.asked.facts["about"],
        _ => false,
    }))
}

/// Somebody wants a step to be watched once more.
pub(super) async fn watch_again(
    bot: &Bot,
    hub: &Hub,
    situation: &Situation,
    gate: &Gate,
    (actor, at): (&Actor, Timestamp),
) -> Result<Result<(), Denied>, Problem> {
    let (environment, kind) = (&gate.asked.key.environment, gate.asked.name.kind());
    let found = gather::config(bot, situation).and_then(|config| {
        let spec = policy::environment(&config, environment)?;
        Ok((approving::rule(kind, spec), spec.policy.access.clone()))
    });
    let (rule, access) = match found {
        Ok((Some(rule), access)) => (rule, access),
        Ok((None, _)) => return Ok(Err(over(gate, GateState::Void))),
        Err(denied) => return Ok(Err(denied)),
    };
    let rights = match rights(hub, actor, &rule, &access, None).await {
        Ok(rights) => rights,
        Err(problem) => return Ok(Err(access::unknown(actor, &problem.what))),
    };
    if let Err(denied) = access::allowed(Right::Approve, environment.as_str(), &access, &rights, actor) {
        return Ok(Err(denied));
    }
    let store = &bot.store;
    let said = Steering { steer: Steer::Resume, actor: actor.clone(), at };
    let noted = async {
        let Some(deployment) = gate.asked.name.deployment() else { return Ok(false) };
        if store.steering(deployment).await?.as_ref() == Some(&said) {
            return Ok(true);
        }
        let waits = gate.state == GateState::Waiting && watches_again(gate) && stands(store, gate).await?;
        Ok::<bool, StoreFailed>(waits && store.steer(deployment, &said).await?)
    };
    if noted.await.map_err(|failed| gather::stored(&failed))? {
        return Ok(Ok(()));
    }
    let state = if gate.state == GateState::Waiting { GateState::Void } else { gate.state };
    Ok(Err(over(gate, state)))
}
