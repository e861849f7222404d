//! Measurements: one source and one limit each, variables that exist, expressions whose metrics do.

use std::collections::BTreeMap;

use super::super::raw::Named;
use super::super::raw::analysis::{
    Analysis, CloudWatch, CloudWatchMetric, Compare as RawCompare, NoDataWord, Probe, ProbeWord,
};
use super::super::raw::environment::Environment;
use super::super::raw::forms::Either;
use super::super::raw::values::{AnyText, Limit as RawLimit, Text as _, VariableName, milliseconds, share};
use super::super::read::{At, Reader, Slot, choose};
use super::super::spec::Strategy;
use super::super::spec::analysis::expression::{expression_names, is_insights_query};
use super::super::spec::analysis::{
    Compare, Limit, LimitSide, Measure, Metric, MetricForm, MetricQuery, NoData, ProbeMeasure, ProbeQuery, Query,
    SIDED, VARIABLES, Weight, variables as variables_in,
};
use super::{items, pairs, rules, value, within};
use crate::problem::{Place, Problem};
use crate::types::Span;

const MINUTE: Span = Span::seconds(60);

/// The measurements that are right.
pub(super) fn measures(raw: &Environment, strategy: Strategy, reader: &mut Reader) -> Vec<Measure> {
    let mut names: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    let step = step(strategy);
    if let Some(analysis) = raw.analysis.as_ref().filter(|_| strategy == Strategy::Rolling) {
        let what =
            "Measurements are read while a second set of tasks takes its share, and here traffic moves in one go.";
        let next = "Add `rollout: canary` (or `linear`, `blue-green`), or remove this; `alarms` watch every release.";
        reader.note(&analysis.place, Problem::mistake("needs-another-key", what, next));
    }
    for analysis in items(&raw.analysis) {
        if let Some(name) = &analysis.value.name {
            if names.contains(&name.value.as_str()) {
                let what = format!("There is another measurement named `{}`.", name.value.as_str());
                reader.note(&name.place, Problem::mistake("named-twice", what, "Give each its own name."));
            }
            names.push(name.value.as_str());
        }
        for service in items(&analysis.value.services) {
            rules::known_here(service, raw, reader);
        }
        if let Some(measure) = measure(analysis, reader) {
            long_enough(
                &measure,
                step,
                analysis.value.name.as_ref().map_or(&analysis.place, |name| &name.place),
                reader,
            );
            found.push(measure);
        }
    }
    found
}

/// How long a step lasts at whose end measurements must have passed, if there is one.
fn step(strategy: Strategy) -> Option<Span> {
    match strategy {
        Strategy::Canary { .. } | Strategy::Linear { .. } => Some(strategy.step()),
        Strategy::Rolling | Strategy::BlueGreen { .. } => None,
    }
}

/// Says no to a measurement that can never pass, because the step is over before.
fn long_enough(measure: &Measure, step: Option<Span>, place: &Place, reader: &mut Reader) {
    let needed = measure.soonest();
    if let Some(step) = step.filter(|step| *step < needed) {
        let what = format!("`{}` needs {needed} to be judged, and a step lasts {step}.", measure.name);
        let next = "Make steps longer (`bake` of a canary, `every` of `linear`), or ask for less: `min-samples`, \
                    `period`, `warm-up`.";
        reader.note(place, Problem::mistake("out-of-range", what, next));
    }
}

fn measure(At { value: raw, place }: &At<Analysis>, reader: &mut Reader) -> Option<Measure> {
    let query = query(raw, place, reader);
    within(reader, &raw.warm_up, Span::seconds(0), rules::DAY);
    let every = within(reader, &raw.every, Span::seconds(1), rules::DAY).unwrap_or(MINUTE);
    let critical = value(&raw.critical) == Some(true);
    if let Some(failures) = raw.failures.as_ref().filter(|failures| critical && failures.value.0 > 0) {
        let what = "A critical measurement takes the release back with its first interval beyond the limit.";
        reader.note(&failures.place, Problem::mistake("too-many-keys", what, "Remove `failures`, or `critical`."));
    }
    let compare = compare(raw);
    if let (Some(query), Some(at)) = (&query, &raw.compare) {
        comparable(query, &at.place, reader);
    }
    let query = query?;
    Some(Measure {
        name: raw.name.as_ref()?.value.as_str().to_owned(),
        limit: limit(raw, &query)?,
        query,
        every,
        no_data: match value(&raw.no_data) {
            Some(NoDataWord::RollBack) => NoData::RollBack,
            Some(NoDataWord::Pause) | None => NoData::Pause,
        },
        compare,
        // Three against three can never be improbable enough; five against five can.
        min_samples: value(&raw.min_samples).map_or(if compare.is_some() { 5 } else { 3 }, |samples| samples.0),
        warm_up: value(&raw.warm_up).unwrap_or(Span::seconds(0)),
        failures: value(&raw.failures).map_or(u32::from(!critical), |failures| failures.0),
        weight: if critical { Weight::Critical } else { Weight::Ordinary },
        services: items(&raw.services).map(|service| service.value.clone()).collect(),
    })
}

