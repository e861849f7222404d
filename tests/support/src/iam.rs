//! AWS IAM: whether a role's own policy allows a call.
//!
//! Which resources and condition keys a call has is read from the IAM service authorization
//! reference. Known of policies: `Allow` and `Deny`, `*` and `?`, and the operators `StringEquals`,
//! `StringLike`, `ArnEquals` and `ArnLike`. A resource that the reference does not name is `*`, which
//! only the resource `*` of a statement allows.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::env::Env;
use crate::reply::{ApiError, text, texts};
use crate::sts::like;

/// One permission that a call needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Needed {
    pub(crate) action: String,
    pub(crate) resource: String,
    context: BTreeMap<&'static str, String>,
}

impl Needed {
    fn new(action: &str, resource: impl Into<String>) -> Self {
        Self { action: action.to_owned(), resource: resource.into(), context: BTreeMap::new() }
    }

    fn when(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.context.insert(key, value.into());
        self
    }
}

/// Refuses what the policy does not allow.
pub(crate) fn check(
    policy: &Value,
    caller: &str,
    service: &str,
    operation: &str,
    body: &Value,
    env: &Env,
) -> Result<(), ApiError> {
    // Whoever has credentials may ask who he is.
    if service == "sts" {
        return Ok(());
    }
    for needed in needed(service, operation, body, env) {
        if !allows(policy, &needed) {
            let Needed { action, resource, .. } = needed;
            let message = format!(
                "User: {caller} is not authorized to perform: {action} on resource: {resource} \
                 because no identity-based policy allows the {action} action"
            );
            let (status, code) =
                if service == "elbv2" { (403, "AccessDenied") } else { (400, "AccessDeniedException") };
            return Err(ApiError::with(status, code, message));
        }
    }
    Ok(())
}

fn allows(policy: &Value, needed: &Needed) -> bool {
    let fits = |effect: &str| list(&policy["Statement"]).any(|one| one["Effect"] == effect && applies(one, needed));
    fits("Allow") && !fits("Deny")
}

fn applies(statement: &Value, needed: &Needed) -> bool {
    let any = |field: &str, text: &str| list(&statement[field]).filter_map(Value::as_str).any(|one| like(one, text));
    any("Action", &needed.action) && any("Resource", &needed.resource) && holds(&statement["Condition"], needed)
}

fn holds(condition: &Value, needed: &Needed) -> bool {
    condition.as_object().into_iter().flatten().all(|(operator, keys)| {
        keys.as_object().into_iter().flatten().all(|(key, wanted)| {
            let Some(value) = needed.context.get(key.as_str()) else { return false };
            list(wanted).filter_map(Value::as_str).any(|wanted| match operator.as_str() {
                "StringEquals" => wanted == value,
                "StringLike" | "ArnEquals" | "ArnLike" => like(wanted, value),
                _ => false,
            })
        })
    })
}

/// A value, or the values of a list.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Array(items) => items.iter().collect::<Vec<_>>().into_iter(),
        Value::Null => Vec::new().into_iter(),
        other => vec![other].into_iter(),
    }
}

/// Every permission a call needs.
pub(crate) fn needed(service: &str, operation: &str, body: &Value, env: &Env) -> Vec<Needed> {
    let on = |resource: String| vec![Needed::new(&format!("{service}:{operation}"), resource)];
    match service {
        "ecs" => ecs(operation, body, env),
        "apprunner" => apprunner(operation, body, env),
        "ecr" => match text(body, "repositoryName") {
            Some(name) => on(env.arn("ecr", &format!("repository/{name}"))),
            None if operation == "DescribeRepositories" => {
                let names = texts(body, "repositoryNames");
                names.iter().flat_map(|name| on(env.arn("ecr", &format!("repository/{name}")))).collect()
            }
            None => on("*".to_owned()),
        },
        "logs" => {
            let group = text(body, "logGroupName").unwrap_or_default();
            let stream = text(body, "logStreamName").unwrap_or_default();
            on(env.arn("logs", &format!("log-group:{group}:log-stream:{stream}")))
        }
        "elbv2" => vec![Needed::new(&format!("elasticloadbalancing:{operation}"), "*")],
        "secretsmanager" => on(text(body, "SecretId").unwrap_or_default().to_owned()),
        _ => on("*".to_owned()),
    }
}

