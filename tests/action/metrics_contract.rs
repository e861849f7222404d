//! The contract of `MetricSource`: one suite, run on every source of measurements.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use shipline::engine::{Cancel, MetricSource, Question, Series, clock, wait};
use shipline::metrics::{CloudWatchMetrics, HttpProbe, Measurements};
use shipline::rollout::analysis::{Metric, MetricForm, MetricQuery, ProbeMeasure, ProbeQuery, Query};
use shipline::types::{Span, Timestamp};
use shipline_test_support::AwsWorld;

use super::answering::Answering;
use super::app_runner::session;

/// A source with something to measure.
#[async_trait]
trait Bench: Sync {
    fn source(&self) -> &dyn MetricSource;
    /// A query whose values are all this number, 0 or 100.
    fn asks_for(&self, value: f64) -> Query;
    /// A query that has no value.
    fn asks_for_nothing(&self) -> Query;
    /// How often somebody was called.
    fn calls(&self) -> usize;
}

/// CloudWatch, simulated, with a value a second.
struct Cloud {
    world: AwsWorld,
    source: CloudWatchMetrics,
}

impl Cloud {
    async fn new() -> Self {
        let world = AwsWorld::start().await;
        for (name, value) in [("Low", 0.0), ("High", 100.0)] {
            world.metric("PMIS", name, &[("Side", "new")], move |_, _| vec![value]);
        }
        let source = CloudWatchMetrics::new(&session(&world).await);
        Self { world, source }
    }
}

pub(crate) fn metric(name: &str, dimensions: &[(&str, &str)]) -> Query {
    let dimensions = dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let metric = Metric { namespace: "PMIS".into(), name: name.into(), statistic: "Average".into(), dimensions };
    Query::CloudWatch(MetricQuery { form: MetricForm::Metric(metric), period: Span::seconds(1) })
}

#[async_trait]
impl Bench for Cloud {
    fn source(&self) -> &dyn MetricSource {
        &self.source
    }

    fn asks_for(&self, value: f64) -> Query {
        metric(if value > 50.0 { "High" } else { "Low" }, &[("Side", "new")])
    }

    fn asks_for_nothing(&self) -> Query {
        metric("Low", &[("Side", "old")])
    }

    fn calls(&self) -> usize {
        self.world.count("cloudwatch", "GetMetricData")
    }
}

/// Two services that answer.
struct Addresses {
    good: Answering,
    bad: Answering,
    source: HttpProbe,
}

impl Addresses {
    async fn new() -> Self {
        let (good, bad) = (Answering::with(200, &[], "ready").await, Answering::with(503, &[], "not yet").await);
        Self { good, bad, source: HttpProbe::new().unwrap() }
    }
}

fn probe(url: String, measure: ProbeMeasure) -> Query {
    let headers = BTreeMap::from([("x-revision".to_owned(), "api:42".to_owned())]);
    Query::Http(ProbeQuery { url, headers, measure, expect: 200, rate: Span::seconds(1), patience_ms: 1000 })
}

#[async_trait]
impl Bench for Addresses {
    fn source(&self) -> &dyn MetricSource {
        &self.source
    }

    fn asks_for(&self, value: f64) -> Query {
        let service = if value > 50.0 { &self.bad } else { &self.good };
        probe(service.address(), ProbeMeasure::Errors)
    }

    fn asks_for_nothing(&self) -> Query {
        probe(self.bad.address(), ProbeMeasure::Latency)
    }

    fn calls(&self) -> usize {
        self.good.asked() + self.bad.asked()
    }
}

/// Both at once.
struct Together {
    cloud: Cloud,
    addresses: Addresses,
    source: Measurements,
}

#[async_trait]
impl Bench for Together {
    fn source(&self) -> &dyn MetricSource {
        &self.source
    }

    fn asks_for(&self, value: f64) -> Query {
        if value > 50.0 { self.cloud.asks_for(value) } else { self.addresses.asks_for(value) }
    }

