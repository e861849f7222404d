use super::*;
use crate::config::spec::Approval;
use sdk::{DeploymentLifecycleHookStage as Stage, DeploymentLifecycleHookTargetType as TargetType};

fn canary(by: Steered, patience: Span) -> Steering {
    let strategy = Strategy::Canary {
        percent: "10".parse().unwrap(),
        bake: Span::minutes(10),
        approval: Approval::NotAsked,
        stays: Span::minutes(5),
    };
    Steering { strategy, by, patience }
}

fn pause(stage: Stage, minutes: i32, action: sdk::DeploymentLifecycleHookAction) -> sdk::DeploymentLifecycleHook {
    let timeout = sdk::DeploymentLifecycleHookTimeoutConfiguration::builder();
    sdk::DeploymentLifecycleHook::builder()
        .target_type(TargetType::Pause)
        .lifecycle_stages(stage)
        .timeout_configuration(timeout.timeout_in_minutes(minutes).action(action).build())
        .build()
}

fn function() -> sdk::DeploymentLifecycleHook {
    sdk::DeploymentLifecycleHook::builder()
        .hook_target_arn("arn:aws:lambda:us-east-1:111122223333:function:check")
        .role_arn("arn:aws:iam::111122223333:role/hooks")
        .lifecycle_stages(Stage::PreProductionTrafficShift)
        .build()
}

fn having(configuration: sdk::DeploymentConfiguration) -> Routing {
    Routing { configuration: Some(configuration), ..Routing::default() }
}

fn told(steering: &Steering, routing: &Routing) -> sdk::DeploymentConfiguration {
    Steps::forward(steering, routing).steps.unwrap().configuration(routing).unwrap()
}

#[test]
fn what_the_service_has_of_others_stays() {
    let alarms = sdk::DeploymentAlarms::builder().alarm_names("5xx").enable(true).rollback(true).build().unwrap();
    let breaker = sdk::DeploymentCircuitBreaker::builder().enable(true).rollback(true).build();
    let before_tests = pause(Stage::PostScaleUp, 30, sdk::DeploymentLifecycleHookAction::Rollback);
    let routing = having(
        sdk::DeploymentConfiguration::builder()
            .maximum_percent(150)
            .minimum_healthy_percent(50)
            .alarms(alarms.clone())
            .deployment_circuit_breaker(breaker.clone())
            .lifecycle_hooks(function())
            .lifecycle_hooks(before_tests.clone())
            .build(),
    );
    let steered = told(&canary(Steered::Rollout, Span::minutes(60)), &routing);
    assert_eq!((steered.maximum_percent(), steered.minimum_healthy_percent()), (Some(150), Some(50)));
    assert_eq!((steered.alarms(), steered.deployment_circuit_breaker()), (Some(&alarms), Some(&breaker)));
    assert_eq!(steered.lifecycle_hooks()[..2], [function(), before_tests]);
    assert!(is_ours(&steered.lifecycle_hooks()[2]));
    let (canary_steps, bake) = (steered.canary_configuration().unwrap(), steered.bake_time_in_minutes());
    assert_eq!(
        (canary_steps.canary_percent(), canary_steps.canary_bake_time_in_minutes(), bake),
        (Some(10.0), Some(0), Some(5))
    );
    // By its own clock ECS needs no hook of ours, and the list is not even sent.
    let own = told(&canary(Steered::Platform, Span::minutes(60)), &routing);
    assert_eq!(own.canary_configuration().unwrap().canary_bake_time_in_minutes(), Some(10));
    assert_eq!(own.lifecycle_hooks, None);
}

#[test]
fn our_hook_outlives_the_longest_hold_goes_back_and_is_known_again() {
    for (patience, expected) in [(60, 137), (24 * 60, 1517), (19_980, 20_057), (u16::MAX, 20_157)] {
        let told = told(&canary(Steered::Rollout, Span::minutes(patience)), &having(plain()));
        let [hook] = told.lifecycle_hooks() else { panic!("{told:?}") };
        let timeout = hook.timeout_configuration().unwrap();
        assert_eq!(timeout.timeout_in_minutes(), Some(expected), "{patience}");
        assert_eq!(timeout.action(), Some(&sdk::DeploymentLifecycleHookAction::Rollback));
        assert!(is_ours(hook) && expected <= 20_160);
    }
    let long = Steps::forward(&canary(Steered::Rollout, Span::minutes(u16::MAX)), &Routing::default());
    assert!(long.notice.unwrap().contains("14 days at most"));
    let short = Steps::forward(&canary(Steered::Rollout, Span::minutes(60)), &Routing::default());
    assert_eq!(short.notice, None);
    let (rollback, go_on) =
        (sdk::DeploymentLifecycleHookAction::Rollback, sdk::DeploymentLifecycleHookAction::Continue);
    for other in [
        pause(Stage::PreProductionTrafficShift, 60, rollback.clone()),
        pause(Stage::PreProductionTrafficShift, 1440, rollback.clone()),
        pause(Stage::PreProductionTrafficShift, 67, go_on),
        pause(Stage::PostScaleUp, 67, rollback),
        function(),
    ] {
        assert!(!is_ours(&other), "{other:?}");
    }
}

