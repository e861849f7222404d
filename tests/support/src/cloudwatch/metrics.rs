//! CloudWatch metrics: what was put or planted, and `GetMetricData` over it (API reference).
//!
//! A metric is a source of raw measurements; a statistic of a period is taken of those that fell
//! into it. Sources are functions of time that a test plants, or what `PutMetricData` brought. Of the
//! period that is not over, and of what is not published yet, only what is there is answered: a value
//! may change.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use super::math::{self, Series};
use crate::balancer::Traffic;
use crate::reply::{Answer, ApiError, Millis, number, put, text};
use crate::seed::MetricsSeed;

/// A metric and a time, as a source is asked for raw measurements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricAsked {
    /// `AWS/ApplicationELB`.
    pub namespace: String,
    /// `TargetResponseTime`.
    pub name: String,
    /// All its dimensions: a metric is only found by all of them.
    pub dimensions: BTreeMap<String, String>,
    /// The beginning of the time, in milliseconds since the epoch.
    pub from_ms: u64,
    /// Its end, exclusive.
    pub to_ms: u64,
}

/// Raw measurements of a time; nothing when the source does not know the metric. It is called while
/// the world is locked, and must not ask the world.
pub type MetricSource = Arc<dyn Fn(&MetricAsked) -> Option<Vec<f64>> + Send + Sync>;

/// A metric's identity: namespace, name, dimensions.
type Identity = (String, String, BTreeMap<String, String>);

/// What is measured.
#[derive(Default)]
pub(crate) struct Metrics {
    put: BTreeMap<Identity, Vec<(Millis, f64)>>,
    sources: Vec<MetricSource>,
    settings: MetricsSeed,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("put", &self.put).field("sources", &self.sources.len()).finish_non_exhaustive()
    }
}

/// API reference: what a call answers at most when it does not say.
const DATAPOINTS: usize = 100_800;

impl Metrics {
    /// The source is asked before those that are there.
    pub(crate) fn plant(&mut self, source: MetricSource) {
        self.sources.insert(0, source);
    }

    pub(crate) fn set(&mut self, settings: MetricsSeed) {
        self.settings = settings;
    }

    pub(crate) fn put(&mut self, body: &Value, now: Millis) -> Answer {
        let namespace = text(body, "Namespace").ok_or_else(|| invalid("The parameter Namespace is required."))?;
        if namespace.starts_with("AWS/") {
            let message = "The value AWS/ for parameter Namespace is invalid.";
            return Err(ApiError::bad("InvalidParameterValue", message));
        }
        for datum in body["MetricData"].as_array().into_iter().flatten() {
            let name = text(datum, "MetricName").ok_or_else(|| invalid("The parameter MetricName is required."))?;
            let identity = (namespace.to_owned(), name.to_owned(), dimensions(datum));
            let at = datum["Timestamp"].as_f64().map_or(now, millis);
            let values: Vec<f64> = match (datum["Value"].as_f64(), datum["Values"].as_array()) {
                (Some(value), _) => vec![value],
                (None, Some(values)) => {
                    let counts = datum["Counts"].as_array();
                    let count = |place: usize| counts.and_then(|counts| counts.get(place)?.as_f64()).unwrap_or(1.0);
                    let each = values.iter().filter_map(Value::as_f64).enumerate();
                    each.flat_map(|(place, value)| std::iter::repeat_n(value, whole(count(place)))).collect()
                }
                (None, None) => return Err(invalid("One of Value, Values, StatisticValues is required.")),
            };
            self.put.entry(identity).or_default().extend(values.into_iter().map(|value| (at, value)));
        }
        Ok(json!({}))
    }

    pub(crate) fn data(&self, body: &Value, now: Millis, traffic: &Traffic) -> Answer {
        let queries = body["MetricDataQueries"].as_array().cloned().unwrap_or_default();
        let (from, to) = times(body)?;
        check(&queries)?;
        let mut series: BTreeMap<&str, (Series, Option<&str>)> = BTreeMap::new();
        // An expression may stand before what it refers to.
        for query in queries.iter().filter(|query| query["MetricStat"].is_object()) {
            series.insert(id(query), self.metric(&query["MetricStat"], (from, to), now, traffic));
        }
        let stats = || queries.iter().map(|query| &query["MetricStat"]).filter(|stat| stat.is_object());
        let step = stats().map(period).min().unwrap_or(60_000);
        let over = to.min(now.saturating_sub(self.settings.lag_ms));
        let first = from.div_ceil(step) * step;
        let all = (first..over).step_by(usize::try_from(step).unwrap_or(usize::MAX));
        let periods: Vec<Millis> = all.filter(|at| at + step <= over).collect();
        for query in queries.iter().filter(|query| query["Expression"].is_string()) {
            let expression = text(query, "Expression").unwrap_or_default();
            let value = if insights(expression) {
                Series::new()
            } else {
                let known = |name: &str| series.get(name).map(|(series, _)| series);
                math::evaluate(expression, &known, &periods)
                    .map_err(|why| invalid(&format!("Error in expression '{}': {why}", id(query))))?
            };
            series.insert(id(query), (value, None));
        }
        let wanted = queries.iter().filter(|query| query["ReturnData"].as_bool() != Some(false));
        let math = queries.iter().any(|query| query["Expression"].is_string());
        let results: Vec<(String, String, Series, Option<&str>)> = wanted
            .map(|query| {
                let (values, trouble) = series.get(id(query)).cloned().unwrap_or_default();
                (id(query).to_owned(), label(query), values, trouble)
            })
            .collect();
        self.paged(body, results, math)
    }

