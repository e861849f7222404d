//! Rollouts that go back: by a failure, by an alarm, by a person, by nobody.

use super::*;
use shipline::engine::{Back, Sight};
use shipline::rollout::CauseCode;
use shipline_test_support::{AlarmSeed, Behaviour, RollbackOutcome, Rule};

/// Tells what a rollout that went back must leave.
#[track_caller]
fn assert_back(lab: &Lab, run: &Run) {
    assert!(matches!(run.state(), ServiceState::Restored { .. }), "{run:#?}");
    assert_eq!(lab.deployment()["status"], "ROLLBACK_SUCCESSFUL", "{:#}", lab.deployment());
    assert_eq!(lab.world.count("ecs", "UpdateService"), 1, "the way back is ECS's own");
    lab.assert_serves("one");
    let (new, all) = lab.on("two", u64::MAX);
    assert!(new * 10 <= all + 10, "{new} of {all} had the release");
}

#[tokio::test]
async fn a_release_that_does_not_start_gets_no_traffic_and_its_cause_is_told() {
    let lab = Lab::new().await;
    lab.world.rule(Rule::image(digest("two"), Behaviour::exits(1, ["KeyError: 'X'"])));
    let run =
        Box::pin(lab.used(lab.roll("two", steered(canary(Span::seconds(1), Approval::NotAsked)), nothing()))).await;
    assert_eq!(run.word(), "rolled-back", "{run:#?}");
    assert_eq!(run.cause().code, CauseCode::ContainerExited, "{run:#?}");
    assert_eq!(lab.on("two", u64::MAX).0, 0);
    lab.assert_answered(&[]);
    assert_back(&lab, &run);
}

#[tokio::test]
async fn a_rollback_that_ecs_gave_up_before_anybody_looked_is_not_waited_for() {
    let lab = Lab::new().await;
    let rule = Rule::image(digest("two"), Behaviour::exits(1, ["KeyError: 'X'"]));
    lab.world.rule(rule.rollback(RollbackOutcome::Fails));
    let steering = steered(canary(Span::seconds(1), Approval::NotAsked));
    let plan = lab.planned("two", steering).await;
    let target = lab.target(steering).await;
    let shift = target.apply(&plan).await.unwrap();
    // The process that asked for it dies; whoever comes next asks again, too late.
    target.revert(&plan, Some(&shift)).await.unwrap();
    let given_up = async {
        while lab.deployment()["status"] != "ROLLBACK_FAILED" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), given_up).await.unwrap();
    let Back::Began(back) = target.revert(&plan, Some(&shift)).await.unwrap() else { panic!("nothing to do?") };
    let Sight::Broke(cause) = target.observe(&plan, &back).await.unwrap() else { panic!("it is waited for") };
    assert_eq!(cause.code, CauseCode::ProviderGaveUp, "{cause:?}");
}

#[tokio::test]
async fn an_alarm_while_everything_is_on_the_new_revision_takes_it_back() {
    let alarms = json!({"alarms": {"alarmNames": ["5xx"], "enable": true, "rollback": true}});
    let lab = Lab::with(|service| service.with("deploymentConfiguration", alarms)).await;
    lab.world.alarm(AlarmSeed::quiet("5xx"));
    let steering = steered(Strategy::BlueGreen { bake: Span::minutes(1440), approval: Approval::NotAsked });
    let alarm = async {
        lab.ears.hears("baking").await;
        lab.world.alarm(AlarmSeed::firing("5xx", "12 in a minute"));
    };
    let run = lab.roll("two", steering, alarm).await;
    assert_eq!(run.word(), "rolled-back", "{run:#?}");
    assert_eq!(run.cause().code, CauseCode::AlarmFired, "{run:#?}");
    assert_eq!(lab.service()["deploymentConfiguration"]["alarms"]["alarmNames"], json!(["5xx"]));
    assert_back(&lab, &run);
}

