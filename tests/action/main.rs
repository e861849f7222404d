//! Black-box stories about deploying: real programs and real HTTP, against the world of
//! `scripts/world` and the simulators of `tests/support`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a story whose stage is missing ends there")]

mod ecs;
mod image;