    /// The raw measurements of a metric in a time, and a status of its own.
    fn metric(
        &self,
        stat: &Value,
        (from, to): (Millis, Millis),
        now: Millis,
        traffic: &Traffic,
    ) -> (Series, Option<&str>) {
        let metric = &stat["Metric"];
        let own = |member: &str| text(metric, member).unwrap_or_default().to_owned();
        let identity = (own("Namespace"), own("MetricName"), dimensions(metric));
        let trouble = self.settings.status.get(&identity.1).map(String::as_str);
        let period = period(stat);
        let published = now.saturating_sub(self.settings.lag_ms);
        let statistic = text(stat, "Stat").unwrap_or_default();
        let mut series = Series::new();
        let mut at = from / period * period;
        while at < to && trouble.is_none() {
            let end = (at + period).min(published);
            if at >= from && at < end {
                let values = self.raw(&identity, at, end, traffic);
                if let Some(value) = statistics(statistic, values) {
                    series.insert(at, value);
                }
            }
            at += period;
        }
        (series, trouble)
    }

    fn raw(&self, (namespace, name, dimensions): &Identity, from: Millis, to: Millis, traffic: &Traffic) -> Vec<f64> {
        let asked = MetricAsked {
            namespace: namespace.clone(),
            name: name.clone(),
            dimensions: dimensions.clone(),
            from_ms: from,
            to_ms: to,
        };
        if let Some(values) = self.sources.iter().find_map(|source| source(&asked)) {
            return values;
        }
        if namespace == "AWS/ApplicationELB" {
            // The load balancers of this world measure what goes through them.
            let by: Vec<(String, String)> =
                dimensions.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            if let Some(samples) = traffic.samples(name, &by, from, to) {
                return samples.into_iter().map(|(_, value)| value).collect();
            }
        }
        let put = self.put.get(&(namespace.clone(), name.clone(), dimensions.clone()));
        put.into_iter().flatten().filter(|(at, _)| (from..to).contains(at)).map(|(_, value)| *value).collect()
    }

    /// One page: so many data points, in the order of the queries.
    fn paged(&self, body: &Value, results: Vec<(String, String, Series, Option<&str>)>, math: bool) -> Answer {
        let most = number(body, "MaxDatapoints").and_then(|most| usize::try_from(most).ok()).unwrap_or(DATAPOINTS);
        let most = self.settings.page.map_or(most, |page| page.min(most)).max(1);
        let skip = match text(body, "NextToken") {
            None => 0,
            Some(token) => token
                .parse::<usize>()
                .map_err(|_| ApiError::bad("InvalidNextToken", "The next token specified is invalid."))?,
        };
        let descending = text(body, "ScanBy") != Some("TimestampAscending");
        let (mut passed, mut left, mut cut) = (0, most, false);
        let mut documents = Vec::new();
        for (id, label, series, trouble) in results {
            let mut points: Vec<(Millis, f64)> = series.into_iter().collect();
            if descending {
                points.reverse();
            }
            let (begin, all) = (passed, points.len());
            passed += all;
            // What an earlier page had whole is not answered again.
            if skip > 0 && passed <= skip {
                continue;
            }
            let shown: Vec<(Millis, f64)> = points.into_iter().skip(skip.saturating_sub(begin)).take(left).collect();
            left -= shown.len();
            let partial = begin + all > skip + most;
            cut = cut || partial;
            let status = trouble.unwrap_or(if partial { "PartialData" } else { "Complete" });
            let mut document = json!({
                "Id": id, "Label": label, "StatusCode": status,
                "Timestamps": shown.iter().map(|(at, _)| crate::reply::seconds(*at)).collect::<Vec<_>>(),
                "Values": shown.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
            });
            if trouble.is_some() {
                put(&mut document, "Messages", Some(json!([{"Code": status, "Value": "as a test wants it"}])));
            }
            documents.push(document);
        }
        let mut answer = json!({"MetricDataResults": documents, "Messages": []});
        // API reference: there is no token where an expression is part of the request.
        put(&mut answer, "NextToken", (cut && !math).then(|| (skip + most).to_string()));
        Ok(answer)
    }
}

