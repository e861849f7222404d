//! Counters and gauges in the text format that Prometheus reads. Names and labels are documented in
//! `docs/bot-operations.md`; labels never hold what a person wrote, so their number is bounded.

use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
    core::Collector,
};
use shipline::types::Timestamp;

use crate::github::Budget;
use crate::store::Backlog;

/// What the bot counts. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    deliveries: IntCounterVec,
    acknowledged: Histogram,
    commands: IntCounterVec,
    phases: IntCounterVec,
    gates: IntCounterVec,
    ended: HistogramVec,
    handled: IntCounterVec,
    github: IntCounterVec,
    github_remaining: IntGauge,
    waiting: IntGauge,
    oldest: Gauge,
    parked: IntGauge,
    deployments: IntGauge,
    started: Gauge,
}

impl Metrics {
    /// All at zero.
    #[expect(clippy::new_without_default, reason = "two of them count apart")]
    pub fn new() -> Self {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            add(&registry, IntCounterVec::new(Opts::new(name, help), labels).expect(VALID))
        };
        let gauge = |name: &str, help: &str| add(&registry, IntGauge::new(name, help).expect(VALID));
        let seconds = |name: &str, help: &str| add(&registry, Gauge::new(name, help).expect(VALID));
        let acknowledged = HistogramOpts::new("shipline_ack_seconds", "From the request's head to its durable 202")
            .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]);
        let ended = HistogramOpts::new("shipline_deployment_seconds", "From the command to the end, by how it ended")
            .buckets(vec![10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0]);
        Self {
            deliveries: counter("shipline_deliveries_total", "Webhook requests by what became of them", &["outcome"]),
            acknowledged: add(&registry, Histogram::with_opts(acknowledged).expect(VALID)),
            commands: counter("shipline_commands_total", "Commands by verb and reason code", &["verb", "code"]),
            phases: counter("shipline_phases_total", "Phases that deployments came into", &["phase"]),
            gates: counter("shipline_gates_total", "Gates by kind: opened, answered and over", &["kind", "event"]),
            ended: add(&registry, HistogramVec::new(ended, &["outcome"]).expect(VALID)),
            handled: counter("shipline_handled_total", "Stored deliveries by how work on them ended", &["end"]),
            github: counter("shipline_github_requests_total", "Requests to GitHub", &["doing", "status"]),
            github_remaining: gauge("shipline_github_remaining", "Requests GitHub still allows; -1 if not known yet"),
            waiting: gauge("shipline_queue_deliveries", "Stored deliveries that wait or are worked on"),
            oldest: seconds("shipline_queue_oldest_seconds", "Age of the oldest of them"),
            parked: gauge("shipline_queue_parked", "Deliveries put aside because they keep failing"),
            deployments: gauge("shipline_deployments_open", "Deployments that wait or run"),
            started: seconds("process_start_time_seconds", "When this process started"),
            registry,
        }
    }

    /// A webhook request was answered: `accepted`, `known`, `ignored`, `unverified`…
    pub fn delivery(&self, outcome: &str) {
        self.deliveries.with_label_values(&[outcome]).inc();
    }

    /// A delivery was durable after so many seconds.
    pub fn acknowledged(&self, seconds: f64) {
        self.acknowledged.observe(seconds);
    }

    /// Work on a stored delivery ended: `done`, `retry`, `parked`.
    pub fn handled(&self, end: &str) {
        self.handled.with_label_values(&[end]).inc();
    }

    /// A command was decided: its verb and reason code.
    pub fn command(&self, verb: &str, code: &str) {
        self.commands.with_label_values(&[verb, code]).inc();
    }

    /// A deployment came into a stage or phase: `building`, `shifting`, `rolling-back`…
    pub fn phase(&self, phase: &str) {
        self.phases.with_label_values(&[phase]).inc();
    }

    /// A gate was opened, answered or is over: its kind, and what happened.
    pub fn gate(&self, kind: &str, event: &str) {
        self.gates.with_label_values(&[kind, event]).inc();
    }

    /// A deployment ended: how, and after how many seconds.
    pub fn ended(&self, outcome: &str, seconds: f64) {
        self.ended.with_label_values(&[outcome]).observe(seconds);
    }

    /// A request to GitHub was made: what for, and the status that came back (0 for none).
    pub fn github(&self, doing: &str, status: u16) {
        self.github.with_label_values(&[doing, &status.to_string()]).inc();
    }

    /// When the process started.
    pub fn started(&self, at: Timestamp) {
        self.started.set(at.as_duration().as_secs_f64());
    }

    /// Names of what has been counted so far.
    #[cfg(test)]
    fn registered(&self) -> Vec<String> {
        self.registry.gather().iter().map(|family| family.name().to_owned()).collect()
    }

    /// Everything, as Prometheus reads it, with what the store and GitHub say now. Without a backlog
    /// (the store does not answer) the queue keeps its last figures.
    pub fn render(&self, backlog: Option<Backlog>, budget: Option<Budget>, now: Timestamp) -> String {
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        if let Some(backlog) = backlog {
            self.waiting.set(whole(backlog.waiting));
            self.parked.set(whole(backlog.parked));
            self.deployments.set(whole(backlog.deployments));
            self.oldest.set(backlog.oldest.map_or(0.0, |oldest| now.duration_since(oldest).as_secs_f64().max(0.0)));
        }
        self.github_remaining.set(budget.map_or(-1, |budget| whole(budget.remaining)));
        // Fails only for a metric without samples, which the library leaves out before.
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

const VALID: &str = "the name and labels are valid: they are written here";

fn add<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> C {
    registry.register(Box::new(metric.clone())).expect("every name is written here once");
    metric
}

#[cfg(test)]
mod tests;
