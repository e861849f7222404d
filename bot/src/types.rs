//! Who, where and which: ids that GitHub gives, and the environment of a repository.
//!
//! Numeric ids decide; names are for people, because names are given away and taken again.

use std::fmt;

use serde::{Deserialize, Serialize};
use shipline::github::Repository;
use shipline::types::EnvironmentName;

macro_rules! id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(u64);

        impl $type {
            /// An id as GitHub or the store gave it.
            pub fn new(id: u64) -> Self {
                Self(id)
            }

            /// As GitHub's API and the store write it.
            pub fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

id! {
    /// A repository. Survives renames.
    RepositoryId
}
id! {
    /// A user. Survives renames; a login does not.
    UserId
}
id! {
    /// The App, installed at one account.
    InstallationId
}
id! {
    /// A comment of an issue or pull request.
    CommentId
}
id! {
    /// A run of a workflow.
    RunId
}
id! {
    /// A deployment of ours: the store's own number.
    DeploymentId
}

id! {
    /// A gate: the store's own number.
    GateId
}

/// The number of an issue or pull request; GitHub counts both together.
pub type IssueNumber = u64;

/// A repository, and the right to speak about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryRef {
    /// Its id.
    pub id: RepositoryId,
    /// `owner/name` as of the delivery.
    pub name: Repository,
    /// The installation whose token opens it.
    pub installation: InstallationId,
    /// Whether everybody can read it.
    #[serde(default)]
    pub public: bool,
}

/// The person who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Who, whatever the login is today.
    pub id: UserId,
    /// The login, for people.
    pub login: String,
}

/// One environment of one repository: what leases and locks are about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EnvironmentKey {
    /// The repository.
    pub repository: RepositoryId,
    /// The environment.
    pub environment: EnvironmentName,
}

impl fmt::Display for EnvironmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.repository, self.environment)
    }
}

/// One process of the bot. Never used twice: a restarted one has another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WorkerId(String);

impl WorkerId {
    /// A name nobody had before.
    #[expect(clippy::new_without_default, reason = "two of them are never equal")]
    pub fn new() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }

    /// As the store keeps it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
