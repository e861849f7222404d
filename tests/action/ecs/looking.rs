//! Refusals before anything changes, and what is done where some calls cannot be made.

use super::*;
use shipline::problem::{Problem, ProblemKind};
use shipline_test_support::{Behaviour, Fault, FaultKind, Rule};

async fn refusal(lab: &Lab) -> Problem {
    let error = lab.prepare("two").await.expect_err("it is refused");
    assert!(lab.world.count("ecs", "UpdateService") + lab.world.count("ecs", "RegisterTaskDefinition") == 0);
    Problem::from(error)
}

#[tokio::test]
async fn a_service_that_is_not_there_is_refused_with_those_that_are() {
    let mut lab = Lab::new().await;
    lab.spec.service = "apo".to_owned();
    let problem = refusal(&lab).await;
    assert_eq!(problem.exit_code(), 4);
    assert!(problem.next.contains("`api`"), "{problem}");
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_refused() {
    let mut lab = Lab::new().await;
    lab.spec.cluster = "pmsi".to_owned();
    assert_eq!(refusal(&lab).await.code, "cluster-not-found");
}

#[tokio::test]
async fn a_service_that_another_controller_deploys_is_refused_and_an_unknown_one_is_not() {
    for controller in ["CODE_DEPLOY", "EXTERNAL"] {
        let lab = Lab::with(|service| service.controller(controller)).await;
        let problem = refusal(&lab).await;
        assert_eq!(problem.kind, ProblemKind::Refused);
        assert!(problem.what.contains(controller), "{problem}");
    }
    let lab = Lab::with(|service| service.controller("TOMORROW")).await;
    assert_eq!(lab.deploy("two").await.word(), "succeeded");
}

#[tokio::test]
async fn a_strategy_that_the_service_cannot_carry_out_is_refused() {
    let lab = Lab::new().await;
    let blue_green =
        Strategy::BlueGreen { bake: Span::minutes(5), approval: shipline::config::spec::Approval::NotAsked };
    for strategy in [blue_green, crate::target_contract::canary()] {
        let wish = Wish::Image { image: image("two"), commit: None };
        let error = lab.target_with(strategy, Path::new(".")).prepare(&wish).await.unwrap_err();
        let problem = Problem::from(error);
        assert_eq!(problem.exit_code(), 3, "{problem}");
        assert!(problem.next.contains("rollout: rolling"), "{problem}");
    }
    assert!(lab.world.calls().iter().all(|call| call.operation.starts_with("Describe")), "nothing is changed");
}

#[tokio::test]
async fn a_container_that_is_not_there_is_refused_with_those_that_are() {
    let mut lab = Lab::new().await;
    lab.spec.container = Some("application".to_owned());
    let problem = refusal(&lab).await;
    assert_eq!(problem.exit_code(), 2);
    assert!(problem.next.contains("`app`"), "{problem}");
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let lab = Lab::new().await;
    lab.world.fault(Fault::on("ecs", "DescribeServices", FaultKind::Deny));
    let problem = refusal(&lab).await;
    assert_eq!((problem.code.as_str(), problem.exit_code()), ("permission-missing", 4));
    assert!(problem.next.contains("ecs:DescribeServices"), "{problem}");
}

#[tokio::test]
async fn an_update_that_is_denied_changed_nothing() {
    let lab = Lab::new().await;
    let plan = lab.prepare("two").await.unwrap();
    lab.world.fault(Fault::on("ecs", "UpdateService", FaultKind::Deny));
    let run = lab.drive(plan).await;
    assert_eq!(run.word(), "nothing-changed", "{run:#?}");
    assert!(run.cause().next.contains("ecs:UpdateService"), "{run:#?}");
    lab.assert_serves("one");
}

#[tokio::test]
async fn throttling_is_survived_everywhere() {
    let lab = Lab::new().await;
    for operation in ["DescribeServices", "DescribeTaskDefinition", "RegisterTaskDefinition", "UpdateService"] {
        lab.world.fault(Fault::on("ecs", operation, FaultKind::Throttle).times(2));
    }
    lab.world.fault(Fault::on("ecs", "DescribeServiceDeployments", FaultKind::Throttle).rate(0.5));
    let run = lab.deploy("two").await;
    assert_eq!(run.word(), "succeeded", "{run:#?}");
    lab.assert_serves("two");
    assert_eq!(lab.world.calls_of("ecs", "UpdateService").iter().filter(|call| call.status == Some(200)).count(), 1);
}

#[tokio::test]
async fn where_service_deployments_cannot_be_read_the_older_state_is_followed_and_people_are_told() {
    for (kind, word) in [
        (FaultKind::Deny, "may not read service deployments"),
        (FaultKind::Unknown, "does not know service deployments"),
        (FaultKind::EmptyList, "lists no service deployment"),
    ] {
        for (image, outcome) in [("two", "succeeded"), ("bad", "rolled-back")] {
            let lab = Lab::new().await;
            lab.world.rule(Rule::any(Behaviour::slow(900, 100)));
            lab.world.rule(Rule::image(mark("bad"), Behaviour::exits(3, ["boom"])));
            for operation in ["ListServiceDeployments", "DescribeServiceDeployments", "StopServiceDeployment"] {
                let kind = if operation.starts_with("Stop") && kind == FaultKind::EmptyList {
                    FaultKind::Unknown
                } else {
                    kind.clone()
                };
                lab.world.fault(Fault::on("ecs", operation, kind));
            }
            let run = lab.deploy(image).await;
            assert_eq!(run.word(), outcome, "{kind:?}: {run:#?}");
            let told = lab.ears.heard(word) || format!("{:?}", run.state().cause()).contains(word);
            assert!(told, "{kind:?} {image}: {:?}", lab.ears);
            lab.assert_serves(if image == "two" { "two" } else { "one" });
            if image == "bad" {
                assert_eq!(run.cause().exit.as_ref().unwrap().code, 3, "{run:#?}");
            }
            let asked = lab.world.count("ecs", "ListServiceDeployments");
            assert!(asked <= 4, "asked {asked} times");
        }
    }
}

#[tokio::test]
async fn missing_credentials_are_told_as_that() {
    use aws_credential_types::provider::error::CredentialsError;
    use aws_credential_types::provider::{ProvideCredentials, future};

    #[derive(Debug)]
    struct Nobody;
    impl ProvideCredentials for Nobody {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("nobody is logged in")))
        }
    }
    let lab = Lab::new().await;
    let config = SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(lab.world.endpoint())
        .credentials_provider(SharedCredentialsProvider::new(Nobody))
        .build();
    let target = EcsTarget::new(&config, &name(), &lab.spec, Strategy::Rolling.into(), Path::new("."));
    let wish = Wish::Image { image: image("two"), commit: None };
    let problem = Problem::from(target.prepare(&wish).await.unwrap_err());
    assert_eq!((problem.code.as_str(), problem.exit_code()), ("credentials", 4), "{problem}");
    assert!(lab.world.calls().is_empty());
}
