//! `/deploy`: from the comment to what serves.

use std::time::{Duration, Instant};

use crate::stage::{Database, Stage};

/// Calls of GitHub before the first change of a service.
fn calls_before_the_change(stage: &Stage) -> Vec<String> {
    let calls = stage.world.calls();
    let until = calls.iter().position(|call| call.operation == "UpdateService").unwrap();
    // The bot looks for missed deliveries by itself, whatever people ask for.
    let calls = calls[..until].iter().filter(|call| call.service == "github" && !call.operation.contains("/app/hook"));
    calls.map(|call| call.operation.clone()).collect()
}

#[tokio::test]
async fn a_comment_puts_the_head_of_the_pull_request_on_the_environment() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    let image = stage.image(&pull.sha, Some(&pull.sha));
    stage.world.forget_calls();
    let asked = Instant::now();
    let comment = stage.says("dev", pull.number, "/deploy staging");
    stage.until("eyes", || {
        let said = stage.shop.conversation(pull.number);
        said.iter().find(|said| said.id == comment && said.reactions.contains_key("eyes")).map(|_| ())
    });
    assert!(asked.elapsed() < Duration::from_secs(1), "👀 came after {:?}", asked.elapsed());
    stage.answer(pull.number, "serves after");
    stage.assert_serves("api-staging", &image);
    assert_eq!(stage.answers(pull.number).len(), 1, "{}", stage.everything());
    stage.until("the end of the Deployment", || {
        stage.states("staging").concat().contains(&"success".to_owned()).then_some(())
    });
    assert_eq!(stage.states("staging").len(), 1, "{}", stage.everything());
    let calls = calls_before_the_change(&stage);
    assert!(calls.len() <= 12, "{} calls: {calls:#?}", calls.len());
    let eyes = calls.iter().position(|call| call.ends_with("/reactions")).unwrap();
    assert!(eyes < 2, "{calls:#?}");
    assert_eq!(stage.world.count("ecs", "UpdateService"), 1);
}

#[tokio::test]
async fn a_release_that_breaks_is_taken_back_and_the_comment_says_why() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let before = stage.serving("api-staging").unwrap();
    let pull = stage.pull("Forget the address");
    stage.breaks(&stage.image(&pull.sha, Some(&pull.sha)));
    stage.says("dev", pull.number, "/deploy staging");
    let told = stage.answer(pull.number, "serves again");
    assert!(told.body.contains("exited with code 1"), "{}", told.body);
    assert!(told.body.contains("KeyError: 'DATABASE_URL'"), "{}", told.body);
    stage.assert_serves("api-staging", &before);
    assert_eq!(stage.answers(pull.number).len(), 1, "{}", stage.everything());
    stage.until("the end of the Deployment", || {
        stage.states("staging").concat().contains(&"failure".to_owned()).then_some(())
    });
    assert_eq!(stage.states("staging").len(), 1, "{}", stage.everything());
}

#[tokio::test]
async fn going_back_puts_the_last_good_release_there_and_holds_the_environment() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let first = stage.pull("First");
    stage.says("dev", first.number, "/deploy production");
    stage.answer(first.number, "serves after");
    let good = stage.serving("api-production").unwrap();
    let second = stage.pull("Second");
    stage.says("dev", second.number, "/deploy production");
    stage.answer(second.number, "serves after");
    stage.shop.close(second.number);
    stage.world.forget_calls();
    stage.says("dev", second.number, "/rollback production");
    stage.until("the release before", || (stage.serving("api-production")? == good).then_some(()));
    let told = stage.answer(second.number, "locked");
    assert!(told.body.contains("look before you deploy"), "{}", told.body);
    let calls = calls_before_the_change(&stage);
    assert!(calls.len() <= 6, "{} calls: {calls:#?}", calls.len());

    stage.says("mona", first.number, "/deploy production");
    let refused = stage.answer(first.number, "dev");
    assert!(refused.body.contains("rolled back, look before you deploy"), "{}", stage.everything());
    assert_eq!(stage.serving("api-production").unwrap(), good);
}
