//! The command line, as `clap` reads it and as the help shows it.

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// Takes a commit to running containers on AWS, knows what runs where, and how to get back.
///
/// Exit codes: 0 success, 1 failed and rolled back, 2 usage or configuration, 3 refused by policy,
/// 4 provider error before any change, 5 needs attention, 130 cancelled.
#[derive(Debug, Parser)]
#[command(name = "shipline", version, max_term_width = 100)]
pub struct Cli {
    /// Configuration file
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<String>,
    /// One JSON document on standard output; everything else goes to standard error
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Put a commit on an environment, wait for the truth, roll back by itself when it fails
    Deploy(Deploy),
    /// Show what deploy would change; changes no service
    Plan(Deploy),
    /// Put back a release that was good there
    Rollback(Rollback),
    /// Build, tag and push the images of a commit without deploying them
    Build(Deploy),
    /// Show what runs where, and what a rollback would put there
    Status(Status),
    /// Check the configuration; asks nobody but the file
    Check,
    /// Run as the container action: inputs from INPUT_* variables
    Action,
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// What to deploy.
#[derive(Debug, Clone, Args)]
pub struct Deploy {
    /// Environment of the configuration
    pub environment: String,
    /// Services; all of the environment when none is named
    pub services: Vec<String>,
    /// Commit to deploy, in full; the checked-out one when not given
    #[arg(long)]
    pub sha: Option<String>,
    /// Deploy the images that another environment runs, by digest, and build nothing
    #[arg(long, value_name = "ENVIRONMENT")]
    pub from: Option<String>,
    /// Deploy an existing image and build nothing for that service
    #[arg(long = "image", value_name = "SERVICE=REFERENCE")]
    pub images: Vec<String>,
    /// Do not ask before the first change
    #[arg(long, short)]
    pub yes: bool,
}

/// What to go back to.
#[derive(Debug, Clone, Args)]
pub struct Rollback {
    /// Environment of the configuration
    pub environment: String,
    /// Services; all of the environment when none is named
    pub services: Vec<String>,
    /// A full commit, a revision such as api:41, or a number of good releases back; the last good one when not given
    #[arg(long, value_name = "RELEASE")]
    pub to: Option<String>,
    /// Do not ask before the first change
    #[arg(long, short)]
    pub yes: bool,
}

/// What to look at.
#[derive(Debug, Clone, Args)]
pub struct Status {
    /// Environment; all when not given
    pub environment: Option<String>,
    /// Services; all when none is named
    pub services: Vec<String>,
}
