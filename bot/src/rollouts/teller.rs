//! What GitHub shows of a deployment: its comment, its Deployment, its check run.
//!
//! A task of its own brings what GitHub shows to what is wanted, again and again: somebody says what
//! is wanted now ([`Teller::show`]), the task writes the newest of it, at most every
//! [`crate::context::Times::edits`]. Invariants: GitHub never holds a rollout up and never ends one;
//! what failed is tried again with pauses; what may exist after a lost answer or a crash is looked
//! for before it is made, and made only under a lease that holds; a comment that is gone is written
//! anew.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shipline::engine::wait::pause;
use shipline::engine::{Cancel, Progress, clock};
use shipline::github::{AutoInactive, DeploymentId as GithubId, DeploymentState, NewDeployment, NewStatus};
use shipline::problem::Problem;
use shipline::types::ServiceName;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{Instrument as _, debug, warn};

use super::kept::Kept;
use super::wanted::stand;
pub(super) use super::wanted::{Check, Reminder, Standing, Wanted};
use crate::context::Bot;
use crate::github::{CheckRun, Hub};
use crate::messages::{self, Shown};
use crate::store::{Deployment, GateKind};

/// Whether what is not known to exist may exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing was made before: it need not be looked for.
    Nothing,
    /// Another worker may have made it.
    Perhaps,
}

/// Says what GitHub should show.
pub(super) struct Teller {
    wanted: Arc<Mutex<Wanted>>,
    version: watch::Sender<u64>,
    told: watch::Receiver<Told>,
    last: Cancel,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// How far the task is.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    /// Everything of this version is shown.
    version: u64,
    /// The Deployment was made, or trying it failed once.
    release_tried: bool,
}

impl Teller {
    pub(super) fn start(bot: Arc<Bot>, hub: Hub, kept: Arc<Kept>, deployment: Deployment, before: Before) -> Self {
        let wanted = Arc::new(Mutex::new(Wanted {
            standing: Standing::Silent,
            progress: BTreeMap::new(),
            release: None,
            status: None,
            environment_url: None,
            check: None,
            reminder: None,
            old: Vec::new(),
        }));
        let (version, versions) = watch::channel(0);
        let (tell, told) = watch::channel(Told::default());
        let last = Cancel::new();
        let task = Task {
            bot,
            hub,
            kept,
            deployment,
            wanted: Arc::clone(&wanted),
            comment_before: before,
            release_before: before,
            said: Said::default(),
        };
        let running = task.run(versions, tell, last.clone());
        let task = tokio::spawn(running.instrument(tracing::Span::current()));
        Self { wanted, version, told, last, task: Mutex::new(Some(task)) }
    }

    /// Changes what GitHub should show. Returns at once.
    pub(super) fn show(&self, change: impl FnOnce(&mut Wanted)) {
        change(&mut self.wanted.lock().unwrap_or_else(PoisonError::into_inner));
        self.version.send_modify(|version| *version += 1);
    }

    /// Waits until GitHub shows all of it, or that long. Says whether it does.
    pub(super) async fn settled(&self, patience: Duration) -> bool {
        let version = *self.version.borrow();
        let mut told = self.told.clone();
        let shown = told.wait_for(|told| told.version >= version);
        matches!(tokio::time::timeout(patience, shown).await, Ok(Ok(_)))
    }

    /// Waits until the Deployment was made or could not be at once, or that long.
    pub(super) async fn release_tried(&self, patience: Duration) {
        let mut told = self.told.clone();
        let tried = told.wait_for(|told| told.release_tried);
        // Whatever the answer: GitHub does not hold a rollout up.
        let _waited = tokio::time::timeout(patience, tried).await;
    }

    /// Goes on telling in the background until all is shown, at most that long.
    pub(super) fn leave(&self, patience: Duration) {
        self.last.cancel();
        let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let stop = task.abort_handle();
        tokio::spawn(async move {
            if tokio::time::timeout(patience, task).await.is_err() {
                warn!("GitHub could not be told how the deployment ended: giving up");
                stop.abort();
            }
        });
    }

