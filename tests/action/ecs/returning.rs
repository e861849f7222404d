//! Somebody else's deployments, crashes in the middle, lost answers, and what was good before.

use super::*;
use shipline::engine::{Back, Sight};
use shipline_test_support::{Behaviour, Fault, FaultKind, Rule};

#[tokio::test]
async fn somebody_elses_deployment_is_named_and_left_alone() {
    let lab = Lab::new().await;
    let theirs = lab.world.task_definition(definition(&image("theirs")));
    let behaviour = Behaviour::Superseded { after_ms: Some(200), task_definition: Some(theirs) };
    lab.world.rule(Rule::image(mark("two"), behaviour));
    let run = lab.deploy("two").await;
    assert_eq!(run.word(), "superseded", "{run:#?}");
    let ServiceState::Superseded { by } = run.state() else { panic!("{run:#?}") };
    assert!(by.starts_with("api:2 (ecs-svc/"), "{by}");
    tokio::time::sleep(Duration::from_millis(800)).await;
    lab.assert_serves("theirs");
}

#[tokio::test]
async fn somebody_who_redeploys_the_old_revision_superseded_us_too() {
    let lab = Lab::new().await;
    lab.world.rule(Rule::image(mark("two"), Behaviour::superseded(200)));
    let run = lab.deploy("two").await;
    assert_eq!(run.word(), "superseded", "{run:#?}");
}

#[tokio::test]
async fn a_deployment_made_after_the_plan_is_not_overwritten() {
    let lab = Lab::new().await;
    let plan = lab.prepare("two").await.unwrap();
    let theirs = lab.world.task_definition(definition(&image("theirs")));
    let update = json!({"cluster": "pmis", "service": "api", "taskDefinition": theirs});
    lab.world.ecs("UpdateService", &update).unwrap();
    let run = lab.drive(plan).await;
    assert_eq!(run.word(), "nothing-changed", "{run:#?}");
    assert!(run.cause().summary.contains("somebody else deployed api:2"), "{run:#?}");
}

#[tokio::test]
async fn a_deployment_of_the_same_image_that_is_under_way_is_joined() {
    let lab = Lab::new().await;
    lab.world.rule(Rule::any(Behaviour::slow(1500, 100)));
    let first = lab.prepare("two").await.unwrap();
    lab.target().apply(&first).await.unwrap();
    let again = lab.prepare("two").await.unwrap();
    assert!(moves(&again), "{again:#?}");
    assert_eq!(again.previous.name, "api:1", "what was proven, not what is on its way");
    let run = lab.drive(again).await;
    assert_eq!(run.word(), "succeeded", "{run:#?}");
    lab.assert_serves("two");
    assert_eq!(lab.world.count("ecs", "UpdateService"), 1);
    assert_eq!(lab.world.count("ecs", "RegisterTaskDefinition"), 1);
}

#[tokio::test]
async fn a_rollback_of_a_deployment_over_an_unproven_one_goes_to_what_served() {
    let lab = Lab::new().await;
    lab.world.rule(Rule::image(mark("stuck"), Behaviour::Stuck {}));
    lab.world.rule(Rule::image(mark("bad"), Behaviour::exits(1, ["boom"])));
    let stuck = lab.prepare("stuck").await.unwrap();
    lab.target().apply(&stuck).await.unwrap();
    let plan = lab.prepare("bad").await.unwrap();
    assert_eq!(plan.previous.name, "api:1");
    assert!(plan.notices.iter().any(|notice| notice.contains("a rollback goes to api:1")), "{plan:#?}");
    let run = lab.drive(plan).await;
    assert_eq!(run.word(), "rolled-back", "{run:#?}");
    lab.assert_serves("one");
}

#[tokio::test]
async fn applying_again_after_a_crash_at_any_point_makes_one_registration_and_one_update() {
    let lab = Lab::new().await;
    let plan = lab.prepare("two").await.unwrap();
    // Between the two: registered, the update never sent.
    lab.world.fault(Fault::on("ecs", "UpdateService", FaultKind::Deny).times(1));
    lab.target().apply(&plan).await.unwrap_err();
    let first = lab.target().apply(&plan).await.unwrap();
    // After the update, before anything was written down.
    let second = lab.target().apply(&plan).await.unwrap();
    assert_eq!(first.revision.id, second.revision.id);
    assert_eq!(first.id, second.id);
    assert!(first.id.is_some());
    assert_eq!(lab.world.count("ecs", "RegisterTaskDefinition"), 1);
    assert_eq!(lab.world.count("ecs", "UpdateService"), 2, "one was denied");
    let run = lab.drive(plan).await;
    assert_eq!(run.word(), "succeeded", "{run:#?}");
    assert_eq!(lab.world.count("ecs", "UpdateService"), 2);
}

#[tokio::test]
async fn an_answer_that_is_lost_is_looked_for_and_not_sent_again() {
    for operation in ["UpdateService", "RegisterTaskDefinition"] {
        let mut lab = Lab::new().await;
        lab.spec.force = shipline::config::spec::ForceNewDeployment::Yes;
        lab.world.fault(Fault::on("ecs", operation, FaultKind::LoseResponse).times(1));
        let run = lab.deploy("two").await;
        assert_eq!(run.word(), "succeeded", "{operation}: {run:#?}");
        lab.assert_serves("two");
        assert_eq!(lab.world.count("ecs", operation), 1, "{operation}");
    }
}