#[tokio::test]
async fn a_stop_that_nobody_answers_goes_back_by_itself_and_is_told_as_that() {
    let lab = Lab::new().await;
    // 67 minutes in seven seconds, while the step is watched for an hour.
    lab.world.timing(Timing { hook_minute_ms: Some(100), ..Timing::default() });
    let steering = Steering { patience: Span::seconds(1), ..steered(canary(Span::minutes(5), Approval::NotAsked)) };
    let run = Box::pin(lab.used(lab.roll("two", steering, nothing()))).await;
    assert_eq!(run.word(), "rolled-back", "{run:#?}");
    assert_eq!(run.cause().code, CauseCode::GateExpired, "{run:#?}");
    assert!(run.cause().summary.contains("nobody decided in time"), "{run:#?}");
    lab.assert_answered(&["CONTINUE"]);
    assert_back(&lab, &run);
}

#[tokio::test]
async fn a_cancel_at_a_stop_answers_the_stop_and_stops_nothing_else() {
    let lab = Lab::new().await;
    let steering = steered(canary(Span::minutes(60), Approval::NotAsked));
    let person = async {
        lab.ears.hears("paused at 10 %").await;
        lab.cancel.cancel();
    };
    let run = Box::pin(lab.used(lab.roll("two", steering, person))).await;
    assert_eq!(run.word(), "cancelled", "{run:#?}");
    lab.assert_answered(&["CONTINUE", "ROLLBACK"]);
    assert_eq!(lab.world.count("ecs", "StopServiceDeployment"), 0);
    assert_back(&lab, &run);
}

#[tokio::test]
async fn a_no_takes_the_tenth_back() {
    let lab = Lab::new().await;
    let steering = steered(canary(Span::seconds(1), Approval::Asked));
    let plan = lab.planned("two", steering).await;
    let no = Says(Decision::Rejected { by: "lead".to_owned(), said: Some("prices are wrong".to_owned()) });
    let run = Box::pin(lab.used(lab.drive(plan, steering, Some(&no), nothing()))).await;
    assert_eq!(run.word(), "rolled-back", "{run:#?}");
    lab.assert_answered(&["CONTINUE", "ROLLBACK"]);
    assert_back(&lab, &run);
}

#[tokio::test]
async fn a_cancel_while_it_bakes_stops_the_deployment_with_a_rollback() {
    let lab = Lab::new().await;
    let steering = steered(Strategy::BlueGreen { bake: Span::minutes(1440), approval: Approval::NotAsked });
    let person = async {
        lab.ears.hears("baking").await;
        lab.cancel.cancel();
    };
    let run = lab.roll("two", steering, person).await;
    assert_eq!(run.word(), "cancelled", "{run:#?}");
    assert_eq!(lab.world.count("ecs", "StopServiceDeployment"), 1);
    assert_back(&lab, &run);
}

#[tokio::test]
async fn somebody_who_says_no_in_the_console_is_believed() {
    let lab = Lab::new().await;
    let person = async {
        lab.ears.hears("paused at 10 %").await;
        lab.console("ROLLBACK");
    };
    let run = Box::pin(lab.used(lab.roll("two", steered(canary(Span::minutes(60), Approval::NotAsked)), person))).await;
    assert_eq!(run.word(), "rolled-back", "{run:#?}");
    assert_eq!(run.cause().code, CauseCode::Stopped, "{run:#?}");
    assert!(run.cause().provider_says.as_ref().unwrap().contains("ROLLBACK was requested"), "{run:#?}");
    assert_back(&lab, &run);
}

#[tokio::test]
async fn putting_an_earlier_release_back_is_all_at_once_and_asks_nobody() {
    let lab = Lab::new().await;
    let steering = steered(canary(Span::seconds(1), Approval::NotAsked));
    let run = lab.roll("two", steering, nothing()).await;
    assert_eq!(run.word(), "succeeded", "{run:#?}");
    let target = lab.target(steering).await;
    let before = target.past().await.unwrap().good[0].revision.clone();
    let plan = target.prepare(&Wish::Revision(before)).await.unwrap().service;
    lab.world.forget_calls();
    let again = Lab { journal: MemoryJournal::default(), ..lab };
    let run = again.drive(plan, Steering::default(), None, nothing()).await;
    assert_eq!(run.word(), "succeeded", "{run:#?}");
    again.assert_answered(&[]);
    let configuration = again.service()["deploymentConfiguration"].clone();
    assert_eq!((&configuration["strategy"], &configuration["bakeTimeInMinutes"]), (&json!("BLUE_GREEN"), &json!(0)));
    assert_eq!(again.hooks(), Vec::<Value>::new());
    again.assert_serves("one");
}
