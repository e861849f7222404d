//! Express services that do not exist yet.

use rustix::process::Signal;
use serde_json::{Value, json};
use shipline::config::spec::{CreateService, ExpressSpec, Strategy};
use shipline::engine::Target as _;
use shipline::rollout::Touched;
use shipline::targets::ecs::express::ExpressTarget;
use shipline_test_support::{AwsWorld, Behaviour, Fault, FaultKind};

use super::app_runner::{service_name, session, wish};
use super::stage::{Run, Stage, until};

const EXECUTION: &str = "arn:aws:iam::111122223333:role/ecsTaskExecutionRole";
const INFRASTRUCTURE: &str = "arn:aws:iam::111122223333:role/ecsInfrastructureRole";

const FILE: &str = "version: 1
services: { web: {} }
environments:
  production:
    aws: { region: us-east-1 }
    services:
      web:
        express:
          service: web
          create: true
          execution-role: arn:aws:iam::111122223333:role/ecsTaskExecutionRole
          infrastructure-role: arn:aws:iam::111122223333:role/ecsInfrastructureRole
          task-role: arn:aws:iam::111122223333:role/web
          container-port: 8080
          health-check-path: /health
          environment: { LOG_LEVEL: info }
          secrets: { TOKEN: 'arn:aws:ssm:us-east-1:111122223333:parameter/web/token' }
          command: [serve, --loud]
          cpu: 512
          memory: 1024
          min-task-count: 2
          max-task-count: 5
          subnets: [subnet-0a1b2c3d, subnet-0e1f2a3b]
          security-groups: [sg-0a1b2c3d]
";

/// An account with the cluster `default` and no service.
async fn stage() -> Stage {
    let stage = Stage::empty().await;
    stage.world.cluster("default");
    stage.write(".github/shipline.yml", FILE);
    stage
}

fn deploy<'a>(stage: &'a Stage, image: &str) -> Run<'a> {
    stage.command(&["deploy", "production", "--yes", &format!("--image=web={image}")])
}

fn service(stage: &Stage) -> Value {
    let asked = json!({"cluster": "default", "services": ["web"]});
    stage.world.ecs("DescribeServices", &asked).unwrap()["services"][0].clone()
}

fn described(stage: &Stage) -> Value {
    let arn = service(stage)["serviceArn"].clone();
    stage.world.ecs("DescribeExpressGatewayService", &json!({"serviceArn": arn})).unwrap()["service"].clone()
}

