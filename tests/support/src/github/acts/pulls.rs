//! Pull requests: opened, pushed to, reviewed, merged.

use serde_json::{Value, json};

use super::super::GitHub;
use super::super::pulls::{Mergeable, Pull, Review, Stage, State};
use super::{Done, Given, Row};
use crate::reply::rfc3339;

pub(super) const ACTS: &[Row] = &[
    (
        "pull",
        &["repository", "who", "title", "body", "branch", "base", "files", "message", "sha", "stage", "fork"],
        pull,
    ),
    ("push", &["repository", "pull", "who", "files", "message", "sha", "how"], push),
    ("ready", &["repository", "pull", "who"], ready),
    ("draft", &["repository", "pull", "who"], draft),
    ("close", &["repository", "pull", "who"], close),
    ("reopen", &["repository", "pull", "who"], reopen),
    ("merge", &["repository", "pull", "who"], merge),
    ("retitle", &["repository", "pull", "who", "title"], retitle),
    ("retarget", &["repository", "pull", "who", "base"], retarget),
    ("mergeable", &["repository", "pull", "mergeable", "state"], mergeable),
    ("review", &["repository", "pull", "who", "state", "sha"], review),
];

impl GitHub {
    fn pull_mut(&mut self, given: &Given<'_>) -> Result<&mut Pull, String> {
        let (full, number) = (given.repository(), given.needs_number("pull")?);
        let found = self.hosted(&full)?.pulls.get_mut(&number);
        found.ok_or_else(|| format!("no pull request {number} in {full}"))
    }

    /// Whoever does it: `who`, or the author.
    fn doer(&mut self, given: &Given<'_>) -> Result<u64, String> {
        let author = self.pull_mut(given)?.author;
        Ok(given.text("who").map_or(author, |login| self.somebody(login)))
    }

    /// Changes a pull request, then tells the Apps.
    fn change(
        &mut self,
        given: &Given<'_>,
        action: &str,
        more: &Value,
        change: impl FnOnce(&mut Pull) -> Result<(), String>,
    ) -> Done {
        let who = self.doer(given)?;
        let pull = self.pull_mut(given)?;
        change(pull)?;
        pull.updated = given.now;
        let number = pull.number;
        self.tell_pull(&given.repository(), number, action, who, more, given.now);
        Ok(json!({}))
    }
}

/// A new branch with one commit, and a pull request for it. `fork` is the
/// repository of the branch.
fn pull(github: &mut GitHub, given: &Given<'_>) -> Done {
    let full = given.repository();
    let login = given.text("who").unwrap_or("dev").to_owned();
    let author = github.somebody(&login);
    let place = given.text("fork").unwrap_or(&full).to_owned();
    let base = given.text("base").unwrap_or(&github.hosted(&full)?.default_branch).to_owned();
    let start = github.hosted(&full)?.resolve(&base).ok_or_else(|| format!("no branch {base}"))?;
    let stage = match given.text("stage").unwrap_or("ready") {
        "ready" => Stage::Ready,
        "draft" => Stage::Draft,
        other => return Err(format!("stage is ready or draft, not {other}")),
    };
    github.hosted(&place)?;
    let repository = github.hosted(&full)?;
    repository.last_number += 1;
    let number = repository.last_number;
    let branch = given.text("branch").map_or_else(|| format!("change-{number}"), str::to_owned);
    let sha = github.new_commit(&place, &branch, Some(start), given, 0)?;
    github.bring(&full, &place, &sha);
    let id = github.ids.number();
    let pull = Pull {
        id,
        number,
        title: given.text("title").unwrap_or("A change").to_owned(),
        body: given.text("body").unwrap_or_default().to_owned(),
        author,
        state: State::Open,
        stage,
        base,
        branch,
        head_repository: Some(place),
        heads: vec![(sha.clone(), 0)],
        mergeable: Mergeable::Yes,
        merge_state: None,
        reviews: Vec::new(),
        created: given.now,
        updated: given.now,
    };
    github.hosted(&full)?.pulls.insert(number, pull);
    github.tell_pull(&full, number, "opened", author, &json!({}), given.now);
    Ok(json!({"number": number, "sha": sha}))
}

impl GitHub {
    /// A fork's commit can be read in the repository it asks to join.
    fn bring(&mut self, full: &str, place: &str, sha: &str) {
        let found = self.repositories.get(place).and_then(|place| place.commit(sha)).cloned();
        if let (Some(commit), Some(repository)) = (found, self.repositories.get_mut(full))
            && repository.commit(sha).is_none()
        {
            repository.commits.push(commit);
        }
    }
}

/// A new head. `how: force` starts again from the base.
fn push(github: &mut GitHub, given: &Given<'_>) -> Done {
    let full = given.repository();
    let who = github.doer(given)?;
    let visible = if github.head_lag_ms == 0 { 0 } else { given.now + github.head_lag_ms };
    let pull = github.pull_mut(given)?;
    let (number, branch, base) = (pull.number, pull.branch.clone(), pull.base.clone());
    let before = pull.head().to_owned();
    let place = pull.head_repository.clone().ok_or("the repository of the branch is gone")?;
    let parent = match given.text("how").unwrap_or("fast-forward") {
        "fast-forward" => Some(before.clone()),
        "force" => github.hosted(&full)?.resolve(&base),
        other => return Err(format!("how is fast-forward or force, not {other}")),
    };
    let sha = github.new_commit(&place, &branch, parent, given, visible)?;
    github.bring(&full, &place, &sha);
    let dismiss = github.hosted(&full)?.dismisses_stale(&base);
    let pull = github.pull_mut(given)?;
    pull.heads.push((sha.clone(), visible));
    pull.updated = given.now;
    if dismiss {
        pull.reviews.iter_mut().filter(|review| review.state == "APPROVED").for_each(|review| {
            "DISMISSED".clone_into(&mut review.state);
        });
    }
    // A push to a closed pull request is told by nobody.
    if pull.is_open() {
        let more = json!({"before": before, "after": sha});
        github.tell_pull(&full, number, "synchronize", who, &more, given.now);
    }
    Ok(json!({"sha": sha, "before": before}))
}

