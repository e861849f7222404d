//! Jobs that wait for a custom deployment protection rule: their answer.

use serde::Deserialize;
use serde_json::json;
use shipline::github::{Method, Repeat, Request};
use shipline::problem::Problem;
use shipline::types::EnvironmentName;

use super::{Hub, outbound};
use crate::types::{Actor, RunId, UserId};

#[derive(Deserialize)]
struct Run {
    actor: Option<User>,
    triggering_actor: Option<User>,
}

#[derive(Deserialize)]
struct User {
    id: u64,
    login: String,
}

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

    /// Who started a run, or started it again; nothing when there is no such run.
    pub async fn starter(&self, run: RunId) -> Result<Option<Actor>, Problem> {
        let request = Request::get("tell who started the run", self.path(&format!("/actions/runs/{run}")));
        let answer = self.connection().send(&request.accepting(&[404])).await?;
        if answer.status() != 200 {
            return Ok(None);
        }
        let run: Run = answer.read()?;
        let by = run.triggering_actor.or(run.actor);
        Ok(by.map(|by| Actor { id: UserId::new(by.id), login: by.login }))
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
