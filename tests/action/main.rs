//! Black-box stories about deploying: real programs and real HTTP, against the world of
//! `scripts/world` and the simulators of `tests/support`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a story whose stage is missing ends there, and tells why"
)]

mod alarms;
mod answering;
mod app_runner;
mod app_runner_create;
mod app_runner_source;
mod cancel;
mod checking;
mod compose;
mod credentials;
mod ecs;
mod express;
mod gates;
mod github;
mod hooks;
mod iam_policy;
mod image;
mod init;
mod inputs;
mod looking_back;
mod measuring;
mod metrics_contract;
mod notifying;
mod probe;
mod promotion;
mod run;
mod scanning;
mod secrets;
mod several;
mod stage;
mod target_contract;
mod tasks_contract;
mod told;
mod verify;
mod world;