#[tokio::test]
async fn a_missing_service_is_created_with_its_settings_and_the_next_deploy_updates_it() {
    let stage = stage().await;
    let (one, two) = (stage.image_of("web", "one"), stage.image_of("web", "two"));
    let planned = stage.command(&["plan", "production", &format!("--image=web={one}")]).end().must(0);
    planned.says("it is created").says("primaryContainer.image").says_not("info");
    assert_eq!(stage.changes(), Vec::<String>::new());

    deploy(&stage, &one).end().must(0);
    assert_eq!(stage.changes(), ["CreateExpressGatewayService"]);
    let (service, made) = (service(&stage), described(&stage));
    assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED", "{service:#}");
    assert_eq!((&service["desiredCount"], &service["runningCount"]), (&json!(2), &json!(2)));
    assert_eq!(made["infrastructureRoleArn"], INFRASTRUCTURE);
    let active = &made["activeConfigurations"][0];
    let container = &active["primaryContainer"];
    assert_eq!((&container["image"], &container["containerPort"]), (&json!(one), &json!(8080)));
    assert_eq!(container["environment"], json!([{"name": "LOG_LEVEL", "value": "info"}]));
    assert_eq!(container["command"], json!(["serve", "--loud"]));
    assert_eq!(container["secrets"][0]["name"], "TOKEN");
    assert_eq!((&active["executionRoleArn"], &active["cpu"]), (&json!(EXECUTION), &json!("512")));
    assert_eq!(active["taskRoleArn"], "arn:aws:iam::111122223333:role/web");
    assert_eq!(active["healthCheckPath"], "/health");
    assert_eq!(active["networkConfiguration"]["subnets"], json!(["subnet-0a1b2c3d", "subnet-0e1f2a3b"]));
    assert_eq!(active["networkConfiguration"]["securityGroups"], json!(["sg-0a1b2c3d"]));

    // Nothing more to do; then an ordinary update.
    deploy(&stage, &one).end().must(0).says("nothing to do");
    deploy(&stage, &two).end().must(0);
    assert_eq!(stage.changes(), ["CreateExpressGatewayService", "UpdateExpressGatewayService"]);
    assert_eq!(described(&stage)["activeConfigurations"][0]["primaryContainer"]["image"], two.as_str());
}

#[tokio::test]
async fn the_action_creates_it_for_who_names_the_role_that_makes_it() {
    let stage = stage().await;
    let one = stage.image_of("web", "one");
    let run = || {
        let run = stage.bare_action().input("service-name", "web").input("image", &one).input("container-port", "8080");
        run.input("execution-role-arn", EXECUTION)
    };
    run().end().must(4).says("there is no Express service web").says("create: true");
    let ran =
        run().input("infrastructure-role-arn", INFRASTRUCTURE).input("subnets", "subnet-1, subnet-2").end().must(0);
    assert_eq!(ran.out("result"), "succeeded");
    let subnets = &described(&stage)["activeConfigurations"][0]["networkConfiguration"]["subnets"];
    assert_eq!(*subnets, json!(["subnet-1", "subnet-2"]));
    let without = stage.bare_action().input("service-name", "web").input("image", &one);
    without.input("infrastructure-role-arn", INFRASTRUCTURE).end().must(2).says("`execution-role-arn` as well");
}

#[tokio::test]
async fn a_creation_that_fails_is_a_failure_with_its_cause_and_nothing_is_deleted() {
    let stage = stage().await;
    let (bad, good) = (stage.image_of("web", "bad"), stage.image_of("web", "good"));
    stage.goes(&bad, Behaviour::exits(1, ["starting", "KeyError: 'TOKEN'"]));
    let ran = deploy(&stage, &bad).end().must(1);
    ran.says("`Main` exited with code 1").says("KeyError: 'TOKEN'").says("nothing is deleted").says_not("not known: ");
    assert_eq!(service(&stage)["status"], "ACTIVE", "what is there stays");
    assert_eq!(stage.world.count("ecs", "DeleteExpressGatewayService"), 0);
    assert_eq!(stage.world.count("ecs", "CreateExpressGatewayService"), 1);

    // What is left takes an update: the next release mends it.
    deploy(&stage, &good).end().must(0);
    assert_eq!(stage.world.count("ecs", "CreateExpressGatewayService"), 1);
    assert_eq!(described(&stage)["activeConfigurations"][0]["primaryContainer"]["image"], good.as_str());
}

#[tokio::test]
async fn a_creation_that_ecs_gives_up_needs_no_stop_and_is_no_success() {
    let stage = stage().await;
    let bad = stage.image_of("web", "bad");
    stage.goes(&bad, Behaviour::Alarm { name: "default/web/RollbackAlarm".to_owned(), after_ms: None });
    deploy(&stage, &bad).end().must(1).says("the alarm default/web/RollbackAlarm fired").says("nothing is deleted");
    assert_eq!(stage.changes(), ["CreateExpressGatewayService"]);
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_is_found_and_not_asked_twice() {
    let stage = stage().await;
    stage.world.fault(Fault::on("ecs", "CreateExpressGatewayService", FaultKind::LoseResponse).times(1));
    let one = stage.image_of("web", "one");
    deploy(&stage, &one).end().must(0);
    assert_eq!(stage.world.count("ecs", "CreateExpressGatewayService"), 1);
}

#[tokio::test]
async fn a_run_that_died_in_the_middle_is_found_again_by_looking() {
    let stage = stage().await;
    let one = stage.image_of("web", "one");
    stage.goes(&one, Behaviour::slow(1_500, 10));
    let running = deploy(&stage, &one).start();
    until("the creation", || stage.world.count("ecs", "CreateExpressGatewayService") == 1);
    running.kill();
    deploy(&stage, &one).end().must(0);
    assert_eq!(stage.changes(), ["CreateExpressGatewayService"]);
    assert_eq!(service(&stage)["deployments"][0]["rolloutState"], "COMPLETED");
}

#[tokio::test]
async fn a_cancelled_creation_is_stopped_and_waited_for() {
    let stage = stage().await;
    let one = stage.image_of("web", "one");
    stage.goes(&one, Behaviour::Stuck {});
    let running = deploy(&stage, &one).start();
    until("the creation", || stage.world.count("ecs", "CreateExpressGatewayService") == 1);
    running.signal(Signal::INT);
    running.end().must(130);
    assert_eq!(stage.changes(), ["CreateExpressGatewayService", "StopServiceDeployment"]);
    assert_eq!(service(&stage)["status"], "ACTIVE");
}

#[tokio::test]
async fn a_creation_that_is_refused_changes_nothing() {
    let stage = stage().await;
    let one = stage.image_of("web", "one");
    let kind = FaultKind::Error {
        code: "InvalidParameterException".to_owned(),
        message: "Unable to assume the infrastructure role.".to_owned(),
        status: 400,
    };
    stage.world.fault(Fault::on("ecs", "CreateExpressGatewayService", kind));
    deploy(&stage, &one).end().must(4).says("Unable to assume the infrastructure role.");
    assert_eq!(service(&stage), Value::Null);

    stage.write(".github/shipline.yml", &FILE.replace("service: web\n", "service: web\n          cluster: nowhere\n"));
    deploy(&stage, &one).end().must(4).says("aws ecs create-cluster --region us-east-1 --cluster-name nowhere");
}

#[tokio::test]
async fn a_service_that_somebody_else_made_in_between_is_left_alone() {
    let aws = AwsWorld::start().await;
    aws.cluster("default");
    let spec = ExpressSpec {
        cluster: "default".to_owned(),
        service: "web".to_owned(),
        create: CreateService::WhenMissing,
        execution_role: Some(EXECUTION.parse().unwrap()),
        infrastructure_role: Some(INFRASTRUCTURE.parse().unwrap()),
        ..ExpressSpec::default()
    };
    let target = ExpressTarget::new(&session(&aws).await, &service_name(), &spec, Strategy::Rolling);
    let plan = target.prepare(&wish('a')).await.unwrap().service;
    let theirs = json!({
        "serviceName": "web", "executionRoleArn": EXECUTION, "infrastructureRoleArn": INFRASTRUCTURE,
        "primaryContainer": {"image": "shop/web:theirs"},
    });
    aws.ecs("CreateExpressGatewayService", &theirs).unwrap();
    let refused = target.apply(&plan).await.unwrap_err();
    assert_eq!(refused.touched, Touched::No);
    assert!(refused.cause.summary.contains("somebody else created"), "{:?}", refused.cause);
    assert!(refused.cause.facts[0].contains("shop/web:theirs"), "{:?}", refused.cause);
    assert_eq!(aws.count("ecs", "CreateExpressGatewayService"), 0, "none is asked for");
}
