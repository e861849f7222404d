//! The log of the service: what its instances write, and what App Runner says about it.

use async_trait::async_trait;
use futures_util::future::try_join;

use super::{AppRunnerTarget, raw};
use crate::engine::{LogLine, Logs, TargetError};
use crate::targets::log_events::{self, Group};
use crate::types::Timestamp;

#[async_trait]
impl Logs for AppRunnerTarget {
    async fn lines(&self, since: Timestamp) -> Result<Vec<LogLine>, TargetError> {
        // A service keeps its id, and with it its groups, for life.
        let groups = self.groups.get_or_try_init(|| async {
            let service = raw::describe(&self.client, self.arn().await?).await?;
            Ok::<_, TargetError>(["application", "service"].map(|kind| service.log_group(kind)))
        });
        let [application, service] = groups.await?;
        let group = |name: &String| Group { region: self.region.to_string(), name: name.clone(), streams: None };
        let (application, service) = (group(application), group(service));
        // `instance/<id>`; `events` and `deployment/<id>` are App Runner's own.
        let instance = |stream: &str| stream.rsplit('/').next().unwrap_or_default().chars().take(8).collect();
        let own = |_: &str| "apprunner".to_owned();
        let (mut lines, more) = try_join(
            log_events::since(&self.config, &application, since, instance),
            log_events::since(&self.config, &service, since, own),
        )
        .await?;
        lines.extend(more);
        Ok(lines)
    }
}
