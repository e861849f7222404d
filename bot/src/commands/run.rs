//! Carries out the commands of a comment.

use std::sync::Arc;

use crate::context::Bot;
use crate::handlers::HandlerFailed;
use crate::store::Claimed;
use crate::webhook::NewComment;

/// Parses a comment and runs its commands, one after another.
#[expect(clippy::unused_async, reason = "the shape; filled in next")]
pub async fn on_comment(_bot: &Arc<Bot>, _claimed: &Claimed, _comment: &NewComment) -> Result<(), HandlerFailed> {
    Ok(())
}
