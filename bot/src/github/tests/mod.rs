//! Over real HTTP, with the real client: tokens, limits, what is repeated and what is not, and what
//! GitHub's answers are taken for.

mod answers;
mod conversation;
mod limits;
mod model;
mod scripted;
mod tokens;

use shipline::types::CommitSha;

fn sha(n: u8) -> CommitSha {
    format!("{n:040x}").parse().unwrap()
}
