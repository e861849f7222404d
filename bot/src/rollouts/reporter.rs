//! Takes the engine's news and says what GitHub should show; returns at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shipline::cli::sentence;
use shipline::engine::{News, Reporter, clock};
use shipline::github::DeploymentState;
use shipline::report::{Commit, Moment, View, ViewInput, view};
use shipline::rollout::{Awaited, Entry, Event, Gate, Phase, Plan};
use shipline::types::Timestamp;
use tracing::info;

use super::teller::{Check, Reminder, Standing, Teller};
use crate::approvals;
use crate::context::Bot;
use crate::messages::{self, Question};
use crate::store::{Deployment, GateState};

/// When the rollout shows in the comment for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shows {
    /// As soon as it begins.
    AtOnce,
    /// With the first change that was accepted: nothing is said on the way there (rollbacks).
    WithTheFirstChange,
}

/// The reporter of one rollout.
pub(super) struct RolloutReporter {
    bot: Arc<Bot>,
    teller: Arc<Teller>,
    deployment: Deployment,
    plan: Plan,
    began: Timestamp,
    shows: Shows,
    /// Who may decide at a step of traffic.
    people: Vec<String>,
    /// The check run while it runs.
    check: Option<Check>,
    kept: Mutex<Recorded>,
}

/// Whether people are called once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// Not yet.
    NotYet,
    /// It is time, or it was done.
    Due,
}

/// What is known of the rollout so far.
#[derive(Debug, Clone)]
struct Recorded {
    /// What people are asked, and at which gate.
    question: Option<(Gate, Question, Call)>,
    input: ViewInput,
    phase: Phase,
    word: &'static str,
}

impl RolloutReporter {
    pub(super) fn new(
        bot: Arc<Bot>,
        teller: Arc<Teller>,
        deployment: Deployment,
        (plan, began): (Plan, Timestamp),
        input: ViewInput,
        (shows, people): (Shows, Vec<String>),
        check: Option<Check>,
    ) -> Self {
        let phase = Phase::first(&plan);
        let kept = Mutex::new(Recorded { question: None, input, phase, word: "" });
        Self { bot, teller, deployment, plan, began, shows, people, check, kept }
    }

    fn kept(&self) -> MutexGuard<'_, Recorded> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rollout as it stands.
    pub(super) fn view(&self) -> View {
        let kept = self.kept().clone();
        let mut view = view(&self.plan, &kept.phase, kept.input, self.began, clock::now());
        if let Some(waits) = &mut view.waits {
            waits.people.clone_from(&self.people);
        }
        view
    }

    /// The commits between, when GitHub has told them.
    pub(super) fn commits(&self, commits: Vec<Commit>) {
        self.kept().input.commits = commits;
    }

    /// What people should know.
    pub(super) fn notices(&self, notices: Vec<String>) {
        self.kept().input.notices.extend(notices);
    }

    /// What people are asked at this gate, as it stands now.
    pub(super) fn asks(&self, gate: &Gate, question: Question, call: Call) {
        self.kept().question = Some((gate.clone(), question, call));
        self.show();
    }

    fn show(&self) {
        let view = Box::new(self.view());
        let kept = self.kept();
        let gate = match &kept.phase {
            Phase::Gating { gate, .. } if gate.needs() == Awaited::Word => Some(gate),
            _ => None,
        };
        let asked = kept.question.as_ref().filter(|(about, ..)| Some(about) == gate).cloned();
        let asks = gate.is_some();
        drop(kept);
        let check = match &asked {
            Some((_, question, _)) => self.check.as_ref().map(|check| asking(check, &self.plan, &view, question)),
            None => self.check.clone(),
        };
        let reminder = asked.as_ref().and_then(|(_, Question { gate, held }, call)| {
            let waits = view.waits.as_ref().filter(|_| *call == Call::Due && held.is_none())?;
            let text = messages::step_reminder(&self.deployment, waits, gate);
            Some(Reminder { gate: gate.id, since: gate.opened, text })
        });
        self.teller.show(|wanted| {
            // What somebody is asked is known in a moment: until then it shows what it showed.
            if asked.is_some() || !asks {
                wanted.check = check;
            }
            let question = asked.map(|(_, question, _)| Box::new(question));
            wanted.standing = Standing::Rolling { view, question };
            wanted.status.get_or_insert((DeploymentState::InProgress, "rolling out".to_owned()));
            wanted.reminder = reminder;
        });
    }

    fn moved(&self, phase: &Phase) {
        let mut kept = self.kept();
        kept.phase = phase.clone();
        if kept.word != phase.word() {
            kept.word = phase.word();
            info!(phase = phase.word(), "the rollout's phase");
            self.bot.metrics.phase(phase.word());
        }
    }
}

impl Reporter for RolloutReporter {
    fn tell(&self, news: &News<'_>) {
        match news {
            News::Began { phase, .. } => {
                self.moved(phase);
                if self.shows == Shows::AtOnce {
                    self.show();
                }
            }
            News::Moved { at, event, phase } => {
                self.moved(phase);
                self.kept().input.timeline.push(moment(*at, event, phase));
                if let Event::Broke { service, .. } | Event::Served { service } = event {
                    // What it was doing is over.
                    self.teller.show(|wanted| drop(wanted.progress.remove(service)));
                }
                self.show();
            }
            News::Progress { service, progress } => {
                self.teller.show(|wanted| drop(wanted.progress.insert((*service).clone(), (*progress).clone())));
                self.show();
            }
            News::Measured { judged } => {
                self.kept().input.analysis = Some((*judged).clone());
                self.show();
            }
            // The comment has its state; what it does in detail would be an edit for every step.
            News::Hook { service, command, doing } => info!(%service, ?command, doing, "a hook of the rollout"),
            News::Notice { service, text } => {
                let about = service.map(|service| format!("{service}: ")).unwrap_or_default();
                let notice = format!("{about}{text}");
                info!(notice, "a notice of the rollout");
                let mut kept = self.kept();
                if !kept.input.notices.contains(&notice) {
                    kept.input.notices.push(notice);
                }
            }
        }
    }
}

/// The check run while people are asked: what for, and their buttons.
fn asking(check: &Check, plan: &Plan, view: &View, question: &Question) -> Check {
    let standing = messages::step_standing(view, Some(question));
    let buttons = match question.gate.state {
        GateState::Waiting => approvals::buttons(&question.gate),
        GateState::Approved | GateState::Rejected | GateState::Expired | GateState::Void => Vec::new(),
    };
    let title = format!("{}: {standing}", plan.environment);
    Check { conclusion: Some("action_required".to_owned()), title, buttons, ..check.clone() }
}

/// What the journal tells of a rollout so far, for the timeline of a worker that takes it over.
pub(super) fn so_far(entries: &[Entry]) -> Vec<Moment> {
    entries.iter().filter_map(|entry| entry.event.as_ref().map(|event| moment(entry.at, event, &entry.phase))).collect()
}

fn moment(at: Timestamp, event: &Event, phase: &Phase) -> Moment {
    let (service, what) = sentence(event, phase);
    Moment { at, service: service.cloned(), what }
}
