//! What a service has that traffic could be moved with, and what it tells its deployments.
//!
//! Pure, read from `DescribeServices`. What is refused here ECS itself would refuse, or would do
//! without moving any traffic (developer guide, "Required resources for Amazon ECS blue/green
//! deployments", and the same for linear and canary ones).

use aws_sdk_ecs::types as sdk;

use super::steps;
use crate::config::spec::{Steered, Steering, Strategy};
use crate::problem::Problem;

/// What a service has around its tasks.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Routing {
    /// What its deployments are told.
    pub(super) configuration: Option<sdk::DeploymentConfiguration>,
    pub(super) balancers: Vec<sdk::LoadBalancer>,
    pub(super) connect: Connect,
    pub(super) scheduling: Option<sdk::SchedulingStrategy>,
}

/// Whether other services reach it through Service Connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Connect {
    #[default]
    No,
    Yes,
}

/// What such a service is called, for people.
pub(super) struct Named<'a> {
    pub(super) cluster: &'a str,
    pub(super) service: &'a str,
    pub(super) desired: u32,
}

impl Routing {
    /// Of the SDK's service.
    pub(super) fn read(service: &sdk::Service) -> Self {
        let primary = service.deployments().iter().find(|known| known.status() == Some("PRIMARY"));
        let connect = primary.and_then(|primary| primary.service_connect_configuration());
        Self {
            configuration: service.deployment_configuration().cloned(),
            balancers: service.load_balancers().to_vec(),
            connect: if connect.is_some_and(sdk::ServiceConnectConfiguration::enabled) {
                Connect::Yes
            } else {
                Connect::No
            },
            scheduling: service.scheduling_strategy().cloned(),
        }
    }

    /// Hooks that stand in its deployments.
    pub(super) fn hooks(&self) -> &[sdk::DeploymentLifecycleHook] {
        self.configuration.as_ref().map_or(&[], sdk::DeploymentConfiguration::lifecycle_hooks)
    }

    /// Whether ECS can run a second set of tasks beside the first and switch over.
    pub(super) fn can_switch(&self) -> bool {
        let ways = !self.balancers.is_empty() || self.connect == Connect::Yes;
        ways && self.balancers.iter().all(|known| lacks(known).is_empty())
            && self.scheduling != Some(sdk::SchedulingStrategy::Daemon)
    }

    /// Why a strategy cannot be carried out here, with the change that would help.
    pub(super) fn refusal(&self, steering: &Steering, of: &Named<'_>) -> Option<Problem> {
        if steering.strategy == Strategy::Rolling {
            return None;
        }
        let (word, service) = (steering.strategy.word(), of.service);
        let refused = |what: String, next: String| Some(Problem::refused("strategy-not-possible", what, next));
        if self.scheduling == Some(sdk::SchedulingStrategy::Daemon) {
            let what = format!("{service} runs one task on every instance (DAEMON), which ECS only ever replaces");
            return refused(what, rolling(of));
        }
        if self.balancers.is_empty() && self.connect == Connect::No {
            let what = format!(
                "{service} has neither a load balancer nor Service Connect: a {word} rollout has no traffic to move"
            );
            return refused(what, rolling(of));
        }
        if let Some(balancer) = self.balancers.iter().find(|known| known.target_group_arn().is_none()) {
            let name = balancer.load_balancer_name().unwrap_or("a load balancer");
            let what = format!("{service} is behind the Classic Load Balancer {name}, which cannot share traffic out");
            let next = format!("Move it to an Application or Network Load Balancer. {}", rolling(of));
            return refused(what, next);
        }
        if let Some((balancer, missing)) =
            self.balancers.iter().map(|known| (known, lacks(known))).find(|(_, missing)| !missing.is_empty())
        {
            let group = balancer.target_group_arn().map_or("", short_group);
            let what = format!(
                "{service} lacks what a {word} rollout needs at its target group {group}: {} of `advancedConfiguration`",
                listed(&missing)
            );
            return refused(what, self.advice(of));
        }
        if of.desired == 0 {
            let what = format!("{service} runs no task (desired count 0): a {word} rollout would prove nothing");
            return refused(what, "Set `desired-count` to 1 or more.".to_owned());
        }
        self.foreign_stop(steering, of)
    }

