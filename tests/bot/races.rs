//! Things that happen between two others: whoever asked gets what was seen and asked for, or is told
//! why not. Never something in between.

use std::time::Duration;

use serde_json::json;
use shipline_test_support::{Behaviour, Fault, FaultKind, Pull, Role};

use crate::stage::{Database, Stage};

/// Tasks of this image need that long to become healthy.
fn slow(stage: &Stage, pull: &Pull, ms: u64) -> String {
    let image = stage.built(&pull.sha);
    stage.goes(&image, Behaviour::Healthy { after_ms: Some(ms), drain_ms: None, lines: Vec::new() });
    image
}

/// Waits until the service is being changed.
fn under_way(stage: &Stage) {
    stage.until("the change begins", || (stage.world.count("ecs", "UpdateService") > 0).then_some(()));
}

/// The outcome of every entry of the audit trail with this action, oldest first.
fn audited(stage: &Stage, action: &str) -> Vec<String> {
    let entries = stage.audit();
    let ours = entries.iter().filter(|entry| entry["action"] == action);
    ours.map(|entry| entry["outcome"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_push_after_the_comment_is_not_deployed_whether_the_bot_knows_of_it_or_not() {
    for reversed in [false, true] {
        let stage = Stage::with_bot(Database::Sqlite).await;
        let pull = stage.pull("Say hello");
        stage.github.delivered().await;
        stage.github.hold_deliveries();
        stage.says("dev", pull.number, "/deploy staging");
        let pushed = stage.push(pull.number);
        if reversed {
            stage.github.release_deliveries_reversed();
        } else {
            stage.github.release_deliveries();
        }
        let told = stage.answer(pull.number, &format!("/deploy staging --sha {pushed}"));
        assert!(told.body.contains("head-moved") || told.body.contains("head-unknown"), "{}", told.body);
        assert_eq!(stage.world.count("ecs", "UpdateService"), 0, "{}", stage.everything());
        stage.says("dev", pull.number, &format!("/deploy staging --sha {pushed}"));
        stage.answer(pull.number, "serves after");
        stage.assert_serves("api-staging", &stage.built(&pushed));
    }
}

#[tokio::test]
async fn a_push_before_the_comment_that_the_bot_was_not_told_of_is_not_deployed_unseen() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    stage.github.delivered().await;
    stage.github.act("lose", &json!({"count": 1, "how": "never"}));
    let pushed = stage.push(pull.number);
    stage.github.delivered().await;
    stage.says("dev", pull.number, "/deploy staging");
    let told = stage.answer(pull.number, "head-moved");
    assert!(told.body.contains(&format!("--sha {pushed}")), "{}", told.body);
    assert_eq!(stage.world.count("ecs", "UpdateService"), 0);
}

#[tokio::test]
async fn a_push_while_a_deployment_waits_behind_another_voids_it() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let (first, second) = (stage.pull("First"), stage.pull("Second"));
    // However short it waits.
    let running = slow(&stage, &first, 1_500);
    stage.says("dev", first.number, "/deploy staging");
    under_way(&stage);
    stage.says("mona", second.number, "/deploy staging");
    stage.answer(second.number, "waiting behind");
    let pushed = stage.push(second.number);
    stage.answer(first.number, "serves after");
    let told = stage.answer(second.number, "head-moved");
    assert!(told.body.contains(&format!("/deploy staging --sha {pushed}")), "{}", told.body);
    assert_eq!(stage.answers(second.number).len(), 1, "{}", stage.everything());
    stage.assert_serves("api-staging", &running);
    assert_eq!(stage.world.count("ecs", "UpdateService"), 1);
}

#[tokio::test]
async fn two_people_deploy_different_commits_in_the_same_second_and_both_run_one_after_the_other() {
    for swapped in [false, true] {
        let stage = Stage::with_bot(Database::Sqlite).await;
        let (first, second) = (stage.pull("First"), stage.pull("Second"));
        stage.github.delivered().await;
        stage.github.hold_deliveries();
        stage.says("dev", first.number, "/deploy staging");
        stage.shop.says("mona", second.number, "/deploy staging");
        if swapped {
            stage.github.release_deliveries_reversed();
        } else {
            stage.github.release_deliveries();
        }
        stage.answer(first.number, "serves after");
        stage.answer(second.number, "serves after");
        // Which of them came last serves, and neither was disturbed by the other.
        assert_eq!(stage.states("staging").len(), 2, "{}", stage.everything());
        assert_eq!(stage.world.count("ecs", "UpdateService"), 2, "{}", stage.everything());
        let last = stage.shop.deployments().last().unwrap()["sha"].as_str().unwrap().to_owned();
        stage.assert_serves("api-staging", &stage.built(&last));
        stage.until("both are over", || {
            (audited(&stage, "deployment-ended") == ["succeeded", "succeeded"]).then_some(())
        });
        for pull in [first.number, second.number] {
            assert_eq!(stage.answers(pull).len(), 1, "{}", stage.everything());
        }
    }
}

#[tokio::test]
async fn two_people_deploy_the_same_commit_in_the_same_second_and_it_runs_once() {
    let mut stage = Stage::with_bot(Database::Postgres).await;
    stage.start();
    let sha = stage.shop.file("README.md", "hello");
    let image = stage.built(&sha);
    stage.goes(&image, Behaviour::Healthy { after_ms: Some(3_000), drain_ms: None, lines: Vec::new() });
    let (one, two) = (stage.shop.issue("dev", "One"), stage.shop.issue("mona", "Two"));
    stage.github.advance(Duration::from_secs(2));
    let command = format!("/deploy staging --sha {sha}");
    stage.shop.says("dev", one, &command);
    stage.shop.says("mona", two, &command);
    stage.until("one runs and one is told", || {
        let all = [stage.answers(one), stage.answers(two)].concat();
        let has = |text: &str| all.iter().any(|comment| comment.body.contains(text));
        (has("serves after") && has("on its way to `staging` already")).then_some(())
    });
    stage.assert_serves("api-staging", &image);
    assert_eq!(stage.world.count("ecs", "UpdateService"), 1, "{}", stage.everything());
    assert_eq!(stage.states("staging").len(), 1, "{}", stage.everything());
}

#[tokio::test]
async fn somebody_who_asks_twice_gets_it_once() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    let image = slow(&stage, &pull, 1_500);
    stage.says("dev", pull.number, "/deploy staging");
    stage.shop.says("dev", pull.number, "/deploy staging");
    stage.answer(pull.number, "Nothing was started a second time");
    stage.answer(pull.number, "serves after");
    stage.assert_serves("api-staging", &image);
    assert_eq!(stage.world.count("ecs", "UpdateService"), 1, "{}", stage.everything());
    assert_eq!(stage.states("staging").len(), 1, "{}", stage.everything());
}

