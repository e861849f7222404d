//! Express Mode: a service whose task definition, load balancer and scaling
//! ECS makes from one configuration (`CreateExpressGatewayService`,
//! `UpdateExpressGatewayService`, `DescribeExpressGatewayService`).
//!
//! Below it is an ordinary service: the deployment state machine, tasks,
//! revisions and `DescribeServices` are those of the other files. A
//! configuration is not stored: it is read back from the service revision's
//! task definition and settings, so a rollback brings it back by itself.
//!
//! From the developer guide ("Resources created by Amazon ECS Express Mode
//! services", "Updating an Amazon ECS Express Mode service"): the container is
//! called `Main`, deployments are canaries with alarm-based rollback, an
//! update replaces `primaryContainer` as a whole. Where it is silent (names of
//! family, log group and alarm; whether the circuit breaker is on; what is
//! answered when nothing changes) the model chooses.

use serde_json::{Map, Value, json};

use super::definition::{Definition, Definitions};
use super::service::{Revision, Service};
use super::{Cluster, Ecs};
use crate::env::Env;
use crate::reply::{Answer, ApiError, Millis, number, put, seconds, text};

/// What only an Express service has.
#[derive(Debug)]
pub(crate) struct Express {
    infrastructure_role: String,
    endpoint: String,
    log_group: String,
    updated: Millis,
}

/// The container that serves.
const MAIN: &str = "Main";

/// Settings of a revision that are no member of an ECS service.
pub(crate) const OF_CONFIGURATION: [&str; 2] = ["healthCheckPath", "scalingTarget"];

/// Members that belong to the task definition, and so cannot be given beside one.
const OF_DEFINITION: [&str; 6] =
    ["primaryContainer", "executionRoleArn", "taskRoleArn", "cpu", "memory", "cpuArchitecture"];

impl Ecs {
    /// `CreateExpressGatewayService`: the first deployment runs like any other.
    pub(crate) fn create_express(&mut self, body: &Value, now: Millis, env: &mut Env) -> Answer {
        let index = self.add_express(body, now, env)?;
        self.services[index].begin_deployment(now, &self.definitions, env);
        Ok(json!({"service": self.services[index].express_document(&self.definitions)}))
    }

    /// Adds a service whose first deployment is already done: for tests.
    pub(crate) fn seed_express(&mut self, body: &Value, now: Millis, env: &mut Env) -> Result<String, ApiError> {
        // A test that plants a service has its cluster.
        if body.get("cluster").is_none() && !self.clusters.contains_key("default") {
            let arn = env.arn("ecs", "cluster/default");
            self.clusters.insert("default".to_owned(), Cluster { arn, status: "ACTIVE".to_owned() });
        }
        let index = self.add_express(body, now, env)?;
        self.finish_first_deployment(index, now, env);
        Ok(self.services[index].arn.clone())
    }

    fn add_express(&mut self, body: &Value, now: Millis, env: &mut Env) -> Result<usize, ApiError> {
        let role = text(body, "infrastructureRoleArn")
            .ok_or_else(|| invalid("infrastructureRoleArn cannot be empty."))?
            .to_owned();
        checked_path(body)?;
        let cluster = self.cluster(body)?;
        let name = text(body, "serviceName").map_or_else(|| format!("express-{}", env.ids.digits()), str::to_owned);
        let short = env.ids.slug().chars().take(4).collect::<String>().to_ascii_lowercase();
        let log_group = format!("/aws/ecs/{cluster}/{name}-{short}");
        checked_role(&role, "infrastructureRoleArn", env)?;
        checked_name(&name)?;
        let definition = if let Some(own) = text(body, "taskDefinitionArn") {
            beside_definition(body)?;
            self.definitions.usable(own)?.arn.clone()
        } else {
            let defaults = json!({"cpu": "256", "memory": "512"});
            let request = definition_request(&cluster, &name, &log_group, &merged(&defaults, body), env)?;
            let made = self.definitions.register(&request, now, env)?;
            text(&made["taskDefinition"], "taskDefinitionArn").unwrap_or_default().to_owned()
        };
        let (blue, green, listener) = (env.ids.hex(), env.ids.hex(), env.ids.hex());
        let elb = |rest: &str| env.arn("elasticloadbalancing", rest);
        let group = |id: &str| elb(&format!("targetgroup/ecs-gateway-tg-{}/{}", &id[..12], &id[12..28]));
        let port = self.definitions.find(&definition).and_then(port).unwrap_or(80);
        let mut request = json!({
            "cluster": cluster, "serviceName": name, "taskDefinition": definition, "launchType": "FARGATE",
            "desiredCount": number(&body["scalingTarget"], "minTaskCount").unwrap_or(1),
            "deploymentConfiguration": deployment_configuration(&cluster, &name),
            "loadBalancers": [{
                "targetGroupArn": group(&blue), "containerName": MAIN, "containerPort": port,
                "advancedConfiguration": {
                    "alternateTargetGroupArn": group(&green),
                    "productionListenerRule": elb(&format!(
                        "listener-rule/app/ecs-express-gateway-alb-{short}/{}/{}/{}",
                        &listener[..16], &listener[8..24], &listener[16..]
                    )),
                    "roleArn": role,
                },
            }],
            "networkConfiguration": {"awsvpcConfiguration": network(body.get("networkConfiguration"))},
        });
        put(&mut request, "tags", body.get("tags").cloned());
        let index = self.add_service(&request, now, env)?;
        // Resources created by Express Mode: a log group, where none is named.
        if body["primaryContainer"].get("awsLogsConfiguration").is_none() && body.get("taskDefinitionArn").is_none() {
            env.logs.create_group(&log_group);
        }
        let endpoint = format!("{name}-{short}.ecs.{}.on.aws", env.region);
        let service = &mut self.services[index];
        service
            .settings
            .insert("healthCheckPath".to_owned(), body.get("healthCheckPath").cloned().unwrap_or(json!("/ping")));
        let scaling = json!({"minTaskCount": 1, "maxTaskCount": 20, "autoScalingMetric": "AVERAGE_CPU", "autoScalingTargetValue": 60});
        service.settings.insert("scalingTarget".to_owned(), merged(&scaling, &body["scalingTarget"]));
        service.express = Some(Express { infrastructure_role: role, endpoint, log_group, updated: now });
        Ok(index)
    }

