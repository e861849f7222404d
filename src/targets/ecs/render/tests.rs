use std::collections::BTreeMap;

use super::*;
use crate::targets::ecs::same::{differences, same};
use crate::types::ImageDigest;

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is not an object"),
    }
}

fn image(word: &str) -> PinnedImage {
    format!("registry.example.com/api@{}", ImageDigest::of(word.as_bytes())).parse().unwrap()
}

fn four_containers() -> Map<String, Value> {
    map(json!({
        "family": "api",
        "zLater": {"b": [1, 2.50, {"deep": null}], "a": "kept"},
        "containerDefinitions": [
            {"name": "proxy", "image": "registry.example.com/proxy:1", "essential": true},
            {"name": "app", "image": "registry.example.com/api:1", "unknown": {"x": true},
             "environment": [{"name": "B", "value": ""}, {"name": "A", "value": "a=b=c"}],
             "secrets": [{"name": "DATABASE_URL", "valueFrom": "arn:aws:secretsmanager:us-east-1:111122223333:secret:db"}],
             "dockerLabels": {"rule": "Host(`a`) && Path(`/x=1=2`)"},
             "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/g", "x": "k=v=w"}}},
            {"name": "agent", "image": "registry.example.com/agent:1", "essential": false},
            {"name": "logs", "image": "registry.example.com/logs:1"},
        ],
    }))
}

#[test]
fn only_the_image_changes_when_nothing_else_is_asked() {
    let before = four_containers();
    let after = render(before.clone(), "app", &image("two"), &ContainerChanges::default());
    let expected =
        Value::Object(before.clone()).to_string().replace("registry.example.com/api:1", &image("two").by_digest());
    assert_eq!(Value::Object(after.clone()).to_string(), expected);
    let changes = differences(&before, &after);
    assert_eq!(changes.len(), 1, "{changes:#?}");
    assert_eq!(changes[0].path, "containers.app.image");
}

#[test]
fn an_image_that_is_already_there_by_digest_is_left_as_it_is_written() {
    let mut before = four_containers();
    let written = image("two").by_digest().replace("/api@", "/api:v2@");
    before["containerDefinitions"][1]["image"] = json!(written);
    let after = render(before.clone(), "app", &image("two"), &ContainerChanges::default());
    assert_eq!(after, before);
}

