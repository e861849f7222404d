use super::*;
use crate::config::spec::Approval;
use crate::types::Span;

const GROUP: &str = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/api/50dc6c495c0c9188";

fn advanced() -> sdk::AdvancedConfiguration {
    sdk::AdvancedConfiguration::builder()
        .alternate_target_group_arn(format!("{GROUP}b"))
        .production_listener_rule("arn:aws:elasticloadbalancing:us-east-1:111122223333:listener-rule/app/web/1/2/3")
        .role_arn("arn:aws:iam::111122223333:role/ecs-traffic")
        .build()
}

fn balancer(advanced: Option<sdk::AdvancedConfiguration>) -> sdk::LoadBalancer {
    sdk::LoadBalancer::builder()
        .target_group_arn(GROUP)
        .container_name("app")
        .container_port(8080)
        .set_advanced_configuration(advanced)
        .build()
}

fn with(balancers: Vec<sdk::LoadBalancer>) -> Routing {
    Routing { balancers, ..Routing::default() }
}

fn canary(by: Steered) -> Steering {
    let strategy = Strategy::Canary {
        percent: "10".parse().unwrap(),
        bake: Span::minutes(10),
        approval: Approval::NotAsked,
        stays: Span::minutes(5),
    };
    Steering { strategy, by, patience: Span::minutes(60) }
}

fn refusal(routing: &Routing, steering: &Steering, desired: u32) -> Option<Problem> {
    routing.refusal(steering, &Named { cluster: "pmis", service: "api", desired })
}

#[test]
fn a_service_that_has_all_is_not_refused_and_can_switch() {
    let complete = with(vec![balancer(Some(advanced()))]);
    assert_eq!(refusal(&complete, &canary(Steered::Rollout), 2), None);
    assert!(complete.can_switch());
    let connected = Routing { connect: Connect::Yes, ..Routing::default() };
    assert_eq!(refusal(&connected, &canary(Steered::Platform), 2), None);
    assert!(connected.can_switch());
    assert_eq!(refusal(&Routing::default(), &Steering::default(), 0), None, "rolling needs nothing");
}

#[test]
fn what_is_missing_is_named_with_the_command_that_adds_it() {
    let half = sdk::AdvancedConfiguration::builder().alternate_target_group_arn(format!("{GROUP}b")).build();
    let problem = refusal(&with(vec![balancer(Some(half))]), &canary(Steered::Platform), 2).unwrap();
    assert!(problem.what.contains("target group api: productionListenerRule and roleArn"), "{}", problem.what);
    let command = "aws ecs update-service --cluster pmis --service api --load-balancers '[{";
    assert!(problem.next.contains(command), "{}", problem.next);
    // What is there already stays in the command.
    assert!(problem.next.contains("50dc6c495c0c9188b") && problem.next.contains("<listener rule>"), "{}", problem.next);
    let problem = refusal(&with(vec![balancer(None)]), &canary(Steered::Platform), 2).unwrap();
    assert!(problem.what.contains("alternateTargetGroupArn, productionListenerRule and roleArn"), "{}", problem.what);
}

#[test]
fn a_service_without_traffic_is_told_how_to_stand_aside() {
    let problem = refusal(&Routing::default(), &canary(Steered::Platform), 2).unwrap();
    assert!(problem.what.contains("neither a load balancer nor Service Connect"), "{}", problem.what);
    assert!(problem.next.contains("`ecs: { cluster: pmis, service: api, rollout: rolling }`"), "{}", problem.next);
    let daemon = Routing { scheduling: Some(sdk::SchedulingStrategy::Daemon), ..Routing::default() };
    assert!(refusal(&daemon, &canary(Steered::Platform), 2).unwrap().what.contains("DAEMON"));
    let classic = with(vec![sdk::LoadBalancer::builder().load_balancer_name("old").build()]);
    assert!(refusal(&classic, &canary(Steered::Platform), 2).unwrap().what.contains("Classic Load Balancer old"));
    let none = refusal(&with(vec![balancer(Some(advanced()))]), &canary(Steered::Platform), 0).unwrap();
    assert!(none.what.contains("desired count 0"), "{}", none.what);
}

#[test]
fn another_pause_before_each_step_is_refused_only_where_the_rollout_needs_its_own() {
    let timeout = sdk::DeploymentLifecycleHookTimeoutConfiguration::builder()
        .timeout_in_minutes(60)
        .action(sdk::DeploymentLifecycleHookAction::Rollback)
        .build();
    let hook = |stage: sdk::DeploymentLifecycleHookStage| {
        sdk::DeploymentLifecycleHook::builder()
            .target_type(sdk::DeploymentLifecycleHookTargetType::Pause)
            .lifecycle_stages(stage)
            .timeout_configuration(timeout.clone())
            .build()
    };
    let having = |stage| {
        let configuration = sdk::DeploymentConfiguration::builder().lifecycle_hooks(hook(stage)).build();
        Routing { configuration: Some(configuration), ..with(vec![balancer(Some(advanced()))]) }
    };
    let before = having(sdk::DeploymentLifecycleHookStage::PreProductionTrafficShift);
    let problem = refusal(&before, &canary(Steered::Rollout), 2).unwrap();
    assert!(problem.what.contains("a PAUSE hook of its own at PRE_PRODUCTION_TRAFFIC_SHIFT (60 min)"), "{problem:?}");
    assert_eq!(refusal(&before, &canary(Steered::Platform), 2), None);
    let elsewhere = having(sdk::DeploymentLifecycleHookStage::PostTestTrafficShift);
    assert_eq!(refusal(&elsewhere, &canary(Steered::Rollout), 2), None);
}