fn limit(raw: &Analysis, query: &Query) -> Option<Limit> {
    let (side, written): (_, &At<RawLimit>) = match (&raw.below, &raw.above) {
        (Some(below), _) => (LimitSide::Below, below),
        (None, above) => (LimitSide::Above, above.as_ref()?),
    };
    let text = written.value.as_str();
    let (number, percent) = text.strip_suffix('%').map_or((text, ""), |number| (number.trim_end(), "%"));
    let unit = match (value(&raw.unit), query) {
        (Some(unit), _) => unit.as_str().to_owned(),
        (None, Query::Http(ProbeQuery { measure: ProbeMeasure::Latency, .. })) if percent.is_empty() => "ms".to_owned(),
        (None, Query::Http(ProbeQuery { measure: ProbeMeasure::Errors, .. })) => "%".to_owned(),
        (None, _) => percent.to_owned(),
    };
    Some(Limit { side, value: number.parse().ok()?, unit })
}

fn compare(raw: &Analysis) -> Option<Compare> {
    let settings: &RawCompare = match &raw.compare.as_ref()?.value {
        Either::Short(_) => return Some(Compare::default()),
        Either::Long(settings) => settings,
    };
    let default = Compare::default();
    Some(Compare {
        margin: value(&settings.margin).map_or(default.margin, |margin| margin.value() / 100.0),
        effect: value(&settings.effect).and_then(|text| share(text.as_str())).unwrap_or(default.effect),
        p: value(&settings.p).and_then(|text| share(text.as_str())).unwrap_or(default.p),
    })
}

/// Says no to a comparison of something with itself.
fn comparable(query: &Query, place: &Place, reader: &mut Reader) {
    if !query.variables().iter().any(|name| SIDED.contains(&name.as_str())) {
        let names: Vec<String> = SIDED.iter().map(|name| format!("`{{{name}}}`")).collect();
        let what =
            "Both revisions would be asked the same question: the query has no variable that differs between them.";
        let next = format!("Use {} in it, or remove `compare`.", names.join(" or "));
        reader.note(place, Problem::mistake("needs-another-key", what, next));
    }
}

fn query(raw: &Analysis, place: &Place, reader: &mut Reader) -> Option<Query> {
    let example =
        "Keep exactly one, as in `cloudwatch: { namespace: AWS/ApplicationELB, metric: TargetResponseTime }`.";
    match (&raw.cloudwatch, &raw.http) {
        (Some(_), Some(http)) => {
            let what = "Only one of `cloudwatch` and `http` can stand here.";
            reader.note(&http.place, Problem::mistake("too-many-keys", what, example));
            None
        }
        (Some(metric), None) => cloudwatch(metric, reader).map(Query::CloudWatch),
        (None, Some(http)) => probe(http, reader).map(Query::Http),
        (None, None) => {
            reader.note(place, Problem::mistake("missing-key", "One of `cloudwatch`, `http` is missing.", example));
            None
        }
    }
}

fn cloudwatch(At { value: raw, place }: &At<CloudWatch>, reader: &mut Reader) -> Option<MetricQuery> {
    let period = within(reader, &raw.period, Span::seconds(1), rules::DAY).unwrap_or(MINUTE);
    let seconds = period.as_seconds();
    if let Some(at) =
        raw.period.as_ref().filter(|_| ![1, 5, 10, 20, 30].contains(&seconds) && !seconds.is_multiple_of(60))
    {
        let what = format!("CloudWatch has no values of {period}.");
        let next = "Write whole minutes; for custom metrics of high resolution also 1s, 5s, 10s, 20s or 30s.";
        reader.note(&at.place, Problem::mistake("out-of-range", what, next));
    }
    variables_of(&raw.dimensions, reader);
    if let Some(metrics) = &raw.metrics {
        for (_, metric) in pairs(&raw.metrics) {
            variables_of(&metric.value.dimensions, reader);
        }
        if raw.metric.is_some() {
            let what = "`metrics` belongs to an expression.";
            reader.note(&metrics.place, Problem::mistake("too-many-keys", what, "Remove it, or `metric`."));
        }
    }
    if raw.metric.is_some() && raw.namespace.is_none() {
        let what = "A metric is found by `namespace` and `metric`; `namespace` is missing.";
        reader.note(place, Problem::mistake("missing-key", what, "Add it, as in `namespace: AWS/ApplicationELB`."));
    }
    if let Some(expression) = &raw.expression {
        let beside = [
            ("namespace", raw.namespace.as_ref().map(|at| &at.place)),
            ("statistic", raw.statistic.as_ref().map(|at| &at.place)),
            ("dimensions", raw.dimensions.as_ref().map(|at| &at.place)),
        ];
        for (key, place) in beside {
            if let Some(place) = place {
                let what = format!("`{key}` belongs to a metric; an expression says it itself.");
                reader.note(place, Problem::mistake("too-many-keys", what, "Remove it, or the expression."));
            }
        }
        variables(expression.value.as_str(), &expression.place, reader);
        let metrics: BTreeMap<String, Metric> =
            pairs(&raw.metrics).filter_map(|(name, at)| Some((name.as_str().to_owned(), metric(&at.value)?))).collect();
        names_of(expression.value.as_str(), &metrics, &expression.place, reader);
        let expression = expression.value.as_str().to_owned();
        return Some(MetricQuery { form: MetricForm::Expression { expression, metrics }, period });
    }
    let form = MetricForm::Metric(Metric {
        namespace: value(&raw.namespace)?.as_str().to_owned(),
        name: value(&raw.metric)?.as_str().to_owned(),
        statistic: statistic(value(&raw.statistic).as_ref()),
        dimensions: dimensions(&raw.dimensions),
    });
    Some(MetricQuery { form, period })
}

