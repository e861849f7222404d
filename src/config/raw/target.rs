//! Where a service runs.

use serde_json::Value as Json;

use super::environment::HttpVerify;
use super::forms::{Either, Whole};
use super::shape::{Book, Shape, record, words};
use super::values::{
    AnyText, Argument, ContainerName, ContainerPath, HostPath, Identifier, InsidePath, InstanceId, NameOrArn,
    ProjectName, TagPair, ValueFrom, VariableName,
};
use super::{List, Named};
use crate::config::read::{Raw, Reader};
use crate::config::tree::Node;

record! {
    /// Where a service runs in this environment: exactly one target.
    Target = "{ ecs: { cluster: pmis-staging, service: api } }", one of ["ecs", "app-runner", "compose"] {
        /// An ECS service, on Fargate or EC2.
        optional "ecs" ecs: Ecs;
        /// An App Runner service.
        optional "app-runner" app_runner: AppRunner;
        /// A service of a Docker Compose project, on this machine or on an EC2 instance.
        optional "compose" compose: Compose;
        /// ECS Express Mode.
        hidden "express" express: NotYet;
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
            "This version of Shipline deploys to `ecs`, `app-runner` and `compose` only.",
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
    }
}

record! {
    /// An existing App Runner service. What is not named stays as it is.
    AppRunner = "{ service: web }" {
        /// Service, by name or ARN.
        required "service" service: NameOrArn, example "web";
        /// Environment variables to set; others stay.
        optional "environment" environment: Named<VariableName, AnyText>, example "{ LOG_LEVEL: info }";
        /// Secrets to set: name to where the value is kept; others stay.
        optional "secrets" secrets: Named<VariableName, ValueFrom>,
            example "{ DATABASE_URL: arn:aws:secretsmanager:us-east-1:111122223333:secret:pmis/db }";
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
        optional "check" check: HttpVerify, default "none: the container's own health check decides",
            example "{ http: \"http://127.0.0.1:8000/api/health\" }";
        /// Databases that are copied, while they are in use, before every deployment.
        optional "backups" backups: List<Backup>, default "none", example "[{ sqlite: /data/app.db, keep: 5 }]";
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
