//! Kinds of resources, and the ARNs they are in an environment.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Place;
use crate::config::spec::{ComposeHost, EcsSpec, ImageRepository, Way};
use crate::types::ServiceName;

/// A kind of resource, with what must hold beside it. The name is the end of the statement's `Sid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// The action knows no resources.
    Everything,
    Repositories,
    Services,
    ServiceDeployments,
    ServiceRevisions,
    Clusters,
    /// No resources, but a cluster as condition.
    InClusters,
    Tasks,
    /// Only while they are registered.
    NewTaskDefinitions,
    TaskDefinitionsInClusters,
    /// Only to hand them to ECS.
    TaskRoles,
    /// Only to hand them to ECS, for what it makes around an Express service.
    InfrastructureRoles,
    LogGroups,
    AllLogGroups,
    Secrets,
    AppRunnerServices,
    /// What a whole configuration names beside the service.
    AppRunnerParts,
    /// Only to hand them to App Runner.
    AppRunnerRoles,
    AppRunnerLogGroups,
    AppRunnerSecrets,
    /// Instances, and the document that runs a script on them.
    ComposeHosts,
    Topics,
}

/// Resources and condition of a statement.
pub(super) struct Scoped {
    pub(super) resources: BTreeSet<String>,
    pub(super) condition: Option<Value>,
    /// Why the resources are wider than needed.
    pub(super) wide: Option<String>,
}

impl Scoped {
    fn of(resources: impl IntoIterator<Item = String>) -> Self {
        Self { resources: resources.into_iter().collect(), condition: None, wide: None }
    }

    fn when(self, condition: Value) -> Self {
        Self { condition: Some(condition), ..self }
    }
}

impl Scope {
    pub(super) fn scoped(self, place: &Place<'_>) -> Scoped {
        let of_services = |kind: &str, below: &str| {
            Scoped::of(place.ecs().map(|(_, ecs)| format!("{}{below}", service(place, &ecs, kind))))
        };
        let clusters = || place.ecs().map(|(_, ecs)| cluster(place, &ecs)).collect::<BTreeSet<_>>();
        let in_clusters = || json!({ "ArnEquals": { "ecs:cluster": clusters() } });
        match self {
            Self::Everything => Scoped::of(["*".to_owned()]),
            Self::Repositories => {
                Scoped::of(place.images().filter_map(|(_, image)| repository(place, &image.repository)))
            }
            Self::Services => of_services("service", ""),
            Self::ServiceDeployments => of_services("service-deployment", "/*"),
            Self::ServiceRevisions => of_services("service-revision", "/*"),
            Self::Clusters => Scoped::of(clusters()),
            Self::InClusters => Scoped::of(["*".to_owned()]).when(in_clusters()),
            Self::Tasks => {
                Scoped::of(clusters().iter().map(|arn| format!("{}/*", arn.replacen(":cluster/", ":task/", 1))))
            }
            Self::NewTaskDefinitions => Scoped::of([place.arn("ecs", "task-definition/*:*")])
                .when(json!({ "StringEquals": { "ecs:CreateAction": "RegisterTaskDefinition" } })),
            Self::TaskDefinitionsInClusters => {
                Scoped::of([place.arn("ecs", "task-definition/*:*")]).when(in_clusters())
            }
            Self::TaskRoles => task_roles(place),
            Self::InfrastructureRoles => {
                let roles = place.express().filter_map(|(_, express)| express.infrastructure_role.as_ref());
                Scoped::of(roles.map(ToString::to_string))
                    .when(json!({ "StringEquals": { "iam:PassedToService": "ecs.amazonaws.com" } }))
            }
            Self::LogGroups => log_groups(place),
            Self::AllLogGroups => Scoped::of([place.arn("logs", "log-group:*")]),
            Self::Secrets => secrets(place),
            Self::AppRunnerServices => Scoped::of(place.app_runner().map(|app| app_runner(place, &app.service))),
            // A request that names them is authorized for them as well, and a service keeps those it has.
            Self::AppRunnerParts => {
                Scoped::of(["autoscalingconfiguration/*", "vpcconnector/*"].map(|part| place.arn("apprunner", part)))
            }
            Self::AppRunnerRoles => Scoped {
                wide: Some(
                    "`iam:PassRole` for App Runner names every role: write the service's access and instance role \
                     there"
                        .to_owned(),
                ),
                ..Scoped::of([any_role(place)]).when(json!({ "StringEquals": { "iam:PassedToService": [
                    "build.apprunner.amazonaws.com", "tasks.apprunner.amazonaws.com",
                ] } }))
            },
            Self::AppRunnerLogGroups => Scoped::of(place.app_runner().map(|app| {
                let name = app_runner_name(&app.service);
                place.arn("logs", &format!("log-group:/aws/apprunner/{name}/*:*"))
            })),
            Self::AppRunnerSecrets => {
                let named = || place.app_runner().flat_map(|app| app.secrets.values().cloned()).collect();
                // A service keeps secrets that the configuration does not name.
                let all_named = place.app_runner().all(|app| !app.secrets.is_empty());
                secrets_of(place, all_named.then(named))
            }
            Self::ComposeHosts => compose_hosts(place),
            Self::Topics => Scoped::of(place.spec.notify.iter().filter_map(|recipient| match &recipient.way {
                Way::Sns(arn) => Some(arn.clone()),
                Way::Slack(_) | Way::Webhook { .. } => None,
            })),
        }
    }
}

