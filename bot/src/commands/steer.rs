//! `/promote`, `/pause`, `/resume`: of a rollout that moves traffic step by step. The word is noted
//! beside the deployment; whoever drives it hears it at the step where it stands, or at the next one.

use shipline::config::spec::{Approval, Steered};
use shipline::engine::clock;
use shipline::rollout::Plan;
use shipline::types::EnvironmentName;

use super::ask::{Answer, Ask, Halted};
use super::cancel::open;
use super::gates::see;
use crate::decision::access::Right;
use crate::decision::approving::{self, Answering};
use crate::decision::{Denied, ReasonCode};
use crate::store::{Decision, GateKind, Stage, Steer, Steering};

pub(super) async fn run(ask: &Ask<'_>, environment: Option<&EnvironmentName>, steer: Steer) -> Result<Answer, Halted> {
    let open = open(ask, environment).await?;
    let rolling = open.iter().find_map(|deployment| match &deployment.state.stage {
        Stage::Rolling { record } => Some((deployment, &record.plan)),
        Stage::Waiting | Stage::Building { .. } | Stage::Gating { .. } | Stage::Over => None,
    });
    let Some((deployment, plan)) = rolling else {
        ask.allow_look()?;
        if let Some(name) = environment {
            ask.scene(name)?;
        }
        let place = environment.map(|name| format!(" on `{name}`")).unwrap_or_default();
        let what = format!("No canary is running{place}.");
        return Err(Denied::new(ReasonCode::NoGate, what, see(environment)).into());
    };
    let place = &deployment.asked.key.environment;
    let scene = ask.scene(place)?;
    let rights = ask.allow(Right::Approve, place, &scene.spec.policy.access).await?;
    steps(plan, place)?;
    let asks = plan.steering.is_some_and(|steering| steering.strategy.asks() == Approval::Asked);
    if steer == Steer::Promote
        && asks
        && let Some(rule) = approving::rule(GateKind::Canary, &scene.spec)
    {
        // It stands for the yes that the step would wait for.
        approving::allowed(&Answering {
            environment: place.as_str(),
            rule: &rule,
            access: &scene.spec.policy.access,
            requester: Some(&deployment.asked.actor),
            decision: Decision::Approve,
            actor: &ask.comment.author,
            rights: &rights,
        })?;
    }
    let said = Steering { steer, actor: ask.comment.author.clone(), at: clock::now() };
    if !ask.bot.store.steer(deployment.id, &said).await? {
        let what = format!("The deployment on `{place}` ended in this moment.");
        return Err(Denied::new(ReasonCode::NoGate, what, format!("See how with `/status {place}`.")).into());
    }
    // The deployment's comment shows it.
    Ok(Answer::silent(ReasonCode::Done).noting("deployment", deployment.id).noting("steer", steer.word()))
}

/// Whether the rollout decides about its steps.
fn steps(plan: &Plan, place: &EnvironmentName) -> Result<(), Denied> {
    let Some(steering) = plan.steering else {
        let what = format!("What moves on `{place}` moves in one go: there is no step to hold or to pass.");
        return Err(Denied::new(ReasonCode::NoGate, what, format!("`/cancel {place}` takes it back.")));
    };
    match steering.by {
        Steered::Rollout => Ok(()),
        Steered::Platform => {
            let what =
                format!("ECS moves this {} rollout by its own clock: nobody can hold it.", steering.strategy.word());
            let next = format!(
                "`/cancel {place}` takes it back. With `analysis` or `approval` in the policy the next one stops at each step."
            );
            Err(Denied::new(ReasonCode::NoGate, what, next))
        }
    }
}
