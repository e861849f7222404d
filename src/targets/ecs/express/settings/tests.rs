use super::*;
use crate::config::spec::ScalingSpec;

const OLD: &str = "r.example.com/web@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const NEW: &str = "r.example.com/web@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn map(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("not an object") };
    map
}

fn active() -> Map<String, Value> {
    map(json!({
        "executionRoleArn": "arn:aws:iam::111122223333:role/execution",
        "cpu": "256", "memory": "512", "healthCheckPath": "/health",
        "networkConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]},
        "primaryContainer": {
            "image": OLD, "containerPort": 8080, "later": {"b": 1},
            "awsLogsConfiguration": {"logGroup": "/web", "logStreamPrefix": "ecs"},
            "environment": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}],
            "secrets": [{"name": "KEY", "valueFrom": "arn:aws:ssm:us-east-1:111122223333:parameter/key"}],
        },
        "scalingTarget": {"minTaskCount": 1, "maxTaskCount": 4, "autoScalingMetric": "AVERAGE_CPU", "autoScalingTargetValue": 60},
        "tomorrow": ["x"],
    }))
}

#[test]
fn only_the_image_changes_where_only_the_image_was_asked_for() {
    let wanted = wanted(active(), &NEW.parse().unwrap(), &ExpressSpec::default());
    let mut expected = active();
    expected["primaryContainer"]["image"] = json!(NEW);
    assert_eq!(wanted, expected);
    let sent = request(&active(), &wanted);
    assert_eq!(sent.keys().collect::<Vec<_>>(), ["primaryContainer"]);
    assert_eq!(sent["primaryContainer"]["later"], json!({"b": 1}), "the container is sent whole");
}

#[test]
fn what_is_named_changes_and_everything_beside_it_stays() {
    let spec = ExpressSpec {
        environment: [("A".to_owned(), "9".to_owned()), ("KEY".to_owned(), String::new())].into(),
        cpu: Some(512),
        memory: Some(1024),
        health_check_path: Some("/ready".to_owned()),
        container_port: Some(80),
        command: Some(vec!["serve".to_owned()]),
        scaling: ScalingSpec { most: Some(8), metric: Some(ScalingMetric::AverageMemory), ..ScalingSpec::default() },
        ..ExpressSpec::default()
    };
    let wanted = wanted(active(), &OLD.parse().unwrap(), &spec);
    let container = &wanted["primaryContainer"];
    assert_eq!(
        container["environment"],
        json!([{"name": "B", "value": "2"}, {"name": "A", "value": "9"}, {"name": "KEY", "value": ""}])
    );
    assert_eq!(container["secrets"], json!([]), "a name cannot be both");
    assert_eq!((&container["containerPort"], &container["command"]), (&json!(80), &json!(["serve"])));
    assert_eq!((&wanted["cpu"], &wanted["memory"]), (&json!("512"), &json!("1024")));
    assert_eq!(
        wanted["scalingTarget"],
        json!({"minTaskCount": 1, "maxTaskCount": 8, "autoScalingMetric": "AVERAGE_MEMORY", "autoScalingTargetValue": 60})
    );
    let sent: Vec<String> = request(&active(), &wanted).keys().cloned().collect();
    assert_eq!(sent, ["cpu", "memory", "healthCheckPath", "primaryContainer", "scalingTarget"]);
}

#[test]
fn what_only_an_answer_has_is_never_sent_back() {
    let mut answer = active();
    answer.insert("serviceRevisionArn".to_owned(), json!("arn:x"));
    answer.insert("taskDefinitionArn".to_owned(), json!("arn:y"));
    answer.insert("ingressPaths".to_owned(), json!([]));
    answer.insert("createdAt".to_owned(), json!(1.0));
    answer.insert("taskRoleArn".to_owned(), Value::Null);
    assert_eq!(settable(&answer), active());
}

#[test]
fn an_earlier_task_definition_says_what_the_container_was() {
    let definition = map(json!({
        "family": "default-web", "cpu": "1024", "memory": "2048",
        "executionRoleArn": "arn:aws:iam::111122223333:role/before",
        "runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
        "containerDefinitions": [
            {"name": "sidecar", "image": "r.example.com/sidecar:1"},
            {"name": "Main", "image": NEW, "portMappings": [{"containerPort": 3000}], "command": ["run"],
             "environment": [{"name": "A", "value": "0"}],
             "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/g", "awslogs-stream-prefix": "p"}}},
        ],
    }));
    let settings = of_definition(&definition, "Main", &active());
    assert_eq!(
        settings["primaryContainer"],
        json!({
            "image": NEW, "command": ["run"], "environment": [{"name": "A", "value": "0"}], "containerPort": 3000,
            "awsLogsConfiguration": {"logGroup": "/g", "logStreamPrefix": "p"},
        })
    );
    assert_eq!((&settings["cpu"], &settings["cpuArchitecture"]), (&json!("1024"), &json!("ARM64")));
    assert_eq!(settings["executionRoleArn"], json!("arn:aws:iam::111122223333:role/before"));
    assert_eq!(settings["healthCheckPath"], json!("/health"), "a task definition does not say it");
}

#[test]
fn a_task_of_its_own_gets_what_the_configuration_says_and_keeps_the_rest() {
    let before = map(json!({
        "family": "default-web", "cpu": "1024", "memory": "2048", "networkMode": "awsvpc",
        "containerDefinitions": [{
            "name": "Main", "image": OLD, "command": ["before"], "essential": true,
            "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/g"}},
        }],
    }));
    let mut settings = active();
    settings["primaryContainer"]["image"] = json!(NEW);
    let content = definition(before.clone(), "Main", &settings);
    let main = &content["containerDefinitions"][0];
    assert_eq!((&main["image"], &main["environment"]), (&json!(NEW), &active()["primaryContainer"]["environment"]));
    assert_eq!(main["secrets"], active()["primaryContainer"]["secrets"]);
    assert_eq!(main.get("command"), None, "the configuration has none any more");
    assert_eq!(main["logConfiguration"], before["containerDefinitions"][0]["logConfiguration"]);
    assert_eq!((&content["cpu"], &content["networkMode"]), (&json!("256"), &json!("awsvpc")));
    assert_eq!(content["executionRoleArn"], active()["executionRoleArn"]);
}
