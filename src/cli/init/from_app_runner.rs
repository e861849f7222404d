//! From an App Runner service to the equivalent service in ECS Express Mode: pure.
//!
//! App Runner takes no new customers, and Express Mode is where AWS sends its users. [`equivalent`]
//! turns the description of a service into what to run once (two roles and one call of the AWS
//! command line) and what to write into `.github/shipline.yml`. It makes nothing.
//!
//! Invariants: what has no equivalent is said, never left out in silence; values of environment
//! variables stand in the call alone, never in the file that goes into the repository.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::problem::Problem;
use crate::targets::ecs::express::creation;
use crate::types::{ImageRef, ServiceName};

/// Everything for moving one service.
#[derive(Debug, Clone, PartialEq)]
pub struct Move {
    /// Our name for the service, in the configuration.
    pub service: ServiceName,
    /// The roles the call needs, each with the commands that make it.
    pub roles: Vec<RoleToMake>,
    /// The request of `CreateExpressGatewayService`, member for member.
    pub request: Map<String, Value>,
    /// The call with that request, for the AWS command line.
    pub call: String,
    /// The entry of the service below `services` of the configuration; absent when no image is known.
    pub image: Option<String>,
    /// The entry below `environments.<name>.services`, YAML without indentation.
    pub target: String,
    /// What a person has to look at: what is different there, and what has no equivalent.
    pub notices: Vec<String>,
}

/// A role of IAM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleToMake {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: &'static str,
    /// The commands that make it.
    pub commands: Vec<String>,
}

/// CPU units and MiB where App Runner says none (App Runner API reference, `InstanceConfiguration`).
const DEFAULT_SIZE: (u32, u32) = (1024, 2048);
/// Port where App Runner says none.
const DEFAULT_PORT: u16 = 8080;

/// The equivalent of an App Runner service in Express Mode.
///
/// `service` is the `Service` of `apprunner:DescribeService`, as JSON with the names of the API;
/// `scaling` the `AutoScalingConfiguration` of `apprunner:DescribeAutoScalingConfiguration`, which
/// the service's summary names by ARN, where it could be read.
///
/// # Errors
///
/// When the document is not the description of a service.
pub fn equivalent(service: &Value, scaling: Option<&Value>) -> Result<Move, Problem> {
    let said = |member: &str| service[member].as_str().filter(|text| !text.is_empty());
    let (Some(name), Some(arn)) = (said("ServiceName"), said("ServiceArn")) else {
        return Err(Problem::mistake(
            "not-a-service",
            "this is not the description of an App Runner service: it has no ServiceName and ServiceArn",
            "Give what `aws apprunner describe-service` prints under `Service`.",
        ));
    };
    let mut parts = arn.split(':').skip(3);
    let (region, account) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut notices = Vec::new();
    let source = Source::of(service, &mut notices);
    let image = if let Some(image) = source.image {
        image.to_owned()
    } else {
        let place = format!("{account}.dkr.ecr.{region}.amazonaws.com/{}", name.to_ascii_lowercase());
        notices.push(format!(
            "The service is built from source, and Express Mode runs images: build one with a Dockerfile, push it to \
             {place}, and write its tag in place of <tag>."
        ));
        format!("{place}:<tag>")
    };
    let size = size(&service["InstanceConfiguration"], &mut notices);
    let path = health_path(&service["HealthCheckConfiguration"], &mut notices);
    let tasks = tasks(scaling, &mut notices);
    let task_role = service["InstanceConfiguration"]["InstanceRoleArn"].as_str();
    differences(service, region, &mut notices);

    let mut container = json!({"image": image, "containerPort": source.port});
    if !source.environment.is_empty() {
        container["environment"] = Value::Array(source.environment);
    }
    if !source.secrets.is_empty() {
        container["secrets"] = Value::Array(source.secrets.clone());
    }
    if let Some(command) = &source.command {
        container["command"] = json!(command);
    }
    let [execution, infrastructure] = roles(task_role, &source.secrets, account, &mut notices);
    let role = |name: &str| json!(format!("arn:aws:iam::{account}:role/{name}"));
    let mut request = Map::from_iter([
        ("cluster".to_owned(), json!("default")),
        ("serviceName".to_owned(), json!(name)),
        ("executionRoleArn".to_owned(), role(&execution.name)),
        ("infrastructureRoleArn".to_owned(), role(&infrastructure.name)),
        ("primaryContainer".to_owned(), container),
        ("cpu".to_owned(), json!(size.0.to_string())),
        ("memory".to_owned(), json!(size.1.to_string())),
        ("healthCheckPath".to_owned(), json!(path)),
        ("scalingTarget".to_owned(), json!({"minTaskCount": tasks.0, "maxTaskCount": tasks.1})),
    ]);
    if let Some(task_role) = task_role {
        request.insert("taskRoleArn".to_owned(), json!(task_role));
    }
    let target = target(name, source.port, size, &path, tasks);
    Ok(Move {
        service: our_name(name),
        call: creation::command(region, &request),
        roles: vec![execution, infrastructure],
        request,
        image: source.image.and_then(repository),
        target,
        notices,
    })
}