fn ecs(operation: &str, body: &Value, env: &Env) -> Vec<Needed> {
    let action = format!("ecs:{operation}");
    let name = |asked: &str| asked.rsplit('/').next().unwrap_or(asked).to_owned();
    let cluster = name(text(body, "cluster").unwrap_or("default"));
    let cluster_arn = env.arn("ecs", &format!("cluster/{cluster}"));
    let in_cluster = |resource: String| Needed::new(&action, resource).when("ecs:cluster", cluster_arn.clone());
    let service = |asked: &str| in_cluster(env.arn("ecs", &format!("service/{cluster}/{}", name(asked))));
    let task = |asked: &str| in_cluster(env.arn("ecs", &format!("task/{cluster}/{}", name(asked))));
    let each = |member: &str| texts(body, member);
    match operation {
        "DescribeServices" => each("services").iter().map(|asked| service(asked)).collect(),
        "ListServiceDeployments" => vec![service(text(body, "service").unwrap_or_default())],
        "UpdateService" => {
            let mut all = vec![service(text(body, "service").unwrap_or_default())];
            // Roles that ECS itself takes on: for functions of hooks, and to move traffic.
            let hooks = list(&body["deploymentConfiguration"]["lifecycleHooks"]);
            let balancers = list(&body["loadBalancers"]).map(|balancer| &balancer["advancedConfiguration"]);
            for from in hooks.chain(balancers) {
                all.extend(passed(from, &["roleArn"], "ecs.amazonaws.com"));
            }
            all
        }
        "DescribeServiceDeployments" => {
            each("serviceDeploymentArns").iter().map(|arn| Needed::new(&action, arn)).collect()
        }
        "StopServiceDeployment" | "ContinueServiceDeployment" => {
            vec![Needed::new(&action, text(body, "serviceDeploymentArn").unwrap_or_default())]
        }
        "DescribeServiceRevisions" => each("serviceRevisionArns").iter().map(|arn| Needed::new(&action, arn)).collect(),
        "DescribeClusters" => {
            let arn = |asked: &String| env.arn("ecs", &format!("cluster/{}", name(asked)));
            each("clusters").iter().map(|asked| Needed::new(&action, arn(asked))).collect()
        }
        "ListTasks" | "ListServices" => vec![in_cluster("*".to_owned())],
        "DescribeTasks" => each("tasks").iter().map(|asked| task(asked)).collect(),
        "StopTask" => vec![task(text(body, "task").unwrap_or_default())],
        "RunTask" => {
            let definition = name(text(body, "taskDefinition").unwrap_or_default());
            let mut all = vec![in_cluster(env.arn("ecs", &format!("task-definition/{definition}")))];
            all.extend(passed(&body["overrides"], &["taskRoleArn", "executionRoleArn"], "ecs-tasks.amazonaws.com"));
            all
        }
        "RegisterTaskDefinition" => {
            let mut all = vec![Needed::new(&action, "*")];
            all.extend(passed(body, &["taskRoleArn", "executionRoleArn"], "ecs-tasks.amazonaws.com"));
            if body["tags"].as_array().is_some_and(|tags| !tags.is_empty()) {
                let family = text(body, "family").unwrap_or_default();
                let arn = env.arn("ecs", &format!("task-definition/{family}:1"));
                all.push(Needed::new("ecs:TagResource", arn).when("ecs:CreateAction", "RegisterTaskDefinition"));
            }
            all
        }
        "DescribeExpressGatewayService" => {
            vec![Needed::new(&action, text(body, "serviceArn").unwrap_or_default())]
        }
        "CreateExpressGatewayService" | "UpdateExpressGatewayService" => express(&action, body, env),
        _ => vec![Needed::new(&action, "*")],
    }
}

/// ECS registers the task definition with the caller's own right, and hands the roles over
/// (README of aws-actions/amazon-ecs-deploy-express-service, "IAM Permissions").
fn express(action: &str, body: &Value, env: &Env) -> Vec<Needed> {
    let cluster = text(body, "cluster").unwrap_or("default").rsplit('/').next().unwrap_or_default();
    let name = text(body, "serviceName").unwrap_or("*");
    let new = || env.arn("ecs", &format!("service/{cluster}/{name}"));
    let mut all = vec![Needed::new(action, text(body, "serviceArn").map_or_else(new, str::to_owned))];
    if body.get("taskDefinitionArn").is_none() {
        all.push(Needed::new("ecs:RegisterTaskDefinition", "*"));
    }
    all.extend(passed(body, &["taskRoleArn", "executionRoleArn"], "ecs-tasks.amazonaws.com"));
    all.extend(passed(body, &["infrastructureRoleArn"], "ecs.amazonaws.com"));
    all
}

