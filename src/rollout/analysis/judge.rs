//! The judgement of one measurement: its limit, then the comparison with the old revision.
//!
//! The values since the end of the warm-up are put into intervals of [`Measure::interval`]; the mean of
//! an interval is held against the limit. Everything follows from the values and their times, so
//! whoever reads the same values again comes to the same judgement.

use super::{Alternative, Compare, Judgement, LimitSide, Measure, NoData, Point, Ranked, Verdict, Weight, rank_test};
use crate::types::{ServiceName, Timestamp};

/// How many intervals a judgement remembers.
const REMEMBERED: usize = 20;

/// How late a provider may publish a value.
const LATE: i64 = 60;

/// The time that is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// When the analysis began.
    pub from: Timestamp,
    /// Now.
    pub now: Timestamp,
}

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct Samples<'a> {
    /// Of the new revision, in any order.
    pub new: &'a [Point],
    /// Of the old one, where the question can be asked of it.
    pub old: Option<&'a [Point]>,
}

/// Judges one measurement of one service.
pub fn judge(measure: &Measure, service: Option<&ServiceName>, window: Window, samples: Samples<'_>) -> Judgement {
    let subject = service.map_or_else(|| measure.name.clone(), |service| format!("{service}: {}", measure.name));
    let begins = window.from.as_second() + i64::from(measure.warm_up.as_seconds());
    let new = counted(samples.new, begins);
    let old = samples.old.map(|old| counted(old, begins));
    let intervals = intervals(measure, begins, &new);
    let bad: Vec<f64> = intervals.iter().flatten().copied().filter(|value| !measure.limit.holds(*value)).collect();
    let failed = u32::try_from(bad.len()).unwrap_or(u32::MAX);
    let compared = compared(measure, &new, old.as_deref());
    let ranked = compared.as_ref().and_then(|compared| compared.ranked);
    let mut judgement = Judgement {
        measure: measure.name.clone(),
        service: service.cloned(),
        verdict: Verdict::Pass,
        value: mean(values(&new)),
        baseline: old.as_deref().and_then(|old| mean(values(old))),
        limit: measure.limit.clone(),
        effect: ranked.map(|ranked| ranked.effect),
        p: ranked.map(|ranked| ranked.p),
        samples: new.len(),
        old_samples: old.as_deref().map_or(0, <[Point]>::len),
        failed,
        recent: intervals[intervals.len().saturating_sub(REMEMBERED)..].to_vec(),
        text: String::new(),
    };
    let tolerated = match measure.weight {
        Weight::Ordinary => measure.failures,
        Weight::Critical => 0,
    };
    let (verdict, text) = if failed > tolerated {
        judgement.value = bad.last().copied();
        (Verdict::Fail, broken(measure, bad.last().copied(), &intervals, failed, tolerated))
    } else if let Some(Compared { verdict: Verdict::Fail, text, .. }) = &compared {
        (Verdict::Fail, text.clone())
    } else if let Some(silent) = silence(measure, begins, window, &new) {
        silent
    } else if new.len() < measure.min_samples as usize {
        (Verdict::Inconclusive, format!("has {} of the {} values it needs", new.len(), measure.min_samples))
    } else if let Some(Compared { verdict: Verdict::Inconclusive, text, .. }) = &compared {
        (Verdict::Inconclusive, text.clone())
    } else {
        (Verdict::Pass, "is good".to_owned())
    };
    judgement.verdict = verdict;
    judgement.text = format!("{subject} {text}");
    judgement
}

/// The values that count, in the order of their times.
fn counted(points: &[Point], begins: i64) -> Vec<Point> {
    let counts = |point: &&Point| point.value.is_finite() && point.at.as_second() >= begins;
    let mut counted: Vec<Point> = points.iter().filter(counts).copied().collect();
    counted.sort_by_key(|point| point.at);
    counted
}

fn values(points: &[Point]) -> impl Iterator<Item = f64> {
    points.iter().map(|point| point.value)
}

/// The mean; nothing where there is no value. Values near the ends of what a number can hold do not
/// make it infinite.
pub fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut mean = None;
    let mut count = 0.0;
    for value in values {
        count += 1.0;
        let before = mean.unwrap_or(0.0);
        mean = Some(before * ((count - 1.0) / count) + value / count);
    }
    mean
}

