//! `/plan`: what a deploy would change, and everything that would refuse it or hold it up. Reads only.

use shipline::engine::clock;
use shipline::types::{CommitSha, EnvironmentName, ServiceName};

use super::ask::{Answer, Ask, Halted};
use crate::decision::access::{self, Right};
use crate::decision::gather;
use crate::decision::{Denied, Question, ReasonCode, Wanted, policy, weigh};
use crate::messages;
use crate::rollouts;
use crate::store::DeploymentKind;

pub(super) async fn run(
    ask: &Ask<'_>,
    environment: &EnvironmentName,
    services: &[ServiceName],
    sha: Option<CommitSha>,
) -> Result<Answer, Halted> {
    ask.allow_look()?;
    let scene = ask.scene(environment)?;
    let meant = policy::services(environment, &scene.spec, services)?;
    ask.bot.allow.permitted(&ask.comment.repository, &scene.spec.aws)?;
    let who = Right::Deploy.of(&scene.spec.policy.access);
    let rights = gather::rights(ask.hub, &ask.comment.author, who, Some(ask.rights.clone())).await?;
    let wanted = Wanted::Deploy { sha };
    let (situation, facts) = ask.facts(&scene, &meant, wanted).await?;
    let question = Question {
        wanted,
        environment,
        spec: &scene.spec,
        situation: &situation,
        actor: &ask.comment.author,
        rights: &rights,
        facts: &facts,
        commented: ask.comment.created,
        now: clock::now(),
    };
    let (bound, mut objections) = weigh(&question);
    let Some(bound) = bound else {
        // Without a commit there is nothing to plan; whatever stands in the way of one is the answer.
        let unbound = |denied: &Denied| is_about_the_commit(denied.code);
        let at = objections.iter().position(unbound).unwrap_or(0);
        return Err(objections.swap_remove(at).into());
    };
    let kind = DeploymentKind::Deploy { sha: bound.sha };
    let asked = ask.asked(&scene.key, kind, services, None, situation.policy_commit);
    let preview = rollouts::preview(ask.bot, &asked, &scene.config).await?;
    let mut gates: Vec<String> = objections.into_iter().map(|denied| denied.what).collect();
    if let Some(running) = facts.open.first() {
        let login = &running.asked.actor.login;
        gates.push(format!("It would wait behind the deployment that `{login}` asked for."));
    }
    if let Some(rule) = &scene.spec.policy.approvals {
        let who = access::people(&rule.from);
        gates.push(format!(
            "It would wait until {} of {who} {} approved it.",
            rule.count,
            if rule.count == 1 { "has" } else { "have" }
        ));
    }
    let Some(view) = preview.view else {
        // Without its images a release has no plan yet.
        let next =
            format!("`/deploy {environment}` builds them first. For a plan before that, build them and comment again.");
        let mut denied = Denied::new(ReasonCode::ImageMissing, "What would change is not known yet.", next);
        denied.why.extend(preview.notices.into_iter().chain(gates));
        return Err(denied.into());
    };
    gates.extend(preview.notices);
    Ok(Answer::said(ReasonCode::Done, messages::plan(&view, &gates))
        .noting("sha", bound.sha)
        .noting("plan", &view.plan))
}

fn is_about_the_commit(code: ReasonCode) -> bool {
    use ReasonCode::{CommitNotReleasable, CommitUnknown, HeadMoved, HeadUnknown, NotAPull, PullClosed};
    matches!(code, NotAPull | HeadUnknown | HeadMoved | CommitUnknown | CommitNotReleasable | PullClosed)
}
