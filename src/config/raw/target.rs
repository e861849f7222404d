//! Where a service runs.

use serde_json::Value as Json;

use super::express::Express;
use super::forms::{Either, Whole};
use super::rules::RollingWord;
use super::shape::{Book, Shape, record, words};
use super::values::{
    AnyText, AppRunnerArn, AppRunnerCpu, AppRunnerMemory, Argument, Branch, ContainerName, ContainerPath, HealthPath,
    HostPath, HttpUrl, Identifier, InsidePath, InstanceId, NameOrArn, ProjectName, TagPair, ValueFrom, VariableName,
};
use super::{List, Named};
use crate::config::read::{Raw, Reader};
use crate::config::tree::Node;
use crate::types::{RoleArn, Span};

record! {
    /// Where a service runs in this environment: exactly one target.
    Target = "{ ecs: { cluster: pmis-staging, service: api } }",
        one of ["ecs", "express", "app-runner", "compose"] {
        /// An ECS service, on Fargate or EC2.
        optional "ecs" ecs: Ecs;
        /// An ECS service in Express Mode.
        optional "express" express: Express;
        /// An App Runner service.
        optional "app-runner" app_runner: AppRunner;
        /// A service of a Docker Compose project, on this machine or on an EC2 instance.
        optional "compose" compose: Compose;
        /// Google Cloud Run.
        hidden "cloud-run" cloud_run: NotYet;
    }
}

/// A kind of target that this version does not deploy to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NotYet;

impl Raw for NotYet {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        reader.mistake(
            node.line,
            "target-not-supported",
            "This version of Shipline deploys to `ecs`, `express`, `app-runner` and `compose` only.",
            "Use one of them, or leave this service out of the environment.",
        );
        None
    }

    fn shape(_: &mut Book) -> Shape {
        Shape { schema: Json::Bool(false), called: String::new(), example: String::new(), note: String::new() }
    }
}

record! {
    /// An ECS service, and what changes in its task definition. What is not named stays as it is.
    Ecs = "{ cluster: pmis-staging, service: api, container: app }" {
        /// Cluster, by name or ARN.
        required "cluster" cluster: NameOrArn;
        /// Service, by name or ARN.
        required "service" service: NameOrArn, example "api";
        /// The container whose image is replaced.
        optional "container" container: ContainerName, default "the only container of the task definition";
        /// A task definition file to start from, relative to the repository.
        optional "task-definition" task_definition: InsidePath, default "the live task definition",
            example "deploy/api.json";
        /// Environment variables to set in the container; an empty value is a value.
        optional "environment" environment: Named<VariableName, AnyText>, example "{ LOG_LEVEL: info, PORT: 8080 }";
        /// Secrets to set in the container: name to where the value is kept, never the value.
        optional "secrets" secrets: Named<VariableName, ValueFrom>,
            example "{ DATABASE_URL: arn:aws:secretsmanager:us-east-1:111122223333:secret:pmis/db }";
        /// Docker labels to set on the container.
        optional "docker-labels" docker_labels: Named<VariableName, AnyText>, example "{ team: payments }";
        /// Log driver of the container.
        optional "log-driver" log_driver: Identifier, example "awslogs";
        /// Log options to set.
        optional "log-options" log_options: Named<VariableName, AnyText>, example "{ awslogs-group: /pmis/api }";
        /// Command of the container.
        optional "command" command: List<Argument>, example "[serve, --port, \"8080\"]";
        /// Number of tasks.
        optional "desired-count" desired_count: Whole<0, 100_000>, default "unchanged", example "2";
        /// Start new tasks even if nothing changed.
        optional "force-new-deployment" force_new_deployment: bool, default "`false`";
        /// How this service alone is replaced: a service without a load balancer, such as a worker, has no
        /// traffic that could move in steps.
        optional "rollout" rollout: RollingWord, default "as the environment's `rollout`", example "rolling";
    }
}

record! {
    /// An App Runner service. What is not named stays as it is.
    AppRunner = "{ service: web }" {
        /// Service, by name or ARN.
        required "service" service: NameOrArn, example "web";
        /// App Runner builds the service itself, from this branch of its source repository; no image is built or
        /// pushed. The commit that is deployed must be the branch's newest.
        optional "branch" branch: Branch, default "the service runs an image", example "main";
        /// A branch of its own through which a service built from `branch` goes back: Shipline points it at the
        /// commit that served before. Nobody else may push there.
        optional "rollback-branch" rollback_branch: Branch, default "no way back once a release serves",
            example "shipline-rollback";
        /// Create the service when there is none of this name. Needs an image.
        optional "create" create: bool, default "`false`";
        /// CPU of an instance.
        optional "cpu" cpu: AppRunnerCpu, default "unchanged; App Runner's own for a new service", example "2 vCPU";
        /// Memory of an instance.
        optional "memory" memory: AppRunnerMemory, default "unchanged; App Runner's own for a new service",
            example "4 GB";
        /// The port the program listens on.
        optional "port" port: Whole<1, 65_535>, default "unchanged; 8080 for a new service", example "8000";
        /// The role that App Runner pulls the image with; a new service with an image in ECR needs it.
        optional "access-role" access_role: RoleArn, default "unchanged";
        /// The role the program itself has.
        optional "instance-role" instance_role: RoleArn, default "unchanged";
        /// When an instance is healthy.
        optional "health-check" health_check: AppRunnerHealth, default "unchanged; TCP for a new service";
        /// The auto-scaling configuration, by ARN.
        optional "auto-scaling" auto_scaling: AppRunnerArn, default "unchanged",
            example "arn:aws:apprunner:us-east-1:111122223333:autoscalingconfiguration/wide/1";
        /// The VPC connector through which the program reaches a private network, by ARN.
        optional "vpc-connector" vpc_connector: AppRunnerArn, default "unchanged",
            example "arn:aws:apprunner:us-east-1:111122223333:vpcconnector/private/1";
        /// Environment variables to set; others stay.
        optional "environment" environment: Named<VariableName, AnyText>, example "{ LOG_LEVEL: info }";
        /// Secrets to set: name to where the value is kept; others stay.
        optional "secrets" secrets: Named<VariableName, ValueFrom>,
            example "{ DATABASE_URL: arn:aws:secretsmanager:us-east-1:111122223333:secret:pmis/db }";
        /// Where commands (`before`, `after`) of this service run: App Runner runs none.
        optional "tasks" tasks: Tasks, default "none: this service has no hooks";
    }
}

