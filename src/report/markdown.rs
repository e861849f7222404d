//! The job summary and the comment body.

use std::fmt::Write as _;

use super::escape::{block, code, fit, inline, link, sentence};
use super::view::{ImageOrigin, ServiceView, Stage, View};
use crate::rollout::{Cause, CauseCode};

/// GitHub's limit for a comment; a job summary may be larger, but nobody reads it.
const MOST: usize = 65_000;

/// The whole report as GitHub-flavoured Markdown.
pub fn summary(view: &View) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "### {}\n", headline(view));
    services(&mut out, view);
    for service in &view.services {
        if let Some(cause) = &service.cause {
            failure(&mut out, service.name.as_str(), cause);
        }
        if let Some(stuck) = &service.stuck {
            let _ = writeln!(out, "**{} could not go back.**\n", service.name);
            failure(&mut out, service.name.as_str(), stuck);
        }
    }
    super::measurements::analysis(&mut out, view);
    hooks(&mut out, view);
    for (name, cause) in view.failures() {
        failure(&mut out, name, cause);
    }
    if let Some(rollout) = view.rollout.as_ref().filter(|_| view.command == "plan") {
        let _ = writeln!(out, "Traffic: {rollout}.\n");
    }
    for gate in &view.gates {
        let _ = writeln!(out, "- waits until {} ({}, {})", sentence(&gate.what), code(&gate.gate), gate.held_by);
    }
    if !view.gates.is_empty() {
        out.push('\n');
    }
    for notice in notices(view) {
        let _ = writeln!(out, "> {}\n", sentence(notice));
    }
    changes(&mut out, view);
    commits(&mut out, view);
    timeline(&mut out, view);
    if let Some(command) = &view.rollback_command {
        let _ = writeln!(out, "Back: {}\n", code(command));
    }
    fit(out, MOST)
}

/// The release in a headline: its commit; where none is known (an image given by digest, a revision put back) what the services
/// show; the plan only for more than fits a headline.
pub fn release(view: &View) -> String {
    if let Some(commit) = view.commit {
        return code(&commit.short());
    }
    let mut wished: Vec<&str> = view.services.iter().map(|service| service.after.as_str()).collect();
    wished.sort_unstable();
    wished.dedup();
    match wished.as_slice() {
        [] | [_, _, _, _, ..] => code(view.plan.get(..6).unwrap_or_default()),
        few => few.iter().map(|name| code(name)).collect::<Vec<_>>().join(", "),
    }
}

/// The notices that no cause of the view tells already.
pub fn notices(view: &View) -> impl Iterator<Item = &String> {
    let facts = || view.services.iter().filter_map(|service| service.cause.as_ref()).flat_map(|cause| &cause.facts);
    view.notices.iter().filter(move |notice| !facts().any(|fact| notice.ends_with(fact.as_str())))
}

/// Digests cut to what people compare; the whole ones are in the outputs and the report.
fn shortened(value: &str) -> String {
    const SHOWN: usize = 12;
    let Some((before, hex)) = value.split_once("sha256:") else { return value.to_owned() };
    let digits = hex.bytes().take_while(u8::is_ascii_hexdigit).count();
    if digits != 64 {
        return value.to_owned();
    }
    format!("{before}sha256:{}…{}", &hex[..SHOWN], &hex[digits..])
}

/// A time for people: seconds below two minutes, then minutes.
pub fn span(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..10_000 => format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100),
        10_000..120_000 => format!("{} s", milliseconds / 1000),
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds / 1000 % 60),
    }
}

