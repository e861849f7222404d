//! Where branches of source repositories stand, for targets whose platform builds from one.

use async_trait::async_trait;

use crate::problem::Problem;
use crate::types::{CommitSha, Timestamp};

/// A branch of a source repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceBranch {
    /// The repository's address as the platform has it: `https://github.com/acme/shop`.
    pub repository: String,
    /// The branch, without `refs/heads/`.
    pub branch: String,
}

/// A branch came to stand at a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Push {
    /// Where it stands since.
    pub commit: CommitSha,
    /// When, by the host's own clock; what a commit says about its time can be forged.
    pub at: Timestamp,
}

/// The host of source repositories.
#[async_trait]
pub trait SourceHost: Send + Sync {
    /// The newest commit of a branch; nothing when there is no such branch.
    async fn head(&self, branch: &SourceBranch) -> Result<Option<CommitSha>, Problem>;

    /// The latest pushes to a branch, newest first, as far as the host tells.
    async fn pushes(&self, branch: &SourceBranch) -> Result<Vec<Push>, Problem>;

    /// Makes a branch stand at this commit, wherever it stood, also when it is new. May be repeated.
    async fn point(&self, branch: &SourceBranch, commit: CommitSha) -> Result<(), Problem>;
}
