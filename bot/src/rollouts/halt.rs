//! Why the work on a deployment stops before it is over.

use std::time::Duration;

use shipline::engine::Cancel;

use super::keeper::Signals;
use crate::decision::Denied;
use crate::store::StoreFailed;

/// Why the work stops.
#[derive(Debug)]
pub(super) enum Halt {
    /// It may not go on: the deployment is over, nothing was changed.
    Denied(Denied),
    /// A rollout was under way and cannot be followed: a person must look.
    Unknown(Denied),
    /// Somebody cancelled it before anything was changed.
    Cancelled,
    /// It goes on later; until then nobody holds it.
    Later(Duration),
    /// The process stops: somebody goes on at once.
    Stop,
    /// The lease is lost, or the journal cannot be written: somebody else goes on.
    Lost,
    /// The store failed: the lease runs out, then somebody goes on.
    Store(StoreFailed),
}

impl From<Denied> for Halt {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<StoreFailed> for Halt {
    fn from(failed: StoreFailed) -> Self {
        match failed {
            StoreFailed::LeaseLost(_) => Self::Lost,
            failed @ (StoreFailed::Database(_) | StoreFailed::Unreadable { .. }) => Self::Store(failed),
        }
    }
}

impl Signals {
    /// Runs what changes no service and may be dropped at any time.
    pub(super) async fn before_changes<T>(&self, work: impl Future<Output = T>) -> Result<T, Halt> {
        let fired = |signal: &Cancel| signal.clone().cancelled_owned();
        tokio::select! {
            biased;
            () = fired(&self.lost) => Err(Halt::Lost),
            () = fired(&self.cancel) => Err(Halt::Cancelled),
            () = fired(&self.stop) => Err(Halt::Stop),
            done = work => Ok(done),
        }
    }

    /// Runs what belongs to a rollout under way: only a lost lease or a stop ends it.
    pub(super) async fn unless_lost<T>(&self, work: impl Future<Output = T>) -> Result<T, Halt> {
        tokio::select! {
            biased;
            () = self.lost.cancelled() => Err(Halt::Lost),
            () = self.stop.cancelled() => Err(Halt::Stop),
            done = work => Ok(done),
        }
    }
}