/// The line that says it all: environment, release, how it stands or ended, what serves.
pub fn headline(view: &View) -> String {
    let (place, release, took) = (&view.environment, release(view), span(view.took_ms));
    let before = || -> String {
        let mut before: Vec<&str> = view.services.iter().map(|s| s.before.as_str()).collect();
        before.sort_unstable();
        before.dedup();
        before.iter().map(|b| code(b)).collect::<Vec<_>>().join(", ")
    };
    match view.result.as_str() {
        "succeeded" => format!("{place} ← {release} serves after {took}"),
        "unchanged" => format!("{place} ← {release} already serves, nothing to do"),
        "not-shifted" => {
            format!("{place} ← {release} failed after {took}, before any traffic moved · {} still serves", before())
        }
        "rolled-back" => match decided(view) {
            Some(CauseCode::Rejected) => {
                format!("{place} ← {release} was rejected after {took} · {} serves again", before())
            }
            Some(CauseCode::GateExpired) => {
                format!(
                    "{place} ← {release} went back after {took}, nobody decided in time · {} serves again",
                    before()
                )
            }
            _ => format!("{place} ← {release} failed after {took} · {} serves again", before()),
        },
        "nothing-changed" => format!("{place} ← {release} was refused, nothing was changed"),
        "held" => format!("{place} ← {release} failed after {took} and was left as it is (on-failure: hold)"),
        "superseded" => format!("{place} ← {release} was replaced by somebody else's deployment after {took}"),
        "cancelled" => format!("{place} ← {release} was cancelled after {took} · {} serves again", before()),
        "needs-attention" => format!("{place} ← {release} failed after {took} and **needs attention**"),
        "interrupted" => format!("{place} ← {release} was interrupted after {took}, on its way back to {}", before()),
        "planned" => format!("{place} ← {release} · plan"),
        other => format!("{place} ← {release} · {other}"),
    }
}

/// The kind of what took it back, where that was no failure of the release but a word, or none, of people.
pub(super) fn decided(view: &View) -> Option<CauseCode> {
    let own = view.services.iter().filter_map(|service| service.cause.as_ref());
    let mut codes = own.chain(&view.gate_failure).map(|cause| cause.code);
    codes.find(|code| matches!(code, CauseCode::Rejected | CauseCode::GateExpired))
}

fn services(out: &mut String, view: &View) {
    out.push_str("| service | before | after | state | image | |\n| --- | --- | --- | --- | --- | --- |\n");
    for service in &view.services {
        let origin = service.origin.map_or("", origin_words);
        let mut links = Vec::new();
        if let Some(url) = &service.url {
            links.push(link("open", url));
        }
        if let Some(console) = &service.console {
            links.push(link("console", console));
        }
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} {} | {} | {} |",
            service.name,
            code(&service.before),
            code(&service.after),
            mark(service),
            service.state,
            origin,
            links.join(" · "),
        );
    }
    out.push('\n');
}

/// The hooks in their order; nothing when there are none.
pub fn hooks(out: &mut String, view: &View) {
    if view.hooks.is_empty() {
        return;
    }
    for hook in &view.hooks {
        let mark = match hook.state.as_str() {
            "done" => "✓",
            "undone" => "↩",
            "failed" | "could not be undone" => "✗",
            _ => "…",
        };
        let command = code(&hook.run.join(" "));
        let _ = writeln!(out, "- {mark} {} {}: {command} {}", hook.when, hook.service, hook.state);
    }
    out.push('\n');
}

/// How an image came to be there, in words.
pub fn origin_words(origin: ImageOrigin) -> &'static str {
    match origin {
        ImageOrigin::Built => "built",
        ImageOrigin::FoundByCommit => "was already built",
        ImageOrigin::FoundByTree => "same source, tag added",
        ImageOrigin::Given => "given",
        ImageOrigin::Promoted => "promoted",
        ImageOrigin::PutBack => "put back",
    }
}

/// One sign for how a service stands.
pub fn mark(service: &ServiceView) -> &'static str {
    match service.state.as_str() {
        "serving" | "unchanged" => "✓",
        "restored" if service.cause.is_none() => "↩",
        "restored" | "failed" | "stuck" => "✗",
        "superseded" => "⤼",
        _ => "…",
    }
}

