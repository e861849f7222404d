//! Small parts of sentences: people, times, commits, links. Whatever comes from outside is escaped.

use jiff::tz::TimeZone;
use shipline::report::escape::{code, cut, inline, link};
use shipline::types::{CommitSha, Timestamp};

use crate::store::{Deployment, DeploymentKind, Stage};
use crate::types::Actor;

/// The longest reason, title or name that is shown.
const SENTENCE: usize = 300;

/// A person's name. Never a mention: who asked is not called again with every edit.
pub(super) fn who(actor: &Actor) -> String {
    inline(&cut(&actor.login, 60))
}

/// A reason or title in people's own words, as part of a line; empty when there is none.
pub(super) fn quoted(text: &str) -> String {
    let text = inline(cut(text.trim(), SENTENCE).trim());
    if text.is_empty() { text } else { format!("“{text}”") }
}

/// How long, in at most two units.
pub(super) fn long(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        ..120 => format!("{} s", seconds.max(0)),
        120..3_600 => format!("{minutes} min"),
        3_600..172_800 => match minutes % 60 {
            0 => format!("{hours} h"),
            rest => format!("{hours} h {rest} min"),
        },
        _ => match hours % 24 {
            0 => format!("{days} days"),
            rest => format!("{days} days {rest} h"),
        },
    }
}

/// How long ago something was.
pub(super) fn ago(then: Timestamp, now: Timestamp) -> String {
    format!("{} ago", long(now.as_second() - then.as_second()))
}

/// When, for texts that are read long after they were written.
pub(super) fn at(then: Timestamp) -> String {
    then.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A commit with the page that shows it.
pub(super) fn commit(sha: CommitSha, server: &str, repository: &str) -> String {
    format!("[{}]({server}/{repository}/commit/{sha})", code(&sha.short()))
}

/// What a deployment puts there, as far as it is known.
pub(super) fn release(deployment: &Deployment) -> String {
    match &deployment.asked.kind {
        DeploymentKind::Deploy { sha } => code(&sha.short()),
        DeploymentKind::Rollback { to, .. } => match (deployment.state.commit, to) {
            (Some(commit), _) => code(&commit.short()),
            (None, Some(to)) => code(&cut(to, 60)),
            (None, None) => "the last good release".to_owned(),
        },
    }
}

/// The comment that asked.
pub(super) fn request_link(title: &str, deployment: &Deployment, server: &str) -> String {
    let asked = &deployment.asked;
    let kind = if asked.is_pull { "pull" } else { "issues" };
    let (repository, issue, comment) = (&asked.repository.name, asked.issue, asked.comment);
    link(title, &format!("{server}/{repository}/{kind}/{issue}#issuecomment-{comment}"))
}

/// Where an open deployment stands, as part of a sentence.
pub(super) fn stage(stage: &Stage) -> &'static str {
    match stage {
        Stage::Gating { .. } => "waiting for approval",
        Stage::Waiting | Stage::Building { .. } | Stage::Rolling { .. } | Stage::Over => stage.word(),
    }
}
