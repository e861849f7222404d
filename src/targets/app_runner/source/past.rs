//! What serves and what was good before, of a service that App Runner builds.

use super::super::AppRunnerTarget;
use super::super::operations::Operations;
use super::super::record::Record;
use super::super::service::Service;
use super::served::{good, serving};
use crate::engine::{Past, PastRevision, TargetError};
use crate::types::CommitSha;

/// How many good releases are told.
const TOLD: usize = 10;

impl AppRunnerTarget {
    pub(in super::super) async fn remember_source(
        &self,
        service: &Service,
        operations: &Operations,
    ) -> Result<Past, TargetError> {
        let mut notices = Vec::new();
        let record = Record::read(&self.client, self.arn().await?).await.unwrap_or_else(|failure| {
            notices.push(format!("the service's tags cannot be read, so less of its past is known: {failure}"));
            Record::default()
        });
        if let Some(running) = operations.running() {
            notices.push(format!("{} is under way", running.words()));
        }
        let live = service.configuration();
        let pushes = self.pushes(&live.source()).await;
        let serves = serving(operations, &record, &pushes);
        if serves.is_none() {
            notices.push(
                "which commit serves is not known: App Runner does not tell, and its branch moved since".to_owned(),
            );
        }
        let mut commits: Vec<CommitSha> = good(operations, &record, &pushes);
        commits.retain(|commit| Some(*commit) != serves);
        commits.truncate(TOLD);
        // Releases come from the configured branch; the rollback branch only carries them back.
        let built = self.spec.branch.as_deref().map_or_else(|| live.clone(), |branch| live.with_branch(branch));
        let good: Vec<PastRevision> =
            commits.iter().map(|commit| PastRevision { revision: built.built(Some(*commit)), since: None }).collect();
        if good.is_empty() {
            notices.push(
                "no earlier commit is known to have been good here: App Runner keeps none, and no deployment by \
                 Shipline has recorded one on this service yet"
                    .to_owned(),
            );
        } else {
            notices.push(
                "App Runner keeps no build: an earlier commit is built anew, with the present settings".to_owned(),
            );
        }
        Ok(Past { live: live.built(serves), good, notices })
    }
}