fn metric(raw: &CloudWatchMetric) -> Option<Metric> {
    Some(Metric {
        namespace: value(&raw.namespace)?.as_str().to_owned(),
        name: value(&raw.metric)?.as_str().to_owned(),
        statistic: statistic(value(&raw.statistic).as_ref()),
        dimensions: dimensions(&raw.dimensions),
    })
}

fn statistic(text: Option<&super::super::raw::values::SomeText>) -> String {
    text.map_or_else(|| "Average".to_owned(), |text| text.as_str().to_owned())
}

#[expect(clippy::ref_option, reason = "a slot is a field of a raw table and is handed over whole")]
fn dimensions(raw: &Slot<Named<VariableName, AnyText>>) -> BTreeMap<String, String> {
    pairs(raw).map(|(name, at)| (name.as_str().to_owned(), at.value.as_str().to_owned())).collect()
}

fn probe(At { value: raw, .. }: &At<Probe>, reader: &mut Reader) -> Option<ProbeQuery> {
    let rate = within(reader, &raw.rate, Span::seconds(1), Span::minutes(60)).unwrap_or(Span::seconds(5));
    if let Some(url) = &raw.url {
        variables(url.value.as_str(), &url.place, reader);
    }
    for (_, header) in pairs(&raw.headers) {
        variables(header.value.as_str(), &header.place, reader);
    }
    Some(ProbeQuery {
        url: value(&raw.url)?.as_str().to_owned(),
        headers: pairs(&raw.headers)
            .map(|(name, text)| (name.as_str().to_ascii_lowercase(), text.value.as_str().to_owned()))
            .collect(),
        measure: match value(&raw.measure) {
            Some(ProbeWord::Latency) => ProbeMeasure::Latency,
            Some(ProbeWord::Errors) | None => ProbeMeasure::Errors,
        },
        expect: value(&raw.expect).and_then(|status| u16::try_from(status.0).ok()).unwrap_or(200),
        rate,
        patience_ms: value(&raw.patience).and_then(|text| milliseconds(text.as_str())).unwrap_or(5_000),
    })
}

#[expect(clippy::ref_option, reason = "a slot is a field of a raw table and is handed over whole")]
fn variables_of(dimensions: &Slot<Named<VariableName, AnyText>>, reader: &mut Reader) {
    for (_, at) in pairs(dimensions) {
        variables(at.value.as_str(), &at.place, reader);
    }
}

/// Says no to words in braces that stand for nothing.
fn variables(text: &str, place: &Place, reader: &mut Reader) {
    for name in variables_in(text) {
        if !VARIABLES.contains(&name) {
            let what = format!("`{{{name}}}` stands for nothing.");
            let next = choose(name, VARIABLES);
            reader.note(place, Problem::mistake("unknown-variable", what, next));
        }
    }
}

/// Says no to an expression whose names are not those of its metrics. A Metrics Insights query has
/// none, and `SEARCH` has its own words in quotes.
fn names_of(text: &str, metrics: &BTreeMap<String, Metric>, place: &Place, reader: &mut Reader) {
    if is_insights_query(text) {
        return;
    }
    for name in expression_names(text) {
        if name == "METRICS" {
            let what = "`METRICS()` stands for all metrics of a request, and one request asks for all measurements.";
            reader.note(place, Problem::mistake("invalid-value", what, "Name the metrics one by one."));
        } else if name.starts_with(|c: char| c.is_ascii_lowercase()) && !metrics.contains_key(name) {
            let what = format!("`{name}` in the expression is none of its `metrics`.");
            let next = if metrics.is_empty() {
                format!(
                    "Add it, as in `metrics: {{ {name}: {{ namespace: AWS/ApplicationELB, metric: RequestCount, statistic: Sum }} }}`."
                )
            } else {
                choose(name, metrics.keys().map(String::as_str))
            };
            reader.note(place, Problem::mistake("unknown-metric", what, next));
        }
    }
}
