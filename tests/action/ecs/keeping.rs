//! Nothing of a task definition is lost.

use super::*;
use shipline::config::spec::ForceNewDeployment;

fn full() -> Value {
    json!({
        "family": "api",
        "somethingNew": {"z": [1, 2.5, {"deep": "kept"}], "a": "order stays"},
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256", "memory": "512",
        "containerDefinitions": [
            {"name": "proxy", "image": "registry.example.com/proxy:1", "essential": true,
             "dockerLabels": {"rule": "Host(`a`) && Query(`x=1=2`)", "empty": ""}},
            {"name": "app", "image": image("one").by_digest(), "essential": true, "laterField": {"on": true, "n": 0},
             "environment": [{"name": "EMPTY", "value": ""}, {"name": "PAIR", "value": "a=b=c"}],
             "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/g", "x": "k=v=w"}}},
            {"name": "agent", "image": "registry.example.com/agent:1", "essential": false},
            {"name": "logs", "image": "registry.example.com/logs:1", "essential": false, "firelensConfiguration": {"type": "fluentbit"}},
        ],
        "runtimePlatform": {"cpuArchitecture": "ARM64"},
        "tags": [{"key": "team", "value": "platform"}],
    })
}

#[tokio::test]
async fn four_containers_unknown_fields_and_odd_values_stay_to_the_byte_but_for_the_image() {
    let mut lab = Lab::of(&full(), |service| service).await;
    lab.spec.container = Some("app".to_owned());
    let run = lab.deploy("two").await;
    assert_eq!(run.word(), "succeeded", "{run:#?}");
    let sent = lab.world.calls_of("ecs", "RegisterTaskDefinition").pop().unwrap().body;
    let mut expected = full().to_string().replace(&image("one").by_digest(), &image("two").by_digest());
    // ECS itself stores these two, empty, in what it gives back.
    let tags = expected.rfind(",\"tags\":").unwrap();
    expected.insert_str(tags, ",\"volumes\":[],\"placementConstraints\":[]");
    assert_eq!(sent.to_string(), expected);
    assert_eq!(lab.live()["tags"], full()["tags"]);
}

#[tokio::test]
async fn what_is_asked_for_changes_and_is_shown_without_values() {
    let mut lab = Lab::of(&full(), |service| service).await;
    lab.spec.container = Some("app".to_owned());
    lab.spec.changes.environment.insert("PAIR".to_owned(), "canary=1=2".to_owned());
    lab.spec.changes.environment.insert("ADDED".to_owned(), String::new());
    lab.spec.changes.labels.insert("rule".to_owned(), "x=y=z".to_owned());
    let plan = lab.prepare("two").await.unwrap();
    let Change::Move { fields, .. } = &plan.change else { panic!("{plan:#?}") };
    let paths: Vec<_> = fields.iter().map(|field| field.path.as_str()).collect();
    assert!(paths.contains(&"containers.app.environment.PAIR"), "{paths:?}");
    assert!(!format!("{fields:?}").contains("canary"), "{fields:?}");
    assert_eq!(lab.drive(plan).await.word(), "succeeded");
    let app = lab.live()["taskDefinition"]["containerDefinitions"][1].clone();
    assert_eq!(
        app["environment"].to_string(),
        r#"[{"name":"EMPTY","value":""},{"name":"PAIR","value":"canary=1=2"},{"name":"ADDED","value":""}]"#
    );
    assert_eq!(app["dockerLabels"]["rule"], "x=y=z");
    assert!(!moves(&lab.prepare("two").await.unwrap()), "a second time changes nothing");
}

#[tokio::test]
async fn a_file_is_the_base_and_the_same_file_again_changes_nothing() {
    let mut lab = Lab::new().await;
    let folder = tempfile::tempdir().unwrap();
    let mut file = definition(&image("any"));
    file["memory"] = json!("1024");
    std::fs::write(folder.path().join("td.json"), json!({"taskDefinition": file}).to_string()).unwrap();
    lab.spec.task_definition = Some("td.json".into());
    let wish = Wish::Image { image: image("two"), commit: None };
    let plan = lab.target_with(Strategy::Rolling, folder.path()).prepare(&wish).await.unwrap().service;
    assert_eq!(lab.drive(plan).await.word(), "succeeded");
    lab.assert_serves("two");
    assert_eq!(lab.live()["taskDefinition"]["memory"], "1024");
    let again = lab.target_with(Strategy::Rolling, folder.path()).prepare(&wish).await.unwrap().service;
    assert_eq!(again.change, Change::Nothing);
}

#[tokio::test]
async fn new_tasks_are_started_without_a_registration_when_only_that_is_asked() {
    let mut lab = Lab::new().await;
    lab.spec.force = ForceNewDeployment::Yes;
    let before = lab.service()["deployments"][0]["id"].clone();
    assert_eq!(lab.deploy("one").await.word(), "succeeded");
    assert_ne!(lab.service()["deployments"][0]["id"], before);
    assert_eq!(lab.world.count("ecs", "RegisterTaskDefinition"), 0);
}
