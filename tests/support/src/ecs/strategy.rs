//! `deploymentConfiguration`: which strategies there are, what each needs, what is refused.
//!
//! From the API reference and the developer guide ("Troubleshooting Amazon ECS blue/green
//! deployments" has the words of many refusals). `UpdateService` merges the members of
//! `deploymentConfiguration` with those the service has; a nested structure or list that is given
//! replaces the old one as a whole, and what it leaves out gets its default.

use serde_json::{Map, Value, json};

use super::stage::{Hookable, Stage};
use crate::reply::{ApiError, number, text};

/// How production traffic goes over to the new revision.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shifts {
    /// The share of the new revision after each step, in percent; the last is 100.
    pub(crate) weights: Vec<f64>,
    /// Minutes after each step but the last.
    pub(crate) between: u64,
    /// Minutes with all traffic on the new revision and the old one still there.
    pub(crate) bake: u64,
}

impl Shifts {
    /// The steps of a deployment; none for a rolling update.
    pub(crate) fn read(configuration: Option<&Value>) -> Option<Self> {
        let configuration = configuration?;
        let minutes = |at: &Value, member: &str, default: i64| {
            u64::try_from(number(at, member).unwrap_or(default)).unwrap_or_default()
        };
        let bake = minutes(configuration, "bakeTimeInMinutes", 0);
        let percent = |at: &Value, member: &str, default: f64| at[member].as_f64().unwrap_or(default);
        match text(configuration, "strategy")? {
            "BLUE_GREEN" => Some(Self { weights: vec![100.0], between: 0, bake }),
            "CANARY" => {
                let canary = &configuration["canaryConfiguration"];
                let weights = steps([percent(canary, "canaryPercent", 5.0), 100.0]);
                Some(Self { weights, between: minutes(canary, "canaryBakeTimeInMinutes", 10), bake })
            }
            "LINEAR" => {
                let linear = &configuration["linearConfiguration"];
                let step = percent(linear, "stepPercent", 10.0).max(0.1);
                let all = (1..=1000_u32).map(|count| (f64::from(count) * step * 10.0).round() / 10.0);
                Some(Self { weights: steps(all), between: minutes(linear, "stepBakeTimeInMinutes", 6), bake })
            }
            _ => None,
        }
    }
}

/// Up to the first step that is all traffic.
fn steps(all: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut weights: Vec<f64> = all.into_iter().take_while(|weight| *weight < 100.0).collect();
    weights.push(100.0);
    weights
}

