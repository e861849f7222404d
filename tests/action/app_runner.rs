//! App Runner deployments as the provider and the user see them.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_types::SdkConfig;
use aws_types::region::Region as SdkRegion;
use serde_json::{Value, json};
use shipline::config::spec::{AppRunnerSpec, Approval, OnFailure, Strategy};
use shipline::engine::wait::{Backoff, Seen, Waited, until};
use shipline::engine::{
    Cancel, Driven, Limits, MemoryJournal, News, Parts, Reporter, Sight, Target, TargetError, Targets, Wish, drive,
};
use shipline::rollout::{Change, Phase, Plan, Release, ServicePlan, ServiceState, Shift};
use shipline::targets::app_runner::AppRunnerTarget;
use shipline::types::{PinnedImage, ServiceName, Span};
use shipline_test_support::{
    AppRunnerBehaviour, AppRunnerRule, AppRunnerServiceSeed, AwsWorld, Fault, FaultKind, Timing,
};

use crate::target_contract::canary;

pub(crate) const REPOSITORY: &str = "111122223333.dkr.ecr.us-east-1.amazonaws.com/astro-ai";
pub(crate) const COMMIT: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678";

/// An image whose digest is that letter over and over.
pub(crate) fn image(letter: char) -> PinnedImage {
    format!("{REPOSITORY}:{COMMIT}@sha256:{}", letter.to_string().repeat(64)).parse().unwrap()
}

pub(crate) fn wish(letter: char) -> Wish {
    Wish::Image { image: image(letter), commit: Some(COMMIT.parse().unwrap()) }
}

/// A session of a simulated account.
pub(crate) async fn session(world: &AwsWorld) -> SdkConfig {
    aws_config::defaults(aws_config::BehaviorVersion::latest())
        .endpoint_url(world.endpoint())
        .region(SdkRegion::new("us-east-1"))
        .credentials_provider(Credentials::new("AKIATEST", "secret", None, None, "test"))
        .load()
        .await
}

/// A service with every setting away from its default, and members no SDK knows.
pub(crate) fn full_service(image: &str) -> AppRunnerServiceSeed {
    AppRunnerServiceSeed::new("astro-ai-service", image)
        .with(
            "SourceConfiguration",
            json!({
                "ImageRepository": {
                    "ImageIdentifier": image,
                    "ImageRepositoryType": "ECR",
                    "ImageConfiguration": {
                        "Port": "8000",
                        "StartCommand": "gunicorn --bind :8000 app",
                        "RuntimeEnvironmentVariables": {"DEBUG": "", "MODE": "a=b=c"},
                        "RuntimeEnvironmentSecrets": {
                            "SECRET_KEY": "arn:aws:secretsmanager:us-east-1:111122223333:secret:astro-ai/prod:SECRET_KEY::",
                        },
                        "FutureImageSetting": {"kept": [1, 2.5, null]},
                    },
                },
                "AutoDeploymentsEnabled": false,
                "AuthenticationConfiguration": {
                    "AccessRoleArn": "arn:aws:iam::111122223333:role/AppRunnerECRAccessRole",
                },
            }),
        )
        .with(
            "InstanceConfiguration",
            json!({
                "Cpu": "2048", "Memory": "4096", "FutureInstanceSetting": "kept",
                "InstanceRoleArn": "arn:aws:iam::111122223333:role/astro-ai",
            }),
        )
        .with(
            "HealthCheckConfiguration",
            json!({
                "Protocol": "HTTP", "Path": "/health", "Interval": 7, "Timeout": 3,
                "HealthyThreshold": 2, "UnhealthyThreshold": 4,
            }),
        )
        .with(
            "NetworkConfiguration",
            json!({
                "EgressConfiguration": {
                    "EgressType": "VPC",
                    "VpcConnectorArn": "arn:aws:apprunner:us-east-1:111122223333:vpcconnector/db/1/0123456789abcdef",
                },
                "IngressConfiguration": {"IsPubliclyAccessible": false},
                "IpAddressType": "DUAL_STACK",
            }),
        )
        .with(
            "ObservabilityConfiguration",
            json!({
                "ObservabilityEnabled": true,
                "ObservabilityConfigurationArn": "arn:aws:apprunner:us-east-1:111122223333:observabilityconfiguration/xray/1",
            }),
        )
        .with(
            "AutoScalingConfigurationArn",
            "arn:aws:apprunner:us-east-1:111122223333:autoscalingconfiguration/wide/3/0123456789abcdef0123456789abcdef",
        )
}

