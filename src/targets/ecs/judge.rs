//! What one look means: pure.
//!
//! Rules: ECS's own final state decides, never a count that looks right; a deployment that ECS
//! stops for another one was superseded, a deployment that ECS or a person takes back broke; what
//! cannot get well is called broken before ECS gives up.

use super::course::{HookEnd, Stop};
use super::facts::{ShiftFacts, Way};
use super::live::{Live, Rollout, RolloutState};
use super::raw::short;
use super::said;
use super::tasks::{self, Stopped};
use super::truth::{Deployment, State};
use crate::engine::{Progress, Sight};
use crate::rollout::{CauseCode, Direction, Pause};
use crate::types::Timestamp;

/// All that one look saw.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) live: &'a Live,
    /// The service deployment, where it can be had.
    pub(super) truth: Option<&'a Deployment>,
    /// Failed tasks of the primary deployment that is followed.
    pub(super) stopped: &'a [Stopped],
    /// ARN of the task definition that is moved to.
    pub(super) wanted: &'a str,
    /// ARN of the task definition that is left; on the way back: the one that failed.
    pub(super) left: &'a str,
    pub(super) facts: &'a ShiftFacts,
    pub(super) direction: Direction,
    pub(super) now: Timestamp,
}

/// Decides.
pub(super) fn judge(scene: &Scene<'_>) -> Sight {
    match (scene.facts.way, scene.truth) {
        (Way::Update, Some(truth)) => by_deployment(scene, truth),
        (Way::Stop, Some(truth)) => by_stop(scene, truth),
        (Way::Update, None) => by_rollout(scene),
        (Way::Stop | Way::Scale, None) | (Way::Scale, Some(_)) => by_primary(scene),
    }
}

/// Our own service deployment.
fn by_deployment(scene: &Scene<'_>, truth: &Deployment) -> Sight {
    if let Some(sight) = before_it_is_listed(scene, truth) {
        return sight;
    }
    let ours = is_primary(scene);
    match truth.state {
        State::RollingBack | State::RolledBack | State::RollbackFailed => broke(scene, truth),
        State::Successful if ours => serving(scene),
        State::Successful => superseded(scene),
        State::Stopping | State::Stopped | State::Going | State::Unknown => {
            if truth.breaker_tripped || !truth.alarms.is_empty() {
                broke(scene, truth)
            } else if !ours {
                superseded(scene)
            } else if truth.state == State::Stopped {
                broke(scene, truth)
            } else if truth.state == State::Stopping {
                moving(scene)
            } else {
                hopeless(scene).unwrap_or_else(|| under_way(scene, truth))
            }
        }
    }
}

/// Nothing is wrong: where traffic is, and whether it stands still.
fn under_way(scene: &Scene<'_>, truth: &Deployment) -> Sight {
    let course = &truth.course;
    let mut progress = progress(scene);
    if course.is_gradual() {
        progress.traffic = course.weight;
        if let (wanted @ 1.., running) = course.tasks {
            (progress.wanted, progress.healthy) = (wanted, running.min(wanted));
        }
    }
    if let Some(doing) = course.doing() {
        progress.doing = doing;
    }
    match (course.stop(), course.weight) {
        (Some(Stop::Ours(hook)), Some(traffic)) => {
            let pause = Pause { id: hook.id.clone(), traffic, at: scene.now, expires: hook.expires };
            Sight::Paused(pause, progress)
        }
        // Without the share nobody knows which step this is.
        (Some(Stop::Ours(_)), None) => {
            "waiting until ECS tells the share of traffic".clone_into(&mut progress.doing);
            Sight::Moving(progress)
        }
        (Some(Stop::Theirs(hook)), _) => {
            progress.doing = course.waits_for_others(hook, &truth.arn);
            Sight::Moving(progress)
        }
        (None, _) if course.is_baking() => Sight::Baking(progress),
        (None, _) => Sight::Moving(progress),
    }
}

