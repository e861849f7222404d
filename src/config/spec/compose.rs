//! A service of a Docker Compose project, and the host it runs on.

use std::path::PathBuf;

use super::HttpCheck;

/// A service of a Compose project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComposeSpec {
    /// The project's name, as `docker compose -p` takes it.
    pub project: String,
    /// The service's name in the compose file.
    pub service: String,
    /// The compose file: relative to the repository on this machine, absolute on any other.
    pub file: PathBuf,
    /// Where Docker runs.
    pub host: ComposeHost,
    /// What must answer before the service counts as healthy, asked for on the host.
    pub check: Option<HttpCheck>,
    /// Databases that are copied before every deployment.
    pub backups: Vec<SqliteBackup>,
}

/// Where Docker runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComposeHost {
    /// On this machine. No AWS is needed.
    Local,
    /// On the instance of this id, through Systems Manager.
    Instance(String),
    /// On the one instance with this tag, through Systems Manager.
    Tag {
        /// The tag's key.
        key: String,
        /// The tag's value.
        value: String,
    },
}

/// An SQLite database of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteBackup {
    /// Its path inside the container.
    pub path: String,
    /// How many copies are kept.
    pub keep: u32,
}
