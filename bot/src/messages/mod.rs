//! Every sentence the bot says in comments: pure text from data, escaped here and nowhere else.
//!
//! Names and texts that came from people, logs or providers are made harmless with
//! [`shipline::report`]'s escaping; every text is at most 65,536 characters; the redactor runs over
//! what leaves, in `github`.

mod shapes;

pub use shapes::{EnvironmentStatus, Live, LiveService, Shown, Stand};

use shipline::report::View;
use shipline::types::{EnvironmentName, Timestamp};

use crate::commands::NotACommand;
use crate::decision::Denied;
use crate::store::{Deployment, Lock};
use crate::types::{Actor, DeploymentId};

/// Marks a deployment's comment, so that a worker after a crash finds it. An HTML comment.
pub fn deployment_marker(id: DeploymentId) -> String {
    format!("<!-- shipline:deployment:{id} -->")
}

/// Marks the answer to a command of a comment, so that it is not written twice. An HTML comment.
pub fn answer_marker(comment: crate::types::CommentId, command: u32) -> String {
    format!("<!-- shipline:answer:{comment}:{command} -->")
}

#[expect(unused_variables, clippy::unimplemented, reason = "the shape; filled in next")]
mod unfinished {
    use super::*;

    /// The one comment of a deployment, at any time of its life (BEHAVIOUR: state line, services
    /// table, cause, timeline, commits, links). Ends with its marker.
    pub fn deployment(shown: &Shown<'_>) -> String {
        unimplemented!()
    }

    /// A no, with why and what next. `line` is the command as it was written.
    pub fn denied(denied: &Denied, line: &str) -> String {
        unimplemented!()
    }

    /// A line that was meant as a command.
    pub fn not_a_command(line: &NotACommand) -> String {
        unimplemented!()
    }

    /// What a deploy would do; `waits_for` are the gates it would wait for or be refused by, one a line.
    pub fn plan(view: &View, waits_for: &[String]) -> String {
        unimplemented!()
    }

    /// What runs where.
    pub fn status(environments: &[EnvironmentStatus], now: Timestamp) -> String {
        unimplemented!()
    }

    /// The last deployments of an environment.
    pub fn history(environment: &EnvironmentName, deployments: &[Deployment], now: Timestamp) -> String {
        unimplemented!()
    }

    /// An environment is locked now.
    pub fn locked(lock: &Lock, now: Timestamp) -> String {
        unimplemented!()
    }

    /// It is not any more; `by` did it, `force` is why if the lock was somebody else's.
    pub fn unlocked(lock: &Lock, by: &Actor, force: Option<&str>) -> String {
        unimplemented!()
    }

    /// A cancel was taken note of.
    pub fn cancelling(deployment: &Deployment) -> String {
        unimplemented!()
    }

    /// The same release is on its way there already.
    pub fn already(deployment: &Deployment) -> String {
        unimplemented!()
    }

    /// The table of commands.
    pub fn help() -> String {
        unimplemented!()
    }
}
pub use unfinished::*;
