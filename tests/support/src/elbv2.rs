//! Elastic Load Balancing v2: the health of the targets that simulated
//! services registered.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::behaviour::{Behaviour, HealthCheck};
use crate::ecs::{Ecs, Service, Verdict, Weights, group as group_of};
use crate::query::{Form, xml};
use crate::reply::{ApiError, text};
use crate::seed::TargetHealthSeed;

/// Target health given by a test, by target group ARN; it replaces what the
/// tasks would have.
pub(crate) type Given = BTreeMap<String, Vec<TargetHealthSeed>>;

/// Answers one action with the inside of its result element.
pub(crate) fn answer(
    ecs: &Ecs,
    given: &Given,
    deleted: &BTreeSet<String>,
    action: &str,
    form: &Form,
) -> Result<String, ApiError> {
    let health = |arn: &str| {
        let found = given.get(arn).cloned().or_else(|| from_tasks(ecs, arn)).filter(|_| !deleted.contains(arn));
        found.ok_or_else(|| ApiError::bad("TargetGroupNotFound", "One or more target groups not found"))
    };
    let arn = form.get("TargetGroupArn").map(String::as_str).unwrap_or_default();
    match action {
        "DescribeTargetHealth" => {
            let members: String = health(arn)?.iter().map(member).collect();
            Ok(format!("<TargetHealthDescriptions>{members}</TargetHealthDescriptions>"))
        }
        "DescribeTargetGroups" => {
            let asked = form.iter().filter(|(name, _)| name.starts_with("TargetGroupArns.member."));
            let groups: Result<String, ApiError> = asked.map(|(_, arn)| health(arn).map(|_| group(arn))).collect();
            Ok(format!("<TargetGroups>{}</TargetGroups>", groups?))
        }
        "DescribeRules" => {
            let asked = form.iter().filter(|(name, _)| name.starts_with("RuleArns.member."));
            let rules: Option<String> = asked.map(|(_, arn)| rule(ecs, arn)).collect();
            let missing = || ApiError::bad("RuleNotFound", "One or more rules not found");
            Ok(format!("<Rules>{}</Rules>", rules.ok_or_else(missing)?))
        }
        "DescribeTargetGroupAttributes" => {
            health(arn)?;
            let attribute = "<member><Key>deregistration_delay.timeout_seconds</Key><Value>300</Value></member>";
            Ok(format!("<Attributes>{attribute}</Attributes>"))
        }
        _ => Err(ApiError::bad("InvalidAction", format!("Could not find operation {action} for version 2015-12-01"))),
    }
}

/// A production or test listener rule of a service: it forwards to both target groups, with the
/// weights that deployments gave them.
fn rule(ecs: &Ecs, arn: &str) -> Option<String> {
    let (service, balancer, production) = ecs.services.iter().find_map(|service| {
        let balancers = service.settings.get("loadBalancers").and_then(Value::as_array);
        balancers.into_iter().flatten().find_map(|balancer| {
            let advanced = &balancer["advancedConfiguration"];
            let named = |member: &str| text(advanced, member) == Some(arn);
            let production = named("productionListenerRule");
            (production || named("testListenerRule")).then_some((service, balancer, production))
        })
    })?;
    let groups = [false, true].into_iter().filter_map(|alternate| {
        let of = service.rollouts.iter().filter(|known| known.alternate == alternate);
        let weight = |known: &Weights| if production { known.production } else { known.test };
        let weight: f64 = of.map(|known| weight(&known.weights)).sum();
        let group = xml(group_of(balancer, alternate)?);
        Some(format!("<member><TargetGroupArn>{group}</TargetGroupArn><Weight>{weight:.0}</Weight></member>"))
    });
    let groups: String = groups.collect();
    Some(format!(
        "<member><RuleArn>{}</RuleArn><Priority>1</Priority><IsDefault>false</IsDefault><Actions><member>\
         <Type>forward</Type><ForwardConfig><TargetGroups>{groups}</TargetGroups></ForwardConfig>\
         </member></Actions></member>",
        xml(arn)
    ))
}

/// A target group like many: HTTP, `/health`, targets by address.
fn group(arn: &str) -> String {
    format!(
        "<member><TargetGroupArn>{}</TargetGroupArn><TargetGroupName>{}</TargetGroupName>\
         <Protocol>HTTP</Protocol><Port>80</Port><HealthCheckProtocol>HTTP</HealthCheckProtocol>\
         <HealthCheckPort>traffic-port</HealthCheckPort><HealthCheckEnabled>true</HealthCheckEnabled>\
         <HealthCheckIntervalSeconds>30</HealthCheckIntervalSeconds><HealthCheckTimeoutSeconds>5</HealthCheckTimeoutSeconds>\
         <HealthyThresholdCount>5</HealthyThresholdCount><UnhealthyThresholdCount>2</UnhealthyThresholdCount>\
         <HealthCheckPath>/health</HealthCheckPath><Matcher><HttpCode>200</HttpCode></Matcher>\
         <TargetType>ip</TargetType></member>",
        xml(arn),
        xml(arn.rsplit('/').nth(1).unwrap_or_default()),
    )
}

fn member(target: &TargetHealthSeed) -> String {
    let mut health = format!("<State>{}</State>", xml(&target.state));
    if let Some(reason) = &target.reason {
        health.extend(["<Reason>", &xml(reason), "</Reason>"]);
    }
    if let Some(description) = &target.description {
        health.extend(["<Description>", &xml(description), "</Description>"]);
    }
    format!(
        "<member><Target><Id>{}</Id><Port>{port}</Port></Target>\
         <HealthCheckPort>{port}</HealthCheckPort><TargetHealth>{health}</TargetHealth></member>",
        xml(&target.id),
        port = target.port,
    )
}

fn from_tasks(ecs: &Ecs, arn: &str) -> Option<Vec<TargetHealthSeed>> {
    let of = |service: &Service, alternate: bool| service.groups(alternate).iter().any(|known| known == arn);
    let service = ecs.services.iter().find(|service| of(service, false) || of(service, true))?;
    let inside = |id: &Option<String>| {
        let known = service.rollouts.iter().find(|known| Some(&known.id) == id.as_ref());
        known.is_none_or(|known| of(service, known.alternate))
    };
    let failing =
        service.deployments.first().filter(|newest| !newest.status.is_final()).and_then(|newest| {
            match &newest.rule.behaviour {
                Behaviour::Unhealthy { check: HealthCheck::TargetGroup, status, .. } => {
                    Some((newest.rollout.clone(), *status))
                }
                _ => None,
            }
        });
    let running = service.tasks.iter().filter(|task| task.status.name() == "RUNNING" && inside(&task.started_by));
    Some(
        running
            .map(|task| {
                let mut target = TargetHealthSeed {
                    id: task.address.clone(),
                    port: 8080,
                    state: "healthy".to_owned(),
                    reason: None,
                    description: None,
                };
                let bad = failing.as_ref().filter(|(rollout, _)| task.started_by.as_ref() == Some(rollout));
                if let Some((_, status)) = bad {
                    "unhealthy".clone_into(&mut target.state);
                    target.reason = Some("Target.ResponseCodeMismatch".to_owned());
                    target.description = Some(format!("Health checks failed with these codes: [{status}]"));
                } else if task.verdict != Verdict::Good {
                    "initial".clone_into(&mut target.state);
                    target.reason = Some("Elb.InitialHealthChecking".to_owned());
                    target.description = Some("Initial health checks in progress".to_owned());
                }
                target
            })
            .collect(),
    )
}
