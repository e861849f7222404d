//! What came with a deployment and what happened in it: commits and timeline, folded.

use std::fmt::Write as _;

use shipline::report::escape::{code, cut, inline, sentence};
use shipline::report::{View, gantt, plural, span};
use shipline::types::{ServiceName, Timestamp};

use super::shapes::{Shown, Stand};
use super::trim::ROWS;
use super::words::commit;

/// The commits between what served and this release, each with its page.
pub(super) fn commits(shown: &Shown<'_>, whole: &View, view: &View) -> String {
    let count = whole.commits.len();
    let (Some(newest), Some(oldest)) = (whole.commits.first(), whole.commits.last()) else { return String::new() };
    let (server, repository) = (shown.server_url, shown.deployment.asked.repository.name.as_str());
    let mut out = format!("<details><summary>{count} {}</summary>\n\n", plural(count, "commit"));
    for one in &view.commits {
        let sha = commit(one.sha, server, repository);
        let _ = writeln!(out, "- {sha} {} ({})", inline(&one.title), inline(&one.author));
    }
    if count > view.commits.len() {
        let _ = writeln!(out, "- … and {} more", count - view.commits.len());
    }
    let range = format!("{server}/{repository}/compare/{}%5E...{}", oldest.sha, newest.sha);
    let _ = writeln!(out, "\n[Compare]({range})\n\n</details>");
    out
}

/// What happened, from the command on.
pub(super) fn timeline(shown: &Shown<'_>, view: Option<&View>) -> String {
    let deployment = shown.deployment;
    let mut moments: Vec<(Timestamp, Option<&ServiceName>, &str)> =
        deployment.state.before.iter().map(|(when, what)| (*when, None, what.as_str())).collect();
    if let Some(view) = view {
        moments.extend(view.timeline.iter().map(|m| (m.at, m.service.as_ref(), m.what.as_str())));
    }
    // That it was taken up is all there is to tell of one that was refused at once.
    if moments.is_empty() || (matches!(shown.stand, Stand::Refused(_)) && moments.len() == 1) {
        return String::new();
    }
    moments.sort_by_key(|(when, ..)| *when);
    let early = moments.len().saturating_sub(ROWS);
    let mut out = "<details><summary>Timeline</summary>\n\n".to_owned();
    if let (Stand::Ended { .. }, Some(view)) = (&shown.stand, view) {
        gantt(&mut out, &view.stages);
    }
    if early > 0 {
        let _ = writeln!(out, "- … {early} earlier");
    }
    for (when, service, what) in moments.iter().skip(early) {
        let after = when.duration_since(deployment.created).as_millis();
        let about = service.map(|service| format!("{} ", code(service.as_str()))).unwrap_or_default();
        let _ = writeln!(out, "- {} · {about}{}", span(u64::try_from(after).unwrap_or(0)), sentence(&cut(what, 400)));
    }
    out.push_str("\n</details>");
    out
}
