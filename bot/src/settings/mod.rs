//! Settings: from the environment or a file, all in `--help`, all mistakes at once.
//!
//! Invariants: a secret is known to the redactor before anybody else sees it; no message holds the
//! value of a secret; the App is there whole or not at all. Without one the bot starts, says what is
//! missing at `/readyz` and takes no delivery: this is how it looks before `setup`.

mod command_line;
mod file;
mod read;
pub mod table;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::SecretString;
use shipline::process::Environment;
use tracing_subscriber::EnvFilter;

pub use command_line::{Audit, CommandLine, Serve, Source, Verb};

use crate::context::Times;

/// Everything the bot was told at its start.
#[derive(Debug)]
pub struct Settings {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// The database; its address may hold a password.
    pub database_url: SecretString,
    /// GitHub's API.
    pub api_url: String,
    /// GitHub as people open it.
    pub server_url: String,
    /// Under which address this bot is reached.
    pub public_url: Option<String>,
    /// The administrator's list.
    pub allow_file: Option<PathBuf>,
    /// How long things may take.
    pub times: Times,
    /// How many deployments are worked on at once.
    pub at_once: usize,
    /// What is logged.
    pub log: EnvFilter,
    /// How it is logged.
    pub log_format: LogFormat,
    /// Who the bot is on GitHub; absent before it was set up.
    pub app: Option<AppSettings>,
    /// Secrets that policies may name in `notify`, by the name that a policy uses.
    pub notify: BTreeMap<String, SecretString>,
    /// The environment without our own secrets: AWS finds its credentials in it.
    pub variables: Environment,
}

/// Who the bot is on GitHub.
#[derive(Debug, Clone)]
pub struct AppSettings {
    /// The App's id.
    pub id: u64,
    /// Its private key, in PEM.
    pub private_key: SecretString,
    /// Its webhook secrets. Never empty.
    pub webhook_secrets: Vec<SecretString>,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one object a line.
    Json,
}

#[cfg(test)]
mod tests;