/// A failure: what, the provider's words, exit code, log lines, facts, what next, pages to open.
pub fn failure(out: &mut String, name: &str, cause: &Cause) {
    // `alarm pmis-5xx fired` names itself.
    let named = cause.summary.strip_prefix(name).filter(|rest| rest.starts_with(' '));
    let _ = match named {
        Some(rest) => writeln!(out, "**{name}**{}\n", sentence(rest)),
        None => writeln!(out, "**{name}**: {}\n", sentence(&cause.summary)),
    };
    if let Some(says) = &cause.provider_says {
        let _ = writeln!(out, "The provider says: {}\n", inline(says));
    }
    if let Some(exit) = &cause.exit {
        let _ = writeln!(out, "Exit code {}: {}.\n", exit.code, inline(&exit.meaning));
    }
    if let Some(log) = &cause.log
        && !log.lines.is_empty()
    {
        let _ = writeln!(out, "{}\n\n{}\n", code(&log.source), block(&log.lines));
    }
    for fact in &cause.facts {
        let _ = writeln!(out, "- {}", sentence(fact));
    }
    if !cause.facts.is_empty() {
        out.push('\n');
    }
    let _ = writeln!(out, "**Next**: {}\n", sentence(&cause.next));
    let links: Vec<String> = cause.links.iter().map(|page| link(&page.title, &page.url)).collect();
    if !links.is_empty() {
        let _ = writeln!(out, "{}\n", links.join(" · "));
    }
}

/// What differs, field by field, folded; nothing when nothing does.
pub fn changes(out: &mut String, view: &View) {
    let count: usize = view.services.iter().map(|service| service.changes.len()).sum();
    if count == 0 {
        return;
    }
    let _ = writeln!(out, "<details><summary>{count} changed {}</summary>\n", plural(count, "field"));
    out.push_str("| service | field | before | after |\n| --- | --- | --- | --- |\n");
    for service in &view.services {
        for change in &service.changes {
            let cell = |value: &Option<String>| {
                value.as_deref().map_or_else(|| "—".to_owned(), |value| code(&shortened(value)))
            };
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} |",
                service.name,
                code(&change.path),
                cell(&change.before),
                cell(&change.after)
            );
        }
    }
    out.push_str("\n</details>\n\n");
}

/// The commits between, folded; nothing when none are known.
pub fn commits(out: &mut String, view: &View) {
    if view.commits.is_empty() {
        return;
    }
    let count = view.commits.len();
    let _ = writeln!(out, "<details><summary>{count} {}</summary>\n", plural(count, "commit"));
    for commit in &view.commits {
        let _ = writeln!(out, "- {} {} ({})", code(&commit.sha.short()), inline(&commit.title), inline(&commit.author));
    }
    out.push_str("\n</details>\n\n");
}

/// The word for that many.
pub fn plural(count: usize, word: &str) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

fn timeline(out: &mut String, view: &View) {
    if view.stages.is_empty() && view.timeline.is_empty() {
        return;
    }
    out.push_str("<details><summary>Timeline</summary>\n\n");
    gantt(out, &view.stages);
    for moment in &view.timeline {
        let after = u64::try_from(moment.at.duration_since(view.began).as_millis()).unwrap_or(0);
        let about = moment.service.as_ref().map(|service| format!("**{service}** ")).unwrap_or_default();
        let _ = writeln!(out, "- {} · {about}{}", span(after), sentence(&moment.what));
    }
    out.push_str("\n</details>\n\n");
}

/// What took how long, as a diagram; nothing when nothing is known.
pub fn gantt(out: &mut String, stages: &[Stage]) {
    if stages.is_empty() {
        return;
    }
    // Gantt sections want plain words: anything else breaks the diagram for everybody.
    out.push_str("```mermaid\ngantt\n    dateFormat x\n    axisFormat %M:%S\n");
    for stage in stages {
        let name: String =
            stage.name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { ' ' }).collect();
        let began = stage.began.as_millisecond();
        let end = began.saturating_add_unsigned(stage.took_ms.max(1));
        let _ = writeln!(out, "    {} ({}) :{began}, {end}", name.trim(), span(stage.took_ms));
    }
    out.push_str("```\n\n");
}
