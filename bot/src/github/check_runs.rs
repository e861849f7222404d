//! Check runs on a commit.

use serde::Deserialize;
use serde_json::{Value, json};
use shipline::github::{Method, Request};
use shipline::problem::Problem;

use super::{Button, CheckRun, Hub, outbound};

#[derive(Deserialize)]
struct Made {
    id: u64,
}

impl Hub {
    /// Makes a check run; returns its id.
    pub async fn create_check_run(&self, run: &CheckRun) -> Result<u64, Problem> {
        let mut body = self.shown(run);
        body["head_sha"] = json!(run.sha);
        let request = Request::new(Method::Post, "make the check run", self.path("/check-runs")).body(body);
        let made: Made = self.connection().send(&request).await?.read()?;
        Ok(made.id)
    }

    /// Changes a check run.
    pub async fn update_check_run(&self, id: u64, run: &CheckRun) -> Result<(), Problem> {
        let path = self.path(&format!("/check-runs/{id}"));
        let request = Request::new(Method::Patch, "change the check run", path).body(self.shown(run));
        self.connection().send(&request).await.map(|_| ())
    }

    fn shown(&self, run: &CheckRun) -> Value {
        let redactor = &self.app.redactor;
        let mut body = json!({
            "name": run.name,
            "output": {
                "title": outbound::line(redactor, &run.title, outbound::TITLE),
                "summary": outbound::text(redactor, &run.summary, outbound::SUMMARY),
            },
        });
        let button = |button: &Button| {
            json!({
                "label": button.label, "description": button.description, "identifier": button.identifier,
            })
        };
        body["actions"] = run.buttons.iter().map(button).collect();
        match &run.conclusion {
            // GitHub notes the time itself.
            Some(conclusion) => {
                body["status"] = json!("completed");
                body["conclusion"] = json!(conclusion);
            }
            None => body["status"] = json!("in_progress"),
        }
        if let Some(url) = &run.details_url {
            body["details_url"] = json!(url);
        }
        body
    }
}
