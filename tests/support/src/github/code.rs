//! Commits, what lies between them, and the files in them.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::document::Links;
use super::repository::Repo;
use super::{missing, refused};
use crate::ids::{digest, hex};
use crate::query::Form;
use crate::reply::Millis;
use crate::server::Reply;
use sha2::Digest;

/// A commit and the whole tree of files at it.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) sha: String,
    pub(crate) message: String,
    pub(crate) author: String,
    pub(crate) parents: Vec<String>,
    pub(crate) files: BTreeMap<String, String>,
    pub(crate) at: Millis,
    /// The API knows it from then on (the model's clock).
    pub(crate) visible: Millis,
}

impl Repo {
    pub(crate) fn commit(&self, sha: &str) -> Option<&Commit> {
        self.commits.iter().find(|commit| commit.sha == sha)
    }

    /// The SHA a branch, tag or (abbreviated) SHA means.
    pub(crate) fn resolve(&self, asked: &str) -> Option<String> {
        let name = asked.trim_start_matches("refs/heads/").trim_start_matches("refs/tags/");
        let name = name.trim_start_matches("heads/").trim_start_matches("tags/");
        self.references.get(name).cloned().or_else(|| {
            let fits = |sha: &str| asked.len() >= 7 && sha.starts_with(asked);
            self.commits.iter().map(|commit| &commit.sha).find(|sha| fits(sha)).cloned()
        })
    }

    /// The same for a reader of the API, who may not see the newest yet.
    pub(crate) fn seen(&self, asked: &str, now: Millis) -> Option<&Commit> {
        let commit = self.commit(&self.resolve(asked)?)?;
        (commit.visible <= now).then_some(commit)
    }

    /// A commit and everything before it.
    pub(crate) fn ancestors(&self, sha: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut open = vec![sha.to_owned()];
        while let Some(next) = open.pop() {
            let Some(commit) = self.commit(&next) else { continue };
            if found.insert(commit.sha.as_str()) {
                open.extend(commit.parents.iter().cloned());
            }
        }
        found
    }

    /// Puts a commit on a branch, on top of `parent`; changed files replace or
    /// add to the parent's.
    pub(crate) fn add_commit(&mut self, branch: &str, mut commit: Commit) -> String {
        let inherited = commit.parents.first().and_then(|parent| self.commit(parent));
        let mut files = inherited.map(|parent| parent.files.clone()).unwrap_or_default();
        files.append(&mut commit.files);
        let (sha, at, author) = (commit.sha.clone(), commit.at, commit.author.clone());
        self.commits.push(Commit { files, ..commit });
        self.point(branch, &sha, at, &author);
        sha
    }

    pub(super) fn get_commit(&self, asked: &str, now: Millis, links: &Links<'_>) -> Reply {
        match self.seen(asked, now) {
            Some(commit) => Reply::json(200, &links.commit(commit)),
            None => refused(422, &format!("No commit found for SHA: {asked}")),
        }
    }

    /// `base...head`: what head has and base has not, oldest first.
    pub(super) fn compare(&self, range: &str, now: Millis, form: &Form, links: &Links<'_>) -> Reply {
        let Some((base, head)) = range.split_once("...") else { return missing() };
        let (Some(base), Some(head)) = (self.seen(base, now), self.seen(head, now)) else { return missing() };
        let (before, after) = (self.ancestors(&base.sha), self.ancestors(&head.sha));
        let ahead: Vec<&Commit> = self
            .commits
            .iter()
            .filter(|commit| after.contains(commit.sha.as_str()) && !before.contains(commit.sha.as_str()))
            .collect();
        let behind = before.difference(&after).count();
        let status = match (ahead.len(), behind) {
            (0, 0) => "identical",
            (_, 0) => "ahead",
            (0, _) => "behind",
            _ => "diverged",
        };
        let common = |commit: &&Commit| before.contains(commit.sha.as_str()) && after.contains(commit.sha.as_str());
        let Some(merge_base) = self.commits.iter().rev().find(common) else { return missing() };
        let commits: Vec<Value> = ahead.iter().map(|commit| links.commit(commit)).collect();
        let url = links.url(&format!("compare/{range}"));
        let page = super::entry::page_of(&commits, form, 250);
        Reply::json(
            200,
            &json!({
                "url": url, "html_url": url, "permalink_url": url,
                "diff_url": format!("{url}.diff"), "patch_url": format!("{url}.patch"),
                "base_commit": links.commit(base),
                "merge_base_commit": links.commit(merge_base),
                "status": status, "ahead_by": ahead.len(), "behind_by": behind,
                "total_commits": ahead.len(), "commits": page, "files": [],
            }),
        )
    }