fn compose_hosts(place: &Place<'_>) -> Scoped {
    let document = format!("arn:{}:ssm:{}::document/AWS-RunShellScript", place.partition(), place.region());
    let hosts: Vec<String> = place
        .compose()
        .filter_map(|compose| match &compose.host {
            ComposeHost::Local => None,
            // Other managed nodes have ids that begin with `mi-`.
            ComposeHost::Instance(id) if id.starts_with("mi-") => {
                Some(place.arn("ssm", &format!("managed-instance/{id}")))
            }
            ComposeHost::Instance(id) => Some(place.arn("ec2", &format!("instance/{id}"))),
            ComposeHost::Tag { .. } => Some(place.arn("ec2", "instance/*")),
        })
        .collect();
    let by_tag = place.compose().any(|compose| matches!(compose.host, ComposeHost::Tag { .. }));
    let wide = "`ssm:SendCommand` names every instance, because a host is found by its tag: write the instance there";
    Scoped {
        wide: by_tag.then(|| wide.to_owned()),
        ..Scoped::of(if hosts.is_empty() { hosts } else { [hosts, vec![document]].concat() })
    }
}

/// Name of a cluster or service that is written as a name or an ARN.
fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn cluster(place: &Place<'_>, ecs: &EcsSpec) -> String {
    if ecs.cluster.starts_with("arn:") {
        return ecs.cluster.clone();
    }
    place.arn("ecs", &format!("cluster/{}", ecs.cluster))
}

/// `service/<cluster>/<service>`, and the same for what belongs to it.
fn service(place: &Place<'_>, ecs: &EcsSpec, kind: &str) -> String {
    let cluster = cluster(place, ecs).replacen(":cluster/", &format!(":{kind}/"), 1);
    format!("{cluster}/{}", last(&ecs.service))
}

fn repository(place: &Place<'_>, repository: &ImageRepository) -> Option<String> {
    match repository {
        ImageRepository::OwnEcr(path) => Some(place.arn("ecr", &format!("repository/{}", path.as_str()))),
        ImageRepository::At(host, path) => {
            let (account, region) = host.ecr()?;
            Some(format!("arn:{}:ecr:{region}:{account}:repository/{}", place.partition(), path.as_str()))
        }
    }
}

fn any_role(place: &Place<'_>) -> String {
    format!("arn:{}:iam::{}:role/*", place.partition(), place.account())
}

fn task_roles(place: &Place<'_>) -> Scoped {
    let known = |name: &ServiceName| place.ground.tasks.get(name);
    let unknown: Vec<&str> =
        place.ecs().filter(|(name, _)| !place.knows(name)).map(|(name, _)| name.as_str()).collect();
    let mut roles: BTreeSet<String> =
        place.ecs().filter_map(|(name, _)| known(name)).flat_map(|facts| facts.roles.iter().cloned()).collect();
    let written = place.express().flat_map(|(_, express)| [&express.execution_role, &express.task_role]);
    roles.extend(written.flatten().map(ToString::to_string));
    let condition = json!({ "StringEquals": { "iam:PassedToService": "ecs-tasks.amazonaws.com" } });
    if unknown.is_empty() {
        return Scoped::of(roles).when(condition);
    }
    let wide = format!(
        "`iam:PassRole` for ECS names every role: the task definition of {} is not known here. `--live` asks for it",
        unknown.join(", ")
    );
    Scoped { wide: Some(wide), ..Scoped::of([any_role(place)]).when(condition) }
}

fn log_groups(place: &Place<'_>) -> Scoped {
    let mut groups = BTreeSet::new();
    let mut unknown = Vec::new();
    for (name, ecs) in place.ecs() {
        let written = ecs.changes.log_options.get("awslogs-group");
        let known = place.ground.tasks.get(name);
        groups.extend(written.cloned());
        groups.extend(known.into_iter().flat_map(|facts| facts.log_groups.iter().cloned()));
        if known.is_none() {
            unknown.push(name.as_str());
        }
    }
    if unknown.is_empty() {
        return Scoped::of(groups.iter().map(|group| place.arn("logs", &format!("log-group:{group}:*"))));
    }
    let wide = format!("log groups are not known for {}: every one may be read", unknown.join(", "));
    Scoped { wide: Some(wide), ..Scoped::of([place.arn("logs", "log-group:*")]) }
}

fn secrets(place: &Place<'_>) -> Scoped {
    let known = |name: &ServiceName| place.ground.tasks.get(name);
    let all_known = place.ecs().all(|(name, _)| place.knows(name));
    let written = place.ecs().flat_map(|(_, ecs)| ecs.changes.secrets.values().cloned().collect::<Vec<_>>());
    let live = place.ecs().filter_map(|(name, _)| known(name)).flat_map(|facts| facts.secrets.iter().cloned());
    secrets_of(place, all_known.then(|| written.chain(live).collect()))
}

/// Only whether they are there is asked, never their value; any may be meant when it is not known which.
fn secrets_of(place: &Place<'_>, named: Option<BTreeSet<String>>) -> Scoped {
    let Some(named) = named else { return Scoped::of([place.arn("secretsmanager", "secret:*")]) };
    let manager = named.into_iter().filter(|from| from.contains(":secretsmanager:"));
    // `arn:…:secret:name-AbCdEf:key:stage:version`: key, stage and version are none of the ARN.
    let arn = |from: String| from.split(':').take(7).collect::<Vec<_>>().join(":");
    // An ARN may be written without the six characters that Secrets Manager adds.
    Scoped::of(manager.map(|from| format!("{}*", arn(from))))
}

fn app_runner(place: &Place<'_>, service: &str) -> String {
    if service.starts_with("arn:") {
        return service.to_owned();
    }
    place.arn("apprunner", &format!("service/{service}/*"))
}

/// App Runner's own name of a service: `arn:…:service/<name>/<id>`.
fn app_runner_name(service: &str) -> &str {
    if service.starts_with("arn:") { service.split('/').nth(1).unwrap_or(service) } else { service }
}
