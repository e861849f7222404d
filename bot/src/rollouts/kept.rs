//! What a held deployment knows, kept in the store under its lease.

use std::sync::OnceLock;
use std::time::Duration;

use shipline::engine::clock;
use shipline::problem::Problem;
use tokio::sync::Mutex;

use super::keeper::until;
use crate::store::{Closed, EnvironmentLease, Stage, State, Store, StoreFailed};
use crate::types::{Actor, DeploymentId};

/// The state of a deployment that this process holds, and the lease it is written under. Everybody
/// who works on the deployment shares it, so no write undoes another.
pub(super) struct Kept {
    pub(super) store: Store,
    pub(super) lease: EnvironmentLease,
    state: Mutex<State>,
    cancelled: OnceLock<Actor>,
}

impl Kept {
    pub(super) fn new(store: Store, lease: EnvironmentLease, state: State) -> Self {
        Self { store, lease, state: Mutex::new(state), cancelled: OnceLock::new() }
    }

    /// Which deployment.
    pub(super) fn id(&self) -> DeploymentId {
        self.lease.deployment()
    }

    /// Takes note of who cancelled it, while it was worked on.
    pub(super) fn cancelled_by(&self, actor: Actor) {
        // The first one counts, as in the store.
        let _known = self.cancelled.set(actor);
    }

    /// Who cancelled it while it was worked on.
    pub(super) fn canceller(&self) -> Option<&Actor> {
        self.cancelled.get()
    }

    /// The state as it is now.
    pub(super) async fn state(&self) -> State {
        self.state.lock().await.clone()
    }

    /// Changes the state and writes it. A change that could not be written stays known here and goes
    /// into the next write.
    pub(super) async fn change(&self, change: impl FnOnce(&mut State)) -> Result<(), StoreFailed> {
        let mut state = self.state.lock().await;
        change(&mut state);
        self.store.save(&self.lease, &state, clock::now()).await
    }

    /// Renews the lease before something is made at GitHub that must not be made twice: whoever comes
    /// next looks for it only when this lease has run out, and by then it is there. A worker that slept
    /// through the end of its lease makes nothing. Of a deployment that is closed nobody comes next.
    pub(super) async fn still_ours(&self, lease: Duration) -> Result<(), Problem> {
        if self.state.lock().await.stage == Stage::Over {
            return Ok(());
        }
        let now = clock::now();
        self.store.renew(&self.lease, now, until(now, lease)).await.map_err(|error| {
            let next = "Nothing is to be done: whoever has the deployment goes on.";
            Problem::provider("lease", "it is not certain that the deployment is still in our hands", next)
                .because(error.to_string())
        })
    }

    /// Gives the lease back; the deployment is due again at `wake`.
    pub(super) async fn release(&self, wake: shipline::types::Timestamp) -> Result<(), StoreFailed> {
        let state = self.state.lock().await;
        self.store.release(&self.lease, &state, wake, clock::now()).await
    }

    /// Ends the deployment.
    pub(super) async fn close(&self, closed: &Closed) -> Result<(), StoreFailed> {
        let mut state = self.state.lock().await;
        state.stage = Stage::Over;
        self.store.close(&self.lease, &state, closed, clock::now()).await
    }
}
