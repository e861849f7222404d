//! An App Runner service: what it is built from, whether it is created, its settings. Pure.

use std::collections::BTreeMap;

use super::EcsTasksSpec;
use crate::types::RoleArn;

/// An App Runner service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AppRunnerSpec {
    /// Name or ARN.
    pub service: String,
    /// The branch that App Runner builds it from; it runs an image when absent.
    pub branch: Option<String>,
    /// The branch through which a service built from source code goes back.
    pub rollback_branch: Option<String>,
    /// Whether it is created when there is none.
    pub create: CreateService,
    /// Settings; those that are named are set.
    pub settings: AppRunnerSettings,
    /// Runtime environment variables to set; others stay.
    pub environment: BTreeMap<String, String>,
    /// Runtime secrets to set: name to ARN; others stay.
    pub secrets: BTreeMap<String, String>,
    /// Where commands of this service run; App Runner itself runs none.
    pub tasks: Option<EcsTasksSpec>,
}

/// Whether a service that does not exist is created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CreateService {
    /// It must exist.
    #[default]
    No,
    /// It is created when there is none of its name.
    WhenMissing,
}

/// Settings of an App Runner service beside its source; what is absent stays as it is, and is App
/// Runner's own default for a new service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AppRunnerSettings {
    /// CPU units of an instance: 1024 are one vCPU.
    pub cpu: Option<u32>,
    /// Memory of an instance, in MB.
    pub memory: Option<u32>,
    /// The port the program listens on.
    pub port: Option<u16>,
    /// The role the image is pulled with.
    pub access_role: Option<RoleArn>,
    /// The role the program has.
    pub instance_role: Option<RoleArn>,
    /// The health check.
    pub health_check: Option<HealthCheckSettings>,
    /// ARN of the auto-scaling configuration.
    pub auto_scaling: Option<String>,
    /// ARN of the VPC connector.
    pub vpc_connector: Option<String>,
}

/// A health check; what is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HealthCheckSettings {
    /// The path asked over HTTP; the port is tried over TCP when absent.
    pub path: Option<String>,
    /// Seconds between two checks.
    pub interval: Option<u32>,
    /// Seconds an answer may take.
    pub timeout: Option<u32>,
    /// Good answers in a row that make an instance healthy.
    pub healthy: Option<u32>,
    /// Failures in a row that make it unhealthy.
    pub unhealthy: Option<u32>,
}
