//! Asks GitHub and the store for the facts a decision needs: only what the policy calls for, all at
//! once. The questions are here, the answers are judged in [`super::decide`].
//!
//! GitHub's answers may be a few seconds behind its own webhooks. Where the pull request does not
//! yet show a head that a webhook has already told us of, or GitHub still works out whether it
//! merges, the question is asked again for a short while before anybody is refused.

use std::time::Duration;

use futures_util::future::try_join_all;
use shipline::config::spec::{BehindBase, Checks, EnvironmentSpec, Policy, Reviews, Who};
use shipline::engine::wait::{Backoff, Seen, until};
use shipline::engine::{Cancel, clock};
use shipline::problem::Problem;
use shipline::types::{CommitSha, EnvironmentName, ServiceName, Timestamp};

use super::access::{Standing, may, teams};
use super::decide::{Wanted, binding};
use super::order::{Brought, held_since};
use super::words::commit;
use super::{Ancestry, CommitFacts, Facts, Learned, PullState, Rights, Situation, policy};
use crate::context::Bot;
use crate::github::{self, Hub};
use crate::store::{Deployment, Head, Stage, StoreFailed};
use crate::types::{Actor, EnvironmentKey, IssueNumber, RepositoryId};

/// How long GitHub is given to show what its webhook said already.
const LAG: Duration = Duration::from_secs(6);
/// And how often it is asked meanwhile.
const EVERY: Duration = Duration::from_millis(700);
const LOOKS: Backoff = Backoff { first: EVERY, most: EVERY, throttled: EVERY };

/// How many of the newest deployments of an environment are looked at.
const RECENT: u32 = 20;

/// GitHub's API still shows an older head than its webhooks told of. To call that a push after the
/// comment would be wrong, and to offer the older head would be worse.
async fn behind_its_webhooks(
    bot: &Bot,
    key: &EnvironmentKey,
    situation: &Situation,
    told: Option<Head>,
) -> Result<(), Problem> {
    let (Some(pull), Some(told)) = (&situation.pull, told) else { return Ok(()) };
    if pull.state != PullState::Open || pull.head == told.sha {
        return Ok(());
    }
    let older = bot.store.was_head(key.repository, pull.number, pull.head, told.at).await;
    if !older.map_err(|failed| stored(&failed))? {
        return Ok(());
    }
    let what = format!("GitHub does not show {} as the head of this pull request yet.", commit(told.sha));
    let next = "GitHub needs a moment after a push: comment again in a minute.";
    Err(Problem::provider("github-behind", what, next)
        .because(format!("It told the bot of that push, but still shows {}, which came before.", commit(pull.head))))
}

/// What the facts are about.
#[derive(Clone, Copy)]
pub struct Matter<'a> {
    /// The repository, with its token.
    pub hub: &'a Hub,
    /// Where.
    pub key: &'a EnvironmentKey,
    /// Its rules.
    pub spec: &'a EnvironmentSpec,
    /// The services that are meant; not empty.
    pub services: &'a [ServiceName],
    /// What is wanted.
    pub wanted: Wanted,
    /// The pull request, if the command stands in one.
    pub pull: Option<IssueNumber>,
    /// Heads learnt from deliveries stored before this one count as known to the person.
    pub sequence: u64,
    /// When the comment was written.
    pub commented: Timestamp,
}

/// What a person may do here. Teams are only asked for when the role does not suffice.
pub async fn rights(hub: &Hub, actor: &Actor, who: &[Who], known: Option<Rights>) -> Result<Rights, Problem> {
    let rights = match known {
        Some(rights) => rights,
        None => hub.rights(&actor.login, &[]).await?,
    };
    let teams = teams(who);
    let asked = |rights: &Rights| teams.iter().all(|team| rights.teams.contains(team));
    if teams.is_empty() || asked(&rights) || may(who, &rights, actor.id) != Standing::NotAmong {
        return Ok(rights);
    }
    hub.rights(&actor.login, &teams).await
}