/// A service deployment that is known before `deployments[]` shows it, or that ended without a trace there.
fn before_it_is_listed(scene: &Scene<'_>, truth: &Deployment) -> Option<Sight> {
    if scene.facts.revision.is_none() || scene.facts.primary.is_some() {
        return None;
    }
    let runs = |definition: &str| scene.live.primary().is_some_and(|primary| primary.definition == definition);
    match truth.state {
        // ECS stops a deployment that another one replaces, so one that goes is the newest.
        State::Going | State::Stopping | State::Unknown => {
            Some(if truth.breaker_tripped || !truth.alarms.is_empty() { broke(scene, truth) } else { moving(scene) })
        }
        State::Stopped if runs(scene.left) => Some(broke(scene, truth)),
        State::Successful if runs(scene.wanted) => Some(serving(scene)),
        State::Stopped | State::Successful | State::RollingBack | State::RolledBack | State::RollbackFailed => None,
    }
}

/// The failed service deployment that takes itself back.
fn by_stop(scene: &Scene<'_>, truth: &Deployment) -> Sight {
    match truth.state {
        State::RolledBack | State::Stopped => by_primary(scene),
        State::RollbackFailed => {
            let text = "ECS could not bring the previous revision back";
            broken(CauseCode::ProviderGaveUp, text, scene, truth.reason.as_deref())
        }
        State::Successful => {
            let text = "the deployment was finished before it could be stopped";
            broken(CauseCode::ProviderGaveUp, text, scene, truth.reason.as_deref())
        }
        State::Going | State::Stopping | State::RollingBack | State::Unknown => moving(scene),
    }
}

/// Without service deployments: our own entry of `deployments[]`.
fn by_rollout(scene: &Scene<'_>) -> Sight {
    let own = scene.facts.primary.as_deref().and_then(|id| scene.live.rollout(id));
    if own.is_some_and(|own| own.state == RolloutState::Failed) {
        let reason = own.map(|own| own.reason.as_str());
        return broken(CauseCode::ProviderGaveUp, "ECS gave the deployment up", scene, reason);
    }
    if is_primary(scene) {
        if own.is_some_and(Rollout::is_complete) {
            return Sight::Serving;
        }
        return hopeless(scene).unwrap_or_else(|| moving(scene));
    }
    let unlisted = scene.facts.revision.is_some() && scene.facts.primary.is_none();
    if unlisted && scene.live.primary().is_some_and(|primary| primary.definition == scene.left) {
        return moving(scene);
    }
    // ECS names its own rollback in the reason of the deployment it goes back to.
    match scene.live.primary() {
        Some(primary) if primary.reason.contains("circuit breaker") || primary.reason.contains("rolling back") => {
            broken(CauseCode::ProviderGaveUp, "ECS took the deployment back", scene, Some(&primary.reason))
        }
        Some(_) => superseded(scene),
        None => moving(scene),
    }
}

/// Whatever deployment brings it: the wanted task definition is the primary, complete.
fn by_primary(scene: &Scene<'_>) -> Sight {
    match scene.live.primary() {
        Some(primary) if primary.definition == scene.wanted => match primary.state {
            RolloutState::Failed => {
                broken(CauseCode::ProviderGaveUp, "ECS gave the deployment up", scene, Some(&primary.reason))
            }
            _ if primary.is_complete() && primary.desired == scene.live.desired => Sight::Serving,
            _ => moving(scene),
        },
        Some(primary) if primary.definition == scene.left => {
            if scene.truth.is_some_and(|truth| truth.state == State::RolledBack) {
                let text = format!("ECS rolled back, but {} is still the primary", short(&primary.definition));
                return broken(CauseCode::ProviderGaveUp, &text, scene, None);
            }
            moving(scene)
        }
        Some(_) => superseded(scene),
        None => moving(scene),
    }
}

fn is_primary(scene: &Scene<'_>) -> bool {
    scene.live.primary().is_some_and(|primary| Some(&primary.id) == scene.facts.primary.as_ref())
}

/// On the way back more is asked: the old revision really runs as often as it should.
fn serving(scene: &Scene<'_>) -> Sight {
    match scene.direction {
        Direction::Forward => Sight::Serving,
        Direction::Back => by_primary(scene),
    }
}

fn superseded(scene: &Scene<'_>) -> Sight {
    Sight::Superseded { by: scene.live.primary().map_or_else(|| "another deployment".to_owned(), named) }
}

