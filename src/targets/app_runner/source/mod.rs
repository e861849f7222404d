//! Services that App Runner builds from a branch of a source repository.
//!
//! What it relies on: App Runner builds the newest commit of a branch and nothing else
//! (`SourceCodeVersionType` has the one value BRANCH), so a commit is deployed by the branch that
//! stands at it; no answer names the commit that was built, so it is known from where the branch
//! stood when the operation began (`served`); a push that comes while an operation runs begins none.
//! A service never changes between source code and image (`UpdateService`), so the way back is a
//! branch as well: the rollback branch, pointed at the commit that served before anything changes.

mod apply;
mod back;
mod observe;
mod past;
mod prepare;
mod record;
mod served;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::service::Configuration;
use crate::engine::SourceBranch;
use crate::problem::Problem;
use crate::rollout::{Cause, CauseCode, Revision};
use crate::types::CommitSha;

/// The wish of a plan for a service that App Runner builds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Wanted {
    /// What is to serve: the whole configuration with its branch, and the commit.
    pub(super) revision: Revision,
    /// The commit.
    pub(super) commit: CommitSha,
    /// The newest operation when the plan was made: a later one may be this plan's.
    pub(super) baseline: Option<String>,
    /// Branches that are pointed before anything is asked for: the one to deploy from on the way
    /// back, or the one that keeps what served before.
    pub(super) point: Option<Pointed>,
}

/// A branch and where it is to stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pointed {
    pub(super) branch: String,
    pub(super) commit: CommitSha,
}

impl Configuration {
    /// The branch it is built from.
    pub(super) fn source(&self) -> SourceBranch {
        let code = &self.0["SourceConfiguration"]["CodeRepository"];
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        SourceBranch { repository: text(&code["RepositoryUrl"]), branch: text(&code["SourceCodeVersion"]["Value"]) }
    }

    /// The same configuration, built from another branch.
    pub(super) fn with_branch(&self, branch: &str) -> Self {
        let mut input = self.0.clone();
        input["SourceConfiguration"]["CodeRepository"]["SourceCodeVersion"] =
            json!({ "Type": "BRANCH", "Value": branch });
        Self(input)
    }

    /// Whether its settings are App Runner's rather than those of `apprunner.yaml` in the repository.
    fn keeps_settings(&self) -> bool {
        self.0["SourceConfiguration"]["CodeRepository"]["CodeConfiguration"]["ConfigurationSource"] == json!("API")
    }

    /// A commit built with this configuration, as a revision.
    fn built(&self, commit: Option<CommitSha>) -> Revision {
        let SourceBranch { repository, branch } = self.source();
        let told = commit.map_or_else(|| "unknown".to_owned(), |commit| commit.to_string());
        Revision {
            id: hex::encode(Sha256::digest(format!("{} {told}", self.id()))),
            name: commit.map_or_else(|| format!("{branch}, commit not known"), |commit| commit.short()),
            image: None,
            image_text: commit
                .map_or_else(|| format!("{repository} {branch}"), |commit| format!("{repository} {commit}")),
            commit,
            facts: self.0.clone(),
        }
    }
}

/// A problem as a cause.
fn caused(problem: Problem) -> Cause {
    Cause { facts: problem.why, ..Cause::new(CauseCode::CallRefused, problem.what, problem.next) }
}

#[cfg(test)]
mod tests;
