//! The fenced, expiring right to change one environment. Only the store makes one.

use crate::types::{DeploymentId, EnvironmentKey, WorkerId};

/// The right of one deployment, in the hands of one worker, to change one environment. Everything
/// that changes something takes it; the store checks its fence at every write.
#[derive(Debug, PartialEq, Eq)]
pub struct EnvironmentLease {
    pub(super) key: EnvironmentKey,
    pub(super) deployment: DeploymentId,
    pub(super) worker: WorkerId,
    pub(super) fence: u64,
}

impl EnvironmentLease {
    /// What may be changed.
    pub fn key(&self) -> &EnvironmentKey {
        &self.key
    }

    /// For which deployment.
    pub fn deployment(&self) -> DeploymentId {
        self.deployment
    }

    /// Higher than that of every earlier lease of this environment.
    pub fn fence(&self) -> u64 {
        self.fence
    }
}