pub(crate) fn spec() -> AppRunnerSpec {
    AppRunnerSpec { service: "astro-ai-service".to_owned(), ..AppRunnerSpec::default() }
}

pub(crate) fn service_name() -> ServiceName {
    "web".parse().unwrap()
}

pub(crate) async fn target_with(world: &AwsWorld, spec: &AppRunnerSpec, strategy: Strategy) -> AppRunnerTarget {
    AppRunnerTarget::new(&session(world).await, &service_name(), spec, strategy, "us-east-1".parse().unwrap())
}

pub(crate) fn rule(of: &PinnedImage, behaviour: AppRunnerBehaviour) -> AppRunnerRule {
    AppRunnerRule {
        service: None,
        image: Some(of.digest().to_string()),
        behaviour,
        after_ms: None,
        rollback_ms: None,
        times: None,
    }
}

/// Looks until the change is decided.
pub(crate) async fn settle(target: &dyn Target, plan: &ServicePlan, shift: &Shift) -> Sight {
    let quick = Backoff { first: std::time::Duration::from_millis(10), ..Backoff::DEPLOYMENT };
    let deadline = shipline::engine::clock::instant() + std::time::Duration::from_secs(20);
    let cancel = Cancel::new();
    let waited = until(Some(deadline), quick, &cancel, async || match target.observe(plan, shift).await.unwrap() {
        Sight::Moving(_) => Seen::NotYet,
        sight => Seen::Ready(sight),
    });
    match waited.await {
        Waited::Ready(sight) => sight,
        other => panic!("not decided: {other:?}"),
    }
}

struct World {
    aws: AwsWorld,
    arn: String,
}

impl World {
    async fn with(service: AppRunnerServiceSeed) -> Self {
        let aws = AwsWorld::start().await;
        let arn = aws.app_runner_service(service);
        Self { aws, arn }
    }

    async fn new() -> Self {
        Self::with(full_service(&image('a').by_digest())).await
    }

    async fn target(&self) -> AppRunnerTarget {
        target_with(&self.aws, &spec(), Strategy::Rolling).await
    }

    fn service(&self) -> Value {
        self.aws.app_runner("DescribeService", &json!({"ServiceArn": self.arn})).unwrap()["Service"].clone()
    }

    fn image(&self) -> String {
        self.service()["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"].as_str().unwrap().to_owned()
    }

    async fn drive(&self, wish: &Wish) -> Phase {
        driven(Arc::new(self.target().await), wish).await
    }
}

/// Prepares one service and drives it to its end.
pub(crate) async fn driven(target: Arc<dyn Target>, wish: &Wish) -> Phase {
    let part = target.prepare(wish).await.unwrap().service;
    let plan = Plan {
        environment: "production".parse().unwrap(),
        release: Release { commit: None, images: BTreeMap::new() },
        services: BTreeMap::from([(service_name(), part)]),
        waves: vec![vec![service_name()]],
        checks: vec![],
        before: Vec::new(),
        after: Vec::new(),
        alarms: Vec::new(),
        analysis: Vec::new(),
        steering: None,
        on_failure: OnFailure::RollBackAll,
        within: Span::minutes(1),
    };
    let targets: Targets = BTreeMap::from([(service_name(), target)]);
    let (journal, cancel) = (MemoryJournal::default(), Cancel::new());
    let driven = drive(
        &plan,
        Parts { targets: &targets, alarms: None, gates: None, run: "story" },
        &journal,
        &Silent,
        &cancel,
        Limits::default(),
    )
    .await
    .unwrap();
    let Driven::Finished(phase) = driven else { panic!("nobody cancelled") };
    phase
}

struct Silent;

impl Reporter for Silent {
    fn tell(&self, _news: &News<'_>) {}
}

pub(crate) fn word(phase: &Phase) -> &'static str {
    phase.outcome().unwrap().word()
}

fn without_image(mut service: Value) -> Value {
    service["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"] = Value::Null;
    service["UpdatedAt"] = Value::Null;
    service
}

