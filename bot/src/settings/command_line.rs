//! The command line. Secrets never stand in it: they come from the environment or from files.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::table;

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
