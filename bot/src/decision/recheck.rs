//! The same decision once more, at the moment something is done about it.
//!
//! Between a comment and its execution lie seconds, or the deployment it waited behind: rights are
//! withdrawn, somebody pushes, locks or changes the policy. So everything is read and decided anew;
//! the commit stays the one the command was bound to, and must still be one that may be deployed.

use std::time::Duration;

use shipline::config::spec::Config;
use shipline::engine::clock;
use shipline::problem::Problem;
use shipline::types::Timestamp;

use super::access::Right;
use super::gather::{self, Matter};
use super::lock::{self, Wish};
use super::{Denied, Question, Situation, Wanted, decide, policy};
use crate::context::Bot;
use crate::store::{Asked, DeploymentKind, StoreFailed};

/// How long a decision is taken as it was.
const FRESH: Duration = Duration::from_secs(10);

/// After every delivery there is.
const NEWEST: u64 = i64::MAX.unsigned_abs();

/// Whether a decision is too old to act on: it is decided again.
pub fn is_old(asked: &Asked, now: Timestamp) -> bool {
    now.duration_since(asked.decided).unsigned_abs() > FRESH
}

/// Whether somebody has pushed since the decision, as far as GitHub has told us.
pub async fn is_overtaken(bot: &Bot, asked: &Asked) -> Result<bool, StoreFailed> {
    let DeploymentKind::Deploy { sha } = asked.kind else { return Ok(false) };
    if !asked.is_pull {
        return Ok(false);
    }
    let newest = bot.store.head_before(asked.repository.id, asked.issue, NEWEST).await?;
    Ok(newest.is_some_and(|head| head.sha != sha))
}

/// Whether the lock, as it is now, lets it through. Cheap enough to ask however fresh the decision is:
/// the lock of a rollback is written after people have read that it is over.
pub async fn is_open(bot: &Bot, asked: &Asked) -> Result<Result<(), Denied>, StoreFailed> {
    let now = clock::now();
    let wish = match asked.kind {
        DeploymentKind::Deploy { .. } => Wish::Deploy,
        DeploymentKind::Rollback { .. } => Wish::Rollback,
    };
    let held = bot.store.lock_of(&asked.key, now).await?;
    Ok(lock::open(held.as_ref(), wish, &asked.actor, now))
}

/// Whether it still may run, by a policy and rights read now. The outer error: GitHub or the store
/// did not answer, nobody knows; try again, and do nothing until then.
pub async fn still_allowed(bot: &Bot, asked: &Asked) -> Result<Result<(Situation, Config), Denied>, Problem> {
    let hub = bot.app.hub(&asked.repository);
    let pull = asked.is_pull.then_some(asked.issue);
    let environment = &asked.key.environment;
    let (wanted, right) = match asked.kind {
        DeploymentKind::Deploy { sha } => (Wanted::Deploy { sha: Some(sha) }, Right::Deploy),
        DeploymentKind::Rollback { .. } => (Wanted::Rollback, Right::Rollback),
    };
    let (situation, rights) =
        tokio::try_join!(hub.situation(pull, Some(environment)), hub.rights(&asked.actor.login, &[]))?;
    let config = match gather::config(bot, &situation) {
        Ok(config) => config,
        Err(denied) => return Ok(Err(denied)),
    };
    let found = policy::environment(&config, environment).and_then(|spec| {
        bot.allow.permitted(&asked.repository, &spec.aws)?;
        let services = policy::services(environment, spec, &asked.services)?;
        if let Wanted::Deploy { .. } = wanted {
            policy::carried_out(environment, spec)?;
        }
        Ok((spec, services))
    });
    let (spec, services) = match found {
        Ok(found) => found,
        Err(denied) => return Ok(Err(denied)),
    };
    let rights = gather::rights(&hub, &asked.actor, right.of(&spec.policy.access), Some(rights)).await?;
    let matter = Matter {
        hub: &hub,
        key: &asked.key,
        spec,
        services: &services,
        wanted,
        pull,
        sequence: 0,
        commented: asked.decided,
    };
    let (situation, mut facts) = Box::pin(gather::facts(bot, &matter, situation)).await?;
    // What is decided again is one of them: it is not in its own way.
    facts.open.clear();
    let now = clock::now();
    let question = Question {
        wanted,
        environment,
        spec,
        situation: &situation,
        actor: &asked.actor,
        rights: &rights,
        facts: &facts,
        commented: asked.decided,
        now,
    };
    let decision = decide(&question);
    Ok(decision.map(|_| (situation, Config::clone(&config))))
}
