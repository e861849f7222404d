//! A view cut down to what a comment can hold: the first of many, the beginning of what is long.

use shipline::report::View;
use shipline::report::escape::cut;
use shipline::rollout::{Cause, LogLines};

/// Services, changes of a service, commits and moments beyond this many are not shown.
pub(super) const ROWS: usize = 60;
/// The last lines of a log.
const LINES: usize = 20;
/// The longest line, title or value.
const LINE: usize = 400;

/// The same rollout, bounded in every direction.
pub(super) fn trimmed(view: &View) -> View {
    let mut view = view.clone();
    view.services.truncate(ROWS);
    for service in &mut view.services {
        service.before = cut(&service.before, 80);
        service.after = cut(&service.after, 80);
        service.changes.truncate(ROWS);
        for change in &mut service.changes {
            change.path = cut(&change.path, LINE);
            change.before = change.before.as_deref().map(|value| cut(value, LINE));
            change.after = change.after.as_deref().map(|value| cut(value, LINE));
        }
        service.cause = service.cause.as_ref().map(cause);
        service.stuck = service.stuck.as_ref().map(cause);
    }
    view.check_failure = view.check_failure.as_ref().map(cause);
    view.alarm = view.alarm.as_ref().map(cause);
    if let Some(judged) = &mut view.analysis {
        judged.judgements.truncate(ROWS);
        judged.why = cut(&judged.why, LINE * 2);
        for judgement in &mut judged.judgements {
            judgement.measure = cut(&judgement.measure, 80);
        }
    }
    view.hooks.truncate(ROWS);
    for hook in &mut view.hooks {
        hook.run.truncate(ROWS);
        for word in &mut hook.run {
            *word = cut(word, 80);
        }
        hook.cause = hook.cause.as_ref().map(cause);
    }
    view.commits.truncate(ROWS);
    for commit in &mut view.commits {
        commit.title = cut(&commit.title, 160);
        commit.author = cut(&commit.author, 60);
    }
    let early = view.timeline.len().saturating_sub(ROWS);
    view.timeline.drain(..early);
    for moment in &mut view.timeline {
        moment.what = cut(&moment.what, LINE);
    }
    view.stages.truncate(ROWS);
    for notice in &mut view.notices {
        *notice = cut(notice, LINE);
    }
    view.notices.truncate(ROWS);
    view
}

/// The cause with its revision and task named, and its texts bounded.
fn cause(whole: &Cause) -> Cause {
    let mut cause = whole.clone();
    cause.summary = cut(&cause.summary, LINE);
    cause.next = cut(&cause.next, LINE * 2);
    cause.provider_says = cause.provider_says.as_deref().map(|says| cut(says, LINE * 2));
    cause.facts = cause.facts.iter().take(ROWS).map(|fact| cut(fact, LINE)).collect();
    for (word, name) in [("task", &whole.task), ("revision", &whole.revision)] {
        if let Some(name) = name.as_deref().filter(|name| !whole.summary.contains(*name)) {
            cause.facts.insert(0, format!("{word} `{}`", cut(name, 120).replace('`', "")));
        }
    }
    if let Some(log) = &mut cause.log {
        let early = log.lines.len().saturating_sub(LINES);
        *log = LogLines {
            source: cut(&log.source, 200),
            lines: log.lines.iter().skip(early).map(|line| cut(line, LINE)).collect(),
        };
    }
    cause.links.truncate(10);
    cause
}