#[test]
fn values_are_set_where_they_stand_and_new_ones_come_last() {
    let changes = ContainerChanges {
        environment: BTreeMap::from([("A".into(), String::new()), ("C".into(), "1=2=3".into())]),
        labels: BTreeMap::from([("rule".into(), "a=b=c".into()), ("new".into(), String::new())]),
        log_options: BTreeMap::from([("x".into(), "y=z=".into())]),
        ..ContainerChanges::default()
    };
    let after = render(four_containers(), "app", &image("two"), &changes);
    let app = container(&after, "app").unwrap();
    assert_eq!(
        app["environment"].to_string(),
        r#"[{"name":"B","value":""},{"name":"A","value":""},{"name":"C","value":"1=2=3"}]"#
    );
    assert_eq!(app["dockerLabels"].to_string(), r#"{"rule":"a=b=c","new":""}"#);
    assert_eq!(app["logConfiguration"]["options"].to_string(), r#"{"awslogs-group":"/g","x":"y=z="}"#);
    assert_eq!(app["unknown"], json!({"x": true}));
}

#[test]
fn a_name_is_an_environment_variable_or_a_secret_never_both() {
    let to_secret = ContainerChanges {
        secrets: BTreeMap::from([("A".into(), "arn:aws:ssm:us-east-1:111122223333:parameter/a".into())]),
        ..ContainerChanges::default()
    };
    let after = render(four_containers(), "app", &image("two"), &to_secret);
    let app = container(&after, "app").unwrap();
    assert_eq!(app["environment"].to_string(), r#"[{"name":"B","value":""}]"#);
    assert_eq!(app["secrets"][1]["name"], "A");
    let back = ContainerChanges {
        environment: BTreeMap::from([("DATABASE_URL".into(), "postgres://local".into())]),
        ..ContainerChanges::default()
    };
    let after = render(four_containers(), "app", &image("two"), &back);
    let app = container(&after, "app").unwrap();
    assert_eq!(app["secrets"], json!([]));
    assert_eq!(app["environment"][2], json!({"name": "DATABASE_URL", "value": "postgres://local"}));
}

#[test]
fn the_options_of_another_log_driver_go_with_it() {
    let changes = ContainerChanges {
        log_driver: Some("awsfirelens".into()),
        log_options: BTreeMap::from([("Name".into(), "cloudwatch".into())]),
        ..ContainerChanges::default()
    };
    let after = render(four_containers(), "app", &image("two"), &changes);
    let log = container(&after, "app").unwrap()["logConfiguration"].to_string();
    assert_eq!(log, r#"{"logDriver":"awsfirelens","options":{"Name":"cloudwatch"}}"#);
}

#[test]
fn a_container_is_the_named_one_or_the_only_one_else_the_refusal_lists_them() {
    let four = four_containers();
    assert_eq!(choose(&four, Some("agent"), "api:1").unwrap(), "agent");
    let one = map(json!({"containerDefinitions": [{"name": "only"}]}));
    assert_eq!(choose(&one, None, "api:1").unwrap(), "only");
    for wanted in [None, Some("ap")] {
        let problem = choose(&four, wanted, "task definition api:1").unwrap_err();
        assert_eq!(problem.exit_code(), 2);
        assert!(problem.next.contains("`proxy`, `app`, `agent`, `logs`"), "{problem}");
    }
}

#[test]
fn only_what_ecs_adds_is_dropped_and_tags_of_aws_are_not_sent_back() {
    let raw = map(json!({
        "taskDefinitionArn": "arn", "family": "api", "revision": 4, "status": "ACTIVE", "requiresAttributes": [],
        "compatibilities": [], "registeredAt": 1.5, "registeredBy": "me", "deregisteredAt": 2.5, "cpu": "256",
    }));
    let tags = vec![json!({"key": "aws:cloudformation:stack", "value": "x"}), json!({"key": "team", "value": "y"})];
    let content = content(&Definition { arn: "arn".into(), raw: raw.clone(), tags });
    assert_eq!(
        Value::Object(content).to_string(),
        r#"{"family":"api","cpu":"256","tags":[{"key":"team","value":"y"}]}"#
    );
    let only_aws = vec![json!({"key": "aws:x", "value": "x"})];
    assert!(!super::content(&Definition { arn: "arn".into(), raw, tags: only_aws }).contains_key("tags"));
}

#[test]
fn what_ecs_writes_in_by_itself_is_no_difference_and_anything_else_is() {
    let asked = map(json!({"family": "api", "containerDefinitions": [
        {"name": "app", "image": "i", "portMappings": [{"containerPort": 80}], "environment": [{"name": "B", "value": ""}, {"name": "A", "value": "1"}]},
    ]}));
    let stored = map(
        json!({"family": "api", "volumes": [], "placementConstraints": [], "revision": 7, "containerDefinitions": [
            {"name": "app", "image": "i", "cpu": 0, "essential": true, "mountPoints": [], "volumesFrom": [], "systemControls": [],
             "portMappings": [{"containerPort": 80, "hostPort": 80, "protocol": "tcp"}],
             "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": ""}]},
        ]}),
    );
    assert!(same(&asked, &stored));
    for (pointer, value) in [
        ("/containerDefinitions/0/environment/0/value", json!("2")),
        ("/containerDefinitions/0/cpu", json!(1)),
        ("/containerDefinitions/0/essential", json!(false)),
        ("/containerDefinitions/0/portMappings/0/hostPort", json!(81)),
        ("/containerDefinitions/0/later", json!(false)),
        ("/cpu", json!("256")),
    ] {
        let mut other = Value::Object(stored.clone());
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        other.pointer_mut(parent).unwrap()[field] = value;
        assert!(!same(&asked, other.as_object().unwrap()), "{pointer}");
    }
}
