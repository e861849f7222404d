//! What the provider says is live, for `/status`.

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use shipline::cli::environment::{Machine, targets};
use shipline::config::spec::Config;
use shipline::types::EnvironmentName;

use super::opened;
use crate::context::Bot;
use crate::messages::{Live, LiveService};
use crate::policy;
use crate::types::RepositoryRef;

/// How long the provider is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// What runs in an environment now, or why that is not known. Changes nothing and never fails.
pub async fn live(bot: &Bot, repository: &RepositoryRef, config: &Config, environment: &EnvironmentName) -> Live {
    let looking = look(bot, repository, config, environment);
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(Ok(services)) => Live::Known(services),
        Ok(Err(why)) => Live::Unknown(why),
        Err(_) => Live::Unknown(format!("AWS did not answer within {} seconds.", PATIENCE.as_secs())),
    }
}

async fn look(
    bot: &Bot,
    repository: &RepositoryRef,
    config: &Config,
    environment: &EnvironmentName,
) -> Result<Vec<LiveService>, String> {
    let spec = policy::environment(config, environment).map_err(|denied| denied.what)?;
    let session = opened::session(bot, repository, environment, spec).await.map_err(|denied| denied.what)?;
    let services: Vec<_> = spec.services.keys().cloned().collect();
    let targets = targets(Path::new("/nonexistent"), Machine::Foreign, Some(&session), spec, &services, None)
        .map_err(|problem| problem.what)?;
    let asked = join_all(targets.iter().map(async |(name, target)| (name.clone(), target.past().await)));
    let mut found = Vec::new();
    for (name, answer) in asked.await {
        let past = answer.map_err(|error| format!("{name}: {error}"))?;
        let revision = past.live;
        found.push(LiveService { name, revision: revision.name, commit: revision.commit, id: revision.id });
    }
    Ok(found)
}
