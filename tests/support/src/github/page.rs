//! The conversation of an issue or pull request as GitHub would show it: a page and a text.

mod html;
mod markdown;
mod plain;
mod shown;
mod terminal;

pub use shown::keep_pages;

use super::GitHub;
use super::conversation::Comment;
use super::pulls::{Pull, State};
use crate::reply::{Millis, text};
use crate::server::{Incoming, Reply, Shared};

/// What a page shows.
struct Thread<'a> {
    repository: &'a str,
    number: u64,
    title: &'a str,
    /// `Open`, `Draft`, `Merged`, `Closed`.
    state: &'static str,
    author: &'a str,
    /// `main ← change-1`, of a pull request.
    branches: Option<(&'a str, &'a str)>,
    head: Option<&'a str>,
    body: &'a str,
    created: Millis,
    comments: Vec<Said<'a>>,
    checks: Vec<(String, String)>,
    deployments: Vec<Deployed>,
}

/// One comment.
struct Said<'a> {
    id: u64,
    author: &'a str,
    is_bot: bool,
    association: &'static str,
    body: &'a str,
    created: Millis,
    edited: bool,
    minimized: Option<&'a str>,
    reactions: Vec<(&'static str, usize)>,
}

/// One deployment of a commit of the pull request.
struct Deployed {
    environment: String,
    sha: String,
    state: String,
    description: String,
    at: Millis,
}

/// Emoji by GitHub's names, in the order GitHub shows them.
const FACES: [(&str, &str); 8] = [
    ("+1", "👍"),
    ("-1", "👎"),
    ("laugh", "😄"),
    ("hooray", "🎉"),
    ("confused", "😕"),
    ("heart", "❤️"),
    ("rocket", "🚀"),
    ("eyes", "👀"),
];

/// The page at `/_sim/github/<owner>/<repo>/pull/<n>` (`.txt`: as text; `.txt?from=<comment>`: that
/// comment and later ones), or at the address GitHub has it under; nothing for any other address.
pub(crate) fn page(world: &Shared, incoming: &Incoming) -> Option<Reply> {
    let path = incoming.path.strip_prefix("/_sim/github").unwrap_or(&incoming.path);
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let [owner, name, "pull" | "issues", number] = parts.as_slice() else { return None };
    if *owner == "repos" {
        return None;
    }
    let world = world.lock();
    let (number, as_text) = number.strip_suffix(".txt").map_or((*number, false), |number| (number, true));
    let full = format!("{owner}/{name}");
    let thread = number.parse().ok().and_then(|number| world.github.thread(&full, number));
    let Some(thread) = thread else {
        return Some(Reply::of(404, "text/plain; charset=utf-8", b"There is no such conversation.\n".to_vec()));
    };
    let form = crate::query::parse(&incoming.query);
    if as_text {
        let first = form.get("from").and_then(|comment| comment.parse().ok());
        let text = first.map_or_else(|| plain::write(&thread), |first| plain::since(&thread, first));
        return Some(Reply::of(200, "text/plain; charset=utf-8", text.into_bytes()));
    }
    let refresh = form.get("refresh").and_then(|seconds| seconds.parse().ok());
    Some(Reply::of(200, "text/html; charset=utf-8", html::write(&thread, refresh).into_bytes()))
}

impl GitHub {
    fn thread<'a>(&'a self, full: &str, number: u64) -> Option<Thread<'a>> {
        let (name, repository) = self.repositories.get_key_value(full).filter(|(_, known)| known.is_hosted())?;
        let pull = repository.pulls.get(&number);
        let issue = repository.issues.get(&number);
        let (title, author, created) = match (pull, issue) {
            (Some(pull), _) => (&pull.title, pull.author, pull.created),
            (None, Some(issue)) => (&issue.title, issue.author, issue.created),
            (None, None) => return None,
        };
        let comments = repository.comments.iter().filter(|comment| comment.issue == number);
        let shas: Vec<&str> = pull.iter().flat_map(|pull| pull.heads.iter().map(|(sha, _)| sha.as_str())).collect();
        let checks = pull.map(|pull| repository.latest_checks(pull.head())).unwrap_or_default();
        let checks = checks
            .into_iter()
            .map(|run| (run.name.clone(), run.conclusion.clone().unwrap_or_else(|| run.status.clone())));
        let deployed = repository.deployments.iter().filter(|one| shas.contains(&one.sha.as_str())).map(|one| {
            let latest = one.statuses.first();
            let word = |member: &str| latest.and_then(|status| text(&status.request, member)).unwrap_or_default();
            let state = if latest.is_some() { word("state") } else { "pending" };
            Deployed {
                environment: one.environment().to_owned(),
                sha: one.sha.clone(),
                state: state.to_owned(),
                description: word("description").to_owned(),
                at: latest.map_or(one.created, |status| status.at),
            }
        });
        Some(Thread {
            repository: name,
            number,
            title,
            state: pull.map_or("Open", word_of),
            author: self.people.login(author),
            branches: pull.map(|pull| (pull.base.as_str(), pull.branch.as_str())),
            head: pull.map(Pull::head),
            body: pull.map_or("", |pull| pull.body.as_str()),
            created,
            comments: comments.map(|comment| self.said(name, comment)).collect(),
            checks: checks.collect(),
            deployments: deployed.collect(),
        })
    }

    fn said<'a>(&'a self, full: &str, comment: &'a Comment) -> Said<'a> {
        let count = |name: &str| comment.reactions.iter().filter(|one| one.content == name).count();
        let author = self.people.login(comment.author);
        Said {
            id: comment.id,
            author: author.trim_end_matches("[bot]"),
            is_bot: author.ends_with("[bot]"),
            association: self.association(full, comment.author),
            body: &comment.body,
            created: comment.created,
            edited: comment.updated > comment.created,
            minimized: comment.minimized.as_deref(),
            reactions: FACES.iter().map(|(name, face)| (*face, count(name))).filter(|(_, count)| *count > 0).collect(),
        }
    }
}

fn word_of(pull: &Pull) -> &'static str {
    match pull.state {
        State::Open if pull.is_draft() => "Draft",
        State::Open => "Open",
        State::Closed { .. } => "Closed",
        State::Merged { .. } => "Merged",
    }
}

/// `12:03:07`, as short as a reader needs it.
fn clock(at: Millis) -> String {
    let instant = crate::reply::rfc3339(at);
    instant.get(11..19).unwrap_or(&instant).to_owned()
}

/// The first seven digits.
fn short(sha: &str) -> &str {
    sha.get(..7).unwrap_or(sha)
}

/// Why GitHub says a comment is folded away.
fn reason(classifier: &str) -> String {
    classifier.to_lowercase().replace('_', " ")
}
