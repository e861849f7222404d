//! An ECS service in Express Mode.

use std::collections::BTreeMap;

use super::CreateService;
use crate::types::RoleArn;

/// An Express service and what to change in its configuration; what is not named stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExpressSpec {
    /// Cluster, name or ARN.
    pub cluster: String,
    /// Service, name or ARN.
    pub service: String,
    /// Whether a missing service is created.
    pub create: CreateService,
    /// Environment variables to set; others stay.
    pub environment: BTreeMap<String, String>,
    /// Secrets to set: name to where the value is kept; others stay.
    pub secrets: BTreeMap<String, String>,
    /// Command.
    pub command: Option<Vec<String>>,
    /// Port of the container that receives traffic.
    pub container_port: Option<u16>,
    /// CPU units of a task.
    pub cpu: Option<u32>,
    /// Memory of a task, MiB.
    pub memory: Option<u32>,
    /// Path of the load balancer's health check.
    pub health_check_path: Option<String>,
    /// Role that pulls the image and reads secrets.
    pub execution_role: Option<RoleArn>,
    /// Role of the program.
    pub task_role: Option<RoleArn>,
    /// Role with which ECS makes and keeps the load balancer and scaling of a new service.
    pub infrastructure_role: Option<RoleArn>,
    /// Subnets of the tasks and the load balancer; those that are there when empty.
    pub subnets: Vec<String>,
    /// Security groups of the tasks; those that are there when empty.
    pub security_groups: Vec<String>,
    /// How many tasks run.
    pub scaling: ScalingSpec,
}

/// How many tasks run, and by which measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScalingSpec {
    /// The fewest.
    pub least: Option<u32>,
    /// The most.
    pub most: Option<u32>,
    /// What is measured.
    pub metric: Option<ScalingMetric>,
    /// The value to keep: percent, or requests a minute and task.
    pub target: Option<u32>,
}

/// What decides how many tasks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalingMetric {
    /// Average CPU use of the tasks.
    AverageCpu,
    /// Average memory use of the tasks.
    AverageMemory,
    /// Requests to each task.
    RequestCountPerTarget,
}
