//! App Runner services that do not exist yet.

use std::sync::Arc;

use serde_json::{Value, json};
use shipline::config::spec::{AppRunnerSettings, AppRunnerSpec, CreateService, HealthCheckSettings, Strategy};
use shipline::engine::{Target, TargetError};
use shipline::problem::Problem;
use shipline::rollout::{CauseCode, Phase};
use shipline_test_support::{AppRunnerBehaviour, AwsWorld, Fault, FaultKind};

use crate::app_runner::{driven, image, rule, service_name, target_with, wish, word};

fn spec() -> AppRunnerSpec {
    AppRunnerSpec {
        service: "astro-ai-service".to_owned(),
        create: CreateService::WhenMissing,
        environment: [("MODE".into(), "production".into())].into(),
        secrets: [("SECRET_KEY".into(), "arn:aws:ssm:us-east-1:111122223333:parameter/key".into())].into(),
        settings: AppRunnerSettings {
            cpu: Some(2048),
            memory: Some(4096),
            port: Some(8000),
            access_role: Some("arn:aws:iam::111122223333:role/AppRunnerECRAccessRole".parse().unwrap()),
            instance_role: Some("arn:aws:iam::111122223333:role/astro-ai".parse().unwrap()),
            health_check: Some(HealthCheckSettings { path: Some("/health".to_owned()), ..HealthCheckSettings::default() }),
            auto_scaling: Some("arn:aws:apprunner:us-east-1:111122223333:autoscalingconfiguration/wide/1/0123456789abcdef0123456789abcdef".to_owned()),
            vpc_connector: Some("arn:aws:apprunner:us-east-1:111122223333:vpcconnector/db/1/0123456789abcdef0123456789abcdef".to_owned()),
        },
        ..AppRunnerSpec::default()
    }
}

async fn target(aws: &AwsWorld, spec: &AppRunnerSpec) -> Arc<dyn Target> {
    Arc::new(target_with(aws, spec, Strategy::Rolling).await)
}

fn services(aws: &AwsWorld) -> Vec<Value> {
    aws.app_runner("ListServices", &json!({})).unwrap()["ServiceSummaryList"].as_array().unwrap().clone()
}

async fn refusal(target: &dyn Target) -> Problem {
    match target.prepare(&wish('a')).await.map(drop).unwrap_err() {
        TargetError::Refused(problem) => *problem,
        TargetError::Provider(failure) => failure.problem(),
    }
}

async fn created(aws: &AwsWorld) -> Phase {
    driven(target(aws, &spec()).await, &wish('a')).await
}

#[tokio::test]
async fn a_missing_service_is_created_with_its_settings_and_the_next_deploy_updates_it() {
    let aws = AwsWorld::start().await;
    assert_eq!(word(&created(&aws).await), "succeeded");
    let arn = services(&aws)[0]["ServiceArn"].clone();
    let service = aws.app_runner("DescribeService", &json!({ "ServiceArn": arn })).unwrap()["Service"].clone();
    let source = &service["SourceConfiguration"];
    assert_eq!(source["ImageRepository"]["ImageIdentifier"], image('a').by_digest());
    assert_eq!(
        source["ImageRepository"]["ImageConfiguration"],
        json!({
            "Port": "8000", "RuntimeEnvironmentVariables": {"MODE": "production"},
            "RuntimeEnvironmentSecrets": {"SECRET_KEY": "arn:aws:ssm:us-east-1:111122223333:parameter/key"},
        })
    );
    assert_eq!(source["AutoDeploymentsEnabled"], false);
    assert_eq!(service["InstanceConfiguration"]["Cpu"], "2048");
    assert_eq!(service["HealthCheckConfiguration"]["Path"], "/health");
    assert_eq!(service["NetworkConfiguration"]["EgressConfiguration"]["EgressType"], "VPC");
    assert_eq!(service["AutoScalingConfigurationSummary"]["AutoScalingConfigurationName"], "wide");

    // Nothing more to do; then an ordinary update.
    assert_eq!(word(&driven(target(&aws, &spec()).await, &wish('b')).await), "succeeded");
    assert_eq!((aws.count("apprunner", "CreateService"), aws.count("apprunner", "UpdateService")), (1, 1));
}

