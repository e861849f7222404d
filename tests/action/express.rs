//! A service in Express Mode is deployed by the action, against the ECS simulator.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use shipline_test_support::{Behaviour, ExpressServiceSeed, Fault, FaultKind, RollbackOutcome};

use super::stage::{Run, Stage, until};

/// A stage with the Express service `web` in the default cluster, serving the image `one`.
struct Web {
    stage: Stage,
    arn: String,
}

impl Web {
    async fn new() -> Self {
        Self::with(|service| service).await
    }

    async fn with(service: impl FnOnce(ExpressServiceSeed) -> ExpressServiceSeed) -> Self {
        let stage = Stage::empty().await;
        let one = stage.image_of("web", "one");
        let seed = ExpressServiceSeed::new("web", &one)
            .with("healthCheckPath", "/health")
            .with("scalingTarget", json!({"minTaskCount": 2, "maxTaskCount": 4}))
            .with("taskRoleArn", "arn:aws:iam::111122223333:role/web")
            .container("environment", json!([{"name": "PORT", "value": "8080"}, {"name": "LEVEL", "value": "info"}]))
            .container(
                "secrets",
                json!([{"name": "DB", "valueFrom": "arn:aws:ssm:us-east-1:111122223333:parameter/db"}]),
            )
            .container("command", json!(["serve"]));
        let arn = stage.world.express_service(service(seed));
        Self { stage, arn }
    }

    fn image(&self, word: &str) -> String {
        self.stage.image_of("web", word)
    }

    fn action(&self, image: &str) -> Run<'_> {
        self.stage.bare_action().input("service-name", "web").input("image", image)
    }

    /// The configuration of the primary deployment.
    fn active(&self) -> Value {
        let found = self.stage.world.ecs("DescribeExpressGatewayService", &json!({"serviceArn": self.arn})).unwrap();
        found["service"]["activeConfigurations"][0].clone()
    }

    /// What stays the same when only the image changes.
    fn settings(&self) -> Value {
        let mut active = self.active();
        for member in ["serviceRevisionArn", "taskDefinitionArn", "createdAt"] {
            active.as_object_mut().unwrap().remove(member);
        }
        active["primaryContainer"].as_object_mut().unwrap().remove("image");
        active
    }

    #[track_caller]
    fn assert_serves(&self, image: &str) {
        let asked = json!({"cluster": "default", "services": ["web"]});
        let service = self.stage.world.ecs("DescribeServices", &asked).unwrap()["services"][0].clone();
        assert_eq!(self.active()["primaryContainer"]["image"], image, "{service:#}");
        assert_eq!(service["deployments"].as_array().unwrap().len(), 1, "{service:#}");
        assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED", "{service:#}");
        assert_eq!(service["runningCount"], service["desiredCount"], "{service:#}");
    }
}

#[tokio::test]
async fn a_new_image_is_put_on_the_service_and_every_other_setting_is_kept() {
    let web = Web::new().await;
    let (before, two) = (web.settings(), web.image("two"));
    let ran = web.action(&two).end().must(0);
    web.assert_serves(&two);
    assert_eq!(web.settings(), before);
    assert_eq!(web.stage.changes(), ["UpdateExpressGatewayService"]);
    let sent = &web.stage.world.calls_of("ecs", "UpdateExpressGatewayService")[0].body;
    let mut members: Vec<&String> = sent.as_object().unwrap().keys().collect();
    members.sort();
    assert_eq!(members, ["primaryContainer", "serviceArn"], "what is not named is not even sent");
    assert_eq!(ran.out("result"), "succeeded");
    assert!(ran.out("service-url").starts_with("https://web-"), "{}", ran.out("service-url"));
    assert_eq!(ran.out("revision"), web.active()["serviceRevisionArn"]);
    ran.says("primaryContainer.image");
}

#[tokio::test]
async fn the_same_run_again_changes_nothing() {
    let web = Web::new().await;
    let two = web.image("two");
    web.action(&two).end().must(0);
    web.stage.world.forget_calls();
    let ran = web.action(&two).end().must(0);
    assert_eq!(web.stage.changes(), Vec::<String>::new());
    assert_eq!(ran.out("result"), "unchanged");
}

