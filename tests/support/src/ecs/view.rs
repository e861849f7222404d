//! Documents of services, service deployments and service revisions.

use serde_json::{Value, json};

use super::definition::Definitions;
use super::deployment::{ServiceDeployment, Status};
use super::express::OF_CONFIGURATION;
use super::gradual::Weights;
use super::hook::HookRun;
use super::service::{Revision, Rollout, Service, group};
use super::task::TaskStatus;
use crate::reply::{put, seconds, text};

impl Service {
    /// The cluster's ARN.
    pub(crate) fn cluster_arn(&self) -> String {
        let prefix = self.arn.split(":service/").next().unwrap_or_default();
        format!("{prefix}:cluster/{}", self.cluster)
    }

    /// `services[]` of `DescribeServices`.
    pub(crate) fn document(&self) -> Value {
        let all = |status| self.tasks.iter().filter(|task| task.status == status).count();
        let events: Vec<Value> = self
            .events
            .iter()
            .map(|(id, at, message)| json!({"id": id, "createdAt": seconds(*at), "message": message}))
            .collect();
        let rollouts: Vec<Value> =
            self.rollouts.iter().enumerate().map(|(place, rollout)| self.rollout_document(place, rollout)).collect();
        let mut document = json!({
            "serviceArn": self.arn,
            "serviceName": self.name,
            "clusterArn": self.cluster_arn(),
            "loadBalancers": [], "serviceRegistries": [],
            "status": self.status,
            "desiredCount": self.desired,
            "runningCount": all(TaskStatus::Running),
            "pendingCount": all(TaskStatus::Pending),
            "platformFamily": "Linux",
            "taskDefinition": self.definition,
            "deploymentConfiguration": {"maximumPercent": 200, "minimumHealthyPercent": 100},
            "taskSets": [],
            "deployments": rollouts,
            "roleArn": format!("arn:aws:iam::{}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
                self.arn.split(':').nth(4).unwrap_or_default()),
            "events": events,
            "createdAt": seconds(self.created),
            "placementConstraints": [], "placementStrategy": [],
            "schedulingStrategy": "REPLICA",
            "deploymentController": {"type": "ECS"},
            "createdBy": format!("arn:aws:iam::{}:user/deployer", self.arn.split(':').nth(4).unwrap_or_default()),
            "enableECSManagedTags": false,
            "propagateTags": "NONE",
            "enableExecuteCommand": false,
            "availabilityZoneRebalancing": "DISABLED",
            "resourceManagementType": if self.express.is_some() { "ECS" } else { "CUSTOMER" },
        });
        for (member, value) in &self.settings {
            // Shown in deployments[] and revisions only.
            if !matches!(
                member.as_str(),
                "serviceConnectConfiguration" | "volumeConfigurations" | "vpcLatticeConfigurations"
            ) && !OF_CONFIGURATION.contains(&member.as_str())
            {
                document[member] = value.clone();
            }
        }
        if matches!(self.controller(), "CODE_DEPLOY" | "EXTERNAL") {
            return document;
        }
        let current: Vec<Value> = self
            .rollouts
            .iter()
            .map(|rollout| {
                json!({
                    "arn": rollout.revision,
                    "requestedTaskCount": rollout.desired,
                    "runningTaskCount": self.count(&rollout.id, TaskStatus::Running),
                    "pendingTaskCount": self.count(&rollout.id, TaskStatus::Pending),
                })
            })
            .collect();
        document["currentServiceRevisions"] = Value::Array(current);
        let ongoing = self.deployments.first().map(|deployment| deployment.arn.clone());
        put(&mut document, "currentServiceDeployment", ongoing);
        document
    }

    /// Whether a deployment keeps the old revision at full scale.
    fn runs_both(&self) -> bool {
        let newest = self.deployments.first();
        newest.is_some_and(|known| known.status == Status::InProgress && known.shifts.is_some())
    }

    /// Whether ECS moves traffic for the service: not where tasks alone are replaced.
    fn manages_traffic(&self) -> bool {
        let connected = |known: &Value| known["enabled"] == Value::Bool(true);
        !self.target_groups().is_empty() || self.settings.get("serviceConnectConfiguration").is_some_and(connected)
    }

    fn rollout_document(&self, place: usize, rollout: &Rollout) -> Value {
        let mut document = json!({
            "id": rollout.id,
            "status": if place == 0 { "PRIMARY" } else { "ACTIVE" },
            "taskDefinition": rollout.definition,
            "desiredCount": if place == 0 || self.runs_both() { rollout.desired } else { 0 },
            "pendingCount": self.count(&rollout.id, TaskStatus::Pending),
            "runningCount": self.count(&rollout.id, TaskStatus::Running),
            "failedTasks": rollout.failed,
            "createdAt": seconds(rollout.created),
            "updatedAt": seconds(rollout.updated),
            "platformFamily": "Linux",
            "rolloutState": rollout.state.name(),
            "rolloutStateReason": rollout.reason,
        });
        for member in [
            "launchType",
            "platformVersion",
            "networkConfiguration",
            "capacityProviderStrategy",
            "serviceConnectConfiguration",
            "volumeConfigurations",
            "vpcLatticeConfigurations",
        ] {
            put(&mut document, member, self.settings.get(member).cloned());
        }
        document
    }

