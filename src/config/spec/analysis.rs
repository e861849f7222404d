//! Measurements that decide about a release: what is asked, how often, and what is too bad.
//!
//! What it is: the checked form of `analysis`, which a plan carries as it is, so that the plan's hash
//! covers it. What it is not: it judges nothing (`rollout::analysis`) and asks nobody (`engine`).

pub mod expression;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::types::{ServiceName, Span};

/// One measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Its name in reports.
    pub name: String,
    /// What is asked.
    pub query: Query,
    /// What the new revision's values are held against; it also says which direction is worse.
    pub limit: Limit,
    /// How often.
    pub every: Span,
    /// What it means when there is no value. Never that it is good.
    pub no_data: NoData,
    /// How the new revision is compared with the old one; not at all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<Compare>,
    /// How many values a pass needs, of each side where sides are compared.
    pub min_samples: u32,
    /// How long after the beginning values do not count.
    pub warm_up: Span,
    /// How many intervals may be beyond the limit.
    pub failures: u32,
    /// What one bad interval means.
    pub weight: Weight,
    /// Services it is asked for; all that its variables have a value for when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceName>,
}

/// What is asked, with variables in braces: `{target-group}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "source")]
pub enum Query {
    /// CloudWatch.
    CloudWatch(MetricQuery),
    /// An address that we ask ourselves.
    Http(ProbeQuery),
}

/// A question to CloudWatch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MetricQuery {
    /// What.
    pub form: MetricForm,
    /// The length of one value.
    pub period: Span,
}

/// A metric, or a calculation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "form")]
pub enum MetricForm {
    /// One metric.
    Metric(Metric),
    /// A metric-math expression, or a Metrics Insights query.
    Expression {
        /// Its text.
        expression: String,
        /// The metrics it is about, by the names it has for them.
        metrics: BTreeMap<String, Metric>,
    },
}

/// A metric with a statistic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Metric {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `Average`, `Sum`, `p99`, …
    pub statistic: String,
    /// Its dimensions.
    pub dimensions: BTreeMap<String, String>,
}

/// An address that we ask ourselves.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProbeQuery {
    /// `http://` or `https://`.
    pub url: String,
    /// Headers that are sent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// What is measured.
    pub measure: ProbeMeasure,
    /// The status that is right.
    pub expect: u16,
    /// How often.
    pub rate: Span,
    /// How long one answer may take, in milliseconds; longer is an error.
    pub patience_ms: u32,
}

/// What a probe measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeMeasure {
    /// The share of answers that are wrong or missing, in percent: one answer is 0 or 100.
    Errors,
    /// How long right answers take, in milliseconds.
    Latency,
}

/// What values are held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// On which side of the number values must stay.
    pub side: LimitSide,
    /// The number.
    pub value: f64,
    /// What is written after it and after every value: `%`, `ms`, or nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
}

/// On which side of a limit values must stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitSide {
    /// Below it: higher is worse.
    Below,
    /// Above it: lower is worse.
    Above,
}

/// What missing values mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoData {
    /// A person decides.
    Pause,
    /// The release goes back.
    RollBack,
}

/// What one bad interval means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// As many as [`Measure::failures`] says are tolerated.
    Ordinary,
    /// The release goes back at once.
    Critical,
}

/// How the new revision is compared with the old one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Compare {
    /// How much worse, as a share of the old value, is still the same.
    pub margin: f64,
    /// How often, as a share of all pairs, a value of the new revision must be worse than one of the old.
    pub effect: f64,
    /// How improbable that must be where both are the same.
    pub p: f64,
}

impl Default for Compare {
    fn default() -> Self {
        Self { margin: 0.1, effect: 0.7, p: 0.01 }
    }
}

/// Names that stand for what differs between the revisions, services and environments.
pub const VARIABLES: [&str; 5] = ["target-group", "load-balancer", "service", "cluster", "revision"];

/// Those of them that differ between the new and the old revision of one service.
pub const SIDED: [&str; 2] = ["target-group", "revision"];

impl Query {
    /// The length of one value.
    pub fn period(&self) -> Span {
        match self {
            Self::CloudWatch(metric) => metric.period,
            Self::Http(probe) => probe.rate,
        }
    }

    /// The names in braces, in their order of appearance.
    pub fn variables(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut clone = self.clone();
        clone.each_text(&mut |text| {
            for name in variables(text) {
                if !found.iter().any(|known| known == name) {
                    found.push(name.to_owned());
                }
            }
        });
        found
    }

    /// The same with every variable replaced; nothing when one has no value.
    pub fn resolved(&self, values: &BTreeMap<String, String>) -> Option<Self> {
        let mut resolved = self.clone();
        let mut whole = true;
        resolved.each_text(&mut |text| {
            let filled: Option<String> = parts(text)
                .into_iter()
                .map(|part| match part {
                    Part::Text(text) => Some(text),
                    Part::Variable(name) => values.get(name).map(String::as_str),
                })
                .collect();
            match filled {
                Some(filled) => *text = filled,
                None => whole = false,
            }
        });
        whole.then_some(resolved)
    }