#[tokio::test]
async fn named_settings_change_and_a_list_in_the_words_of_the_old_action_is_read() {
    let web = Web::new().await;
    let two = web.image("two");
    let ran = web
        .action(&two)
        .input("environment-variables", r#"[{"name": "LEVEL", "value": "debug"}, {"name": "NEW", "value": ""}]"#)
        .input("cpu", "512")
        .input("memory", "1024")
        .input("health-check-path", "/ready")
        .input("max-task-count", "9")
        .input("auto-scaling-metric", "AVERAGE_MEMORY")
        .end()
        .must(0);
    web.assert_serves(&two);
    let active = web.active();
    assert_eq!(
        active["primaryContainer"]["environment"],
        json!([{"name": "PORT", "value": "8080"}, {"name": "LEVEL", "value": "debug"}, {"name": "NEW", "value": ""}])
    );
    assert_eq!((&active["cpu"], &active["memory"]), (&json!("512"), &json!("1024")));
    assert_eq!(active["healthCheckPath"], "/ready");
    assert_eq!(
        active["scalingTarget"],
        json!({"minTaskCount": 2, "maxTaskCount": 9, "autoScalingMetric": "AVERAGE_MEMORY", "autoScalingTargetValue": 60})
    );
    assert_eq!(active["primaryContainer"]["command"], json!(["serve"]));
    ran.says("scalingTarget.maxTaskCount: 4 -> 9").says_not("debug");
}

#[tokio::test]
async fn a_deployment_that_ecs_rolled_back_is_a_failure_with_its_cause() {
    let web = Web::new().await;
    let (before, one, two) = (web.active(), web.active()["primaryContainer"]["image"].clone(), web.image("two"));
    let behaviour = Behaviour::Alarm { name: "default/web/RollbackAlarm".to_owned(), after_ms: None };
    web.stage.goes(&two, behaviour);
    let ran = web.action(&two).end().must(1);
    web.assert_serves(one.as_str().unwrap());
    assert_eq!(web.active(), before, "the very revision serves again");
    assert_eq!(ran.out("result"), "rolled-back");
    assert_eq!(ran.report()["services"][0]["cause"]["code"], "alarm-fired");
    ran.says("the alarm default/web/RollbackAlarm fired during the deployment");
    assert_eq!(web.stage.changes(), ["UpdateExpressGatewayService"], "ECS itself went back");
}

#[tokio::test]
async fn a_crash_loop_is_told_with_exit_code_and_log_lines_and_taken_back() {
    let web = Web::new().await;
    let (one, two) = (web.active()["primaryContainer"]["image"].clone(), web.image("two"));
    let before = web.settings();
    web.stage.goes(&two, Behaviour::exits(1, ["starting", "KeyError: 'DB'"]));
    let ran = web.action(&two).end().must(1);
    web.assert_serves(one.as_str().unwrap());
    assert_eq!(web.settings(), before);
    assert_eq!(ran.out("result"), "rolled-back");
    assert_eq!(ran.out("revision"), ran.out("previous-revision"));
    assert_eq!(ran.report()["services"][0]["cause"]["exit"]["code"], 1);
    for shown in [ran.stdout.as_str(), ran.summary.as_str()] {
        assert!(shown.contains("KeyError: 'DB'") && shown.contains("`Main` exited with code 1"), "{shown}");
    }
}

#[tokio::test]
async fn a_failing_health_check_is_told_with_the_code_that_was_answered() {
    let web = Web::new().await;
    let (one, two) = (web.active()["primaryContainer"]["image"].clone(), web.image("two"));
    web.stage.goes(&two, Behaviour::unhealthy(503));
    let ran = web.action(&two).end().must(1);
    web.assert_serves(one.as_str().unwrap());
    assert_eq!(ran.report()["services"][0]["cause"]["code"], "target-unhealthy");
    ran.says("503");
}

#[tokio::test]
async fn a_role_that_may_not_read_service_deployments_still_learns_that_ecs_went_back() {
    let web = Web::new().await;
    let (one, two) = (web.active()["primaryContainer"]["image"].clone(), web.image("two"));
    for operation in ["ListServiceDeployments", "DescribeServiceDeployments", "ListTasks"] {
        web.stage.world.fault(Fault::on("ecs", operation, FaultKind::Deny));
    }
    web.stage.goes(&two, Behaviour::exits(1, ["no"]));
    let ran = web.action(&two).end().must(1);
    web.assert_serves(one.as_str().unwrap());
    ran.says("may not read service deployments");
}

#[tokio::test]
async fn a_rollback_that_fails_needs_attention() {
    let web = Web::new().await;
    let two = web.image("two");
    web.stage.goes_back(&two, Behaviour::exits(1, ["no"]), RollbackOutcome::Fails);
    let ran = web.action(&two).end().must(5);
    assert_eq!(ran.out("result"), "needs-attention");
}

#[tokio::test]
async fn a_rollback_that_failed_before_anybody_looked_needs_attention_at_once() {
    let web = Web::new().await;
    let two = web.image("two");
    web.stage.goes_back(&two, Behaviour::exits(1, ["no"]), RollbackOutcome::Fails);
    // The cause is looked for so long that ECS has given up when the way back begins.
    web.stage.world.fault(Fault::on("logs", "GetLogEvents", FaultKind::Delay { ms: 2_000 }));
    let ran = web.action(&two).end().must(5);
    assert_eq!(ran.out("result"), "needs-attention");
    assert!(ran.took < Duration::from_secs(20), "{:?}", ran.took);
}

#[tokio::test]
async fn a_deployment_that_somebody_else_replaces_is_superseded_and_left_alone() {
    let web = Web::new().await;
    let (two, theirs) = (web.image("two"), web.image("theirs"));
    web.stage.goes(&two, Behaviour::slow(60_000, 50));
    let running = web.action(&two).start();
    until("the update", || web.stage.world.count("ecs", "UpdateExpressGatewayService") == 1);
    let mut container = web.active()["primaryContainer"].clone();
    container["image"] = json!(theirs);
    let update = json!({"serviceArn": web.arn, "primaryContainer": container});
    web.stage.world.ecs("UpdateExpressGatewayService", &update).unwrap();
    let ran = running.end().must(1);
    until("their deployment", || web.active()["primaryContainer"]["image"] == theirs.as_str());
    assert_eq!(ran.out("result"), "superseded");
    assert_eq!(web.stage.changes(), ["UpdateExpressGatewayService"], "theirs is not taken back");
}

#[tokio::test]
async fn a_cancelled_run_stops_the_deployment_with_a_rollback() {
    let web = Web::new().await;
    let (before, two) = (web.active(), web.image("two"));
    web.stage.goes(&two, Behaviour::slow(60_000, 50));
    let running = web.action(&two).start();
    until("the update", || web.stage.world.count("ecs", "UpdateExpressGatewayService") == 1);
    running.signal(Signal::INT);
    let ran = running.end().must(130);
    let stopped = web.stage.world.calls_of("ecs", "StopServiceDeployment");
    assert_eq!(stopped.len(), 1);
    assert_eq!(stopped[0].body["stopType"], "ROLLBACK");
    assert_eq!(web.active(), before);
    assert_eq!(ran.out("result"), "cancelled");
}

#[tokio::test]
async fn a_lost_answer_is_looked_at_and_the_update_is_not_sent_twice() {
    let web = Web::new().await;
    let two = web.image("two");
    web.stage.world.fault(Fault::on("ecs", "UpdateExpressGatewayService", FaultKind::LoseResponse).times(1));
    web.action(&two).end().must(0);
    web.assert_serves(&two);
    assert_eq!(web.stage.world.count("ecs", "UpdateExpressGatewayService"), 1);
}

#[tokio::test]
async fn a_missing_service_is_refused_with_the_call_that_makes_it() {
    for cluster in ["default", "shop"] {
        let stage = Stage::empty().await;
        if cluster == "shop" {
            stage.world.cluster("shop");
        }
        let image = stage.image_of("web", "one");
        let run = stage.bare_action().input("service-name", "web").input("cluster", cluster).input("image", &image);
        let ran = run.input("container-port", "8080").input("health-check-path", "/health").end().must(4);
        assert_eq!(stage.changes(), Vec::<String>::new());
        ran.says("aws ecs create-express-gateway-service --region us-east-1")
            .says("--infrastructure-role-arn")
            .says("--health-check-path /health")
            .says(&format!(r#"'{{"image":"{image}","containerPort":8080}}'"#));
    }
}

#[tokio::test]
async fn a_service_that_is_not_in_express_mode_is_refused_with_the_key_to_use() {
    let stage = Stage::new().await;
    let two = stage.image_of("api", "two");
    let run = stage.bare_action().input("service-name", "api").input("cluster", "pmis").input("image", &two);
    run.end().must(3).says("is not in Express Mode").says("ecs: { cluster: pmis, service: api }");
    assert_eq!(stage.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_service_with_a_task_definition_of_its_own_is_refused_with_the_key_to_use() {
    let web = Web::new().await;
    let own = web.stage.world.task_definition(json!({
        "family": "own", "containerDefinitions": [{"name": "Main", "image": "x/own:1", "portMappings": [{"containerPort": 80}]}],
    }));
    let update = json!({"serviceArn": web.arn, "taskDefinitionArn": own});
    web.stage.world.ecs("UpdateExpressGatewayService", &update).unwrap();
    until("their deployment", || web.active()["taskDefinitionArn"] == own.as_str());
    web.action(&web.image("two")).end().must(3).says("a task definition of its own, own:1").says("`container: Main`");
    assert_eq!(web.stage.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_finished_deployment_is_rolled_back_to_the_configuration_before_it() {
    let web = Web::new().await;
    let (one, before) = (web.active()["primaryContainer"]["image"].clone(), web.settings());
    let two = web.image("two");
    web.action(&two)
        .input("environment-variables", "LEVEL=debug\nMORE=1")
        .input("cpu", "512")
        .input("memory", "1024")
        .end()
        .must(0);
    web.stage.world.forget_calls();
    let ran = web.stage.bare_action().input("command", "rollback").input("service-name", "web").end().must(0);
    web.assert_serves(one.as_str().unwrap());
    assert_eq!(web.settings(), before);
    assert_eq!(web.stage.changes(), ["UpdateExpressGatewayService"]);
    assert_eq!(ran.out("result"), "succeeded");
}

#[tokio::test]
async fn status_tells_what_runs_and_what_ran_before() {
    let web = Web::new().await;
    web.action(&web.image("two")).end().must(0);
    let ran = web.stage.bare_action().input("command", "status").input("service-name", "web").end().must(0);
    ran.says("default-web:2").says("default-web:1");
}

#[tokio::test]
async fn a_configuration_file_names_the_service_and_what_changes_in_it() {
    let web = Web::new().await;
    let two = web.image("two");
    web.stage.write(
        ".github/shipline.yml",
        &format!(
            "version: 1\nservices: {{ web: {{}} }}\nenvironments:\n  production:\n    aws: {{ region: us-east-1 }}\n    services:\n      \
             web: {{ express: {{ service: '{}', command: [serve, --loud], task-role: 'arn:aws:iam::111122223333:role/loud' }} }}\n",
            web.arn
        ),
    );
    let image = format!("web={two}");
    let ran = web.stage.command(&["deploy", "production", "--yes", "--image", &image]).end().must(0);
    web.assert_serves(&two);
    let active = web.active();
    assert_eq!(active["primaryContainer"]["command"], json!(["serve", "--loud"]));
    assert_eq!(active["taskRoleArn"], "arn:aws:iam::111122223333:role/loud");
    assert_eq!(active["healthCheckPath"], "/health");
    ran.says("taskRoleArn: arn:aws:iam::111122223333:role/web -> arn:aws:iam::111122223333:role/loud");
}