/// What runs, wherever the description says it.
struct Source<'a> {
    image: Option<&'a str>,
    port: u16,
    command: Option<Vec<String>>,
    environment: Vec<Value>,
    secrets: Vec<Value>,
}

impl<'a> Source<'a> {
    fn of(service: &'a Value, notices: &mut Vec<String>) -> Self {
        let configuration = &service["SourceConfiguration"];
        let code = &configuration["CodeRepository"]["CodeConfiguration"];
        let image = &configuration["ImageRepository"];
        let said = if image.is_object() { &image["ImageConfiguration"] } else { &code["CodeConfigurationValues"] };
        if code["ConfigurationSource"] == json!("REPOSITORY") {
            notices.push(
                "Port, start command and environment variables stand in apprunner.yaml of the repository: bring them over by hand."
                    .to_owned(),
            );
        }
        if configuration["AutoDeploymentsEnabled"] == json!(true) {
            notices.push("App Runner deployed every push by itself; from now on a run of Shipline deploys.".to_owned());
        }
        let pairs = |member: &str, value: &str| -> Vec<Value> {
            let entries = said[member].as_object().into_iter().flatten();
            entries.map(|(name, known)| json!({"name": name, value: known})).collect()
        };
        Self {
            image: image["ImageIdentifier"].as_str(),
            port: said["Port"].as_str().and_then(|port| port.parse().ok()).unwrap_or(DEFAULT_PORT),
            command: said["StartCommand"].as_str().and_then(|command| arguments(command, notices)),
            environment: pairs("RuntimeEnvironmentVariables", "value"),
            secrets: pairs("RuntimeEnvironmentSecrets", "valueFrom"),
        }
    }
}

/// A start command as arguments; one that needs a shell gets one.
fn arguments(command: &str, notices: &mut Vec<String>) -> Option<Vec<String>> {
    if command.trim().is_empty() {
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || " _-./:@=,+%".contains(c);
    if command.chars().all(plain) {
        return Some(command.split_whitespace().map(str::to_owned).collect());
    }
    notices.push(
        "The start command needs a shell, so the image needs `sh`; write it as a list if it has none.".to_owned(),
    );
    Some(vec!["sh".to_owned(), "-c".to_owned(), command.to_owned()])
}

/// CPU units and MiB. App Runner writes `1024` or `1 vCPU`, `2048` or `2 GB`; every size it has is a
/// size of a task too (Amazon ECS developer guide, "Task size").
fn size(instance: &Value, notices: &mut Vec<String>) -> (u32, u32) {
    let mut read = |member: &str, unit: &str, default: u32| {
        let Some(text) = instance[member].as_str() else { return default };
        let units = match text.split_once(' ') {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size of a few units")]
            Some((number, word)) if word == unit => number.parse::<f64>().ok().map(|number| (number * 1024.0) as u32),
            _ => text.parse().ok(),
        };
        units.unwrap_or_else(|| {
            notices.push(format!("{member} is {text:?}, which is not understood here; {default} stands in its place."));
            default
        })
    };
    let cpu = read("Cpu", "vCPU", DEFAULT_SIZE.0);
    (cpu, read("Memory", "GB", DEFAULT_SIZE.1))
}

fn health_path(check: &Value, notices: &mut Vec<String>) -> String {
    if check["Protocol"] == json!("HTTP") {
        return check["Path"].as_str().unwrap_or("/").to_owned();
    }
    notices.push(
        "App Runner only opened a TCP connection; Express Mode asks over HTTP and wants 200. `/` stands here: write a path that answers so."
            .to_owned(),
    );
    "/".to_owned()
}

/// The fewest and the most tasks.
fn tasks(scaling: Option<&Value>, notices: &mut Vec<String>) -> (u64, u64) {
    let Some(scaling) = scaling else {
        notices
            .push("How App Runner scaled could not be read: 1 to 25 instances, its default, stands here.".to_owned());
        return (1, 25);
    };
    let at_once = scaling["MaxConcurrency"].as_u64().unwrap_or(100);
    notices.push(format!(
        "App Runner added instances at {at_once} requests at once; Express Mode does at 60 % CPU unless told otherwise \
         (`auto-scaling-metric`, `auto-scaling-target-value`)."
    ));
    (scaling["MinSize"].as_u64().unwrap_or(1), scaling["MaxSize"].as_u64().unwrap_or(25))
}

/// What is different there, whatever the values are.
fn differences(service: &Value, region: &str, notices: &mut Vec<String>) {
    let network = &service["NetworkConfiguration"];
    if let Some(connector) = network["EgressConfiguration"]["VpcConnectorArn"].as_str() {
        notices.push(format!(
            "The service reaches a VPC through {connector}: add `--network-configuration subnets=…,securityGroups=…` with \
             the connector's subnets and security groups (`aws apprunner describe-vpc-connector --region {region}`)."
        ));
    }
    if network["IngressConfiguration"]["IsPubliclyAccessible"] == json!(false) {
        notices.push(
            "The service is private: name private subnets in `--network-configuration`, or it can be reached from everywhere."
                .to_owned(),
        );
    }
    if service["ObservabilityConfiguration"]["ObservabilityEnabled"] == json!(true) {
        notices.push("Tracing with X-Ray has no switch in Express Mode.".to_owned());
    }
    notices.push(
        "Tasks run all the time and a load balancer stands before them, which costs even without requests; the address \
         is another one, so custom domains have to move."
            .to_owned(),
    );
}

/// The role that starts tasks and the one that makes what is around them.
fn roles(task_role: Option<&str>, secrets: &[Value], account: &str, notices: &mut Vec<String>) -> [RoleToMake; 2] {
    if let Some(task_role) = task_role {
        notices.push(format!(
            "{task_role} stays the role of the program; let `ecs-tasks.amazonaws.com` assume it beside \
             `tasks.apprunner.amazonaws.com`."
        ));
    }
    let role = |name: &str, purpose, by: &str, policy: &str| {
        let trust = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": by}, "Action": "sts:AssumeRole"}
        ]});
        let commands = vec![
            format!("aws iam create-role --role-name {name} --assume-role-policy-document '{trust}'"),
            format!(
                "aws iam attach-role-policy --role-name {name} --policy-arn arn:aws:iam::aws:policy/service-role/{policy}"
            ),
        ];
        RoleToMake { name: name.to_owned(), purpose, commands }
    };
    let mut execution = role(
        "ecsTaskExecutionRole",
        "pulls the image, writes logs and reads secrets",
        "ecs-tasks.amazonaws.com",
        "AmazonECSTaskExecutionRolePolicy",
    );
    // In App Runner the instance role reads them.
    let kept: Vec<String> =
        secrets.iter().filter_map(|entry| place_of(entry["valueFrom"].as_str()?, account)).collect();
    if !kept.is_empty() {
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": ["secretsmanager:GetSecretValue", "ssm:GetParameters"], "Resource": kept,
        }]});
        execution.commands.push(format!(
            "aws iam put-role-policy --role-name ecsTaskExecutionRole --policy-name secrets --policy-document '{policy}'"
        ));
    }
    let infrastructure = role(
        "ecsInfrastructureRoleForExpressServices",
        "lets ECS make the load balancer, security groups and scaling",
        "ecs.amazonaws.com",
        "AmazonECSInfrastructureRoleforExpressGatewayServices",
    );
    [execution, infrastructure]
}

