//! Tells people what happens while it happens, and keeps it for the report.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use indicatif::{ProgressBar, ProgressStyle};

use super::console::{Console, Level};
use crate::engine::{News, Progress, Reporter, clock};
use crate::report::{self, Moment, Stage, gate_sentence};
use crate::rollout::analysis::Judged;
use crate::rollout::{Event, HookState, Phase, ServiceState};
use crate::types::{ServiceName, Timestamp};

/// What was recorded.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// What happened.
    pub timeline: Vec<Moment>,
    /// What the measurements said last.
    pub analysis: Option<Judged>,
    /// What took how long.
    pub stages: Vec<Stage>,
    /// Things people should know.
    pub notices: Vec<String>,
}

/// Records and prints.
pub struct Recorder {
    console: Arc<Console>,
    recorded: Mutex<Recorded>,
    bars: Mutex<BTreeMap<ServiceName, ProgressBar>>,
    /// How many waves people were told of.
    waves: AtomicUsize,
}

impl Recorder {
    /// A recorder for this console.
    pub fn new(console: Arc<Console>) -> Self {
        Self { console, recorded: Mutex::default(), bars: Mutex::default(), waves: AtomicUsize::new(0) }
    }

    /// What was recorded so far.
    pub fn recorded(&self) -> Recorded {
        self.keep().clone()
    }

    /// Notes and prints something people should know.
    pub fn notice(&self, text: &str) {
        self.console.annotate(Level::Notice, "Shipline", text);
        self.keep().notices.push(text.to_owned());
    }

    /// Notes and prints something people should look at.
    pub fn warning(&self, text: &str) {
        self.console.annotate(Level::Warning, "Shipline", text);
        self.keep().notices.push(text.to_owned());
    }

    /// Runs a stage and notes how long it took, whether it succeeds or not.
    pub async fn stage<T>(&self, name: impl Into<String>, work: impl Future<Output = T>) -> T {
        let (name, began, start) = (name.into(), clock::now(), clock::instant());
        let result = work.await;
        let took_ms = u64::try_from((clock::instant() - start).as_millis()).unwrap_or(u64::MAX);
        self.keep().stages.push(Stage { name, began, took_ms });
        result
    }

