//! Other places than an ECS service, and locks that end by themselves.

use serde_json::{Value, json};
use shipline_test_support::{AppRunnerBehaviour, AppRunnerRule, AppRunnerServiceSeed};

use crate::stage::{Database, Stage};

const POLICY: &str = "\
version: 1
services:
  api: { image: { repository: pmis/api } }
environments:
  staging:
    aws: { region: us-east-1 }
    services: { api: { app-runner: { service: astro } } }
";

async fn app_runner() -> (Stage, String) {
    let mut stage = Stage::new(Database::Sqlite).await;
    stage.shop.file(".github/shipline.yml", POLICY);
    let one = stage.image("one", None);
    let arn = stage.world.app_runner_service(AppRunnerServiceSeed::new("astro", &one));
    stage.start();
    (stage, arn)
}

fn serving(stage: &Stage, arn: &str) -> String {
    let described: Value = stage.world.app_runner("DescribeService", &json!({ "ServiceArn": arn })).unwrap();
    let image = &described["Service"]["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"];
    image.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_app_runner_service_is_deployed_fails_and_goes_back_from_comments() {
    let (stage, arn) = app_runner().await;
    let good = stage.pull("Say hello");
    let image = stage.built(&good.sha);
    stage.says("dev", good.number, "/deploy staging");
    stage.answer(good.number, "serves after");
    assert_eq!(serving(&stage, &arn), image);

    // App Runner reverts a failing update by itself and reads RUNNING again: that is no success.
    let bad = stage.pull("Break it");
    let broken = stage.built(&bad.sha);
    let behaviour = AppRunnerBehaviour::RollsBack { lines: vec!["KeyError: 'DATABASE_URL'".to_owned()], reason: None };
    stage.world.app_runner_rule(AppRunnerRule {
        service: None,
        image: Some(broken.rsplit('@').next().unwrap().to_owned()),
        behaviour,
        after_ms: None,
        rollback_ms: None,
        times: None,
    });
    stage.says("dev", bad.number, "/deploy staging");
    let told = stage.answer(bad.number, "failed after");
    assert!(told.body.contains("serves again"), "{}", told.body);
    assert!(told.body.contains("KeyError"), "{}", told.body);
    assert_eq!(serving(&stage, &arn), image);

    stage.says("dev", good.number, "/rollback staging");
    stage.answer(good.number, "locked");
    assert!(serving(&stage, &arn).ends_with(stage.image("one", None).rsplit('@').next().unwrap()));
    assert_eq!(stage.world.count("ecs", "UpdateService"), 0);
}

#[tokio::test]
async fn a_lock_that_ran_out_holds_nobody_up() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    let image = stage.built(&pull.sha);
    stage.says("mona", pull.number, "/lock staging --until 3s Looking at it");
    stage.answer(pull.number, "is locked by mona");
    stage.says("dev", pull.number, "/deploy staging");
    stage.answer(pull.number, "reason: `locked`");
    assert_eq!(stage.world.count("ecs", "UpdateService"), 0);
    stage.until("the lock's end is told by /status", || {
        stage.says("dev", pull.number, "/status staging");
        std::thread::sleep(std::time::Duration::from_millis(700));
        stage.answers(pull.number).last().filter(|said| !said.body.contains('🔒')).map(|_| ())
    });
    stage.says("dev", pull.number, "/deploy staging");
    stage.answer(pull.number, "serves after");
    stage.assert_serves("api-staging", &image);
}
