//! What each effect does: one call or one wait on a target, and the event it ends with.

use std::collections::HashSet;
use std::time::Duration;

use super::target::{Back, NotApplied, ProviderFailure, Sight, Target, TargetError};
use super::wait::{self, Backoff, Seen, Waited};
use super::{Cancel, Limits, News, Progress, Reporter, clock, drive::Parts, http_check};
use crate::problem::Problem;
use crate::rollout::{
    Cause, CauseCode, Effect, Event, Gate, HookState, Passed, Phase, Plan, ServicePlan, ServiceState, Shift,
};
use crate::types::{ServiceName, Timestamp};

/// Everything an effect needs.
pub(super) struct Shell<'a> {
    pub(super) plan: &'a Plan,
    pub(super) parts: Parts<'a>,
    pub(super) reporter: &'a dyn Reporter,
    pub(super) limits: Limits,
}

/// A part of a service's way, as it is followed.
struct Leg<'s> {
    shift: &'s Shift,
    /// The last stop that was let through.
    passed: Option<&'s Passed>,
    /// The stop it stands at.
    stop: Option<&'s str>,
    /// Whether all traffic has moved.
    baking: bool,
    /// How long it may take from the stop before it, or from its beginning.
    within: Option<Duration>,
}

/// How many refusals in a row end a wait: one may be a hiccup of eventual consistency.
pub(super) const REFUSALS: u32 = 3;

/// How long the way back is asked for again while the provider cannot be reached.
const REVERT_PATIENCE: Duration = Duration::from_mins(3);

/// What an effect is about: per subject at most one effect that changes something runs at a time.
#[derive(PartialEq, Eq)]
pub(super) enum Subject<'a> {
    Service(&'a ServiceName),
    Hook(usize),
}

pub(super) fn subject(effect: &Effect) -> Option<Subject<'_>> {
    match effect {
        Effect::Apply(name) | Effect::Continue(name) | Effect::Follow(name) | Effect::Revert(name) => {
            Some(Subject::Service(name))
        }
        Effect::StartHook(hook) | Effect::FollowHook(hook) | Effect::StopHook(hook) => Some(Subject::Hook(*hook)),
        Effect::Bake(_) | Effect::Listen(..) | Effect::Measure(_) | Effect::Check(_) | Effect::WatchAlarms => None,
    }
}

/// Where the subject of an effect stood when the effect became due.
pub(super) enum State {
    Service(ServiceState),
    Hook(HookState),
    /// A gate, with the changes that stand at it.
    Gate(Gate, Vec<(ServiceName, Shift)>),
    /// Changes that are measured, and since when.
    Measured(Vec<(ServiceName, Shift)>, Timestamp),
    None,
}

pub(super) fn state_of(effect: &Effect, phase: &Phase) -> State {
    match subject(effect) {
        Some(Subject::Service(name)) => phase.services().get(name).cloned().map_or(State::None, State::Service),
        Some(Subject::Hook(number)) => phase.hooks().get(number).cloned().map_or(State::None, State::Hook),
        None => match (effect, phase) {
            (Effect::Bake(_) | Effect::Listen(..), Phase::Gating { gate, services, .. }) => {
                let stands = |state: &&ServiceState| matches!(state, ServiceState::Paused { .. });
                let at_it = services.iter().filter(|(_, state)| stands(state));
                State::Gate(gate.clone(), at_it.filter_map(|(name, state)| change(name, state)).collect())
            }
            (Effect::Measure(names), phase) => {
                let states = || names.iter().filter_map(|name| Some((name, phase.services().get(name)?)));
                let since = match phase {
                    Phase::Gating { gate, .. } => Some(gate.since),
                    _ => states().filter_map(|(_, state)| state.passed().map(|passed| passed.at)).max(),
                };
                let changes: Vec<_> = states().filter_map(|(name, state)| change(name, state)).collect();
                let began = changes.iter().map(|(_, shift)| shift.started).max();
                State::Measured(changes, since.or(began).unwrap_or(Timestamp::UNIX_EPOCH))
            }
            _ => State::None,
        },
    }
}

