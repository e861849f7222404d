//! A rollout that stands at a step and waits for people: its check run with buttons, the reminder, the
//! end of its time, freezes, who may answer, and that it keeps nobody else from beginning.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use shipline_test_support::{Fault, FaultKind, Pull, Role, Timing};

use crate::approvals::decided;
use crate::approvals_elsewhere::{LIST, asks, token};
use crate::canary::{
    ERRORS, assert_each_once, calls, deploying, dies_and_returns, policy, serves, shows, stage, staged,
};
use crate::stage::{Database, Stage};
use crate::told::plain;

/// The check run of production on a commit.
fn check(stage: &Stage, sha: &str) -> Option<Value> {
    stage.shop.checks(sha).into_iter().find(|check| check["name"] == "Shipline: production")
}

fn buttons(check: &Value) -> Vec<String> {
    let all = check["buttons"].as_array().into_iter().flatten();
    all.filter_map(|button| button["identifier"].as_str()).map(str::to_owned).collect()
}

/// Waits until the check run asks for these words, in this order.
#[track_caller]
fn asked(stage: &Stage, sha: &str, words: &[&str]) -> Value {
    stage.until(&format!("the buttons {words:?}"), || {
        let check = check(stage, sha)?;
        let shown = buttons(&check);
        let same = shown.len() == words.len() && shown.iter().zip(words).all(|(id, word)| id.starts_with(word));
        (same && check["conclusion"] == "action_required").then_some(check)
    })
}

fn press(stage: &Stage, check: &Value, word: &str, who: &str) {
    let identifier = buttons(check).into_iter().find(|id| id.starts_with(word)).unwrap();
    stage.shop.act("press", json!({"check": check["id"], "identifier": identifier, "who": who}));
}

/// How often ECS was told to go on, and how often to go back.
fn answers(stage: &Stage) -> (usize, usize) {
    let all = stage.world.calls();
    let said: Vec<_> = all.iter().filter(|call| call.operation == "ContinueServiceDeployment").collect();
    let on = said.iter().filter(|call| call.body["action"] == "CONTINUE").count();
    (on, said.len() - on + calls(stage, "StopServiceDeployment"))
}

/// What the check run was told so far: `in_progress`, or its conclusion.
fn states(stage: &Stage) -> Vec<String> {
    let told = stage.github_calls().into_iter().filter(|call| call.operation.contains("/check-runs"));
    let told = told.filter(|call| call.operation.starts_with("PATCH") || call.operation.starts_with("POST"));
    let mut states: Vec<String> = told
        .map(|call| call.body["conclusion"].as_str().or(call.body["status"].as_str()).unwrap_or_default().to_owned())
        .collect();
    states.dedup();
    states
}

fn trail(stage: &Stage) -> Vec<(String, String)> {
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let all = stage.audit();
    let about = all.iter().filter(|entry| text(entry, "action").starts_with("approval."));
    about.map(|entry| (text(entry, "action"), text(entry, "outcome"))).collect()
}

/// Times at which the whole story is fast, but all traffic stays on the new revision for a moment.
fn timing() -> Timing {
    Timing { hook_minute_ms: Some(60_000), minute_ms: 4_000, ..Timing::default() }
}

#[tokio::test]
async fn a_step_is_approved_with_the_button_of_the_check_run() {
    let stage = staged(Database::Sqlite, &policy("bake: 1s, approval: true", ""), timing()).await;
    let (pull, comment, image) = deploying(&stage);
    let shown = asked(&stage, &pull.sha, &["approve-", "reject-"]);
    assert_eq!(shown["output"]["title"], "production: canary 10 %, waiting for approval", "{shown}");
    press(&stage, &shown, "approve", "dev");
    stage.answer(pull.number, "asked for this deployment, so somebody else must approve it");
    assert_eq!(answers(&stage).0, 1);
    press(&stage, &shown, "approve", "mona");
    stage.until("it is under way again", || {
        let check = check(&stage, &pull.sha)?;
        (check["status"] == "in_progress" && buttons(&check).is_empty()).then_some(())
    });
    let end = shows(&stage, &pull, comment, "serves after");
    assert!(end.contains("approved by mona"), "{end}");
    assert_eq!(serves(&stage), image);
    assert_each_once(&stage);
    stage.until("the check run's end", || {
        let check = check(&stage, &pull.sha)?;
        (check["conclusion"] == "success" && buttons(&check).is_empty()).then_some(())
    });
    assert_eq!(states(&stage), ["in_progress", "action_required", "in_progress", "success"]);
}

