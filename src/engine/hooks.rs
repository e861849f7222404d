//! What the effects of hooks and alarms do: one call or one wait, and the event it ends with.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::effects::{REFUSALS, Shell, remaining};
use super::target::{NotApplied, TargetError};
use super::tasks::{TaskSight, Tasks};
use super::wait::{self, Backoff, Seen, Waited};
use super::{Cancel, News, clock};
use crate::problem::Problem;
use crate::rollout::{Cause, CauseCode, Event, Hook, HookState, Task, Touched};

/// How often alarms are asked for: they are computed every ten seconds at most.
const ALARMS: Backoff =
    Backoff { first: Duration::from_secs(1), most: Duration::from_secs(5), throttled: Duration::from_secs(20) };

impl Shell<'_> {
    /// The hook with the place that runs it.
    fn hook(&self, number: usize) -> Result<(&dyn Tasks, &Hook), Box<Cause>> {
        let hook = self.plan.hook(number).ok_or_else(|| gone("the hook is not part of the plan"))?;
        let tasks = self.parts.targets.get(&hook.service).and_then(|target| target.tasks());
        let tasks =
            tasks.ok_or_else(|| gone(&format!("{} runs no one-off tasks in this configuration", hook.service)))?;
        Ok((tasks, hook))
    }

    /// What the hook's task is called: the same after a crash, another in every other run.
    fn key(&self, number: usize, undo: bool) -> String {
        let name = format!("{}/{}/{number}/{undo}", self.parts.run, self.plan.hash());
        let mut key = hex::encode(Sha256::digest(name.as_bytes()));
        key.truncate(32);
        key
    }

    pub(super) async fn start_hook(&self, number: usize, state: &HookState) -> Event {
        let (tasks, hook) = match self.hook(number) {
            Ok(found) => found,
            Err(cause) => return Event::HookNotStarted { hook: number, cause, touched: Touched::No },
        };
        match tasks.start_task(command(hook, state), &hook.facts, &self.key(number, state.is_undoing())).await {
            Ok(task) => Event::HookStarted { hook: number, task },
            Err(NotApplied { cause, touched }) => {
                Event::HookNotStarted { hook: number, cause: Box::new(cause), touched }
            }
        }
    }

    pub(super) async fn follow_hook(&self, number: usize, state: &HookState, stop: Cancel) -> Option<Event> {
        let (HookState::Running { task } | HookState::Undoing { task }) = state else { return None };
        let (tasks, hook) = match self.hook(number) {
            Ok(found) => found,
            Err(cause) => return Some(Event::HookFailed { hook: number, cause }),
        };
        let command = command(hook, state);
        let within = hook.within.duration();
        let deadline = clock::instant() + remaining(task.started, within, clock::now());
        let mut last = String::new();
        let mut refusals = 0_u32;
        let waited = wait::until(Some(deadline), Backoff::DEPLOYMENT, &stop, async || {
            match tasks.observe_task(task, &hook.facts).await {
                Ok(TaskSight::Running { doing }) => {
                    refusals = 0;
                    if doing != last {
                        self.reporter.tell(&News::Hook { service: &hook.service, command, doing: &doing });
                        last = doing;
                    }
                    Seen::NotYet
                }
                Ok(sight) => Seen::Ready(Ok(sight)),
                Err(TargetError::Provider(failure)) if failure.is_passing() => Seen::Throttled,
                Err(error) => {
                    refusals += 1;
                    if refusals < REFUSALS { Seen::Throttled } else { Seen::Ready(Err(error)) }
                }
            }
        })
        .await;
        Some(match waited {
            Waited::Ready(Ok(TaskSight::Ended { log })) => Event::HookEnded { hook: number, log },
            Waited::Ready(Ok(TaskSight::Failed(cause))) => Event::HookFailed { hook: number, cause },
            Waited::Ready(Ok(TaskSight::Running { .. })) | Waited::Cancelled => return None,
            Waited::Ready(Err(error)) => Event::HookOverdue { hook: number, cause: Box::new(unseen(command, error)) },
            Waited::TimedOut => Event::HookOverdue { hook: number, cause: Box::new(overdue(hook, command, task)) },
        })
    }

    pub(super) async fn stop_hook(&self, number: usize, state: &HookState) -> Option<Event> {
        let (HookState::Stopping { task, .. } | HookState::UndoStopping { task, .. }) = state else { return None };
        let (task, key) = (task.as_ref(), self.key(number, state.is_undoing()));
        let done = Some(Event::HookStopped { hook: number });
        let Ok((tasks, hook)) = self.hook(number) else { return done };
        let deadline = Some(clock::instant() + Duration::from_mins(2));
        let mut refused = None;
        let waited = wait::until(deadline, Backoff::DEPLOYMENT, &Cancel::new(), async || {
            match tasks.stop_task(task, &hook.facts, &key).await {
                Ok(()) => Seen::Ready(()),
                Err(TargetError::Provider(failure)) if failure.is_passing() => Seen::Throttled,
                Err(error) => {
                    refused = Some(Problem::from(error).what);
                    Seen::Ready(())
                }
            }
        })
        .await;
        let why = match waited {
            Waited::Ready(()) => refused,
            Waited::TimedOut | Waited::Cancelled => Some("the provider does not answer".to_owned()),
        };
        if let Some(why) = why {
            let id = task.map_or("its task", |task| task.id.as_str());
            let text =
                format!("{} could not be stopped ({why}): look whether {id} still runs", words(command(hook, state)));
            self.reporter.tell(&News::Notice { service: Some(&hook.service), text: &text });
        }
        done
    }

    pub(super) async fn watch_alarms(&self, stop: Cancel) -> Option<Event> {
        let alarms = self.parts.alarms?;
        let mut told = false;
        let waited = wait::until(None, ALARMS, &stop, async || match alarms.look(&self.plan.alarms).await {
            Ok(alarmed) if alarmed.firing.is_empty() => Seen::NotYet,
            Ok(alarmed) => Seen::Ready(alarmed.firing),
            Err(failure) => {
                if !told {
                    let text = format!("{failure}; the alarms cannot be read at the moment, asking again");
                    self.reporter.tell(&News::Notice { service: None, text: &text });
                    told = true;
                }
                Seen::Throttled
            }
        })
        .await;
        let Waited::Ready(firing) = waited else { return None };
        let first = firing.first()?;
        let mut cause = Cause::new(
            CauseCode::AlarmFired,
            format!("alarm {} fired", first.name),
            "Find out what the alarm saw; deploy again when it is quiet.",
        );
        cause.provider_says = Some(first.reason.clone());
        cause.facts =
            firing.iter().skip(1).map(|more| format!("alarm {} fires too: {}", more.name, more.reason)).collect();
        cause.links = firing
            .iter()
            .filter_map(|one| Some(crate::rollout::Link { title: one.name.clone(), url: one.url.clone()? }))
            .collect();
        Some(Event::AlarmFired { cause: Box::new(cause) })
    }
}

/// The command that is due or runs: the hook's own, or the one that takes it back.
fn command<'a>(hook: &'a Hook, state: &HookState) -> &'a [String] {
    if state.is_undoing() { &hook.undo } else { &hook.run }
}

/// A command as people read it.
fn words(command: &[String]) -> String {
    format!("`{}`", command.join(" "))
}

fn gone(what: &str) -> Box<Cause> {
    Box::new(Cause::new(CauseCode::CallRefused, what, "Run with the configuration the plan was made from."))
}

fn overdue(hook: &Hook, command: &[String], task: &Task) -> Cause {
    let mut cause = Cause::new(
        CauseCode::TimedOut,
        format!("{} did not end within {}", words(command), hook.within),
        "Look at its log; if it only needs longer, raise the hook's `within`.",
    );
    cause.task = Some(task.id.clone());
    cause
}

fn unseen(command: &[String], error: TargetError) -> Cause {
    let problem = Problem::from(error);
    let what = format!("{} cannot be observed: {}", words(command), problem.what);
    let mut cause = Cause::new(CauseCode::CallRefused, what, problem.next);
    cause.facts = problem.why;
    cause
}
