//! The same decision once more, at the moment something is done about it.
//!
//! Between a comment and its execution lie seconds, or the deployment it waited behind: rights are
//! withdrawn, somebody pushes, locks or changes the policy. So everything is read and decided anew;
//! the commit stays the one the command was bound to, and must still be one that may be deployed.

use std::sync::Arc;
use std::time::Duration;

use shipline::config::spec::{Access, ApprovalsSpec, Config, EnvironmentSpec};
use shipline::engine::clock;
use shipline::problem::Problem;
use shipline::types::{CommitSha, ServiceName, Timestamp};

use super::access::Right;
use super::gather::{self, Matter};
use super::job::{self, Verdict};
use super::lock::{self, Wish};
use super::{Denied, Facts, Question, ReasonCode, Rights, Situation, Wanted, approving, decide, policy, weigh};
use crate::context::Bot;
use crate::github::{Hub, RunSeen};
use crate::store::{Asked, DeploymentKind, Gate, GateKind, GateName, StoreFailed};
use crate::types::{Actor, EnvironmentKey, IssueNumber};

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

/// What is decided by a policy, rights and facts read now.
struct Matters<'a> {
    key: &'a EnvironmentKey,
    actor: &'a Actor,
    services: &'a [ServiceName],
    wanted: Wanted,
    pull: Option<IssueNumber>,
    /// When the wish was said.
    since: Timestamp,
}

/// All that was read.
struct Read {
    config: Arc<Config>,
    situation: Situation,
    rights: Rights,
    facts: Facts,
}

impl Read {
    /// The question that it answers.
    fn question<'a>(&'a self, matters: &'a Matters<'_>, spec: &'a EnvironmentSpec, now: Timestamp) -> Question<'a> {
        Question {
            wanted: matters.wanted,
            environment: &matters.key.environment,
            spec,
            situation: &self.situation,
            actor: matters.actor,
            rights: &self.rights,
            facts: &self.facts,
            commented: matters.since,
            now,
        }
    }
}

async fn read(bot: &Bot, hub: &Hub, matters: &Matters<'_>) -> Result<Result<Read, Denied>, Problem> {
    let environment = &matters.key.environment;
    let right = match matters.wanted {
        Wanted::Deploy { .. } => Right::Deploy,
        Wanted::Rollback => Right::Rollback,
    };
    let (situation, rights) =
        tokio::try_join!(hub.situation(matters.pull, Some(environment)), hub.rights(&matters.actor.login, &[]))?;
    let config = match gather::config(bot, &situation) {
        Ok(config) => config,
        Err(denied) => return Ok(Err(denied)),
    };
    let found = policy::environment(&config, environment)
        .and_then(|spec| Ok((spec, policy::services(environment, spec, matters.services)?)));
    let (spec, services) = match found {
        Ok(found) => found,
        Err(denied) => return Ok(Err(denied)),
    };
    let rights = gather::rights(hub, matters.actor, right.of(&spec.policy.access), Some(rights)).await?;
    let matter = Matter {
        hub,
        key: matters.key,
        spec,
        services: &services,
        wanted: matters.wanted,
        pull: matters.pull,
        sequence: 0,
        commented: matters.since,
    };
    let (situation, facts) = Box::pin(gather::facts(bot, &matter, situation)).await?;
    Ok(Ok(Read { config, situation, rights, facts }))
}

/// Whether it still may run, by a policy and rights read now. The outer error: GitHub or the store
/// did not answer, nobody knows; try again, and do nothing until then.
pub async fn still_allowed(bot: &Bot, asked: &Asked) -> Result<Result<(Situation, Config), Denied>, Problem> {
    let hub = bot.app.hub(&asked.repository);
    let matters = Matters {
        key: &asked.key,
        actor: &asked.actor,
        services: &asked.services,
        wanted: match asked.kind {
            DeploymentKind::Deploy { sha } => Wanted::Deploy { sha: Some(sha) },
            DeploymentKind::Rollback { .. } => Wanted::Rollback,
        },
        pull: asked.is_pull.then_some(asked.issue),
        since: asked.decided,
    };
    let mut read = match Box::pin(read(bot, &hub, &matters)).await? {
        Ok(read) => read,
        Err(denied) => return Ok(Err(denied)),
    };
    // What is decided again is one of them: it is not in its own way.
    read.facts.open.clear();
    let decision = policy::environment(&read.config, &asked.key.environment).and_then(|spec| {
        bot.allow.permitted(&asked.repository, &spec.aws)?;
        decide(&read.question(&matters, spec, clock::now()))
    });
    Ok(decision.map(|_| (read.situation, Config::clone(&read.config))))
}

/// A job of a workflow, as the policy of this moment sees it.
#[derive(Debug)]
pub struct Judged {
    /// Whether it may go on.
    pub verdict: Verdict,
    /// Who must say yes, if anybody.
    pub rule: Option<ApprovalsSpec>,
    /// Who may what there.
    pub access: Access,
    /// What a yes is worth under.
    pub rules: String,
    /// Where the policy was read.
    pub policy_commit: CommitSha,
}

/// Whether a job may use its environment: everything that a deploy of that commit by whoever started
/// the job would be asked, but for what is about the bot's own way to the provider. The outer error:
/// nobody knows.
pub async fn job(bot: &Bot, hub: &Hub, gate: &Gate, run: &RunSeen) -> Result<Result<Judged, Denied>, Problem> {
    let asked = &gate.asked;
    let (Some(sha), Some(actor)) = (asked.commit, &asked.requester) else {
        let what = "Which commit the job brings and who started it is not known.";
        return Ok(Err(Denied::new(ReasonCode::Defect, what, "Run the job again, and report this, please.")));
    };
    let matters = Matters {
        key: &asked.key,
        actor,
        services: &[],
        wanted: Wanted::Deploy { sha: Some(sha) },
        pull: asked.issue,
        since: gate.opened,
    };
    let mut read = match Box::pin(read(bot, hub, &matters)).await? {
        Ok(read) => read,
        Err(denied) => return Ok(Err(job::of_a_job(denied))),
    };
    if let GateName::Run { deployment: Some(own), .. } = asked.name {
        read.facts.own.push(own);
    }
    // The job itself, and others of its run that wait like it, cannot have ended.
    if let Some(Ok(checks)) = &mut read.facts.commit.checks {
        checks.retain(|check| check.held.is_none() || check.held != run.suite);
    }
    let now = clock::now();
    let environment = &asked.key.environment;
    let judged = policy::environment(&read.config, environment).map(|spec| {
        let (_, objections) = weigh(&read.question(&matters, spec, now));
        Judged {
            verdict: job::judge(objections, environment, spec, &read.facts.open, asked.expires, now),
            rule: approving::rule(GateKind::Rule, spec),
            access: spec.policy.access.clone(),
            rules: approving::held_under(spec),
            policy_commit: read.situation.policy_commit,
        }
    });
    Ok(judged)
}
