//! Deliveries that come late, several times, in the wrong order or under another id: people get what
//! they asked for, once.

use std::time::Duration;

use serde_json::json;

use crate::stage::{Database, Stage};

/// The id of the newest delivery of an event.
fn newest(stage: &Stage, event: &str) -> String {
    let all = stage.github.deliveries();
    all.iter().rev().find(|delivery| delivery.event == event).unwrap().guid.clone()
}

#[tokio::test]
async fn what_was_said_while_the_bot_was_down_for_an_hour_is_done_once_however_often_it_comes() {
    let mut stage = Stage::new(Database::Sqlite).await;
    // An hour ago by GitHub's clock, and nobody listened.
    stage.github.act("advance", &json!({"ms": -3_600_000}));
    let pull = stage.pull("Say hello");
    stage.says("dev", pull.number, "/deploy staging");
    stage.github.delivered().await;
    assert!(stage.github.deliveries().iter().all(|delivery| delivery.code.is_none()));
    let comment = newest(&stage, "issue_comment");
    stage.github.advance(Duration::from_hours(1));

    stage.github.hold_deliveries();
    stage.start();
    stage.until("the bot asks for what it missed", || {
        let calls = stage.github_calls();
        let asked = calls.iter().filter(|call| call.operation.ends_with("/attempts")).count();
        (asked >= 2).then_some(())
    });
    // What GitHub sends again, three copies of it on the way, and one under another id.
    stage.github.duplicate(&comment, 3);
    stage.github.resend(&comment);
    stage.github.release_deliveries();
    stage.answer(pull.number, "serves after");
    let again = newest(&stage, "issue_comment");
    stage.github.duplicate(&again, 2);
    stage.github.resend(&again);
    stage.github.delivered().await;
    stage.github.resend(&comment);
    stage.github.delivered().await;
    settled(&stage, pull.number);
    stage.assert_serves("api-staging", &stage.built(&pull.sha));
    assert_eq!(stage.states("staging").len(), 1, "{}", stage.everything());
    assert_eq!(stage.world.count("ecs", "UpdateService"), 1, "{}", stage.everything());
    assert_eq!(stage.answers(pull.number).len(), 2, "the deployment and the history\n{}", stage.everything());
}

/// Whatever was accepted is worked on: a later command of the same pull request was answered.
fn settled(stage: &Stage, issue: u64) {
    stage.says("mona", issue, "/history staging");
    stage.answer(issue, "staging · history");
}

#[tokio::test]
async fn missed_deliveries_are_asked_for_in_the_order_they_were_sent() {
    let mut stage = Stage::new(Database::Sqlite).await;
    stage.github.act("advance", &json!({"ms": -3_600_000}));
    let pull = stage.pull("Say hello");
    stage.says("dev", pull.number, "/deploy staging");
    stage.github.delivered().await;
    stage.github.advance(Duration::from_hours(1));
    stage.start();
    stage.answer(pull.number, "serves after");
    stage.assert_serves("api-staging", &stage.built(&pull.sha));
    assert_eq!(stage.answers(pull.number).len(), 1, "{}", stage.everything());
    assert_eq!(stage.states("staging").len(), 1, "{}", stage.everything());
}

#[tokio::test]
async fn a_delivery_comes_three_times_and_with_a_new_id_and_is_worked_on_once() {
    let mut stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    stage.github.delivered().await;
    stage.github.hold_deliveries();
    stage.says("dev", pull.number, "/deploy staging");
    stage.github.act("duplicate", &json!({"times": 2}));
    stage.github.act("resend", &json!({}));
    stage.github.release_deliveries_reversed();
    stage.answer(pull.number, "serves after");
    // After a restart nothing of it is forgotten.
    stage.stop(0);
    stage.start();
    let comment = newest(&stage, "issue_comment");
    stage.github.duplicate(&comment, 1);
    stage.github.resend(&comment);
    stage.github.delivered().await;
    settled(&stage, pull.number);
    assert_eq!(stage.states("staging").len(), 1, "{}", stage.everything());
    assert_eq!(stage.world.count("ecs", "UpdateService"), 1, "{}", stage.everything());
    assert_eq!(stage.answers(pull.number).len(), 2, "the deployment and the history\n{}", stage.everything());
}

#[tokio::test]
async fn a_comment_that_overtakes_the_push_it_stands_on_is_bound_to_nothing() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    stage.github.hold_deliveries();
    let pull = stage.pull("Say hello");
    stage.says("dev", pull.number, "/deploy staging");
    stage.github.release_deliveries_reversed();
    let told = stage.answer(pull.number, "head-unknown");
    assert!(told.body.contains(&format!("/deploy staging --sha {}", pull.sha)), "{}", told.body);
    assert_eq!(stage.world.count("ecs", "UpdateService"), 0);
    stage.says("dev", pull.number, &format!("/deploy staging --sha {}", pull.sha));
    stage.answer(pull.number, "serves after");
}
