//! Values of CloudWatch metrics: many questions in one `GetMetricData`.
//!
//! One call takes 500 queries, one of which may be a Metrics Insights query (API reference,
//! `GetMetricData`). CloudWatch publishes late and corrects what it has published: a value counts when
//! as much time as its own period, a minute at most, has gone by since the period's end. What was
//! only answered in part, or not at all, is told with the series, so that it is no missing value.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    Dimension, MessageData, MetricDataQuery, MetricDataResult, MetricStat, ScanBy, StatusCode,
};
use aws_types::SdkConfig;

use crate::aws::failure;
use crate::config::spec::analysis::expression::{is_insights_query, renamed};
use crate::engine::{FailureKind, MetricSource, ProviderFailure, Question, Series};
use crate::rollout::analysis::{Metric, MetricForm, MetricQuery, Point, Query};
use crate::types::Timestamp;

const OPERATION: &str = "cloudwatch:GetMetricData";

/// What one call takes.
const QUERIES_A_CALL: usize = 500;

/// How long after its period's end a value may still change, at most.
const LATE: i64 = 60;

/// Pages of one answer; a page holds 100,800 values.
const PAGES: usize = 50;

/// The metrics of an account in a region.
#[derive(Debug, Clone)]
pub struct CloudWatchMetrics {
    client: aws_sdk_cloudwatch::Client,
}

/// One call: its queries, and whose they are.
#[derive(Default)]
struct Call {
    queries: Vec<MetricDataQuery>,
    /// The question behind every id whose values are wanted.
    wanted: BTreeMap<String, usize>,
    insights: usize,
}

/// What came back under one id.
#[derive(Default)]
struct Found {
    label: Option<String>,
    points: Vec<Point>,
    trouble: Option<String>,
}

impl CloudWatchMetrics {
    /// The metrics that these credentials may read.
    pub fn new(sdk: &SdkConfig) -> Self {
        Self { client: aws_sdk_cloudwatch::Client::new(sdk) }
    }

    /// One call with all its pages.
    async fn run(&self, call: Call, asked: &[Question]) -> Result<Vec<(usize, Found)>, ProviderFailure> {
        let (from, to) = time(call.wanted.values().map(|number| &asked[*number]));
        let request = self
            .client
            .get_metric_data()
            .set_metric_data_queries(Some(call.queries))
            .start_time(DateTime::from_secs(from))
            .end_time(DateTime::from_secs(to))
            .scan_by(ScanBy::TimestampAscending);
        let mut found: BTreeMap<String, Found> = BTreeMap::new();
        let mut general = None;
        let mut token = None;
        for _ in 0..PAGES {
            let page = request.clone().set_next_token(token).send().await;
            let page = page.map_err(|error| failure(OPERATION, &error))?;
            general = general.or_else(|| said(page.messages()));
            token = page.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            for result in page.metric_data_results() {
                let known = found.entry(result.id().unwrap_or_default().to_owned()).or_default();
                known.add(result, token.is_some());
            }
            if token.is_none() {
                break;
            }
        }
        let all = call.wanted.into_iter().map(|(id, number)| {
            let mut found = found.remove(&id).unwrap_or_default();
            found.trouble = found.trouble.or_else(|| general.clone());
            (number, found)
        });
        Ok(all.collect())
    }
}

#[async_trait]
impl MetricSource for CloudWatchMetrics {
    async fn read(&self, asked: &[Question]) -> Result<Vec<Series>, ProviderFailure> {
        let mut series = vec![Series::default(); asked.len()];
        for call in calls(asked)? {
            for (number, found) in self.run(call, asked).await? {
                series[number] = found.series(&asked[number]);
            }
        }
        Ok(series)
    }
}

/// The questions in as few calls as there can be.
fn calls(asked: &[Question]) -> Result<Vec<Call>, ProviderFailure> {
    let mut calls: Vec<Call> = Vec::new();
    for (number, question) in asked.iter().enumerate() {
        let Query::CloudWatch(query) = &question.query else { return Err(foreign()) };
        let (queries, insights) = queries(number, query);
        let fits = |call: &Call| call.queries.len() + queries.len() <= QUERIES_A_CALL && call.insights + insights <= 1;
        let place = calls.iter().position(fits).unwrap_or_else(|| {
            calls.push(Call::default());
            calls.len() - 1
        });
        let call = &mut calls[place];
        call.wanted.insert(id(number), number);
        call.queries.extend(queries);
        call.insights += insights;
    }
    Ok(calls)
}

/// Ids must be unique in a call, and begin with a small letter.
fn id(number: usize) -> String {
    format!("q{number}")
}

