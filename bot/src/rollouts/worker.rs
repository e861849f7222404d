//! One deployment, from wherever it stands to its end, or until it has to wait.

use std::sync::Arc;
use std::time::Duration;

use shipline::engine::{Cancel, clock};
use tracing::{error, info, warn};

use super::ending::{self, Ended};
use super::halt::Halt;
use super::keeper::{self, Signals, until};
use super::kept::Kept;
use super::room::Place;
use super::teller::{Before, Teller};
use super::{gating, prepare, rolling};
use crate::context::Bot;
use crate::decision::{Denied, ReasonCode};
use crate::github::Hub;
use crate::store::{Deployment, EnvironmentLease, Stage, State, StoreFailed};

/// How long handing back waits until GitHub shows where the deployment stands.
const LAST_WORD: Duration = Duration::from_secs(5);

/// A deployment in this process's hands.
pub(super) struct Worker {
    pub(super) bot: Arc<Bot>,
    pub(super) hub: Hub,
    /// As it was claimed; what changed since is in `kept`.
    pub(super) deployment: Deployment,
    pub(super) kept: Arc<Kept>,
    pub(super) signals: Signals,
    pub(super) teller: Arc<Teller>,
    /// Among those that this process works on at once.
    pub(super) place: Arc<Place>,
}

/// Works on a deployment that was just claimed.
pub(super) async fn work(bot: Arc<Bot>, place: Place, deployment: Deployment, lease: EnvironmentLease, stop: Cancel) {
    let taken = clock::instant();
    let kept = Arc::new(Kept::new(bot.store.clone(), lease, deployment.state.clone()));
    let signals = Signals { stop, ..Signals::default() };
    if deployment.cancel.is_some() {
        signals.cancel.cancel();
    }
    let keeping = tokio::spawn(keeper::keep(Arc::clone(&kept), bot.times.lease, taken, signals.clone()));
    let before = match before(&bot, &deployment).await {
        Ok(before) => before,
        Err(error) => {
            warn!(%error, "the store failed; somebody goes on when the lease has run out");
            keeping.abort();
            return;
        }
    };
    let hub = bot.app.hub(&deployment.asked.repository);
    let teller = Teller::start(Arc::clone(&bot), hub.clone(), Arc::clone(&kept), deployment.clone(), before);
    let (teller, place) = (Arc::new(teller), Arc::new(place));
    let worker = Worker { bot, hub, deployment, kept, signals, teller, place };
    worker.bot.metrics.phase(worker.deployment.state.stage.word());
    let result = tokio::select! {
        biased;
        () = worker.signals.lost.cancelled() => Err(Halt::Lost),
        result = worker.go() => result,
    };
    worker.leave(result, &keeping.abort_handle()).await;
    keeping.abort();
}

/// Whether something may have happened already: it was claimed before, or it waited behind another
/// deployment, which was said in a comment.
async fn before(bot: &Bot, deployment: &Deployment) -> Result<Before, StoreFailed> {
    if !deployment.state.before.is_empty() {
        return Ok(Before::Perhaps);
    }
    let history = bot.store.history(&deployment.asked.key, 5).await?;
    let waited = history.iter().any(|other| {
        other.id != deployment.id && other.id < deployment.id && other.ended.is_some_and(|at| at >= deployment.created)
    });
    Ok(if waited { Before::Perhaps } else { Before::Nothing })
}

impl Worker {
    /// Everything there is to do.
    async fn go(&self) -> Result<(), Halt> {
        match self.deployment.state.stage.clone() {
            Stage::Over => Ok(()),
            Stage::Rolling { record } => Box::pin(rolling::resume(self, *record)).await,
            Stage::Gating { gate } => {
                if self.signals.cancel.is_cancelled() {
                    return Err(Halt::Cancelled);
                }
                Box::pin(gating::look(self, gate)).await
            }
            Stage::Waiting | Stage::Building { .. } => {
                if self.signals.cancel.is_cancelled() {
                    return Err(Halt::Cancelled);
                }
                // Written before the first effect: whoever comes later knows that there may be some.
                let first = |state: &mut State| {
                    if state.before.is_empty() {
                        state.before.push((clock::now(), "taken up".to_owned()));
                    }
                };
                self.kept.change(first).await?;
                let ready = self.signals.before_changes(Box::pin(prepare::prepare(self))).await??;
                Box::pin(gating::begin_or_ask(self, ready)).await
            }
        }
    }

    /// After the work: ends the deployment, or gives it to whoever goes on.
    async fn leave(&self, result: Result<(), Halt>, keeping: &tokio::task::AbortHandle) {
        let result = match result {
            Err(Halt::Denied(denied)) => ending::refuse(self, &denied, Ended::BeforeAnyChange).await,
            Err(Halt::Cancelled) => ending::refuse(self, &self.cancelled().await, Ended::BeforeAnyChange).await,
            Err(Halt::Unknown(denied)) => ending::refuse(self, &denied, Ended::UnderWay).await,
            other => other,
        };
        let pause = match result {
            Ok(()) => return,
            Err(Halt::Later(pause)) => pause,
            Err(Halt::Stop) => Duration::ZERO,
            Err(Halt::Lost) => {
                warn!("somebody else goes on with this deployment");
                return self.teller.hush();
            }
            Err(Halt::Store(error)) => {
                error!(%error, "the store failed; somebody goes on when the lease has run out");
                return self.teller.hush();
            }
            Err(Halt::Denied(_) | Halt::Cancelled | Halt::Unknown(_)) => Duration::from_secs(5),
        };
        // What GitHub made is noted, so that nobody has to look for it.
        let _shown = self.teller.settled(LAST_WORD).await;
        self.teller.hush();
        keeping.abort();
        let wake = until(clock::now(), pause);
        match self.kept.release(wake).await {
            Ok(()) => info!(seconds = pause.as_secs(), "handed back, due again"),
            Err(error) => warn!(%error, "could not be handed back; somebody goes on when the lease has run out"),
        }
        if pause.is_zero() {
            self.bot.deployments_due.notify_one();
        }
    }

    async fn cancelled(&self) -> Denied {
        let by = match self.bot.store.deployment(self.kept.id()).await {
            Ok(Some(Deployment { cancel: Some(actor), .. })) => format!(" by {}", actor.login),
            Ok(_) | Err(_) => String::new(),
        };
        let denied = Denied::new(
            ReasonCode::Cancelled,
            format!("Cancelled{by} before anything was changed."),
            format!("`/deploy {}` starts again.", self.deployment.asked.key.environment),
        );
        match self.kept.state().await.stage {
            Stage::Building { .. } => {
                denied.because("The build workflow is not stopped; its images are used next time.")
            }
            Stage::Waiting | Stage::Gating { .. } | Stage::Rolling { .. } | Stage::Over => denied,
        }
    }
}