fn ready(github: &mut GitHub, given: &Given<'_>) -> Done {
    github.change(given, "ready_for_review", &json!({}), |pull| {
        pull.stage = Stage::Ready;
        Ok(())
    })
}

fn draft(github: &mut GitHub, given: &Given<'_>) -> Done {
    github.change(given, "converted_to_draft", &json!({}), |pull| {
        pull.stage = Stage::Draft;
        Ok(())
    })
}

fn close(github: &mut GitHub, given: &Given<'_>) -> Done {
    let at = given.now;
    github.change(given, "closed", &json!({}), |pull| {
        if !pull.is_open() {
            return Err("it is closed already".to_owned());
        }
        pull.state = State::Closed { at };
        Ok(())
    })
}

fn reopen(github: &mut GitHub, given: &Given<'_>) -> Done {
    github.change(given, "reopened", &json!({}), |pull| match pull.state {
        State::Closed { .. } => {
            pull.state = State::Open;
            Ok(())
        }
        State::Open | State::Merged { .. } => Err("only a closed pull request can be reopened".to_owned()),
    })
}

/// With a merge commit on the base.
fn merge(github: &mut GitHub, given: &Given<'_>) -> Done {
    let full = given.repository();
    let by = github.doer(given)?;
    let pull = github.pull_mut(given)?;
    if !pull.is_open() {
        return Err("only an open pull request can be merged".to_owned());
    }
    let (number, base, head) = (pull.number, pull.base.clone(), pull.head().to_owned());
    let parent = github.hosted(&full)?.resolve(&base);
    let sha = github.new_commit(&full, &base, parent, given, 0)?;
    let repository = github.hosted(&full)?;
    let files = repository.commit(&head).map(|commit| commit.files.clone()).unwrap_or_default();
    if let Some(merged) = repository.commits.iter_mut().find(|commit| commit.sha == sha) {
        merged.parents.push(head);
        merged.files.extend(files);
        merged.message = format!("Merge pull request #{number}");
    }
    let (at, sha) = (given.now, sha);
    let pull = github.pull_mut(given)?;
    pull.state = State::Merged { at, by, sha: sha.clone() };
    pull.updated = at;
    github.tell_pull(&full, number, "closed", by, &json!({}), at);
    Ok(json!({"sha": sha}))
}

fn retitle(github: &mut GitHub, given: &Given<'_>) -> Done {
    let title = given.needs("title")?.to_owned();
    let before = github.pull_mut(given)?.title.clone();
    github.change(given, "edited", &json!({"changes": {"title": {"from": before}}}), |pull| {
        pull.title = title;
        Ok(())
    })
}

fn retarget(github: &mut GitHub, given: &Given<'_>) -> Done {
    let base = given.needs("base")?.to_owned();
    let sha = github.hosted(&given.repository())?.resolve(&base).ok_or_else(|| format!("no branch {base}"))?;
    let before = github.pull_mut(given)?.base.clone();
    let more = json!({"changes": {"base": {"ref": {"from": before}, "sha": {"from": sha}}}});
    github.change(given, "edited", &more, |pull| {
        pull.base = base;
        Ok(())
    })
}

fn mergeable(github: &mut GitHub, given: &Given<'_>) -> Done {
    let mergeable = match given.text("mergeable").unwrap_or("yes") {
        "yes" => Mergeable::Yes,
        "conflicting" => Mergeable::Conflicting,
        "unknown" => Mergeable::Unknown,
        other => return Err(format!("mergeable is yes, conflicting or unknown, not {other}")),
    };
    let state = given.text("state").map(str::to_uppercase);
    let pull = github.pull_mut(given)?;
    (pull.mergeable, pull.merge_state) = (mergeable, state);
    Ok(json!({}))
}

fn review(github: &mut GitHub, given: &Given<'_>) -> Done {
    let full = given.repository();
    let state = given.text("state").unwrap_or("approved").to_uppercase();
    if !["APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED"].contains(&state.as_str()) {
        return Err(format!("{state} is no state of a review"));
    }
    let author = github.somebody(given.needs("who")?);
    let (id, at) = (github.ids.number(), given.now);
    let pull = github.pull_mut(given)?;
    let commit = given.text("sha").map_or_else(|| pull.head().to_owned(), str::to_owned);
    let number = pull.number;
    pull.reviews.push(Review { id, author, state: state.clone(), commit: commit.clone(), at });
    pull.updated = at;
    let links = github.links(&full);
    let html = links.html(&format!("pull/{number}#pullrequestreview-{id}"));
    let document = json!({
        "id": id, "node_id": format!("PRR_{id}"), "user": links.user_by_id(author), "body": null,
        "commit_id": commit, "submitted_at": rfc3339(at), "state": state.to_lowercase(), "html_url": html,
        "pull_request_url": links.url(&format!("pulls/{number}")),
        "author_association": github.association(&full, author),
        "_links": {"html": {"href": html}, "pull_request": {"href": links.url(&format!("pulls/{number}"))}},
    });
    github.tell_review(&full, number, &document, author, at);
    Ok(json!({"id": id}))
}
