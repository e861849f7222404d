//! What a deploy would do, before anybody does it.

use std::fmt::Write as _;

use shipline::report::escape::{code, cut, sentence};
use shipline::report::{View, changes, commits, notices, origin_words, plural};

use super::sections::Sections;
use super::trim::{ROWS, trimmed};

/// What a deploy would do; `waits_for` are the gates it would wait for or be refused by, one a line.
pub fn plan(view: &View, waits_for: &[String]) -> String {
    let all = view.services.len();
    let moving = view.services.iter().filter(|service| service.state != "unchanged").count();
    let view = &trimmed(view);
    let mut text = Sections::headed(&format!(
        "{} ← {} · plan {}",
        view.environment,
        shipline::report::release(view),
        code(view.plan.get(..6).unwrap_or_default())
    ));
    text.add(&match moving {
        0 => "Already serves exactly this: nothing would change.".to_owned(),
        1 => "1 service would change. Nothing has been changed yet.".to_owned(),
        many => format!("{many} services would change. Nothing has been changed yet."),
    });
    text.add(&table(view, all));
    for notice in notices(view) {
        text.add(&format!("> {}", sentence(notice)));
    }
    text.add(&gates(view, waits_for));
    let mut details = String::new();
    changes(&mut details, view);
    text.add(&details);
    details.clear();
    commits(&mut details, view);
    text.add(&details);
    text.finish()
}

pub(super) fn table(view: &View, all: usize) -> String {
    let mut out = "| service | now | would be | changes | image |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for service in &view.services {
        let count = service.changes.len();
        let differs = if service.state == "unchanged" {
            "none".to_owned()
        } else {
            format!("{count} {}", plural(count, "field"))
        };
        let image = service.origin.map_or("", origin_words);
        let (name, before, after) = (&service.name, code(&service.before), code(&service.after));
        let _ = writeln!(out, "| {name} | {before} | {after} | {differs} | {image} |");
    }
    if all > view.services.len() {
        let _ = writeln!(out, "\n… and {} more services.", all - view.services.len());
    }
    if view.waves.len() > 1 {
        let _ = write!(out, "\nOne after another: ");
        let waves = view.waves.iter().take(ROWS).map(|wave| {
            let names: Vec<&str> = wave.iter().map(shipline::types::ServiceName::as_str).collect();
            names.join(" and ")
        });
        let _ = writeln!(out, "{}.", waves.collect::<Vec<_>>().join(", then "));
    }
    if let Some(rollout) = &view.rollout {
        let _ = writeln!(out, "\nTraffic: {rollout}.");
    }
    out
}

fn gates(view: &View, waits_for: &[String]) -> String {
    if waits_for.is_empty() {
        return format!("Nothing stands in the way: `/deploy {}`", view.environment);
    }
    let mut out = "**In the way now:**\n\n".to_owned();
    for gate in waits_for.iter().take(ROWS) {
        let _ = writeln!(out, "- {}", sentence(&cut(gate, 1_000)));
    }
    out
}
