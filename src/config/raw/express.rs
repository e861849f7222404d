//! A service in Express Mode.

use super::forms::Whole;
use super::shape::{record, words};
use super::values::{AnyText, Argument, HealthPath, NameOrArn, ValueFrom, VariableName};
use super::{List, Named};
use crate::types::RoleArn;

record! {
    /// An ECS service in Express Mode. What is not named stays as it is.
    Express = "{ service: web }" {
        /// Service, by name or ARN.
        required "service" service: NameOrArn, example "web";
        /// Cluster, by name or ARN.
        optional "cluster" cluster: NameOrArn, default "`default`, or the cluster of the service's ARN";
        /// Create the service when there is none of this name; needs `execution-role` and `infrastructure-role`.
        optional "create" create: bool, default "`false`";
        /// Environment variables to set; others stay; an empty value is a value.
        optional "environment" environment: Named<VariableName, AnyText>, example "{ LOG_LEVEL: info }";
        /// Secrets to set: name to where the value is kept; others stay.
        optional "secrets" secrets: Named<VariableName, ValueFrom>,
            example "{ DATABASE_URL: arn:aws:secretsmanager:us-east-1:111122223333:secret:pmis/db }";
        /// Command of the container.
        optional "command" command: List<Argument>, example "[serve, --port, \"8080\"]";
        /// Port of the container that gets traffic.
        optional "container-port" container_port: Whole<1, 65_535>, default "unchanged; 80 for a new service", example "8080";
        /// CPU units of a task: 256, 512, 1024, 2048, 4096, 8192 or 16384.
        optional "cpu" cpu: Whole<256, 16_384>, default "unchanged; 256 for a new service", example "512";
        /// Memory of a task in MiB; which amounts there are depends on `cpu`.
        optional "memory" memory: Whole<512, 122_880>, default "unchanged; 512 for a new service", example "1024";
        /// Path of the load balancer's health check.
        optional "health-check-path" health_check_path: HealthPath, default "unchanged; `/ping` for a new service",
            example "/health";
        /// Role that pulls the image, writes logs and reads secrets.
        optional "execution-role" execution_role: RoleArn, default "unchanged";
        /// Role of the program.
        optional "task-role" task_role: RoleArn, default "unchanged";
        /// Role with which ECS makes and keeps the load balancer and scaling of a service that is created.
        optional "infrastructure-role" infrastructure_role: RoleArn, default "unchanged";
        /// Subnets of the tasks and the load balancer.
        optional "subnets" subnets: List<NameOrArn>, default "unchanged; those of the default VPC for a new service",
            example "[subnet-0a1b2c3d]";
        /// Security groups of the tasks.
        optional "security-groups" security_groups: List<NameOrArn>,
            default "unchanged; one that ECS makes for a new service", example "[sg-0a1b2c3d]";
        /// Fewest tasks.
        optional "min-task-count" min_task_count: Whole<0, 5_000>, default "unchanged", example "1";
        /// Most tasks.
        optional "max-task-count" max_task_count: Whole<1, 5_000>, default "unchanged", example "4";
        /// What decides how many tasks run.
        optional "auto-scaling-metric" auto_scaling_metric: ScalingWord, default "unchanged";
        /// The value to keep it at: percent, or requests a minute to each task.
        optional "auto-scaling-target-value" auto_scaling_target_value: Whole<1, 1_000_000>, default "unchanged",
            example "60";
    }
}

words! {
    /// What decides how many tasks run.
    ScalingWord = "a scaling metric" {
        /// Average CPU use of the tasks.
        AverageCpu = "average-cpu",
        /// Average memory use of the tasks.
        AverageMemory = "average-memory",
        /// Requests to each task.
        RequestCountPerTarget = "request-count-per-target",
    }
}
