//! CloudWatch: alarms that a test planted, metric and composite, whose states change by
//! `SetAlarmState` or by the test; and metrics ([`metrics`]). No alarm looks at a metric.

mod math;
pub(crate) mod metrics;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::balancer::Traffic;
use crate::env::Env;
use crate::reply::{Answer, ApiError, Millis, number, page, put, seconds, text, texts};
use crate::seed::AlarmSeed;

/// The alarms of the account, in the order they were planted.
#[derive(Debug, Default)]
pub(crate) struct CloudWatch {
    alarms: Vec<Alarm>,
    pub(crate) metrics: metrics::Metrics,
}

#[derive(Debug, Clone)]
struct Alarm {
    seed: AlarmSeed,
    updated: Millis,
}

impl CloudWatch {
    /// Plants an alarm, or replaces the one of that name (as `PutMetricAlarm` does).
    pub(crate) fn plant(&mut self, seed: AlarmSeed, now: Millis) {
        self.alarms.retain(|alarm| alarm.seed.name != seed.name);
        self.alarms.push(Alarm { seed, updated: now });
    }

    /// The alarms in ALARM, and since when.
    pub(crate) fn firing(&self) -> BTreeMap<String, Millis> {
        let firing = self.alarms.iter().filter(|alarm| alarm.seed.state == "ALARM");
        firing.map(|alarm| (alarm.seed.name.clone(), alarm.updated)).collect()
    }

    /// Answers one operation.
    pub(crate) fn answer(&mut self, op: &str, body: &Value, now: Millis, env: &Env, traffic: &Traffic) -> Answer {
        match op {
            "DescribeAlarms" => self.describe(body, env),
            "SetAlarmState" => self.set(body, now),
            "PutMetricData" => self.metrics.put(body, now),
            "GetMetricData" => self.metrics.data(body, now, traffic),
            _ => Err(ApiError::bad("UnknownOperationException", "")),
        }
    }

    fn describe(&self, body: &Value, env: &Env) -> Answer {
        let (names, types) = (texts(body, "AlarmNames"), texts(body, "AlarmTypes"));
        if names.len() > 100 {
            let message = "1 validation error detected: Value at 'alarmNames' failed to satisfy constraint: \
                           Member must have length less than or equal to 100";
            return Err(ApiError::bad("ValidationError", message));
        }
        let prefix = text(body, "AlarmNamePrefix");
        let invalid = |message: &str| Err(ApiError::bad("ValidationError", message));
        if prefix.is_some() && !names.is_empty() {
            return invalid("AlarmNamePrefix and AlarmNames cannot be used together");
        }
        // Filters that nobody here has a use for are refused, not left out.
        if ["ChildrenOfAlarmName", "ParentsOfAlarmName", "ActionPrefix"].iter().any(|other| !body[*other].is_null()) {
            return invalid("The simulator knows no relatives and no actions of alarms");
        }
        let size = number(body, "MaxRecords").unwrap_or(50);
        let Some(size) = usize::try_from(size).ok().filter(|size| (1..=100).contains(size)) else {
            return invalid("Value at 'maxRecords' failed to satisfy constraint: Member must be between 1 and 100");
        };
        if text(body, "NextToken").is_some_and(|token| token.parse::<usize>().is_err()) {
            return Err(ApiError::bad("InvalidNextToken", "The token is not valid"));
        }
        let state = text(body, "StateValue");
        let wanted = |alarm: &&Alarm| {
            // Without its types the call answers metric alarms alone.
            let kind = if alarm.seed.composite { "CompositeAlarm" } else { "MetricAlarm" };
            let kind_fits = if types.is_empty() { !alarm.seed.composite } else { types.iter().any(|t| t == kind) };
            kind_fits
                && (names.is_empty() || names.contains(&alarm.seed.name))
                && prefix.is_none_or(|prefix| alarm.seed.name.starts_with(prefix))
                && state.is_none_or(|state| alarm.seed.state == state)
        };
        let all: Vec<&Alarm> = self.alarms.iter().filter(wanted).collect();
        let (found, next) = page(all, text(body, "NextToken"), size);
        let documents = |composite: bool| -> Vec<Value> {
            found.iter().filter(|alarm| alarm.seed.composite == composite).map(|alarm| alarm.document(env)).collect()
        };
        let mut answer = json!({"MetricAlarms": documents(false), "CompositeAlarms": documents(true)});
        put(&mut answer, "NextToken", next);
        Ok(answer)
    }

    fn set(&mut self, body: &Value, now: Millis) -> Answer {
        let name = text(body, "AlarmName").unwrap_or_default();
        let state = text(body, "StateValue").unwrap_or_default();
        if !["OK", "ALARM", "INSUFFICIENT_DATA"].contains(&state) {
            return Err(ApiError::bad("ValidationError", "Invalid StateValue"));
        }
        let known = self.alarms.iter_mut().find(|alarm| alarm.seed.name == name);
        let alarm = known.ok_or_else(|| ApiError::with(404, "ResourceNotFound", "Unknown"))?;
        state.clone_into(&mut alarm.seed.state);
        text(body, "StateReason").unwrap_or_default().clone_into(&mut alarm.seed.reason);
        alarm.updated = now;
        Ok(json!({}))
    }
}

impl Alarm {
    fn document(&self, env: &Env) -> Value {
        let seed = &self.seed;
        let mut document = json!({
            "AlarmName": seed.name,
            "AlarmArn": env.arn("cloudwatch", &format!("alarm:{}", seed.name)),
            "ActionsEnabled": true,
            "OKActions": [], "AlarmActions": [], "InsufficientDataActions": [],
            "StateValue": seed.state,
            "StateReason": seed.reason,
            "StateUpdatedTimestamp": seconds(self.updated),
        });
        if seed.composite {
            put(&mut document, "AlarmRule", Some("ALARM(another)"));
        } else {
            let metric = json!({
                "MetricName": "HTTPCode_Target_5XX_Count", "Namespace": "AWS/ApplicationELB", "Statistic": "Sum",
                "Dimensions": [], "Period": 60, "EvaluationPeriods": 1, "Threshold": 10.0,
                "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching",
            });
            for (name, value) in metric.as_object().into_iter().flatten() {
                put(&mut document, name, Some(value.clone()));
            }
        }
        document
    }
}