/// The mean of every interval from the first with a value to the last with one.
fn intervals(measure: &Measure, begins: i64, points: &[Point]) -> Vec<Option<f64>> {
    let length = i64::from(measure.interval().as_seconds().max(1));
    let of = |point: &Point| (point.at.as_second() - begins).div_euclid(length);
    let mut found = Vec::new();
    let mut last: Option<i64> = None;
    for group in points.chunk_by(|one, other| of(one) == of(other)) {
        let Some(number) = group.first().map(of) else { continue };
        let empty = last.map_or(0, |last| (number - last - 1).max(0));
        // A long silence needs no more empty places than are ever shown.
        found.extend((0..empty.min(20)).map(|_| None));
        found.push(mean(values(group)));
        last = Some(number);
    }
    found
}

/// A measurement without values, or whose values have stopped.
fn silence(measure: &Measure, begins: i64, window: Window, new: &[Point]) -> Option<(Verdict, String)> {
    let (every, period) = (i64::from(measure.every.as_seconds()), i64::from(measure.query.period().as_seconds()));
    let patience = 2 * (every + period) + LATE;
    let last = new.last().map(|point| point.at.as_second() + period);
    let silent = window.now.as_second() - last.unwrap_or(begins);
    if last.is_some() && silent <= patience {
        return None;
    }
    let text = match last {
        None => "has no value".to_owned(),
        Some(_) => format!("has had no value for {silent} s"),
    };
    let verdict = match measure.no_data {
        NoData::RollBack if silent > patience => Verdict::Fail,
        NoData::RollBack | NoData::Pause => Verdict::NoData,
    };
    Some((verdict, text))
}

fn broken(measure: &Measure, value: Option<f64>, intervals: &[Option<f64>], failed: u32, tolerated: u32) -> String {
    let all = intervals.iter().flatten().count();
    let value = value.map_or_else(String::new, |value| measured(value, measure));
    let limit = format!("{} {}", measure.limit.side, measured(measure.limit.value, measure));
    let more = match (all, tolerated) {
        (..=1, _) => String::new(),
        (_, 0) => format!(", in {failed} of {all} intervals"),
        (_, _) => format!(", in {failed} of {all} intervals ({tolerated} tolerated)"),
    };
    format!("is {value}, not {limit}{more}")
}

fn measured(value: f64, measure: &Measure) -> String {
    measure.limit.written(value)
}

struct Compared {
    verdict: Verdict,
    ranked: Option<Ranked>,
    text: String,
}

/// The comparison, where one is wished for.
fn compared(measure: &Measure, new: &[Point], old: Option<&[Point]>) -> Option<Compared> {
    let compare = measure.compare?;
    let unsure = |text: String| Some(Compared { verdict: Verdict::Inconclusive, ranked: None, text });
    let Some(old) = old else { return unsure("cannot be compared: it is the same question for both revisions".into()) };
    if old.is_empty() {
        return unsure("cannot be compared: the old revision has no value".into());
    }
    let ranked = ranked(measure.limit.side, compare, new, old);
    let least = measure.min_samples as usize;
    if old.len() < least || new.len() < least {
        let text = format!("cannot be compared yet: {} new and {} old of {least} values each", new.len(), old.len());
        return Some(Compared { verdict: Verdict::Inconclusive, ranked, text });
    }
    let worse = ranked.filter(|ranked| ranked.p < compare.p && ranked.effect >= compare.effect);
    let verdict = if worse.is_some() { Verdict::Fail } else { Verdict::Pass };
    let text = worse.map_or_else(String::new, |worse| {
        let side = |points: &[Point]| mean(values(points)).map_or_else(String::new, |value| measured(value, measure));
        format!(
            "is worse than before: {} against {}, in {:.0} % of all pairs (p {})",
            side(new),
            side(old),
            worse.effect * 100.0,
            improbability(worse.p),
        )
    });
    Some(Compared { verdict, ranked, text })
}

/// Whether the new values are worse than the old ones with the margin. Only worse counts.
fn ranked(side: LimitSide, compare: Compare, new: &[Point], old: &[Point]) -> Option<Ranked> {
    let new: Vec<f64> = values(new).collect();
    let moved =
        |sign: f64| -> Vec<f64> { values(old).map(|value| value + sign * compare.margin * value.abs()).collect() };
    match side {
        LimitSide::Below => rank_test(&new, &moved(1.0), Alternative::Greater),
        LimitSide::Above => {
            let ranked = rank_test(&new, &moved(-1.0), Alternative::Less)?;
            Some(Ranked { effect: 1.0 - ranked.effect, ..ranked })
        }
    }
}

fn improbability(p: f64) -> String {
    if p < 0.0001 { "< 0.0001".to_owned() } else { format!("{p:.4}") }
}
