use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::*;
use crate::engine::FailureKind;
use crate::rollout::analysis::{Compare, Limit, LimitSide, Metric, MetricForm, MetricQuery, Weight};
use crate::types::Span;

/// Answers one value a second, as a function of what is asked; keeps the questions.
struct Source<F> {
    value: F,
    asked: Mutex<Vec<Vec<Question>>>,
    /// So many reads fail before the first answer.
    fails: AtomicUsize,
}

impl<F: Fn(&str) -> Option<f64> + Send + Sync> Source<F> {
    fn of(value: F) -> Self {
        Self { value, asked: Mutex::default(), fails: AtomicUsize::new(0) }
    }

    fn failing(self, times: usize) -> Self {
        self.fails.store(times, Ordering::SeqCst);
        self
    }
}

#[async_trait]
impl<F: Fn(&str) -> Option<f64> + Send + Sync> MetricSource for Source<F> {
    async fn read(&self, asked: &[Question]) -> Result<Vec<Series>, ProviderFailure> {
        self.asked.lock().unwrap().push(asked.to_vec());
        if self.fails.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(ProviderFailure {
                operation: "cloudwatch:GetMetricData".to_owned(),
                code: None,
                message: "too many".to_owned(),
                request_id: None,
                kind: FailureKind::Throttled,
            });
        }
        let series = |question: &Question| {
            let Query::CloudWatch(MetricQuery { form: MetricForm::Metric(metric), .. }) = &question.query else {
                return Series::default();
            };
            let side = metric.dimensions.get("TargetGroup").map_or("", String::as_str);
            let points = (question.from.as_second()..question.to.as_second()).filter_map(|second| {
                let at = Timestamp::from_second(second).unwrap();
                (self.value)(&format!("{} {side}", metric.name)).map(|value| Point { at, value })
            });
            Series { points: points.collect(), trouble: None }
        };
        Ok(asked.iter().map(series).collect())
    }
}

fn measure(name: &str, variable: &str) -> Measure {
    let dimensions = BTreeMap::from([("TargetGroup".to_owned(), variable.to_owned())]);
    let metric = Metric { namespace: "N".into(), name: name.into(), statistic: "Sum".into(), dimensions };
    Measure {
        name: name.to_owned(),
        query: Query::CloudWatch(MetricQuery { form: MetricForm::Metric(metric), period: Span::seconds(1) }),
        limit: Limit { side: LimitSide::Below, value: 5.0, unit: "%".to_owned() },
        every: Span::seconds(1),
        no_data: NoData::Pause,
        compare: None,
        min_samples: 2,
        warm_up: Span::seconds(0),
        failures: 1,
        weight: Weight::Ordinary,
        services: Vec::new(),
    }
}

fn sides(services: &[&str]) -> BTreeMap<ServiceName, Sides> {
    let group = |side: &str, service: &str| BTreeMap::from([("target-group".to_owned(), format!("{service}-{side}"))]);
    let of =
        |service: &&str| (service.parse().unwrap(), Sides { new: group("new", service), old: group("old", service) });
    services.iter().map(of).collect()
}

fn second(offset: i64) -> Timestamp {
    Timestamp::from_second(clock::now().as_second() + offset).unwrap()
}

async fn run(
    measures: &[Measure],
    source: &dyn MetricSource,
    from: i64,
    until: Option<i64>,
) -> (Option<Judged>, usize) {
    let told = AtomicUsize::new(0);
    let tell = |_: &Judged| {
        told.fetch_add(1, Ordering::SeqCst);
    };
    let (from, until) = (second(from), until.map(second));
    let stop = Cancel::new();
    let judged = analyse(measures, &sides(&["api", "web"]), source, from, until, &stop, tell).await;
    (judged, told.into_inner())
}

#[tokio::test]
async fn good_values_pass_at_the_end_and_every_interval_is_told_and_is_one_read() {
    let source = Source::of(|_| Some(1.0));
    let measures = [measure("a", "{target-group}"), measure("b", "{target-group}"), measure("c", "fixed")];
    let (judged, told) = run(&measures, &source, 0, Some(4)).await;
    let judged = judged.unwrap();
    assert_eq!((judged.verdict, judged.why.as_str()), (Verdict::Pass, "5 measurements are good"));
    let reads = source.asked.lock().unwrap();
    // Two services with two sides each and one that has none.
    assert!(reads.iter().all(|read| read.len() == 9), "{reads:#?}");
    assert!((3..=5).contains(&reads.len()) && (3..=6).contains(&told), "{} reads, {told} told", reads.len());
}

#[tokio::test]
async fn the_first_failure_ends_it_with_the_service_that_failed() {
    let source = Source::of(|asked| Some(if asked == "a web-new" { 9.0 } else { 1.0 }));
    let (judged, _) = run(&[measure("a", "{target-group}")], &source, 0, Some(60)).await;
    let judged = judged.unwrap();
    assert_eq!(judged.verdict, Verdict::Fail);
    assert!(judged.why.starts_with("web: a is 9 %, not below 5 %"), "{}", judged.why);
    let web = judged.judgements.iter().find(|one| one.service.as_ref().is_some_and(|name| name.as_str() == "web"));
    assert_eq!(web.unwrap().baseline, Some(1.0), "the old side is known without a comparison");
}