    /// What git means by `<commit>:<path>`: its type and id; equal content has equal ids.
    pub(super) fn object(&self, expression: &str) -> Option<(&'static str, String)> {
        let (sha, path) = expression.split_once(':')?;
        let commit = self.commit(sha)?;
        if let Some(text) = commit.files.get(path) {
            return Some(("Blob", blob(text)));
        }
        let folder = if path.is_empty() { String::new() } else { format!("{path}/") };
        let inside: Vec<String> = commit
            .files
            .iter()
            .filter_map(|(name, text)| Some(format!("{} {}", name.strip_prefix(&folder)?, blob(text))))
            .collect();
        (!inside.is_empty()).then(|| ("Tree", blob(&inside.join("\n"))))
    }

    /// `GET /repos/{}/contents/{path}?ref=`: a file; folders are listed by name.
    pub(super) fn contents(&self, path: &str, form: &Form, now: Millis, links: &Links<'_>) -> Reply {
        let reference = form.get("ref").map_or(self.default_branch.as_str(), String::as_str);
        let Some(commit) = self.seen(reference, now) else {
            return refused(404, &format!("No commit found for the ref {reference}"));
        };
        if let Some(text) = commit.files.get(path) {
            return Reply::json(200, &file(path, text, reference, links));
        }
        let folder = format!("{path}/");
        let inside: Vec<Value> = commit
            .files
            .iter()
            .filter(|(name, _)| name.strip_prefix(&folder).is_some_and(|rest| !rest.contains('/')))
            .map(|(name, text)| {
                let mut entry = file(name, text, reference, links);
                entry.as_object_mut().into_iter().for_each(|entry| {
                    entry.remove("content");
                    entry.remove("encoding");
                });
                entry
            })
            .collect();
        if inside.is_empty() { missing() } else { Reply::json(200, &Value::Array(inside)) }
    }
}

/// The name git gives to a file's content.
pub(super) fn blob(text: &str) -> String {
    let bytes = format!("blob {}\0{text}", text.len());
    // Looks like git's; only equality matters.
    hex(&sha2::Sha256::digest(bytes.as_bytes()))[..40].to_owned()
}

/// A SHA for a new commit.
pub(super) fn fresh_sha(number: u64, message: &str) -> String {
    digest(format!("commit {number} {message}").as_bytes())[7..47].to_owned()
}

fn file(path: &str, text: &str, reference: &str, links: &Links<'_>) -> Value {
    let url = links.url(&format!("contents/{path}?ref={reference}"));
    let sha = blob(text);
    let git = links.url(&format!("git/blobs/{sha}"));
    let html = links.html(&format!("blob/{reference}/{path}"));
    // GitHub breaks the text of a file's content after 60 characters.
    let encoded = STANDARD.encode(text);
    let mut content = String::new();
    for (place, letter) in encoded.chars().enumerate() {
        if place > 0 && place % 60 == 0 {
            content.push('\n');
        }
        content.push(letter);
    }
    content.push('\n');
    json!({
        "type": "file", "encoding": "base64", "size": text.len(), "name": path.rsplit('/').next().unwrap_or(path),
        "path": path, "content": content, "sha": sha, "url": url, "git_url": git, "html_url": html,
        "download_url": links.html(&format!("raw/{reference}/{path}")),
        "_links": {"git": git, "self": url, "html": html},
    })
}