#[tokio::test]
async fn going_back_twice_is_going_back_once_and_ends_proven() {
    let lab = Lab::new().await;
    lab.world.rule(Rule::any(Behaviour::slow(5000, 100)));
    let plan = lab.prepare("two").await.unwrap();
    let target = lab.target();
    let shift = target.apply(&plan).await.unwrap();
    let Back::Began(_) = target.revert(&plan, Some(&shift)).await.unwrap() else { panic!("not begun") };
    let again = lab.target().revert(&plan, Some(&shift)).await.unwrap();
    let Back::Began(back) = again else { panic!("{again:?}") };
    let mut proven = false;
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if lab.target().observe(&plan, &back).await.unwrap() == Sight::Serving {
            proven = true;
            break;
        }
    }
    assert!(proven);
    lab.assert_serves("one");
    assert_eq!(lab.target().revert(&plan, Some(&shift)).await.unwrap(), Back::Already);
    assert_eq!(lab.target().revert(&plan, None).await.unwrap(), Back::Already);
}

#[tokio::test]
async fn a_finished_deployment_is_taken_back_too() {
    let lab = Lab::new().await;
    let plan = lab.prepare("two").await.unwrap();
    let target = lab.target();
    let shift = target.apply(&plan).await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(target.observe(&plan, &shift).await.unwrap(), Sight::Serving);
    let Back::Began(back) = target.revert(&plan, Some(&shift)).await.unwrap() else { panic!("not begun") };
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(target.observe(&plan, &back).await.unwrap(), Sight::Serving);
    lab.assert_serves("one");
}

#[tokio::test]
async fn somebody_elses_revision_is_not_taken_back() {
    let lab = Lab::new().await;
    let plan = lab.prepare("two").await.unwrap();
    let shift = lab.target().apply(&plan).await.unwrap();
    let theirs = lab.world.task_definition(definition(&image("theirs")));
    let update = json!({"cluster": "pmis", "service": "api", "taskDefinition": theirs});
    lab.world.ecs("UpdateService", &update).unwrap();
    for shift in [Some(&shift), None] {
        let found = lab.target().revert(&plan, shift).await.unwrap();
        assert!(matches!(&found, Back::Superseded { by } if by.contains("api:3")), "{found:?}");
    }
}

#[tokio::test]
async fn a_new_number_of_tasks_is_set_and_brought_back() {
    let mut lab = Lab::new().await;
    lab.spec.desired_count = Some(3);
    lab.world.rule(Rule::image(mark("bad"), Behaviour::exits(1, ["boom"])));
    assert_eq!(lab.deploy("bad").await.word(), "rolled-back");
    lab.assert_serves("one");
    assert_eq!(lab.service()["desiredCount"], 2);
    assert_eq!(lab.deploy("one").await.word(), "succeeded");
    assert_eq!(lab.service()["desiredCount"], 3);
    lab.assert_serves("one");
    assert!(!moves(&lab.prepare("one").await.unwrap()));
}

#[tokio::test]
async fn the_past_is_what_served_newest_first_without_what_failed() {
    let lab = Lab::new().await;
    lab.world.rule(Rule::image(mark("bad"), Behaviour::exits(1, ["boom"])));
    assert_eq!(lab.deploy("two").await.word(), "succeeded");
    assert_eq!(lab.deploy("bad").await.word(), "rolled-back");
    assert_eq!(lab.deploy("three").await.word(), "succeeded");
    let past = lab.target().past().await.unwrap();
    assert_eq!(past.live.image.as_ref(), Some(&image("three")));
    let good: Vec<_> = past.good.iter().map(|good| good.revision.image.clone().unwrap()).collect();
    assert_eq!(good, [image("two"), image("one")]);
    assert!(past.notices.is_empty(), "{:?}", past.notices);

    // Back to the one before, exactly as it was.
    let wish = Wish::Revision(past.good[0].revision.clone());
    let plan = lab.target().prepare(&wish).await.unwrap().service;
    let registered = lab.world.count("ecs", "RegisterTaskDefinition");
    assert_eq!(lab.drive(plan).await.word(), "succeeded");
    lab.assert_serves("two");
    assert_eq!(lab.world.count("ecs", "RegisterTaskDefinition"), registered);
}

#[tokio::test]
async fn without_service_deployments_the_past_is_the_family_and_people_are_told() {
    let lab = Lab::new().await;
    assert_eq!(lab.deploy("two").await.word(), "succeeded");
    lab.world.fault(Fault::on("ecs", "ListServiceDeployments", FaultKind::Unknown));
    let past = lab.target().past().await.unwrap();
    assert_eq!(past.good.len(), 1);
    assert_eq!(past.good[0].revision.image, Some(image("one")));
    assert!(past.notices[0].contains("may never have served"), "{:?}", past.notices);
}

#[tokio::test]
async fn a_deregistered_revision_is_brought_back_with_its_content() {
    let lab = Lab::new().await;
    let first = lab.service()["taskDefinition"].as_str().unwrap().to_owned();
    assert_eq!(lab.deploy("two").await.word(), "succeeded");
    let past = lab.target().past().await.unwrap();
    lab.world.ecs("DeregisterTaskDefinition", &json!({"taskDefinition": first})).unwrap();
    let wish = Wish::Revision(past.good[0].revision.clone());
    let plan = lab.target().prepare(&wish).await.unwrap().service;
    assert!(plan.notices[0].contains("deregistered"), "{plan:#?}");
    assert_eq!(lab.drive(plan).await.word(), "succeeded");
    lab.assert_serves("one");
}