#[tokio::test]
async fn a_step_is_rejected_with_the_button_and_the_traffic_goes_back() {
    let stage = stage(Database::Sqlite, &policy("bake: 1s, approval: true", "")).await;
    let before = serves(&stage);
    let (pull, comment, _) = deploying(&stage);
    let shown = asked(&stage, &pull.sha, &["approve-", "reject-"]);
    press(&stage, &shown, "reject", "mona");
    let end = shows(&stage, &pull, comment, "serves again");
    assert!(end.contains("mona said no"), "{end}");
    assert_eq!(serves(&stage), before);
    assert_eq!(answers(&stage), (1, 1), "{}", stage.everything());
    stage.until("the check run's end", || {
        let check = check(&stage, &pull.sha)?;
        (check["conclusion"] == "failure" && buttons(&check).is_empty()).then_some(())
    });
}

#[tokio::test]
async fn what_is_undecided_can_be_watched_again_with_a_button_and_older_questions_are_over() {
    let stage = stage(Database::Sqlite, &policy("bake: 6s", ERRORS)).await;
    let (pull, comment, image) = deploying(&stage);
    let first = asked(&stage, &pull.sha, &["approve-", "reject-", "resume-"]);
    assert_eq!(first["output"]["title"], "production: canary 10 %, undecided, waiting for a person", "{first}");
    let mona = token(&stage, "mona");
    let (_, listed) = asks(&stage, "GET", LIST, &mona, "");
    let older = listed["approvals"][0]["id"].clone();
    press(&stage, &first, "resume", "reader");
    stage.answer(pull.number, "`access-denied`");
    press(&stage, &first, "resume", "mona");
    shows(&stage, &pull, comment, "10 %, being watched");
    stage.until("it is in progress", || (check(&stage, &pull.sha)?["status"] == "in_progress").then_some(()));
    // While it is watched nobody is asked: nothing is counted that would be for nothing.
    let early = stage.asks("mona", pull.number, "/approve production");
    assert!(early.contains("`no-gate`"), "{early}");
    let second = stage.until("the question again", || {
        let check = check(&stage, &pull.sha)?;
        (buttons(&check).len() == 3 && buttons(&check) != buttons(&first)).then_some(check)
    });
    for word in ["approve", "reject"] {
        let (status, answer) = asks(&stage, "POST", &format!("/api/approvals/{older}/{word}"), &mona, "");
        assert_eq!((status, &answer["error"]["code"]), (409, &json!("gate-over")), "{answer}");
    }
    assert_eq!(answers(&stage).0, 1);
    press(&stage, &second, "approve", "mona");
    shows(&stage, &pull, comment, "serves after");
    assert_eq!(serves(&stage), image);
    assert_each_once(&stage);
    let trail = trail(&stage);
    let trail: Vec<(&str, &str)> = trail.iter().map(|(action, outcome)| (action.as_str(), outcome.as_str())).collect();
    assert_eq!(
        trail,
        [
            ("approval.created", "waiting"),
            ("approval.voided", "void"),
            ("approval.created", "waiting"),
            ("approval.decided", "approved"),
        ]
    );
    assert!(stage.audit().iter().any(|entry| entry["action"] == "resume" && entry["outcome"] == "done"));
    stage.program(&["audit", "verify"]);
}

/// The policy of a canary that asks mona, with her yes to the plan.
fn approved_plan(stage: &Stage) -> (Pull, u64, String) {
    let (pull, comment, image) = deploying(stage);
    let asks = shows(stage, &pull, comment, "waiting for approval, 0 of 1");
    assert!(asks.contains("Traffic: canary, 10 % first and watched for"), "{asks}");
    stage.says("mona", pull.number, "/approve production");
    (pull, comment, image)
}