    fn asks_for_nothing(&self) -> Query {
        self.addresses.asks_for_nothing()
    }

    fn calls(&self) -> usize {
        self.cloud.calls() + self.addresses.calls()
    }
}

async fn read(bench: &dyn Bench, from: Timestamp, queries: &[Query]) -> (Timestamp, Vec<Series>) {
    let to = clock::now();
    let asked: Vec<Question> = queries.iter().map(|query| Question { query: query.clone(), from, to }).collect();
    (to, bench.source().read(&asked).await.unwrap())
}

async fn keeps_the_contract(bench: &dyn Bench) {
    let before = bench.calls();
    assert_eq!(bench.source().read(&[]).await.unwrap(), []);
    assert_eq!(bench.calls(), before, "no question, no call");

    let from = clock::now() - Duration::from_secs(20);
    let queries = [bench.asks_for(100.0), bench.asks_for_nothing(), bench.asks_for(0.0), bench.asks_for(100.0)];
    let (first_to, first) = read(bench, from, &queries).await;
    let values = |series: &Series| series.points.iter().map(|point| point.value).collect::<Vec<f64>>();
    assert_eq!(first.len(), 4, "as many answers as questions");
    assert!(values(&first[0]).iter().all(|value| (value - 100.0).abs() < 1e-9), "{first:#?}");
    assert_eq!(first[1], Series::default(), "nothing is no failure");
    assert!(values(&first[2]).iter().all(|value| *value == 0.0), "{first:#?}");
    assert!([0, 2, 3].iter().all(|number| !first[*number].points.is_empty()), "{first:#?}");
    for series in &first {
        assert!(series.points.iter().all(|point| point.at >= from && point.at < first_to), "{series:#?}");
        assert!(series.points.is_sorted_by_key(|point| point.at), "{series:#?}");
    }

    wait::pause(Duration::from_millis(2_200), &Cancel::new()).await;
    let (_, second) = read(bench, from, &queries).await;
    for (earlier, later) in first.iter().zip(&second) {
        assert_eq!(later.points[..earlier.points.len()], earlier.points, "what was answered is answered again");
    }
    assert!(second[0].points.len() > first[0].points.len(), "and what came since");

    let late = first_to - Duration::from_millis(500);
    let (_, third) = read(bench, late, &queries[..1]).await;
    assert!(third[0].points.iter().all(|point| point.at >= late), "{third:#?}");
}

#[tokio::test]
async fn cloudwatch_keeps_the_contract() {
    keeps_the_contract(&Cloud::new().await).await;
}

#[tokio::test]
async fn our_own_probe_keeps_the_contract() {
    keeps_the_contract(&Addresses::new().await).await;
}

#[tokio::test]
async fn both_together_keep_the_contract() {
    let (cloud, addresses) = (Cloud::new().await, Addresses::new().await);
    let source = Measurements::new(&session(&cloud.world).await).unwrap();
    keeps_the_contract(&Together { cloud, addresses, source }).await;
}

#[tokio::test]
async fn a_probe_sends_its_headers_and_measures_how_long_right_answers_take() {
    let slow = Answering::with(200, &[], "ready").await;
    slow.change(|answer| answer.after = Duration::from_millis(150));
    let source = HttpProbe::new().unwrap();
    let asked = |patience_ms| {
        let Query::Http(probe) = probe(slow.address(), ProbeMeasure::Latency) else { unreachable!() };
        let to = clock::now();
        let query = Query::Http(ProbeQuery { patience_ms, ..probe });
        [Question { query, from: to - Duration::from_secs(5), to }]
    };
    let series = source.read(&asked(1000)).await.unwrap();
    assert!((150.0..1000.0).contains(&series[0].points[0].value), "{series:#?}");
    assert_eq!(slow.requests()[0].header("x-revision"), Some("api:42"));
    let hasty = source.read(&asked(50)).await.unwrap();
    assert_eq!(hasty[0], Series::default(), "an answer that comes too late is none");
}
