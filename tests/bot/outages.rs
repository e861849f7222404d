//! What goes away in the middle and comes back: the bot itself, a token, a permission.

use std::time::Duration;

use serde_json::json;
use shipline_test_support::{Behaviour, Pull};

use crate::stage::{Database, Stage};

/// A deployment under way that takes a few seconds.
fn slow(stage: &Stage) -> (Pull, String) {
    let pull = stage.pull("Takes its time");
    let image = stage.built(&pull.sha);
    stage.goes(&image, Behaviour::slow(4_000, 50));
    stage.says("dev", pull.number, "/deploy staging");
    stage.until("the change", || (stage.world.count("ecs", "UpdateService") == 1).then_some(()));
    stage.until("it is told", || (stage.states("staging").last()?.last()? == "in_progress").then_some(()));
    (pull, image)
}

fn assert_one_deployment(stage: &Stage, pull: &Pull, image: &str) {
    stage.answer(pull.number, "serves after");
    stage.until("the last state", || (stage.states("staging").last()?.last()? == "success").then_some(()));
    stage.assert_serves("api-staging", image);
    assert_eq!(stage.answers(pull.number).len(), 1, "{}", stage.everything());
    assert_eq!(stage.states("staging").len(), 1, "{}", stage.everything());
    assert_eq!(stage.world.count("ecs", "UpdateService"), 1, "{}", stage.everything());
}

#[tokio::test]
async fn comments_that_came_while_the_bot_was_down_are_carried_out_at_its_start_once() {
    let mut stage = Stage::with_bot(Database::Sqlite).await;
    stage.stop(0);
    // Old enough not to be on their way any more.
    stage.github.advance(Duration::from_mins(1));
    let pull = stage.pull("Opened while nobody listened");
    let image = stage.built(&pull.sha);
    stage.says("dev", pull.number, "/deploy staging");
    stage.says("mona", pull.number, "/status staging");
    stage.until("the deliveries fail", || stage.github.is_quiet().then_some(()));
    assert!(
        stage.github.deliveries().iter().rev().take(3).all(|delivery| delivery.code.is_none_or(|code| code >= 300))
    );
    let bot = stage.start();
    stage.until("it serves", || (stage.serving("api-staging")? == image).then_some(()));
    stage.until("both are answered", || (stage.answers(pull.number).len() == 2).then_some(()));
    assert!(stage.log(bot).contains("missed deliveries were asked for again"), "{}", stage.logs());
    // Recovery looks again every second: what was recovered stays done.
    let asked = || stage.log(bot).matches("asked for again").count();
    let before = asked();
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!(asked(), before, "{}", stage.logs());
    stage.until("the last state", || (stage.states("staging").last()?.last()? == "success").then_some(()));
    assert_eq!(stage.states("staging").len(), 1, "{}", stage.everything());
    assert_eq!(stage.world.count("ecs", "UpdateService"), 1, "{}", stage.everything());
}

#[tokio::test]
async fn a_token_that_expires_in_the_middle_is_replaced() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let (pull, image) = slow(&stage);
    stage.github.expire_tokens();
    assert_one_deployment(&stage, &pull, &image);
}

#[tokio::test]
async fn a_permission_withdrawn_in_the_middle_stops_no_deployment_and_is_told_when_it_is_back() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let (pull, image) = slow(&stage);
    // Comments of a pull request belong to both.
    for permission in ["issues", "pull_requests", "deployments"] {
        stage.github.withdraw(permission);
    }
    stage.until("it serves", || (stage.serving("api-staging")? == image).then_some(()));
    let ended = stage.until("its end in the audit trail", || {
        std::thread::sleep(Duration::from_millis(200));
        let trail = stage.program(&["audit", "export"]);
        trail.lines().find(|line| line.contains("\"deployment-ended\"")).map(str::to_owned)
    });
    let entry: serde_json::Value = serde_json::from_str(&ended).unwrap();
    assert_eq!(entry["outcome"], "succeeded", "{ended}");
    assert!(stage.log(0).contains("GitHub was not told, trying again"), "{}", stage.logs());
    assert!(stage.answers(pull.number).iter().all(|answer| !answer.body.contains("serves after")));
    let back = json!({"permissions": {"issues": "write", "pull_requests": "write", "deployments": "write"}});
    stage.github.act("permit", &back);
    assert_one_deployment(&stage, &pull, &image);
}
