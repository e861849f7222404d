//! How the checks of a commit stand, and which a branch requires.
//!
//! Invariants: all pages are read, and fewer than GitHub counts is an error; a rerun counts instead of
//! the run before; what GitHub does not tell is an error, never "none".

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join;
use serde::Deserialize;
use shipline::github::{Pages, Request, read};
use shipline::problem::Problem;
use shipline::types::CommitSha;

use super::Hub;
use crate::decision::{Check, CheckState, RequiredCheck};

#[derive(Deserialize)]
struct Runs {
    total_count: usize,
    check_runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    id: u64,
    name: String,
    status: String,
    conclusion: Option<String>,
    app: Option<App>,
    check_suite: Option<Suite>,
}

#[derive(Deserialize)]
struct Suite {
    id: u64,
}

#[derive(Deserialize)]
struct App {
    id: u64,
}

#[derive(Deserialize)]
struct Statuses {
    total_count: usize,
    statuses: Vec<Status>,
}

#[derive(Deserialize)]
struct Status {
    id: u64,
    context: String,
    state: String,
}

#[derive(Deserialize)]
struct Branch {
    protection: Option<Protection>,
}

#[derive(Deserialize)]
struct Protection {
    required_status_checks: Option<Required>,
}

#[derive(Deserialize)]
struct Required {
    #[serde(default)]
    enforcement_level: Option<String>,
    #[serde(default)]
    contexts: Vec<String>,
    #[serde(default)]
    checks: Vec<RequiredByProtection>,
}

#[derive(Deserialize)]
struct RequiredByProtection {
    context: String,
    app_id: Option<i64>,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(rename = "type")]
    kind: String,
    parameters: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct RuleParameters {
    required_status_checks: Vec<RequiredByRule>,
}

#[derive(Deserialize)]
struct RequiredByRule {
    context: String,
    integration_id: Option<i64>,
}

impl Run {
    fn state(&self) -> CheckState {
        match (self.status.as_str(), self.conclusion.as_deref()) {
            ("completed", Some("success" | "neutral" | "skipped")) => CheckState::Passed,
            ("completed", _) => CheckState::Failed,
            _ => CheckState::Pending,
        }
    }
}

impl Run {
    /// GitHub's word for a job that an environment's protection rules hold is `waiting`.
    fn held(&self) -> Option<u64> {
        self.check_suite.as_ref().filter(|_| self.status == "waiting").map(|suite| suite.id)
    }

    fn report(&self) -> Report<'_> {
        let app = self.app.as_ref().map(|app| app.id);
        Report { app, name: &self.name, id: self.id, held: self.held(), state: self.state() }
    }
}

/// One report of a check.
struct Report<'a> {
    app: Option<u64>,
    name: &'a String,
    id: u64,
    held: Option<u64>,
    state: CheckState,
}

impl Status {
    fn report(&self) -> Report<'_> {
        Report { app: None, name: &self.context, id: self.id, held: None, state: self.state() }
    }

    fn state(&self) -> CheckState {
        match self.state.as_str() {
            "success" => CheckState::Passed,
            "pending" | "expected" => CheckState::Pending,
            _ => CheckState::Failed,
        }
    }
}

impl Hub {
    /// The latest checks and statuses of a commit, all pages, reruns collapsed. Those of this App are
    /// left out: a deployment would wait for itself.
    pub async fn checks(&self, sha: CommitSha) -> Result<Vec<Check>, Problem> {
        let (runs, statuses) = try_join(self.check_runs(sha), self.statuses(sha)).await?;
        let foreign = runs.iter().filter(|run| run.app.as_ref().is_none_or(|app| app.id != self.app.id));
        let mut checks = collapsed(foreign.map(Run::report));
        checks.extend(collapsed(statuses.iter().map(Status::report)));
        Ok(checks)
    }

    async fn check_runs(&self, sha: CommitSha) -> Result<Vec<Run>, Problem> {
        let path = self.path(&format!("/commits/{sha}/check-runs?filter=latest&per_page=100"));
        let (mut runs, mut total) = (Vec::new(), 0);
        let request = Request::get("tell how the checks stand", path);
        self.connection()
            .pages(&request, |answer| {
                let page: Runs = answer.read()?;
                total = page.total_count;
                runs.extend(page.check_runs);
                Ok(Pages::<()>::More)
            })
            .await?;
        complete(runs, total)
    }

