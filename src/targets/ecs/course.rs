//! How far a service deployment has moved traffic, and where it stops: pure.
//!
//! ECS shows the hooks of the stage a deployment is in, and not which hook of the configuration each
//! is. Rule: a stop is ours when our hook stands in the deployment and no other PAUSE hook stands at
//! the stage that is shown; every other stop is somebody else's, and is only told.

use aws_sdk_ecs::types as sdk;

use super::steps;
use crate::types::{Percent, Timestamp};

/// `lifecycleStage`: before a step of traffic. The service model describes it and does not list it.
const BEFORE_A_STEP: &str = "PRE_PRODUCTION_TRAFFIC_SHIFT";

/// How far a service deployment is.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Course {
    strategy: Option<String>,
    stage: Option<String>,
    /// The share of production traffic of the new revision.
    pub(super) weight: Option<Percent>,
    /// Tasks of the new revision: asked for, and running.
    pub(super) tasks: (u32, u32),
    hooks: Vec<Hook>,
    own: Own,
    /// Stages at which other PAUSE hooks stand.
    others: Vec<String>,
    /// ARNs of the service revisions: the one moved to, and those moved from.
    pub(super) target: Option<String>,
    pub(super) sources: Vec<String>,
}

/// Whether our hook stands in the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Own {
    #[default]
    No,
    Yes,
}

/// A hook of the stage.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hook {
    pub(super) id: String,
    kind: Kind,
    state: HookState,
    pub(super) expires: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pause,
    Function,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HookState {
    Awaiting,
    Failed,
    TimedOut,
    Other,
}

/// Where a deployment stands still.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Stop<'a> {
    /// At the hook of this rollout.
    Ours(&'a Hook),
    /// At somebody else's.
    Theirs(&'a Hook),
}

/// How a hook ended a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HookEnd {
    /// Nobody decided in time at ours.
    OursExpired,
    /// Nobody decided in time at another's.
    TheirsExpired,
    /// A function did not answer, or said no.
    FunctionFailed,
}

impl Course {
    /// Of the SDK's service deployment.
    pub(super) fn read(known: &sdk::ServiceDeployment) -> Self {
        let configuration = known.deployment_configuration();
        let configured = configuration.map_or(&[][..], sdk::DeploymentConfiguration::lifecycle_hooks);
        let own = if configured.iter().any(steps::is_ours) { Own::Yes } else { Own::No };
        let others = configured.iter().filter(|hook| steps::is_pause(hook) && !steps::is_ours(hook));
        let target = known.target_service_revision();
        let count = super::live::count;
        Self {
            strategy: configuration.and_then(|it| it.strategy()).map(|it| it.as_str().to_owned()),
            stage: known.lifecycle_stage().map(|stage| stage.as_str().to_owned()),
            weight: target.and_then(sdk::ServiceRevisionSummary::requested_production_traffic_weight).and_then(share),
            tasks: target.map_or((0, 0), |it| (count(it.requested_task_count()), count(it.running_task_count()))),
            hooks: known.lifecycle_hook_details().iter().map(hook).collect(),
            own,
            others: others
                .flat_map(sdk::DeploymentLifecycleHook::lifecycle_stages)
                .map(|stage| stage.as_str().to_owned())
                .collect(),
            target: target.and_then(|target| target.arn()).map(str::to_owned),
            sources: known.source_service_revisions().iter().filter_map(|it| it.arn().map(str::to_owned)).collect(),
        }
    }

    /// Whether traffic moves by weights.
    pub(super) fn is_gradual(&self) -> bool {
        matches!(self.strategy.as_deref(), Some("BLUE_GREEN" | "LINEAR" | "CANARY"))
    }

