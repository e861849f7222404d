//! `/history`: the last ten deployments of an environment, from the ledger alone. It also works for an
//! environment that the policy has no more, and with a policy that cannot be read.

use shipline::engine::clock;
use shipline::types::EnvironmentName;

use super::ask::{Answer, Ask, Halted};
use crate::decision::ReasonCode;
use crate::messages;

/// How many are shown.
const SHOWN: u32 = 10;

pub(super) async fn run(ask: &Ask<'_>, environment: &EnvironmentName) -> Result<Answer, Halted> {
    ask.allow_look()?;
    let history = ask.bot.store.history(&ask.key(environment), SHOWN).await?;
    if history.is_empty() {
        ask.scene(environment)?;
    }
    Ok(Answer::said(ReasonCode::Done, messages::history(environment, &history, clock::now())))
}
