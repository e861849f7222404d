//! Deployments that fail: told early, with the cause, and taken back.

use std::time::{Duration, Instant};

use super::*;
use shipline::rollout::CauseCode;
use shipline_test_support::{Behaviour, Fault, FaultKind, HealthCheck, RollbackOutcome, Rule};

fn slow_to_give_up() -> Behaviour {
    Behaviour::Exits { code: 1, after_ms: None, every_ms: Some(400), lines: vec![], container: None }
}

#[tokio::test]
async fn a_crash_loop_is_told_with_exit_code_and_log_lines_and_taken_back_without_a_breaker() {
    let lab = Lab::new().await;
    let lines = ["Traceback (most recent call last):", "KeyError: 'DATABASE_URL'"];
    lab.world.rule(Rule::image(mark("bad"), Behaviour::exits(1, lines)));
    let began = Instant::now();
    let run = lab.deploy("bad").await;
    assert_eq!(run.word(), "rolled-back", "{run:#?}");
    let cause = run.cause();
    assert_eq!(cause.code, CauseCode::ContainerExited, "{cause:#?}");
    assert!(cause.summary.starts_with("container `app` exited with code 1, "), "{cause:#?}");
    assert!(cause.summary.contains("in a row"), "{cause:#?}");
    assert_eq!(cause.exit.as_ref().unwrap().code, 1);
    assert_eq!(cause.log.as_ref().unwrap().lines, lines, "{cause:#?}");
    assert_eq!(cause.revision.as_deref(), Some("api:2"));
    assert!(cause.task.is_some());
    assert!(cause.links.iter().any(|link| link.title == "Log"), "{cause:#?}");
    lab.assert_serves("one");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(lab.world.count("ecs", "StopServiceDeployment"), 1);
    assert_eq!(lab.world.count("ecs", "UpdateService"), 1, "the rollback is ECS's own");
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_told_at_first_sight() {
    let lab = Lab::with(|service| service.desired(1)).await;
    let message = "pull image manifest has been retried 1 time(s): manifest unknown";
    let behaviour = Behaviour::CannotPull { message: message.to_owned(), every_ms: Some(60_000) };
    lab.world.rule(Rule::image(mark("bad"), behaviour));
    let run = lab.deploy("bad").await;
    assert_eq!(run.word(), "rolled-back", "{run:#?}");
    let cause = run.cause();
    assert_eq!(cause.code, CauseCode::ImageNotPulled, "{cause:#?}");
    assert!(cause.provider_says.as_ref().unwrap().contains("manifest unknown"), "{cause:#?}");
    assert_eq!(cause.exit, None);
    lab.assert_serves("one");
}

#[tokio::test]
async fn resources_that_cannot_be_initialised_are_told_at_first_sight() {
    let lab = Lab::with(|service| service.desired(1)).await;
    let message = "unable to pull secrets or registry auth: AccessDeniedException".to_owned();
    lab.world.rule(Rule::image(mark("bad"), Behaviour::ResourceInitialization { message, every_ms: Some(60_000) }));
    let run = lab.deploy("bad").await;
    assert_eq!(run.word(), "rolled-back", "{run:#?}");
    assert_eq!(run.cause().code, CauseCode::ResourcesNotReady, "{run:#?}");
    assert!(run.cause().provider_says.as_ref().unwrap().contains("AccessDeniedException"));
    lab.assert_serves("one");
}

#[tokio::test]
async fn a_task_that_the_load_balancer_finds_unhealthy_is_told_with_the_code_it_answered() {
    let lab = Lab::with(|service| service.desired(1).target_group(GROUP, "app", 8080)).await;
    lab.world.rule(Rule::image(mark("bad"), Behaviour::unhealthy(503)));
    let run = lab.deploy("bad").await;
    assert_eq!(run.word(), "rolled-back", "{run:#?}");
    let cause = run.cause();
    assert_eq!(cause.code, CauseCode::TargetUnhealthy, "{cause:#?}");
    assert!(format!("{cause:?}").contains("503"), "{cause:#?}");
    lab.assert_serves("one");
}

#[tokio::test]
async fn a_container_that_fails_its_own_health_check_is_told() {
    let lab = Lab::with(|service| service.desired(1)).await;
    let check = HealthCheck::Container;
    let behaviour = Behaviour::Unhealthy { check, status: 0, after_ms: None, every_ms: None, lines: vec![] };
    lab.world.rule(Rule::image(mark("bad"), behaviour));
    let run = lab.deploy("bad").await;
    assert_eq!(run.word(), "rolled-back", "{run:#?}");
    assert_eq!(run.cause().code, CauseCode::ContainerUnhealthy, "{run:#?}");
    lab.assert_serves("one");
}

#[tokio::test]
async fn a_container_killed_for_its_memory_is_told() {
    let lab = Lab::new().await;
    lab.world.rule(Rule::image(mark("bad"), Behaviour::out_of_memory()));
    let run = lab.deploy("bad").await;
    assert_eq!(run.word(), "rolled-back", "{run:#?}");
    assert_eq!(run.cause().code, CauseCode::OutOfMemory, "{run:#?}");
    assert_eq!(run.cause().exit.as_ref().unwrap().code, 137);
}

#[tokio::test]
async fn a_service_that_never_gets_healthy_ends_in_its_time_and_says_what_was_seen() {
    let mut lab = Lab::new().await;
    lab.within = Span::seconds(2);
    let message = "no container instance met all of its requirements".to_owned();
    lab.world.rule(Rule::image(mark("bad"), Behaviour::Unplaceable { message, every_ms: Some(700) }));
    let run = lab.deploy("bad").await;
    assert_eq!(run.word(), "rolled-back", "{run:#?}");
    let cause = run.cause();
    assert_eq!(cause.code, CauseCode::NotPlaced, "{cause:#?}");
    assert!(cause.summary.contains("no container instance met"), "{cause:#?}");
    assert!(lab.ears.heard("unable to place a task"));
    lab.assert_serves("one");
}

#[tokio::test]
async fn a_breaker_with_its_own_rollback_is_a_failure_with_cause_and_the_old_revision_serves() {
    let lab = Lab::with(|service| service.desired(3).circuit_breaker("rollback")).await;
    let lines = ["boom"];
    lab.world.rule(Rule::image(mark("bad"), Behaviour::exits(139, lines)));
    let run = lab.deploy("bad").await;
    assert_eq!(run.word(), "rolled-back", "{run:#?}");
    assert_eq!(run.cause().exit.as_ref().unwrap().code, 139, "{run:#?}");
    assert_eq!(run.cause().log.as_ref().unwrap().lines, lines);
    lab.assert_serves("one");
}

#[tokio::test]
async fn a_breaker_without_rollback_is_taken_back_by_us() {
    let lab = Lab::with(|service| service.desired(3).circuit_breaker("no-rollback")).await;
    lab.world.rule(Rule::image(mark("bad"), Behaviour::exits(1, ["boom"])));
    let run = lab.deploy("bad").await;
    assert_eq!(run.word(), "rolled-back", "{run:#?}");
    assert_eq!(run.cause().code, CauseCode::ContainerExited, "{run:#?}");
    lab.assert_serves("one");
}

#[tokio::test]
async fn an_alarm_that_takes_the_deployment_back_is_named() {
    let alarms = json!({"alarmNames": ["api-5xx"], "enable": true, "rollback": true});
    let lab = Lab::with(|service| service.with("deploymentConfiguration", json!({"alarms": alarms}))).await;
    lab.world.rule(Rule::image(mark("bad"), Behaviour::Alarm { after_ms: None, name: "api-5xx".to_owned() }));
    let run = lab.deploy("bad").await;
    assert_eq!(run.word(), "rolled-back", "{run:#?}");
    assert_eq!(run.cause().code, CauseCode::AlarmFired, "{run:#?}");
    assert!(run.cause().summary.contains("api-5xx"));
    lab.assert_serves("one");
}

#[tokio::test]
async fn a_missing_variable_is_named_with_where_the_old_revision_had_it_from() {
    let mut old = definition(&image("one"));
    let secret = "arn:aws:secretsmanager:us-east-1:111122223333:secret:db";
    old["containerDefinitions"][0]["secrets"] = json!([{"name": "DATABASE_URL", "valueFrom": secret}]);
    let mut lab = Lab::of(&old, |service| service).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("td.json"), definition(&image("any")).to_string()).unwrap();
    lab.spec.task_definition = Some("td.json".into());
    lab.world.rule(Rule::image(mark("bad"), Behaviour::exits(1, ["KeyError: 'DATABASE_URL'"])));
    let target = lab.target_with(Strategy::Rolling, folder.path());
    let wish = Wish::Image { image: image("bad"), commit: None };
    let plan = target.prepare(&wish).await.unwrap().service;
    let run = lab.drive(plan).await;
    assert_eq!(run.word(), "rolled-back", "{run:#?}");
    let fact = format!("Task definition api:2 has no DATABASE_URL; api:1 had it from {secret}.");
    assert!(run.cause().facts.contains(&fact), "{run:#?}");
}

