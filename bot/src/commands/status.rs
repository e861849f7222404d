//! `/status`: what runs where, by our ledger and by the provider, who put it there, what is on its
//! way, who holds it. The provider is asked live; one that does not answer is told as that.

use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use shipline::config::spec::Config;
use shipline::engine::clock;
use shipline::types::EnvironmentName;

use super::ask::{Answer, Ask, Halted};
use crate::decision::{ReasonCode, policy};
use crate::messages::{self, EnvironmentStatus};
use crate::rollouts;
use crate::store::{Stage, StoreFailed};

pub(super) async fn run(ask: &Ask<'_>, environment: Option<&EnvironmentName>) -> Result<Answer, Halted> {
    ask.allow_look()?;
    let config = ask.config()?;
    let names: Vec<&EnvironmentName> = match environment {
        Some(name) => {
            policy::environment(&config, name)?;
            vec![name]
        }
        None => config.environments.keys().collect(),
    };
    let statuses = names.into_iter().map(|name| look(ask, &config, name).boxed());
    let statuses = try_join_all(statuses).await?;
    Ok(Answer::said(ReasonCode::Done, messages::status(&statuses, clock::now())))
}

async fn look(ask: &Ask<'_>, config: &Config, name: &EnvironmentName) -> Result<EnvironmentStatus, StoreFailed> {
    let (store, key, now) = (&ask.bot.store, ask.key(name), clock::now());
    let known = async {
        tokio::try_join!(
            store.good(&key, 1),
            store.open_deployments(&key),
            store.lock_of(&key, now),
            store.history(&key, 10)
        )
    };
    let (live, known) = tokio::join!(rollouts::live(ask.bot, &ask.comment.repository, config, name), known);
    let (good, open, lock, history) = known?;
    Ok(EnvironmentStatus {
        name: name.clone(),
        url: config.environments.get(name).and_then(|spec| spec.url.clone()),
        good: good.into_iter().next(),
        live,
        open,
        lock,
        last: history.into_iter().find(|deployment| deployment.state.stage == Stage::Over),
    })
}
