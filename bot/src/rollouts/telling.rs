//! Who is told of a rollout beside the conversation: the environment's recipients.
//!
//! That it begins is told while it runs; how it ended, before it is closed, so that who could not be
//! told stands in the comment. A worker that dies in between tells it again, with the same id.

use shipline::cli::deploy::planned;
use shipline::config::spec::Occasion;
use shipline::engine::{Driven, clock};
use shipline::notify::{Message, Notifier};
use shipline::report::View;
use shipline::rollout::Outcome;

use super::worker::Worker;

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