    /// Every text in which a variable may stand.
    fn each_text(&mut self, see: &mut dyn FnMut(&mut String)) {
        match self {
            Self::CloudWatch(MetricQuery { form: MetricForm::Metric(metric), .. }) => {
                metric.dimensions.values_mut().for_each(see);
            }
            Self::CloudWatch(MetricQuery { form: MetricForm::Expression { expression, metrics }, .. }) => {
                see(expression);
                metrics.values_mut().flat_map(|metric| metric.dimensions.values_mut()).for_each(see);
            }
            Self::Http(probe) => {
                see(&mut probe.url);
                probe.headers.values_mut().for_each(see);
            }
        }
    }
}

/// The names in braces of one text.
pub fn variables(text: &str) -> Vec<&str> {
    let name = |part| match part {
        Part::Variable(name) => Some(name),
        Part::Text(_) => None,
    };
    parts(text).into_iter().filter_map(name).collect()
}

enum Part<'t> {
    Text(&'t str),
    Variable(&'t str),
}

/// A text in parts. Only `{lower-case-words}` are variables: `SEARCH` has other braces.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut from = 0;
    while let Some(open) = rest[from..].find('{').map(|at| at + from) {
        let inside = &rest[open + 1..];
        let end = inside.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(inside.len());
        if end > 0 && inside[end..].starts_with('}') {
            parts.push(Part::Text(&rest[..open]));
            parts.push(Part::Variable(&inside[..end]));
            rest = &inside[end + 1..];
            from = 0;
        } else {
            from = open + 1;
        }
    }
    parts.push(Part::Text(rest));
    parts
}

impl Measure {
    /// The length of an interval: no shorter than a value.
    pub fn interval(&self) -> Span {
        self.every.max(self.query.period())
    }

    /// How long after the beginning it can pass at the soonest. Values of CloudWatch begin with whole
    /// periods, and settle for a period, a minute at most, after their end.
    pub fn soonest(&self) -> Span {
        let period = self.query.period().as_seconds();
        let late = match self.query {
            Query::CloudWatch(_) => period + period.min(60),
            Query::Http(_) => 0,
        };
        let values = self.min_samples.saturating_mul(period);
        Span::seconds(self.warm_up.as_seconds().saturating_add(values).saturating_add(late))
    }
}

impl Limit {
    /// Whether a value keeps to it.
    pub fn holds(&self, value: f64) -> bool {
        match self.side {
            LimitSide::Below => value < self.value,
            LimitSide::Above => value > self.value,
        }
    }

    /// A value as people read it: about three digits, with the unit.
    pub fn written(&self, value: f64) -> String {
        let number = short(value);
        if self.unit.is_empty() { number } else { format!("{number} {}", self.unit) }
    }
}

/// A number with about three digits, and no zeros at its end.
fn short(value: f64) -> String {
    let size = value.abs();
    let text = if size >= 1e15 || (size > 0.0 && size < 1e-6) {
        format!("{value:.2e}")
    } else if size >= 100.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else if size >= 0.01 {
        format!("{value:.2}")
    } else {
        format!("{value:.6}")
    };
    if text.contains('.') && !text.contains('e') {
        let text = text.trim_end_matches('0').trim_end_matches('.');
        // What is left of a small negative number.
        return if text == "-0" { "0".to_owned() } else { text.to_owned() };
    }
    text
}

impl fmt::Display for LimitSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Below => "below",
            Self::Above => "above",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(url: &str) -> Query {
        Query::Http(ProbeQuery {
            url: url.to_owned(),
            headers: BTreeMap::from([("x-revision".to_owned(), "{revision}".to_owned())]),
            measure: ProbeMeasure::Errors,
            expect: 200,
            rate: Span::seconds(1),
            patience_ms: 1000,
        })
    }

    #[test]
    fn variables_are_words_in_braces_and_nothing_else_is() {
        let query = probe("http://x/{service}?q={Namespace,Dim}{}{service}&{a b}&{cluster}{");
        assert_eq!(query.variables(), ["service", "cluster", "revision"]);
        assert_eq!(probe("http://x/").variables(), ["revision"]);
    }

    #[test]
    fn numbers_are_short() {
        let limit = |unit: &str| Limit { side: LimitSide::Below, value: 1.0, unit: unit.to_owned() };
        let written = [182.4, 99.96, 0.4, 5.0, 0.001_234, 0.0, -0.0, 1_234_567.0, 1e-9, 2e20, -3.456]
            .map(|value| limit("").written(value));
        assert_eq!(written, ["182", "100", "0.4", "5", "0.001234", "0", "0", "1234567", "1.00e-9", "2.00e20", "-3.46"]);
        assert_eq!(limit("%").written(0.5), "0.5 %");
    }

    #[test]
    fn a_query_is_resolved_as_a_whole_or_not_at_all() {
        let some = BTreeMap::from([("service".to_owned(), "api".to_owned())]);
        assert_eq!(probe("http://x/{service}").resolved(&some), None);
        let all =
            BTreeMap::from([("revision".to_owned(), "{service}".to_owned()), ("service".to_owned(), "a".to_owned())]);
        let Some(Query::Http(resolved)) = probe("http://x/{service}/{{service}}").resolved(&all) else { panic!() };
        assert_eq!(resolved.url, "http://x/a/{a}");
        assert_eq!(resolved.headers["x-revision"], "{service}", "what was put in is not looked at again");
    }
}