    /// `DescribeExpressGatewayService`.
    pub(crate) fn describe_express(&self, body: &Value) -> Answer {
        let index = self.find_express(body, "ResourceNotFoundException")?;
        let mut document = self.services[index].express_document(&self.definitions);
        let tags = body["include"].as_array().is_some_and(|list| list.iter().any(|item| item == "TAGS"));
        put(
            &mut document,
            "tags",
            tags.then(|| self.services[index].settings.get("tags").cloned().unwrap_or(json!([]))),
        );
        Ok(json!({ "service": document }))
    }

    /// `UpdateExpressGatewayService`: what is not given stays; a given container replaces the old one as a whole.
    pub(crate) fn update_express(&mut self, body: &Value, now: Millis, env: &mut Env) -> Answer {
        let index = self.find_express(body, "ServiceNotFoundException")?;
        if self.services[index].status != "ACTIVE" {
            return Err(ApiError::bad("ServiceNotActiveException", "Service was not ACTIVE."));
        }
        checked_path(body)?;
        let service = &self.services[index];
        let running = self.definitions.find(&service.definition).ok_or_else(|| invalid("TaskDefinition not found."))?;
        let (cluster, name) = (service.cluster.clone(), service.name.clone());
        let log_group = service.express.as_ref().map(|express| express.log_group.clone()).unwrap_or_default();
        let definition = if let Some(own) = text(body, "taskDefinitionArn") {
            beside_definition(body)?;
            self.definitions.usable(own)?.arn.clone()
        } else if OF_DEFINITION.iter().any(|member| body.get(member).is_some()) {
            let request = definition_request(&cluster, &name, &log_group, &merged(&of_definition(running), body), env)?;
            if same_definition(running, &request) {
                running.arn.clone()
            } else {
                let answer = self.definitions.register(&request, now, env)?;
                text(&answer["taskDefinition"], "taskDefinitionArn").unwrap_or_default().to_owned()
            }
        } else {
            running.arn.clone()
        };
        let service = &mut self.services[index];
        let mut changed = definition != service.definition;
        service.definition = definition;
        let mut set = |member: &str, value: Value| {
            changed |= service.settings.get(member) != Some(&value);
            service.settings.insert(member.to_owned(), value);
        };
        if let Some(path) = body.get("healthCheckPath") {
            set("healthCheckPath", path.clone());
        }
        if let Some(network_given) = body.get("networkConfiguration") {
            set("networkConfiguration", json!({"awsvpcConfiguration": network(Some(network_given))}));
        }
        if body.get("scalingTarget").is_some() {
            let old = service.settings.get("scalingTarget").cloned().unwrap_or_default();
            let new = merged(&old, &body["scalingTarget"]);
            if let Some(least) = number(&new, "minTaskCount") {
                service.desired = service.desired.max(least);
            }
            changed |= old != new;
            service.settings.insert("scalingTarget".to_owned(), new);
        }
        if let Some(express) = &mut service.express {
            express.updated = now;
        }
        if changed {
            service.begin_deployment(now, &self.definitions, env);
        }
        let service = &self.services[index];
        let target = service.rollouts.first().map(|primary| primary.revision.clone());
        let target = target.and_then(|arn| service.revisions.iter().find(|known| known.arn == arn));
        let mut document = service.express_document(&self.definitions);
        let fields = document.as_object_mut().into_iter();
        for fields in fields {
            fields.retain(|member, _| {
                ["serviceArn", "cluster", "serviceName", "status", "createdAt", "updatedAt"].contains(&member.as_str())
            });
        }
        put(
            &mut document,
            "targetConfiguration",
            target.map(|target| service.configuration(target, &self.definitions)),
        );
        Ok(json!({ "service": document }))
    }