fn invalid(message: &str) -> ApiError {
    ApiError::bad("ValidationError", message)
}

/// Of a metric's statistic, in milliseconds.
fn period(stat: &Value) -> Millis {
    number(stat, "Period").and_then(|period| u64::try_from(period).ok()).unwrap_or(60) * 1000
}

fn id(query: &Value) -> &str {
    text(query, "Id").unwrap_or_default()
}

/// CloudWatch's default: the metric's name, or the expression's id.
fn label(query: &Value) -> String {
    let given = text(query, "Label").or_else(|| text(&query["MetricStat"]["Metric"], "MetricName"));
    given.unwrap_or_else(|| id(query)).to_owned()
}

fn insights(expression: &str) -> bool {
    expression.trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("select"))
}

fn dimensions(of: &Value) -> BTreeMap<String, String> {
    let list = of["Dimensions"].as_array().into_iter().flatten();
    list.filter_map(|one| Some((text(one, "Name")?.to_owned(), text(one, "Value")?.to_owned()))).collect()
}

fn times(body: &Value) -> Result<(Millis, Millis), ApiError> {
    let time = |member: &str| {
        let found = body[member].as_f64().map(millis);
        found.ok_or_else(|| invalid(&format!("The parameter {member} is required.")))
    };
    let (from, to) = (time("StartTime")?, time("EndTime")?);
    if from >= to {
        return Err(invalid("The parameter StartTime must be less than the parameter EndTime."));
    }
    // Rounded down to the minute; to the period where that is shorter.
    let periods = body["MetricDataQueries"].as_array().into_iter().flatten();
    let shortest = periods.filter_map(|query| number(&query["MetricStat"], "Period")).min().unwrap_or(60);
    let round = u64::try_from(shortest.clamp(1, 60)).unwrap_or(60) * 1000;
    Ok((from / round * round, to))
}

fn check(queries: &[Value]) -> Result<(), ApiError> {
    if queries.len() > 500 {
        return Err(invalid("The collection MetricDataQueries must not have a size greater than 500."));
    }
    let mut seen: Vec<&str> = Vec::new();
    for query in queries {
        let id = id(query);
        let well = id.starts_with(|c: char| c.is_ascii_lowercase())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !well {
            return Err(invalid(&format!("The value {id} for parameter Id is not matching the expected pattern.")));
        }
        if seen.contains(&id) {
            return Err(invalid(&format!("The values for parameter id in MetricDataQueries are not unique: {id}.")));
        }
        seen.push(id);
        if query["MetricStat"].is_object() == query["Expression"].is_string() {
            return Err(invalid(&format!("Exactly one of MetricStat and Expression must be given for {id}.")));
        }
        if let Some(stat) = query["MetricStat"].as_object() {
            let period = stat.get("Period").and_then(Value::as_i64).unwrap_or(0);
            if ![1, 5, 10, 20, 30].contains(&period) && (period <= 0 || period % 60 != 0) {
                return Err(invalid("The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60."));
            }
        }
    }
    if queries.iter().filter(|query| text(query, "Expression").is_some_and(insights)).count() > 1 {
        return Err(invalid("Only one Metrics Insights query is allowed in a request."));
    }
    if !queries.iter().any(|query| query["ReturnData"].as_bool() != Some(false)) {
        return Err(invalid("At least one query must return data."));
    }
    Ok(())
}

/// A statistic of raw measurements; nothing where there are none, `Sum` and `SampleCount` included.
fn statistics(name: &str, mut values: Vec<f64>) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "there are few measurements")]
    let count = values.len() as f64;
    let sum: f64 = values.iter().sum();
    match name {
        "Sum" => Some(sum),
        "SampleCount" => Some(count),
        "Average" => Some(sum / count),
        "Minimum" => values.into_iter().reduce(f64::min),
        "Maximum" => values.into_iter().reduce(f64::max),
        percentile => {
            let share: f64 = percentile.strip_prefix('p')?.parse().ok()?;
            values.sort_by(f64::total_cmp);
            values.get(whole((share / 100.0 * count).ceil()).saturating_sub(1)).copied()
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "instants after 1970")]
fn millis(seconds: f64) -> Millis {
    (seconds * 1000.0).round().max(0.0) as Millis
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers of things")]
fn whole(count: f64) -> usize {
    count.clamp(0.0, 1e6) as usize
}