#[tokio::test]
async fn an_unlock_during_a_deployment_lets_nobody_in_before_its_end() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let (first, second) = (stage.pull("First"), stage.pull("Second"));
    let running = slow(&stage, &first, 4_000);
    stage.says("mona", first.number, "/lock staging release\n/deploy staging");
    under_way(&stage);
    stage.says("dev", second.number, "/deploy staging");
    stage.answer(second.number, "was locked by `mona`");
    stage.says("mona", first.number, "/unlock staging");
    stage.answer(first.number, "let `staging` go");
    stage.says("dev", second.number, "/deploy staging");
    stage.answer(second.number, "waiting behind");
    assert_eq!(stage.world.count("ecs", "UpdateService"), 1, "{}", stage.everything());
    stage.answer(first.number, "serves after");
    stage.answer(second.number, "serves after");
    stage.assert_serves("api-staging", &stage.built(&second.sha));
    assert_ne!(running, stage.built(&second.sha));
    stage.until("both are over", || (audited(&stage, "deployment-ended") == ["succeeded", "succeeded"]).then_some(()));
}

#[tokio::test]
async fn a_lock_in_the_second_of_a_deployment_stops_it_or_holds_after_it() {
    for swapped in [false, true] {
        let stage = Stage::with_bot(Database::Sqlite).await;
        let (first, second) = (stage.pull("First"), stage.pull("Second"));
        let before = stage.serving("api-staging").unwrap();
        stage.github.delivered().await;
        stage.github.hold_deliveries();
        stage.says("dev", first.number, "/deploy staging");
        stage.shop.says("mona", second.number, "/lock staging hands off");
        if swapped {
            stage.github.release_deliveries_reversed();
        } else {
            stage.github.release_deliveries();
        }
        stage.answer(second.number, "is locked by");
        let ended = stage.until("the deployment's end", || {
            let mut answers = stage.answers(first.number).into_iter();
            answers.find(|answer| answer.body.contains("serves after") || answer.body.contains("reason: `locked`"))
        });
        let image = if ended.body.contains("serves after") { stage.built(&first.sha) } else { before };
        stage.until("what the comment says", || (stage.serving("api-staging")? == image).then_some(()));
        assert_eq!(stage.answers(first.number).len(), 1, "{}", stage.everything());
        stage.says("dev", first.number, "/deploy staging");
        stage.until("the lock holds", || {
            let answers = stage.answers(first.number);
            answers.iter().any(|answer| answer.body.contains("was locked by `mona`")).then_some(())
        });
    }
}

