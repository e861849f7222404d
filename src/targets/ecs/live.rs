//! Services as they are now: one `DescribeServices`, in our own words.
//!
//! Lenient: a state this program does not know is kept as "unknown", never an error.

use std::collections::BTreeMap;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types as sdk;

use super::routing::Routing;
use crate::aws::failure;
use crate::engine::ProviderFailure;

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

/// Reads services of a cluster, at most ten; those that are not there are left out.
pub(super) async fn describe(
    client: &Client,
    cluster: &str,
    asked: Vec<String>,
) -> Result<BTreeMap<String, Live>, ProviderFailure> {
    let sent = client.describe_services().cluster(cluster).set_services(Some(asked.clone())).send().await;
    let answer = sent.map_err(|error| failure("ecs:DescribeServices", &error))?;
    let alone = asked.len() == 1;
    // The one answer to one question needs no name: an endpoint may tell less than ECS does.
    let of = |asked: &String| answer.services().iter().find(|known| alone || is(known, asked)).map(read);
    Ok(asked.iter().filter_map(|asked| Some((asked.clone(), of(asked)?))).collect())
}

/// Whether a service is the one that was asked for by name or ARN.
fn is(service: &sdk::Service, asked: &str) -> bool {
    let name = |text: &str| text.rsplit('/').next().unwrap_or(text).to_owned();
    service.service_arn() == Some(asked)
        || service.service_name().or(service.service_arn()).map(name) == Some(name(asked))
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
