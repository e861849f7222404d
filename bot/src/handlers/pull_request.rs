//! `pull_request`: its head was learnt in the transaction that stored the delivery, before anybody
//! could ask for it. Nothing is left to do; the next command sees what changed.

use super::HandlerFailed;
use crate::webhook::PullChanged;

#[expect(clippy::unnecessary_wraps, reason = "every handler answers the same way")]
pub(super) fn on_pull(pull: &PullChanged) -> Result<(), HandlerFailed> {
    tracing::debug!(repository = %pull.repository.name, pull = pull.number, head = %pull.head, action = pull.action, "head learnt");
    Ok(())
}
