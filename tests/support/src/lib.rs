//! Simulators over real HTTP for the AWS and GitHub interfaces that no
//! emulator offers.
//!
//! One server on one port speaks ECS, App Runner, CloudWatch and its Logs, `ELBv2`, STS, SNS
//! and ECR (told apart by `X-Amz-Target`, `Action` or path) and a part of GitHub's
//! REST API (told apart by path). It is written from the providers' API
//! documentation, never from Shipline's clients, and shares no code with them:
//! a wrong guess in a client must meet a second, independent reading.
//!
//! Reading order: [`AwsWorld`] is what tests hold; [`Seed`] says what exists,
//! [`Rule`] and [`Behaviour`] how deployments end, [`Fault`] what goes wrong on
//! the wire; `ecs/deployment.rs` and `apprunner/operation.rs` are the two state
//! machines. State moves only when a request arrives: every request first
//! replays what became due since the last one, at the instant it became due.
//! So the machines are pure functions of time and need no background task.
//!
//! The program `shipline-sim` serves the same world on its own; see
//! [`control`] for the JSON it takes under `/_sim`.

// GitHub's documents are long, and `json!` counts their members.
#![recursion_limit = "256"]

mod apprunner;
mod balancer;
mod behaviour;
mod calls;
mod cbor;
mod cloudwatch;
pub mod control;
mod dispatch;
mod ecr;
mod ecs;
mod elbv2;
mod env;
mod faults;
mod github;
mod iam;
mod ids;
mod logs;
mod query;
mod reply;
mod secrets;
mod seed;
mod server;
mod sns;
mod state;
mod sts;
mod timing;
mod world;

pub use balancer::{Served, TrafficRule};
pub use behaviour::{AppRunnerBehaviour, AppRunnerRule, Behaviour, HealthCheck, RollbackOutcome, Rule};
pub use calls::Call;
pub use cloudwatch::metrics::{MetricAsked, MetricSource};
pub use faults::{Fault, FaultKind};
pub use github::{
    App, AppSeed, Comment, Delivered, GitHubWorld, Pull, RepositoryWorld, Role, Run, keep_pages, token as github_token,
};
pub use seed::{
    AlarmSeed, AppRunnerServiceSeed, BlobSeed, ClusterSeed, CommitSeed, Credentials, ExpressServiceSeed, FindingSeed,
    ImageSeed, MetricsSeed, RepositorySeed, RoleSeed, ScanSeed, Seed, ServiceSeed, TargetHealthSeed,
};
pub use server::Server;
pub use timing::Timing;
pub use world::AwsWorld;
