//! Where a service runs.

use serde_json::Value as Json;

use super::express::Express;
use super::forms::Whole;
use super::shape::{Book, Shape, record};
use super::values::{AnyText, Argument, ContainerName, Identifier, InsidePath, NameOrArn, ValueFrom, VariableName};
use super::{List, Named};
use crate::config::read::{Raw, Reader};
use crate::config::tree::Node;

record! {
    /// Where a service runs in this environment: exactly one target.
    Target = "{ ecs: { cluster: pmis-staging, service: api } }", one of ["ecs", "express", "app-runner"] {
        /// An ECS service, on Fargate or EC2.
        optional "ecs" ecs: Ecs;
        /// An ECS service in Express Mode.
        optional "express" express: Express;
        /// An App Runner service.
        optional "app-runner" app_runner: AppRunner;
        /// Docker Compose.
        hidden "compose" compose: NotYet;
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
            "This version of Shipline deploys to `ecs`, `express` and `app-runner` only.",
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