    fn keep(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn moment(&self, at: Timestamp, service: Option<&ServiceName>, what: &str) {
        let about = service.map(|service| format!("{service}: ")).unwrap_or_default();
        self.console.line(&format!("  {about}{what}"));
        let what = self.console.redactor().clean(what);
        self.keep().timeline.push(Moment { at, service: service.cloned(), what });
    }

    fn progress(&self, service: &ServiceName, progress: &Progress) {
        let text = format!("{} of {} healthy, {}", progress.healthy, progress.wanted, progress.doing);
        let Some(all) = self.console.bars() else {
            self.console.line(&format!("  {service}: {text}"));
            return;
        };
        let mut bars = self.bars.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let bar = bars.entry(service.clone()).or_insert_with(|| {
            let bar = all.add(ProgressBar::new(u64::from(progress.wanted.max(1))));
            let style = ProgressStyle::with_template("  {prefix:16} {bar:24} {pos}/{len} {msg} {elapsed}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style);
            bar.set_prefix(service.to_string());
            bar
        });
        bar.set_length(u64::from(progress.wanted.max(1)));
        bar.set_position(u64::from(progress.healthy.min(progress.wanted)));
        bar.set_message(progress.doing.clone());
    }

    /// Tells of a wave once, when it begins.
    fn wave(&self, at: Timestamp, phase: &Phase) {
        let Phase::Shifting { wave, services, .. } = phase else { return };
        if self.waves.fetch_max(wave + 1, Ordering::Relaxed) > *wave {
            return;
        }
        let begin = services.iter().filter(|(_, state)| **state == ServiceState::Applying);
        let names: Vec<&str> = begin.map(|(name, _)| name.as_str()).collect();
        self.moment(at, None, &format!("wave {} begins: {}", wave + 1, names.join(", ")));
    }

    fn finish_bars(&self, phase: &Phase) {
        let mut bars = self.bars.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        bars.retain(|service, bar| {
            let busy = phase.services().get(service).is_some_and(ServiceState::is_busy);
            if !busy {
                bar.finish_and_clear();
            }
            busy
        });
    }
}

impl Reporter for Recorder {
    fn tell(&self, news: &News<'_>) {
        match news {
            News::Began { phase, .. } => self.wave(clock::now(), phase),
            News::Moved { at, event, phase } => {
                self.finish_bars(phase);
                let (service, what) = sentence(event, phase);
                self.moment(*at, service, &what);
                self.wave(*at, phase);
                if let Phase::RollingBack { .. } = phase
                    && matches!(
                        event,
                        Event::Broke { .. }
                            | Event::CheckFailed { .. }
                            | Event::AlarmFired { .. }
                            | Event::AnalysisFailed { .. }
                            | Event::Judged { .. }
                            | Event::Decided { .. }
                            | Event::HookFailed { .. }
                            | Event::CancelRequested
                    )
                {
                    self.moment(*at, None, "going back to what served before");
                }
            }
            News::Progress { service, progress } => self.progress(service, progress),
            News::Measured { judged } => {
                for line in report::measured(judged) {
                    self.console.line(&format!("  {line}"));
                }
                self.keep().analysis = Some((*judged).clone());
            }
            News::Notice { service, text } => {
                let about = service.map(|service| format!("{service}: ")).unwrap_or_default();
                self.notice(&format!("{about}{text}"));
            }
        }
    }
}

/// An event in a few words, and the service it is about.
pub fn sentence<'a>(event: &'a Event, phase: &Phase) -> (Option<&'a ServiceName>, String) {
    match event {
        Event::Paused { .. }
        | Event::Continued { .. }
        | Event::NotContinued { .. }
        | Event::Baking { .. }
        | Event::Judged { .. }
        | Event::Decided { .. }
        | Event::AnalysisFailed { .. } => gate_sentence(event).unwrap_or_default(),
        Event::Applied { service, shift } => (Some(service), format!("{} accepted", shift.revision.name)),
        Event::ApplyFailed { service, cause, .. } => (Some(service), format!("not accepted: {}", cause.summary)),
        Event::Served { service } => {
            let back = matches!(phase.services().get(service), Some(ServiceState::Restored { .. }));
            (Some(service), if back { "what served before serves again" } else { "serves" }.to_owned())
        }
        Event::Broke { service, cause } => (Some(service), format!("failed: {}", cause.summary)),
        Event::Superseded { service, by } => (Some(service), format!("replaced by somebody else's deployment: {by}")),
        Event::Reverted { service, shift } => (Some(service), format!("going back to {}", shift.revision.name)),
        Event::RevertFailed { service, cause } => (Some(service), format!("could not go back: {}", cause.summary)),
        Event::AskAgain { service } => (Some(service), "what it waited for has ended, asking again".to_owned()),
        Event::CheckPassed { check } => (None, format!("check {} passed", check + 1)),
        Event::CheckFailed { check, cause } => (None, format!("check {} failed: {}", check + 1, cause.summary)),
        Event::HookStarted { hook, task } => (None, format!("{} runs: {}", hook_words(*hook, phase), task.id)),
        Event::HookNotStarted { hook, cause, .. } => {
            (None, format!("{} was not started: {}", hook_words(*hook, phase), cause.summary))
        }
        Event::HookEnded { hook, .. } => (None, format!("{} is done", hook_words(*hook, phase))),
        Event::HookFailed { hook, cause } | Event::HookOverdue { hook, cause } => {
            (None, format!("{} failed: {}", hook_words(*hook, phase), cause.summary))
        }
        Event::HookStopped { hook } => (None, format!("{} was stopped", hook_words(*hook, phase))),
        Event::AlarmFired { cause } => (None, cause.summary.clone()),
        Event::CancelRequested => (None, "cancelled".to_owned()),
    }
}

/// A hook in a few words.
fn hook_words(hook: usize, phase: &Phase) -> String {
    let undo = phase
        .hooks()
        .get(hook)
        .is_some_and(|state| state.is_undoing() || matches!(state, HookState::Undone | HookState::UndoFailed { .. }));
    format!("{} {}", if undo { "the undo of hook" } else { "hook" }, hook + 1)
}
