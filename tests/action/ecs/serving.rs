//! Deployments that go well.

use std::time::Instant;

use super::*;
use shipline_test_support::{Behaviour, Rule};

#[tokio::test]
async fn a_new_image_serves_and_only_the_image_changed() {
    let lab = Lab::new().await;
    let run = lab.deploy("two").await;
    assert_eq!(run.word(), "succeeded", "{run:#?}");
    lab.assert_serves("two");
    let mut expected = definition(&image("two"));
    let live = lab.live();
    for (field, value) in expected.as_object_mut().unwrap() {
        assert_eq!(live["taskDefinition"][field], *value, "{field}");
    }
}

#[tokio::test]
async fn the_same_image_again_changes_nothing_and_costs_two_calls() {
    let lab = Lab::new().await;
    lab.deploy("two").await;
    lab.world.forget_calls();
    let plan = lab.prepare("two").await.unwrap();
    assert_eq!(plan.change, Change::Nothing);
    assert_eq!(lab.world.calls().len(), 2, "{:#?}", lab.world.calls());
}

#[tokio::test]
async fn success_is_told_within_three_seconds_of_ecs_being_done() {
    let lab = Lab::new().await;
    lab.world.rule(Rule::any(Behaviour::slow(4000, 500)));
    let run = lab.deploy("two").await;
    let told = Instant::now();
    assert_eq!(run.word(), "succeeded");
    let service = lab.service();
    let done = service["deployments"][0]["updatedAt"].as_f64().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    let late = now - told.elapsed().as_secs_f64() - done;
    assert!(late < 3.0, "told {late} s after ECS was done");
}

#[tokio::test]
async fn a_service_without_tasks_is_deployed_without_tasks() {
    let lab = Lab::with(|service| service.desired(0)).await;
    let run = lab.deploy("two").await;
    assert_eq!(run.word(), "succeeded", "{run:#?}");
    lab.assert_serves("two");
}
