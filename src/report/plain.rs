//! The report for a terminal or a log: no colour, no box drawing, at most 100 columns where text allows.

use std::fmt::Write as _;

use super::escape::visible;
use super::markdown::{decided, mark, notices, origin_words, plural, span};
use super::measurements::lines as measured;
use super::view::View;
use crate::rollout::{Cause, CauseCode};

/// The whole report as plain text.
pub fn text(view: &View) -> String {
    let mut out = String::new();
    let release = view.commit.map_or_else(String::new, |commit| format!(" <- {}", commit.short()));
    let how = match (view.result.as_str(), decided(view)) {
        ("rolled-back", Some(CauseCode::Rejected)) => "was rejected and taken back",
        ("rolled-back", Some(CauseCode::GateExpired)) => "was taken back, because nobody decided in time,",
        (result, _) => words(result),
    };
    let _ = writeln!(out, "{}{release}: {how} after {}", view.environment, span(view.took_ms));
    for service in &view.services {
        let arrow = if service.before == service.after {
            service.before.clone()
        } else {
            format!("{} -> {}", service.before, service.after)
        };
        let origin = service.origin.map(|origin| format!(", image {}", origin_words(origin))).unwrap_or_default();
        let _ = writeln!(
            out,
            "  {} {} ({}): {arrow}, {}{origin}",
            mark(service),
            service.name,
            service.target,
            service.state
        );
        for change in &service.changes {
            let side = |value: &Option<String>| value.as_deref().map_or_else(|| "(none)".to_owned(), visible);
            let _ = writeln!(out, "      {}: {} -> {}", change.path, side(&change.before), side(&change.after));
        }
    }
    for service in &view.services {
        if let Some(cause) = &service.cause {
            failure(&mut out, service.name.as_str(), cause);
        }
        if let Some(stuck) = &service.stuck {
            failure(&mut out, &format!("{} could not go back", service.name), stuck);
        }
    }
    for line in view.analysis.iter().flat_map(measured) {
        let _ = writeln!(out, "  measured {line}");
    }
    for hook in &view.hooks {
        let _ = writeln!(out, "  {} {}: {} {}", hook.when, hook.service, visible(&hook.run.join(" ")), hook.state);
    }
    for (name, cause) in view.failures() {
        failure(&mut out, name, cause);
    }
    if let Some(rollout) = view.rollout.as_ref().filter(|_| view.command == "plan") {
        let _ = writeln!(out, "  traffic: {rollout}");
    }
    for gate in &view.gates {
        let _ = writeln!(out, "  waits until {} (`{}`, {})", visible(&gate.what), gate.gate, gate.held_by);
    }
    for notice in notices(view) {
        let _ = writeln!(out, "  note: {}", visible(notice));
    }
    if !view.commits.is_empty() {
        let _ = writeln!(out, "  {} {}:", view.commits.len(), plural(view.commits.len(), "commit"));
        for commit in &view.commits {
            let _ =
                writeln!(out, "    {} {} ({})", commit.sha.short(), visible(&commit.title), visible(&commit.author));
        }
    }
    if let Some(command) = &view.rollback_command {
        let _ = writeln!(out, "  back: {command}");
    }
    out
}

fn words(result: &str) -> &str {
    match result {
        "succeeded" => "serves",
        "unchanged" => "already serves, nothing to do",
        "rolled-back" => "failed and was rolled back",
        "nothing-changed" => "was refused, nothing was changed",
        "held" => "failed and was left as it is (on-failure: hold)",
        "superseded" => "was replaced by somebody else's deployment",
        "needs-attention" => "failed and NEEDS ATTENTION",
        "interrupted" => "was interrupted on its way back",
        other => other,
    }
}

fn failure(out: &mut String, name: &str, cause: &Cause) {
    let _ = writeln!(out, "\n{name}: {}", visible(&cause.summary));
    if let Some(says) = &cause.provider_says {
        let _ = writeln!(out, "  provider: {}", visible(says).replace('\n', " "));
    }
    if let Some(exit) = &cause.exit {
        let _ = writeln!(out, "  exit code {}: {}", exit.code, visible(&exit.meaning));
    }
    if let Some(task) = &cause.task {
        let _ = writeln!(out, "  task: {}", visible(task));
    }
    for fact in &cause.facts {
        let _ = writeln!(out, "  {}", visible(fact));
    }
    if let Some(log) = &cause.log
        && !log.lines.is_empty()
    {
        let _ = writeln!(out, "  log {}:", visible(&log.source));
        for line in &log.lines {
            let _ = writeln!(out, "    | {}", visible(line).replace('\n', " "));
        }
    }
    let _ = writeln!(out, "  next: {}", visible(&cause.next));
    for link in &cause.links {
        let _ = writeln!(out, "  {}: {}", visible(&link.title), link.url);
    }
    out.push('\n');
}