#[tokio::test]
async fn an_update_changes_the_image_and_keeps_every_other_setting_even_unknown_ones() {
    let world = World::new().await;
    let before = world.service();
    assert_eq!(word(&world.drive(&wish('b')).await), "succeeded");
    let after = world.service();
    assert_eq!(world.image(), image('b').by_digest());
    assert_eq!(without_image(after), without_image(before.clone()));
    assert_eq!(before["InstanceConfiguration"]["FutureInstanceSetting"], "kept");

    // The request itself carries every part whole: App Runner replaces what it is given.
    let sent = &world.aws.calls_of("apprunner", "UpdateService")[0].body;
    let mut source = before["SourceConfiguration"].clone();
    source["ImageRepository"]["ImageIdentifier"] = json!(image('b').by_digest());
    assert_eq!(sent["SourceConfiguration"], source);
    for member in
        ["InstanceConfiguration", "HealthCheckConfiguration", "NetworkConfiguration", "ObservabilityConfiguration"]
    {
        assert_eq!(sent[member], before[member], "{member}");
    }
    let scaling = &before["AutoScalingConfigurationSummary"]["AutoScalingConfigurationArn"];
    assert_eq!(&sent["AutoScalingConfigurationArn"], scaling);
}

#[tokio::test]
async fn only_the_named_variables_and_secrets_change_and_the_plan_shows_no_values() {
    let world = World::new().await;
    let mut spec = spec();
    spec.environment = BTreeMap::from([("MODE".into(), "canary-value".into()), ("EMPTY".into(), String::new())]);
    spec.secrets = BTreeMap::from([("DEBUG".into(), "arn:aws:ssm:us-east-1:111122223333:parameter/debug".into())]);
    let target = target_with(&world.aws, &spec, Strategy::Rolling).await;
    let plan = target.prepare(&wish('b')).await.unwrap().service;
    let Change::Move { fields, .. } = &plan.change else { panic!("{plan:?}") };
    let paths: Vec<&str> = fields.iter().map(|field| field.path.as_str()).collect();
    assert_eq!(paths, ["image", "environment.DEBUG", "environment.EMPTY", "environment.MODE", "secrets.DEBUG"]);
    assert!(!format!("{fields:?}").contains("canary-value"));

    let shift = target.apply(&plan).await.unwrap();
    assert_eq!(settle(&target, &plan, &shift).await, Sight::Serving);
    let configuration = &world.service()["SourceConfiguration"]["ImageRepository"]["ImageConfiguration"];
    assert_eq!(configuration["RuntimeEnvironmentVariables"], json!({"MODE": "canary-value", "EMPTY": ""}));
    let secrets = configuration["RuntimeEnvironmentSecrets"].as_object().unwrap();
    assert_eq!(secrets.keys().collect::<Vec<_>>(), ["SECRET_KEY", "DEBUG"]);
}

fn failing(lines: &[&str], reason: Option<&str>) -> [AppRunnerBehaviour; 2] {
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let reason = reason.map(str::to_owned);
    [
        AppRunnerBehaviour::RollsBack { lines: lines.clone(), reason: reason.clone() },
        AppRunnerBehaviour::Fails { lines, reason },
    ]
}

#[tokio::test]
async fn a_rolled_back_and_a_failed_operation_are_failures_with_log_lines_although_the_service_reads_running() {
    for behaviour in failing(&["Traceback", "KeyError: 'DATABASE_URL'"], None) {
        let world = World::new().await;
        world.aws.app_runner_rule(rule(&image('b'), behaviour.clone()));
        let phase = world.drive(&wish('b')).await;
        assert_eq!((word(&phase), phase.outcome().unwrap().exit_code()), ("rolled-back", 1), "{behaviour:?}");
        assert_eq!(world.service()["Status"], "RUNNING");
        assert_eq!(world.image(), image('a').by_digest());
        // App Runner went back by itself: nothing but the one update was asked for.
        assert_eq!(world.aws.count("apprunner", "UpdateService"), 1, "{behaviour:?}");

        let state = &phase.services()[&service_name()];
        assert!(matches!(state, ServiceState::Restored { .. }), "{state:?}");
        let cause = state.cause().unwrap();
        assert_eq!(cause.log.as_ref().unwrap().lines, ["Traceback", "KeyError: 'DATABASE_URL'"]);
        assert_eq!(cause.exit.as_ref().unwrap().code, 1);
        assert!(cause.summary.contains("exited with code 1"), "{}", cause.summary);
        assert!(cause.links.iter().any(|link| link.url.contains("logsV2:log-groups/log-group/$252Faws$252Fapprunner")));
        assert!(!cause.next.is_empty());
    }
}