record! {
    /// A place on ECS that runs commands for a service that runs elsewhere.
    Tasks = "{ cluster: pmis-staging, task-definition: web-tasks, subnets: [subnet-0a1b2c3d], security-groups: [sg-0a1b2c3d] }" {
        /// Cluster, by name or ARN.
        required "cluster" cluster: NameOrArn;
        /// Task definition, by family (its newest revision) or ARN. A container with an image of the
        /// service's repository runs the image that is deployed.
        required "task-definition" task_definition: NameOrArn, example "web-tasks";
        /// The container that gets the command.
        optional "container" container: ContainerName, default "the only container of the task definition";
        /// Subnets of the task.
        optional "subnets" subnets: List<NameOrArn>, default "none", example "[subnet-0a1b2c3d]";
        /// Security groups of the task.
        optional "security-groups" security_groups: List<NameOrArn>, default "those of the VPC's default",
            example "[sg-0a1b2c3d]";
        /// Whether the task gets a public address.
        optional "assign-public-ip" assign_public_ip: bool, default "`false`";
    }
}

record! {
    /// The health check of an App Runner service; what is not named stays as it is.
    AppRunnerHealth = "{ path: /health, interval: 10 }" {
        /// The path that is asked over HTTP.
        optional "path" path: HealthPath, default "the port is tried over TCP", example "/health";
        /// Seconds between two checks.
        optional "interval" interval: Whole<1, 20>, default "unchanged", example "10";
        /// Seconds an answer may take.
        optional "timeout" timeout: Whole<1, 20>, default "unchanged", example "5";
        /// Good answers in a row that make an instance healthy.
        optional "healthy" healthy: Whole<1, 20>, default "unchanged", example "1";
        /// Failures in a row that make it unhealthy.
        optional "unhealthy" unhealthy: Whole<1, 20>, default "unchanged", example "5";
    }
}

record! {
    /// A service of a Docker Compose project. The compose file is read, never written; volumes are not touched.
    Compose = "{ project: shop, service: api, file: compose.yml }" {
        /// The project's name, as `docker compose -p` takes it.
        required "project" project: ProjectName;
        /// The service's name in the compose file.
        required "service" service: Identifier, example "api";
        /// The compose file: relative to the repository where `host` is `local`, absolute on an instance.
        optional "file" file: HostPath, default "`compose.yml`", example "/srv/shop/compose.yml";
        /// Where Docker runs.
        optional "host" host: Either<HostWord, Instance>, default "`local`", example "{ instance: i-0123456789abcdef0 }";
        /// What must answer, asked for on the host with curl, before the service counts as healthy. Its time
        /// counts from the container's start.
        optional "check" check: HostCheck, default "none: the container's own health check decides",
            example "{ http: \"http://127.0.0.1:8000/api/health\" }";
        /// Databases that are copied, while they are in use, before every deployment.
        optional "backups" backups: List<Backup>, default "none", example "[{ sqlite: /data/app.db, keep: 5 }]";
    }
}

record! {
    /// What must answer on the host.
    HostCheck = "{ http: \"http://127.0.0.1:8000/api/health\", expect: 200, within: 60s }" {
        /// The address to ask.
        required "http" http: HttpUrl, example "http://127.0.0.1:8000/api/health";
        /// The status that is right.
        optional "expect" expect: Whole<100, 599>, default "`200`", example "200";
        /// How long it may take until it answers so.
        optional "within" within: Span, default "`60s`", example "60s";
    }
}

words! {
    /// Where Docker runs.
    HostWord = "`local` or an instance" {
        /// On this machine; no AWS is needed.
        Local = "local",
    }
}

record! {
    /// An EC2 instance (or another managed node) that Systems Manager reaches: by its id or by a tag.
    Instance = "{ instance: i-0123456789abcdef0 }", one of ["instance", "tag"] {
        /// Its id.
        optional "instance" instance: InstanceId;
        /// A tag that only this instance has.
        optional "tag" tag: TagPair;
    }
}

record! {
    /// A database of the service. Copies are kept beside the compose file, under `.shipline`.
    Backup = "{ sqlite: /data/app.db, keep: 5 }" {
        /// Path of an SQLite database inside the container.
        required "sqlite" sqlite: ContainerPath;
        /// How many copies are kept.
        optional "keep" keep: Whole<1, 1_000>, default "`5`", example "5";
    }
}
