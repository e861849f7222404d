//! What is printed for which configuration.

use super::*;

const ECS: &str = "
version: 1
services:
  api: { image: { repository: pmis/api, context: . } }
  web: { image: { repository: pmis/web } }
environments:
  staging:
    aws: { region: us-east-1, role: arn:aws:iam::111122223333:role/shipline-staging }
    deploy-on-push: main
    services:
      api: { ecs: { cluster: pmis-staging, service: api } }
      web: { ecs: { cluster: arn:aws:ecs:eu-west-1:111122223333:cluster/west, service: web } }
";

fn made(text: &str, ground: &Ground) -> EnvironmentPolicy {
    let config = crate::config::parse("shipline.yml", text).unwrap();
    let (name, spec) = config.environments.first_key_value().unwrap();
    policy(&config, name, spec, ground)
}

/// The statement that holds an action.
fn of<'a>(policy: &'a EnvironmentPolicy, action: &str) -> Vec<&'a Value> {
    let all = policy.document["Statement"].as_array().unwrap();
    all.iter().filter(|statement| statement["Action"].as_array().unwrap().contains(&json!(action))).collect()
}

fn resources(policy: &EnvironmentPolicy, action: &str) -> Vec<String> {
    let all = of(policy, action).into_iter().flat_map(|statement| statement["Resource"].as_array().unwrap());
    all.map(|arn| arn.as_str().unwrap().to_owned()).collect()
}

#[test]
fn resources_are_those_of_the_configuration() {
    let policy = made(ECS, &Ground::default());
    assert_eq!(
        resources(&policy, "ecs:UpdateService"),
        [
            "arn:aws:ecs:eu-west-1:111122223333:service/west/web",
            "arn:aws:ecs:us-east-1:111122223333:service/pmis-staging/api"
        ]
    );
    assert_eq!(
        resources(&policy, "ecr:PutImage"),
        [
            "arn:aws:ecr:us-east-1:111122223333:repository/pmis/api",
            "arn:aws:ecr:us-east-1:111122223333:repository/pmis/web"
        ]
    );
    assert_eq!(
        resources(&policy, "ecs:StopServiceDeployment")[1],
        "arn:aws:ecs:us-east-1:111122223333:service-deployment/pmis-staging/api/*"
    );
    let list = of(&policy, "ecs:ListTasks")[0];
    assert_eq!(list["Condition"]["ArnEquals"]["ecs:cluster"].as_array().unwrap().len(), 2);
    let ids: BTreeSet<&str> =
        policy.document["Statement"].as_array().unwrap().iter().map(|one| one["Sid"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), policy.document["Statement"].as_array().unwrap().len());
    assert!(ids.iter().all(|id| id.chars().all(|c| c.is_ascii_alphanumeric())), "{ids:?}");
}

#[test]
fn what_is_not_configured_is_not_allowed() {
    let policy = made(ECS, &Ground::default());
    for absent in [
        "ecs:RunTask",
        "cloudwatch:DescribeAlarms",
        "cloudwatch:GetMetricData",
        "sns:Publish",
        "apprunner:UpdateService",
        "sts:GetServiceBearerToken",
    ] {
        assert!(of(&policy, absent).is_empty(), "{absent}");
    }
    let never_built = ECS.replace(", context: .", "");
    assert!(of(&made(&never_built, &Ground::default()), "ecr:UploadLayerPart").is_empty());
    assert!(!of(&policy, "ecr:UploadLayerPart").is_empty());
}

#[test]
fn hooks_alarms_and_notifications_are_allowed_where_they_are_configured() {
    let text = format!(
        "{ECS}    before: [{{ run: [migrate], in: api }}]\n    alarms: [pmis-5xx]\n    notify: [{{ sns: \"arn:aws:sns:us-east-1:111122223333:deploys\" }}]\n"
    );
    let policy = made(&text, &Ground::default());
    assert_eq!(resources(&policy, "ecs:StopTask").len(), 2);
    assert!(of(&policy, "ecs:RunTask")[0]["Condition"]["ArnEquals"]["ecs:cluster"].is_array());
    assert_eq!(resources(&policy, "cloudwatch:DescribeAlarms"), ["*"]);
    assert_eq!(resources(&policy, "sns:Publish"), ["arn:aws:sns:us-east-1:111122223333:deploys"]);
}

#[test]
fn metrics_may_be_read_where_one_is_measured_and_an_address_needs_no_permission() {
    let with = |source: &str| {
        let text = format!("{ECS}    rollout: canary\n    analysis: [{{ name: errors, {source}, below: 5% }}]\n");
        made(&text, &Ground::default())
    };
    let metric = with("cloudwatch: { namespace: PMIS, metric: Errors }");
    assert_eq!(resources(&metric, "cloudwatch:GetMetricData"), ["*"]);
    let address = with("http: { url: \"https://pmis.example.com/ready\" }");
    assert!(of(&address, "cloudwatch:GetMetricData").is_empty());
}