fn queries(number: usize, query: &MetricQuery) -> (Vec<MetricDataQuery>, usize) {
    let period = i32::try_from(query.period.as_seconds()).unwrap_or(i32::MAX);
    match &query.form {
        MetricForm::Metric(metric) => (vec![stat(id(number), metric, period, true)], 0),
        MetricForm::Expression { expression, metrics } => {
            let own = |name: &str| format!("{}_{name}", id(number));
            let insights = usize::from(is_insights_query(expression));
            let text = if insights == 1 {
                expression.clone()
            } else {
                renamed(expression, |name| metrics.contains_key(name).then(|| own(name)))
            };
            let whole =
                MetricDataQuery::builder().id(id(number)).expression(text).period(period).return_data(true).build();
            let parts = metrics.iter().map(|(name, metric)| stat(own(name), metric, period, false));
            (std::iter::once(whole).chain(parts).collect(), insights)
        }
    }
}

fn stat(id: String, metric: &Metric, period: i32, wanted: bool) -> MetricDataQuery {
    let dimensions = metric.dimensions.iter().map(|(name, value)| Dimension::builder().name(name).value(value).build());
    let asked = aws_sdk_cloudwatch::types::Metric::builder()
        .namespace(&metric.namespace)
        .metric_name(&metric.name)
        .set_dimensions(Some(dimensions.collect()))
        .build();
    let stat = MetricStat::builder().metric(asked).period(period).stat(&metric.statistic).build();
    MetricDataQuery::builder().id(id).metric_stat(stat).return_data(wanted).build()
}

/// The whole periods around the times of all questions. CloudWatch answers faster where times are aligned.
fn time<'q>(asked: impl Iterator<Item = &'q Question>) -> (i64, i64) {
    let (mut from, mut to, mut period) = (i64::MAX, i64::MIN, 60);
    for question in asked {
        from = from.min(question.from.as_second());
        to = to.max(question.to.as_second());
        period = period.max(i64::from(question.query.period().as_seconds()));
    }
    (from.div_euclid(period) * period, (to.div_euclid(period) + 1) * period)
}

impl Found {
    fn add(&mut self, result: &MetricDataResult, more_comes: bool) {
        let label = result.label().map(str::to_owned);
        if self.label.is_some() && label.is_some() && self.label != label {
            let labels = [self.label.as_deref(), label.as_deref()].map(Option::unwrap_or_default);
            self.trouble = Some(format!(
                "the query answers several series (`{}`, `{}`): write one that answers one, with SUM or MAX",
                labels[0], labels[1]
            ));
            return;
        }
        self.label = self.label.take().or(label);
        let pairs = result.timestamps().iter().zip(result.values());
        self.points.extend(pairs.filter_map(|(at, value)| {
            let at = Timestamp::from_second(at.secs()).ok()?;
            Some(Point { at, value: *value })
        }));
        let wrong = match result.status_code() {
            Some(StatusCode::Complete) | None => None,
            // The rest comes with the next page.
            Some(StatusCode::PartialData) if more_comes => None,
            Some(StatusCode::PartialData) => Some("CloudWatch answered only a part of the values"),
            Some(StatusCode::InternalError) => Some("CloudWatch had an internal error"),
            Some(StatusCode::Forbidden) => Some("CloudWatch does not let this metric be read"),
            Some(_) => Some("CloudWatch answers with a status that is not known"),
        };
        if let Some(wrong) = wrong {
            let more = said(result.messages()).map(|text| format!(": {text}")).unwrap_or_default();
            self.trouble = Some(format!("{wrong}{more}"));
        }
    }

    /// What is final of the time that was asked for.
    fn series(self, question: &Question) -> Series {
        let period = i64::from(question.query.period().as_seconds());
        let settled = question.to.as_second() - period - period.min(LATE);
        let wanted = |point: &Point| point.at >= question.from && point.at.as_second() <= settled;
        let mut points: Vec<Point> = self.points.into_iter().filter(wanted).collect();
        points.sort_by_key(|point| point.at);
        Series { points, trouble: self.trouble }
    }
}

/// Messages in one sentence.
fn said(messages: &[MessageData]) -> Option<String> {
    let one = |message: &MessageData| {
        let parts = [message.code(), message.value()].into_iter().flatten();
        parts.collect::<Vec<_>>().join(": ")
    };
    let all: Vec<String> = messages.iter().map(one).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

fn foreign() -> ProviderFailure {
    ProviderFailure {
        operation: OPERATION.to_owned(),
        code: None,
        message: "CloudWatch was asked for what only an address can tell".to_owned(),
        request_id: None,
        kind: FailureKind::Rejected,
    }
}

#[cfg(test)]
mod tests;
