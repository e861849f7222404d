//! Measures while it waits: asks the source at every interval, judges, and ends early on a failure.
//!
//! One read answers all questions that are due, whatever service they are about. Everything that is
//! judged comes from the source, so an analysis that was cut by a crash is taken up by asking again
//! from its beginning (what we probe ourselves begins anew). A source that does not answer is asked
//! again with growing pauses; if it does not answer at the end either, a person decides.

mod subject;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use self::subject::{Subject, subjects};
use super::target::ProviderFailure;
use super::{Cancel, MetricSource, Question, Series, Sides, clock, wait};
use crate::rollout::analysis::{
    Judged, Judgement, Measure, NoData, Point, Query, Samples, Stage, Verdict, Window, combined, judge,
};
use crate::types::{ServiceName, Timestamp};

/// How often a source that fails is asked at the end, before a person has to decide.
const LAST_TRIES: u32 = 4;

/// The longest pause between two questions to a source that fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Measures from `from` until `until`, and says how it ended: with a failure as soon as there is one,
/// else at `until` with what is known then. Without `until` only a failure ends it. Nothing when it
/// was stopped. `tell` hears of every interval.
pub async fn analyse(
    measures: &[Measure],
    sides: &BTreeMap<ServiceName, Sides>,
    source: &dyn MetricSource,
    from: Timestamp,
    until: Option<Timestamp>,
    stop: &Cancel,
    tell: impl Fn(&Judged),
) -> Option<Judged> {
    let (subjects, unasked) = subjects(measures, sides);
    let mut analyst =
        Analyst { measures, subjects, unasked, from, kept: BTreeMap::new(), read: None, failure: None, tries: 0 };
    let mut due = analyst.first_due();
    let mut telling = analyst.next_telling(from);
    loop {
        let now = clock::now();
        let ended = until.is_some_and(|until| now >= until);
        let asked: Vec<Query> =
            due.iter().filter(|(_, at)| ended || **at <= now).map(|(query, _)| query.clone()).collect();
        let failed_before = analyst.failure.is_some();
        if !asked.is_empty() {
            let answer = tokio::select! {
                biased;
                () = stop.cancelled() => return None,
                answer = analyst.ask(&asked, source, now) => answer,
            };
            if answer.is_ok() {
                for query in asked {
                    let next = analyst.next(&query, clock::now());
                    due.insert(query, next);
                }
            }
        }
        let last = ended && (analyst.failure.is_none() || analyst.tries >= LAST_TRIES);
        let judged = analyst.judged(if last { Stage::Ended } else { Stage::Underway }, clock::now());
        if last || judged.verdict == Verdict::Fail {
            tell(&judged);
            return Some(judged);
        }
        let news = analyst.failure.is_some() && !failed_before;
        if news || (now >= telling && analyst.read.is_some()) {
            tell(&judged);
            telling = analyst.next_telling(now);
        }
        let next = match analyst.pause() {
            Some(pause) => clock::now() + pause,
            None => due.values().copied().chain(until).min().unwrap_or_else(|| clock::now() + LONGEST_PAUSE),
        };
        wait::pause(between(clock::now(), next), stop).await;
        if stop.is_cancelled() {
            return None;
        }
    }
}

/// What is known of one query.
#[derive(Default)]
struct Kept {
    points: BTreeMap<Timestamp, f64>,
    trouble: Option<String>,
}

struct Analyst<'a> {
    measures: &'a [Measure],
    subjects: Vec<Subject<'a>>,
    /// Measurements that nothing can be asked for.
    unasked: Vec<Judgement>,
    from: Timestamp,
    kept: BTreeMap<Query, Kept>,
    /// Until when the source has answered.
    read: Option<Timestamp>,
    failure: Option<ProviderFailure>,
    /// How often it failed, one after another.
    tries: u32,
}

