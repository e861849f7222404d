//! `/cancel`: everything of ours that is open on the environment, running and waiting: afterwards
//! nothing of ours moves there. Whoever asked for a deployment may stop it; so may whoever could have
//! asked. It is a brake, so it works with a policy that cannot be read: then the default access holds.

use shipline::config::spec::Access;
use shipline::engine::clock;
use shipline::types::EnvironmentName;

use super::ask::{Answer, Ask, Halted};
use crate::decision::access::{Right, Standing, may};
use crate::decision::{Denied, ReasonCode};
use crate::messages;
use crate::store::{Deployment, DeploymentKind};

pub(super) async fn run(ask: &Ask<'_>, environment: Option<&EnvironmentName>) -> Result<Answer, Halted> {
    let open = open(ask, environment).await?;
    let access = |name: &EnvironmentName| match ask.config() {
        Ok(config) => config.environments.get(name).map(|spec| spec.policy.access.clone()).unwrap_or_default(),
        Err(_) => Access::default(),
    };
    let actor = &ask.comment.author;
    let itself = may(&[], ask.rights, actor.id) != Standing::SomebodyElse;
    let Some(first) = open.first() else {
        // A stranger learns nothing, not even that there is nothing.
        ask.allow_look()?;
        let place = environment.map(|name| format!(" on `{name}`")).unwrap_or_default();
        let what = format!("No deployment is running or waiting{place}.");
        let next = "See what runs with `/status`. To go back to what served before: `/rollback <env>`.";
        return Err(Denied::new(ReasonCode::NothingToCancel, what, next).into());
    };
    let place = &first.asked.key.environment;
    let rules = access(place);
    let mut texts = Vec::new();
    let mut ids = Vec::new();
    let mut refused = None;
    for deployment in &open {
        let right = match deployment.asked.kind {
            DeploymentKind::Deploy { .. } => Right::Deploy,
            DeploymentKind::Rollback { .. } => Right::Rollback,
        };
        if !(itself && deployment.asked.actor.id == actor.id) {
            match ask.allow(right, place, &rules).await {
                Ok(_) => {}
                Err(Halted::No(denied)) => {
                    refused = Some(denied);
                    continue;
                }
                Err(failed @ (Halted::GitHub(_) | Halted::Store(_))) => return Err(failed),
            }
        }
        if ask.bot.store.request_cancel(deployment.id, actor, clock::now()).await? {
            texts.push(messages::cancelling(deployment));
            ids.push(deployment.id);
        }
    }
    match (texts.is_empty(), refused) {
        (true, Some(denied)) => return Err(Halted::No(denied)),
        (true, None) => {
            let what = format!("The deployment on `{place}` ended in this moment.");
            let next = format!("See how with `/status {place}`. To take it back: `/rollback {place}`.");
            return Err(Denied::new(ReasonCode::NothingToCancel, what, next).into());
        }
        (false, _) => {}
    }
    ask.bot.deployments_due.notify_one();
    Ok(Answer::said(ReasonCode::Done, texts.join("\n")).noting("deployments", ids))
}

/// The open deployments that are meant, of one environment, oldest first.
pub(super) async fn open(ask: &Ask<'_>, environment: Option<&EnvironmentName>) -> Result<Vec<Deployment>, Halted> {
    let store = &ask.bot.store;
    if let Some(environment) = environment {
        return Ok(store.open_deployments(&ask.key(environment)).await?);
    }
    let mut busy = Vec::new();
    for key in store.environments(ask.comment.repository.id).await? {
        let open = store.open_deployments(&key).await?;
        if !open.is_empty() {
            busy.push(open);
        }
    }
    if busy.len() > 1 {
        ask.allow_look()?;
        let of = |open: &Vec<Deployment>| open.first().map(|one| format!("`/cancel {}`", one.asked.key.environment));
        let names: Vec<String> = busy.iter().filter_map(of).collect();
        let what = "Deployments are open on more than one environment: which one is meant?";
        return Err(Denied::new(ReasonCode::Usage, what, format!("Write {}.", names.join(" or "))).into());
    }
    Ok(busy.pop().unwrap_or_default())
}