#[tokio::test]
async fn a_health_check_that_is_not_answered_is_named_with_its_path_and_port() {
    let reason =
        "Health check failed on protocol `HTTP`[Path: '/health'], [Port: '8000']. Check your configured port number.";
    let [rolls_back, _] = failing(&["listening on 3000"], Some(reason));
    let world = World::new().await;
    world.aws.app_runner_rule(rule(&image('b'), rolls_back));
    let phase = world.drive(&wish('b')).await;
    let cause = phase.services()[&service_name()].cause().unwrap().clone();
    assert!(cause.provider_says.as_ref().unwrap().contains("Health check failed"), "{cause:?}");
    assert!(cause.summary.contains("HTTP /health on port 8000, every 7 s"), "{}", cause.summary);
}

#[tokio::test]
async fn a_broken_change_is_told_as_soon_as_the_rollback_begins() {
    let world = World::new().await;
    let behaviour = AppRunnerBehaviour::RollsBack { lines: vec![], reason: None };
    world.aws.app_runner_rule(AppRunnerRule { rollback_ms: Some(60_000), ..rule(&image('b'), behaviour) });
    let target = world.target().await;
    let plan = target.prepare(&wish('b')).await.unwrap().service;
    let shift = target.apply(&plan).await.unwrap();
    assert!(matches!(settle(&target, &plan, &shift).await, Sight::Broke(_)));
    assert_eq!(world.service()["Status"], "OPERATION_IN_PROGRESS");
}

#[tokio::test]
async fn a_rollback_that_failed_is_asked_for_once_more_by_us() {
    let world = World::new().await;
    let behaviour = AppRunnerBehaviour::RollbackFails { lines: vec!["boom".into()] };
    world.aws.app_runner_rule(rule(&image('b'), behaviour));
    let phase = world.drive(&wish('b')).await;
    assert_eq!(word(&phase), "rolled-back");
    assert_eq!(world.aws.count("apprunner", "UpdateService"), 2);
    assert_eq!(world.image(), image('a').by_digest());
}

