//! What others have given a service stays, and what it cannot do is refused before anything changes.

use super::*;
use shipline::config::spec::OwnRollout;
use shipline::engine::TargetError;

fn function() -> Value {
    json!({
        "targetType": "AWS_LAMBDA", "hookTargetArn": "arn:aws:lambda:us-east-1:111122223333:function:check",
        "roleArn": "arn:aws:iam::111122223333:role/hooks", "lifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"],
    })
}

fn pause(stage: &str) -> Value {
    json!({
        "targetType": "PAUSE", "lifecycleStages": [stage],
        "timeoutConfiguration": {"timeoutInMinutes": 60, "action": "ROLLBACK"},
    })
}

#[tokio::test]
async fn the_service_s_own_hooks_stay_and_one_that_waits_is_left_to_its_owner() {
    let configuration = json!({
        "maximumPercent": 150, "minimumHealthyPercent": 50, "lifecycleHooks": [function(), pause("POST_SCALE_UP")],
    });
    let lab = Lab::with(|service| service.with("deploymentConfiguration", configuration)).await;
    let owner = async {
        lab.ears.hears("waits at a hook of the service's own (stage POST_SCALE_UP)").await;
        assert_eq!(lab.answers(), Vec::new(), "it is not ours to answer");
        lab.console("CONTINUE");
    };
    let steering = steered(canary(Span::seconds(1), Approval::NotAsked));
    let run = lab.roll("two", steering, owner).await;
    assert_eq!(run.word(), "succeeded", "{run:#?}");
    lab.assert_answered(&["CONTINUE", "CONTINUE"]);
    let hooks = lab.hooks();
    assert_eq!(hooks[..2], [function(), pause("POST_SCALE_UP")]);
    assert_eq!((hooks.len(), &hooks[2]["targetType"]), (3, &json!("PAUSE")));
    let after = lab.service()["deploymentConfiguration"].clone();
    assert_eq!((&after["maximumPercent"], &after["minimumHealthyPercent"]), (&json!(150), &json!(50)));

    // Rolling again, the hook that was put in is taken out, and theirs stay.
    let rolling = Lab { journal: MemoryJournal::default(), ears: Ears::default(), ..lab };
    let owner = async {
        rolling.ears.hears("waits at a hook of the service's own").await;
        rolling.console("CONTINUE");
    };
    let run = rolling.roll("three", Steering::default(), owner).await;
    assert_eq!(run.word(), "succeeded", "{run:#?}");
    assert_eq!(rolling.hooks(), [function(), pause("POST_SCALE_UP")]);
    assert_eq!(rolling.service()["deploymentConfiguration"]["strategy"], "ROLLING");
    rolling.assert_serves("three");
}

async fn refusal(lab: &Lab, steering: Steering) -> (String, String) {
    let wish = Wish::Image { image: image("two"), commit: None };
    let target = lab.target(steering).await;
    let Err(TargetError::Refused(problem)) = target.prepare(&wish).await else { panic!("it was planned") };
    // What a plan would refuse is found by `verify` too.
    let found = target.examine().await;
    assert!(found.findings.iter().any(|finding| format!("{finding:?}").contains(&problem.what)), "{found:?}");
    let changes = ["UpdateService", "RegisterTaskDefinition"].map(|operation| lab.world.count("ecs", operation));
    assert_eq!(changes, [0, 0]);
    (problem.what, problem.next)
}

#[tokio::test]
async fn a_strategy_that_the_service_cannot_carry_out_is_refused_with_the_change_to_make() {
    let steering = steered(canary(Span::seconds(1), Approval::NotAsked));
    let lab = Lab::with(|service| service.with("loadBalancers", json!([]))).await;
    let (what, next) = refusal(&lab, steering).await;
    assert!(what.contains("neither a load balancer nor Service Connect"), "{what}");
    assert!(next.contains("`ecs: { cluster: pmis, service: api, rollout: rolling }`"), "{next}");
    // And so it can live beside others that roll out in steps.
    let spec = EcsSpec {
        cluster: "pmis".to_owned(),
        service: "api".to_owned(),
        rollout: OwnRollout::Rolling,
        ..EcsSpec::default()
    };
    assert_eq!(spec.steering(steering), Steering::default());

    let group = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/api/50dc6c495c0c9188";
    let lab = Lab::with(|service| service.target_group(group, "app", 8080)).await;
    let (what, next) = refusal(&lab, steering).await;
    assert!(what.contains("alternateTargetGroupArn, productionListenerRule and roleArn"), "{what}");
    assert!(next.contains("aws ecs update-service --cluster pmis --service api --load-balancers"), "{next}");

    let hooks = json!({"lifecycleHooks": [pause("PRE_PRODUCTION_TRAFFIC_SHIFT")]});
    let lab = Lab::with(|service| service.with("deploymentConfiguration", hooks)).await;
    let (what, _) = refusal(&lab, steering).await;
    assert!(what.contains("could not be told from the one that this rollout needs"), "{what}");
    // By its own clock ECS needs no hook of ours.
    let own = Steering { by: Steered::Platform, ..steered(canary(Span::minutes(1), Approval::NotAsked)) };
    lab.planned("two", own).await;
}

#[tokio::test]
async fn who_may_not_look_at_deployments_may_not_decide_about_their_steps() {
    let lab = Lab::new().await;
    lab.world.fault(shipline_test_support::Fault::on(
        "ecs",
        "ListServiceDeployments",
        shipline_test_support::FaultKind::Deny,
    ));
    let wish = Wish::Image { image: image("two"), commit: None };
    let steering = steered(canary(Span::seconds(1), Approval::NotAsked));
    let refused = lab.target(steering).await.prepare(&wish).await;
    assert!(matches!(refused, Err(TargetError::Provider(_))), "{refused:?}");
    lab.planned("two", steering.strategy.into()).await;
}

#[tokio::test]
async fn a_worker_without_a_port_lives_in_an_environment_with_a_canary() {
    use crate::stage::Stage;
    let stage = Stage::empty().await;
    stage.service("api", |service| service.desired(2).shifting("api", "app", 8080));
    stage.service("worker", |service| service.desired(1));
    let file = |worker: &str| {
        format!(
            "version: 1
services:
  api: {{}}
  worker: {{}}
environments:
  production:
    aws: {{ region: us-east-1 }}
    rollout: {{ canary: {{ percent: 10, bake: 10m, stays: 1m }} }}
    services:
      api: {{ ecs: {{ cluster: pmis, service: api }} }}
      worker: {{ ecs: {{ cluster: pmis, service: worker{worker} }} }}
"
        )
    };
    let images = ["api", "worker"].map(|name| (name, stage.image_of(name, "two")));
    let deploy = || {
        let given = images.clone().map(|(name, image)| format!("--image={name}={image}"));
        stage.command(&["deploy", "production", "--yes", &given[0], &given[1]]).end()
    };
    stage.write(".github/shipline.yml", &file(""));
    deploy().must(3).says("worker has neither a load balancer nor Service Connect").says("rollout: rolling");
    assert_eq!(stage.changes(), Vec::<String>::new());
    stage.write(".github/shipline.yml", &file(", rollout: rolling"));
    deploy().must(0).says("deployment.strategy");
    for (name, image) in &images {
        stage.assert_serves(name, image);
    }
    let strategy = |name: &str| stage.live(name)["deploymentConfiguration"]["strategy"].clone();
    assert_eq!((strategy("api"), strategy("worker")), (json!("CANARY"), Value::Null));
}
