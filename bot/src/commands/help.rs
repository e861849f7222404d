//! `/help`: the table of commands.

use super::ask::{Answer, Ask, Halted};
use crate::decision::ReasonCode;
use crate::messages;

pub(super) fn run(ask: &Ask<'_>) -> Result<Answer, Halted> {
    ask.allow_look()?;
    Ok(Answer::said(ReasonCode::Done, messages::help()))
}
