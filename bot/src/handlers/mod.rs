//! One file per event: what a stored delivery makes the bot do. Called again after a failure or a
//! crash, so every one of them looks before it acts.

mod failed;
mod pull_request;
mod workflow_run;

use std::sync::Arc;

pub use failed::{HandlerFailed, Hope};

use crate::context::Bot;
use crate::store::Claimed;
use crate::webhook::Event;

/// Does what a delivery asks for.
pub async fn handle(bot: &Arc<Bot>, claimed: &Claimed) -> Result<(), HandlerFailed> {
    match &claimed.delivery.event {
        Event::Comment(comment) => crate::commands::run::on_comment(bot, claimed, comment).await,
        Event::Pull(pull) => pull_request::on_pull(bot, pull).await,
        Event::Run(run) => workflow_run::on_run(bot, run).await,
        Event::Button(button) => crate::approvals::pressed(bot, claimed, button).await,
        Event::Rule(rule) => crate::approvals::asked(bot, rule).await,
    }
}
