//! Service deployments: where ECS itself says how a deployment went.
//!
//! Not every role may ask and not every endpoint knows them; then `deployments[]` has to do, and
//! people are told. Invariant: who could not be asked once is not asked again at every look.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types as sdk;

use super::course::Course;
use super::live::{count, seconds};
use crate::aws::failure;
use crate::engine::ProviderFailure;
use crate::engine::target::FailureKind;

/// `status` of a service deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Pending or in progress.
    Going,
    Stopping,
    Stopped,
    Successful,
    /// A rollback was asked for or is under way.
    RollingBack,
    RolledBack,
    RollbackFailed,
    /// A state of tomorrow.
    Unknown,
}

/// One service deployment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Deployment {
    pub(super) arn: String,
    /// When it was made, seconds since 1970 on ECS's clock.
    pub(super) created: f64,
    pub(super) state: State,
    /// Why, in ECS's words.
    pub(super) reason: Option<String>,
    /// Whether the circuit breaker has tripped.
    pub(super) breaker_tripped: bool,
    /// Failed tasks it counted, and how many it allows.
    pub(super) breaker_count: (u32, u32),
    /// Alarms that went off.
    pub(super) alarms: Vec<String>,
    /// How far it has moved traffic.
    pub(super) course: Course,
}

/// Why service deployments cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Without {
    Denied,
    UnknownOperation,
    /// The list is empty although the service has deployments.
    Empty,
}

impl Without {
    /// For people.
    pub(super) fn notice(self) -> &'static str {
        match self {
            Self::Denied => {
                "This role may not read service deployments; following the service's own deployment state instead. \
                 Allow ecs:ListServiceDeployments, ecs:DescribeServiceDeployments and ecs:DescribeServiceRevisions."
            }
            Self::UnknownOperation => {
                "This endpoint does not know service deployments; following the service's own deployment state instead."
            }
            Self::Empty => {
                "ECS lists no service deployment for this change; following the service's own deployment state instead."
            }
        }
    }
}

/// What was learnt about asking, for the life of the target.
#[derive(Debug, Default)]
pub(super) struct Asking(AtomicU8);

impl Asking {
    /// Why it is not asked any more.
    pub(super) fn without(&self) -> Option<Without> {
        match self.0.load(Ordering::Relaxed) {
            1 => Some(Without::Denied),
            2 => Some(Without::UnknownOperation),
            3 => Some(Without::Empty),
            _ => None,
        }
    }

    /// Takes note of why.
    pub(super) fn give_up(&self, why: Without) {
        let code = match why {
            Without::Denied => 1,
            Without::UnknownOperation => 2,
            Without::Empty => 3,
        };
        self.0.store(code, Ordering::Relaxed);
    }

    /// Sorts a failure: into "never mind, do without", or to be told.
    pub(super) fn sort(&self, failure: ProviderFailure) -> Result<(), ProviderFailure> {
        match failure.kind {
            FailureKind::Denied => self.give_up(Without::Denied),
            FailureKind::Unknown => self.give_up(Without::UnknownOperation),
            _ => return Err(failure),
        }
        Ok(())
    }
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Brief {
    pub(super) arn: String,
    pub(super) created: f64,
    /// The service revision it moves to.
    pub(super) target: Option<String>,
}

/// The newest service deployments, newest first.
pub(super) async fn list(
    client: &Client,
    cluster: &str,
    service: &str,
    only: Option<sdk::ServiceDeploymentStatus>,
) -> Result<Vec<Brief>, ProviderFailure> {
    let asked = client.list_service_deployments().cluster(cluster).service(service).max_results(100);
    let asked = match only {
        Some(status) => asked.status(status),
        None => asked,
    };
    let answer = asked.send().await.map_err(|error| failure("ecs:ListServiceDeployments", &error))?;
    let mut found: Vec<Brief> = answer
        .service_deployments()
        .iter()
        .filter_map(|known| {
            Some(Brief {
                arn: known.service_deployment_arn()?.to_owned(),
                created: seconds(known.created_at()),
                target: known.target_service_revision_arn().map(str::to_owned),
            })
        })
        .collect();
    found.sort_by(|one, other| other.created.total_cmp(&one.created));
    Ok(found)
}

/// A service revision: what a service deployment moves to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ServiceRevision {
    pub(super) arn: String,
    pub(super) definition: String,
    pub(super) created: Option<i64>,
}

/// Service revisions by ARN, at most 20.
pub(super) async fn revisions(client: &Client, arns: Vec<String>) -> Result<Vec<ServiceRevision>, ProviderFailure> {
    if arns.is_empty() {
        return Ok(Vec::new());
    }
    let asked = client.describe_service_revisions().set_service_revision_arns(Some(arns)).send().await;
    let answer = asked.map_err(|error| failure("ecs:DescribeServiceRevisions", &error))?;
    let read = |known: &sdk::ServiceRevision| {
        Some(ServiceRevision {
            arn: known.service_revision_arn()?.to_owned(),
            definition: known.task_definition()?.to_owned(),
            created: known.created_at().map(aws_smithy_types::DateTime::secs),
        })
    };
    Ok(answer.service_revisions().iter().filter_map(read).collect())
}

