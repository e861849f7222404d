//! Commits on branches, rules for branches, checks and statuses.

use std::collections::BTreeMap;

use serde_json::json;

use super::super::GitHub;
use super::super::branches::{Protection, RequiredCheck, Ruleset, Stale, UpToDate};
use super::super::checks::{CheckRun, GITHUB_ACTIONS, Status};
use super::super::code::{Commit, fresh_sha};
use super::{Done, Given, Row, said};

pub(super) const ACTS: &[Row] = &[
    ("commit", &["repository", "branch", "files", "message", "author", "from", "sha"], commit),
    ("protect", &["repository", "branch", "checks", "up_to_date", "reviews", "stale"], protect),
    ("ruleset", &["repository", "branch", "checks", "up_to_date", "reviews", "stale"], ruleset),
    ("check", &["repository", "sha", "name", "status", "conclusion", "app", "suite"], check),
    ("status", &["repository", "sha", "context", "state", "description", "who"], status),
    ("press", &["repository", "check", "identifier", "who"], press),
];

impl GitHub {
    /// A new commit on a branch, on top of `parent`.
    pub(super) fn new_commit(
        &mut self,
        full: &str,
        branch: &str,
        parent: Option<String>,
        given: &Given<'_>,
        visible: u64,
    ) -> Result<String, String> {
        let number = self.ids.number();
        let message = given.text("message").map_or_else(|| format!("Change {number}"), str::to_owned);
        let sha = given.sha()?.unwrap_or_else(|| fresh_sha(number, &message));
        let author = given.text("author").or_else(|| given.text("who")).unwrap_or("octocat").to_owned();
        let files: BTreeMap<String, String> = given.shape("files")?.unwrap_or_default();
        let repository = self.hosted(full)?;
        if repository.commit(&sha).is_some() {
            return Err(format!("{full} has a commit {sha} already"));
        }
        let parents = parent.into_iter().collect();
        Ok(repository.add_commit(branch, Commit { sha, message, author, parents, files, at: given.now, visible }))
    }
}

/// On a branch (the default one), which is made from `from` when it is new.
fn commit(github: &mut GitHub, given: &Given<'_>) -> Done {
    let full = given.repository();
    let repository = github.hosted(&full)?;
    let branch = given.text("branch").unwrap_or(&repository.default_branch).to_owned();
    let from = given.text("from").unwrap_or(&repository.default_branch).to_owned();
    let parent = repository.references.get(&branch).cloned().or_else(|| repository.resolve(&from));
    let sha = github.new_commit(&full, &branch, parent, given, 0)?;
    Ok(json!({"sha": sha}))
}

fn rules(github: &mut GitHub, given: &Given<'_>) -> Result<(String, Protection), String> {
    let full = given.repository();
    let repository = github.hosted(&full)?;
    let branch = given.text("branch").unwrap_or(&repository.default_branch).to_owned();
    let rules = Protection {
        checks: given.shape::<Vec<RequiredCheck>>("checks")?.unwrap_or_default(),
        up_to_date: given.shape::<UpToDate>("up_to_date")?.unwrap_or_default(),
        reviews: given.shape("reviews")?.unwrap_or_default(),
        stale: given.shape::<Stale>("stale")?.unwrap_or_default(),
    };
    Ok((branch, rules))
}

fn protect(github: &mut GitHub, given: &Given<'_>) -> Done {
    let (branch, rules) = rules(github, given)?;
    github.hosted(&given.repository())?.protection.insert(branch, rules);
    Ok(json!({}))
}

fn ruleset(github: &mut GitHub, given: &Given<'_>) -> Done {
    let (branch, rules) = rules(github, given)?;
    let id = github.ids.number();
    github.hosted(&given.repository())?.rulesets.push(Ruleset { id, branch, rules });
    Ok(json!({"id": id}))
}

/// A new run of a check; with the same name and suite it is a rerun.
fn check(github: &mut GitHub, given: &Given<'_>) -> Done {
    let full = given.repository();
    let name = given.needs("name")?.to_owned();
    let asked = given.needs("sha")?;
    let sha = github.hosted(&full)?.resolve(asked).ok_or_else(|| format!("no commit {asked}"))?;
    let app = given.number("app").unwrap_or(GITHUB_ACTIONS);
    let suite = match given.number("suite") {
        Some(suite) => suite,
        None => github.suite(&full, &sha, app),
    };
    let id = github.ids.number();
    let mut run = CheckRun {
        id,
        sha,
        name,
        app,
        suite,
        status: "queued".to_owned(),
        conclusion: None,
        buttons: Vec::new(),
        output: json!({}),
        details_url: None,
        external_id: String::new(),
        started: given.now,
        completed: None,
    };
    let mut change = json!({});
    for member in ["status", "conclusion"] {
        if let Some(word) = given.text(member) {
            change[member] = json!(word);
        }
    }
    if given.text("status").is_none() && given.text("conclusion").is_none() {
        change["conclusion"] = json!("success");
    }
    run.change(&change, given.now).map_err(|refusal| said(&refusal))?;
    let action = if run.conclusion.is_some() { "completed" } else { "created" };
    github.hosted(&full)?.checks.push(run);
    let who = github.somebody("github-actions[bot]");
    github.tell_check(&full, id, action, who, given.now);
    Ok(json!({"id": id, "suite": suite}))
}

fn status(github: &mut GitHub, given: &Given<'_>) -> Done {
    let full = given.repository();
    let asked = given.needs("sha")?;
    let sha = github.hosted(&full)?.resolve(asked).ok_or_else(|| format!("no commit {asked}"))?;
    let state = given.text("state").unwrap_or("success").to_owned();
    if !["error", "failure", "pending", "success"].contains(&state.as_str()) {
        return Err(format!("{state} is no state of a status"));
    }
    let context = given.needs("context")?.to_owned();
    let (description, at) = (given.text("description").map(str::to_owned), given.now);
    let creator = github.somebody(given.text("who").unwrap_or("octocat"));
    let id = github.ids.number();
    let status = Status { id, sha, context, state, description, target_url: None, creator, at };
    github.hosted(&full)?.statuses.push(status);
    Ok(json!({"id": id}))
}

/// Somebody presses a button of a check run; without `identifier`, "Re-run".
fn press(github: &mut GitHub, given: &Given<'_>) -> Done {
    let full = given.repository();
    let id = given.needs_number("check")?;
    let Some(run) = github.hosted(&full)?.checks.iter().find(|run| run.id == id) else {
        return Err(format!("no check run {id}"));
    };
    let has = |identifier: &str| run.buttons.iter().any(|button| button["identifier"] == identifier);
    if let Some(missing) = given.text("identifier").filter(|identifier| !has(identifier)) {
        return Err(format!("check run {id} has no button {missing}"));
    }
    let who = github.somebody(given.needs("who")?);
    github.tell_button(&full, id, given.text("identifier"), who);
    Ok(json!({}))
}
