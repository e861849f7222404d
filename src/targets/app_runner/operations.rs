//! The operations of a service: what decides, whatever the service's status reads.
//!
//! A service reads RUNNING after a rolled-back operation just as after a good one; only the
//! operation tells them apart (App Runner API reference, `OperationSummary`).

use aws_sdk_apprunner::Client;

use crate::aws::failure;
use crate::engine::ProviderFailure;
use crate::types::Timestamp;

/// How an operation stands. A status not known here counts as running: only a known end ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Running,
    Succeeded,
    Failed,
    RollingBack,
    RolledBack,
    RollbackFailed,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) id: String,
    /// `UPDATE_SERVICE`, `START_DEPLOYMENT`, …
    pub(super) kind: String,
    pub(super) status: Status,
    /// The status in the provider's word.
    pub(super) word: String,
    pub(super) started: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
}

/// Operations, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operations(Vec<Operation>);

impl Operation {
    /// Whether nothing else can be asked of the service while it lasts.
    pub(super) fn is_running(&self) -> bool {
        matches!(self.status, Status::Running | Status::RollingBack)
    }

    /// Whether it replaces the configuration.
    pub(super) fn is_update(&self) -> bool {
        self.kind == "UPDATE_SERVICE"
    }

    /// Whether it runs the present configuration anew.
    pub(super) fn is_deployment(&self) -> bool {
        self.kind == "START_DEPLOYMENT"
    }

    /// Whether it puts something in service, or tries to.
    pub(super) fn is_deploying(&self) -> bool {
        self.is_update() || self.is_deployment() || self.kind == "CREATE_SERVICE"
    }

    /// For people: `UPDATE_SERVICE operation 3f2a… (IN_PROGRESS) since 2026-…`.
    pub(super) fn words(&self) -> String {
        let since = self.started.map_or_else(String::new, |at| format!(" since {at:.0}"));
        format!("{} operation {} ({}){since}", self.kind, self.id, self.word)
    }
}

impl Operations {
    /// These, newest first.
    #[cfg(test)]
    pub(super) fn of(all: Vec<Operation>) -> Self {
        Self(all)
    }

    pub(super) fn newest(&self) -> Option<&Operation> {
        self.0.first()
    }

    /// The running one; App Runner has at most one at a time.
    pub(super) fn running(&self) -> Option<&Operation> {
        self.newest().filter(|newest| newest.is_running())
    }

    /// All of them, newest first.
    pub(super) fn all(&self) -> &[Operation] {
        &self.0
    }

    /// The newest that put something in service or tried to.
    pub(super) fn newest_deploying(&self) -> Option<&Operation> {
        self.0.iter().find(|known| known.is_deploying())
    }

    /// The one before the operation `id`.
    pub(super) fn before(&self, id: &str) -> Option<&Operation> {
        self.0.iter().skip_while(|known| known.id != id).nth(1)
    }

    pub(super) fn find(&self, id: &str) -> Option<&Operation> {
        self.0.iter().find(|known| known.id == id)
    }

    /// Those that started after the operation `id`, or all when it is not known.
    pub(super) fn after(&self, id: Option<&str>) -> &[Operation] {
        let end = id.and_then(|id| self.0.iter().position(|known| known.id == id)).unwrap_or(self.0.len());
        &self.0[..end]
    }
}

/// The operations of the service, newest first: the first page of twenty, and further ones until
/// `until` is found.
pub(super) async fn list(client: &Client, arn: &str, until: Option<&str>) -> Result<Operations, ProviderFailure> {
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let request = client.list_operations().service_arn(arn).max_results(20).set_next_token(token);
        let page = request.send().await.map_err(|error| failure("apprunner:ListOperations", &error))?;
        found.extend(page.operation_summary_list.unwrap_or_default().into_iter().map(operation));
        token = page.next_token;
        let enough = until.is_none_or(|id| found.iter().any(|known: &Operation| known.id == id));
        if token.is_none() || enough {
            return Ok(Operations(found));
        }
    }
}

fn instant(at: aws_sdk_apprunner::primitives::DateTime) -> Option<Timestamp> {
    Timestamp::from_millisecond(at.to_millis().ok()?).ok()
}

fn operation(summary: aws_sdk_apprunner::types::OperationSummary) -> Operation {
    let word = summary.status.map_or_else(String::new, |status| status.as_str().to_owned());
    Operation {
        id: summary.id.unwrap_or_default(),
        kind: summary.r#type.map_or_else(String::new, |kind| kind.as_str().to_owned()),
        status: match word.as_str() {
            "SUCCEEDED" => Status::Succeeded,
            "FAILED" => Status::Failed,
            "ROLLBACK_IN_PROGRESS" => Status::RollingBack,
            "ROLLBACK_SUCCEEDED" => Status::RolledBack,
            "ROLLBACK_FAILED" => Status::RollbackFailed,
            _ => Status::Running,
        },
        word,
        started: summary.started_at.and_then(instant),
        ended: summary.ended_at.and_then(instant),
    }
}
