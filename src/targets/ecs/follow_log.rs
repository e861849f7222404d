//! The log of the service: the CloudWatch groups that its live task definition writes to.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::try_join_all;
use serde_json::Value;

use super::EcsTarget;
use super::{raw, render};
use crate::engine::{LogLine, Logs, TargetError, clock};
use crate::problem::Problem;
use crate::targets::log_events::{self, Group};
use crate::types::Timestamp;

/// How long the groups are taken for known: a deployment may bring others.
const KNOWN: Duration = Duration::from_secs(30);

/// The groups, and when they were found.
pub(super) type Groups = std::sync::Mutex<Option<(Instant, Vec<Group>)>>;

#[async_trait]
impl Logs for EcsTarget {
    async fn lines(&self, since: Timestamp) -> Result<Vec<LogLine>, TargetError> {
        let groups = self.log_groups().await?;
        let reads = groups.iter().map(|group| log_events::since(&self.config, group, since, short_stream));
        Ok(try_join_all(reads).await?.into_iter().flatten().collect())
    }
}

impl EcsTarget {
    async fn log_groups(&self) -> Result<Vec<Group>, TargetError> {
        let known = self.memory.groups.lock().ok().and_then(|known| known.clone());
        if let Some((at, groups)) = known
            && clock::instant() - at < KNOWN
        {
            return Ok(groups);
        }
        let live = self.must_live().await?;
        let definition = raw::describe(&self.patient, &live.definition).await?;
        let mut groups = BTreeSet::new();
        for container in render::containers(&definition.raw) {
            let Some(log) = container.get("logConfiguration") else { continue };
            let option = |name: &str| log.get("options")?.get(name)?.as_str().map(str::to_owned);
            let awslogs = log.get("logDriver").and_then(Value::as_str) == Some("awslogs");
            let (true, Some(name)) = (awslogs, option("awslogs-group")) else { continue };
            let container = container.get("name").and_then(Value::as_str).unwrap_or_default();
            // Other services may write into the same group; the prefix tells them apart.
            let streams = option("awslogs-stream-prefix").map(|prefix| format!("{prefix}/{container}/"));
            let region = option("awslogs-region").unwrap_or_else(|| self.region.clone());
            groups.insert(Group { region, name, streams });
        }
        if groups.is_empty() {
            let what = format!("no container of {} writes to CloudWatch Logs", definition.name());
            let next = "Give a container the log driver `awslogs`, or read its log where its driver sends it.";
            return Err(TargetError::Refused(Box::new(Problem::refused("no-log-group", what, next))));
        }
        let groups: Vec<Group> = groups.into_iter().collect();
        if let Ok(mut known) = self.memory.groups.lock() {
            *known = Some((clock::instant(), groups.clone()));
        }
        Ok(groups)
    }
}

/// `prefix/container/task` as `container/7a42e389`.
fn short_stream(stream: &str) -> String {
    let mut parts = stream.rsplit('/');
    let task: String = parts.next().unwrap_or_default().chars().take(8).collect();
    parts.next().map_or_else(|| task.clone(), |container| format!("{container}/{task}"))
}
