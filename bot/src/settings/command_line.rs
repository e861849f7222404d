//! The command line. Secrets never stand in it: they come from the environment or from files.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::table;
use crate::audit::AuditArgs;
use crate::doctor::DoctorArgs;
use crate::setup::SetupArgs;

/// Deploys, rollbacks and locks from pull-request comments
#[derive(Debug, Parser)]
#[command(name = "shipline-bot", version, after_help = table::help())]
pub struct CommandLine {
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Serve until SIGINT or SIGTERM
    #[command(after_help = table::help())]
    Serve(Serve),
    /// Make the GitHub App in a browser, and write its settings
    Setup(SetupArgs),
    /// Look at everything the bot stands on. Exit codes: 0 all well, 1 something to look at, 2
    /// something that must be changed
    #[command(after_help = table::help())]
    Doctor(DoctorArgs),
    /// Prove or export the audit trail
    Audit(Audit),
}

/// The audit trail of the database that the settings name.
#[derive(Debug, Args)]
pub struct Audit {
    /// Where settings come from.
    #[command(flatten)]
    pub source: Source,
    /// What to do with it.
    #[command(flatten)]
    pub args: AuditArgs,
}

/// How to serve.
#[derive(Debug, Args)]
pub struct Serve {
    /// Address to listen on, instead of the setting
    #[arg(long)]
    pub listen: Option<String>,
    /// Where settings come from.
    #[command(flatten)]
    pub source: Source,
}

/// Where settings come from.
#[derive(Debug, Clone, Args)]
pub struct Source {
    /// File with settings, a line each: NAME=value. The environment wins over it
    #[arg(long, env = "SHIPLINE_CONFIG_FILE")]
    pub config_file: Option<PathBuf>,
}
