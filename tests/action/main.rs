//! Stories about the action and what it is made of, over real HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what surprises a story ends it, and a probe answers by printing"
)]

mod credentials;
mod github;
mod probe;
