//! The action from its inputs to its exit code: one ECS service, no configuration file.

use serde_json::{Value, json};
use shipline_test_support::{Behaviour, Fault, FaultKind, HealthCheck, RollbackOutcome, Timing};

use super::stage::{Stage, commands, definition};

#[tokio::test]
async fn an_image_by_digest_serves_and_the_outputs_say_what() {
    let stage = Stage::new().await;
    let one = stage.live("api")["taskDefinition"].as_str().unwrap().to_owned();
    let two = stage.image_of("api", "two");
    let ran = stage.action(&two).end().must(0);
    stage.assert_serves("api", &two);
    assert!(stage.late_ms("api", &ran) <= 3000, "{} ms late", stage.late_ms("api", &ran));

    let live = stage.live("api")["taskDefinition"].as_str().unwrap().to_owned();
    let digest = two.split_once('@').unwrap().1;
    assert_eq!(ran.out("result"), "succeeded");
    assert_eq!(ran.out("image"), two);
    assert_eq!(ran.out("digest"), digest);
    assert_eq!(ran.out("task-definition-arn"), live);
    assert_eq!(ran.out("revision"), live);
    assert_eq!(ran.out("previous-revision"), one);
    // Without a file the command line would not know the service: the provider's own does.
    assert_eq!(
        ran.out("rollback-command"),
        format!("aws ecs update-service --cluster pmis --service api --task-definition {one}")
    );
    assert!(stage.deployment("api")["serviceDeploymentArn"] == ran.out("deployment-id").as_str(), "{}", ran.output);
    let report = ran.report();
    assert_eq!(report["schema_version"], 1);
    assert_eq!(report["services"][0]["state"], "serving");
    assert!(
        commands(&ran.stdout).iter().all(|command| ["group", "endgroup", "add-mask"].contains(&&**command)),
        "{}",
        ran.stdout
    );
    insta::assert_snapshot!(ran.ending(), @r#"
    default: serves after N s
      ✓ api (pmis/api): api:1 -> api:2, serving, image given
          containers.app.image: 111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:… -> 111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:…
      back: aws ecs update-service --cluster pmis --service api --task-definition arn:aws:ecs:us-east-1:111122223333:task-definition/api:1
    "#);
}

#[tokio::test]
async fn the_same_image_again_is_a_no_op_within_a_second() {
    let stage = Stage::new().await;
    let two = stage.image_of("api", "two");
    stage.action(&two).end().must(0);
    stage.world.forget_calls();
    let again = stage.action(&two).end().must(0);
    assert_eq!(again.out("result"), "unchanged");
    assert_eq!(stage.changes(), Vec::<String>::new());
    assert!(again.took.as_millis() <= 1000, "{:?}", again.took);
    again.says("already serves, nothing to do").summarises("already serves, nothing to do");
}

#[tokio::test]
async fn an_image_by_tag_is_bound_to_its_digest_before_anything_changes() {
    let stage = Stage::new().await;
    let two = stage.image_of("api", "v2");
    let ran = stage.action(&two.replace(two.split_once('@').unwrap().1, "").replace('@', ":v2")).end().must(0);
    stage.assert_serves("api", &two);
    assert_eq!(ran.out("tags"), "v2");
    let calls: Vec<String> = stage.world.calls().into_iter().map(|call| call.operation).collect();
    let resolved = calls.iter().position(|name| name == "BatchGetImage").unwrap();
    assert!(resolved < calls.iter().position(|name| name == "RegisterTaskDefinition").unwrap(), "{calls:?}");
}

#[tokio::test]
async fn a_missing_tag_is_a_mistake_and_changes_nothing() {
    let stage = Stage::new().await;
    stage.image_of("api", "v2");
    let ran = stage.action("111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api:v9").end().must(2);
    ran.says("There is no image").says("api:v9");
    assert_eq!(stage.changes(), Vec::<String>::new());
    assert_eq!(ran.out("result"), "refused");
}

#[tokio::test]
async fn a_crash_loop_is_told_with_exit_code_and_log_lines_and_taken_back() {
    for breaker in ["none", "rollback", "no-rollback"] {
        let stage = Stage::with(|service| match breaker {
            "none" => service.desired(2),
            other => service.desired(2).circuit_breaker(other),
        })
        .await;
        let one = stage.live_image("api");
        let two = stage.image_of("api", "two");
        stage.goes(&two, Behaviour::exits(1, ["starting", "KeyError: 'DATABASE_URL'"]));
        let ran = stage.action(&two).end().must(1);
        stage.assert_serves("api", &one);
        assert!(stage.late_ms("api", &ran) <= 3000, "{breaker}: {} ms late", stage.late_ms("api", &ran));
        for shown in [ran.stdout.as_str(), ran.summary.as_str()] {
            assert!(shown.contains("KeyError: 'DATABASE_URL'"), "{breaker}: {shown}");
            assert!(shown.contains("xit code 1"), "{breaker}: {shown}");
        }
        assert_eq!(ran.out("result"), "rolled-back");
        assert_eq!(ran.out("revision"), ran.out("previous-revision"));
        assert_eq!(ran.report()["services"][0]["cause"]["exit"]["code"], 1);
        assert!(commands(&ran.stdout).contains(&"error".to_owned()), "{}", ran.stdout);
        if breaker == "none" {
            insta::assert_snapshot!(ran.ending(), @r#"
            default: failed and was rolled back after N s
              ✗ api (pmis/api): api:1 -> api:2, restored, image given
                  containers.app.image: 111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:… -> 111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api@sha256:…

            api: container `app` exited with code 1, twice in a row (task `…`, N s after start)
              provider: Essential container in task exited
              exit code 1: the program reported an error
              task: …
              log /pmis/api api/app/…:
                | starting
                | KeyError: 'DATABASE_URL'
              next: Read the log lines, mend the program or its configuration, then deploy again.
              Stopped task: https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/pmis/tasks/…?region=us-east-1
              Log: https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logsV2:log-groups/log-group/$252Fpmis$252Fapi/log-events/api$252Fapp$252F…
              Service: https://us-east-1.console.aws.amazon.com/ecs/v2/clusters/pmis/services/api?region=us-east-1

            ::error title=Shipline::default rolled-back: api: container `app` exited with code 1, twice in a row (task `…`, N s after start) Read the log lines, mend the program or its configuration, then deploy again.
            "#);
        }
    }
}

#[tokio::test]
async fn what_keeps_tasks_from_starting_is_told_and_taken_back() {
    let pull = "pull image manifest has been retried 1 time(s): no such host";
    let secret = "unable to pull secrets or registry auth: execution resource retrieval failed";
    let stories = [
        (Behaviour::cannot_pull(pull), "CannotPullContainerError", pull),
        (Behaviour::resource_initialization(secret), "ResourceInitializationError", secret),
        (Behaviour::out_of_memory(), "137", "memory"),
    ];
    for (behaviour, word, text) in stories {
        let stage = Stage::new().await;
        let (one, two) = (stage.live_image("api"), stage.image_of("api", "two"));
        stage.goes(&two, behaviour);
        let ran = stage.action(&two).end().must(1);
        stage.assert_serves("api", &one);
        ran.says(word).says(text).summarises(word);
        assert_eq!(ran.out("result"), "rolled-back");
    }
}

#[tokio::test]
async fn tasks_that_never_get_healthy_are_told_with_what_the_check_got() {
    let stage = Stage::with(|service| {
        service.desired(2).target_group(super::stage::TARGET_GROUP, "app", 8080).circuit_breaker("rollback")
    })
    .await;
    let (one, two) = (stage.live_image("api"), stage.image_of("api", "two"));
    stage.goes(&two, Behaviour::unhealthy(503));
    let ran = stage.action(&two).end().must(1);
    stage.assert_serves("api", &one);
    ran.says("503").summarises("503").summarises("health");

    let stage = Stage::new().await;
    let (one, two) = (stage.live_image("api"), stage.image_of("api", "two"));
    let check = HealthCheck::Container;
    stage.goes(&two, Behaviour::Unhealthy { check, status: 0, after_ms: None, every_ms: None, lines: vec![] });
    let ran = stage.action(&two).end().must(1);
    stage.assert_serves("api", &one);
    ran.says("health").summarises("health");
}

#[tokio::test]
async fn a_slow_deployment_is_good_and_success_is_told_at_once() {
    let stage = Stage::with(|service| service.desired(3).circuit_breaker("rollback")).await;
    let two = stage.image_of("api", "two");
    stage.goes(&two, Behaviour::slow(6000, 2000));
    let ran = stage.action(&two).end().must(0);
    stage.assert_serves("api", &two);
    assert!(ran.took.as_millis() >= 6000, "{:?}", ran.took);
    assert!(stage.late_ms("api", &ran) <= 3000, "{} ms late", stage.late_ms("api", &ran));
}

#[tokio::test]
async fn from_failed_to_the_exit_with_its_cause_it_takes_five_seconds_at_most() {
    // An alarm fails the deployment with nothing to see at the tasks: the provider's word decides.
    let stage = Stage::with(|service| {
        service.desired(2).with(
            "deploymentConfiguration",
            json!({"maximumPercent": 200, "minimumHealthyPercent": 100,
                "alarms": {"enable": true, "rollback": true, "alarmNames": ["api-5xx"]}}),
        )
    })
    .await;
    stage.world.timing(Timing { rollback_ms: 500, ..Timing::default() });
    let (one, two) = (stage.live_image("api"), stage.image_of("api", "two"));
    stage.goes(&two, Behaviour::Alarm { after_ms: Some(3000), name: "api-5xx".to_owned() });
    let ran = stage.action(&two).end().must(1);
    stage.assert_serves("api", &one);
    ran.says("api-5xx");
    let deployment = stage.deployment("api");
    let failed = deployment["rollback"]["startedAt"].as_f64().unwrap_or_else(|| panic!("{deployment:#}"));
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century")]
    let late = ran.ended_ms as f64 / 1000.0 - failed;
    assert!(late <= 5.0, "{late} s after FAILED");
    assert!(stage.late_ms("api", &ran) <= 3000, "{} ms late", stage.late_ms("api", &ran));
}

#[tokio::test]
async fn a_service_without_tasks_is_deployed_and_stays_without() {
    let stage = Stage::with(|service| service.desired(0)).await;
    let two = stage.image_of("api", "two");
    stage.action(&two).end().must(0);
    stage.assert_serves("api", &two);
    assert_eq!(stage.live("api")["desiredCount"], 0);
}

#[tokio::test]
async fn somebody_elses_deployment_is_named_and_left_alone() {
    let stage = Stage::new().await;
    let two = stage.image_of("api", "two");
    stage.goes(&two, Behaviour::Superseded { after_ms: Some(30), task_definition: None });
    let ran = stage.action(&two).end().must(1);
    assert_eq!(ran.out("result"), "superseded");
    let theirs = stage.live("api")["taskDefinition"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    ran.says(&theirs).says("somebody else").summarises("somebody else");
    assert_eq!(stage.world.count("ecs", "UpdateService"), 1);
    assert_eq!(stage.world.count("ecs", "StopServiceDeployment"), 0);
}

#[tokio::test]
async fn throttled_calls_are_repeated_until_the_deployment_is_through() {
    let stage = Stage::new().await;
    let two = stage.image_of("api", "two");
    // Ten of the first twenty calls, in the plan and while it is followed.
    stage.world.fault(Fault::on_service("ecs", FaultKind::Throttle).rate(0.5).times(20));
    stage.goes(&two, Behaviour::slow(3000, 50));
    stage.action(&two).end().must(0);
    stage.assert_serves("api", &two);
}

#[tokio::test]
async fn without_the_service_deployments_the_truth_is_in_the_service_itself() {
    for kind in [FaultKind::Deny, FaultKind::Unknown, FaultKind::EmptyList] {
        let stage = Stage::with(|service| service.desired(2).circuit_breaker("rollback")).await;
        let (two, three) = (stage.image_of("api", "two"), stage.image_of("api", "three"));
        stage.world.fault(Fault::on("ecs", "ListServiceDeployments", kind.clone()));
        let ran = stage.action(&two).end().must(0);
        stage.assert_serves("api", &two);
        if kind == FaultKind::Deny {
            ran.says("::notice").says("ecs:ListServiceDeployments");
        }
        stage.goes(&three, Behaviour::exits(3, ["no"]));
        stage.action(&three).end().must(1).says("xit code 3");
        stage.assert_serves("api", &two);
    }
}

#[tokio::test]
async fn a_refused_call_changes_nothing_and_names_the_permission_to_add() {
    for (operation, changed) in [("RegisterTaskDefinition", 1), ("UpdateService", 2)] {
        let stage = Stage::new().await;
        let (one, two) = (stage.live_image("api"), stage.image_of("api", "two"));
        stage.world.fault(Fault::on("ecs", operation, FaultKind::Deny));
        let ran = stage.action(&two).end().must(4);
        ran.says(&format!("ecs:{operation}")).summarises(&format!("ecs:{operation}"));
        assert_eq!(ran.out("result"), "nothing-changed");
        stage.assert_serves("api", &one);
        assert_eq!(stage.changes().len(), changed, "{:?}", stage.changes());
    }
}

#[tokio::test]
async fn where_a_deployment_cannot_be_stopped_the_service_is_set_back() {
    for kind in [FaultKind::Deny, FaultKind::Unknown] {
        let stage = Stage::new().await;
        let (one, two) = (stage.live_image("api"), stage.image_of("api", "two"));
        stage.goes(&two, Behaviour::exits(1, ["no"]));
        stage.world.fault(Fault::on("ecs", "StopServiceDeployment", kind));
        let ran = stage.action(&two).end().must(1);
        assert_eq!(ran.out("result"), "rolled-back");
        stage.assert_serves("api", &one);
        assert_eq!(stage.world.count("ecs", "UpdateService"), 2);
    }
}

#[tokio::test]
async fn a_rollback_that_fails_needs_attention() {
    let stage = Stage::with(|service| service.desired(2).circuit_breaker("rollback")).await;
    let two = stage.image_of("api", "two");
    stage.goes_back(&two, Behaviour::exits(1, ["no"]), RollbackOutcome::Fails);
    stage.world.fault(Fault::on("ecs", "UpdateService", FaultKind::Deny).after(1));
    let ran = stage.action(&two).end().must(5);
    assert_eq!(ran.out("result"), "needs-attention");
    ran.says("NEEDS ATTENTION").says("could not go back").summarises("**needs attention**");
}

#[tokio::test]
async fn only_the_image_of_a_task_definition_with_oddities_changes() {
    let stage = Stage::empty().await;
    let image = stage.image_of("api", "one");
    let mut old = definition("api", &image);
    let mut app = old["containerDefinitions"][0].take();
    app["dockerLabels"] = json!({"traefik.http.routers.api.rule": "Host(`a=b`) && Query(`c=d`)"});
    app["environment"] = json!([{"name": "EMPTY", "value": ""}, {"name": "A", "value": "x=y=z"}]);
    app["logConfiguration"]["options"]["awslogs-datetime-format"] = json!("%Y=%m=%d");
    app["restartPolicyOfTomorrow"] = json!({"enabled": true, "ignoredExitCodes": []});
    app["command"] = json!([]);
    let side = |name: &str| json!({"name": name, "image": "public.ecr.aws/x/y:1", "essential": false, "environment": [{"name": "E", "value": ""}]});
    old["containerDefinitions"] = json!([app, side("proxy"), side("agent"), side("log-router")]);
    old["fieldOfTomorrow"] = json!({"deep": [1, {"deeper": ""}], "ratio": 0.10, "big": 12_345_678_901_234_567_890_u64});
    let arn = stage.world.task_definition(old.clone());
    stage.world.service(shipline_test_support::ServiceSeed::new("pmis", "api", &arn).desired(1));
    let two = stage.image_of("api", "two");
    stage.action(&two).end().must(0);

    let registered = stage.world.calls_of("ecs", "RegisterTaskDefinition");
    assert_eq!(registered.len(), 1);
    let mut expected = old;
    expected["containerDefinitions"][0]["image"] = Value::String(two);
    let mut new = registered[0].body.clone();
    // ECS itself answers these two where they were left out.
    for member in ["volumes", "placementConstraints"] {
        assert_eq!(new.as_object_mut().unwrap().shift_remove(member), Some(json!([])));
    }
    assert_eq!(new, expected, "{new:#}");
}

#[tokio::test]
async fn a_runners_file_that_cannot_be_written_does_not_change_how_the_deployment_ended() {
    let stage = Stage::new().await;
    let two = stage.image_of("api", "two");
    let ran = stage.action(&two).set("GITHUB_OUTPUT", "/dev/full").end().must(0);
    stage.assert_serves("api", &two);
    ran.says("/dev/full cannot be written").says("default: serves");
}