/// A deployment in words: `api:43 (ecs-svc/123)`.
pub(super) fn named(rollout: &Rollout) -> String {
    format!("{} ({})", short(&rollout.definition), rollout.id)
}

fn broke(scene: &Scene<'_>, truth: &Deployment) -> Sight {
    let reason = truth.reason.as_deref();
    // A stop reason says more than the breaker that counted it.
    if truth.alarms.is_empty()
        && truth.breaker_tripped
        && let Some(verdict) = tasks::worst(scene.stopped)
    {
        let mut cause = said::of_tasks(&verdict, short(scene.wanted));
        cause.facts.push(tripped(truth));
        return Sight::Broke(Box::new(cause));
    }
    if let Some(alarm) = truth.alarms.first() {
        let text = format!("the alarm {alarm} fired during the deployment");
        return broken(CauseCode::AlarmFired, &text, scene, reason);
    }
    if truth.breaker_tripped {
        return broken(CauseCode::ProviderGaveUp, &tripped(truth), scene, reason);
    }
    if let Some(end) = truth.course.ended_by(reason) {
        let (code, text) = match end {
            HookEnd::OursExpired => (
                CauseCode::GateExpired,
                "nobody decided in time at a step of traffic, so ECS took the deployment back by itself",
            ),
            HookEnd::TheirsExpired => (
                CauseCode::GateExpired,
                "nobody decided in time at a hook of the service's own, so ECS took the deployment back",
            ),
            HookEnd::FunctionFailed => (CauseCode::ProviderGaveUp, "a hook function of the service failed"),
        };
        return broken(code, text, scene, reason);
    }
    let text = match truth.state {
        State::Stopping | State::Stopped => "the deployment was stopped",
        _ => "the deployment was taken back before it was done",
    };
    broken(CauseCode::Stopped, text, scene, reason)
}

fn tripped(truth: &Deployment) -> String {
    match truth.breaker_count {
        (0, _) => "the service's circuit breaker tripped".to_owned(),
        (1, allowed) => format!("the service's circuit breaker tripped after 1 failed task (it allows {allowed})"),
        (failed, allowed) => {
            format!("the service's circuit breaker tripped after {failed} failed tasks (it allows {allowed})")
        }
    }
}

fn broken(code: CauseCode, summary: &str, scene: &Scene<'_>, reason: Option<&str>) -> Sight {
    Sight::Broke(Box::new(said::of_end(code, summary, short(scene.wanted), reason)))
}

fn hopeless(scene: &Scene<'_>) -> Option<Sight> {
    let verdict = tasks::hopeless(scene.stopped)?;
    Some(Sight::Broke(Box::new(said::of_tasks(&verdict, short(scene.wanted)))))
}

fn moving(scene: &Scene<'_>) -> Sight {
    Sight::Moving(progress(scene))
}

fn progress(scene: &Scene<'_>) -> Progress {
    let own = scene.facts.primary.as_deref().and_then(|id| scene.live.rollout(id));
    let own = own.or_else(|| scene.live.primary().filter(|primary| primary.definition == scene.wanted));
    let wanted = own.map_or(scene.live.desired, |own| own.desired);
    let (running, pending) = own.map_or((0, 0), |own| (own.running, own.pending));
    let old: u32 = scene
        .live
        .rollouts
        .iter()
        .filter(|other| Some(&other.id) != own.map(|own| &own.id))
        .map(|other| other.running)
        .sum();
    let doing = match own {
        None => "waiting for ECS to begin".to_owned(),
        Some(_) if wanted == 0 => "scaling to no tasks".to_owned(),
        Some(_) if running < wanted && pending > 0 => format!("starting tasks ({pending} pending)"),
        Some(_) if running < wanted => "starting tasks".to_owned(),
        Some(_) if old > 0 => format!("waiting until healthy, {old} old tasks still run"),
        Some(_) => "waiting until ECS calls it done".to_owned(),
    };
    Progress {
        healthy: running.min(wanted),
        wanted,
        // A rolling deployment has no share of its own: the load balancer asks whoever is healthy.
        traffic: None,
        doing,
        notices: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