fn plain() -> sdk::DeploymentConfiguration {
    sdk::DeploymentConfiguration::builder().strategy(sdk::DeploymentStrategy::Rolling).build()
}

#[test]
fn nothing_is_told_twice_and_a_changed_patience_changes_our_hook_alone() {
    let steering = canary(Steered::Rollout, Span::minutes(60));
    let after = having(told(&steering, &having(plain())));
    let again = Steps::forward(&steering, &after).steps.unwrap();
    assert_eq!((again.configuration(&after), again.differences(&after)), (None, Vec::new()));
    let longer = told(&canary(Steered::Rollout, Span::minutes(120)), &after);
    assert_eq!(longer.lifecycle_hooks().len(), 1);
    assert_eq!(minutes_of(&longer.lifecycle_hooks()[0]), Some(197));
}

#[test]
fn a_plan_shows_what_becomes_of_the_deployments() {
    let shown = |steering: &Steering, routing: &Routing| -> Vec<String> {
        let steps = Steps::forward(steering, routing).steps.unwrap();
        let line = |it: FieldChange| format!("{}: {} → {}", it.path, it.before.unwrap(), it.after.unwrap());
        steps.differences(routing).into_iter().map(line).collect()
    };
    let steered = canary(Steered::Rollout, Span::minutes(60));
    let lines = shown(&steered, &having(plain()));
    assert_eq!(
        lines,
        [
            "deployment.strategy: ROLLING → CANARY 10 %",
            "deployment.bakeTime: 0 min → 5 min",
            "deployment.pause: none → before each step of traffic; goes back after 2 h 17 min",
        ]
    );
    let linear = Strategy::Linear { percent: "20".parse().unwrap(), every: Span::minutes(6), bake: Span::minutes(5) };
    let lines = shown(&linear.into(), &having(told(&steered, &having(plain()))));
    assert_eq!(lines[0], "deployment.strategy: CANARY 10 % → LINEAR 20 % every 6 min");
    assert_eq!(lines[1], "deployment.pause: before each step of traffic; goes back after 2 h 17 min → none");
}

#[test]
fn rolling_again_takes_out_what_was_put_in_and_leaves_what_others_chose() {
    let rolling = Steering::default();
    let steered = told(&canary(Steered::Rollout, Span::minutes(60)), &having(plain()));
    let mut left = steered;
    left.lifecycle_hooks = Some([vec![function()], left.lifecycle_hooks().to_vec()].concat());
    let left = having(left);
    let back = told(&rolling, &left);
    assert_eq!(back.strategy(), Some(&sdk::DeploymentStrategy::Rolling));
    assert_eq!(back.lifecycle_hooks(), [function()]);
    let theirs = sdk::DeploymentConfiguration::builder()
        .strategy(sdk::DeploymentStrategy::BlueGreen)
        .bake_time_in_minutes(3)
        .lifecycle_hooks(function());
    let Wished { steps, notice } = Steps::forward(&rolling, &having(theirs.build()));
    assert_eq!(steps, None);
    assert!(notice.unwrap().contains("own deployment strategy is BLUE_GREEN"));
    let untouched = Steps::forward(&rolling, &having(plain()));
    assert_eq!(untouched, Wished { steps: None, notice: None });
}

#[test]
fn the_way_back_is_all_at_once_where_the_service_can_switch() {
    let steering = canary(Steered::Rollout, Span::minutes(60));
    let configuration = told(&steering, &having(plain()));
    let balancer = sdk::LoadBalancer::builder().target_group_arn("group").advanced_configuration(
        sdk::AdvancedConfiguration::builder()
            .alternate_target_group_arn("other")
            .production_listener_rule("rule")
            .role_arn("role")
            .build(),
    );
    let service =
        sdk::Service::builder().deployment_configuration(configuration).load_balancers(balancer.build()).build();
    let routing = Routing::read(&service);
    let back = Steps::back(&steering, &routing).unwrap().configuration(&routing).unwrap();
    assert_eq!((back.strategy(), back.bake_time_in_minutes()), (Some(&sdk::DeploymentStrategy::BlueGreen), Some(0)));
    assert_eq!(back.lifecycle_hooks, Some(Vec::new()), "nobody is asked on the way back");
    // Without a second set of tasks there is only the rolling way; nothing is told where nothing was changed.
    let cannot = having(routing.configuration.clone().unwrap());
    let back = Steps::back(&steering, &cannot).unwrap().configuration(&cannot).unwrap();
    assert_eq!(back.strategy(), Some(&sdk::DeploymentStrategy::Rolling));
    assert_eq!(Steps::back(&Steering::default(), &having(plain())), None);
}
