//! A configuration is written from what runs, and never over one that is there.

use serde_json::json;
use shipline_test_support::{AppRunnerServiceSeed, ExpressServiceSeed};

use super::stage::Stage;

/// Two ECS services and one on App Runner.
async fn stage() -> Stage {
    let stage = Stage::empty().await;
    let alarms = json!({"alarms": {"enable": true, "rollback": true, "alarmNames": ["pmis-5xx"]}});
    stage.service("api", |service| service.with("deploymentConfiguration", alarms));
    stage.service("web", |service| service.desired(1));
    let image = stage.image_of("astro", "one");
    stage.world.app_runner_service(AppRunnerServiceSeed::new("astro-ai", &image));
    stage
}

fn run<'a>(stage: &'a Stage, arguments: &[&str]) -> super::stage::Run<'a> {
    stage.command(arguments).set("AWS_REGION", "us-east-1")
}

#[tokio::test]
async fn what_runs_becomes_a_configuration_that_is_right() {
    let stage = stage().await;
    run(&stage, &["init", "--environment", "staging"]).end().must(0).says("3 services of staging");
    assert_eq!(stage.changes(), Vec::<String>::new());
    let file = std::fs::read_to_string(stage.path("work/.github/shipline.yml")).unwrap();
    insta::assert_snapshot!(file, @r#"
    # yaml-language-server: $schema=https://raw.githubusercontent.com/shipline/shipline/main/shipline.schema.json
    version: 1
    services:
      api:
        image:
          repository: pmis/api
          # context: .   # with it, Shipline builds the image
      web:
        image:
          repository: pmis/web
          # context: .   # with it, Shipline builds the image
      astro-ai:
        image:
          repository: pmis/astro
          # context: .   # with it, Shipline builds the image
    environments:
      staging:
        aws:
          region: us-east-1
          allowed-account-ids: ["111122223333"]
          # role: arn:aws:iam::111122223333:role/shipline-staging   # `shipline iam-policy staging` prints what it needs
        services:
          api: { ecs: { cluster: pmis, service: api, container: app } }
          web: { ecs: { cluster: pmis, service: web, container: app } }
          astro-ai: { app-runner: { service: astro-ai } }
        alarms: [pmis-5xx]
    "#);
    stage.command(&["check"]).end().must(0);
    // It deploys as it is, but for the rules that this version does not carry out.
    let without_alarms = file.lines().filter(|line| !line.contains("alarms:")).collect::<Vec<_>>().join("\n");
    stage.write(".github/shipline.yml", &without_alarms);
    let two = stage.image_of("api", "two");
    stage.command(&["deploy", "staging", "api", "--yes", &format!("--image=api={two}")]).end().must(0);
    stage.assert_serves("api", &two);
}

#[tokio::test]
async fn a_file_that_is_there_is_never_overwritten() {
    let stage = stage().await;
    stage.write(".github/shipline.yml", "mine");
    run(&stage, &["init"]).end().must(2).says("is there already");
    assert_eq!(std::fs::read_to_string(stage.path("work/.github/shipline.yml")).unwrap(), "mine");
    let printed = run(&stage, &["init", "--print", "--cluster", "pmis"]).end().must(0);
    assert!(printed.stdout.starts_with("# yaml-language-server: $schema="), "{}", printed.stdout);
    printed.says("cluster: pmis, service: api").says_not("astro-ai");
}

#[tokio::test]
async fn of_several_clusters_one_must_be_named() {
    let stage = stage().await;
    stage.world.cluster("other");
    run(&stage, &["init"]).end().must(2).says("--cluster").says("other, pmis");
    run(&stage, &["init", "--print", "--app-runner", "astro-ai"])
        .end()
        .must(0)
        .says("app-runner: { service: astro-ai }");
    run(&stage, &["init", "--print", "--app-runner", "astro"]).end().must(2).says("astro-ai");
    run(&stage, &["init", "--print", "--cluster", "other"]).end().must(2).says("nothing that Shipline deploys to runs");
}

#[tokio::test]
async fn a_service_that_another_program_deploys_is_left_out_and_told() {
    let stage = Stage::empty().await;
    stage.service("api", |service| service.desired(1));
    stage.service("old", |service| service.controller("CODE_DEPLOY"));
    run(&stage, &["init", "--print"]).end().must(0).says("old: left out, CODE_DEPLOY").says_not("service: old");
}

#[tokio::test]
async fn how_a_service_moves_from_app_runner_to_express_is_printed_and_nothing_is_written() {
    let stage = stage().await;
    let ran = run(&stage, &["init", "--from-app-runner", "astro-ai"]).end().must(0);
    ran.says("create-express-gateway-service").says("express:").says("astro-ai");
    assert!(!stage.path("work/.github/shipline.yml").exists());
    assert_eq!(stage.changes(), Vec::<String>::new());
    let document = run(&stage, &["init", "--from-app-runner", "astro-ai", "--json"]).end().must(0).document();
    assert_eq!(document["request"]["serviceName"], "astro-ai");
    run(&stage, &["init", "--from-app-runner", "nobody"]).end().must(2).says("there is no App Runner service nobody");
}

#[tokio::test]
async fn express_services_become_a_configuration_whose_plan_changes_nothing() {
    let stage = Stage::empty().await;
    let (web, shop) = (stage.image_of("web", "one"), stage.image_of("shop", "one"));
    let environment = json!([{"name": "LEVEL", "value": "info"}]);
    stage.world.express_service(ExpressServiceSeed::new("web", &web).container("environment", environment));
    stage.world.express_service(ExpressServiceSeed::new("shop", &shop).with("cluster", "pmis"));
    run(&stage, &["init", "--cluster", "default", "--cluster", "pmis"]).end().must(0).says("2 services of production");
    let file = std::fs::read_to_string(stage.path("work/.github/shipline.yml")).unwrap();
    assert!(file.contains("web: { express: { service: web } }"), "{file}");
    assert!(file.contains("shop: { express: { cluster: pmis, service: shop } }"), "{file}");
    stage.command(&["check"]).end().must(0);
    let images = [format!("--image=web={web}"), format!("--image=shop={shop}")];
    let ran = stage.command(&["deploy", "production", "--yes", &images[0], &images[1]]).end().must(0);
    ran.says("nothing to do");
    assert_eq!(stage.changes(), Vec::<String>::new());
    // It deploys as it is.
    let two = stage.image_of("web", "two");
    stage.command(&["deploy", "production", "web", "--yes", &format!("--image=web={two}")]).end().must(0);
    assert_eq!(stage.changes(), ["UpdateExpressGatewayService"]);
}

#[tokio::test]
async fn a_compose_file_that_cannot_be_taken_over_is_told_and_nothing_is_written() {
    let stage = Stage::empty().await;
    let init = |arguments: &[&str]| run(&stage, &[&["init"], arguments].concat()).end();
    init(&["--compose", "compose.yml", "--host", "i-0123456789abcdef0"]).must(2).says("is relative");
    init(&["--compose", "/srv/compose.yml", "--host", "web-1"]).must(2).says("neither an instance nor a tag");
    assert!(!stage.path("work/.github/shipline.yml").exists());
    assert!(stage.world.calls().is_empty());
}
