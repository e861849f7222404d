//! What was measured: values, limits, and how they went, for people.
//!
//! `error rate 0.4 % (old 0.5 %, limit 5 %) ▂▁▁▂▁ · p99 182 ms (old 176)`

use std::fmt::Write as _;

use super::escape::{inline, sentence, visible};
use super::view::View;
use crate::rollout::analysis::{Judged, Judgement, Verdict};
use crate::types::ServiceName;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Values as a line of bars, from the least to the greatest of them. A place without a value is a
/// dot; values that are all the same stand low.
pub fn sparkline(values: &[Option<f64>]) -> String {
    let known = || values.iter().flatten().copied().filter(|value| value.is_finite());
    let (least, most) =
        known().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)));
    let bar = |value: f64| {
        // Halves, because the distance of the ends may be more than a number can hold.
        let share = (value / 2.0 - least / 2.0) / (most / 2.0 - least / 2.0);
        let height = BARS.iter().zip(1_u32..).find(|(_, step)| share * 8.0 <= f64::from(*step));
        if most > least { height.map_or('█', |(bar, _)| *bar) } else { BARS[0] }
    };
    values.iter().map(|value| value.filter(|value| value.is_finite()).map_or('·', bar)).collect()
}

/// One measurement in a few words.
pub fn measurement(judgement: &Judgement) -> String {
    let limit = &judgement.limit;
    let mut out = judgement.measure.clone();
    match judgement.value {
        Some(value) => {
            let _ = write!(out, " {}", limit.written(value));
        }
        None => out.push_str(" no value"),
    }
    let bound = match limit.side {
        crate::rollout::analysis::LimitSide::Below => "limit",
        crate::rollout::analysis::LimitSide::Above => "at least",
    };
    let old = judgement.baseline.map(|old| format!("old {}, ", limit.written(old))).unwrap_or_default();
    let _ = write!(out, " ({old}{bound} {})", limit.written(limit.value));
    if judgement.recent.len() > 1 {
        let _ = write!(out, " {}", sparkline(&judgement.recent));
    }
    out
}

/// Measurements of a service beyond this many are only counted in its cell.
const VALUES: usize = 3;

/// What is measured of a service, for its cell in the services' table in Markdown: the values alone,
/// what is bad first. Limits and all else stand in the table of [`analysis`].
pub fn values(judged: &Judged, service: &ServiceName) -> String {
    let mut own: Vec<&Judgement> =
        judged.judgements.iter().filter(|judgement| judgement.service.as_ref() == Some(service)).collect();
    own.sort_by_key(|judgement| judgement.verdict != Verdict::Fail);
    let shown = own.iter().take(VALUES).map(|judgement| {
        let bad = if judgement.verdict == Verdict::Fail { "✗ " } else { "" };
        format!("{bad}{} {}", inline(&judgement.measure), written(judgement, judgement.value))
    });
    let mut parts: Vec<String> = shown.collect();
    if own.len() > VALUES {
        parts.push(format!("{} more", own.len() - VALUES));
    }
    // A line each: side by side they would make the table too wide for any screen.
    parts.join("<br>")
}

/// All measurements as a table, service by service, and what they say; nothing when there are none.
pub fn analysis(out: &mut String, view: &View) {
    let Some(judged) = &view.analysis else { return };
    if !judged.judgements.is_empty() {
        table(out, judged, view.services.len());
    }
    if let Some(why) = news(judged, view) {
        let _ = writeln!(out, "**analysis**: {}\n", sentence(why));
    }
}

fn table(out: &mut String, judged: &Judged, services: usize) {
    let mut all: Vec<&Judgement> = judged.judgements.iter().collect();
    // What is about all of them comes last.
    all.sort_by_key(|judgement| (judgement.service.is_none(), &judgement.service));
    let compared = all.iter().any(|judgement| judgement.baseline.is_some());
    let columns = [(services > 1, "service"), (true, "measured"), (true, "new"), (compared, "old"), (true, "limit")];
    let mut titles: Vec<&str> = columns.iter().filter(|(shown, _)| *shown).map(|(_, title)| *title).collect();
    titles.extend(["trend", "verdict"]);
    let _ = writeln!(out, "| {} |\n|{}", titles.join(" | "), " --- |".repeat(titles.len()));
    for judgement in all {
        let value = |value: Option<f64>| written(judgement, value);
        let mut cells = Vec::new();
        if services > 1 {
            cells.push(judgement.service.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string));
        }
        cells.extend([inline(&judgement.measure), value(judgement.value)]);
        if compared {
            cells.push(value(judgement.baseline));
        }
        let verdict = judgement.verdict;
        cells.extend([
            format!("{} {}", judgement.limit.side, value(Some(judgement.limit.value))),
            sparkline(&judgement.recent),
            format!("{} {}", mark(verdict), verdict.word()),
        ]);
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out.push('\n');
}

/// A value with its unit, which no narrow cell parts.
fn written(judgement: &Judgement, value: Option<f64>) -> String {
    value.map_or_else(|| "—".to_owned(), |value| inline(&judgement.limit.written(value)).replace(' ', "\u{a0}"))
}

fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✓",
        Verdict::Fail => "✗",
        Verdict::Inconclusive | Verdict::NoData => "?",
    }
}

/// Why it is not good, unless the reader is told it elsewhere: as the cause of the end, or as why a
/// person is asked. While a step is watched, missing values are none: most are still to come.
fn news<'a>(judged: &'a Judged, view: &View) -> Option<&'a str> {
    let why = judged.why.as_str();
    let told = view.failures().any(|(_, cause)| cause.summary.contains(why))
        || view.waits.as_ref().is_some_and(|waits| waits.said.as_deref().is_some_and(|said| said.contains(why)));
    let watched = view.waits.as_ref().is_some_and(|waits| waits.waits == "bake") || view.result == "shifting";
    match judged.verdict {
        Verdict::Pass => None,
        _ if told => None,
        // A source that does not answer is news at any time.
        Verdict::NoData | Verdict::Inconclusive if watched && !why.contains("cannot be read") => None,
        Verdict::Fail | Verdict::NoData | Verdict::Inconclusive => Some(why),
    }
}

/// The same for a terminal or a log.
pub fn lines(judged: &Judged) -> Vec<String> {
    let of = |judgement: &Judgement| {
        let service = judgement.service.as_ref().map(|service| format!("{service}: ")).unwrap_or_default();
        visible(&format!("{service}{}, {}", measurement(judgement), judgement.verdict.word()))
    };
    let mut lines: Vec<String> = judged.judgements.iter().map(of).collect();
    if judged.verdict != Verdict::Pass {
        lines.push(visible(&format!("{}: {}", judged.verdict.word(), judged.why)));
    }
    lines
}
