//! Who is told of a rollout beside the conversation: the environment's recipients.
//!
//! That it begins is told while it runs; how it ended, before it is closed, so that who could not be
//! told stands in the comment. A worker that dies in between tells it again, with the same id. A
//! rollout that can no longer be followed is told as well: nobody else would say so.

use shipline::aws::{self, Session};
use shipline::cli::deploy::planned;
use shipline::config::spec::{EnvironmentSpec, Occasion};
use shipline::engine::{Driven, clock};
use shipline::notify::{Message, Notifier};
use shipline::report::{View, ViewInput, view};
use shipline::rollout::{Entry, Outcome, Phase, Record};

use super::opened;
use super::prepare::command;
use super::reporter::so_far;
use super::worker::Worker;
use crate::context::Bot;
use crate::decision::Denied;
use crate::policy;
use crate::types::RepositoryRef;

/// Everybody of an environment. Secrets are the administrator's: whose they are says the allow-list.
pub(super) fn notifier(
    bot: &Bot,
    repository: &RepositoryRef,
    spec: &EnvironmentSpec,
    session: Option<&Session>,
) -> Notifier {
    let secret = |name: &str| {
        let own = bot.notify.get(name).filter(|_| bot.allow.may_tell_with(repository, name));
        own.cloned()
    };
    let none = aws::without_credentials();
    Notifier::new(&spec.notify, &secret, session.map_or(&none, Session::sdk), bot.redactor.clone())
}

/// That a rollout under way is given up; answers with who could not be told.
pub(super) async fn given_up(worker: &Worker, record: &Record, entries: &[Entry], denied: &Denied) -> Vec<String> {
    let asked = &worker.deployment.asked;
    let state = worker.kept.state().await;
    let Ok(config) = policy::read(state.policy.as_deref()) else {
        return vec!["Nobody was told: the policy that says whom cannot be read.".to_owned()];
    };
    let Ok(spec) = policy::environment(&config, &record.plan.environment) else {
        return vec!["Nobody was told: the policy that says whom does not know the environment.".to_owned()];
    };
    // What the rollout could not be taken up for need not keep a topic from being told.
    let session = opened::session(&worker.bot, &asked.repository, &record.plan.environment, spec).await.ok();
    let telling = Telling::new(worker, notifier(&worker.bot, &asked.repository, spec, session.as_ref()));
    let phase = entries.last().map_or_else(|| Phase::first(&record.plan), |entry| entry.phase.clone());
    let mut input = ViewInput { command: command(&asked.kind).to_owned(), ..ViewInput::default() };
    input.timeline.extend(so_far(entries));
    input.notices = state.notices;
    input.notices.push(format!("{} {}", denied.what, denied.next));
    let mut view = view(&record.plan, &phase, input, record.started, clock::now());
    "needs-attention".clone_into(&mut view.result);
    telling.tell(Occasion::Failure, view).await
}

/// Whether a rollout has just begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// It begins now.
    Now,
    /// Another worker began it, and told so.
    Earlier,
}

/// Tells of one rollout.
pub(super) struct Telling {
    notifier: Notifier,
    /// What no other rollout of any bot's repository is called.
    run: String,
    page: Option<String>,
}

impl Telling {
    pub(super) fn new(worker: &Worker, notifier: Notifier) -> Self {
        let asked = &worker.deployment.asked;
        let repository = &asked.repository;
        let run = format!("{}/deployment/{}", repository.id, worker.deployment.id);
        let page = format!("{}/{}/issues/{}", worker.bot.server_url, repository.name, asked.issue);
        Self { notifier, run, page: Some(page) }
    }

    /// That it begins; answers with who could not be told.
    pub(super) async fn begins(&self, beginning: Beginning, view: View) -> Vec<String> {
        match beginning {
            Beginning::Now => self.tell(Occasion::Start, planned(view)).await,
            Beginning::Earlier => Vec::new(),
        }
    }

    /// How it ended; answers with who could not be told.
    pub(super) async fn ended(&self, driven: &Driven, view: View) -> Vec<String> {
        let good = matches!(driven, Driven::Finished(phase) if phase.outcome() == Some(&Outcome::Succeeded));
        self.tell(if good { Occasion::Success } else { Occasion::Failure }, view).await
    }

    async fn tell(&self, occasion: Occasion, view: View) -> Vec<String> {
        let message = Message::new(&self.run, occasion, view, self.page.clone(), clock::now());
        self.notifier.tell(&message).await
    }
}
