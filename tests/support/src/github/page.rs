//! The conversation of a pull request as GitHub would show it: a page and a text.

use crate::server::{Incoming, Reply, Shared};

/// The page at `/_sim/github/<owner>/<repo>/pull/<n>` (`.txt`: as text), or at
/// the address GitHub has it under; nothing for any other address.
pub(crate) fn page(_world: &Shared, _incoming: &Incoming) -> Option<Reply> {
    None
}