#[tokio::test]
async fn what_a_comment_says_after_an_edit_never_runs() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    let harmless = stage.says("dev", pull.number, "looks good");
    stage.shop.edits("dev", harmless, "/deploy production");
    stage.github.delivered().await;
    stage.github.hold_deliveries();
    let command = stage.says("dev", pull.number, "/deploy staging");
    stage.shop.edits("dev", command, "/deploy production");
    stage.github.release_deliveries();
    stage.answer(pull.number, "serves after");
    stage.assert_serves("api-staging", &stage.built(&pull.sha));
    assert_eq!(stage.states("production").len(), 0, "{}", stage.everything());
    assert_eq!(stage.world.count("ecs", "UpdateService"), 1, "{}", stage.everything());
}

#[tokio::test]
async fn a_comment_that_is_deleted_before_it_is_worked_on_does_nothing_and_the_trail_says_so() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    stage.github.delivered().await;
    stage.github.hold_deliveries();
    let command = stage.says("dev", pull.number, "/deploy staging");
    stage.shop.deletes("dev", command);
    stage.github.release_deliveries();
    stage.until("it is written down", || (audited(&stage, "deploy") == ["comment-gone"]).then_some(()));
    assert!(stage.answers(pull.number).is_empty(), "{}", stage.everything());
    assert_eq!(stage.world.count("ecs", "UpdateService"), 0);
    assert!(stage.states("staging").is_empty());
}

#[tokio::test]
async fn a_permission_that_is_withdrawn_in_the_middle_stops_no_rollout_and_given_back_all_is_told() {
    for permission in ["issues", "deployments", "checks"] {
        let stage = Stage::with_bot(Database::Sqlite).await;
        let pull = stage.pull("Say hello");
        let image = slow(&stage, &pull, 2_000);
        stage.says("dev", pull.number, "/deploy staging");
        under_way(&stage);
        stage.github.withdraw(permission);
        // A comment in a pull request may be written with either.
        if permission == "issues" {
            stage.github.withdraw("pull_requests");
        }
        stage.until("the release serves", || (stage.serving("api-staging")? == image).then_some(()));
        let back = json!({"permissions": {"issues": "write", "pull_requests": "write", permission: "write"}});
        stage.github.act("permit", &back);
        stage.answer(pull.number, "serves after");
        stage.until("the Deployment's end", || {
            stage.states("staging").concat().contains(&"success".to_owned()).then_some(())
        });
        assert_eq!(stage.answers(pull.number).len(), 1, "{permission}\n{}", stage.everything());
        assert_eq!(stage.states("staging").len(), 1, "{permission}\n{}", stage.everything());
        stage.until("it is over", || (audited(&stage, "deployment-ended") == ["succeeded"]).then_some(()));
    }
}

#[tokio::test]
async fn an_app_that_is_removed_in_the_middle_leaves_no_half_deployment() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    let image = slow(&stage, &pull, 2_000);
    stage.says("dev", pull.number, "/deploy staging");
    under_way(&stage);
    stage.github.act("uninstall", &json!({}));
    stage.until("the release serves", || (stage.serving("api-staging")? == image).then_some(()));
    // GitHub is not to be reached for it any more; the bot's own books are closed all the same.
    stage.until("it is over", || (audited(&stage, "deployment-ended") == ["succeeded"]).then_some(()));
    assert_eq!(stage.world.count("ecs", "UpdateService"), 1);
}

