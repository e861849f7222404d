//! Whether a yes still counts when something is about to follow from it.

use shipline::config::spec::{Access, ApprovalsSpec};
use shipline::problem::Problem;

use super::rights;
use crate::decision::approving::{self, Answering};
use crate::github::Hub;
use crate::store::{Decision, Gate};
use crate::types::Actor;

/// Those who said yes and may not any more, each with why. The error: of whom GitHub does not say.
pub async fn without_right(
    hub: &Hub,
    rule: &ApprovalsSpec,
    access: &Access,
    gate: &Gate,
) -> Result<Vec<(Actor, String)>, (Actor, Problem)> {
    let mut gone = Vec::new();
    for actor in gate.approvers() {
        let rights = match rights(hub, actor, rule, access, None).await {
            Ok(rights) => rights,
            Err(problem) => return Err((actor.clone(), problem)),
        };
        let question = Answering {
            environment: gate.asked.key.environment.as_str(),
            rule,
            access,
            requester: gate.asked.requester.as_ref(),
            decision: Decision::Approve,
            actor,
            rights: &rights,
        };
        if let Err(denied) = approving::allowed(&question) {
            gone.push((actor.clone(), denied.what));
        }
    }
    Ok(gone)
}