/// The facts, and the situation with a pull request that GitHub has caught up with.
pub async fn facts(bot: &Bot, matter: &Matter<'_>, mut situation: Situation) -> Result<(Situation, Facts), Problem> {
    let Matter { hub, key, spec, services, wanted, pull, sequence, commented } = *matter;
    let now = clock::now();
    let learned = async {
        match pull {
            Some(pull) => {
                let before = bot.store.head_before(key.repository, pull, sequence).await?;
                let newest = bot.store.head_before(key.repository, pull, u64::MAX >> 1).await?;
                Ok((before, newest))
            }
            None => Ok((None, None)),
        }
    };
    let ((before, newest), lock, open, history) = tokio::try_join!(
        learned,
        bot.store.lock_of(key, now),
        bot.store.open_deployments(key),
        bot.store.history(key, RECENT),
    )
    .map_err(|failed: StoreFailed| stored(&failed))?;
    let own = own(&situation, &history);
    let mut facts = Facts {
        learned: before.map_or(Learned::Nothing, Learned::Head),
        commit: CommitFacts { ancestry: Ancestry::NotAsked, checks: None, required: None, good_since: Vec::new() },
        lock,
        open,
        own,
    };
    let Wanted::Deploy { sha } = wanted else { return Ok((situation, facts)) };
    let expected = sha.or(before.map(|head| head.sha));
    let told = newest.filter(|head| Some(head.sha) == expected);
    catch_up(hub, key, pull, &mut situation, told, &spec.policy).await?;
    behind_its_webhooks(bot, key, &situation, told).await?;
    facts.own = self::own(&situation, &history);
    if let Some(pull) = situation.pull.as_mut()
        && spec.policy.pulls.behind != BehindBase::Allowed
        && pull.state == PullState::Open
        && !pull.behind
    {
        // GitHub calls a branch behind only where branch protection asks for one that is up to date.
        pull.behind = !hub.holds_all_of(&pull.base, pull.head).await?;
    }
    let environment = key.environment.as_str();
    if let Some(asked) = sha.filter(|_| binding(environment, sha, &situation, &facts, commented).asks_ancestry()) {
        facts.commit.ancestry = ancestry(hub, &situation.default_branch, situation.policy_commit, asked).await;
    }
    // A command without a commit is refused whatever its checks say.
    if let Ok(bound) = binding(environment, sha, &situation, &facts, commented).bind() {
        let base = situation.pull.as_ref().map_or(situation.default_branch.clone(), |pull| pull.base.clone());
        let mut before = Vec::with_capacity(spec.policy.requires.len());
        for required in &spec.policy.requires {
            before.push(good_since(bot, hub, key.repository, required.clone(), services, bound.sha));
        }
        let (checks, required, good_since) = tokio::join!(
            checks(hub, &spec.policy, bound.sha),
            required(hub, &spec.policy, &base),
            try_join_all(before),
        );
        facts.commit.checks = checks;
        facts.commit.required = required;
        facts.commit.good_since = good_since?;
    }
    Ok((situation, facts))
}

/// The GitHub Deployments that are the bot's own: by their number, or by ours in their payload, where a
/// worker has made one and not yet written down its number.
fn own(situation: &Situation, known: &[Deployment]) -> Vec<u64> {
    let mut own: Vec<u64> = known.iter().filter_map(|deployment| deployment.state.github_deployment).collect();
    own.extend(situation.deployments.iter().filter_map(|seen| {
        let number = seen.shipline.as_ref()?.get("deployment")?.as_u64()?;
        known.iter().any(|deployment| deployment.id.get() == number).then_some(seen.id)
    }));
    own
}

/// Asks again until GitHub shows the newest head that it told us of, and whether that merges.
async fn catch_up(
    hub: &Hub,
    key: &EnvironmentKey,
    pull: Option<IssueNumber>,
    situation: &mut Situation,
    told: Option<Head>,
    policy: &Policy,
) -> Result<(), Problem> {
    let Some(number) = pull else { return Ok(()) };
    let careful = policy.checks != Checks::NotAsked
        || policy.reviews != Reviews::NotAsked
        || policy.pulls.behind != BehindBase::Allowed;
    let settled = |situation: &Situation| {
        situation.pull.as_ref().is_none_or(|pull| {
            pull.state != PullState::Open
                || (told.is_none_or(|head| head.sha == pull.head) && (!careful || pull.mergeable.is_some()))
        })
    };
    let deadline = clock::instant() + LAG;
    while !settled(situation) && clock::instant() < deadline {
        let _waited =
            until::<(), _>(Some(clock::instant() + EVERY), LOOKS, &Cancel::new(), async || Seen::NotYet).await;
        // The policy stays the one that was read: only what lags behind is taken over.
        let newer = hub.situation(Some(number), Some(&key.environment)).await?;
        situation.pull = newer.pull;
        situation.deployments = newer.deployments;
    }
    Ok(())
}