fn apprunner(operation: &str, body: &Value, env: &Env) -> Vec<Needed> {
    let action = format!("apprunner:{operation}");
    let new = text(body, "ServiceName").filter(|_| operation == "CreateService");
    let new = new.map(|name| env.arn("apprunner", &format!("service/{name}/new")));
    let named = text(body, "ServiceArn").or_else(|| text(body, "ResourceArn")).map(str::to_owned);
    let mut all = vec![Needed::new(&action, named.or(new).unwrap_or_else(|| "*".to_owned()))];
    let egress = &body["NetworkConfiguration"]["EgressConfiguration"];
    let parts = [text(body, "AutoScalingConfigurationArn"), text(egress, "VpcConnectorArn")];
    all.extend(parts.into_iter().flatten().map(|part| Needed::new(&action, part)));
    let source = &body["SourceConfiguration"]["AuthenticationConfiguration"];
    all.extend(passed(source, &["AccessRoleArn"], "build.apprunner.amazonaws.com"));
    all.extend(passed(&body["InstanceConfiguration"], &["InstanceRoleArn"], "tasks.apprunner.amazonaws.com"));
    all
}

/// The right to hand roles over to a service of AWS.
fn passed(from: &Value, members: &[&str], to: &str) -> Vec<Needed> {
    let roles = members.iter().filter_map(|member| text(from, member));
    roles.map(|role| Needed::new("iam:PassRole", role).when("iam:PassedToService", to)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(policy: &Value, service: &str, operation: &str, body: &Value) -> Option<String> {
        check(policy, "arn:aws:sts::111122223333:assumed-role/x/y", service, operation, body, &Env::new())
            .err()
            .map(|error| error.message)
    }

    #[test]
    fn a_call_needs_its_action_on_its_resource() {
        let policy = json!({"Statement": [
            {"Effect": "Allow", "Action": ["ecs:UpdateService"], "Resource": ["arn:aws:ecs:us-east-1:111122223333:service/pmis/api"]},
        ]});
        assert_eq!(refused(&policy, "ecs", "UpdateService", &json!({"cluster": "pmis", "service": "api"})), None);
        let other = refused(&policy, "ecs", "UpdateService", &json!({"cluster": "pmis", "service": "web"})).unwrap();
        assert!(other.contains("is not authorized to perform: ecs:UpdateService on resource: arn:aws:ecs"), "{other}");
        assert!(refused(&policy, "ecs", "ListTasks", &json!({"cluster": "pmis"})).is_some());
        assert_eq!(refused(&policy, "sts", "GetCallerIdentity", &json!({})), None);
    }

    #[test]
    fn conditions_must_hold_and_a_deny_wins() {
        let arn = "arn:aws:ecs:us-east-1:111122223333:cluster/pmis";
        let list = json!({"Effect": "Allow", "Action": "ecs:ListTasks", "Resource": "*",
            "Condition": {"ArnEquals": {"ecs:cluster": [arn]}}});
        let policy = json!({"Statement": [list]});
        assert_eq!(refused(&policy, "ecs", "ListTasks", &json!({"cluster": "pmis"})), None);
        assert!(refused(&policy, "ecs", "ListTasks", &json!({"cluster": "other"})).is_some());
        let denied = json!({"Statement": [list, {"Effect": "Deny", "Action": "ecs:*", "Resource": "*"}]});
        assert!(refused(&denied, "ecs", "ListTasks", &json!({"cluster": "pmis"})).is_some());
    }

    #[test]
    fn an_update_that_names_roles_for_hooks_and_traffic_hands_them_over() {
        let hook = json!({"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"]});
        let function = json!({"roleArn": "arn:aws:iam::111122223333:role/hooks"});
        let body = json!({"cluster": "pmis", "service": "api",
            "deploymentConfiguration": {"lifecycleHooks": [hook, function]},
            "loadBalancers": [{"advancedConfiguration": {"roleArn": "arn:aws:iam::111122223333:role/traffic"}}]});
        let needed = needed("ecs", "UpdateService", &body, &Env::new());
        let resources: Vec<&str> = needed.iter().map(|one| one.resource.rsplit('/').next().unwrap()).collect();
        assert_eq!(resources, ["api", "hooks", "traffic"]);
    }

    #[test]
    fn a_task_definition_with_roles_and_tags_needs_the_right_to_give_both() {
        let body =
            json!({"family": "api", "taskRoleArn": "arn:aws:iam::111122223333:role/task", "tags": [{"key": "a"}]});
        let actions: Vec<_> = needed("ecs", "RegisterTaskDefinition", &body, &Env::new());
        let names: Vec<&str> = actions.iter().map(|one| one.action.as_str()).collect();
        assert_eq!(names, ["ecs:RegisterTaskDefinition", "iam:PassRole", "ecs:TagResource"]);
    }
}
