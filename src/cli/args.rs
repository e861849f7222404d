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
    /// Show the last good releases of an environment, and who put them there
    History(History),
    /// Show the log of running services in order of time
    Logs(Logs),
    /// Say before the first deployment what would fail; changes nothing
    Verify(Verify),
    /// Print the IAM permissions that the configuration needs
    IamPolicy(IamPolicy),
    /// Write a configuration from what is already running
    Init(Init),
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

/// What to look back at.
#[derive(Debug, Clone, Args)]
pub struct History {
    /// Environment of the configuration
    pub environment: String,
    /// Services; all of the environment when none is named
    pub services: Vec<String>,
    /// How many releases of each service, 1 to 100
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub last: u8,
}

/// Which log to show.
#[derive(Debug, Clone, Args)]
pub struct Logs {
    /// Environment of the configuration
    pub environment: String,
    /// Services; all of the environment when none is named
    pub services: Vec<String>,
    /// Go on with new lines until Ctrl-C
    #[arg(long, short)]
    pub follow: bool,
    /// How far back: 45s, 10m, 2h
    #[arg(long, value_name = "SPAN", default_value = "10m")]
    pub since: String,
    /// At most so many of the lines that are there
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub lines: usize,
}

/// What to verify.
#[derive(Debug, Clone, Args)]
pub struct Verify {
    /// Environment of the configuration
    pub environment: String,
    /// Services; all of the environment when none is named
    pub services: Vec<String>,
    /// Commit whose images are looked for, in full; the checked-out one when not given
    #[arg(long)]
    pub sha: Option<String>,
    /// Look for this existing image of a service
    #[arg(long = "image", value_name = "SERVICE=REFERENCE")]
    pub images: Vec<String>,
}

/// Whose permissions.
#[derive(Debug, Clone, Args)]
pub struct IamPolicy {
    /// Environment; all when not given
    pub environment: Option<String>,
    /// Ask ECS for the roles, log groups and secrets that only the task definitions name
    #[arg(long)]
    pub live: bool,
}

/// How far the policy looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breadth {
    /// At the configuration and the files it names.
    Configuration,
    /// Also at what runs now.
    Live,
}

/// What to write a configuration from.
#[derive(Debug, Clone, Args)]
pub struct Init {
    /// ECS cluster to look at, any number of times; the only one there is when nothing is named
    #[arg(long = "cluster", value_name = "NAME")]
    pub clusters: Vec<String>,
    /// App Runner service to take over, any number of times; all there are when nothing is named
    #[arg(long = "app-runner", value_name = "NAME")]
    pub app_runner: Vec<String>,
    /// Compose file to take over: in this folder, or its whole path on `--host`
    #[arg(long, value_name = "FILE")]
    pub compose: Option<String>,
    /// Where that runs: an instance (i-0123456789abcdef0) or the tag of one (Name=shop); this machine when not given
    #[arg(long, value_name = "HOST", requires = "compose")]
    pub host: Option<String>,
    /// Print how to move this App Runner service to ECS Express Mode; nothing is written
    #[arg(long, value_name = "NAME", conflicts_with_all = ["clusters", "app_runner", "compose", "print"])]
    pub from_app_runner: Option<String>,
    /// Name of the environment in the file
    #[arg(long, value_name = "NAME", default_value = "production")]
    pub environment: String,
    /// Print the file and write nothing
    #[arg(long)]
    pub print: bool,
}
