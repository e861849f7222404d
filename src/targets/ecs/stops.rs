//! A stop of a deployment is answered: it goes on, or it goes back.
//!
//! Invariants: what waits is looked for before anything is said; an answer that may have arrived is
//! never said again before another look; the action is always named, for ECS's own default is to
//! go on.

use aws_sdk_ecs::types::DeploymentLifecycleHookAction as Answer;

use super::EcsTarget;
use super::apply::AGAIN;
use super::calls::{Left, Pauses};
use super::course::Stop;
use super::looks::Tries;
use super::truth::{Deployment, State};
use super::{facts, said};
use crate::aws::failure;
use crate::engine::target::FailureKind;
use crate::engine::{NotApplied, ProviderFailure};
use crate::rollout::{Pause, Shift, Touched};

impl EcsTarget {
    /// Tells ECS to go on after a stop, unless it does already.
    pub(super) async fn go_on_after(&self, shift: &Shift, pause: &Pause) -> Result<(), NotApplied> {
        let refused = |touched: Touched| move |failure| NotApplied { cause: said::of_failure(&failure), touched };
        let deployment = self.arn_of(shift).await.ok_or_else(unseen).map_err(refused(Touched::No))?;
        let mut touched = Touched::No;
        let mut last = unseen();
        for _ in 0..=AGAIN {
            // Answered by us, by somebody else, or over: what became of it is for the next look to tell.
            if !self.waits_at(&deployment, &pause.id).await.map_err(refused(touched))? {
                return Ok(());
            }
            match self.say(&deployment, &pause.id, Answer::Continue).await {
                Ok(()) => {
                    self.memory.let_through(&deployment, &pause.id);
                    return Ok(());
                }
                Err(failure) => {
                    if failure.kind == FailureKind::Unavailable {
                        touched = Touched::Perhaps;
                    } else if failure.kind != FailureKind::Rejected {
                        return Err(refused(touched)(failure));
                    }
                    last = failure;
                }
            }
        }
        Err(refused(touched)(last))
    }

    /// Asks ECS to take a deployment back: at its stop, or wherever it is.
    pub(super) async fn take_back(&self, known: &Deployment) -> Result<(), ProviderFailure> {
        let Some(Stop::Ours(hook)) = known.course.stop() else { return self.stop(&known.arn).await };
        let id = hook.id.clone();
        if self.say(&known.arn, &id, Answer::Rollback).await.is_ok() {
            return Ok(());
        }
        // Answered, expired, or not allowed: a stop of the whole deployment says the same.
        match self.lookout.deployment(Tries::Many, &known.arn).await? {
            Some(now) if matches!(now.state, State::RollingBack | State::RolledBack) => Ok(()),
            Some(_) | None => self.stop(&known.arn).await,
        }
    }

    /// Whether a deployment under way still stands at that stop.
    async fn waits_at(&self, deployment: &str, id: &str) -> Result<bool, ProviderFailure> {
        let known = self.lookout.deployment(Tries::Many, deployment).await?;
        Ok(known.is_some_and(|known| known.state == State::Going && known.course.awaits(id)))
    }

    /// Sent once, and again only while ECS asks to slow down.
    async fn say(&self, deployment: &str, id: &str, answer: Answer) -> Result<(), ProviderFailure> {
        let mut pauses = Pauses::unhurried();
        loop {
            let asked = self.once.continue_service_deployment().service_deployment_arn(deployment).hook_id(id);
            let sent = asked.action(answer.clone()).send().await;
            match sent.map_err(|error| failure("ecs:ContinueServiceDeployment", &error)) {
                Err(failure) if pauses.again(&failure).await == Left::Try => {}
                other => return other.map(|_| ()),
            }
        }
    }

    /// The service deployment of a shift.
    pub(super) async fn arn_of(&self, shift: &Shift) -> Option<String> {
        if let Some(arn) = &shift.id {
            return Some(arn.clone());
        }
        let facts = facts::of_shift(shift).ok()?;
        self.find(&facts, &Self::definition_of(&shift.revision)).await
    }
}

fn unseen() -> ProviderFailure {
    ProviderFailure {
        operation: "ecs:ListServiceDeployments".to_owned(),
        code: None,
        message: "the service deployment of this change cannot be found now".to_owned(),
        request_id: None,
        kind: FailureKind::Unavailable,
    }
}