    async fn statuses(&self, sha: CommitSha) -> Result<Vec<Status>, Problem> {
        let path = self.path(&format!("/commits/{sha}/status?per_page=100"));
        let (mut statuses, mut total) = (Vec::new(), 0);
        let request = Request::get("tell the commit's statuses", path);
        self.connection()
            .pages(&request, |answer| {
                let page: Statuses = answer.read()?;
                total = page.total_count;
                statuses.extend(page.statuses);
                Ok(Pages::<()>::More)
            })
            .await?;
        complete(statuses, total)
    }

    /// What branch protection and rulesets require of a branch.
    pub async fn required_checks(&self, branch: &str) -> Result<Vec<RequiredCheck>, Problem> {
        let name = self.branch(branch)?;
        let (protection, rules) = try_join(self.protection(&name), self.rules(&name)).await?;
        let required: BTreeSet<RequiredCheck> = protection.into_iter().chain(rules).collect();
        Ok(required.into_iter().collect())
    }

    async fn protection(&self, branch: &str) -> Result<Vec<RequiredCheck>, Problem> {
        let doing = "tell how the branch is protected";
        let path = self.path(&format!("/branches/{branch}"));
        let told = self.ask(Request::get(doing, &path).accepting(&[404]), &path).await?;
        if told.status == 404 {
            return Ok(Vec::new());
        }
        let branch: Branch = read(doing, &told.body)?;
        let required = branch.protection.and_then(|protection| protection.required_status_checks);
        let Some(required) = required.filter(|required| required.enforcement_level.as_deref() != Some("off")) else {
            return Ok(Vec::new());
        };
        let checks = required.checks.into_iter().map(|check| (check.context, check.app_id));
        let mut all: Vec<RequiredCheck> = checks.map(|(name, app)| RequiredCheck { name, app: exact(app) }).collect();
        // `contexts` is the older form of the same list.
        for name in required.contexts {
            if all.iter().all(|check| check.name != name) {
                all.push(RequiredCheck { name, app: None });
            }
        }
        Ok(all)
    }

    async fn rules(&self, branch: &str) -> Result<Vec<RequiredCheck>, Problem> {
        let doing = "tell the rules of the branch";
        let path = self.path(&format!("/rules/branches/{branch}?per_page=100"));
        let mut request = Request::get(doing, &path);
        let mut told = match self.ask(request.clone(), &path).await {
            Ok(told) => told,
            Err(problem) if without_rulesets(&problem) => return Ok(Vec::new()),
            Err(problem) => return Err(problem),
        };
        let mut all = Vec::new();
        loop {
            let rules: Vec<Rule> = read(doing, &told.body)?;
            for rule in rules.into_iter().filter(|rule| rule.kind == "required_status_checks") {
                let parameters = rule.parameters.unwrap_or_default().to_string();
                let parameters: RuleParameters = read(doing, &parameters)?;
                let checks = parameters.required_status_checks.into_iter();
                all.extend(checks.map(|check| RequiredCheck { name: check.context, app: exact(check.integration_id) }));
            }
            let Some(next) = told.next else { return Ok(all) };
            request = self.connection().following(&request, &next)?;
            told = self.ask(request.clone(), &next).await?;
        }
    }
}

/// The newest of each app and name: ids only grow.
fn collapsed<'a>(all: impl Iterator<Item = Report<'a>>) -> Vec<Check> {
    let mut newest: BTreeMap<(Option<u64>, &String), Report<'a>> = BTreeMap::new();
    for report in all {
        match newest.entry((report.app, report.name)) {
            Entry::Occupied(known) if known.get().id > report.id => {}
            Entry::Occupied(mut known) => {
                known.insert(report);
            }
            Entry::Vacant(place) => {
                place.insert(report);
            }
        }
    }
    let check = |one: Report<'_>| Check { name: one.name.clone(), app: one.app, held: one.held, state: one.state };
    newest.into_values().map(check).collect()
}

/// All there are, or an error: a check that was not seen may be the one that failed.
fn complete<T>(found: Vec<T>, total: usize) -> Result<Vec<T>, Problem> {
    if found.len() >= total {
        return Ok(found);
    }
    Err(Problem::provider(
        "unavailable",
        format!("GitHub told only {} of {total} checks.", found.len()),
        "Comment again in a minute: they may have changed while they were read.",
    ))
}

/// "Any app" is written as nothing, or as -1.
fn exact(app: Option<i64>) -> Option<u64> {
    app.and_then(|app| u64::try_from(app).ok())
}

/// GitHub says that this account's plan has no rulesets: then there can be none.
fn without_rulesets(problem: &Problem) -> bool {
    problem.code == "github-permission" && problem.what.contains(": Upgrade to GitHub ")
}
