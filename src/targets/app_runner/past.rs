//! What is live and what was good before.

use super::AppRunnerTarget;
use super::record::Record;
use crate::engine::{Past, PastRevision, TargetError};

impl AppRunnerTarget {
    pub(super) async fn remember(&self) -> Result<Past, TargetError> {
        let (live, operations) = self.look(None).await?;
        if !live.runs_image() {
            return self.remember_source(&live, &operations).await;
        }
        let mut notices = Vec::new();
        let record = match Record::read(&self.client, self.arn().await?).await {
            Ok(record) => record,
            Err(failure) => {
                notices.push(format!("the service's tags cannot be read, so its past is not known: {failure}"));
                Record::default()
            }
        };
        if let Some(running) = operations.running() {
            notices.push(format!("{} is under way", running.words()));
        }
        let configuration = live.configuration();
        let good: Vec<_> =
            record.good(&configuration).into_iter().map(|revision| PastRevision { revision, since: None }).collect();
        if good.is_empty() && notices.is_empty() {
            notices.push(
                "App Runner keeps no earlier revisions, and no deployment by Shipline has recorded one on this \
                 service yet; to go back, deploy an earlier image"
                    .to_owned(),
            );
        } else if !good.is_empty() {
            notices.push(
                "App Runner keeps no earlier revisions: an earlier image runs with the present settings".to_owned(),
            );
        }
        Ok(Past { live: record.revision(&configuration), good, notices })
    }
}
