//! `workflow_run`: a run ended. Whoever waits for it looks now, instead of at the next poll.

use shipline::engine::clock;

use super::HandlerFailed;
use crate::context::Bot;
use crate::webhook::RunEnded;

pub(super) async fn on_run(bot: &Bot, run: &RunEnded) -> Result<(), HandlerFailed> {
    if bot.store.wake_run(run.run, clock::now()).await? > 0 {
        bot.deployments_due.notify_one();
    }
    Ok(())
}