    fn find_express(&self, body: &Value, missing: &str) -> Result<usize, ApiError> {
        let arn = text(body, "serviceArn").unwrap_or_default();
        if !arn.starts_with("arn:") || !arn.contains(":service/") {
            return Err(invalid("Invalid identifier: Identifier is for service. Your accountId is needed."));
        }
        let index = self.services.iter().position(|service| service.arn == arn);
        let index = index.ok_or_else(|| ApiError::bad(missing, "Service not found."))?;
        if self.services[index].express.is_none() {
            return Err(invalid("The service is not an Express service."));
        }
        Ok(index)
    }
}

impl Service {
    /// `service` of `DescribeExpressGatewayService`.
    fn express_document(&self, definitions: &Definitions) -> Value {
        let Some(express) = &self.express else { return Value::Null };
        let of = |revision: &String| self.revisions.iter().find(|known| known.arn == *revision);
        let active: Vec<Value> = self
            .rollouts
            .iter()
            .filter_map(|rollout| Some(self.configuration(of(&rollout.revision)?, definitions)))
            .collect();
        let mut document = json!({
            "cluster": self.cluster,
            "serviceName": self.name,
            "serviceArn": self.arn,
            "infrastructureRoleArn": express.infrastructure_role,
            "status": {"statusCode": self.status},
            "activeConfigurations": active,
            "createdAt": seconds(self.created),
            "updatedAt": seconds(express.updated),
        });
        let going = self.deployments.first().filter(|newest| !newest.status.is_final());
        put(&mut document, "currentDeployment", going.map(|newest| newest.arn.clone()));
        document
    }

    /// The configuration of one service revision.
    fn configuration(&self, revision: &Revision, definitions: &Definitions) -> Value {
        let mut document = definitions.find(&revision.definition).map(of_definition).unwrap_or_default();
        document["serviceRevisionArn"] = json!(revision.arn);
        document["taskDefinitionArn"] = json!(revision.definition);
        for member in OF_CONFIGURATION {
            put(&mut document, member, revision.settings.get(member).cloned());
        }
        let network = revision.settings.get("networkConfiguration").map(|known| &known["awsvpcConfiguration"]);
        let lists = |known: &Value| json!({"subnets": known["subnets"], "securityGroups": known["securityGroups"]});
        put(&mut document, "networkConfiguration", network.map(lists));
        if let Some(express) = &self.express {
            document["ingressPaths"] = json!([{"accessType": "PUBLIC", "endpoint": express.endpoint}]);
        }
        document["createdAt"] = seconds(revision.created);
        document
    }
}

fn invalid(message: &str) -> ApiError {
    ApiError::bad("InvalidParameterException", message)
}

/// A role is an ARN of IAM, of the service's own account.
fn checked_role(arn: &str, member: &str, env: &Env) -> Result<(), ApiError> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, "iam", "", account, role] if role.starts_with("role/") && *account == env.account => Ok(()),
        _ => Err(invalid(&format!("{member} is not valid: {arn}"))),
    }
}

/// "Up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens".
fn checked_name(name: &str) -> Result<(), ApiError> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.len() <= 255 && name.chars().all(good) { Ok(()) } else { Err(invalid("Service name is not valid.")) }
}

fn checked_path(body: &Value) -> Result<(), ApiError> {
    match text(body, "healthCheckPath") {
        Some(path) if !path.starts_with('/') => Err(invalid("healthCheckPath must start with a forward slash.")),
        _ => Ok(()),
    }
}

fn beside_definition(body: &Value) -> Result<(), ApiError> {
    match OF_DEFINITION.iter().find(|member| body.get(**member).is_some()) {
        Some(member) => Err(invalid(&format!("{member} cannot be specified together with taskDefinitionArn."))),
        None => Ok(()),
    }
}

/// The members of `base` with those of `over` in their place.
fn merged(base: &Value, over: &Value) -> Value {
    let mut fields: Map<String, Value> = base.as_object().cloned().unwrap_or_default();
    let over = over.as_object().into_iter().flatten();
    fields.extend(over.filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())));
    Value::Object(fields)
}

