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

/// The measurements of a service, or those of all services together, for a table's cell in Markdown;
/// empty when there are none.
pub fn measurements(judged: &Judged, service: Option<&ServiceName>) -> String {
    let own = judged.judgements.iter().filter(|judgement| judgement.service.as_ref() == service);
    let shown = own.map(|judgement| match mark(judgement.verdict) {
        "" => inline(&measurement(judgement)),
        mark => format!("{mark} {}", inline(&measurement(judgement))),
    });
    shown.collect::<Vec<_>>().join(" · ")
}

fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Fail => "✗",
        Verdict::Pass | Verdict::Inconclusive | Verdict::NoData => "",
    }
}

/// All measurements as a table, and what they say; nothing when there are none.
pub fn analysis(out: &mut String, view: &View) {
    let Some(judged) = &view.analysis else { return };
    if !judged.judgements.is_empty() {
        let compared = judged.judgements.iter().any(|judgement| judgement.baseline.is_some());
        let (title, line) = if compared { (" old |", " --- |") } else { ("", "") };
        let _ = writeln!(out, "| measured | new |{title} limit | | |\n| --- | --- |{line} --- | --- | --- |");
        for judgement in &judged.judgements {
            let of = judgement.service.as_ref().map(|service| format!("{service}: ")).unwrap_or_default();
            let value =
                |value: Option<f64>| value.map_or_else(|| "—".to_owned(), |value| judgement.limit.written(value));
            let old = if compared { format!(" {} |", inline(&value(judgement.baseline))) } else { String::new() };
            let _ = writeln!(
                out,
                "| {of}{} | {} |{old} {} {} | {} | {} |",
                inline(&judgement.measure),
                inline(&value(judgement.value)),
                judgement.limit.side,
                inline(&value(Some(judgement.limit.value))),
                sparkline(&judgement.recent),
                judgement.verdict.word(),
            );
        }
        out.push('\n');
    }
    if judged.verdict != Verdict::Pass {
        let _ = writeln!(out, "**Analysis**: {}: {}\n", judged.verdict.word(), sentence(&judged.why));
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
