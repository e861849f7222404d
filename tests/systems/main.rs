//! One story per real system, with real parts: Docker Engine, registry, containers that answer.
//! `scripts/world` provides them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a story starts programs, reads its environment, and ends where its stage is missing"
)]

mod brainwave;
mod host;
mod programs;
