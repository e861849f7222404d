//! How ECS is told to move traffic in one deployment: strategy, shares, times, and the stop before each step.
//!
//! Pure. [`Steps`] is what a plan wishes; [`Steps::configuration`] puts it into what the service has.
//! Invariants: hooks of others, alarms, the circuit breaker and percentages of tasks stay as they
//! are; at most one hook is ours, and it is known again by its minutes, for ECS gives hooks no name:
//! they are 7 more than a multiple of ten, which nobody chooses who does not have to.

use aws_sdk_ecs::types as sdk;
use serde::{Deserialize, Serialize};

use super::routing::Routing;
use crate::config::spec::{Steered, Steering, Strategy};
use crate::rollout::FieldChange;
use crate::types::{Percent, Span};

/// The longest ECS waits at a hook (API reference, `timeoutInMinutes`), down to minutes of ours.
const LONGEST: u32 = 20_157;
/// Beside the longest hold: what answers need, and services of a wave that come to their step later.
const MARGIN: u32 = 60;
/// By what our hook is known again.
const SIGN: (u32, u32) = (10, 7);

/// Part of `Change::Move.wish`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Steps {
    #[serde(flatten)]
    how: How,
    /// Minutes the old set stays at the end.
    stays: u32,
    /// Minutes after which a stop before a step goes back; no stop when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stop: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "how")]
enum How {
    Rolling,
    BlueGreen,
    Linear { percent: Percent, minutes: u32 },
    Canary { percent: Percent, minutes: u32 },
}

/// Steps, with what people should know about them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wished {
    pub(super) steps: Option<Steps>,
    pub(super) notice: Option<String>,
}

impl Steps {
    /// For a release.
    pub(super) fn forward(steering: &Steering, routing: &Routing) -> Wished {
        let (stop, notice) = match steering.by {
            Steered::Rollout if steering.strategy != Strategy::Rolling => {
                let held = hold(steering);
                let notice = (held > LONGEST - MARGIN).then(|| {
                    format!(
                        "ECS holds a step for 14 days at most: what nobody decides until then goes back, although \
                         {} is allowed for it.",
                        steering.patience
                    )
                });
                (Some(signed(held)), notice)
            }
            Steered::Rollout | Steered::Platform => (None, None),
        };
        // Held in the stop, or counted by ECS.
        let watched = if stop.is_some() { 0 } else { minutes(steering.strategy.step()) };
        let how = match steering.strategy {
            Strategy::Rolling => return Wished { steps: tidied(routing), notice: own_strategy(routing) },
            Strategy::BlueGreen { .. } => How::BlueGreen,
            Strategy::Linear { percent, .. } => How::Linear { percent, minutes: watched },
            Strategy::Canary { percent, .. } => How::Canary { percent, minutes: watched },
        };
        Wished { steps: Some(Self { how, stays: minutes(steering.strategy.stays()), stop }), notice }
    }

    /// For going back to what was good: all at once, and nobody is asked.
    pub(super) fn back(steering: &Steering, routing: &Routing) -> Option<Self> {
        if steering.strategy == Strategy::Rolling || !routing.can_switch() {
            return tidied(routing);
        }
        Some(Self { how: How::BlueGreen, stays: 0, stop: None })
    }