#[tokio::test]
async fn a_failed_creation_is_a_failure_with_its_cause_and_nothing_is_deleted() {
    let aws = AwsWorld::start().await;
    let behaviour = AppRunnerBehaviour::RollsBack { lines: vec!["KeyError: 'SECRET_KEY'".to_owned()], reason: None };
    aws.app_runner_rule(rule(&image('a'), behaviour));
    let phase = created(&aws).await;
    assert_eq!((word(&phase), phase.outcome().unwrap().exit_code()), ("rolled-back", 1));
    let cause = phase.services()[&service_name()].cause().unwrap().clone();
    assert_eq!(cause.code, CauseCode::ContainerExited);
    assert_eq!(cause.log.unwrap().lines, ["KeyError: 'SECRET_KEY'"]);
    assert_eq!(services(&aws)[0]["Status"], "CREATE_FAILED");
    assert_eq!(aws.count("apprunner", "DeleteService"), 0);

    // The next run says what to do about what is left.
    let problem = refusal(&*target(&aws, &spec()).await).await;
    assert_eq!(problem.code, "service-not-created");
    assert!(problem.next.contains("aws apprunner delete-service"), "{problem}");
    assert_eq!(aws.count("apprunner", "CreateService"), 1);

    // Once a person did that, it is made anew.
    let arn = services(&aws)[0]["ServiceArn"].clone();
    aws.app_runner("DeleteService", &json!({ "ServiceArn": arn })).unwrap();
    crate::stage::until("it is gone", || services(&aws)[0]["Status"] == "DELETED");
    aws.app_runner_rule(rule(&image('a'), AppRunnerBehaviour::Succeeds {}));
    assert_eq!(word(&created(&aws).await), "succeeded");
}

#[tokio::test]
async fn an_account_that_app_runner_does_not_take_is_told_what_does() {
    let aws = AwsWorld::start().await;
    let message = "AWS App Runner is no longer open to new customers.".to_owned();
    let kind = FaultKind::Error { code: "InvalidRequestException".to_owned(), message, status: 400 };
    aws.fault(Fault::on("apprunner", "CreateService", kind));
    let phase = created(&aws).await;
    assert_eq!(word(&phase), "nothing-changed");
    let cause = phase.services()[&service_name()].cause().unwrap().clone();
    assert!(cause.next.contains("ECS Express Mode"), "{cause:?}");
    assert!(cause.facts.iter().any(|fact| fact.contains("since 2026-04-30")), "{cause:?}");
    assert!(cause.provider_says.unwrap().contains("new customers"));
    assert!(services(&aws).is_empty());
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_is_found_and_not_asked_twice() {
    let aws = AwsWorld::start().await;
    aws.fault(Fault::on("apprunner", "CreateService", FaultKind::LoseResponse).times(1));
    assert_eq!(word(&created(&aws).await), "succeeded");
    assert_eq!(services(&aws).len(), 1);
}

#[tokio::test]
async fn what_cannot_be_created_is_refused_before_anything_changes() {
    let aws = AwsWorld::start().await;
    let unasked = AppRunnerSpec { create: CreateService::No, ..spec() };
    assert_eq!(refusal(&*target(&aws, &unasked).await).await.code, "not-found");
    let no_role = AppRunnerSpec { settings: AppRunnerSettings::default(), ..spec() };
    let problem = refusal(&*target(&aws, &no_role).await).await;
    assert_eq!(problem.code, "no-access-role");
    assert!(problem.next.contains("AWSAppRunnerServicePolicyForECRAccess"), "{problem}");
    assert_eq!(aws.count("apprunner", "CreateService"), 0);
}
