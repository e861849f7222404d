//! What is live and what was good before.
//!
//! ECS remembers successful service deployments for 90 days; where that cannot be had, the family's
//! earlier task definitions have to do, and people are told that nobody proved those.

use aws_sdk_ecs::types as sdk;
use futures_util::future::join_all;

use super::EcsTarget;
use super::facts::{self, Found};
use super::live::{Live, RolloutState};
use super::raw::{self, short};
use super::truth;
use crate::aws::failure;
use crate::engine::{Past, PastRevision, TargetError};
use crate::types::Timestamp;

/// How many earlier revisions are described.
const MOST: usize = 5;
/// How many ARNs `DescribeServiceRevisions` takes.
const REVISIONS: usize = 20;

impl EcsTarget {
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
        let live = self.must_live().await?;
        let mut notices = Vec::new();
        let mut by_deployments = self.served(&live, most).await?;
        let at = by_deployments.iter().position(|(arn, _)| *arn == live.definition);
        let since = at.and_then(|at| by_deployments.remove(at).1);
        let earlier = if by_deployments.is_empty() {
            let why = self
                .asking
                .without()
                .map_or("ECS lists no earlier service deployment", |_| "Service deployments cannot be read here");
            let earlier = self.family_before(&live).await?;
            if !earlier.is_empty() {
                notices.push(format!(
                    "{why}; these are the family's earlier task definitions, which may never have served."
                ));
            }
            earlier
        } else {
            by_deployments
        };
        let container = self.spec.container.as_deref();
        let current = raw::describe(&self.patient, &live.definition).await?;
        let described = join_all(earlier.iter().take(most).map(|(arn, _)| raw::describe(&self.patient, arn))).await;
        let mut good = Vec::new();
        for ((arn, since), known) in earlier.iter().zip(described) {
            match known {
                Ok(known) => {
                    let revision = facts::revision(&known, container, Found::AtRest);
                    good.push(PastRevision { revision, since: *since });
                }
                Err(failure) => notices.push(format!("{} cannot be read: {}", short(arn), failure.message)),
            }
        }
        Ok((Past { live: facts::revision(&current, container, Found::AtRest), good, notices }, since))
    }

    /// Task definitions of successful deployments, newest first, each once, the live one included.
    async fn served(&self, live: &Live, most: usize) -> Result<Vec<(String, Option<Timestamp>)>, TargetError> {
        let successful = sdk::ServiceDeploymentStatus::Successful;
        let listed = truth::list(&self.patient, &self.spec.cluster, &self.spec.service, Some(successful)).await;
        let listed = match listed {
            Ok(listed) => listed,
            Err(failure) => self.asking.sort(failure).map(|()| Vec::new())?,
        };
        let mut found: Vec<(String, Option<Timestamp>)> = Vec::new();
        for some in listed.chunks(REVISIONS) {
            let targets = some.iter().filter_map(|brief| brief.target.clone()).collect();
            let revisions = match truth::revisions(&self.patient, targets).await {
                Ok(revisions) => revisions,
                Err(failure) => self.asking.sort(failure).map(|()| Vec::new())?,
            };
            for brief in some {
                let known = revisions.iter().find(|revision| Some(&revision.arn) == brief.target.as_ref());
                let Some(known) = known else { continue };
                if !found.iter().any(|(arn, _)| *arn == known.definition) {
                    let since = known.created.and_then(|at| Timestamp::from_second(at).ok());
                    found.push((known.definition.clone(), since));
                }
            }
            let earlier = found.iter().filter(|(arn, _)| *arn != live.definition).count();
            if earlier >= most {
                break;
            }
        }
        Ok(found)
    }

    /// Active task definitions of the family below the live one, newest first, without those that failed.
    async fn family_before(&self, live: &Live) -> Result<Vec<(String, Option<Timestamp>)>, TargetError> {
        let (family, number) = numbered(&live.definition);
        let asked = self
            .patient
            .list_task_definitions()
            .family_prefix(family)
            .status(sdk::TaskDefinitionStatus::Active)
            .sort(sdk::SortOrder::Desc)
            .send()
            .await;
        let answer = asked.map_err(|error| failure("ecs:ListTaskDefinitions", &error))?;
        let failed = |arn: &str| {
            live.rollouts.iter().any(|known| known.definition == arn && known.state == RolloutState::Failed)
        };
        let earlier = answer.task_definition_arns().iter().filter(|arn| {
            let (own, other) = numbered(arn);
            own == family && other < number && !failed(arn)
        });
        Ok(earlier.map(|arn| (arn.clone(), None)).collect())
    }
}

/// Family and revision number of a task definition ARN.
fn numbered(arn: &str) -> (&str, u64) {
    let name = short(arn);
    name.rsplit_once(':').map_or((name, 0), |(family, number)| (family, number.parse().unwrap_or(0)))
}