    /// What ECS has to be told, when the service does not have it yet.
    pub(super) fn configuration(&self, routing: &Routing) -> Option<sdk::DeploymentConfiguration> {
        let had = routing.configuration.as_ref();
        let hooks = self.hooks(routing);
        let mut told = sdk::DeploymentConfiguration::builder()
            .strategy(self.strategy())
            .set_maximum_percent(had.and_then(sdk::DeploymentConfiguration::maximum_percent))
            .set_minimum_healthy_percent(had.and_then(sdk::DeploymentConfiguration::minimum_healthy_percent))
            .set_deployment_circuit_breaker(had.and_then(|had| had.deployment_circuit_breaker()).cloned())
            .set_alarms(had.and_then(|had| had.alarms()).cloned());
        if hooks != routing.hooks() {
            told = told.set_lifecycle_hooks(Some(hooks));
        }
        told = match self.how {
            How::Rolling => told,
            How::BlueGreen => told.bake_time_in_minutes(whole(self.stays)),
            How::Linear { percent, minutes } => told.bake_time_in_minutes(whole(self.stays)).linear_configuration(
                sdk::LinearConfiguration::builder()
                    .step_percent(percent.value())
                    .step_bake_time_in_minutes(whole(minutes))
                    .build(),
            ),
            How::Canary { percent, minutes } => told.bake_time_in_minutes(whole(self.stays)).canary_configuration(
                sdk::CanaryConfiguration::builder()
                    .canary_percent(percent.value())
                    .canary_bake_time_in_minutes(whole(minutes))
                    .build(),
            ),
        };
        let told = told.build();
        (!is_so(had, &told)).then_some(told)
    }

    /// What changes, for people.
    pub(super) fn differences(&self, routing: &Routing) -> Vec<FieldChange> {
        let Some(told) = self.configuration(routing) else { return Vec::new() };
        let had = routing.configuration.as_ref();
        let mut found = Vec::new();
        let mut differ = |path: &str, before: String, after: String| {
            if before != after {
                let path = format!("deployment.{path}");
                found.push(FieldChange { path, before: Some(before), after: Some(after) });
            }
        };
        differ("strategy", had.map_or_else(|| "ROLLING".to_owned(), said), said(&told));
        if self.how != How::Rolling {
            let stays = |it: &sdk::DeploymentConfiguration| it.bake_time_in_minutes().unwrap_or(0);
            let words = |minutes: i32| format!("{minutes} min");
            differ("bakeTime", words(had.map_or(0, stays)), words(stays(&told)));
        }
        let stop = |hooks: &[sdk::DeploymentLifecycleHook]| match hooks.iter().find(|hook| is_ours(hook)) {
            None => "none".to_owned(),
            Some(hook) => {
                format!("before each step of traffic; goes back after {}", waits(minutes_of(hook).unwrap_or_default()))
            }
        };
        differ("pause", stop(routing.hooks()), stop(&self.hooks(routing)));
        found
    }

    fn strategy(&self) -> sdk::DeploymentStrategy {
        match self.how {
            How::Rolling => sdk::DeploymentStrategy::Rolling,
            How::BlueGreen => sdk::DeploymentStrategy::BlueGreen,
            How::Linear { .. } => sdk::DeploymentStrategy::Linear,
            How::Canary { .. } => sdk::DeploymentStrategy::Canary,
        }
    }

    /// Those of others, and ours if there is a stop.
    fn hooks(&self, routing: &Routing) -> Vec<sdk::DeploymentLifecycleHook> {
        let mut hooks = routing.hooks().to_vec();
        let Some(after) = self.stop else {
            hooks.retain(|hook| !is_ours(hook));
            return hooks;
        };
        let timeout = sdk::DeploymentLifecycleHookTimeoutConfiguration::builder()
            .timeout_in_minutes(whole(after))
            .action(sdk::DeploymentLifecycleHookAction::Rollback)
            .build();
        let ours = sdk::DeploymentLifecycleHook::builder()
            .target_type(sdk::DeploymentLifecycleHookTargetType::Pause)
            .lifecycle_stages(sdk::DeploymentLifecycleHookStage::PreProductionTrafficShift)
            .timeout_configuration(timeout)
            .build();
        match hooks.iter().position(is_ours) {
            Some(at) => hooks[at] = ours,
            None => hooks.push(ours),
        }
        hooks
    }
}

/// Whether a hook waits for somebody.
pub(super) fn is_pause(hook: &sdk::DeploymentLifecycleHook) -> bool {
    hook.target_type() == Some(&sdk::DeploymentLifecycleHookTargetType::Pause)
}

/// Whether a hook runs before each step of traffic.
pub(super) fn is_before_a_step(hook: &sdk::DeploymentLifecycleHook) -> bool {
    hook.lifecycle_stages().contains(&sdk::DeploymentLifecycleHookStage::PreProductionTrafficShift)
}

