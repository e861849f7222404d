//! Every sentence the bot says in comments: pure text from data, escaped here and nowhere else.
//!
//! Not here: when something is said, and to whom. Names and texts that came from people, logs or
//! providers are made harmless with [`shipline::report`]'s escaping: they mention nobody, link
//! nowhere, close nothing, and never hold one of our markers. Every text stays below GitHub's 65,536
//! characters by leaving whole sections out, so that no fence and no fold stays open. The redactor
//! runs over what leaves, in `github`.

mod deployment;
mod gate;
mod help;
mod history;
mod job;
mod locks;
mod plan;
mod refusal;
mod sections;
mod shapes;
mod status;
mod step;
mod table;
mod trail;
mod trim;
mod words;

pub use deployment::{already, cancelling, deployment};
pub use gate::{reminder, reminder_marker};
pub use help::help;
pub use history::history;
pub use job::{job, job_answer, job_asks, job_marker, job_reminder, job_waits};
pub use locks::{locked, unlocked};
pub use plan::plan;
pub use refusal::{denied, not_a_command};
pub use shapes::{EnvironmentStatus, Live, LiveService, Question, Shown, Stand};
pub use status::status;
pub use step::{reminder as step_reminder, standing as step_standing};

use crate::types::{CommentId, DeploymentId};

/// Marks a deployment's comment, so that a worker after a crash finds it. An HTML comment.
pub fn deployment_marker(id: DeploymentId) -> String {
    format!("<!-- shipline:deployment:{id} -->")
}

/// Marks the answer to a command of a comment, so that it is not written twice. An HTML comment.
pub fn answer_marker(comment: CommentId, command: u32) -> String {
    format!("<!-- shipline:answer:{comment}:{command} -->")
}

#[cfg(test)]
mod tests;