/// What looking for the service deployment of a primary deployment gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Search {
    Found(String),
    /// There are others: ours may not be listed yet.
    NotYet,
    /// There is none at all.
    Nothing,
}

/// A service deployment and its primary deployment are made by the same call; ECS's own clock may
/// still give them instants this far apart, in seconds.
pub(super) const SAME_CALL: f64 = 10.0;

/// Looks for the service deployment that moves to that service revision.
pub(super) async fn search_revision(
    client: &Client,
    cluster: &str,
    service: &str,
    revision: &str,
) -> Result<Search, ProviderFailure> {
    let all = list(client, cluster, service, None).await?;
    if all.is_empty() {
        return Ok(Search::Nothing);
    }
    let found = all.into_iter().find(|known| known.target.as_deref() == Some(revision));
    Ok(found.map_or(Search::NotYet, |found| Search::Found(found.arn)))
}

/// Looks for the service deployment behind the primary deployment that was made at `created`
/// (seconds since 1970, on ECS's clock) for that task definition.
pub(super) async fn search(
    client: &Client,
    cluster: &str,
    service: &str,
    created: f64,
    definition: &str,
) -> Result<Search, ProviderFailure> {
    let all = list(client, cluster, service, None).await?;
    if all.is_empty() {
        return Ok(Search::Nothing);
    }
    let near: Vec<Brief> = all.into_iter().filter(|known| known.created >= created - SAME_CALL).collect();
    let targets = near.iter().filter_map(|known| known.target.clone()).collect();
    let ours = match revisions(client, targets).await {
        Ok(known) => Some(known),
        // May list and describe deployments but not revisions: then the time alone decides.
        Err(failure) if matches!(failure.kind, FailureKind::Denied | FailureKind::Unknown) => None,
        Err(failure) => return Err(failure),
    };
    let fits = |brief: &&Brief| match &ours {
        None => true,
        Some(known) => known
            .iter()
            .any(|revision| Some(&revision.arn) == brief.target.as_ref() && revision.definition == definition),
    };
    // One with the same content may have run before or may run after: the nearest in time is the one.
    let away = |brief: &Brief| (brief.created - created).abs();
    let found = near.iter().filter(fits).min_by(|one, other| away(one).total_cmp(&away(other)));
    Ok(found.map_or(Search::NotYet, |found| Search::Found(found.arn.clone())))
}

/// Reads service deployments by ARN, at most 20; those that ECS does not know are left out.
pub(super) async fn describe(
    client: &Client,
    arns: Vec<String>,
) -> Result<BTreeMap<String, Deployment>, ProviderFailure> {
    let alone = arns.len() == 1;
    let asked = client.describe_service_deployments().set_service_deployment_arns(Some(arns.clone())).send().await;
    let answer = asked.map_err(|error| failure("ecs:DescribeServiceDeployments", &error))?;
    // The one answer to one question needs no name: an endpoint may tell less than ECS does.
    let of = |arn: &str| {
        let mut all = answer.service_deployments().iter();
        all.find(|known| alone || known.service_deployment_arn() == Some(arn)).map(|known| read(arn, known))
    };
    Ok(arns.iter().filter_map(|arn| Some((arn.clone(), of(arn)?))).collect())
}

fn read(arn: &str, known: &sdk::ServiceDeployment) -> Deployment {
    use sdk::ServiceDeploymentStatus as Status;
    let breaker = known.deployment_circuit_breaker();
    let triggered = |status: Option<&sdk::ServiceDeploymentRollbackMonitorsStatus>| {
        status == Some(&sdk::ServiceDeploymentRollbackMonitorsStatus::Triggered)
    };
    let alarms = known.alarms().filter(|alarms| triggered(alarms.status()));
    let rollback = known.rollback().and_then(|rollback| rollback.reason());
    Deployment {
        arn: arn.to_owned(),
        created: seconds(known.created_at()),
        state: match known.status() {
            Some(Status::Pending | Status::InProgress) => State::Going,
            Some(Status::StopRequested) => State::Stopping,
            Some(Status::Stopped) => State::Stopped,
            Some(Status::Successful) => State::Successful,
            Some(Status::RollbackRequested | Status::RollbackInProgress) => State::RollingBack,
            Some(Status::RollbackSuccessful) => State::RolledBack,
            Some(Status::RollbackFailed) => State::RollbackFailed,
            _ => State::Unknown,
        },
        reason: known.status_reason().or(rollback).map(str::to_owned),
        breaker_tripped: triggered(breaker.and_then(sdk::ServiceDeploymentCircuitBreaker::status)),
        breaker_count: breaker.map_or((0, 0), |breaker| (count(breaker.failure_count()), count(breaker.threshold()))),
        alarms: alarms.map(|alarms| alarms.triggered_alarm_names().to_vec()).unwrap_or_default(),
        course: Course::read(known),
    }
}
