//! `pull_request`: its head was learnt in the transaction that stored the delivery, before anybody
//! could ask for it. What waits there for approval is looked at: a push voids it.

use shipline::engine::clock;

use super::HandlerFailed;
use crate::context::Bot;
use crate::store::GatesOf;
use crate::webhook::PullChanged;

pub(super) async fn on_pull(bot: &Bot, pull: &PullChanged) -> Result<(), HandlerFailed> {
    tracing::debug!(repository = %pull.repository.name, pull = pull.number, head = %pull.head, action = pull.action, "head learnt");
    if bot.store.wake_gates(pull.repository.id, GatesOf::Issue(pull.number), clock::now()).await? > 0 {
        bot.deployments_due.notify_one();
    }
    Ok(())
}
