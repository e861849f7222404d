//! `UpdateService`: which changes start a deployment and which do not.

use serde_json::{Value, json};

use super::service::SETTINGS;
use super::{Ecs, strategy};
use crate::env::Env;
use crate::reply::{Answer, ApiError, Millis, number, text};

/// Settings that belong to a service revision: a change needs new tasks, a
/// rollback brings them back.
pub(crate) const OF_REVISION: [&str; 10] = [
    "capacityProviderStrategy",
    "networkConfiguration",
    "platformVersion",
    "loadBalancers",
    "serviceRegistries",
    "serviceConnectConfiguration",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
    "healthCheckPath",
    "scalingTarget",
];

impl Ecs {
    /// A new task definition, `forceNewDeployment` or a changed setting of the
    /// tasks starts a deployment; a new desired count alone scales.
    pub(crate) fn update_service(&mut self, body: &Value, now: Millis, env: &mut Env) -> Answer {
        let cluster = self.cluster(body)?;
        let name = text(body, "service").unwrap_or_default();
        let missing = || ApiError::bad("ServiceNotFoundException", "Service not found.");
        let index = self.find(&cluster, name).ok_or_else(missing)?;
        if self.services[index].status != "ACTIVE" {
            return Err(ApiError::bad("ServiceNotActiveException", "Service was not ACTIVE."));
        }
        let controller = self.services[index].controller().to_owned();
        let asked = text(body, "taskDefinition");
        let force = body["forceNewDeployment"] == Value::Bool(true);
        if asked.is_some() && matches!(controller.as_str(), "CODE_DEPLOY" | "EXTERNAL") {
            let other = if controller == "EXTERNAL" { "a task set" } else { "AWS CodeDeploy" };
            return Err(ApiError::bad(
                "InvalidParameterException",
                format!(
                    "Unable to update task definition on services with a {controller} deployment controller. Use {other} to trigger a new deployment."
                ),
            ));
        }
        if force && matches!(controller.as_str(), "CODE_DEPLOY" | "EXTERNAL") {
            return Err(ApiError::bad(
                "InvalidParameterException",
                format!("Cannot force a new deployment on services with a {controller} deployment controller."),
            ));
        }
        if number(body, "desiredCount").is_some_and(|count| count < 0) {
            return Err(ApiError::bad("InvalidParameterException", "Desired count must be non-negative."));
        }
        let definition = match asked {
            Some(asked) => Some(self.definitions.usable(asked)?.arn.clone()),
            None => None,
        };
        let mut settings = self.services[index].settings.clone();
        for member in SETTINGS {
            let Some(value) = body.get(member).cloned() else { continue };
            let value = match member {
                "deploymentConfiguration" => strategy::configured(settings.get(member), &value)?,
                _ => value,
            };
            settings.insert(member.to_owned(), value);
        }
        strategy::possible(&settings)?;
        let service = &mut self.services[index];
        let mut deploys = force || definition.as_ref().is_some_and(|new| *new != service.definition);
        deploys |= OF_REVISION.iter().any(|member| settings.get(*member) != service.settings.get(*member));
        service.settings = settings;
        if let Some(definition) = definition {
            service.definition = definition;
        }
        if let Some(desired) = number(body, "desiredCount") {
            service.desired = desired;
        }
        if deploys {
            service.begin_deployment(now, &self.definitions, env);
        } else if let Some(primary) = service.rollouts.first_mut() {
            primary.desired = service.desired;
            primary.updated = now;
            let id = primary.id.clone();
            if service.deployments.first().is_none_or(|newest| newest.status.is_final()) {
                service.settle_at(&id, service.wanted(), now, &self.definitions, env);
            }
        }
        Ok(json!({"service": self.services[index].document()}))
    }

    /// Adds a service whose first deployment is already done: for tests.
    pub(crate) fn seed_stable(&mut self, body: &Value, now: Millis, env: &mut Env) -> Result<(), ApiError> {
        let index = self.add_service(body, now, env)?;
        if !matches!(self.services[index].controller(), "CODE_DEPLOY" | "EXTERNAL") {
            self.finish_first_deployment(index, now, env);
        }
        Ok(())
    }

    /// Runs the first deployment to its end at once, whatever the rules say.
    pub(crate) fn finish_first_deployment(&mut self, index: usize, now: Millis, env: &mut Env) {
        let service = &mut self.services[index];
        let rules = std::mem::take(&mut env.rules);
        service.begin_deployment(now, &self.definitions, env);
        for _ in 0..8 {
            if let Some(deployment) = service.deployments.first_mut() {
                deployment.next = deployment.next.map(|(_, step)| (now, step));
            }
            service.step(now, &self.definitions, env);
        }
        env.rules = rules;
    }
}
