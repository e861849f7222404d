//! Elastic Load Balancing v2: the health of the targets that simulated
//! services registered.

use std::collections::BTreeMap;

use crate::behaviour::{Behaviour, HealthCheck};
use crate::ecs::{Ecs, Verdict};
use crate::query::{Form, xml};
use crate::reply::ApiError;
use crate::seed::TargetHealthSeed;

/// Target health given by a test, by target group ARN; it replaces what the
/// tasks would have.
pub(crate) type Given = BTreeMap<String, Vec<TargetHealthSeed>>;

/// Answers one action with the inside of its result element.
pub(crate) fn answer(ecs: &Ecs, given: &Given, action: &str, form: &Form) -> Result<String, ApiError> {
    if action != "DescribeTargetHealth" {
        return Err(ApiError::bad(
            "InvalidAction",
            format!("Could not find operation {action} for version 2015-12-01"),
        ));
    }
    let arn = form.get("TargetGroupArn").map(String::as_str).unwrap_or_default();
    let targets = match given.get(arn) {
        Some(targets) => targets.clone(),
        None => from_tasks(ecs, arn)
            .ok_or_else(|| ApiError::bad("TargetGroupNotFound", "One or more target groups not found"))?,
    };
    let members: String = targets.iter().map(member).collect();
    Ok(format!("<TargetHealthDescriptions>{members}</TargetHealthDescriptions>"))
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
    let service = ecs.services.iter().find(|service| service.target_groups().iter().any(|known| known == arn))?;
    let failing =
        service.deployments.first().filter(|newest| !newest.status.is_final()).and_then(|newest| {
            match &newest.rule.behaviour {
                Behaviour::Unhealthy { check: HealthCheck::TargetGroup, status, .. } => {
                    Some((newest.rollout.clone(), *status))
                }
                _ => None,
            }
        });
    let running = service.tasks.iter().filter(|task| task.status.name() == "RUNNING");
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
