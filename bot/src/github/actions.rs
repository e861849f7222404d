//! Workflows: started, found again, followed.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use shipline::github::{Method, Pages, Request, encoded_path, query};
use shipline::problem::Problem;
use shipline::types::Timestamp;

use super::{Hub, RunState};
use crate::types::RunId;

/// Whether a title holds the marker as whole words: `shipline 1` is not in `shipline 12`.
fn holds(title: &str, marker: &str) -> bool {
    title
        .match_indices(marker)
        .any(|(at, _)| !title[at + marker.len()..].starts_with(|next: char| next.is_ascii_alphanumeric()))
}

#[derive(Deserialize)]
struct Started {
    workflow_run_id: u64,
}

#[derive(Deserialize)]
struct Runs {
    workflow_runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    id: u64,
    display_title: Option<String>,
    name: Option<String>,
    status: Option<String>,
    conclusion: Option<String>,
    html_url: String,
}

impl Hub {
    /// Starts a workflow on a branch; GitHub tells the run's id. When the answer is lost, or does not
    /// tell it (`github-run-unknown`), the run may have been started: look with [`Hub::find_run`].
    pub async fn dispatch(&self, workflow: &str, branch: &str, inputs: &[(&str, String)]) -> Result<RunId, Problem> {
        let path = self.workflow(workflow, "/dispatches")?;
        let inputs: Map<String, Value> =
            inputs.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str()))).collect();
        let body = json!({ "ref": branch, "inputs": inputs, "return_run_details": true });
        let request = Request::new(Method::Post, format!("start the workflow `{workflow}`"), path).body(body);
        let answer = self.connection().send(&request.accepting(&[404])).await?;
        if answer.status() == 404 {
            // Nothing that passes by itself: trying again does not help.
            return Err(Problem::mistake(
                "github-no-workflow",
                format!("GitHub knows no workflow `{workflow}` in this repository."),
                "Add it to `.github/workflows` of the default branch, or correct its name in the policy.",
            ));
        }
        if answer.status() == 204 {
            return Err(Problem::provider(
                "github-run-unknown",
                format!("GitHub started the workflow `{workflow}` and did not say which run it is."),
                "Look for the run on the repository's Actions page.",
            ));
        }
        let started: Started = answer.read()?;
        Ok(RunId::new(started.workflow_run_id))
    }

    /// A run that this workflow was started with, found by a text in its title, if the answer to
    /// [`Hub::dispatch`] was lost.
    pub async fn find_run(&self, workflow: &str, marker: &str, since: Timestamp) -> Result<Option<RunId>, Problem> {
        // GitHub's clock and ours may differ a little; the marker decides.
        let since = Timestamp::from_second(since.as_second() - 60).unwrap_or(since);
        let created = format!(">={since}");
        let asked = query(&[("event", "workflow_dispatch"), ("created", &created), ("per_page", "100")]);
        let path = self.workflow(workflow, &format!("/runs?{asked}"))?;
        let found = self
            .connection()
            .pages(&Request::get("look for the workflow's run", path), |answer| {
                let page: Runs = answer.read()?;
                let found = page.workflow_runs.iter().find(|run| {
                    [&run.display_title, &run.name].into_iter().flatten().any(|title| holds(title, marker))
                });
                Ok(found.map_or(Pages::More, |run| Pages::Found(run.id)))
            })
            .await?;
        Ok(found.map(RunId::new))
    }

    /// How a run stands.
    pub async fn run(&self, run: RunId) -> Result<RunState, Problem> {
        let path = self.path(&format!("/actions/runs/{run}"));
        let run: Run = self.connection().send(&Request::get("tell how the run stands", path)).await?.read()?;
        Ok(match run.status.as_deref() {
            Some("completed") => RunState::Ended {
                conclusion: run.conclusion.unwrap_or_else(|| "unknown".to_owned()),
                url: run.html_url,
            },
            _ => RunState::Going,
        })
    }

    /// GitHub knows a workflow by its file's name, without the folder all are in.
    fn workflow(&self, workflow: &str, rest: &str) -> Result<String, Problem> {
        let file = workflow.trim_start_matches('/').trim_start_matches(".github/workflows/");
        let file = encoded_path(file).filter(|_| !file.contains('/')).ok_or_else(|| {
            Problem::mistake(
                "github-workflow",
                format!("{workflow:?} cannot be a workflow."),
                "Name the file of a workflow in `.github/workflows`: `build.yml`.",
            )
        })?;
        Ok(self.path(&format!("/actions/workflows/{file}{rest}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_found_by_its_own_number_and_not_by_one_that_begins_so() {
        assert!(holds("Build · shipline 1 · staging", "shipline 1") && holds("shipline 1", "shipline 1"));
        assert!(holds("shipline 12, then shipline 1", "shipline 1"));
        assert!(!holds("shipline 12", "shipline 1") && !holds("Build", "shipline 1"));
    }
}