/// The configuration of a service after a request, or why the request is refused.
pub(crate) fn configured(old: Option<&Value>, given: &Value) -> Result<Value, ApiError> {
    let Some(given) = given.as_object() else { return Err(invalid("deploymentConfiguration must be a structure.")) };
    let mut merged: Map<String, Value> = old.and_then(Value::as_object).cloned().unwrap_or_default();
    merged.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
    let strategy = merged.get("strategy").and_then(Value::as_str).unwrap_or("ROLLING").to_owned();
    if !["ROLLING", "BLUE_GREEN", "LINEAR", "CANARY"].contains(&strategy.as_str()) {
        return Err(invalid(&format!("Invalid deployment strategy {strategy}.")));
    }
    for (member, kind, of) in [("linearConfiguration", "Linear", "LINEAR"), ("canaryConfiguration", "Canary", "CANARY")]
    {
        if strategy == of {
            continue;
        }
        if given.get(member).is_some_and(|value| !value.is_null()) {
            return Err(invalid(&format!("{kind} configuration can only be present with {of} deployment strategy")));
        }
        // What an earlier strategy had does not stand in the way of another one.
        merged.shift_remove(member);
    }
    let mut merged = Value::Object(merged);
    if strategy == "LINEAR" {
        let linear = filled(&merged["linearConfiguration"], &json!({"stepPercent": 10.0, "stepBakeTimeInMinutes": 6}));
        percent(&linear, "stepPercent", 3.0)?;
        within(&linear, "stepBakeTimeInMinutes", 0, 1440)?;
        merged["linearConfiguration"] = linear;
    }
    if strategy == "CANARY" {
        let canary =
            filled(&merged["canaryConfiguration"], &json!({"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 10}));
        percent(&canary, "canaryPercent", 0.1)?;
        within(&canary, "canaryBakeTimeInMinutes", 0, 1440)?;
        merged["canaryConfiguration"] = canary;
    }
    if strategy == "BLUE_GREEN" && number(&merged, "bakeTimeInMinutes").is_none() {
        return Err(invalid("bakeTimeInMinutes is required for the BLUE_GREEN deployment strategy."));
    }
    if merged.get("bakeTimeInMinutes").is_some() {
        within(&merged, "bakeTimeInMinutes", 0, 1440)?;
    }
    if merged.get("lifecycleHooks").is_some() {
        merged["lifecycleHooks"] = Value::Array(hooks(&merged["lifecycleHooks"])?);
    }
    Ok(merged)
}

/// Checks what a strategy needs of the service around it.
pub(crate) fn possible(settings: &Map<String, Value>) -> Result<(), ApiError> {
    let at = |member: &str| settings.get(member).unwrap_or(&Value::Null);
    let strategy = text(at("deploymentConfiguration"), "strategy").unwrap_or("ROLLING");
    let balancers = at("loadBalancers").as_array().cloned().unwrap_or_default();
    let advanced = |balancer: &&Value| balancer.get("advancedConfiguration").is_some_and(Value::is_object);
    let with = balancers.iter().filter(advanced).count();
    if strategy != "ROLLING" {
        let controller = text(at("deploymentController"), "type").unwrap_or("ECS");
        if controller != "ECS" {
            let message = format!("The {strategy} deployment strategy needs the ECS deployment controller.");
            return Err(invalid(&message));
        }
        if with < balancers.len() {
            let message = "advancedConfiguration field is required for all loadBalancers when using a \
                           non-ROLLING deployment strategy";
            return Err(ApiError::bad("ClientException", message));
        }
        let connected = at("serviceConnectConfiguration")["enabled"] == Value::Bool(true);
        // Blue/green alone may do without: then tasks are replaced and no traffic is managed.
        if balancers.is_empty() && !connected && strategy != "BLUE_GREEN" {
            let message = format!("A load balancer or Service Connect is required for the {strategy} strategy.");
            return Err(invalid(&message));
        }
    }
    if with > 0 && with < balancers.len() {
        let message = "Either all or none of the provided loadBalancers must have advancedConfiguration defined";
        return Err(invalid(message));
    }
    let mut seen: Vec<&str> = Vec::new();
    for balancer in &balancers {
        let group = text(balancer, "targetGroupArn").unwrap_or_default();
        let alternate = balancer.get("advancedConfiguration").map(|known| routed(balancer, known)).transpose()?;
        for arn in std::iter::once(group).chain(alternate).filter(|arn| !arn.is_empty()) {
            if seen.contains(&arn) {
                return Err(invalid(&format!("Duplicate targetGroupArn found: {arn}")));
            }
            seen.push(arn);
        }
    }
    Ok(())
}

/// The alternate target group of an advanced configuration that is complete.
fn routed<'a>(balancer: &Value, advanced: &'a Value) -> Result<&'a str, ApiError> {
    if text(balancer, "loadBalancerName").is_some() {
        return Err(invalid("advancedConfiguration field is not allowed with ELBv1 loadBalancers"));
    }
    for member in ["alternateTargetGroupArn", "productionListenerRule", "roleArn"] {
        if text(advanced, member).is_none() {
            return Err(invalid(&format!("{member} is required in advancedConfiguration.")));
        }
    }
    let rules = ["productionListenerRule", "testListenerRule"].map(|member| (member, text(advanced, member)));
    for (member, rule) in rules {
        let Some(rule) = rule else { continue };
        let fits = rule.contains(":listener-rule/app/") || rule.contains(":listener/net/");
        if !fits {
            let message = format!(
                "{member} has an invalid ARN format. Must be RuleArn for ALB or ListenerArn for NLB. Got: {rule}"
            );
            return Err(invalid(&message));
        }
    }
    if let [(_, Some(production)), (_, Some(test))] = rules
        && production == test
    {
        let message =
            format!("The following rules cannot be used as both production and test listener rules: {production}");
        return Err(invalid(&message));
    }
    Ok(text(advanced, "alternateTargetGroupArn").unwrap_or_default())
}

/// `lifecycleHooks` with their defaults.
fn hooks(given: &Value) -> Result<Vec<Value>, ApiError> {
    let mut all = Vec::new();
    let (mut pauses, mut functions) = (0, 0);
    for hook in given.as_array().into_iter().flatten() {
        let stages = crate::reply::texts(hook, "lifecycleStages");
        if stages.is_empty() {
            return Err(invalid("Lifecycle stage cannot be null or empty for any deployment lifecycle hooks"));
        }
        let pause = match text(hook, "targetType").unwrap_or("AWS_LAMBDA") {
            "PAUSE" => true,
            "AWS_LAMBDA" => false,
            _ => return Err(invalid("Invalid targetType. Valid values are: AWS_LAMBDA, PAUSE")),
        };
        for stage in &stages {
            match (Stage::of(stage).map_or(Hookable::Never, Stage::hookable), pause) {
                (Hookable::Any, _) | (Hookable::Lambda, false) => {}
                (_, true) => return Err(invalid("Invalid lifecycle stage provided for Pause Hook")),
                (_, false) => return Err(invalid(&format!("Invalid lifecycle stage {stage}"))),
            }
        }
        let target = ["hookTargetArn", "roleArn"].map(|member| text(hook, member).is_some());
        if pause && target.contains(&true) {
            return Err(invalid("hookTargetArn and roleArn cannot be specified for pause hooks."));
        }
        if !pause && target.contains(&false) {
            return Err(invalid("Role arn or Hook Target arn is missing for one or more deployment lifecycle hooks"));
        }
        let defaults = json!({"timeoutInMinutes": 1440, "action": "ROLLBACK"});
        let timeout = filled(&hook["timeoutConfiguration"], &defaults);
        within(&timeout, "timeoutInMinutes", 1, if pause { 20_160 } else { 1_440 })?;
        if !["ROLLBACK", "CONTINUE"].contains(&text(&timeout, "action").unwrap_or_default()) {
            return Err(invalid("Invalid timeout action. Valid values are: ROLLBACK, CONTINUE"));
        }
        let mut hook = hook.clone();
        hook["targetType"] = json!(if pause { "PAUSE" } else { "AWS_LAMBDA" });
        if pause || hook.get("timeoutConfiguration").is_some() {
            hook["timeoutConfiguration"] = timeout;
        }
        all.push(hook);
        *(if pause { &mut pauses } else { &mut functions }) += 1;
    }
    if pauses > 10 || functions > 10 {
        return Err(invalid("A service can have at most 10 pause hooks and 10 Lambda hooks."));
    }
    Ok(all)
}

/// The members of `given` over `defaults`.
fn filled(given: &Value, defaults: &Value) -> Value {
    let mut all = defaults.as_object().cloned().unwrap_or_default();
    let given = given.as_object().into_iter().flatten();
    all.extend(given.filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())));
    Value::Object(all)
}

/// A multiple of 0.1 from `least` to 100.
fn percent(at: &Value, member: &str, least: f64) -> Result<(), ApiError> {
    let value = at[member].as_f64().unwrap_or(f64::NAN);
    let tenths = value * 10.0;
    if !(least..=100.0).contains(&value) || (tenths - tenths.round()).abs() > 1e-6 {
        let message = format!("{member} must be a multiple of 0.1 between {least:.1} and 100.0.");
        return Err(invalid(&message));
    }
    Ok(())
}

fn within(at: &Value, member: &str, least: i64, most: i64) -> Result<(), ApiError> {
    match number(at, member) {
        Some(value) if (least..=most).contains(&value) => Ok(()),
        _ => Err(invalid(&format!("{member} must be between {least} and {most}."))),
    }
}

fn invalid(message: &str) -> ApiError {
    ApiError::bad("InvalidParameterException", message)
}
