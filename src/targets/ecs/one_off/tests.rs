use serde_json::{Map, Value, json};

use super::end::{StopCode, judge};
use super::named::with_image;
use super::needs::{check, of_service};
use super::run::started_by;
use crate::rollout::CauseCode;
use crate::targets::ecs::tasks::{Container, Stopped};

fn map(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("not an object") };
    map
}

fn task(reason: &str, containers: &[(&str, Option<i32>)]) -> Stopped {
    let containers = containers.iter().map(|(name, exit)| Container {
        name: (*name).to_owned(),
        exit: *exit,
        ..Container::default()
    });
    Stopped { reason: reason.to_owned(), containers: containers.collect(), lived: Some(3.0), ..Stopped::default() }
}

#[test]
fn the_exit_code_of_the_commands_own_container_decides() {
    let exited = "Essential container in task exited";
    let judged = |containers, code| judge(&task(exited, containers), code, "app");
    assert_eq!(judged(&[("app", Some(0)), ("proxy", Some(143))], StopCode::Itself), None);
    assert_eq!(judged(&[("app", Some(0)), ("proxy", Some(1))], StopCode::Itself), None);
    let cause = judged(&[("app", Some(7)), ("proxy", Some(0))], StopCode::Itself).unwrap();
    assert_eq!((cause.code, cause.exit.unwrap().code), (CauseCode::CommandFailed, 7));
    let cause = judged(&[("app", Some(143)), ("proxy", Some(1))], StopCode::Itself).unwrap();
    assert_eq!(cause.code, CauseCode::ContainerExited);
    assert!(cause.summary.contains("`proxy` exited with code 1"), "{}", cause.summary);
    let cause = judged(&[("app", Some(137))], StopCode::Itself).unwrap();
    assert_eq!((cause.code, cause.exit.unwrap().code), (CauseCode::CommandFailed, 137));
    let cause = judged(&[("app", None)], StopCode::Itself).unwrap();
    assert!(cause.summary.contains("without an exit code"), "{}", cause.summary);
}

#[test]
fn a_command_that_was_interrupted_did_not_succeed_whatever_it_exited_with() {
    for code in [StopCode::Somebody, StopCode::Interrupted] {
        let cause = judge(&task("stopped", &[("app", Some(0))]), code, "app").unwrap();
        assert_eq!(cause.code, CauseCode::Stopped);
        assert_eq!(cause.provider_says.as_deref(), Some("stopped"));
    }
}

#[test]
fn a_task_takes_the_network_and_the_capacity_of_its_service() {
    let network = json!({"awsvpcConfiguration": {"subnets": ["subnet-a"], "later": true}});
    let service = map(json!({
        "launchType": "FARGATE", "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}],
        "networkConfiguration": network, "platformVersion": "1.4.0", "placementConstraints": [],
        "propagateTags": "SERVICE", "enableECSManagedTags": false,
        "tags": [{"key": "team", "value": "shop"}, {"key": "aws:x", "value": "y"}], "desiredCount": 2,
    }));
    let settings = of_service(&service, &map(json!({"networkMode": "awsvpc"}))).unwrap();
    let expected = json!({
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}], "platformVersion": "1.4.0",
        "networkConfiguration": network, "tags": [{"key": "team", "value": "shop"}],
    });
    assert_eq!(Value::Object(settings), expected);

    let service = map(json!({"launchType": "EC2", "networkConfiguration": network, "propagateTags": "NONE"}));
    let settings = of_service(&service, &map(json!({"networkMode": "bridge"}))).unwrap();
    assert_eq!(Value::Object(settings), json!({"launchType": "EC2"}));
    let problem = of_service(&map(json!({"launchType": "EC2"})), &map(json!({"networkMode": "awsvpc"}))).unwrap_err();
    assert_eq!(problem.code, "no-network");
}

#[test]
fn commands_have_the_length_that_ecs_takes() {
    let content = map(json!({"containerDefinitions": [{"name": "app"}]}));
    let around = super::needs::overrides("app", &[String::new()]).to_string().len();
    assert_eq!(check(&content, "app", &["x".repeat(8192 - around)]), Ok(()));
    assert_eq!(check(&content, "app", &["x".repeat(8193 - around)]).unwrap_err().code, "command-too-long");
}

#[test]
fn who_started_a_task_is_a_name_that_ecs_takes() {
    let by = started_by("0123456789abcdef0123456789abcdef");
    assert_eq!(by, "shipline-0123456789abcdef0123456789a");
    assert_eq!(by.len(), 36);
}

#[test]
fn a_named_place_runs_the_release_only_where_it_ran_an_image_of_it() {
    let image = format!("registry.example.com:5000/pmis/web:two@sha256:{}", "a".repeat(64)).parse().unwrap();
    let content =
        |image: &str| map(json!({"family": "web-tasks", "containerDefinitions": [{"name": "app", "image": image}]}));
    for own in ["registry.example.com:5000/pmis/web", "registry.example.com:5000/pmis/web:latest"] {
        let made = with_image(&content(own), "app", Some(&image)).unwrap();
        assert!(made["containerDefinitions"][0]["image"].as_str().unwrap().ends_with(&"a".repeat(64)), "{made:?}");
    }
    for other in ["registry.example.com:5000/pmis/migrations:latest", "flyway/flyway:10"] {
        assert_eq!(with_image(&content(other), "app", Some(&image)), None);
    }
    assert_eq!(with_image(&content("registry.example.com:5000/pmis/web"), "app", None), None);
}