#[tokio::test]
async fn what_is_worse_than_before_fails_within_its_limit() {
    let source = Source::of(|asked| Some(if asked.ends_with("-new") { 3.0 } else { 1.0 }));
    let compared =
        Measure { compare: Some(Compare::default()), every: Span::seconds(30), ..measure("a", "{target-group}") };
    let (judged, _) = run(&[compared], &source, -40, Some(1)).await;
    let judged = judged.unwrap();
    assert_eq!(judged.verdict, Verdict::Fail);
    assert!(
        judged.why.contains("api: a is worse than before: 3 % against 1 %, in 100 % of all pairs"),
        "{}",
        judged.why
    );
}

#[tokio::test]
async fn after_a_crash_it_is_taken_up_from_its_beginning_at_once() {
    let source = Source::of(|_| Some(1.0));
    let began = clock::instant();
    let measures = [Measure { min_samples: 300, ..measure("a", "fixed") }];
    let (judged, _) = run(&measures, &source, -400, Some(-1)).await;
    assert_eq!(judged.unwrap().verdict, Verdict::Pass);
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(source.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn known_values_are_not_asked_for_again() {
    let source = Source::of(|_| Some(1.0));
    run(&[measure("a", "fixed")], &source, -400, Some(2)).await;
    let reads = source.asked.lock().unwrap();
    let lengths: Vec<i64> = reads.iter().map(|read| read[0].to.as_second() - read[0].from.as_second()).collect();
    assert!(lengths[0] >= 400 && lengths[1..].iter().all(|length| *length < 70), "{lengths:?}");
}

#[tokio::test]
async fn a_source_that_fails_for_a_while_is_asked_again() {
    let source = Source::of(|_| Some(1.0)).failing(2);
    let (judged, _) = run(&[measure("a", "fixed")], &source, -10, Some(2)).await;
    assert_eq!(judged.unwrap().verdict, Verdict::Pass);
}

#[tokio::test]
async fn a_source_that_does_not_answer_is_a_matter_for_a_person_whatever_missing_values_mean() {
    let source = Source::of(|_| Some(1.0)).failing(1000);
    let strict = Measure { no_data: NoData::RollBack, ..measure("a", "fixed") };
    let (judged, told) = run(&[strict], &source, -1000, Some(0)).await;
    let judged = judged.unwrap();
    assert_eq!(judged.verdict, Verdict::Inconclusive);
    assert_eq!(judged.why, "the measurements cannot be read: cloudwatch:GetMetricData: too many");
    assert!(told >= 1);
    assert_eq!(source.asked.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn without_an_end_only_a_failure_or_a_stop_ends_it() {
    let source = Source::of(|asked| asked.ends_with("-new").then_some(1.0));
    let stop = Cancel::new();
    let measures = [measure("a", "{target-group}"), measure("nothing", "fixed")];
    let sides = sides(&["api"]);
    let analysis = analyse(&measures, &sides, &source, second(-20), None, &stop, |_| {});
    let stopping = async {
        wait::pause(Duration::from_millis(1500), &Cancel::new()).await;
        stop.cancel();
    };
    let (judged, ()) = futures_util::future::join(analysis, stopping).await;
    assert_eq!(judged, None);
    let broken = Source::of(|_| Some(7.0));
    assert_eq!(run(&measures, &broken, -20, None).await.0.unwrap().verdict, Verdict::Fail);
}

#[tokio::test]
async fn a_variable_that_no_service_has_is_a_matter_for_a_person() {
    let source = Source::of(|_| Some(1.0));
    let (judged, _) = run(&[measure("a", "{revision}"), measure("b", "fixed")], &source, -10, Some(0)).await;
    let judged = judged.unwrap();
    assert_eq!(judged.verdict, Verdict::Inconclusive);
    assert_eq!(judged.why, "a cannot be asked: no service has a value for {revision}");
    let of_another = Measure { services: vec!["worker".parse().unwrap()], ..measure("a", "{target-group}") };
    let (judged, _) = run(&[of_another, measure("b", "fixed")], &source, -10, Some(0)).await;
    assert_eq!(judged.unwrap().verdict, Verdict::Pass, "a measurement of services that do not move is none of it");
}

#[test]
fn ticks_lie_whole_steps_after_the_beginning() {
    let at = |ms| Timestamp::from_millisecond(ms).unwrap();
    let tick = |now| next_tick(at(500), Duration::from_mins(1), at(now)).as_millisecond();
    assert_eq!([0, 500, 60_499, 60_500, 3_000_000].map(tick), [500, 60_500, 60_500, 120_500, 3_000_500]);
}