    /// ECS does not say which of two hooks of a stage waits.
    fn foreign_stop(&self, steering: &Steering, of: &Named<'_>) -> Option<Problem> {
        let here = steps::is_before_a_step;
        let other = self.hooks().iter().find(|hook| steps::is_pause(hook) && here(hook) && !steps::is_ours(hook))?;
        if steering.by == Steered::Platform {
            return None;
        }
        let minutes = other
            .timeout_configuration()
            .and_then(sdk::DeploymentLifecycleHookTimeoutConfiguration::timeout_in_minutes)
            .unwrap_or(1440);
        let what = format!(
            "{} has a PAUSE hook of its own at PRE_PRODUCTION_TRAFFIC_SHIFT ({minutes} min), and ECS does not tell \
             which of two hooks of a stage waits: it could not be told from the one that this rollout needs there",
            of.service
        );
        let next = format!(
            "Take it out: aws ecs update-service --cluster {} --service {} --deployment-configuration \
             '{{\"lifecycleHooks\": [<the other hooks>]}}'. This rollout pauses there by itself. Or remove `analysis` \
             and `approval` from the environment: then ECS moves traffic by its clock, and the hook stays.",
            of.cluster, of.service
        );
        Some(Problem::refused("hook-in-the-way", what, next))
    }

    /// The command that gives every load balancer what it lacks.
    fn advice(&self, of: &Named<'_>) -> String {
        let balancers: Vec<serde_json::Value> = self.balancers.iter().map(completed).collect();
        format!(
            "Give the service a second target group, the rule that sends it production traffic, and a role with \
             AmazonECSInfrastructureRolePolicyForLoadBalancers: aws ecs update-service --cluster {} --service {} \
             --load-balancers '{}'",
            of.cluster,
            of.service,
            serde_json::Value::Array(balancers)
        )
    }
}

fn rolling(of: &Named<'_>) -> String {
    format!(
        "Write `rollout: rolling` at this service alone: `ecs: {{ cluster: {}, service: {}, rollout: rolling }}`.",
        of.cluster, of.service
    )
}

/// What is missing at a load balancer.
fn lacks(balancer: &sdk::LoadBalancer) -> Vec<&'static str> {
    let advanced = balancer.advanced_configuration();
    let given = |value: Option<&str>| value.is_some_and(|value| !value.is_empty());
    let has = |read: fn(&sdk::AdvancedConfiguration) -> Option<&str>| given(advanced.and_then(read));
    [
        ("alternateTargetGroupArn", has(sdk::AdvancedConfiguration::alternate_target_group_arn)),
        ("productionListenerRule", has(sdk::AdvancedConfiguration::production_listener_rule)),
        ("roleArn", has(sdk::AdvancedConfiguration::role_arn)),
    ]
    .into_iter()
    .filter_map(|(name, has)| (!has).then_some(name))
    .collect()
}

/// A load balancer with a place for what it lacks.
fn completed(balancer: &sdk::LoadBalancer) -> serde_json::Value {
    let advanced = balancer.advanced_configuration();
    let or = |value: Option<&str>, place: &str| value.filter(|value| !value.is_empty()).unwrap_or(place).to_owned();
    let mut settings = serde_json::json!({
        "alternateTargetGroupArn": or(advanced.and_then(|it| it.alternate_target_group_arn()), "<second target group>"),
        "productionListenerRule": or(advanced.and_then(|it| it.production_listener_rule()), "<listener rule>"),
        "roleArn": or(advanced.and_then(|it| it.role_arn()), "<role>"),
    });
    if let Some(test) = advanced.and_then(|it| it.test_listener_rule()) {
        settings["testListenerRule"] = test.into();
    }
    serde_json::json!({
        "targetGroupArn": balancer.target_group_arn(),
        "containerName": balancer.container_name(),
        "containerPort": balancer.container_port(),
        "advancedConfiguration": settings,
    })
}

/// `api` of `…:targetgroup/api/50dc6c495c0c9188`.
fn short_group(arn: &str) -> &str {
    arn.rsplit('/').nth(1).unwrap_or(arn)
}

fn listed(names: &[&str]) -> String {
    match names {
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
        [] => String::new(),
    }
}

#[cfg(test)]
mod tests;
