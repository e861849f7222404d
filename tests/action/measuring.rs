//! The analysis over CloudWatch: real SDK, real HTTP, simulated metrics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shipline::engine::{Cancel, Sides, analyse, clock, wait};
use shipline::metrics::CloudWatchMetrics;
use shipline::rollout::analysis::{
    Compare, Judged, Limit, LimitSide, Measure, Metric, MetricForm, MetricQuery, NoData, Query, Verdict, Weight,
};
use shipline::types::{ServiceName, Span, Timestamp};
use shipline_test_support::{AwsWorld, Fault, FaultKind, MetricsSeed};

use super::app_runner::session;

const ELB: &str = "AWS/ApplicationELB";

/// 100 * errors / requests of the target group, once a second, below 5 %.
fn error_rate(number: usize) -> Measure {
    let dimensions = BTreeMap::from([("TargetGroup".to_owned(), "{target-group}".to_owned())]);
    let metric = |name: &str| Metric {
        namespace: ELB.into(),
        name: name.into(),
        statistic: "Sum".into(),
        dimensions: dimensions.clone(),
    };
    let metrics = [("errors", "HTTPCode_Target_5XX_Count"), ("requests", "RequestCount")]
        .map(|(id, name)| (id.to_owned(), metric(name)));
    let form =
        MetricForm::Expression { expression: "100 * errors / requests".to_owned(), metrics: BTreeMap::from(metrics) };
    Measure {
        name: format!("error rate {number}"),
        query: Query::CloudWatch(MetricQuery { form, period: Span::seconds(1) }),
        limit: Limit { side: LimitSide::Below, value: 5.0, unit: "%".to_owned() },
        every: Span::seconds(1),
        no_data: NoData::Pause,
        compare: None,
        min_samples: 3,
        warm_up: Span::seconds(0),
        failures: 1,
        weight: Weight::Ordinary,
        services: Vec::new(),
    }
}

/// A load balancer of two target groups, each with a hundred requests a second; the share of errors of
/// the new one can be turned up.
async fn balanced(broken: &Arc<AtomicBool>) -> AwsWorld {
    let world = AwsWorld::start().await;
    let broken = Arc::clone(broken);
    world.metrics(move |asked| {
        let group = asked.dimensions.get("TargetGroup").filter(|_| asked.namespace == ELB)?;
        let bad = broken.load(Ordering::SeqCst) && group == "targetgroup/new/1";
        match asked.name.as_str() {
            "RequestCount" => Some(vec![100.0]),
            "HTTPCode_Target_5XX_Count" => Some(vec![if bad { 30.0 } else { 1.0 }]),
            _ => None,
        }
    });
    world
}

fn sides() -> BTreeMap<ServiceName, Sides> {
    let group = |name: &str| BTreeMap::from([("target-group".to_owned(), format!("targetgroup/{name}/1"))]);
    BTreeMap::from([("api".parse().unwrap(), Sides { new: group("new"), old: group("old") })])
}

/// The whole second so long from now.
fn second(offset: i64) -> Timestamp {
    Timestamp::from_second(clock::now().as_second() + offset).unwrap()
}

async fn analysis(world: &AwsWorld, measures: &[Measure], from: i64, until: Option<i64>) -> (Judged, Vec<Judged>) {
    let source = CloudWatchMetrics::new(&session(world).await);
    let told = Mutex::new(Vec::new());
    let tell = |judged: &Judged| told.lock().unwrap().push(judged.clone());
    let judged =
        analyse(measures, &sides(), &source, second(from), until.map(second), &Cancel::new(), tell).await.unwrap();
    (judged, told.into_inner().unwrap())
}

#[tokio::test]
async fn fifty_measurements_of_both_sides_are_one_call_an_interval() {
    let world = balanced(&Arc::default()).await;
    let measures: Vec<Measure> = (0..50).map(error_rate).collect();
    let different: Vec<Measure> = measures
        .into_iter()
        .enumerate()
        .map(|(number, mut measure)| {
            // Fifty questions, and not one that is asked for fifty times.
            if let Query::CloudWatch(MetricQuery { form: MetricForm::Expression { expression, .. }, .. }) =
                &mut measure.query
            {
                *expression = format!("(100 + {number} - {number}) * errors / requests");
            }
            measure
        })
        .collect();
    let (judged, told) = analysis(&world, &different, -5, Some(6)).await;
    assert_eq!((judged.verdict, judged.judgements.len()), (Verdict::Pass, 50), "{}", judged.why);
    let judgement = &judged.judgements[0];
    assert_eq!((judgement.value, judgement.baseline), (Some(1.0), Some(1.0)));
    let calls = world.calls_of("cloudwatch", "GetMetricData");
    let queries: Vec<usize> =
        calls.iter().map(|call| call.body["MetricDataQueries"].as_array().unwrap().len()).collect();
    println!("{} calls for 6 intervals of 50 measurements, {queries:?} queries each", calls.len());
    assert!(
        queries.iter().all(|count| *count == 300),
        "50 measurements of two sides and two metrics each: {queries:?}"
    );
    assert!((6..=8).contains(&calls.len()) && told.len() <= 8, "{} calls, {} told", calls.len(), told.len());
    let of_one_second = calls
        .windows(2)
        .all(|pair| pair[1].at_ms - pair[0].at_ms > 500 || pair[1].at_ms / 1000 != pair[0].at_ms / 1000);
    assert!(of_one_second, "{calls:#?}");
}

