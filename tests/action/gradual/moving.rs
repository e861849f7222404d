//! Rollouts that go well.

use super::*;
use shipline_test_support::{Fault, FaultKind};

#[tokio::test]
async fn a_held_canary_gives_a_tenth_until_its_bake_is_over_and_is_told_to_go_on_once_a_step() {
    let lab = Lab::new().await;
    let steering = steered(canary(Span::seconds(3), Approval::NotAsked));
    let run = Box::pin(lab.used(lab.roll("two", steering, nothing()))).await;
    assert_eq!(run.word(), "succeeded", "{run:#?}");
    lab.assert_answered(&["CONTINUE", "CONTINUE"]);
    assert_eq!(lab.world.count("ecs", "UpdateService"), 1);
    let answers = lab.world.calls_of("ecs", "ContinueServiceDeployment");
    let (first, second) = (answers[0].at_ms, answers[1].at_ms);
    assert!(second - first >= 3_000, "the bake is held: {first} {second}");
    assert_eq!(lab.on("two", first).0, 0, "nobody is asked to try it before the first step");
    let (new, all) = lab.on("two", second);
    assert!(all > 1_000 && new > all / 40 && new * 10 <= all + 10, "{new} of {all} at a tenth");
    lab.assert_serves("two");
    for step in ["paused at 0 %", "paused at 10 %"] {
        assert!(lab.ears.heard(step), "{step}: {:?}", lab.ears);
    }
    let configuration = lab.service()["deploymentConfiguration"].clone();
    assert_eq!(configuration["strategy"], "CANARY");
    let canary = json!({"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 0});
    assert_eq!((&configuration["canaryConfiguration"], &configuration["bakeTimeInMinutes"]), (&canary, &json!(1)));
    let hook = &configuration["lifecycleHooks"][0];
    assert_eq!(hook["lifecycleStages"], json!(["PRE_PRODUCTION_TRAFFIC_SHIFT"]));
    assert_eq!(hook["timeoutConfiguration"]["action"], "ROLLBACK");

    // The same again is nothing to do, and another release needs nothing new of the service.
    let next = lab.planned("two", steering).await;
    assert_eq!(next.change, shipline::rollout::Change::Nothing);
    let shipline::rollout::Change::Move { fields, .. } = lab.planned("three", steering).await.change else {
        panic!("another image is a change")
    };
    assert!(!fields.iter().any(|field| field.path.starts_with("deployment.")), "{fields:?}");
}

#[tokio::test]
async fn a_canary_that_nobody_decides_about_is_ecs_s_own_and_needs_no_hook() {
    let lab = Lab::new().await;
    let strategy = canary(Span::minutes(10), Approval::NotAsked);
    let run = Box::pin(lab.used(lab.roll("two", strategy.into(), nothing()))).await;
    assert_eq!(run.word(), "succeeded", "{run:#?}");
    lab.assert_answered(&[]);
    assert_eq!((lab.world.count("ecs", "UpdateService"), lab.hooks()), (1, Vec::new()));
    let canary = &lab.service()["deploymentConfiguration"]["canaryConfiguration"];
    assert_eq!(*canary, json!({"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 10}));
    assert!(lab.ears.heard("10 % of traffic, watched by ECS"), "{:?}", lab.ears);
    lab.assert_serves("two");
}

#[tokio::test]
async fn a_linear_rollout_stops_before_each_of_its_steps() {
    let lab = Lab::new().await;
    let (percent, every) = ("40".parse().unwrap(), Span::seconds(1));
    let strategy = Strategy::Linear { percent, every, bake: Span::minutes(1) };
    let run = lab.roll("two", steered(strategy), nothing()).await;
    assert_eq!(run.word(), "succeeded", "{run:#?}");
    for step in ["paused at 0 %", "paused at 40 %", "paused at 80 %"] {
        assert!(lab.ears.heard(step), "{step}: {:?}", lab.ears);
    }
    lab.assert_answered(&["CONTINUE"; 3]);
    lab.assert_serves("two");
}

#[tokio::test]
async fn a_blue_green_rollout_waits_for_a_yes_before_anybody_sees_it() {
    let lab = Lab::new().await;
    let steering = steered(Strategy::BlueGreen { bake: Span::minutes(20), approval: Approval::Asked });
    let plan = lab.planned("two", steering).await;
    let yes = Says(Decision::Approved { by: vec!["lead".to_owned()] });
    let run = Box::pin(lab.used(lab.drive(plan, steering, Some(&yes), nothing()))).await;
    assert_eq!(run.word(), "succeeded", "{run:#?}");
    lab.assert_answered(&["CONTINUE"]);
    let yes_at = lab.world.calls_of("ecs", "ContinueServiceDeployment")[0].at_ms;
    assert_eq!(lab.on("two", yes_at).0, 0);
    assert!(lab.ears.heard("baking"), "{:?}", lab.ears);
    lab.assert_serves("two");
}

#[tokio::test]
async fn a_yes_that_came_before_the_time_was_over_counts_however_late_it_is_seen() {
    let lab = Lab::new().await;
    let steering = Steering { patience: Span::seconds(1), ..steered(canary(Span::seconds(1), Approval::Asked)) };
    let plan = lab.planned("two", steering).await;
    let run = Box::pin(lab.used(lab.drive(plan, steering, Some(&InTheLastMoment), nothing()))).await;
    assert_eq!(run.word(), "succeeded", "{run:#?}");
    lab.assert_answered(&["CONTINUE", "CONTINUE"]);
    lab.assert_serves("two");
}

#[tokio::test]
async fn lost_answers_and_throttling_make_no_second_change() {
    let lab = Lab::new().await;
    for operation in ["UpdateService", "ContinueServiceDeployment"] {
        lab.world.fault(Fault::on("ecs", operation, FaultKind::LoseResponse).times(1));
    }
    lab.world.fault(Fault::on("ecs", "ContinueServiceDeployment", FaultKind::Throttle).after(1).times(2));
    lab.world.fault(Fault::on("ecs", "DescribeServiceDeployments", FaultKind::ServerError { status: 503 }).times(2));
    let run = lab.roll("two", steered(canary(Span::seconds(1), Approval::NotAsked)), nothing()).await;
    assert_eq!(run.word(), "succeeded", "{run:#?}");
    assert_eq!(lab.world.count("ecs", "UpdateService"), 1);
    let calls = lab.world.calls_of("ecs", "ContinueServiceDeployment");
    let carried_out: Vec<_> = calls.iter().filter(|call| call.status != Some(400)).collect();
    assert_eq!(carried_out.len(), 2, "{calls:?}");
    assert_ne!(carried_out[0].body["hookId"], carried_out[1].body["hookId"], "{calls:?}");
    lab.assert_serves("two");
}

#[tokio::test]
async fn somebody_who_goes_on_in_the_console_is_followed() {
    let lab = Lab::new().await;
    let steering = steered(canary(Span::minutes(60), Approval::NotAsked));
    let person = async {
        lab.ears.hears("paused at 10 %").await;
        lab.console("CONTINUE");
    };
    let run = lab.roll("two", steering, person).await;
    assert_eq!(run.word(), "succeeded", "{run:#?}");
    lab.assert_answered(&["CONTINUE"]);
    lab.assert_serves("two");
}

#[tokio::test]
async fn a_killed_rollout_is_continued_at_its_stop_without_a_second_change() {
    let lab = Lab::new().await;
    let steering = steered(canary(Span::seconds(2), Approval::NotAsked));
    let plan = lab.planned("two", steering).await;
    tokio::select! {
        run = lab.drive(plan.clone(), steering, None, nothing()) => panic!("not killed: {run:?}"),
        () = lab.ears.hears("paused at 10 %") => {}
    }
    let run = lab.drive(plan, steering, None, nothing()).await;
    assert_eq!(run.word(), "succeeded", "{run:#?}");
    assert_eq!(lab.world.count("ecs", "UpdateService"), 1);
    lab.assert_answered(&["CONTINUE", "CONTINUE"]);
    lab.assert_serves("two");
}

#[tokio::test]
async fn both_sides_of_a_canary_have_the_names_that_cloudwatch_measures_them_by() {
    let lab = Lab::new().await;
    let steering = steered(canary(Span::seconds(2), Approval::NotAsked));
    let plan = lab.planned("two", steering).await;
    let target = lab.target(steering).await;
    let looked = Mutex::new(None);
    let look = async {
        lab.ears.hears("paused at 10 %").await;
        let shift = target.apply(&plan).await.unwrap();
        *looked.lock().unwrap() = target.sides(&plan, &shift).await.unwrap();
    };
    let run = Box::pin(lab.used(lab.drive(plan.clone(), steering, None, look))).await;
    assert_eq!(run.word(), "succeeded", "{run:#?}");
    let sides = looked.lock().unwrap().take().expect("two sides");
    assert_eq!((sides.new["revision"].as_str(), sides.old["revision"].as_str()), ("api:2", "api:1"));
    for (side, image) in [(&sides.new, "two"), (&sides.old, "one")] {
        assert_eq!((side["cluster"].as_str(), side["service"].as_str()), ("pmis", "api"));
        let served = lab.world.served("pmis", "api");
        let one = served.iter().find(|one| one.image.contains(&digest(image))).unwrap();
        assert!(one.target_group.ends_with(&side["target-group"]), "{side:?} {one:?}");
        assert_eq!(one.load_balancer, side["load-balancer"]);
    }
    assert_ne!(sides.new["target-group"], sides.old["target-group"]);
}