fn change(name: &ServiceName, state: &ServiceState) -> Option<(ServiceName, Shift)> {
    state.attempt().map(|shift| (name.clone(), shift.clone()))
}

impl Shell<'_> {
    /// Runs an effect to its event; `None` when it was stopped because nobody waits for it any more.
    pub(super) async fn run(&self, effect: Effect, state: State, stop: Cancel) -> Option<Event> {
        match (effect, state) {
            (Effect::Apply(service), _) => Some(self.apply(service).await),
            (Effect::Revert(service), State::Service(state)) => Some(self.revert(service, &state).await),
            (Effect::Follow(service), State::Service(state)) => Box::pin(self.follow(service, state, stop)).await,
            (Effect::Continue(service), State::Service(ServiceState::Continuing { shift, pause, .. })) => {
                Some(self.go_on(service, &shift, &pause).await)
            }
            (Effect::Bake(_), State::Gate(gate, changes)) => Box::pin(self.bake(&gate, &changes, stop)).await,
            (Effect::Listen(..), State::Gate(gate, _)) => self.listen(&gate, stop).await,
            (Effect::Measure(_), State::Measured(changes, since)) => {
                Box::pin(self.measure(&changes, since, stop)).await
            }
            (Effect::Check(check), _) => self.check(check, stop).await,
            (Effect::StartHook(hook), State::Hook(state)) => Some(self.start_hook(hook, &state).await),
            (Effect::FollowHook(hook), State::Hook(state)) => self.follow_hook(hook, &state, stop).await,
            (Effect::StopHook(hook), State::Hook(state)) => self.stop_hook(hook, &state).await,
            (Effect::WatchAlarms, _) => self.watch_alarms(stop).await,
            (
                Effect::Revert(_)
                | Effect::Continue(_)
                | Effect::Bake(_)
                | Effect::Listen(..)
                | Effect::Measure(_)
                | Effect::Follow(_)
                | Effect::StartHook(_)
                | Effect::FollowHook(_)
                | Effect::StopHook(_),
                _,
            ) => None,
        }
    }

    pub(super) fn part(&self, service: &ServiceName) -> Result<(&dyn Target, &ServicePlan), Box<Cause>> {
        match (self.parts.targets.get(service), self.plan.services.get(service)) {
            (Some(target), Some(plan)) => Ok((target.as_ref(), plan)),
            _ => Err(Box::new(Cause::new(
                CauseCode::CallRefused,
                format!("{service} is part of the plan but not of this configuration"),
                "Run with the configuration the plan was made from.",
            ))),
        }
    }

    async fn apply(&self, service: ServiceName) -> Event {
        let (target, plan) = match self.part(&service) {
            Ok(part) => part,
            Err(cause) => return Event::ApplyFailed { service, cause, touched: crate::rollout::Touched::No },
        };
        match target.apply(plan).await {
            Ok(shift) => Event::Applied { service, shift },
            Err(NotApplied { cause, touched }) => Event::ApplyFailed { service, cause: Box::new(cause), touched },
        }
    }

    async fn revert(&self, service: ServiceName, state: &ServiceState) -> Event {
        let (target, plan) = match self.part(&service) {
            Ok(part) => part,
            Err(cause) => return Event::RevertFailed { service, cause },
        };
        let shift = match state {
            ServiceState::Reverting { shift, .. } => shift.as_ref(),
            _ => None,
        };
        let mut last: Option<Box<Cause>> = None;
        // Going back is the one thing that must not be given up at the first bad answer.
        let deadline = Some(clock::instant() + REVERT_PATIENCE);
        let waited = wait::until(deadline, Backoff::DEPLOYMENT, &Cancel::new(), async || {
            match target.revert(plan, shift).await {
                Err(cause) if cause.code == CauseCode::Unreachable => {
                    last = Some(cause);
                    Seen::Throttled
                }
                answer => Seen::Ready(answer),
            }
        })
        .await;
        match waited {
            Waited::Ready(Ok(Back::Already)) => Event::Served { service },
            Waited::Ready(Ok(Back::Began(shift))) => Event::Reverted { service, shift: *shift },
            Waited::Ready(Ok(Back::Superseded { by })) => Event::Superseded { service, by },
            Waited::Ready(Err(cause)) => Event::RevertFailed { service, cause },
            Waited::TimedOut | Waited::Cancelled => {
                let cause = last.unwrap_or_else(|| Box::new(timed_out(&service, REVERT_PATIENCE, None)));
                Event::RevertFailed { service, cause }
            }
        }
    }

    async fn follow(&self, service: ServiceName, state: ServiceState, stop: Cancel) -> Option<Event> {
        let Leg { shift, passed, stop: standing, baking, within } = self.leg(&state)?;
        let (target, plan) = match self.part(&service) {
            Ok(part) => part,
            Err(cause) => return Some(Event::Broke { service, cause }),
        };
        let since = passed.map_or(shift.started, |passed| passed.at);
        let deadline = within.map(|within| clock::instant() + remaining(since, within, clock::now()));
        let mut gone_on = 0_u32;
        let mut told: HashSet<String> = HashSet::new();
        let mut last = Progress::default();
        let mut refusals = 0_u32;
        let waited = wait::until(deadline, Backoff::DEPLOYMENT, &stop, async || {
            match target.observe(plan, shift).await {
                Ok(Sight::Moving(progress)) => {
                    refusals = 0;
                    self.tell_progress(&service, &progress, &mut last, &mut told);
                    gone_on += 1;
                    // One look may be older than the stop.
                    if standing.is_some() && gone_on > 1 {
                        Seen::Ready(Ok(Sight::Moving(progress)))
                    } else {
                        Seen::NotYet
                    }
                }
                Ok(Sight::Paused(pause, progress)) => {
                    (refusals, gone_on) = (0, 0);
                    self.tell_progress(&service, &progress, &mut last, &mut told);
                    // A late answer still shows the stop that was let through.
                    let known =
                        [standing, passed.map(|passed| passed.pause.as_str())].contains(&Some(pause.id.as_str()));
                    if known { Seen::NotYet } else { Seen::Ready(Ok(Sight::Paused(pause, progress))) }
                }
                Ok(Sight::Baking(progress)) => {
                    refusals = 0;
                    self.tell_progress(&service, &progress, &mut last, &mut told);
                    if baking { Seen::NotYet } else { Seen::Ready(Ok(Sight::Baking(progress))) }
                }
                Ok(sight) => Seen::Ready(Ok(sight)),
                Err(TargetError::Provider(failure)) if failure.is_passing() => {
                    if told.insert(failure.message.clone()) {
                        let text = format!("{failure}; asking again, the deployment itself goes on");
                        self.reporter.tell(&News::Notice { service: Some(&service), text: &text });
                    }
                    Seen::Throttled
                }
                Err(error) => {
                    refusals += 1;
                    if refusals < REFUSALS { Seen::Throttled } else { Seen::Ready(Err(error)) }
                }
            }
        })
        .await;
        let broke = match waited {
            Waited::Ready(Ok(Sight::Serving)) => return Some(Event::Served { service }),
            Waited::Ready(Ok(Sight::Superseded { by })) => return Some(Event::Superseded { service, by }),
            Waited::Ready(Ok(Sight::AskAgain)) => return Some(Event::AskAgain { service }),
            Waited::Ready(Ok(Sight::Broke(cause))) => *cause,
            Waited::Ready(Ok(Sight::Moving(_))) if standing.is_some() => {
                return Some(Event::Continued { service, at: clock::now() });
            }
            Waited::Ready(Ok(Sight::Paused(pause, _))) => return Some(Event::Paused { service, pause }),
            Waited::Ready(Ok(Sight::Baking(_))) => return Some(Event::Baking { service }),
            Waited::Ready(Ok(Sight::Moving(_))) | Waited::Cancelled => return None,
            Waited::Ready(Err(error)) => unobservable(&service, error),
            Waited::TimedOut => timed_out(&service, within.unwrap_or_default(), Some(&last)),
        };
        let cause = self.explained(target, plan, shift, broke).await;
        Some(Event::Broke { service, cause: Box::new(cause) })
    }

    /// The leg of the way that a service is on.
    fn leg<'s>(&self, state: &'s ServiceState) -> Option<Leg<'s>> {
        let steering = self.plan.steering.unwrap_or_default();
        let within = self.plan.within.duration();
        let (watches, stays) = (steering.watches().duration(), steering.strategy.stays().duration());
        let leg = |shift, passed: &'s Option<Passed>, within| Leg {
            shift,
            passed: passed.as_ref(),
            stop: None,
            baking: false,
            within,
        };
        Some(match state {
            ServiceState::Moving { shift, passed } => leg(shift, passed, Some(within + watches)),
            ServiceState::Baking { shift, passed } => {
                Leg { baking: true, ..leg(shift, passed, Some(within + watches + stays)) }
            }
            // How long it may stand there is the gate's affair.
            ServiceState::Paused { shift, pause, passed } => {
                Leg { stop: Some(pause.id.as_str()), ..leg(shift, passed, None) }
            }
            ServiceState::Returning { shift, .. } => leg(shift, &None, Some(within)),
            ServiceState::Waiting
            | ServiceState::Unchanged
            | ServiceState::Applying
            | ServiceState::Continuing { .. }
            | ServiceState::Serving { .. }
            | ServiceState::Failed { .. }
            | ServiceState::Reverting { .. }
            | ServiceState::Restored { .. }
            | ServiceState::Superseded { .. }
            | ServiceState::Stuck { .. } => return None,
        })
    }

    fn tell_progress(
        &self,
        service: &ServiceName,
        progress: &Progress,
        last: &mut Progress,
        told: &mut HashSet<String>,
    ) {
        for notice in &progress.notices {
            if told.insert(notice.clone()) {
                self.reporter.tell(&News::Notice { service: Some(service), text: notice });
            }
        }
        if progress != last {
            self.reporter.tell(&News::Progress { service, progress });
            last.clone_from(progress);
        }
    }

    /// The cause with all that can be found in the time there is; the way back does not wait longer.
    async fn explained(&self, target: &dyn Target, plan: &ServicePlan, shift: &Shift, seen: Cause) -> Cause {
        // What was seen stays if explaining takes too long.
        let explaining = target.explain(plan, shift, seen.clone());
        if let Ok(cause) = tokio::time::timeout(self.limits.explain, explaining).await {
            return cause;
        }
        let mut seen = seen;
        seen.facts.push(format!("looking for more took longer than {} s", self.limits.explain.as_secs()));
        seen
    }

    async fn check(&self, index: usize, stop: Cancel) -> Option<Event> {
        let check = self.plan.checks.get(index)?;
        match http_check::run(check, &stop).await {
            http_check::Checked::Passed => Some(Event::CheckPassed { check: index }),
            http_check::Checked::Failed(cause) => Some(Event::CheckFailed { check: index, cause }),
            http_check::Checked::Stopped => None,
        }
    }
}

/// What is left of `within` since `started`; a clock that runs backwards gives the whole.
pub(super) fn remaining(started: Timestamp, within: Duration, now: Timestamp) -> Duration {
    let passed = Duration::try_from(now.duration_since(started)).unwrap_or(Duration::ZERO);
    within.saturating_sub(passed)
}

pub(super) fn timed_out(service: &ServiceName, within: Duration, last: Option<&Progress>) -> Cause {
    let mut cause = Cause::new(
        CauseCode::TimedOut,
        format!("{service} was not healthy within {} min", within.as_secs().div_ceil(60)),
        "Look at the log lines and events below; if it only needs longer, raise `within`.",
    );
    if let Some(last) = last {
        cause.facts.push(format!("last seen: {} of {} healthy, {}", last.healthy, last.wanted, last.doing));
    }
    cause
}

fn unobservable(service: &ServiceName, error: TargetError) -> Cause {
    let code = match &error {
        TargetError::Provider(ProviderFailure { .. }) | TargetError::Refused(_) => CauseCode::CallRefused,
    };
    let problem = Problem::from(error);
    let mut cause = Cause::new(code, format!("{service} cannot be observed: {}", problem.what), problem.next);
    cause.facts = problem.why;
    cause
}
