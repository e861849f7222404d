//! Black-box stories about deploying: real programs and real HTTP, against the world of
//! `scripts/world` and the simulators of `tests/support`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a story whose stage is missing ends there, and tells why"
)]

mod app_runner;
mod cancel;
mod credentials;
mod ecs;
mod github;
mod iam_policy;
mod image;
mod init;
mod inputs;
mod looking_back;
mod probe;
mod promotion;
mod run;
mod secrets;
mod several;
mod stage;
mod target_contract;
mod told;
mod verify;
mod world;