/// The resource of a secret: the ARN without the key inside (`…:secret:name-AbCdEf:key::`).
fn place_of(from: &str, account: &str) -> Option<String> {
    if !from.starts_with("arn:") {
        return Some(format!("arn:aws:ssm:*:{account}:parameter/{}", from.trim_start_matches('/')));
    }
    let parts: Vec<&str> = from.splitn(8, ':').collect();
    let whole = if from.contains(":secretsmanager:") { parts.get(..7)?.join(":") } else { from.to_owned() };
    // Goes into a quoted text of a shell.
    (!whole.contains('\'')).then_some(whole)
}

/// `{ repository: … }` of an image, as the configuration writes it.
fn repository(image: &str) -> Option<String> {
    let reference: ImageRef = image.parse().ok()?;
    let host = reference.registry().to_string();
    let own = host.contains(".dkr.ecr.");
    let path = reference.repository().to_string();
    Some(format!("{{ repository: {} }}", if own { path } else { format!("{host}/{path}") }))
}

fn target(name: &str, port: u16, size: (u32, u32), path: &str, tasks: (u64, u64)) -> String {
    let path = Value::String(path.to_owned());
    format!(
        "express:\n  service: {name}\n  cluster: default\n  container-port: {port}\n  cpu: {}\n  memory: {}\n  \
         health-check-path: {path}\n  min-task-count: {}\n  max-task-count: {}\n",
        size.0, size.1, tasks.0, tasks.1
    )
}

/// Our name for the service: the provider's, as far as it is a name.
fn our_name(name: &str) -> ServiceName {
    let plain = name.to_ascii_lowercase();
    plain.parse().unwrap_or_else(|_| "app".parse().expect("`app` is a name"))
}

impl fmt::Display for Move {
    /// The whole, to read from top to bottom and to copy from.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# 1. Roles, where the account has none yet")?;
        for role in &self.roles {
            writeln!(f, "# {}: {}", role.name, role.purpose)?;
            for command in &role.commands {
                writeln!(f, "{command}")?;
            }
        }
        writeln!(f, "\n# 2. The service\n{}", self.call)?;
        writeln!(f, "\n# 3. .github/shipline.yml")?;
        let service = &self.service;
        let image = self.image.as_deref().map_or_else(|| "{}".to_owned(), |image| format!("{{ image: {image} }}"));
        writeln!(f, "services:\n  {service}: {image}\nenvironments:\n  production:\n    services:\n      {service}:")?;
        for line in self.target.lines() {
            writeln!(f, "        {line}")?;
        }
        writeln!(f, "\n# Look at this:")?;
        for notice in &self.notices {
            writeln!(f, "# - {notice}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