    /// `serviceDeployments[]` of `DescribeServiceDeployments`.
    pub(crate) fn deployment_document(&self, known: &ServiceDeployment) -> Value {
        let weighed = known.shifts.is_some() && self.manages_traffic();
        let counts = |revision: &str| {
            let rollout = self.rollouts.iter().find(|rollout| rollout.revision == revision);
            let count = |status| {
                let count = rollout.map_or(0, |rollout| self.count(&rollout.id, status));
                i64::try_from(count).unwrap_or(i64::MAX)
            };
            let requested = rollout.map_or(0, |rollout| rollout.desired);
            let weights = rollout.map(|rollout| rollout.weights).unwrap_or_default();
            summary(
                revision,
                [requested, count(TaskStatus::Running), count(TaskStatus::Pending)],
                Some(weights).filter(|_| weighed),
            )
        };
        let target = match known.frozen {
            Some((frozen, weights)) => summary(&known.target, frozen, Some(weights).filter(|_| weighed)),
            None => counts(&known.target),
        };
        let sources: Vec<Value> = known.sources.iter().map(|revision| counts(revision)).collect();
        let mut document = json!({
            "serviceDeploymentArn": known.arn,
            "serviceArn": self.arn,
            "clusterArn": self.cluster_arn(),
            "createdAt": seconds(known.created),
            "updatedAt": seconds(known.updated),
            "sourceServiceRevisions": sources,
            "targetServiceRevision": target,
            "status": known.status.name(),
            "deploymentConfiguration": known.configuration.clone()
                .unwrap_or_else(|| json!({"maximumPercent": 200, "minimumHealthyPercent": 100})),
            "deploymentCircuitBreaker": {
                "status": known.breaker_status(),
                "failureCount": known.failures,
                "threshold": known.detectors.threshold,
            },
            "alarms": {
                "status": known.alarm_status(),
                "alarmNames": known.detectors.alarms,
                "triggeredAlarmNames": known.alarm.iter().collect::<Vec<_>>(),
            },
        });
        put(&mut document, "startedAt", known.started.map(seconds));
        put(&mut document, "finishedAt", known.finished.map(seconds));
        put(&mut document, "stoppedAt", known.stopped.map(seconds));
        put(&mut document, "statusReason", known.reason.clone());
        let stage = matches!(
            known.status,
            Status::InProgress | Status::StopRequested | Status::RollbackRequested | Status::RollbackInProgress
        );
        put(&mut document, "lifecycleStage", stage.then_some(known.stage.name()));
        let hooks: Vec<Value> = known.hooks.iter().map(HookRun::document).collect();
        put(&mut document, "lifecycleHookDetails", Some(hooks).filter(|hooks| !hooks.is_empty()));
        if let Some(rollback) = &known.rollback {
            document["rollback"] = json!({
                "reason": rollback.reason,
                "startedAt": seconds(rollback.started),
                "serviceRevisionArn": rollback.revision,
            });
        }
        document
    }

    /// `serviceRevisions[]` of `DescribeServiceRevisions`.
    pub(crate) fn revision_document(&self, revision: &Revision, definitions: &Definitions) -> Value {
        let containers = definitions.find(&revision.definition).map(super::definition::Definition::containers);
        let images: Vec<Value> = containers
            .unwrap_or_default()
            .iter()
            .map(|container| {
                let mut image = json!({"containerName": container["name"], "image": container["image"]});
                let digest = text(container, "image").and_then(|image| image.split_once('@'));
                put(&mut image, "imageDigest", digest.map(|(_, digest)| digest));
                image
            })
            .collect();
        let mut document = json!({
            "serviceRevisionArn": revision.arn,
            "serviceArn": self.arn,
            "clusterArn": self.cluster_arn(),
            "taskDefinition": revision.definition,
            "platformFamily": "Linux",
            "containerImages": images,
            "guardDutyEnabled": false,
            "createdAt": seconds(revision.created),
        });
        for member in [
            "capacityProviderStrategy",
            "launchType",
            "platformVersion",
            "loadBalancers",
            "serviceRegistries",
            "networkConfiguration",
            "serviceConnectConfiguration",
            "volumeConfigurations",
            "vpcLatticeConfigurations",
        ] {
            put(&mut document, member, revision.settings.get(member).cloned());
        }
        let balancers = revision.settings.get("loadBalancers").and_then(Value::as_array);
        let resolved: Vec<Value> = balancers
            .into_iter()
            .flatten()
            .filter_map(|balancer| {
                let rule = text(&balancer["advancedConfiguration"], "productionListenerRule")?;
                Some(json!({"targetGroupArn": group(balancer, revision.alternate)?, "productionListenerRule": rule}))
            })
            .collect();
        if !resolved.is_empty() {
            document["resolvedConfiguration"] = json!({"loadBalancers": resolved});
        }
        document
    }
}

/// A `ServiceRevisionSummary`: tasks requested, running and pending, and traffic where it is managed.
fn summary(revision: &str, [requested, running, pending]: [i64; 3], weights: Option<Weights>) -> Value {
    let mut document = json!({
        "arn": revision, "requestedTaskCount": requested,
        "runningTaskCount": running, "pendingTaskCount": pending,
    });
    put(&mut document, "requestedProductionTrafficWeight", weights.map(|weights| weights.production));
    put(&mut document, "requestedTestTrafficWeight", weights.map(|weights| weights.test));
    document
}
