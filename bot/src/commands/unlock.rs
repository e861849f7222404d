//! `/unlock`: lets an environment go. Its holder may, whatever right that needed once; everybody else
//! needs the right and a reason. A deployment under way is not touched: what keeps others from
//! changing the environment meanwhile is its lease, not the lock.

use shipline::engine::clock;
use shipline::types::EnvironmentName;

use super::ask::{Answer, Ask, Halted};
use super::lock::held;
use crate::decision::access::{Right, Standing, may};
use crate::decision::{Denied, ReasonCode};
use crate::messages;

pub(super) async fn run(
    ask: &Ask<'_>,
    environment: &EnvironmentName,
    force: Option<&String>,
) -> Result<Answer, Halted> {
    let (store, actor, key) = (&ask.bot.store, &ask.comment.author, ask.key(environment));
    let lock = store.lock_of(&key, clock::now()).await?;
    // The numeric id was told by GitHub for this login just now: nobody else carries it.
    let itself = may(&[], ask.rights, actor.id) != Standing::SomebodyElse;
    let own = itself && lock.as_ref().is_some_and(|lock| lock.holder.id == actor.id);
    if !own {
        let scene = ask.scene(environment)?;
        ask.allow(Right::Lock, environment, &scene.spec.policy.access).await?;
    }
    let Some(lock) = lock else { return Err(open(environment).into()) };
    if !own && force.is_none() {
        return Err(held(&lock).into());
    }
    let Some(removed) = store.unlock(&key, clock::now()).await? else { return Err(open(environment).into()) };
    if removed.holder.id != lock.holder.id {
        // It changed hands between the look and the act: nobody was asked about this one.
        store.lock(&removed, clock::now()).await?;
        return Err(held(&removed).into());
    }
    let force = if own { None } else { force };
    Ok(Answer::said(ReasonCode::Done, messages::unlocked(&removed, actor, force.map(String::as_str)))
        .noting("holder", &removed.holder)
        .noting("force", force))
}

fn open(environment: &EnvironmentName) -> Denied {
    let next = format!("Nothing has to be done: `/deploy {environment}` is not held up by a lock.");
    Denied::new(ReasonCode::NotLocked, format!("`{environment}` is not locked."), next)
}