#[tokio::test]
async fn errors_that_begin_on_the_way_end_it_within_seconds_and_are_named() {
    let broken = Arc::new(AtomicBool::new(false));
    let world = balanced(&broken).await;
    let breaking = async {
        wait::pause(Duration::from_secs(2), &Cancel::new()).await;
        broken.store(true, Ordering::SeqCst);
    };
    let began = clock::instant();
    // The simulator computes the past anew, so only what is read after it broke is bad.
    let (((judged, _), ()), took) =
        (futures_util::future::join(analysis(&world, &[error_rate(1)], 0, Some(300)), breaking).await, began.elapsed());
    assert_eq!(judged.verdict, Verdict::Fail);
    assert!(judged.why.starts_with("api: error rate 1 is 30 %, not below 5 %"), "{}", judged.why);
    assert_eq!(judged.judgements[0].baseline, Some(1.0));
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test]
async fn worse_than_the_old_revision_fails_within_the_limit() {
    let broken = Arc::new(AtomicBool::new(true));
    let world = balanced(&broken).await;
    let limit = Limit { side: LimitSide::Below, value: 50.0, unit: "%".to_owned() };
    let compared = Measure { limit, compare: Some(Compare::default()), ..error_rate(1) };
    let (judged, _) = analysis(&world, &[compared], -30, Some(1)).await;
    assert_eq!(judged.verdict, Verdict::Fail);
    assert!(judged.why.contains("is worse than before: 30 % against 1 %, in 100 % of all pairs"), "{}", judged.why);
}

#[tokio::test]
async fn a_long_history_comes_in_pages_and_nothing_of_it_is_lost() {
    let world = AwsWorld::start().await;
    world.metric("PMIS", "Low", &[("Side", "new")], |_, _| vec![1.0]);
    world.metrics_behave(MetricsSeed { page: Some(40), ..MetricsSeed::default() });
    let measure = Measure { query: super::metrics_contract::metric("Low", &[("Side", "new")]), ..error_rate(1) };
    let (judged, _) = analysis(&world, &[measure], -100, Some(0)).await;
    let judgement = &judged.judgements[0];
    assert!((95..=101).contains(&judgement.samples), "{judgement:#?}");
    let calls = world.calls_of("cloudwatch", "GetMetricData");
    assert!(calls.len() >= 3 && calls[1].body["NextToken"].is_string(), "{calls:#?}");
}

#[tokio::test]
async fn a_part_of_an_answer_is_not_taken_for_all_of_it() {
    let world = AwsWorld::start().await;
    world.metric("PMIS", "Low", &[("Side", "new")], |_, _| vec![1.0]);
    let status = BTreeMap::from([("Low".to_owned(), "InternalError".to_owned())]);
    world.metrics_behave(MetricsSeed { status, ..MetricsSeed::default() });
    let query = super::metrics_contract::metric("Low", &[("Side", "new")]);
    let measure = Measure { query, no_data: NoData::RollBack, ..error_rate(1) };
    let (judged, _) = analysis(&world, &[measure], -1000, Some(0)).await;
    assert_eq!(judged.verdict, Verdict::Inconclusive, "an error of the provider takes nothing back");
    assert!(judged.why.contains("CloudWatch had an internal error: InternalError"), "{}", judged.why);
}

#[tokio::test]
async fn metrics_that_may_not_be_read_are_a_matter_for_a_person_and_the_permission_is_named() {
    let world = balanced(&Arc::default()).await;
    world.fault(Fault::on("cloudwatch", "GetMetricData", FaultKind::Deny));
    let (judged, told) = analysis(&world, &[error_rate(1)], -10, Some(0)).await;
    assert_eq!(judged.verdict, Verdict::Inconclusive);
    assert!(judged.why.contains("cloudwatch:GetMetricData"), "{}", judged.why);
    assert!(!told.is_empty());
}

#[tokio::test]
async fn calls_that_are_throttled_for_a_while_are_repeated_and_good_values_pass() {
    let world = balanced(&Arc::default()).await;
    world.fault(Fault::on("cloudwatch", "GetMetricData", FaultKind::Throttle).times(4));
    let (judged, _) = analysis(&world, &[error_rate(1)], -10, Some(4)).await;
    assert_eq!(judged.verdict, Verdict::Pass, "{}", judged.why);
}

#[tokio::test]
async fn values_that_are_published_late_are_not_taken_for_missing() {
    let world = balanced(&Arc::default()).await;
    world.metrics_behave(MetricsSeed { lag_ms: 8_000, ..MetricsSeed::default() });
    let strict = Measure { no_data: NoData::RollBack, ..error_rate(1) };
    let (judged, _) = analysis(&world, &[strict], -20, Some(1)).await;
    assert_eq!(judged.verdict, Verdict::Pass, "{}", judged.why);
    assert!((9..=15).contains(&judged.judgements[0].samples), "{:#?}", judged.judgements);
}