    /// Stops at once: nothing more is to be said, or somebody else speaks for the deployment now.
    pub(super) fn hush(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

/// What GitHub was told, as far as this process knows.
#[derive(Default)]
struct Said {
    comment: Option<(Standing, BTreeMap<ServiceName, Progress>)>,
    status: Option<(DeploymentState, String)>,
    check: Option<Check>,
    old: usize,
}

struct Task {
    bot: Arc<Bot>,
    hub: Hub,
    kept: Arc<Kept>,
    deployment: Deployment,
    wanted: Arc<Mutex<Wanted>>,
    comment_before: Before,
    release_before: Before,
    said: Said,
}

impl Task {
    async fn run(mut self, mut versions: watch::Receiver<u64>, tell: watch::Sender<Told>, last: Cancel) {
        let mut failures = 0_u32;
        // Nothing to say yet, so no pause after it: the first words wait for no edit.
        tokio::select! {
            changed = versions.changed() => if changed.is_err() { return },
            () = last.cancelled() => {}
        }
        loop {
            let version = *versions.borrow_and_update();
            let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let all = self.tell(&wanted).await;
            tell.send_modify(|told| {
                told.release_tried |= wanted.release.is_some();
                if all {
                    told.version = version;
                }
            });
            failures = if all { 0 } else { failures.saturating_add(1) };
            if all && last.is_cancelled() && *versions.borrow() == version {
                return;
            }
            // At least the pause between edits; longer and longer while GitHub does not answer.
            let length = self.bot.times.edits.saturating_mul(1 << failures.min(4)).min(Duration::from_secs(30));
            // The last words wait for no edit.
            let at_once = if failures == 0 { last.clone() } else { Cancel::new() };
            let end = clock::instant() + length;
            tokio::select! {
                () = pause(length, &at_once) => {}
                () = self.release_awaited(versions.clone()), if !tell.borrow().release_tried => {
                    // The first change waits for it. The comment keeps its pause.
                    let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    if let Err(problem) = self.release(&wanted).await {
                        warn!(problem = %problem.what, "GitHub's Deployment was not made, trying again");
                    }
                    tell.send_modify(|told| told.release_tried = true);
                    pause(end.saturating_duration_since(clock::instant()), &at_once).await;
                }
            }
            if all {
                tokio::select! {
                    changed = versions.changed() => if changed.is_err() && !last.is_cancelled() { return },
                    () = last.cancelled() => {}
                }
            }
        }
    }

    /// Is done when a Deployment is wanted.
    async fn release_awaited(&self, mut versions: watch::Receiver<u64>) {
        while self.wanted.lock().unwrap_or_else(PoisonError::into_inner).release.is_none() {
            if versions.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Brings GitHub to what is wanted; false when something could not be told.
    async fn tell(&mut self, wanted: &Wanted) -> bool {
        let comment = self.comment(wanted).await;
        let release = self.release(wanted).await;
        let check = self.check(wanted).await;
        let reminder = self.remind(wanted).await;
        let mut all = true;
        for (what, answer) in
            [("comment", comment), ("deployment", release), ("check run", check), ("reminder", reminder)]
        {
            if let Err(problem) = answer {
                warn!(what, problem = %problem.what, "GitHub was not told, trying again");
                all = false;
            }
        }
        for old in wanted.old.iter().skip(self.said.old) {
            if let Err(problem) = self.hub.minimize(*old).await {
                debug!(problem = %problem.what, "an older comment was not folded away");
            }
        }
        self.said.old = wanted.old.len();
        all
    }

    async fn comment(&mut self, wanted: &Wanted) -> Result<(), Problem> {
        // Not the text: it tells how long ago something was, and would differ every time.
        let news = (wanted.standing.clone(), wanted.progress.clone());
        if self.said.comment.as_ref() == Some(&news) {
            return Ok(());
        }
        let mut deployment = self.deployment.clone();
        deployment.state = self.kept.state().await;
        deployment.cancel = deployment.cancel.or_else(|| self.kept.canceller().cloned());
        let Some(stand) = stand(&wanted.standing) else { return Ok(()) };
        let body = messages::deployment(&Shown {
            deployment: &deployment,
            stand,
            progress: &wanted.progress,
            server_url: &self.bot.server_url,
            now: clock::now(),
        });
        let known = match deployment.state.report {
            None if self.comment_before == Before::Perhaps => {
                let marker = messages::deployment_marker(deployment.id);
                let found = self.hub.find_comment(deployment.asked.issue, &marker, deployment.asked.decided).await?;
                if let Some(found) = found {
                    self.keep("comment", |state| state.report = Some(found)).await;
                }
                found
            }
            known => known,
        };
        let there = match known {
            Some(comment) => self.hub.edit(comment, &body).await?,
            None => false,
        };
        if !there {
            // An answer that gets lost must not make a second comment.
            self.comment_before = Before::Perhaps;
            self.kept.still_ours(self.bot.times.lease).await?;
            let made = self.hub.comment(deployment.asked.issue, &body).await?;
            self.keep("comment", |state| state.report = Some(made)).await;
        }
        self.said.comment = Some(news);
        Ok(())
    }

    async fn release(&mut self, wanted: &Wanted) -> Result<(), Problem> {
        let id = match (self.kept.state().await.github_deployment, &wanted.release) {
            (Some(id), _) => id,
            (None, Some(new)) => {
                let id = self.make_release(new).await?;
                self.keep("deployment", |state| state.github_deployment = Some(id)).await;
                id
            }
            (None, None) => return Ok(()),
        };
        if wanted.status.is_none() || wanted.status == self.said.status {
            return Ok(());
        }
        let Some((state, description)) = wanted.status.clone() else { return Ok(()) };
        let status = NewStatus {
            state,
            description,
            log_url: self.page().await,
            environment_url: wanted.environment_url.clone(),
            auto_inactive: AutoInactive::Yes,
        };
        self.hub.deployments().set_status(GithubId::new(id), &status).await?;
        self.said.status.clone_from(&wanted.status);
        Ok(())
    }

    async fn make_release(&mut self, new: &NewDeployment) -> Result<u64, Problem> {
        let client = self.hub.deployments();
        if self.release_before == Before::Perhaps {
            let ours = serde_json::json!(self.deployment.id);
            let there = client.deployments(&new.environment, Some(&new.sha), 30).await?;
            let found =
                there.iter().find(|seen| seen.shipline.as_ref().and_then(|p| p.get("deployment")) == Some(&ours));
            if let Some(found) = found {
                return Ok(found.id.get());
            }
        }
        self.release_before = Before::Perhaps;
        self.kept.still_ours(self.bot.times.lease).await?;
        let made = client.create_deployment(new).await?;
        if made.sha != new.sha {
            warn!(wanted = %new.sha, made = %made.sha, "GitHub's Deployment is of another commit");
        }
        Ok(made.id.get())
    }

    async fn check(&mut self, wanted: &Wanted) -> Result<(), Problem> {
        let Some(check) = &wanted.check else { return Ok(()) };
        if self.said.check.as_ref() == Some(check) {
            return Ok(());
        }
        let page = self.page().await;
        let run = CheckRun {
            name: format!("Shipline: {}", self.deployment.asked.key.environment),
            sha: check.sha,
            conclusion: check.conclusion.clone(),
            title: check.title.clone(),
            summary: page.as_ref().map_or_else(String::new, |page| format!("[The deployment]({page})")),
            details_url: page,
            buttons: check.buttons.clone(),
        };
        if let Some(id) = self.kept.state().await.check_run {
            self.hub.update_check_run(id, &run).await?;
        } else {
            // One too many after a lost answer does no harm: GitHub counts the newest of a name.
            let id = self.hub.create_check_run(&run).await?;
            self.keep("check run", |state| state.check_run = Some(id)).await;
        }
        self.said.check = Some(check.clone());
        Ok(())
    }

    async fn remind(&self, wanted: &Wanted) -> Result<(), Problem> {
        let Some(reminder) = &wanted.reminder else { return Ok(()) };
        if self.kept.state().await.reminded == Some(reminder.gate) {
            return Ok(());
        }
        let (issue, marker) = (self.deployment.asked.issue, messages::reminder_marker(reminder.gate));
        // Looked for every time: whoever tried it may have died before it was noted.
        if self.hub.find_comment(issue, &marker, reminder.since).await?.is_none() {
            self.kept.still_ours(self.bot.times.lease).await?;
            self.hub.comment(issue, &reminder.text).await?;
            self.bot.metrics.gate(GateKind::Canary.word(), "reminded");
        }
        self.keep("reminder", |state| state.reminded = Some(reminder.gate)).await;
        Ok(())
    }

    /// The page of our comment.
    async fn page(&self) -> Option<String> {
        let comment = self.kept.state().await.report?;
        let asked = &self.deployment.asked;
        let kind = if asked.is_pull { "pull" } else { "issues" };
        let (server, name, issue) = (&self.bot.server_url, &asked.repository.name, asked.issue);
        Some(format!("{server}/{name}/{kind}/{issue}#issuecomment-{comment}"))
    }

    async fn keep(&self, what: &str, change: impl FnOnce(&mut crate::store::State)) {
        if let Err(error) = self.kept.change(change).await {
            // Known here all the same; after a crash it is looked for.
            debug!(what, %error, "what GitHub made was not noted");
        }
    }
}
