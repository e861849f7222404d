use aws_smithy_types::DateTime;

use super::*;

/// A canary at `stage`, with a hook of ours and, where it is said, a PAUSE hook of others.
pub(in crate::targets::ecs) fn canary(
    stage: &str,
    weight: f64,
    others: Option<&str>,
    hooks: &[(&str, &str)],
) -> Course {
    let pause = |stage: &str, minutes| {
        let timeout = sdk::DeploymentLifecycleHookTimeoutConfiguration::builder()
            .timeout_in_minutes(minutes)
            .action(sdk::DeploymentLifecycleHookAction::Rollback);
        sdk::DeploymentLifecycleHook::builder()
            .target_type(sdk::DeploymentLifecycleHookTargetType::Pause)
            .lifecycle_stages(stage.into())
            .timeout_configuration(timeout.build())
            .build()
    };
    let mut configuration = sdk::DeploymentConfiguration::builder()
        .strategy(sdk::DeploymentStrategy::Canary)
        .lifecycle_hooks(pause(BEFORE_A_STEP, 77));
    if let Some(others) = others {
        configuration = configuration.lifecycle_hooks(pause(others, 60));
    }
    let revision = |arn: &str| sdk::ServiceRevisionSummary::builder().arn(arn).requested_task_count(2);
    let detail = |(id, status): &(&str, &str)| {
        sdk::DeploymentLifecycleHookDetail::builder()
            .hook_id(*id)
            .target_type(sdk::DeploymentLifecycleHookTargetType::Pause)
            .status((*status).into())
            .expires_at(DateTime::from_secs(600))
            .build()
    };
    let known = sdk::ServiceDeployment::builder()
        .deployment_configuration(configuration.build())
        .lifecycle_stage(stage.into())
        .target_service_revision(
            revision("new").running_task_count(2).requested_production_traffic_weight(weight).build(),
        )
        .source_service_revisions(revision("old").build())
        .set_lifecycle_hook_details(Some(hooks.iter().map(detail).collect()));
    Course::read(&known.build())
}

const AWAITING: &str = "AWAITING_ACTION";

#[test]
fn a_stop_is_ours_unless_another_pause_hook_stands_at_that_stage() {
    let ours = canary(BEFORE_A_STEP, 10.0, Some("POST_SCALE_UP"), &[("h1", AWAITING)]);
    assert!(matches!(ours.stop(), Some(Stop::Ours(hook)) if hook.id == "h1"));
    assert_eq!(ours.weight, Some("10".parse().unwrap()));
    let theirs = canary("POST_SCALE_UP", 0.0, Some("POST_SCALE_UP"), &[("h2", AWAITING)]);
    assert!(matches!(theirs.stop(), Some(Stop::Theirs(hook)) if hook.id == "h2"));
    let said = theirs.waits_for_others(&theirs.hooks[0], "deployment");
    assert!(said.contains("stage POST_SCALE_UP") && said.contains("--hook-id h2 --action CONTINUE"), "{said}");
    // An endpoint that shows the step's stage under its other name.
    let named = canary("PRODUCTION_TRAFFIC_SHIFT", 10.0, Some("POST_SCALE_UP"), &[("h1", AWAITING)]);
    assert!(matches!(named.stop(), Some(Stop::Ours(_))));
    assert!(canary(BEFORE_A_STEP, 10.0, None, &[("h1", "SUCCEEDED")]).stop().is_none());
    assert!(canary(BEFORE_A_STEP, 10.0, None, &[]).stop().is_none());
    let foreign = Course { own: Own::No, ..ours };
    assert!(matches!(foreign.stop(), Some(Stop::Theirs(_))), "without a hook of ours no stop is ours");
}

#[test]
fn it_bakes_when_all_traffic_has_moved_and_not_before() {
    assert!(canary("BAKE_TIME", 100.0, None, &[]).is_baking());
    for (stage, weight) in [("BAKE_TIME", 10.0), ("PRODUCTION_TRAFFIC_SHIFT", 100.0), ("CLEAN_UP", 100.0)] {
        assert!(!canary(stage, weight, None, &[]).is_baking(), "{stage} {weight}");
    }
}

#[test]
fn a_time_out_is_known_by_the_hook_or_by_the_reason() {
    let by_hook = canary(BEFORE_A_STEP, 10.0, None, &[("h1", "TIMED_OUT")]);
    assert_eq!(by_hook.ended_by(None), Some(HookEnd::OursExpired));
    let gone = canary("PRODUCTION_TRAFFIC_SHIFT", 0.0, None, &[]);
    let reason = |stage: &str| format!("Service deployment rolled back because {stage} pause hook timed out.");
    assert_eq!(gone.ended_by(Some(&reason(BEFORE_A_STEP))), Some(HookEnd::OursExpired));
    let others = canary("PRODUCTION_TRAFFIC_SHIFT", 0.0, Some("PRODUCTION_TRAFFIC_SHIFT"), &[]);
    assert_eq!(others.ended_by(Some(&reason("POST_SCALE_UP"))), Some(HookEnd::TheirsExpired));
    assert_eq!(gone.ended_by(Some("the circuit breaker was triggered")), None);
    let mut function = by_hook.clone();
    function.hooks[0].kind = Kind::Function;
    assert_eq!(function.ended_by(None), Some(HookEnd::FunctionFailed));
}

#[test]
fn stages_are_told_in_words() {
    let words = |stage: &str, weight| canary(stage, weight, None, &[]).doing();
    assert_eq!(words(BEFORE_A_STEP, 10.0).as_deref(), Some("at 10 % of traffic, before the next step"));
    assert_eq!(words("PRODUCTION_TRAFFIC_SHIFT", 10.0).as_deref(), Some("10 % of traffic, watched by ECS"));
    assert_eq!(words("CLEAN_UP", 100.0).as_deref(), Some("stopping the old tasks"));
    assert_eq!(words("SCALE_UP", 0.0), None, "the counts say more");
}
