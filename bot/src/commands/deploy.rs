//! `/deploy`: decides, and hands the deployment in. What follows is the worker's.

use shipline::config::spec::Queue;
use shipline::engine::clock;
use shipline::types::{CommitSha, EnvironmentName, ServiceName};

use super::ask::{Answer, Ask, Halted};
use super::hand_in;
use crate::decision::access::Right;
use crate::decision::{Denied, Question, ReasonCode, Wanted, decide, policy};
use crate::store::{DeploymentKind, QueueRule};

pub(super) async fn run(
    ask: &Ask<'_>,
    environment: &EnvironmentName,
    services: &[ServiceName],
    sha: Option<CommitSha>,
    reason: Option<&String>,
) -> Result<Answer, Halted> {
    let scene = ask.scene(environment)?;
    let rights = ask.allow(Right::Deploy, environment, &scene.spec.policy.access).await?;
    let meant = policy::services(environment, &scene.spec, services)?;
    ask.bot.allow.permitted(&ask.comment.repository, &scene.spec.aws)?;
    let wanted = Wanted::Deploy { sha };
    let (situation, mut facts) = ask.facts(&scene, &meant, wanted).await?;
    // The store answers for ours when the deployment is handed in: what was handed in before by this
    // very command must not be in its own way.
    facts.open.clear();
    let allowed = decide(&Question {
        wanted,
        environment,
        spec: &scene.spec,
        situation: &situation,
        actor: &ask.comment.author,
        rights: &rights,
        facts: &facts,
        commented: ask.comment.created,
        now: clock::now(),
    })?;
    let bound = allowed.bound.ok_or_else(|| {
        Denied::new(ReasonCode::Defect, "The command was allowed without a commit.", "Report this, please.")
    })?;
    let kind = DeploymentKind::Deploy { sha: bound.sha };
    let asked = ask.asked(&scene.key, kind, services, reason, situation.policy_commit);
    let rule = match scene.spec.policy.queue {
        Queue::One => QueueRule::One,
        Queue::Refuse => QueueRule::Refuse,
    };
    Ok(hand_in::hand_in(ask, asked, rule).await?.noting("sha", bound.sha))
}
