//! What a test looks at; nothing here changes anything.

use serde_json::{Map, Value, json};

use super::super::GitHub;
use super::super::hooks::Turn;
use super::super::pulls::View;
use super::{Done, Given, Row};
use crate::reply::{rfc3339, text};

pub(super) const ACTS: &[Row] = &[
    ("conversation", &["repository", "issue"], conversation),
    ("deployments", &["repository"], deployments),
    ("runs", &["repository"], runs),
    ("checks", &["repository", "sha"], checks),
    ("look", &["repository", "pull"], look),
    ("deliveries", &["event"], deliveries),
    ("quiet", &[], quiet),
];

/// Every comment, oldest first.
fn conversation(github: &mut GitHub, given: &Given<'_>) -> Done {
    let (full, issue) = (given.repository(), given.needs_number("issue")?);
    github.hosted(&full)?;
    let of_issue = github.repositories[&full].comments.iter().filter(|comment| comment.issue == issue);
    let found = of_issue.map(|comment| {
        let mut reactions: Map<String, Value> = Map::new();
        for one in &comment.reactions {
            let count = reactions.get(&one.content).and_then(Value::as_u64).unwrap_or(0);
            reactions.insert(one.content.clone(), json!(count + 1));
        }
        json!({
            "id": comment.id, "author": github.people.login(comment.author), "body": comment.body,
            "reactions": reactions, "minimized": comment.minimized,
            "created_at": rfc3339(comment.created), "updated_at": rfc3339(comment.updated),
        })
    });
    Ok(found.collect())
}

/// Every deployment, oldest first, with the states it went through.
fn deployments(github: &mut GitHub, given: &Given<'_>) -> Done {
    let known = &github.hosted(&given.repository())?.deployments;
    let document = |one: &super::super::deployments::Deployment| {
        let status = |status: &super::super::deployments::Status| {
            json!({
                "state": text(&status.request, "state"), "description": text(&status.request, "description"),
                "log_url": text(&status.request, "log_url"),
                "environment_url": text(&status.request, "environment_url"), "at": rfc3339(status.at),
            })
        };
        let statuses: Vec<Value> = one.statuses.iter().rev().map(status).collect();
        json!({
            "id": one.id, "sha": one.sha, "environment": one.environment(), "creator": one.creator,
            "description": text(&one.request, "description"), "payload": one.request.get("payload"),
            "created_at": rfc3339(one.created), "statuses": statuses,
        })
    };
    Ok(known.iter().map(document).collect())
}

/// Every workflow run, oldest first.
fn runs(github: &mut GitHub, given: &Given<'_>) -> Done {
    let actions = &github.hosted(&given.repository())?.actions;
    let document = |run: &super::super::actions::Run| {
        let file = actions.workflow(&run.workflow.to_string()).map(|workflow| workflow.file.clone());
        json!({
            "id": run.id, "workflow": file, "branch": run.branch, "sha": run.sha, "inputs": run.inputs,
            "title": run.title, "status": run.status, "conclusion": run.conclusion,
        })
    };
    Ok(actions.runs.iter().map(document).collect())
}

/// The latest check runs of a commit.
fn checks(github: &mut GitHub, given: &Given<'_>) -> Done {
    let full = given.repository();
    let asked = given.needs("sha")?.to_owned();
    let sha = github.hosted(&full)?.resolve(&asked).ok_or_else(|| format!("no commit {asked}"))?;
    let latest = github.repositories[&full].latest_checks(&sha);
    let shown = |run: &super::super::checks::CheckRun| {
        let mut document = github.check_document(&full, run);
        // The API does not tell them; people see them.
        document["buttons"] = json!(run.buttons);
        document
    };
    Ok(latest.into_iter().map(shown).collect())
}

/// A pull request as the API shows it.
fn look(github: &mut GitHub, given: &Given<'_>) -> Done {
    let (full, number) = (given.repository(), given.needs_number("pull")?);
    let found = github.pull_document(&full, number, View::Api, given.now);
    found.ok_or_else(|| format!("no pull request {number} in {full}"))
}

/// Every attempt of a webhook, oldest first, with what was sent.
#[expect(clippy::unnecessary_wraps, reason = "every act may be refused; this one never is")]
fn deliveries(github: &mut GitHub, given: &Given<'_>) -> Done {
    let wanted = given.text("event");
    let fits = |attempt: &&super::super::hooks::Attempt| wanted.is_none_or(|event| event == attempt.message.event);
    let found = github.hooks.attempts.iter().filter(fits).map(|attempt| {
        let mut document = json!(attempt.seen());
        document["recorded"] = json!(attempt.turn != Turn::Unrecorded);
        document["payload"] = serde_json::from_str(&attempt.message.payload).unwrap_or_default();
        document
    });
    Ok(found.collect())
}

/// Whether every webhook was sent.
#[expect(clippy::unnecessary_wraps, reason = "every act may be refused; this one never is")]
fn quiet(github: &mut GitHub, _: &Given<'_>) -> Done {
    Ok(json!({"quiet": github.hooks.is_quiet(), "waiting": github.hooks.waiting.len()}))
}