async fn ancestry(hub: &Hub, branch: &str, tip: CommitSha, asked: CommitSha) -> Ancestry {
    if asked == tip {
        return Ancestry::OnDefaultBranch;
    }
    match hub.standing(branch, asked).await {
        Ok(github::Standing::OnBranch) => Ancestry::OnDefaultBranch,
        Ok(github::Standing::Elsewhere) => Ancestry::Elsewhere,
        Ok(github::Standing::NotKnown) => Ancestry::NotKnown,
        Err(problem) => Ancestry::NotTold(problem.what),
    }
}

async fn checks(hub: &Hub, policy: &Policy, sha: CommitSha) -> Option<Result<Vec<super::Check>, String>> {
    match policy.checks {
        Checks::NotAsked => None,
        Checks::Required | Checks::All | Checks::Named(_) => {
            Some(hub.checks(sha).await.map_err(|problem| problem.what))
        }
    }
}

async fn required(hub: &Hub, policy: &Policy, base: &str) -> Option<Result<Vec<super::RequiredCheck>, String>> {
    match policy.checks {
        Checks::Required => Some(hub.required_checks(base).await.map_err(|problem| problem.what)),
        Checks::NotAsked | Checks::All | Checks::Named(_) => None,
    }
}

/// Since when an environment holds this commit, good, for these services: by the ledger and by what
/// the action told GitHub. Nothing after a deployment that was left as it failed.
async fn good_since(
    bot: &Bot,
    hub: &Hub,
    repository: RepositoryId,
    environment: EnvironmentName,
    services: &[ServiceName],
    sha: CommitSha,
) -> Result<(EnvironmentName, Option<Timestamp>), Problem> {
    let key = EnvironmentKey { repository, environment: environment.clone() };
    let store = async {
        let found = tokio::try_join!(bot.store.good(&key, RECENT), bot.store.history(&key, RECENT));
        found.map_err(|failed| stored(&failed))
    };
    let ((good, history), seen) = tokio::try_join!(store, hub.situation(None, Some(&environment)))?;
    let last = history.iter().find(|deployment| deployment.state.stage == Stage::Over);
    let broken =
        last.and_then(|last| last.outcome.as_deref()).is_some_and(|end| ["held", "needs-attention"].contains(&end));
    if broken {
        return Ok((environment, None));
    }
    let mut brought: Vec<Brought> = good
        .into_iter()
        .map(|good| Brought { commit: good.commit, services: good.serves.into_keys().collect(), since: good.since })
        .collect();
    brought.extend(seen.deployments.iter().filter_map(|seen| by_action(seen, &environment)));
    let since = held_since(&brought, services, sha);
    Ok((environment, since))
}

/// What a successful GitHub Deployment of Shipline brought.
pub(super) fn by_action(seen: &super::SeenDeployment, environment: &EnvironmentName) -> Option<Brought> {
    let noted = seen.shipline.as_ref()?.get("services")?.as_object()?;
    let good = seen.state.as_deref() == Some("success") && seen.environment == environment.as_str();
    let services = noted.keys().filter_map(|name| name.parse().ok()).collect();
    good.then(|| Brought { commit: Some(seen.sha), services, since: seen.since.unwrap_or(seen.created) })
}

/// What a policy says of a whole: the text as a configuration, or why it is none.
pub fn config(
    bot: &Bot,
    situation: &Situation,
) -> Result<std::sync::Arc<shipline::config::spec::Config>, super::Denied> {
    let (branch, at) = (&situation.default_branch, situation.policy_commit);
    let text = situation.policy.as_deref().ok_or_else(|| policy::not_configured(branch, at))?;
    bot.desk.config(text).map_err(|problems| policy::invalid(branch, at, &problems))
}

/// The code of a [`Problem`] that is the store's, not GitHub's.
pub const STORE_FAILED: &str = "store-failed";

/// The store's failure as the one error everybody here returns.
pub fn stored(failed: &StoreFailed) -> Problem {
    Problem::provider(STORE_FAILED, format!("The bot's {failed}."), "Look at the bot's database, then try again.")
}