#[tokio::test]
async fn nobody_answers_at_a_step_people_are_reminded_once_and_then_it_goes_back() {
    let rule = "    access: { approve: [\"@mona\"] }
    approvals: { count: 1, from: [\"@mona\"], expires: 1m, remind: 20s }\n";
    let mut stage = stage(Database::Sqlite, &policy("bake: 1s, approval: true", rule)).await;
    let before = serves(&stage);
    let (pull, comment, _) = approved_plan(&stage);
    shows(&stage, &pull, comment, "10 %, waiting for approval");
    // It dies in the moment in which people are called: once before they are, once after it.
    let posts = "POST /repos/acme/shop/issues/1/comments";
    let posted = |stage: &Stage| stage.github_calls().iter().filter(|call| call.operation == posts).count();
    let before_it = posted(&stage);
    stage.world.fault(Fault::on("github", posts, FaultKind::Hang { ms: 300_000 }).times(1));
    stage.until("people are called", || (posted(&stage) > before_it).then_some(()));
    stage.kill(0);
    assert_eq!(stage.answers(pull.number).len(), 1);
    stage.world.fault(Fault::on("github", posts, FaultKind::Delay { ms: 300_000 }).times(1));
    stage.start();
    let reminder = stage.answer(pull.number, "**Still your turn, @mona**");
    println!("{}", plain(&reminder.body));
    dies_and_returns(&mut stage);
    let end = shows(&stage, &pull, comment, "serves again");
    println!("{}", plain(&end));
    assert!(end.contains("nobody decided in time at a step of traffic"), "{end}");
    assert_eq!(serves(&stage), before);
    assert_eq!(answers(&stage), (1, 1), "{}", stage.everything());
    let said = stage.answers(pull.number);
    assert_eq!(said.iter().filter(|said| said.body.contains("Still your turn")).count(), 1, "{}", stage.everything());
    assert_eq!(said.len(), 2, "{}", stage.everything());
    let trail = trail(&stage);
    assert_eq!(trail.last().unwrap(), &("approval.expired".to_owned(), "expired".to_owned()), "{trail:?}");
    let late = stage.asks("mona", pull.number, "/approve production");
    assert!(late.contains("`no-gate`"), "{late}");
    stage.until("the check run's end", || (check(&stage, &pull.sha)?["conclusion"] == "failure").then_some(()));
}

/// Waits for the second of a minute; answers seconds since the epoch.
fn at_second(from: u64, to: u64) -> u64 {
    loop {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        if (from..=to).contains(&(now % 60)) {
            return now;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A freeze that begins with the next minute and lasts so many.
fn frozen_from_the_next_minute(now: u64, minutes: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let moment = |at: u64| {
        let (day, minute) = (at / 86_400 % 7, at % 86_400 / 60);
        format!("{} {:02}:{:02}", DAYS[usize::try_from(day).unwrap()], minute / 60, minute % 60)
    };
    let begins = now - now % 60 + 60;
    format!("    freeze: [{{ from: {}, to: {}, zone: UTC }}]\n", moment(begins), moment(begins + minutes * 60))
}

#[tokio::test]
async fn a_freeze_that_begins_at_a_step_lets_nothing_through_says_so_and_it_goes_on_when_it_ends() {
    let mut stage = Stage::new(Database::Sqlite).await;
    stage.world.timing(timing());
    stage.shifting(crate::canary::SERVICE);
    let now = at_second(25, 40);
    stage.policy(&policy("bake: 1s, approval: true", &frozen_from_the_next_minute(now, 1)));
    stage.start();
    let (pull, comment, image) = deploying(&stage);
    shows(&stage, &pull, comment, "10 %, waiting for approval");
    let shown = asked(&stage, &pull.sha, &["approve-", "reject-"]);
    at_second(0, 20);
    press(&stage, &shown, "approve", "mona");
    let held = shows(&stage, &pull, comment, "10 %, approved, held");
    println!("{}", plain(&held));
    assert!(held.contains("mona approved it, but `production` is frozen until"), "{held}");
    stage.until("the check run without buttons", || {
        let check = check(&stage, &pull.sha)?;
        (check["output"]["title"] == "production: canary 10 %, approved, held" && buttons(&check).is_empty())
            .then_some(())
    });
    // Whoever takes it up knows it as well.
    dies_and_returns(&mut stage);
    at_second(45, 55);
    assert_eq!(answers(&stage).0, 1, "nothing goes on while it is frozen");
    assert!(stage.shown(pull.number, comment).unwrap().contains("approved, held"), "{}", stage.everything());
    let end = shows(&stage, &pull, comment, "serves after");
    assert!(end.contains("approved by mona"), "{end}");
    assert_eq!(serves(&stage), image);
    assert_each_once(&stage);
}

#[tokio::test]
async fn what_is_approved_in_a_freeze_goes_back_when_its_time_is_over_and_says_why() {
    let mut stage = Stage::new(Database::Sqlite).await;
    stage.world.timing(timing());
    stage.shifting(crate::canary::SERVICE);
    let now = at_second(25, 40);
    let rule = "    access: { approve: [\"@mona\"] }
    approvals: { count: 1, from: [\"@mona\"], expires: 1m }\n";
    stage.policy(&policy("bake: 1s, approval: true", &format!("{rule}{}", frozen_from_the_next_minute(now, 30))));
    stage.start();
    let before = serves(&stage);
    let (pull, comment, _) = approved_plan(&stage);
    shows(&stage, &pull, comment, "10 %, waiting for approval");
    at_second(0, 20);
    let yes = stage.says("mona", pull.number, "/approve production");
    assert_eq!(decided(&stage, yes), "approved");
    shows(&stage, &pull, comment, "10 %, approved, held");
    std::thread::sleep(Duration::from_secs(10));
    let end = shows(&stage, &pull, comment, "serves again");
    println!("{}", plain(&end));
    assert!(end.contains("its time at a step of traffic was over before it could go on: mona approved it"), "{end}");
    assert_eq!(serves(&stage), before);
    assert_eq!(answers(&stage), (1, 1), "{}", stage.everything());
}

#[tokio::test]
async fn what_a_freeze_held_is_watched_again_and_passes_by_itself_when_it_ends() {
    let mut stage = Stage::new(Database::Sqlite).await;
    stage.world.timing(timing());
    stage.shifting(crate::canary::SERVICE);
    // Measurements are no part of it: a bake that nothing speaks against.
    let now = at_second(43, 49);
    let asks = "    approvals: { count: 1, from: [\"@mona\"] }\n";
    stage.policy(&policy("bake: 20s, approval: true", &format!("{asks}{}", frozen_from_the_next_minute(now, 1))));
    stage.start();
    let (pull, comment, image) = approved_plan(&stage);
    shows(&stage, &pull, comment, "10 %, being watched");
    let held = shows(&stage, &pull, comment, "10 %, held");
    println!("{}", plain(&held));
    assert!(held.contains("`production` is frozen until"), "{held}");
    asked(&stage, &pull.sha, &["approve-", "reject-", "resume-"]);
    std::thread::sleep(Duration::from_secs(45));
    let asks = shows(&stage, &pull, comment, "10 %, waiting for approval");
    assert!(asks.contains("resumed by itself, now that nothing forbids it"), "{asks}");
    assert_eq!(answers(&stage).0, 1);
    stage.says("mona", pull.number, "/approve production");
    shows(&stage, &pull, comment, "serves after");
    assert_eq!(serves(&stage), image);
    assert_each_once(&stage);
}

#[tokio::test]
async fn what_is_promoted_goes_to_the_end_but_past_no_lock() {
    let mut stage = Stage::new(Database::Sqlite).await;
    let timing = Timing { hook_minute_ms: Some(60_000), stage_ms: 700, ..Timing::default() };
    stage.world.timing(timing);
    stage.shifting(crate::canary::SERVICE);
    let linear = "linear: { percent: 25, every: 10s, bake: 1m }";
    let canary = "canary: { percent: 10, linear, stays: 1m }";
    let policy = policy("linear", ERRORS);
    assert!(policy.contains(canary));
    stage.policy(&policy.replace(canary, linear));
    stage.start();
    let (pull, comment, image) = deploying(&stage);
    shows(&stage, &pull, comment, "25 %, being watched");
    let had = answers(&stage).0;
    stage.says("mona", pull.number, "/promote production");
    stage.until("it goes on", || (answers(&stage).0 > had).then_some(()));
    stage.says("mona", pull.number, "/lock production looking at something");
    stage.answer(pull.number, "locked");
    let stood = shows(&stage, &pull, comment, "approved, held");
    println!("{}", plain(&stood));
    assert!(stood.contains("mona promoted it, but"), "{stood}");
    let had = answers(&stage).0;
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(answers(&stage).0, had, "nothing goes on while it is locked");
    assert_ne!(serves_all(&stage, &image), 100);
    stage.says("mona", pull.number, "/unlock production");
    shows(&stage, &pull, comment, "serves after");
    assert_eq!(serves(&stage), image);
    assert_each_once(&stage);
}

/// The share of a hundred requests that the image answers.
fn serves_all(stage: &Stage, image: &str) -> usize {
    let seen = stage.world.requests(crate::canary::CLUSTER, crate::canary::SERVICE, 100);
    seen.iter().filter(|one| one.image == image).count()
}

#[tokio::test]
async fn rollouts_that_stand_at_a_step_keep_nobody_else_from_beginning() {
    let mut stage = Stage::new(Database::Sqlite).await;
    stage.world.timing(Timing { hook_minute_ms: Some(60_000), ..Timing::default() });
    stage.shifting(crate::canary::SERVICE);
    let staging = "  staging:
    aws: { region: us-east-1 }
    services: { front: { ecs: { cluster: pmis, service: api-staging, container: app } } }\n";
    stage.policy(&format!("{}{staging}", policy("bake: 1s, approval: true", "")));
    stage.set("SHIPLINE_AT_ONCE", "1");
    stage.start();
    let (pull, comment, image) = deploying(&stage);
    shows(&stage, &pull, comment, "waiting for approval");
    let other = stage.says("dev", pull.number, "/deploy staging");
    shows(&stage, &pull, other, "serves after");
    stage.assert_serves("api-staging", &image);
    assert_eq!(answers(&stage).0, 1);
    stage.says("mona", pull.number, "/approve production");
    shows(&stage, &pull, comment, "serves after");
    assert_eq!(serves(&stage), image);
}

#[tokio::test]
async fn at_a_step_only_those_count_who_may_answer_it_now_and_once() {
    let rule = "    access: { approve: [\"@acme/managers\"] }\n";
    let mut stage = Stage::new(Database::Sqlite).await;
    stage.world.timing(Timing { hook_minute_ms: Some(60_000), ..Timing::default() });
    stage.shifting(crate::canary::SERVICE);
    stage.shop.user("otto", Role::Write);
    stage.github.team("managers", &["mona", "otto", "dev"]);
    stage.policy(&policy("bake: 1s, approval: true", rule));
    stage.start();
    let (pull, comment, image) = deploying(&stage);
    // Said before the question was there: it cannot have been meant.
    let early = stage.asks("mona", pull.number, "/approve production");
    assert!(early.contains("`no-gate`") || early.contains("`other-plan`"), "{early}");
    let asks_whom = shows(&stage, &pull, comment, "waiting for approval");
    assert!(asks_whom.contains("(1 of 1 needed, not dev)"), "{asks_whom}");
    let own = stage.asks("dev", pull.number, "/approve production");
    assert!(own.contains("`own-request`"), "{own}");
    let own = stage.asks("dev", pull.number, "/promote production");
    assert!(own.contains("`own-request`"), "{own}");
    stage.github.team("managers", &["otto", "dev"]);
    let gone = stage.asks("mona", pull.number, "/approve production");
    assert!(gone.contains("`access-denied`"), "{gone}");
    let program = stage.says("shipline[bot]", pull.number, "/approve production");
    stage.until("it is told", || stage.github.is_quiet().then_some(()));
    std::thread::sleep(Duration::from_secs(1));
    let said = stage.shop.conversation(pull.number).into_iter().find(|said| said.id == program).unwrap();
    assert!(said.reactions.is_empty(), "{}", stage.everything());
    assert_eq!(answers(&stage).0, 1, "nobody of them may: {}", stage.everything());
    // Two yeses of one person in one moment.
    stage.github.hold_deliveries();
    let first = stage.says("otto", pull.number, "/approve production");
    let second = stage.says("otto", pull.number, "/approve production");
    stage.github.release_deliveries();
    assert_eq!(decided(&stage, first), "approved");
    let again = decided(&stage, second);
    assert!(["gate-over", "no-gate", "answered-twice"].contains(&again.as_str()), "{again}");
    shows(&stage, &pull, comment, "serves after");
    assert_eq!(serves(&stage), image);
    assert_each_once(&stage);
    assert_eq!(answers(&stage).0, 2);
}

#[tokio::test]
async fn a_yes_that_had_to_wait_counts_no_more_when_its_giver_has_lost_the_right() {
    let rule = "    access: { approve: [\"@acme/managers\"] }\n";
    let mut stage = Stage::new(Database::Sqlite).await;
    stage.world.timing(Timing { hook_minute_ms: Some(60_000), ..Timing::default() });
    stage.shifting(crate::canary::SERVICE);
    stage.shop.user("otto", Role::Maintain);
    stage.github.team("managers", &["mona", "otto"]);
    stage.policy(&policy("bake: 1s, approval: true", rule));
    stage.start();
    let (pull, comment, image) = deploying(&stage);
    shows(&stage, &pull, comment, "10 %, waiting for approval");
    stage.asks("otto", pull.number, "/lock production looking at something");
    stage.says("mona", pull.number, "/approve production");
    shows(&stage, &pull, comment, "10 %, approved, held");
    stage.github.team("managers", &["otto"]);
    std::thread::sleep(Duration::from_secs(6));
    stage.asks("otto", pull.number, "/unlock production");
    let again = shows(&stage, &pull, comment, "it counts no more");
    assert!(again.contains("10 %, waiting for approval"), "{again}");
    asked(&stage, &pull.sha, &["approve-", "reject-"]);
    assert_eq!(answers(&stage).0, 1, "{}", stage.everything());
    stage.says("otto", pull.number, "/approve production");
    let end = shows(&stage, &pull, comment, "serves after");
    assert!(end.contains("approved by otto"), "{end}");
    assert_eq!(serves(&stage), image);
    assert!(trail(&stage).contains(&("approval.withdrawn".to_owned(), "withdrawn".to_owned())));
}

#[tokio::test]
async fn of_a_yes_and_a_no_at_a_step_in_one_moment_exactly_one_is_carried_out() {
    let mut stage = Stage::new(Database::Postgres).await;
    stage.world.timing(Timing { hook_minute_ms: Some(60_000), ..Timing::default() });
    stage.shifting(crate::canary::SERVICE);
    stage.shop.user("otto", Role::Maintain);
    stage.policy(&policy("bake: 1s, approval: true", ""));
    stage.start();
    stage.start();
    let mut wins = [0, 0];
    for round in 0..4 {
        let before = serves(&stage);
        let (pull, comment, image) = deploying(&stage);
        shows(&stage, &pull, comment, "waiting for approval");
        // Deliveries of one conversation are worked on one after another, those of two at once.
        let other = stage.shop.issue("otto", "Elsewhere");
        stage.until("quiet", || stage.github.is_quiet().then_some(()));
        let had = answers(&stage);
        stage.github.advance(Duration::from_secs(2));
        stage.github.hold_deliveries();
        let yes = stage.shop.says("mona", other, &format!("/approve production --sha {}", pull.sha));
        let no = stage.shop.says("otto", pull.number, "/reject production stop");
        if round % 2 == 0 {
            stage.github.release_deliveries();
        } else {
            stage.github.release_deliveries_reversed();
        }
        let end = stage.until("its end", || {
            let shown = stage.shown(pull.number, comment)?;
            (shown.contains("serves after") || shown.contains("serves again")).then_some(shown)
        });
        let (yes, no) = (decided(&stage, yes), decided(&stage, no));
        let has = answers(&stage);
        let did = (has.0 - had.0, has.1 - had.1);
        if yes == "approved" {
            wins[0] += 1;
            assert!(end.contains("serves after"), "{end}");
            assert!(no == "gate-over" || no == "no-gate", "{no}\n{}", stage.everything());
            assert_eq!((serves(&stage), did), (image, (1, 0)), "{}", stage.everything());
        } else {
            wins[1] += 1;
            assert_eq!(no, "rejected", "{}", stage.everything());
            assert!(yes == "gate-over" || yes == "no-gate", "{yes}\n{}", stage.everything());
            assert_eq!((serves(&stage), did), (before, (0, 1)), "{}", stage.everything());
        }
        stage.until("it is closed", || {
            let ended = stage.audit().iter().filter(|entry| entry["action"] == "deployment-ended").count();
            (ended == round + 1).then_some(())
        });
    }
    println!("approve won {}, reject won {}", wins[0], wins[1]);
    assert_each_once(&stage);
    stage.program(&["audit", "verify"]);
}
