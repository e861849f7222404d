//! Jobs that wait for a custom deployment protection rule: their answer.

use serde_json::json;
use shipline::github::{Method, Repeat, Request};
use shipline::problem::Problem;
use shipline::types::EnvironmentName;

use super::{Hub, outbound};
use crate::types::RunId;

/// What GitHub is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reviewed {
    /// The job may go on.
    Approved,
    /// It may not.
    Rejected,
}

impl Reviewed {
    /// GitHub's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

impl Hub {
    /// The address at which a run's rule is answered, as payloads name it.
    pub fn rule_address(&self, run: RunId) -> String {
        format!("{}{}", self.connection().api().trim_end_matches('/'), self.rule_path(run))
    }

    fn rule_path(&self, run: RunId) -> String {
        self.path(&format!("/actions/runs/{run}/deployment_protection_rule"))
    }

    /// Answers a job that waits. False when it waits no more: it was answered, cancelled or deleted.
    pub async fn review_rule(
        &self,
        run: RunId,
        environment: &EnvironmentName,
        review: Reviewed,
        why: &str,
    ) -> Result<bool, Problem> {
        let body = json!({
            "environment_name": environment.as_str(), "state": review.word(),
            "comment": outbound::text(&self.app.redactor, why, outbound::SUMMARY),
        });
        // The same answer twice is one: GitHub takes only the first.
        let request = Request::new(Method::Post, "answer the job that waits", self.rule_path(run))
            .body(body)
            .repeat(Repeat::Harmless)
            .accepting(&[404, 410, 422]);
        Ok(self.connection().send(&request).await?.status() < 300)
    }
}
