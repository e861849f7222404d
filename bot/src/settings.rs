//! Settings: from the command line or the environment, all in `--help`.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand};

/// Deploys from pull-request comments. This version starts up and answers /healthz.
#[derive(Debug, Parser)]
#[command(name = "shipline-bot", version)]
pub(crate) struct Settings {
    /// What to do
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Serve until SIGINT or SIGTERM
    Serve(Serve),
}

/// How to serve.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address to listen on
    #[arg(long, env = "SHIPLINE_LISTEN", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
}
