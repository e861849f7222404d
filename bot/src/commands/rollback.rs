//! `/rollback`: decides, and hands it in ahead of everything that is open. To which release it goes is
//! found by the worker, from the ledger, when it has the lease.

use shipline::engine::clock;
use shipline::types::{EnvironmentName, ServiceName};

use super::AfterRollback;
use super::ask::{Answer, Ask, Halted};
use super::hand_in;
use crate::decision::access::Right;
use crate::decision::{Question, Wanted, decide, policy};
use crate::store::{DeploymentKind, QueueRule};

pub(super) async fn run(
    ask: &Ask<'_>,
    environment: &EnvironmentName,
    services: &[ServiceName],
    to: Option<&String>,
    lock: AfterRollback,
) -> Result<Answer, Halted> {
    let scene = ask.scene(environment)?;
    let rights = ask.allow(Right::Rollback, environment, &scene.spec.policy.access).await?;
    let meant = policy::services(environment, &scene.spec, services)?;
    ask.bot.allow.permitted(&ask.comment.repository, &scene.spec.aws)?;
    let wanted = Wanted::Rollback;
    let (situation, facts) = ask.facts(&scene, &meant, wanted).await?;
    decide(&Question {
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
    let kind = DeploymentKind::Rollback { to: to.cloned(), lock: lock == AfterRollback::Locked };
    let asked = ask.asked(&scene.key, kind, services, None, situation.policy_commit);
    hand_in::hand_in(ask, asked, QueueRule::Overtake).await
}