    /// Where it stands still, if it does.
    pub(super) fn stop(&self) -> Option<Stop<'_>> {
        let waiting = |hook: &&Hook| hook.kind == Kind::Pause && hook.state == HookState::Awaiting;
        let hook = self.hooks.iter().find(waiting)?;
        Some(if self.is_at_ours() { Stop::Ours(hook) } else { Stop::Theirs(hook) })
    }

    /// Whether that hook waits for somebody.
    pub(super) fn awaits(&self, id: &str) -> bool {
        self.hooks.iter().any(|hook| hook.id == id && hook.state == HookState::Awaiting)
    }

    fn is_at_ours(&self) -> bool {
        let theirs = self.stage.as_ref().is_some_and(|stage| self.others.contains(stage));
        self.own == Own::Yes && !theirs
    }

    /// All traffic has moved, and the old set stays for a while.
    pub(super) fn is_baking(&self) -> bool {
        self.is_gradual() && self.stage.as_deref() == Some("BAKE_TIME") && self.weight == Some(Percent::ALL)
    }

    /// What a deployment that is taken back says of its hooks.
    pub(super) fn ended_by(&self, reason: Option<&str>) -> Option<HookEnd> {
        let of = |kind: Kind, states: &[HookState]| {
            self.hooks.iter().any(|hook| hook.kind == kind && states.contains(&hook.state))
        };
        let says = |word: &str| reason.is_some_and(|reason| reason.to_ascii_lowercase().contains(word));
        let expired = of(Kind::Pause, &[HookState::TimedOut]) || says("pause hook timed out");
        if expired {
            let before_a_step = says(&BEFORE_A_STEP.to_ascii_lowercase()) || self.is_at_ours();
            let ours = self.own == Own::Yes && before_a_step;
            return Some(if ours { HookEnd::OursExpired } else { HookEnd::TheirsExpired });
        }
        of(Kind::Function, &[HookState::Failed, HookState::TimedOut]).then_some(HookEnd::FunctionFailed)
    }

    /// What it is doing, in a few words; nothing where the counts of tasks say more.
    pub(super) fn doing(&self) -> Option<String> {
        let share = self.weight.unwrap_or(Percent::ZERO);
        let stage = self.stage.as_deref()?;
        Some(match stage {
            "RECONCILE_SERVICE" => "ending what an earlier deployment left".to_owned(),
            "PRE_SCALE_UP" => "about to start tasks".to_owned(),
            "POST_SCALE_UP" if self.is_gradual() => "tasks run, no traffic yet".to_owned(),
            "TEST_TRAFFIC_SHIFT" => "moving test traffic".to_owned(),
            "POST_TEST_TRAFFIC_SHIFT" => "test traffic has moved".to_owned(),
            BEFORE_A_STEP => format!("at {share} % of traffic, before the next step"),
            "PRODUCTION_TRAFFIC_SHIFT" if share == Percent::ALL => "all traffic has moved".to_owned(),
            "PRODUCTION_TRAFFIC_SHIFT" => format!("{share} % of traffic, watched by ECS"),
            "POST_PRODUCTION_TRAFFIC_SHIFT" => "all traffic has moved".to_owned(),
            "BAKE_TIME" => "all traffic has moved, the old tasks stay for a while".to_owned(),
            "CLEAN_UP" if self.is_gradual() => "stopping the old tasks".to_owned(),
            _ => return None,
        })
    }

    /// That it waits for somebody else, and how it goes on.
    pub(super) fn waits_for_others(&self, hook: &Hook, deployment: &str) -> String {
        let stage = self.stage.as_deref().unwrap_or("not told");
        format!(
            "waits at a hook of the service's own (stage {stage}): continue it in the console, or with aws ecs \
             continue-service-deployment --service-deployment-arn {deployment} --hook-id {} --action CONTINUE",
            hook.id
        )
    }
}

fn hook(known: &sdk::DeploymentLifecycleHookDetail) -> Hook {
    use sdk::DeploymentLifecycleHookStatus as Status;
    Hook {
        id: known.hook_id().unwrap_or_default().to_owned(),
        kind: match known.target_type() {
            Some(sdk::DeploymentLifecycleHookTargetType::Pause) => Kind::Pause,
            _ => Kind::Function,
        },
        state: match known.status() {
            Some(Status::AwaitingAction) => HookState::Awaiting,
            Some(Status::Failed) => HookState::Failed,
            Some(Status::TimedOut) => HookState::TimedOut,
            _ => HookState::Other,
        },
        expires: known.expires_at().and_then(|at| Timestamp::from_second(at.secs()).ok()),
    }
}

/// ECS's number as a share; one that is none is not told.
fn share(weight: f64) -> Option<Percent> {
    format!("{weight:.1}").parse().ok()
}

#[cfg(test)]
pub(super) mod tests;
