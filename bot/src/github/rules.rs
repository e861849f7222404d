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
    status: Option<String>,
    #[serde(default, rename = "run_attempt")]
    attempt: u64,
    check_suite_id: Option<u64>,
    actor: Option<User>,
    triggering_actor: Option<User>,
}

#[derive(Deserialize)]
struct User {
    id: u64,
    login: String,
}

/// A run of a workflow, as GitHub shows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSeen {
    /// Who started it, or started it again.
    pub starter: Option<Actor>,
    /// The how-manieth attempt it is.
    pub attempt: u64,
    /// The check suite of its jobs.
    pub suite: Option<u64>,
    /// Whether it goes on.
    pub stands: RunStands,
}

/// Whether a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunStands {
    /// It does, or waits.
    Open,
    /// It has ended or was cancelled.
    Over,
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

    /// A run; nothing when there is no such run.
    pub async fn run_of_job(&self, run: RunId) -> Result<Option<RunSeen>, Problem> {
        let request = Request::get("tell how the run stands", self.path(&format!("/actions/runs/{run}")));
        let answer = self.connection().send(&request.accepting(&[404])).await?;
        if answer.status() != 200 {
            return Ok(None);
        }
        let run: Run = answer.read()?;
        let by = run.triggering_actor.or(run.actor);
        Ok(Some(RunSeen {
            starter: by.map(|by| Actor { id: UserId::new(by.id), login: by.login }),
            attempt: run.attempt,
            suite: run.check_suite_id,
            stands: if run.status.as_deref() == Some("completed") { RunStands::Over } else { RunStands::Open },
        }))
    }

    /// Says how it stands with a job that waits. It goes on waiting; GitHub takes ten such
    /// texts for a deployment, of 1,024 characters each.
    pub async fn report_rule(&self, run: RunId, environment: &EnvironmentName, what: &str) -> Result<(), Problem> {
        let body = json!({
            "environment_name": environment.as_str(),
            "comment": outbound::text(&self.app.redactor, what, outbound::REPORT),
        });
        // Said twice it stands there twice, which harms nobody.
        let request = Request::new(Method::Post, "say why the job waits", self.rule_path(run))
            .body(body)
            .repeat(Repeat::Harmless)
            .accepting(&[404, 410, 422]);
        self.connection().send(&request).await.map(|_| ())
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
            "comment": outbound::text(&self.app.redactor, why, outbound::REPORT),
        });
        // The same answer twice is one: GitHub takes only the first.
        let request = Request::new(Method::Post, "answer the job that waits", self.rule_path(run))
            .body(body)
            .repeat(Repeat::Harmless)
            .accepting(&[404, 410, 422]);
        Ok(self.connection().send(&request).await?.status() < 300)
    }
}
