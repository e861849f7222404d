//! The service as it is now: one `DescribeServices`, in our own words.
//!
//! Lenient: a state this program does not know is kept as "unknown", never an error.

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types as sdk;

use super::routing::Routing;
use crate::aws::failure;
use crate::engine::ProviderFailure;
use crate::engine::target::FailureKind;

/// `rolloutState` of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RolloutState {
    InProgress,
    Completed,
    Failed,
    /// Not told, or a state of tomorrow.
    Unknown,
}

/// One entry of `deployments[]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rollout {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) definition: String,
    pub(super) state: RolloutState,
    pub(super) reason: String,
    pub(super) desired: u32,
    pub(super) running: u32,
    pub(super) pending: u32,
    pub(super) failed: u32,
    /// Seconds since 1970, on the provider's clock.
    pub(super) created: f64,
}

impl Rollout {
    /// Done, by ECS's own word; where it says none (an old endpoint), by the counts.
    pub(super) fn is_complete(&self) -> bool {
        match self.state {
            RolloutState::Completed => self.running >= self.desired,
            RolloutState::Unknown => self.running >= self.desired && self.pending == 0,
            RolloutState::InProgress | RolloutState::Failed => false,
        }
    }
}

/// One service event.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    /// Seconds since 1970, on the provider's clock.
    pub(super) at: f64,
    pub(super) text: String,
}

/// A service.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Live {
    pub(super) arn: String,
    pub(super) status: String,
    pub(super) controller: Option<String>,
    /// `ECS` for a service that Express Mode manages, `CUSTOMER` for any other; not told by old endpoints.
    pub(super) managed_by: Option<String>,
    pub(super) definition: String,
    pub(super) desired: u32,
    /// In the order of ECS: the primary is the one that says so.
    pub(super) rollouts: Vec<Rollout>,
    /// Newest first.
    pub(super) events: Vec<Event>,
    pub(super) target_groups: Vec<String>,
    /// What its traffic can be moved with.
    pub(super) routing: Routing,
}

impl Live {
    /// The deployment that the service is on, or on its way to.
    pub(super) fn primary(&self) -> Option<&Rollout> {
        self.rollouts.iter().find(|rollout| rollout.status == "PRIMARY")
    }

    /// The deployment with that id, while ECS lists it.
    pub(super) fn rollout(&self, id: &str) -> Option<&Rollout> {
        self.rollouts.iter().find(|rollout| rollout.id == id)
    }
}

/// What `DescribeServices` found.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Look {
    Found(Box<Live>),
    Missing,
}

/// Looks at the service.
pub(super) async fn look(client: &Client, cluster: &str, service: &str) -> Result<Look, ProviderFailure> {
    let asked = client.describe_services().cluster(cluster).services(service).send().await;
    let answer = asked.map_err(|error| failure("ecs:DescribeServices", &error))?;
    Ok(match answer.services().first() {
        Some(found) => Look::Found(Box::new(read(found))),
        None => Look::Missing,
    })
}

/// The same where a missing service is a failure.
pub(super) async fn must(client: &Client, cluster: &str, service: &str) -> Result<Live, ProviderFailure> {
    match look(client, cluster, service).await? {
        Look::Found(live) => Ok(*live),
        Look::Missing => Err(ProviderFailure {
            operation: "ecs:DescribeServices".to_owned(),
            code: None,
            message: format!("the service {service} is not in cluster {cluster} any more"),
            request_id: None,
            kind: FailureKind::Missing,
        }),
    }
}

/// The SDK's service in our words.
pub(super) fn read(service: &sdk::Service) -> Live {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    Live {
        arn: text(service.service_arn()),
        status: text(service.status()),
        controller: service.deployment_controller().map(|controller| controller.r#type().as_str().to_owned()),
        managed_by: service.resource_management_type().map(|by| by.as_str().to_owned()),
        definition: text(service.task_definition()),
        desired: count(service.desired_count()),
        rollouts: service.deployments().iter().map(rollout).collect(),
        events: service
            .events()
            .iter()
            .map(|event| Event { at: seconds(event.created_at()), text: text(event.message()) })
            .collect(),
        target_groups: service
            .load_balancers()
            .iter()
            .filter_map(|balancer| balancer.target_group_arn().map(str::to_owned))
            .collect(),
        routing: Routing::read(service),
    }
}

fn rollout(deployment: &sdk::Deployment) -> Rollout {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    Rollout {
        id: text(deployment.id()),
        status: text(deployment.status()),
        definition: text(deployment.task_definition()),
        state: match deployment.rollout_state() {
            Some(sdk::DeploymentRolloutState::InProgress) => RolloutState::InProgress,
            Some(sdk::DeploymentRolloutState::Completed) => RolloutState::Completed,
            Some(sdk::DeploymentRolloutState::Failed) => RolloutState::Failed,
            _ => RolloutState::Unknown,
        },
        reason: text(deployment.rollout_state_reason()),
        desired: count(deployment.desired_count()),
        running: count(deployment.running_count()),
        pending: count(deployment.pending_count()),
        failed: count(deployment.failed_tasks()),
        created: seconds(deployment.created_at()),
    }
}

/// A count of the provider; it has no negative ones.
pub(super) fn count(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}

/// An instant of the provider, seconds since 1970.
pub(super) fn seconds(at: Option<&aws_smithy_types::DateTime>) -> f64 {
    at.map_or(0.0, aws_smithy_types::DateTime::as_secs_f64)
}