#[test]
fn an_image_that_comes_from_another_account_may_be_uploaded() {
    let two = "
version: 1
services: { api: { image: { repository: pmis/api } } }
environments:
  production:
    aws: { region: us-east-1, role: arn:aws:iam::444455556666:role/shipline }
    services: { api: { ecs: { cluster: pmis, service: api } } }
  staging:
    aws: { region: us-east-1, role: arn:aws:iam::111122223333:role/shipline }
    services: { api: { ecs: { cluster: pmis, service: api } } }
";
    assert!(!of(&made(two, &Ground::default()), "ecr:InitiateLayerUpload").is_empty());
    let same = two.replace("444455556666", "111122223333");
    assert!(of(&made(&same, &Ground::default()), "ecr:InitiateLayerUpload").is_empty());
}

#[test]
fn a_known_task_definition_makes_roles_logs_and_secrets_exact() {
    let wide = made(ECS, &Ground::default());
    assert_eq!(resources(&wide, "iam:PassRole"), ["arn:aws:iam::111122223333:role/*"]);
    assert!(wide.notes.iter().any(|note| note.contains("iam:PassRole")), "{:?}", wide.notes);
    let task = TaskFacts::of(&json!({
        "taskRoleArn": "arn:aws:iam::111122223333:role/task",
        "containerDefinitions": [{
            "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/pmis/api"}},
            "secrets": [
                {"name": "A", "valueFrom": "arn:aws:secretsmanager:us-east-1:111122223333:secret:pmis/db-AbCdEf:url::"},
                {"name": "B", "valueFrom": "/pmis/api/token"},
            ],
        }],
    }));
    let tasks = ["api", "web"].map(|name| (name.parse().unwrap(), task.clone()));
    let exact = made(ECS, &Ground { tasks: tasks.into(), ..Ground::default() });
    assert_eq!(resources(&exact, "iam:PassRole"), ["arn:aws:iam::111122223333:role/task"]);
    assert_eq!(resources(&exact, "logs:GetLogEvents"), ["arn:aws:logs:us-east-1:111122223333:log-group:/pmis/api:*"]);
    assert_eq!(
        resources(&exact, "secretsmanager:DescribeSecret"),
        ["arn:aws:secretsmanager:us-east-1:111122223333:secret:pmis/db-AbCdEf*"]
    );
    assert_eq!(exact.notes, Vec::<String>::new());
}

#[test]
fn app_runner_gets_its_own_services_and_logs() {
    let policy = made(
        r#"
version: 1
services: { web: {} }
environments:
  production:
    aws: { region: eu-central-1, allowed-account-ids: ["111122223333"] }
    services: { web: { app-runner: { service: astro-ai } } }
"#,
        &Ground::default(),
    );
    assert_eq!(
        resources(&policy, "apprunner:UpdateService"),
        [
            "arn:aws:apprunner:eu-central-1:111122223333:service/astro-ai/*",
            // A whole configuration names these as well.
            "arn:aws:apprunner:eu-central-1:111122223333:autoscalingconfiguration/*",
            "arn:aws:apprunner:eu-central-1:111122223333:vpcconnector/*",
        ]
    );
    assert_eq!(resources(&policy, "apprunner:ListServices"), ["*"]);
    assert_eq!(
        resources(&policy, "logs:FilterLogEvents"),
        ["arn:aws:logs:eu-central-1:111122223333:log-group:/aws/apprunner/astro-ai/*:*"]
    );
    assert!(of(&policy, "ecr:BatchGetImage").is_empty() && of(&policy, "ecs:UpdateService").is_empty());
}

#[test]
fn what_is_not_known_is_told() {
    let policy = made(
        "version: 1\nservices: { web: {} }\nenvironments: { x: { services: { web: { ecs: { cluster: c, service: web } } } } }\n",
        &Ground::default(),
    );
    assert_eq!(resources(&policy, "ecs:UpdateService"), ["arn:aws:ecs:*:*:service/c/web"]);
    assert!(
        policy.notes.iter().any(|note| note.contains("region"))
            && policy.notes.iter().any(|note| note.contains("account"))
    );
}

#[test]
fn only_the_jobs_of_the_repository_that_name_the_environment_or_its_branch_are_trusted() {
    let config = crate::config::parse("shipline.yml", ECS).unwrap();
    let (name, spec) = config.environments.first_key_value().unwrap();
    let document = trust("acme/shop", name, spec, &Ground::default());
    let statement = &document["Statement"][0];
    assert_eq!(
        statement["Principal"]["Federated"],
        "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
    );
    assert_eq!(
        statement["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"],
        json!(["repo:acme/shop:environment:staging", "repo:acme/shop:ref:refs/heads/main"])
    );
}