impl Analyst<'_> {
    /// When every query is asked for the first time: as soon as a value can count.
    fn first_due(&self) -> BTreeMap<Query, Timestamp> {
        let mut due: BTreeMap<Query, Timestamp> = BTreeMap::new();
        for subject in &self.subjects {
            let warm = self.from + subject.measure.warm_up.duration();
            for query in subject.queries() {
                let step = self.step(query);
                let first = next_tick(self.from, step, warm - Duration::from_millis(1)).max(self.from + step);
                due.entry(query.clone()).and_modify(|at| *at = first.min(*at)).or_insert(first);
            }
        }
        due
    }

    fn next(&self, query: &Query, now: Timestamp) -> Timestamp {
        next_tick(self.from, self.step(query), now)
    }

    /// How often a query is asked: as the measurements that want it say, and as often as a probe samples.
    fn step(&self, query: &Query) -> Duration {
        let wanting = self.subjects.iter().filter(|subject| subject.queries().any(|own| own == query));
        let every = wanting.map(|subject| subject.measure.every.duration()).min().unwrap_or(LONGEST_PAUSE);
        let step = match query {
            Query::CloudWatch(_) => every,
            Query::Http(probe) => every.min(probe.rate.duration()),
        };
        step.max(Duration::from_secs(1))
    }

    fn next_telling(&self, now: Timestamp) -> Timestamp {
        let every = self.measures.iter().map(|measure| measure.every.duration().max(Duration::from_secs(1)));
        every.map(|every| next_tick(self.from, every, now)).min().unwrap_or(now)
    }

    async fn ask(&mut self, asked: &[Query], source: &dyn MetricSource, now: Timestamp) -> Result<(), ()> {
        let questions: Vec<Question> =
            asked.iter().map(|query| Question { query: query.clone(), from: self.unread(query), to: now }).collect();
        match source.read(&questions).await {
            Ok(answers) => {
                for (query, Series { points, trouble }) in asked.iter().zip(answers) {
                    let kept = self.kept.entry(query.clone()).or_default();
                    kept.points.extend(points.iter().map(|point| (point.at, point.value)));
                    kept.trouble = trouble;
                }
                (self.read, self.failure, self.tries) = (Some(now), None, 0);
                Ok(())
            }
            Err(failure) => {
                self.failure = Some(failure);
                self.tries += 1;
                Err(())
            }
        }
    }

    /// From when on a query is asked: a little before the last known value, because values come late.
    fn unread(&self, query: &Query) -> Timestamp {
        let last = self.kept.get(query).and_then(|kept| kept.points.keys().next_back());
        let again = query.period().duration() * 3 + Duration::from_mins(1);
        last.map_or(self.from, |last| (*last - again).max(self.from))
    }

    /// How long to wait before a source that failed is asked again.
    fn pause(&self) -> Option<Duration> {
        self.failure.as_ref()?;
        let seconds = 1_u64 << self.tries.saturating_sub(1).min(5);
        Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
    }

    fn judged(&self, stage: Stage, at: Timestamp) -> Judged {
        // What the source has not been able to tell is not missing.
        let window = Window { from: self.from, now: self.read.unwrap_or(self.from) };
        let mut judgements: Vec<Judgement> =
            self.subjects.iter().map(|subject| self.judgement(subject, window)).collect();
        judgements.extend(self.unasked.iter().cloned());
        let Some(failure) = &self.failure else { return combined(self.measures, judgements, stage, at) };
        let judged = combined(self.measures, judgements, Stage::Underway, at);
        if judged.verdict == Verdict::Fail {
            return judged;
        }
        let why = format!("the measurements cannot be read: {failure}");
        Judged { verdict: Verdict::Inconclusive, why, ..judged }
    }

    fn judgement(&self, subject: &Subject<'_>, window: Window) -> Judgement {
        let (new, trouble) = self.known(&subject.new);
        let old = subject.old.as_ref().map(|query| self.known(query));
        let trouble = trouble.or_else(|| old.as_ref().and_then(|(_, trouble)| *trouble));
        let mut measure = Cow::Borrowed(subject.measure);
        if trouble.is_some() {
            measure.to_mut().no_data = NoData::Pause;
        }
        let samples = Samples { new: &new, old: old.as_ref().map(|(points, _)| points.as_slice()) };
        let mut judgement = judge(&measure, subject.service, window, samples);
        if let Some(trouble) = trouble.filter(|_| judgement.verdict != Verdict::Fail) {
            judgement.verdict = Verdict::Inconclusive;
            judgement.text = format!("{} cannot be read: {trouble}", subject.name());
        }
        judgement
    }

    fn known(&self, query: &Query) -> (Vec<Point>, Option<&str>) {
        let Some(kept) = self.kept.get(query) else { return (Vec::new(), None) };
        let points = kept.points.iter().map(|(at, value)| Point { at: *at, value: *value }).collect();
        (points, kept.trouble.as_deref())
    }
}

/// The first of the times that lie a whole number of steps after `from` and come after `now`.
fn next_tick(from: Timestamp, step: Duration, now: Timestamp) -> Timestamp {
    let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX).max(1);
    let gone = now.as_millisecond().saturating_sub(from.as_millisecond());
    let tick = from.as_millisecond().saturating_add((gone.div_euclid(step) + 1).saturating_mul(step));
    Timestamp::from_millisecond(tick).unwrap_or(Timestamp::MAX)
}

fn between(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
