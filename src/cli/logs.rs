//! `shipline logs`: the lines of several services, one stream in order of time.
//!
//! Invariants: a line is shown once, although reads overlap so that late ones are not missed; what a
//! program wrote can neither move the terminal's cursor nor look like another service's line.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::console::Medium;
use super::deploy::Request;
use super::environment;
use super::host::Host;
use super::planning::about;
use crate::engine::wait::{Backoff, Seen, until};
use crate::engine::{LogLine, Target, TargetError, clock};
use crate::problem::{Problem, Problems};
use crate::types::{ServiceName, Span, Timestamp};

/// Lines reach CloudWatch Logs a few seconds after they were written.
const LATE: Duration = Duration::from_secs(15);

/// Between two looks; `FilterLogEvents` allows 10 a second in the smallest regions (CloudWatch Logs quotas).
const PACE: Backoff =
    Backoff { first: Duration::from_secs(1), most: Duration::from_secs(2), throttled: Duration::from_secs(20) };

/// Whether new lines are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    /// Shows what there is.
    No,
    /// Goes on until it is cancelled.
    Yes,
}

/// What to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// How far back.
    pub(super) since: Span,
    /// At most so many of the lines that are there.
    pub(super) lines: usize,
    /// Whether new ones are waited for.
    pub(super) follow: Follow,
}

/// Shows the log. A cancel ends it well while it follows.
pub(super) async fn logs(request: &Request, window: Window, host: &Host) -> Result<u8, Problems> {
    let spec = environment::find(&request.config, &request.environment)?;
    let services = environment::chosen(&request.environment, spec, &request.services)?;
    let untouched = environment::Images::Untouched;
    let opening = environment::places(request, &request.environment, spec, &services, untouched, host);
    let (_, targets) = host.before_changes(async { Ok(opening.await?) }).await?;
    let mut problems = Vec::new();
    for (name, target) in &targets {
        if target.logs().is_none() {
            let what = format!("{name}: {} keeps no log that can be read here", target.place().name);
            problems.push(Problem::refused("no-logs", what, "Name the services whose log you want to see."));
        }
    }
    Problems::or(problems, ())?;
    let since = clock::now() - window.since.duration();
    let mut streams: Vec<Stream<'_>> =
        targets.iter().map(|(name, target)| Stream::new(name, &**target, since)).collect();
    let first = host.before_changes(async { first(&mut streams).await }).await?;
    let skipped = first.len().saturating_sub(window.lines);
    let first: Vec<_> = first.into_iter().skip(skipped).collect();
    if window.follow == Follow::No {
        if host.console.medium() == Medium::Machine {
            let lines: Vec<_> = first.iter().map(told).collect();
            host.console.document(&json!({
                "schema_version": 1, "command": "logs", "environment": request.environment, "lines": lines,
                "left_out": skipped,
            }));
        } else {
            show_all(&first, host);
        }
        return Ok(0);
    }
    show_all(&first, host);
    follow(&mut streams, host).await
}

/// One service's log.
struct Stream<'a> {
    service: &'a ServiceName,
    target: &'a dyn Target,
    /// The newest line, or where reading began.
    newest: Timestamp,
    /// Lines that were shown and can come again, by id.
    shown: BTreeMap<String, Timestamp>,
}

/// A line with the service that wrote it.
struct Told<'a> {
    service: &'a ServiceName,
    line: LogLine,
}

impl<'a> Stream<'a> {
    fn new(service: &'a ServiceName, target: &'a dyn Target, since: Timestamp) -> Self {
        Self { service, target, newest: since, shown: BTreeMap::new() }
    }

    /// Lines that were not shown yet.
    async fn fresh(&mut self, overlap: Duration) -> Result<Vec<Told<'a>>, TargetError> {
        let Some(logs) = self.target.logs() else { return Ok(Vec::new()) };
        let from = self.newest - overlap;
        let read = logs.lines(from).await?;
        self.shown.retain(|_, at| *at >= from);
        let mut fresh = Vec::new();
        for line in read {
            if self.shown.insert(line.id.clone(), line.at).is_none() {
                self.newest = self.newest.max(line.at);
                fresh.push(Told { service: self.service, line });
            }
        }
        Ok(fresh)
    }
}

/// What is there, in order of time. All problems at once.
async fn first<'a>(streams: &mut [Stream<'a>]) -> Result<Vec<Told<'a>>, Problems> {
    let answers = join_all(streams.iter_mut().map(async |stream| {
        let answer = stream.fresh(Duration::ZERO).await;
        answer.map_err(|error| about(stream.service, error.into()))
    }))
    .await;
    let mut lines = Vec::new();
    let mut problems = Vec::new();
    for answer in answers {
        match answer {
            Ok(fresh) => lines.extend(fresh),
            Err(problem) => problems.push(problem),
        }
    }
    lines.sort_by(|one, other| (one.line.at, &one.line.id).cmp(&(other.line.at, &other.line.id)));
    Problems::or(problems, lines)
}

/// Shows new lines until it is cancelled, or until something fails that asking again does not mend.
async fn follow(streams: &mut [Stream<'_>], host: &Host) -> Result<u8, Problems> {
    let mut failed = None;
    until(None, PACE, &host.cancel, async || {
        let answers = join_all(streams.iter_mut().map(async |stream| (stream.service, stream.fresh(LATE).await))).await;
        let mut lines = Vec::new();
        let mut slower = false;
        for (service, answer) in answers {
            match answer {
                Ok(fresh) => lines.extend(fresh),
                // Nothing is lost: the next look begins where this one did.
                Err(TargetError::Provider(failure)) if failure.is_passing() => slower = true,
                Err(error) => failed = Some(about(service, error.into())),
            }
        }
        lines.sort_by(|one, other| (one.line.at, &one.line.id).cmp(&(other.line.at, &other.line.id)));
        show_all(&lines, host);
        match (&failed, slower) {
            (Some(_), _) => Seen::Ready(()),
            (None, true) => Seen::Throttled,
            (None, false) => Seen::NotYet,
        }
    })
    .await;
    failed.map_or(Ok(0), |problem| Err(problem.into()))
}

fn told(told: &Told<'_>) -> serde_json::Value {
    json!({ "at": told.line.at, "service": told.service, "from": told.line.from, "text": told.line.text })
}

fn show_all(lines: &[Told<'_>], host: &Host) {
    for line in lines {
        show(line, host);
    }
}

fn show(line: &Told<'_>, host: &Host) {
    if host.console.medium() == Medium::Machine {
        return host.console.document(&told(line));
    }
    // Cleaned before it is cut into lines: what it becomes then has all of them in it.
    let text = host.console.redactor().clean_for_terminal(&line.line.text);
    let front = format!("{:.3} {} {}", line.line.at, line.service, line.line.from);
    let mut shown = String::new();
    for one in text.lines() {
        let _ = writeln!(shown, "{front} {one}");
    }
    if shown.is_empty() {
        let _ = writeln!(shown, "{front}");
    }
    host.console.answer(&shown);
}
