//! Whether the checks of a commit have passed. Fails closed: what GitHub did not tell, what was never
//! reported and what has not ended counts as not passed.

use shipline::config::spec::Checks;

use super::words::{commit, list, name};
use super::{Check, CheckState, CommitFacts, Denied, ReasonCode, RequiredCheck};
use shipline::types::CommitSha;

/// Our own check runs are named `Shipline: <environment>`.
const OURS: &str = "Shipline: ";

/// How many checks a sentence names.
const NAMED: usize = 8;

/// Whether the checks that the policy asks for have passed on the commit.
pub(super) fn passed(environment: &str, rule: &Checks, sha: CommitSha, facts: &CommitFacts) -> Result<(), Denied> {
    let required: Vec<RequiredCheck> = match rule {
        Checks::NotAsked => return Ok(()),
        Checks::All => Vec::new(),
        Checks::Named(names) => names.iter().map(|name| RequiredCheck { name: name.clone(), app: None }).collect(),
        Checks::Required => match &facts.required {
            Some(Ok(required)) => required.clone(),
            Some(Err(why)) => return Err(unknown("which checks are required", sha, Some(why))),
            None => return Err(unknown("which checks are required", sha, None)),
        },
    };
    let seen = match &facts.checks {
        Some(Ok(seen)) => seen,
        Some(Err(why)) => return Err(unknown("how the checks stand", sha, Some(why))),
        None => return Err(unknown("how the checks stand", sha, None)),
    };
    let own = format!("{OURS}{environment}");
    if *rule == Checks::All {
        // What we report ourselves says nothing about the commit: a failed deploy must be repeatable.
        let all: Vec<(&str, Found)> = seen
            .iter()
            .filter(|check| !check.name.starts_with(OURS))
            .map(|check| (check.name.as_str(), Found::Reported(check.state)))
            .collect();
        if all.is_empty() {
            let what = format!("No check was reported for {}, and `{environment}` asks that all pass.", commit(sha));
            let next = "Wait until the first check begins, then comment again.";
            return Err(Denied::new(ReasonCode::ChecksMissing, what, next));
        }
        return verdict(environment, sha, &all);
    }
    // The deployment's own check can only pass afterwards.
    let asked: Vec<(&str, Found)> = required
        .iter()
        .filter(|required| required.name != own)
        .map(|required| (required.name.as_str(), find(required, seen)))
        .collect();
    verdict(environment, sha, &asked)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Reported(CheckState),
    Missing,
}

/// All reports of that name count, from every app if none is prescribed: the worst decides.
fn find(required: &RequiredCheck, seen: &[Check]) -> Found {
    let fits = |check: &&Check| check.name == required.name && required.app.is_none_or(|app| check.app == Some(app));
    let worst = seen.iter().filter(fits).map(|check| check.state).max_by_key(|state| match state {
        CheckState::Passed => 0,
        CheckState::Pending => 1,
        CheckState::Failed => 2,
    });
    worst.map_or(Found::Missing, Found::Reported)
}

fn verdict(environment: &str, sha: CommitSha, all: &[(&str, Found)]) -> Result<(), Denied> {
    let named = |wanted: Found| -> Vec<&str> {
        all.iter().filter(|(_, found)| *found == wanted).map(|(name, _)| *name).collect()
    };
    let (failed, pending, missing) = (
        named(Found::Reported(CheckState::Failed)),
        named(Found::Reported(CheckState::Pending)),
        named(Found::Missing),
    );
    let (code, what, next) = if !failed.is_empty() {
        let next = format!("Mend or re-run {}, then comment again.", it(&failed));
        (ReasonCode::ChecksFailed, format!("{} failed on {}.", names(&failed), commit(sha)), next)
    } else if !pending.is_empty() {
        let verb = if pending.len() == 1 { "has" } else { "have" };
        let what = format!("{} {verb} not ended yet on {}.", names(&pending), commit(sha));
        (ReasonCode::ChecksPending, what, format!("Wait for {}, then comment again.", it(&pending)))
    } else if !missing.is_empty() {
        let verb = if missing.len() == 1 { "was" } else { "were" };
        let what = format!(
            "{} {verb} never reported for {}, and `{environment}` asks for {}.",
            names(&missing),
            commit(sha),
            it(&missing)
        );
        let (whose, they_are) = if missing.len() == 1 { ("its", "the name is") } else { ("their", "the names are") };
        let next = format!(
            "See whether {whose} workflow runs for this commit, and whether {they_are} spelt right in the policy or in branch protection."
        );
        (ReasonCode::ChecksMissing, what, next)
    } else {
        return Ok(());
    };
    let mut denied = Denied::new(code, what, next);
    // The sentence tells the first reason; the rest saves another round.
    if code == ReasonCode::ChecksFailed && !pending.is_empty() {
        denied = denied.because(format!("Not ended yet: {}.", names(&pending)));
    }
    if code != ReasonCode::ChecksMissing && !missing.is_empty() {
        denied = denied.because(format!("Never reported: {}.", names(&missing)));
    }
    Err(denied)
}

fn it(names: &[&str]) -> &'static str {
    if names.len() == 1 { "it" } else { "them" }
}

fn names(all: &[&str]) -> String {
    let mut shown: Vec<String> = all.iter().take(NAMED).map(|one| name(one)).collect();
    if all.len() > NAMED {
        shown.push(format!("{} more", all.len() - NAMED));
    }
    list(&shown, "and")
}

fn unknown(what: &str, sha: CommitSha, why: Option<&String>) -> Denied {
    let what = format!("GitHub did not say {what} for {}, so it counts as not passed.", commit(sha));
    let denied = Denied::new(ReasonCode::ChecksUnknown, what, "Comment again in a minute.");
    match why {
        Some(why) => denied.because(why.clone()),
        None => denied,
    }
}
