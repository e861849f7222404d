//! Hands a decided deployment to the store, which says whether it is next, waits, or must not be; and
//! tells those who see nothing of it otherwise: one that waits, and one whose place was taken.
//!
//! The comment of a deployment is its worker's. Before its turn nobody works on it, so its first text
//! is written here, with the marker the worker looks for.

use std::collections::BTreeMap;

use shipline::engine::clock;
use shipline::problem::Problem;
use shipline::types::Timestamp;
use tracing::warn;

use super::ask::{Answer, Ask, Halted};
use crate::decision::{Denied, ReasonCode, busy};
use crate::messages::{self, Shown, Stand, deployment_marker};
use crate::store::{Asked, Deployment, DeploymentKind, Enqueued, NewDeployment, QueueRule, Stage};
use crate::types::DeploymentId;

pub(super) async fn hand_in(ask: &Ask<'_>, asked: Asked, rule: QueueRule) -> Result<Answer, Halted> {
    let (key, kind) = (asked.key.clone(), asked.kind.clone());
    let handed = ask.bot.store.enqueue(&NewDeployment { asked }, rule, clock::now()).await?;
    let answer = match handed {
        Enqueued::Next(id) => Answer::silent(ReasonCode::Allowed).noting("deployment", id),
        Enqueued::Known(id) => {
            // An earlier try may have ended between the store and the comment.
            announced(ask, id, Written::Perhaps).await;
            Answer::silent(ReasonCode::Allowed).noting("deployment", id)
        }
        Enqueued::Behind { id, running, replaced } => {
            for gone in &replaced {
                dropped(ask, gone, &kind).await;
            }
            announced(ask, id, Written::Never).await;
            Answer::silent(ReasonCode::Queued).noting("deployment", id).noting("behind", running.id)
        }
        Enqueued::Same(other) => {
            Answer::said(ReasonCode::AlreadyRunning, messages::already(&other)).noting("deployment", other.id)
        }
        Enqueued::Busy(other) => return Err(busy(&key.environment, &other, clock::now()).into()),
    };
    ask.bot.deployments_due.notify_one();
    Ok(answer)
}

/// Whether a comment may stand there already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Written {
    Never,
    Perhaps,
}

/// Writes the comment of a deployment that waits for its turn. It is handed in already: whatever
/// GitHub does not take now is written by its worker.
async fn announced(ask: &Ask<'_>, id: DeploymentId, written: Written) {
    if let Err(halted) = announce(ask, id, written).await {
        warn!(deployment_id = %id, ?halted, "a waiting deployment could not be announced");
    }
}

async fn announce(ask: &Ask<'_>, id: DeploymentId, written: Written) -> Result<(), Halted> {
    let Some(waiting) = ask.bot.store.deployment(id).await? else { return Ok(()) };
    let open = ask.bot.store.open_deployments(&waiting.asked.key).await?;
    let Some(behind) = open.iter().take_while(|other| other.id != id).last() else { return Ok(()) };
    if waiting.state.stage != Stage::Waiting || waiting.state.report.is_some() {
        return Ok(());
    }
    if written == Written::Perhaps {
        let marker = deployment_marker(id);
        if ask.hub.find_comment(waiting.asked.issue, &marker, waiting.created).await?.is_some() {
            return Ok(());
        }
    }
    let body = shown(ask, &waiting, Stand::Waiting { behind: Some(behind) }, clock::now());
    let comment = ask.hub.comment(waiting.asked.issue, &body).await?;
    // Its turn may have come in that moment: then its worker wrote another one, which counts.
    let now = ask.bot.store.deployment(id).await?;
    if now.and_then(|now| now.state.report).is_some_and(|other| other != comment) {
        ask.hub.minimize(comment).await?;
    }
    Ok(())
}

/// Tells whoever waited that it will not run. What GitHub does not take is not worth failing for:
/// the store knows it, `/history` shows it.
async fn dropped(ask: &Ask<'_>, gone: &Deployment, by: &DeploymentKind) {
    if let Err(problem) = tell_dropped(ask, gone, by).await {
        warn!(deployment_id = %gone.id, problem = %problem.what, "a replaced deployment could not be told");
    }
}

async fn tell_dropped(ask: &Ask<'_>, gone: &Deployment, by: &DeploymentKind) -> Result<(), Problem> {
    let denied = replaced(gone, &ask.comment.author.login, ask.comment.issue, by);
    let body = shown(ask, gone, Stand::Refused(&denied), clock::now());
    let report = match gone.state.report {
        Some(report) => Some(report),
        None => ask.hub.find_comment(gone.asked.issue, &deployment_marker(gone.id), gone.created).await?,
    };
    if let Some(report) = report
        && ask.hub.edit(report, &body).await?
    {
        return Ok(());
    }
    ask.hub.comment(gone.asked.issue, &body).await.map(|_| ())
}

fn replaced(gone: &Deployment, login: &str, issue: u64, by: &DeploymentKind) -> Denied {
    let environment = &gone.asked.key.environment;
    let (code, what) = match by {
        DeploymentKind::Deploy { .. } => (
            ReasonCode::Replaced,
            format!("A newer command of `{login}` in `#{issue}` took its place in the queue of `{environment}`."),
        ),
        DeploymentKind::Rollback { .. } => (
            ReasonCode::Cancelled,
            format!("`{login}` rolled `{environment}` back in `#{issue}`, so nothing that waited is deployed."),
        ),
    };
    Denied::new(code, what, "Comment again if it is still wanted. Nothing was changed for this one.")
}

fn shown(ask: &Ask<'_>, deployment: &Deployment, stand: Stand<'_>, now: Timestamp) -> String {
    let progress = BTreeMap::new();
    let server_url = &ask.bot.server_url;
    messages::deployment(&Shown { deployment, stand, progress: &progress, server_url, now })
}
