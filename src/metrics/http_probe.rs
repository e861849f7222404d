//! Values that we measure ourselves: an address is asked, and answers well or not, soon or late.
//!
//! Each read asks every address once, unless it was asked less than its own rate ago. What was
//! measured is kept in memory as long as somebody may ask for it; a new process begins anew. An answer
//! that is wrong or missing is an error and has no latency.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;

use crate::engine::{FailureKind, MetricSource, ProviderFailure, Question, Series, clock};
use crate::problem::Problem;
use crate::rollout::analysis::{Point, ProbeMeasure, ProbeQuery, Query};

/// What is kept of one address.
const KEPT: usize = 100_000;

/// What is read of an answer.
const MOST: usize = 1 << 20;

/// Asks addresses.
#[derive(Debug)]
pub struct HttpProbe {
    client: reqwest::Client,
    kept: Mutex<BTreeMap<ProbeQuery, Vec<Point>>>,
}

impl HttpProbe {
    /// One that has not asked yet.
    pub fn new() -> Result<Self, Problem> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("shipline/", env!("CARGO_PKG_VERSION")))
            .build();
        let client = client.map_err(|error| Problem::defect("http-client", format!("no HTTP client: {error}")))?;
        Ok(Self { client, kept: Mutex::default() })
    }

    async fn answer(&self, probe: &ProbeQuery, question: &Question) -> Series {
        let mut trouble = None;
        if self.is_due(probe, question) {
            match self.ask(probe).await {
                Ok(Some(value)) => {
                    // Of the time that was asked for, which ends now.
                    let at = question.to - Duration::from_millis(1);
                    self.keep(probe, Point { at, value });
                }
                Ok(None) => {}
                Err(why) => trouble = Some(why),
            }
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.get(probe).map(Vec::as_slice).unwrap_or_default();
        let wanted = |point: &&Point| point.at >= question.from && point.at < question.to;
        Series { points: known.iter().filter(wanted).copied().collect(), trouble }
    }

    fn is_due(&self, probe: &ProbeQuery, question: &Question) -> bool {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let last = kept.get(probe).and_then(|points| points.last());
        // Pauses are never exact; half a rate early is not the next turn yet.
        last.is_none_or(|last| question.to >= last.at + probe.rate.duration() / 2)
    }

    fn keep(&self, probe: &ProbeQuery, point: Point) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let points = kept.entry(probe.clone()).or_default();
        if points.len() >= KEPT {
            points.drain(..KEPT / 2);
        }
        points.push(point);
    }

    /// One question: its value, nothing where there is none, or why it cannot be asked at all.
    async fn ask(&self, probe: &ProbeQuery) -> Result<Option<f64>, String> {
        let mut request = self.client.get(&probe.url).timeout(Duration::from_millis(probe.patience_ms.into()));
        for (name, value) in &probe.headers {
            request = request.header(name, value);
        }
        let began = clock::instant();
        let answered = request.send().await;
        if let Some(error) = answered.as_ref().err().filter(|error| error.is_builder()) {
            return Err(format!("{} cannot be asked: {error}", probe.url));
        }
        let right = match answered {
            Ok(answer) if answer.status().as_u16() == probe.expect => whole(answer).await,
            Ok(_) | Err(_) => false,
        };
        let took = clock::instant() - began;
        Ok(match probe.measure {
            ProbeMeasure::Errors => Some(if right { 0.0 } else { 100.0 }),
            ProbeMeasure::Latency => right.then_some(took.as_secs_f64() * 1000.0),
        })
    }
}

/// Whether the body came, or as much of it as is read.
async fn whole(mut answer: reqwest::Response) -> bool {
    let mut length = 0;
    while length < MOST {
        match answer.chunk().await {
            Ok(Some(chunk)) => length += chunk.len(),
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
    true
}

#[async_trait]
impl MetricSource for HttpProbe {
    async fn read(&self, asked: &[Question]) -> Result<Vec<Series>, ProviderFailure> {
        let mut probes = Vec::new();
        for question in asked {
            let Query::Http(probe) = &question.query else { return Err(foreign()) };
            probes.push(self.answer(probe, question));
        }
        Ok(join_all(probes).await)
    }
}

fn foreign() -> ProviderFailure {
    ProviderFailure {
        operation: "http:get".to_owned(),
        code: None,
        message: "an address was asked for what only CloudWatch can tell".to_owned(),
        request_id: None,
        kind: FailureKind::Rejected,
    }
}