#[tokio::test]
async fn a_token_that_expires_in_the_middle_is_renewed_and_nobody_notices() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    let image = slow(&stage, &pull, 2_000);
    stage.says("dev", pull.number, "/deploy staging");
    under_way(&stage);
    stage.github.expire_tokens();
    stage.answer(pull.number, "serves after");
    stage.assert_serves("api-staging", &image);
    assert_eq!(stage.answers(pull.number).len(), 1, "{}", stage.everything());
    // And between two commands.
    stage.github.expire_tokens();
    stage.says("dev", pull.number, "/history staging");
    stage.answer(pull.number, "staging · history");
}

#[tokio::test]
async fn a_head_that_the_api_does_not_show_yet_is_waited_for() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    stage.github.delivered().await;
    stage.github.heads_visible_after(Duration::from_secs(4));
    let pushed = stage.push(pull.number);
    stage.github.delivered().await;
    stage.shop.says("dev", pull.number, "/deploy staging");
    stage.answer(pull.number, "serves after");
    stage.assert_serves("api-staging", &stage.built(&pushed));
    assert_eq!(stage.answers(pull.number).len(), 1, "{}", stage.everything());
}

#[tokio::test]
async fn a_head_that_the_api_does_not_show_at_all_is_not_deployed_and_the_older_one_is_not_offered() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    stage.github.delivered().await;
    stage.github.heads_visible_after(Duration::from_hours(1));
    stage.push(pull.number);
    stage.github.delivered().await;
    stage.shop.says("dev", pull.number, "/deploy staging");
    let told = stage.until("an answer", || stage.answers(pull.number).into_iter().next());
    assert!(!told.body.contains(&format!("--sha {}", pull.sha)), "{}", told.body);
    assert!(told.body.contains("again in a minute"), "{}", told.body);
    assert_eq!(stage.world.count("ecs", "UpdateService"), 0);
}

#[tokio::test]
async fn a_login_that_somebody_else_took_gives_no_rights() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    stage.github.delivered().await;
    stage.github.hold_deliveries();
    stage.shop.user("guest", Role::Read);
    stage.says("guest", pull.number, "/deploy staging");
    // The guest goes, and a person with rights takes the name: the comment is still the guest's.
    stage.github.rename("guest", "somebody");
    stage.github.rename("dev", "guest");
    stage.github.release_deliveries();
    let told = stage.answer(pull.number, "access-denied");
    assert!(told.body.contains("is not the account that wrote this comment any more"), "{}", told.body);
    assert_eq!(stage.world.count("ecs", "UpdateService"), 0);
    assert!(stage.states("staging").is_empty());
}

#[tokio::test]
async fn a_person_who_was_renamed_is_not_taken_for_somebody_else_and_may_ask_under_the_new_name() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    stage.github.delivered().await;
    stage.github.hold_deliveries();
    stage.says("dev", pull.number, "/deploy staging");
    stage.github.rename("dev", "developer");
    // The free login is taken by somebody who may deploy as well.
    stage.github.rename("mona", "dev");
    stage.github.release_deliveries();
    let told = stage.answer(pull.number, "access-denied");
    assert!(told.body.contains("is not the account that wrote this comment any more"), "{}", told.body);
    assert_eq!(stage.world.count("ecs", "UpdateService"), 0);
    stage.says("developer", pull.number, "/deploy staging");
    stage.answer(pull.number, "serves after");
}

