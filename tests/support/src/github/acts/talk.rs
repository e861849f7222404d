//! Issues and comments, as people write them.

use serde_json::json;

use super::super::GitHub;
use super::super::conversation::Issue;
use super::{Done, Given, Row, said};

pub(super) const ACTS: &[Row] = &[
    ("issue", &["repository", "who", "title"], issue),
    ("says", &["repository", "who", "issue", "body"], says),
    ("edits", &["repository", "who", "comment", "body"], edits),
    ("deletes", &["repository", "who", "comment"], deletes),
];

fn issue(github: &mut GitHub, given: &Given<'_>) -> Done {
    let author = github.somebody(given.text("who").unwrap_or("dev"));
    let id = github.ids.number();
    let repository = github.hosted(&given.repository())?;
    repository.last_number += 1;
    let number = repository.last_number;
    let title = given.text("title").unwrap_or("A question").to_owned();
    let (created, updated) = (given.now, given.now);
    repository.issues.insert(number, Issue { id, title, author, created, updated });
    Ok(json!({"number": number}))
}

fn says(github: &mut GitHub, given: &Given<'_>) -> Done {
    let full = given.repository();
    github.hosted(&full)?;
    let who = github.somebody(given.needs("who")?);
    let issue = given.needs_number("issue")?;
    let id = github.add_comment(&full, issue, who, given.needs("body")?, given.now);
    Ok(json!({"comment": id.map_err(|refusal| said(&refusal))?}))
}

fn edits(github: &mut GitHub, given: &Given<'_>) -> Done {
    let full = given.repository();
    let who = github.somebody(given.needs("who")?);
    let changed = github.change_comment(&full, given.needs_number("comment")?, who, given.needs("body")?, given.now);
    changed.map(|()| json!({})).map_err(|refusal| said(&refusal))
}

fn deletes(github: &mut GitHub, given: &Given<'_>) -> Done {
    let full = given.repository();
    let who = github.somebody(given.needs("who")?);
    let removed = github.remove_comment(&full, given.needs_number("comment")?, who, given.now);
    removed.map(|()| json!({})).map_err(|refusal| said(&refusal))
}