/// Express Mode's own deployment settings: 5 % for 3 minutes, 3 minutes more
/// for all, back when the alarm goes off.
fn deployment_configuration(cluster: &str, name: &str) -> Value {
    json!({
        "maximumPercent": 200, "minimumHealthyPercent": 100,
        "strategy": "CANARY",
        "canaryConfiguration": {"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 3},
        "bakeTimeInMinutes": 3,
        "alarms": {"alarmNames": [format!("{cluster}/{name}/RollbackAlarm")], "enable": true, "rollback": true},
        "deploymentCircuitBreaker": {"enable": true, "rollback": true},
    })
}

fn network(given: Option<&Value>) -> Value {
    let list = |member: &str, default: Value| {
        given.and_then(|given| given.get(member)).filter(|list| list.is_array()).cloned().unwrap_or(default)
    };
    json!({
        "subnets": list("subnets", json!(["subnet-0a", "subnet-0b"])),
        "securityGroups": list("securityGroups", json!(["sg-0express"])),
        "assignPublicIp": "ENABLED",
    })
}

/// The task definition that a configuration means.
fn definition_request(cluster: &str, name: &str, log_group: &str, of: &Value, env: &Env) -> Result<Value, ApiError> {
    let container = &of["primaryContainer"];
    let image = text(container, "image").ok_or_else(|| invalid("primaryContainer.image cannot be empty."))?;
    let role = text(of, "executionRoleArn").ok_or_else(|| invalid("executionRoleArn cannot be empty."))?;
    checked_role(role, "executionRoleArn", env)?;
    let logs = &container["awsLogsConfiguration"];
    let mut main = json!({
        "name": MAIN, "image": image, "essential": true,
        "portMappings": [{
            "containerPort": number(container, "containerPort").unwrap_or(80), "protocol": "tcp", "name": "http",
        }],
        "logConfiguration": {"logDriver": "awslogs", "options": {
            "awslogs-group": text(logs, "logGroup").unwrap_or(log_group),
            "awslogs-stream-prefix": text(logs, "logStreamPrefix").unwrap_or("ecs"),
        }},
        "environment": container.get("environment").cloned().unwrap_or(json!([])),
        "secrets": container.get("secrets").cloned().unwrap_or(json!([])),
    });
    put(&mut main, "command", container.get("command").cloned());
    put(&mut main, "repositoryCredentials", container.get("repositoryCredentials").cloned());
    let mut request = json!({
        "family": format!("{cluster}-{name}"), "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
        "cpu": of["cpu"], "memory": of["memory"], "executionRoleArn": role,
        "runtimePlatform": {
            "cpuArchitecture": text(of, "cpuArchitecture").unwrap_or("X86_64"), "operatingSystemFamily": "LINUX",
        },
        "containerDefinitions": [main],
    });
    put(&mut request, "taskRoleArn", text(of, "taskRoleArn"));
    Ok(request)
}

fn port(definition: &Definition) -> Option<i64> {
    number(&definition.containers().first()?["portMappings"][0], "containerPort")
}

/// The configuration that a task definition means; one that the customer made
/// (`primaryContainer` and the roles are not for it) shows little.
fn of_definition(definition: &Definition) -> Value {
    let main = definition.containers().iter().find(|container| text(container, "name") == Some(MAIN));
    let managed = text(&definition.document["runtimePlatform"], "operatingSystemFamily").is_some();
    let Some(main) = main.filter(|_| managed) else { return json!({}) };
    let options = &main["logConfiguration"]["options"];
    let mut container = json!({
        "image": main["image"],
        "containerPort": main["portMappings"][0]["containerPort"],
        "awsLogsConfiguration": {
            "logGroup": options["awslogs-group"], "logStreamPrefix": options["awslogs-stream-prefix"],
        },
        "environment": main["environment"],
        "secrets": main["secrets"],
    });
    put(&mut container, "command", main.get("command").cloned());
    put(&mut container, "repositoryCredentials", main.get("repositoryCredentials").cloned());
    let document = &definition.document;
    let mut of = json!({
        "executionRoleArn": document["executionRoleArn"], "cpu": document["cpu"], "memory": document["memory"],
        "cpuArchitecture": document["runtimePlatform"]["cpuArchitecture"],
        "primaryContainer": container,
    });
    put(&mut of, "taskRoleArn", text(document, "taskRoleArn"));
    of
}

fn same_definition(known: &Definition, request: &Value) -> bool {
    request.as_object().is_some_and(|fields| fields.iter().all(|(member, value)| known.document[member] == *value))
}