#[tokio::test]
async fn a_repository_that_is_renamed_in_between_is_still_the_same() {
    let mut stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    stage.github.delivered().await;
    stage.github.hold_deliveries();
    let image = slow(&stage, &pull, 3_000);
    stage.says("dev", pull.number, "/deploy staging");
    // Before it is worked on, and once more while it runs.
    stage.shop = stage.shop.renamed("acme/store");
    stage.github.release_deliveries();
    under_way(&stage);
    stage.shop = stage.shop.renamed("acme/market");
    stage.answer(pull.number, "serves after");
    stage.assert_serves("api-staging", &image);
    stage.until("the Deployment's end", || {
        stage.states("staging").concat().contains(&"success".to_owned()).then_some(())
    });
    assert_eq!(stage.answers(pull.number).len(), 1, "{}", stage.everything());
    assert_eq!(stage.states("staging").len(), 1, "{}", stage.everything());
    // The history is the repository's, whatever its name; so is the place it deploys to.
    let next = stage.pull("Once more");
    stage.says("dev", next.number, "/deploy staging");
    stage.answer(next.number, "serves after");
    stage.says("dev", next.number, "/history staging");
    let told = stage.answer(next.number, "staging · history");
    assert!(told.body.contains(&pull.sha[..7]), "{}", told.body);
}

#[tokio::test]
async fn an_hour_limit_that_runs_out_in_the_middle_only_delays_the_words() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    let image = slow(&stage, &pull, 2_000);
    stage.says("dev", pull.number, "/deploy staging");
    under_way(&stage);
    stage.github.leave_requests(0, Duration::from_secs(8));
    stage.until("the release serves", || (stage.serving("api-staging")? == image).then_some(()));
    stage.answer(pull.number, "serves after");
    stage.until("the Deployment's end", || {
        stage.states("staging").concat().contains(&"success".to_owned()).then_some(())
    });
    assert_eq!(stage.answers(pull.number).len(), 1, "{}", stage.everything());
}

#[tokio::test]
async fn a_pause_that_github_asks_for_is_kept_and_the_comment_is_true_at_the_end() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    slow(&stage, &pull, 2_000);
    stage.says("dev", pull.number, "/deploy staging");
    under_way(&stage);
    let kind = FaultKind::SecondaryLimit { status: 403, retry_after: Some(3) };
    stage.world.fault(Fault::on("github", "PATCH*", kind).times(1));
    // The App's own look for missed deliveries is no request of this installation.
    let calls = || {
        let mut calls = stage.github_calls();
        calls.retain(|call| !call.operation.contains("/app/"));
        calls
    };
    let refused = stage.until("the pause is asked for", || {
        calls().iter().find(|call| call.status == Some(403)).map(|call| call.at_ms)
    });
    stage.answer(pull.number, "serves after");
    let next = calls().iter().map(|call| call.at_ms).filter(|at| *at > refused).min().unwrap();
    assert!(next >= refused + 2_900, "the next call came {} ms after\n{}", next - refused, stage.everything());
    assert_eq!(stage.answers(pull.number).len(), 1, "{}", stage.everything());
    stage.until("the Deployment's end", || {
        stage.states("staging").concat().contains(&"success".to_owned()).then_some(())
    });
}

#[tokio::test]
async fn a_github_that_is_down_for_the_whole_rollout_is_told_the_end_when_it_is_back() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    let image = slow(&stage, &pull, 1_500);
    stage.says("dev", pull.number, "/deploy staging");
    under_way(&stage);
    stage.world.fault(Fault::on_service("github", FaultKind::ServerError { status: 502 }));
    stage.until("the release serves", || (stage.serving("api-staging")? == image).then_some(()));
    assert!(stage.answers(pull.number).iter().all(|answer| !answer.body.contains("serves after")));
    stage.world.no_faults();
    stage.answer(pull.number, "serves after");
    stage.until("the Deployment's end", || {
        stage.states("staging").concat().contains(&"success".to_owned()).then_some(())
    });
    assert_eq!(stage.answers(pull.number).len(), 1, "{}", stage.everything());
    assert_eq!(stage.states("staging").len(), 1, "{}", stage.everything());
}

#[tokio::test]
async fn a_command_that_comes_while_github_is_down_runs_when_it_is_back() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    stage.github.delivered().await;
    stage.world.fault(Fault::on_service("github", FaultKind::ServerError { status: 503 }).times(12));
    stage.says("dev", pull.number, "/deploy staging");
    stage.answer(pull.number, "serves after");
    stage.assert_serves("api-staging", &stage.built(&pull.sha));
    assert_eq!(stage.answers(pull.number).len(), 1, "{}", stage.everything());
}
