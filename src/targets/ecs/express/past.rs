//! What is live and what was good before.
//!
//! ECS remembers successful service deployments for 90 days, each with the task definition it ran.
//! What a task definition does not say (health check path, scaling, network) is taken from now.

use aws_sdk_ecs::types::ServiceDeploymentStatus::Successful;
use futures_util::future::join_all;

use super::ExpressTarget;
use super::MAIN;
use super::facts;
use super::raw::{Configuration, Known};
use super::settings;
use crate::engine::{Past, PastRevision, ProviderFailure, TargetError};
use crate::targets::ecs::facts::Found;
use crate::targets::ecs::raw::{describe, short};
use crate::targets::ecs::render;
use crate::targets::ecs::same;
use crate::targets::ecs::truth::{self, ServiceRevision};
use crate::types::Timestamp;

/// How many earlier revisions are described for a rollback.
const MOST: usize = 5;
/// How many ARNs `DescribeServiceRevisions` takes.
const REVISIONS: usize = 20;

impl ExpressTarget {
    pub(super) async fn read_past(&self) -> Result<Past, TargetError> {
        self.read(MOST).await.map(|(past, _)| past)
    }

    /// The live one and the good ones before it, each with the time since when it served.
    pub(super) async fn read_history(&self, last: usize) -> Result<Past, TargetError> {
        let (past, since) = self.read(last.saturating_sub(1)).await?;
        Ok(past.with_live(since, last))
    }

    /// At most that many good ones, and since when the live one serves.
    async fn read(&self, most: usize) -> Result<(Past, Option<Timestamp>), TargetError> {
        let now = self.now().await?;
        let served = self.served(&now.current, most).await?;
        let mut notices = Vec::new();
        if served.is_empty()
            && let Some(without) = self.ecs.asking.without()
        {
            notices.push(without.notice().to_owned());
        }
        let read = join_all(served.iter().take(most).map(|known| self.earlier(known, &now.known, &now.current))).await;
        let mut good = Vec::new();
        for (served, known) in served.iter().zip(read) {
            match known {
                // After a way back, the same configuration stands there under two numbers.
                Ok(known) if same::same(&known.settings, &now.current.settings) => {}
                Ok(known) => {
                    let since = served.created.and_then(|at| Timestamp::from_second(at).ok());
                    good.push(PastRevision { revision: facts::revision(&known, Found::AtRest), since });
                }
                Err(failure) => {
                    notices.push(format!("{} cannot be read: {}", short(&served.definition), failure.message));
                }
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970 are whole for what is told")]
        let since = Timestamp::from_second(now.current.created as i64).ok();
        Ok((Past { live: facts::revision(&now.current, Found::AtRest), good, notices }, since))
    }

    /// Revisions of successful deployments, newest first, each task definition once, without the live one.
    async fn served(&self, live: &Configuration, most: usize) -> Result<Vec<ServiceRevision>, TargetError> {
        let (cluster, service) = (&self.ecs.spec.cluster, &self.ecs.spec.service);
        let listed = match truth::list(&self.ecs.patient, cluster, service, Some(Successful)).await {
            Ok(listed) => listed,
            Err(failure) => self.ecs.asking.sort(failure).map(|()| Vec::new())?,
        };
        let targets: Vec<String> = listed.into_iter().filter_map(|brief| brief.target).collect();
        let mut found: Vec<ServiceRevision> = Vec::new();
        for some in targets.chunks(REVISIONS) {
            let revisions = match truth::revisions(&self.ecs.patient, some.to_vec()).await {
                Ok(revisions) => revisions,
                Err(failure) => self.ecs.asking.sort(failure).map(|()| Vec::new())?,
            };
            for target in some.iter().filter(|target| **target != live.revision) {
                let Some(known) = revisions.iter().find(|known| known.arn == *target) else { continue };
                let new = !found.iter().any(|other| other.definition == known.definition);
                if new && known.definition != live.definition {
                    found.push(known.clone());
                }
            }
            if found.len() >= most {
                break;
            }
        }
        Ok(found)
    }

    /// The configuration of an earlier service revision.
    pub(super) async fn earlier(
        &self,
        revision: &ServiceRevision,
        known: &Known,
        base: &Configuration,
    ) -> Result<Configuration, ProviderFailure> {
        if let Some(active) = known.of_revision(&revision.arn) {
            return Ok(active.clone());
        }
        let definition = describe(&self.ecs.patient, &revision.definition).await?;
        let content = render::content(&definition);
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 stay far below 2^53")]
        let created = revision.created.map_or(0.0, |at| at as f64);
        Ok(Configuration {
            revision: revision.arn.clone(),
            definition: revision.definition.clone(),
            settings: settings::of_definition(&content, MAIN, &base.settings),
            endpoint: base.endpoint.clone(),
            created,
        })
    }
}
