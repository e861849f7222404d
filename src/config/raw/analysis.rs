//! Measurements that decide about a release.

use super::forms::{Either, Whole};
use super::shape::{record, words};
use super::values::{
    AnyText, HeaderName, HeaderValue, Latency, Limit, MetricId, Probability, ProbeUrl, ShareOfPairs, SomeText, Unit,
    VariableName,
};
use super::{List, Named};
use crate::types::{Percent, ServiceName, Span};

record! {
    /// A measurement that must stay within a limit while traffic moves ([analysis](analysis.md)).
    Analysis = "{ name: p99, cloudwatch: { namespace: AWS/ApplicationELB, metric: TargetResponseTime }, below: 0.5 }",
        one of ["below", "above"] {
        /// Its name in reports.
        required "name" name: SomeText, example "error-rate";
        /// Values from CloudWatch. Either this or `http`.
        optional "cloudwatch" cloudwatch: CloudWatch;
        /// Values that Shipline measures itself, by asking an address. Either this or `cloudwatch`.
        optional "http" http: Probe;
        /// Values must stay below this: higher is worse. A `%` is only written behind values; it changes none.
        optional "below" below: Limit;
        /// Values must stay above this: lower is worse.
        optional "above" above: Limit, example "99.5%";
        /// What is written behind values, where it is not `%`.
        optional "unit" unit: Unit, default "`ms` for latencies of `http`, else nothing";
        /// How often it is asked for, and the length of the intervals whose means are held against the limit (a period, where that is longer).
        optional "every" every: Span, default "`60s`", example "30s";
        /// What it means when there is no value. It never counts as good.
        optional "no-data" no_data: NoDataWord, default "`pause`";
        /// How the new revision is compared with the old one. The query needs a variable that differs between them.
        optional "compare" compare: Either<CompareWord, Compare>, default "not compared";
        /// How many values a pass needs, of each side where they are compared.
        optional "min-samples" min_samples: Whole<1, 1000>, default "`3`, and `5` where they are compared", example "5";
        /// How long after the beginning of a step values do not count.
        optional "warm-up" warm_up: Span, default "`0s`", example "60s";
        /// How many intervals may be beyond the limit.
        optional "failures" failures: Whole<0, 100>, default "`1`, and `0` for a critical one", example "2";
        /// Whether the first interval beyond the limit takes the release back.
        optional "critical" critical: bool, default "`false`";
        /// The services whose variables it is asked with.
        optional "services" services: List<ServiceName>, default "all that its variables have a value for", example "[api]";
    }
}

words! {
    /// What missing values mean.
    NoDataWord = "what to do without data" {
        /// Wait for a person.
        Pause = "pause",
        /// Go back.
        RollBack = "roll-back",
    }
}

record! {
    /// A CloudWatch metric, or an expression over metrics. Dimensions and expressions may hold
    /// `{target-group}`, `{load-balancer}`, `{service}`, `{cluster}` and `{revision}`.
    CloudWatch = "{ namespace: AWS/ApplicationELB, metric: TargetResponseTime, statistic: p99, dimensions: { TargetGroup: \"{target-group}\", LoadBalancer: \"{load-balancer}\" } }",
        one of ["metric", "expression"] {
        /// The metric's namespace; needed with `metric`.
        optional "namespace" namespace: SomeText, example "AWS/ApplicationELB";
        /// The metric's name.
        optional "metric" metric: SomeText, example "TargetResponseTime";
        /// `Average`, `Sum`, `Minimum`, `Maximum`, `SampleCount`, or a percentile as `p99`.
        optional "statistic" statistic: SomeText, default "`Average`", example "p99";
        /// The metric's dimensions.
        optional "dimensions" dimensions: Named<VariableName, AnyText>, example "{ TargetGroup: \"{target-group}\" }";
        /// A metric expression or a Metrics Insights query instead of one metric.
        optional "expression" expression: SomeText, example "100 * errors / requests";
        /// The metrics that the expression is about, by the names it has for them.
        optional "metrics" metrics: Named<MetricId, CloudWatchMetric>,
            example "{ errors: { namespace: AWS/ApplicationELB, metric: HTTPCode_Target_5XX_Count, statistic: Sum } }";
        /// The length of one value: 1, 5, 10, 20 or 30 seconds (only custom metrics have these), or whole minutes.
        optional "period" period: Span, default "`60s`", example "60s";
    }
}

record! {
    /// A metric of an expression.
    CloudWatchMetric = "{ namespace: AWS/ApplicationELB, metric: RequestCount, statistic: Sum }" {
        /// Its namespace.
        required "namespace" namespace: SomeText, example "AWS/ApplicationELB";
        /// Its name.
        required "metric" metric: SomeText, example "RequestCount";
        /// `Average`, `Sum`, `Minimum`, `Maximum`, `SampleCount`, or a percentile as `p99`.
        optional "statistic" statistic: SomeText, default "`Average`", example "Sum";
        /// Its dimensions.
        optional "dimensions" dimensions: Named<VariableName, AnyText>, example "{ TargetGroup: \"{target-group}\" }";
    }
}

record! {
    /// An address that Shipline asks. It must be reachable from where Shipline runs.
    Probe = "{ url: \"https://api.example.com/health\", measure: errors }" {
        /// The address. It may hold the variables that a CloudWatch query may.
        required "url" url: ProbeUrl;
        /// What is measured.
        optional "measure" measure: ProbeWord, default "`errors`";
        /// Headers that are sent, so that a load balancer can choose the revision. They may hold variables.
        optional "headers" headers: Named<HeaderName, HeaderValue>, example "{ X-Revision: \"{revision}\" }";
        /// The status that is right.
        optional "expect" expect: Whole<100, 599>, default "`200`", example "200";
        /// How often it is asked.
        optional "rate" rate: Span, default "`5s`", example "5s";
        /// How long an answer may take; longer is an error.
        optional "patience" patience: Latency, default "`5s`", example "2s";
    }
}

words! {
    /// What a probe measures.
    ProbeWord = "something a probe measures" {
        /// The share of wrong or missing answers, in percent.
        Errors = "errors",
        /// How long right answers take, in milliseconds.
        Latency = "latency",
    }
}

words! {
    /// With what is compared.
    CompareWord = "something to compare with" {
        /// With the old revision in the same time, as the defaults of the long form say.
        Old = "old",
    }
}

record! {
    /// When the new revision is worse than the old one (Mann-Whitney U test, one-sided).
    Compare = "{ margin: 10%, effect: 0.7, p: 0.01 }" {
        /// How much worse than the old one is still the same.
        optional "margin" margin: Percent, default "`10%`", example "10%";
        /// In which share of all pairs of values the new one must be the worse, 0.5 to 1.
        optional "effect" effect: ShareOfPairs, default "`0.7`";
        /// How improbable that must be where both are alike.
        optional "p" p: Probability, default "`0.01`";
    }
}