#[tokio::test]
async fn a_rollback_that_fails_needs_attention() {
    let lab = Lab::new().await;
    let rule = Rule::image(mark("bad"), Behaviour::exits(1, ["boom"])).rollback(RollbackOutcome::Fails);
    lab.world.rule(rule);
    let run = lab.deploy("bad").await;
    assert_eq!(run.word(), "needs-attention", "{run:#?}");
    assert!(matches!(run.state(), ServiceState::Stuck { .. }));
}

#[tokio::test]
async fn what_cannot_be_read_becomes_a_fact_of_the_cause() {
    let lab = Lab::new().await;
    lab.world.rule(Rule::image(mark("bad"), Behaviour::exits(1, ["boom"])));
    lab.world.fault(Fault::on_service("logs", FaultKind::Deny));
    let run = lab.deploy("bad").await;
    assert_eq!(run.word(), "rolled-back", "{run:#?}");
    assert_eq!(run.cause().log, None);
    assert!(run.cause().facts.iter().any(|fact| fact.contains("logs:GetLogEvents")), "{run:#?}");
}

#[tokio::test]
async fn failing_once_is_not_the_end() {
    let lab = Lab::with(|service| service.desired(1)).await;
    lab.world.rule(Rule::image(mark("bad"), slow_to_give_up()));
    let plan = lab.prepare("bad").await.unwrap();
    let target = lab.target();
    let shift = target.apply(&plan).await.unwrap();
    let mut moving_after_a_failure = false;
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let failed = lab.service()["deployments"][0]["failedTasks"].as_u64().unwrap();
        let sight = target.observe(&plan, &shift).await.unwrap();
        match (failed, sight) {
            (1, shipline::engine::Sight::Moving(_)) => moving_after_a_failure = true,
            (_, shipline::engine::Sight::Broke(_)) => break,
            _ => {}
        }
    }
    assert!(moving_after_a_failure);
}