/// Whether a hook is the one that rollouts stop at.
pub(super) fn is_ours(hook: &sdk::DeploymentLifecycleHook) -> bool {
    let action = hook.timeout_configuration().and_then(|timeout| timeout.action());
    is_pause(hook)
        && hook.lifecycle_stages() == [sdk::DeploymentLifecycleHookStage::PreProductionTrafficShift]
        && action == Some(&sdk::DeploymentLifecycleHookAction::Rollback)
        && minutes_of(hook).is_some_and(|minutes| minutes % SIGN.0 == SIGN.1)
}

fn minutes_of(hook: &sdk::DeploymentLifecycleHook) -> Option<u32> {
    u32::try_from(hook.timeout_configuration()?.timeout_in_minutes()?).ok()
}

/// Takes out what an earlier configuration put in; otherwise the service's own way stays.
fn tidied(routing: &Routing) -> Option<Steps> {
    let left = routing.hooks().iter().any(is_ours);
    left.then_some(Steps { how: How::Rolling, stays: 0, stop: None })
}

/// A strategy that somebody else has given the service.
fn own_strategy(routing: &Routing) -> Option<String> {
    let had = routing.configuration.as_ref()?;
    let rolling = matches!(had.strategy(), None | Some(sdk::DeploymentStrategy::Rolling));
    let kept = !rolling && tidied(routing).is_none();
    kept.then(|| {
        let said = said(had);
        format!("The service's own deployment strategy is {said}; `rollout: rolling` leaves it as it is.")
    })
}

/// How long a step may be held: its bake, then a person's time.
fn hold(steering: &Steering) -> u32 {
    minutes(steering.strategy.step()).saturating_add(minutes(steering.patience))
}

/// With the margin, up to the next number of ours.
fn signed(held: u32) -> u32 {
    let least = held.saturating_add(MARGIN).min(LONGEST);
    least + (SIGN.1 + SIGN.0 - least % SIGN.0) % SIGN.0
}

fn minutes(span: Span) -> u32 {
    span.as_seconds().div_ceil(60)
}

fn whole(minutes: u32) -> i32 {
    i32::try_from(minutes).unwrap_or(i32::MAX)
}

/// Whether the service has all that is told.
fn is_so(had: Option<&sdk::DeploymentConfiguration>, told: &sdk::DeploymentConfiguration) -> bool {
    let Some(had) = had else { return told.strategy() == Some(&sdk::DeploymentStrategy::Rolling) };
    let strategy = had.strategy().unwrap_or(&sdk::DeploymentStrategy::Rolling);
    let bake = told.bake_time_in_minutes();
    Some(strategy) == told.strategy()
        && told.lifecycle_hooks.is_none()
        && (bake.is_none() || bake == had.bake_time_in_minutes())
        && (told.linear_configuration().is_none() || told.linear_configuration() == had.linear_configuration())
        && (told.canary_configuration().is_none() || told.canary_configuration() == had.canary_configuration())
}

/// `CANARY 10 %`, `LINEAR 20 % every 6 min`.
fn said(configuration: &sdk::DeploymentConfiguration) -> String {
    let word = configuration.strategy().map_or("ROLLING", sdk::DeploymentStrategy::as_str);
    let timed = |percent: f64, before: &str, minutes: i32| match minutes {
        0 => format!("{word} {percent} %"),
        minutes => format!("{word} {percent} % {before} {minutes} min"),
    };
    match (configuration.linear_configuration(), configuration.canary_configuration()) {
        (Some(linear), _) if word == "LINEAR" => {
            timed(linear.step_percent().unwrap_or(10.0), "every", linear.step_bake_time_in_minutes().unwrap_or(6))
        }
        (_, Some(canary)) if word == "CANARY" => {
            timed(canary.canary_percent().unwrap_or(5.0), "for", canary.canary_bake_time_in_minutes().unwrap_or(10))
        }
        _ => word.to_owned(),
    }
}

/// `25 h 17 min`.
fn waits(minutes: u32) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests;
