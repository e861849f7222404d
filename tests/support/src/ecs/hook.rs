//! Lifecycle hooks of a service deployment: those that pause it until somebody or a time-out
//! decides, and Lambda functions of others, which succeed at once here.
//!
//! All hooks of a stage run at the same time; the deployment goes on when none of them waits any
//! more. From the developer guide ("Pause hooks for Amazon ECS service deployments", "Continuing
//! service deployments"): an id is good once, for the stage it was made for, and for nothing
//! after a decision, a time-out or the deployment's end.

use serde_json::{Value, json};

use super::Ecs;
use super::definition::Definitions;
use super::deployment::{Status, Step};
use super::service::Service;
use super::stage::Stage;
use crate::env::Env;
use crate::reply::{Answer, ApiError, Millis, number, put, seconds, text, texts};

/// `status` of a hook's run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HookStatus {
    AwaitingAction,
    Succeeded,
    Failed,
    TimedOut,
}

impl HookStatus {
    const fn name(self) -> &'static str {
        match self {
            Self::AwaitingAction => "AWAITING_ACTION",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
        }
    }
}

/// What becomes of a deployment that waits at a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Continue,
    Rollback,
}

impl Action {
    fn of(name: &str) -> Option<Self> {
        match name {
            "CONTINUE" => Some(Self::Continue),
            "ROLLBACK" => Some(Self::Rollback),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Continue => "CONTINUE",
            Self::Rollback => "ROLLBACK",
        }
    }
}

/// One run of a hook.
#[derive(Debug, Clone)]
pub(crate) struct HookRun {
    pub(crate) id: String,
    pub(crate) stage: Stage,
    pub(crate) status: HookStatus,
    /// For a Lambda function: its ARN.
    target: Option<String>,
    pub(crate) expires: Millis,
    action: Action,
}

impl HookRun {
    /// `lifecycleHookDetails[]` of `DescribeServiceDeployments`.
    pub(crate) fn document(&self) -> Value {
        let mut document = json!({
            "hookId": self.id,
            "targetType": if self.target.is_some() { "AWS_LAMBDA" } else { "PAUSE" },
            "status": self.status.name(),
            "expiresAt": seconds(self.expires),
            "timeoutAction": self.action.name(),
        });
        put(&mut document, "targetArn", self.target.clone());
        document
    }
}

/// The hooks that a configuration has at a stage.
pub(crate) fn at_stage(configuration: Option<&Value>, stage: Stage) -> Vec<Value> {
    let hooks = configuration.and_then(|known| known["lifecycleHooks"].as_array());
    let here = |hook: &&Value| texts(hook, "lifecycleStages").iter().any(|name| name == stage.name());
    hooks.into_iter().flatten().filter(here).cloned().collect()
}

impl Service {
    /// Runs the hooks of the stage a deployment has just entered.
    pub(crate) fn run_hooks(&mut self, index: usize, at: Millis, env: &mut Env) {
        let deployment = &mut self.deployments[index];
        let stage = deployment.stage;
        deployment.hooks.clear();
        for hook in at_stage(deployment.configuration.as_ref(), stage) {
            let target = text(&hook, "hookTargetArn").map(str::to_owned);
            let timeout = &hook["timeoutConfiguration"];
            let minutes = number(timeout, "timeoutInMinutes").and_then(|minutes| u64::try_from(minutes).ok());
            let kind = if target.is_some() { "lambda" } else { "pause" };
            deployment.hooks.push(HookRun {
                id: format!("ecs-{kind}-{}{}", env.ids.slug(), env.ids.slug()),
                stage,
                status: if target.is_some() { HookStatus::Succeeded } else { HookStatus::AwaitingAction },
                target,
                expires: at + env.timing.hook_minutes(minutes.unwrap_or(1440)),
                action: text(timeout, "action").and_then(Action::of).unwrap_or(Action::Rollback),
            });
        }
    }

    /// Goes on when no hook waits any more, else waits for the next time-out.
    pub(crate) fn after_hooks(&mut self, index: usize, on: Millis) {
        let deployment = &mut self.deployments[index];
        let waiting = deployment.hooks.iter().filter(|hook| hook.status == HookStatus::AwaitingAction);
        deployment.next = match waiting.map(|hook| hook.expires).min() {
            Some(expires) => Some((expires, Step::Expire)),
            None => Some((on, Step::Leave)),
        };
    }

    /// The time-out of every hook that waited until now.
    pub(crate) fn expire(&mut self, index: usize, at: Millis, definitions: &Definitions, env: &mut Env) {
        let deployment = &mut self.deployments[index];
        let stage = deployment.stage;
        let mut back = false;
        for hook in &mut deployment.hooks {
            if hook.status == HookStatus::AwaitingAction && hook.expires <= at {
                hook.status = HookStatus::TimedOut;
                back |= hook.action == Action::Rollback;
            }
        }
        deployment.updated = at;
        if back {
            let reason = format!("Service deployment rolled back because {} pause hook timed out.", stage.name());
            deployment.reason = Some(reason);
            self.begin_rollback(index, at, definitions, env);
        } else {
            self.after_hooks(index, at + env.ms(None, env.timing.stage_ms));
        }
    }
}

impl Ecs {
    /// `ContinueServiceDeployment`.
    pub(crate) fn continue_service_deployment(&mut self, body: &Value, now: Millis, env: &mut Env) -> Answer {
        let arn = text(body, "serviceDeploymentArn").unwrap_or_default();
        let id = text(body, "hookId").unwrap_or_default();
        let invalid = |message: &str| ApiError::bad("InvalidParameterException", message);
        let action = match body.get("action").and_then(Value::as_str) {
            None => Action::Continue,
            Some(name) => {
                Action::of(name).ok_or_else(|| invalid("Invalid action. Valid values are: ROLLBACK, CONTINUE"))?
            }
        };
        let mut kind = id.splitn(3, '-');
        let formed = kind.next() == Some("ecs") && matches!(kind.next(), Some("pause" | "lambda"));
        if !formed || kind.next().is_none_or(str::is_empty) {
            return Err(invalid("Invalid hookId: hookId must follow the format: ecs-{hookType}-{id}"));
        }
        let found = self.services.iter_mut().find_map(|service| {
            let index = service.deployments.iter().position(|known| known.arn == arn)?;
            Some((service, index))
        });
        let missing = || ApiError::bad("ServiceDeploymentNotFoundException", "The service deployment does not exist.");
        let (service, index) = found.ok_or_else(missing)?;
        let deployment = &mut service.deployments[index];
        if deployment.status.is_final() {
            let message = "Continuing a service deployment is not allowed for service deployment in terminal states.";
            return Err(invalid(message));
        }
        let going = deployment.status == Status::InProgress;
        let waits = |hook: &&mut HookRun| hook.id == id && hook.status == HookStatus::AwaitingAction && going;
        let over = "Provided hookId is either completed, unavailable, or not associated with the given Resource ARN";
        let hook = deployment.hooks.iter_mut().find(waits).ok_or_else(|| invalid(over))?;
        deployment.updated = now;
        match action {
            Action::Continue => {
                hook.status = HookStatus::Succeeded;
                service.after_hooks(index, now + env.ms(None, env.timing.stage_ms));
            }
            Action::Rollback => {
                hook.status = HookStatus::Failed;
                let stage = hook.stage.name();
                deployment.reason = Some(format!(
                    "Service deployment rolled back because ROLLBACK was requested at the {stage} pause hook."
                ));
                deployment.request_rollback(now, now + env.ms(None, env.timing.stop_ms));
            }
        }
        Ok(json!({"serviceDeploymentArn": arn}))
    }
}