#[tokio::test]
async fn going_back_waits_for_a_running_operation_and_then_asks() {
    let world = World::new().await;
    world.aws.timing(Timing { operation_ms: 600, ..Timing::default() });
    let target = world.target().await;
    let plan = target.prepare(&wish('b')).await.unwrap().service;
    let shift = target.apply(&plan).await.unwrap();
    // A person cancels while App Runner, which takes one operation at a time, is busy with ours.
    let mut taken = shift;
    let mut asked = 0;
    let back = loop {
        asked += 1;
        match target.revert(&plan, Some(&taken)).await.unwrap() {
            shipline::engine::Back::Began(back) => match settle(&target, &plan, &back).await {
                Sight::AskAgain => taken = *back,
                sight => break sight,
            },
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((asked, back), (2, Sight::Serving));
    assert_eq!(world.image(), image('a').by_digest());
    assert_eq!(world.aws.count("apprunner", "UpdateService"), 2);
}

#[tokio::test]
async fn a_deployment_that_a_push_started_is_waited_for_and_ours_follows() {
    let world = World::with(full_service(&format!("{REPOSITORY}:latest"))).await;
    world.aws.app_runner("StartDeployment", &json!({"ServiceArn": world.arn})).unwrap();
    let phase = world.drive(&wish('b')).await;
    assert_eq!(word(&phase), "succeeded");
    assert_eq!(world.image(), image('b').by_digest());
}

#[tokio::test]
async fn somebody_elses_update_under_way_is_refused_with_the_operation_named() {
    let world = World::new().await;
    let mut source = world.service()["SourceConfiguration"].clone();
    source["ImageRepository"]["ImageIdentifier"] = json!(image('c').by_digest());
    let theirs = json!({"ServiceArn": world.arn, "SourceConfiguration": source});
    let operation = world.aws.app_runner("UpdateService", &theirs).unwrap()["OperationId"].clone();
    let TargetError::Refused(problem) = world.target().await.prepare(&wish('b')).await.unwrap_err() else { panic!() };
    assert_eq!(problem.code, "operation-in-progress");
    assert!(problem.why[0].contains(operation.as_str().unwrap()), "{problem}");
}

#[tokio::test]
async fn what_cannot_be_deployed_is_refused_before_anything_changes() {
    let world = World::new().await;
    world.aws.app_runner_service(AppRunnerServiceSeed::from_source("from-source", "acme/web", "main"));
    let refusal = async |service: &str, strategy, wish: &Wish| {
        let spec = AppRunnerSpec { service: service.to_owned(), ..spec() };
        let problem = target_with(&world.aws, &spec, strategy).await.prepare(wish).await.map(drop).unwrap_err();
        shipline::problem::Problem::from(problem)
    };
    let elsewhere: PinnedImage = format!("ghcr.io/acme/web@sha256:{}", "0".repeat(64)).parse().unwrap();
    let elsewhere = Wish::Image { image: elsewhere, commit: None };
    let blue_green = Strategy::BlueGreen { bake: Span::minutes(5), approval: Approval::NotAsked };
    let canary = canary();
    for (service, strategy, wish, code) in [
        ("astro-ai-service", canary, wish('b'), "strategy-not-possible"),
        ("astro-ai-service", blue_green, wish('b'), "strategy-not-possible"),
        ("from-source", Strategy::Rolling, wish('b'), "source-code-service"),
        ("nobody", Strategy::Rolling, wish('b'), "not-found"),
        ("astro-ai-service", Strategy::Rolling, elsewhere, "registry-not-possible"),
    ] {
        let problem = refusal(service, strategy, &wish).await;
        assert_eq!(problem.code, code, "{problem}");
        assert!(!problem.next.is_empty());
    }
    assert_eq!(world.aws.count("apprunner", "UpdateService"), 0);
}

#[tokio::test]
async fn tags_that_may_not_be_written_cost_the_memory_and_not_the_deployment() {
    let world = World::new().await;
    world.aws.fault(Fault::on("apprunner", "TagResource", FaultKind::Deny));
    let target = world.target().await;
    let plan = target.prepare(&wish('b')).await.unwrap().service;
    let shift = target.apply(&plan).await.unwrap();
    let Sight::Moving(progress) = target.observe(&plan, &shift).await.unwrap() else { panic!() };
    assert!(progress.notices[0].contains("apprunner:TagResource"), "{:?}", progress.notices);
    assert_eq!(settle(&target, &plan, &shift).await, Sight::Serving);
    let past = target.past().await.unwrap();
    assert!(past.good.is_empty() && !past.notices.is_empty());
}

#[tokio::test]
async fn an_update_whose_answer_was_lost_is_found_and_not_asked_twice() {
    let world = World::new().await;
    let target = world.target().await;
    let plan = target.prepare(&wish('b')).await.unwrap().service;
    world.aws.fault(Fault::on("apprunner", "UpdateService", FaultKind::LoseResponse).times(1));
    let shift = target.apply(&plan).await.unwrap();
    assert_eq!(settle(&target, &plan, &shift).await, Sight::Serving);
    let operations = world.aws.app_runner("ListOperations", &json!({"ServiceArn": world.arn})).unwrap();
    assert_eq!(
        operations["OperationSummaryList"].as_array().unwrap().len(),
        2,
        "the creation and one update: {operations}"
    );
}

#[tokio::test]
async fn the_same_configuration_whose_last_deployment_failed_is_deployed_anew() {
    let world = World::new().await;
    let [_, fails] = failing(&["boom"], None);
    world.aws.app_runner_rule(AppRunnerRule { times: Some(1), ..rule(&image('a'), fails) });
    let target = world.target().await;
    assert_eq!(target.prepare(&wish('a')).await.unwrap().service.change, Change::Nothing);
    world.aws.app_runner("StartDeployment", &json!({"ServiceArn": world.arn})).unwrap();
    let began = world.aws.app_runner("ListOperations", &json!({"ServiceArn": world.arn})).unwrap();
    assert_eq!(began["OperationSummaryList"][0]["Type"], "START_DEPLOYMENT");
    // Waits behind the running one, which then fails; the plan made after it starts another.
    let quick = Backoff { first: std::time::Duration::from_millis(10), ..Backoff::DEPLOYMENT };
    let cancel = Cancel::new();
    let ended = until(None, quick, &cancel, async || match world.service()["Status"].as_str() {
        Some("RUNNING") => Seen::Ready(()),
        _ => Seen::NotYet,
    });
    assert_eq!(ended.await, Waited::Ready(()));
    assert_eq!(word(&world.drive(&wish('a')).await), "succeeded");
    assert_eq!(world.aws.count("apprunner", "StartDeployment"), 1);
    assert_eq!(world.aws.count("apprunner", "UpdateService"), 0);
}
