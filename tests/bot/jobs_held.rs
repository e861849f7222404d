//! Jobs of workflows that the policy does not let use an environment, or not yet.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use shipline_test_support::{Pull, Role};

use crate::approvals_elsewhere::{ONE, entries, stage};
use crate::jobs::{answer, answers_sent, job, job_of, seen};
use crate::stage::Stage;
use crate::told::{plain, production_policy};

/// A window of the week from an hour ago until so many hours from now.
fn frozen(hours: i64) -> String {
    let at = |hours: i64| {
        let moment = Timestamp::now() + SignedDuration::from_hours(hours);
        moment.to_zoned(jiff::tz::TimeZone::UTC).strftime("%a %H:%M").to_string()
    };
    format!("    freeze: [{{ from: {}, to: {}, zone: UTC }}]\n", at(-1), at(hours))
}

/// A job that is refused: what GitHub was told.
#[track_caller]
fn refused(stage: &Stage, run: u64) -> String {
    let (state, why) = answer(stage, run);
    assert_eq!(state, "rejected", "{why}");
    assert_eq!(answers_sent(stage), 1);
    why
}

/// A job that is held by this reason: what GitHub shows beside it.
#[track_caller]
fn held(stage: &Stage, run: u64, code: &str) -> String {
    let known = || entries(stage, "job").contains(&("job".to_owned(), code.to_owned()));
    stage.until("the reason", || known().then_some(()));
    let said = stage.until("the report", || seen(stage, run).1.pop());
    assert_eq!(seen(stage, run).0, None);
    plain(&said)
}

fn outcomes(stage: &Stage) -> Vec<String> {
    entries(stage, "job").into_iter().map(|(_, outcome)| outcome).collect()
}

#[tokio::test]
async fn a_freeze_that_ends_too_late_refuses_a_job_and_says_when_to_run_it_again() {
    let stage = stage(&format!("{ONE}{}", frozen(48))).await;
    let pull = stage.pull("Say hello");
    let why = refused(&stage, job_of(&stage, &pull));
    assert!(why.starts_with("`production` is frozen until "), "{why}");
    assert!(why.contains("Next: Run the job again then.") && why.ends_with("(frozen)"), "{why}");
    let told = stage.answer(pull.number, "· refused").body;
    assert!(told.contains("<sub>reason: `frozen`</sub>") && !told.contains("Your turn"), "{told}");
    assert_eq!(outcomes(&stage), ["frozen"]);
}

#[tokio::test]
async fn a_job_waits_for_the_end_of_a_freeze_and_only_then_are_people_asked() {
    let stage = stage(&format!("{ONE}{}", frozen(3))).await;
    let pull = stage.pull("Say hello");
    let run = job_of(&stage, &pull);
    let said = held(&stage, run, "frozen");
    assert!(said.starts_with("`production` is frozen until ") && said.contains("goes on by itself"), "{said}");
    let told = stage.answer(pull.number, "· held").body;
    assert!(!told.contains("Your turn"), "{told}");
    let early = stage.asks("mona", pull.number, "/approve production");
    assert!(early.contains("Nobody is asked") && early.contains("`no-gate`"), "{early}");
    stage.policy(&production_policy(ONE));
    stage.answer(pull.number, "**Your turn, @acme/managers**");
    stage.says("mona", pull.number, "/approve production");
    assert_eq!(answer(&stage, run), ("approved".to_owned(), "Approved by mona.".to_owned()));
    assert_eq!(outcomes(&stage), ["frozen", "allowed"]);
}

#[tokio::test]
async fn a_freeze_that_begins_while_people_are_asked_holds_an_approved_job_until_its_end() {
    let mut stage = stage(ONE).await;
    let pull = stage.pull("Say hello");
    let run = job_of(&stage, &pull);
    stage.answer(pull.number, "**Your turn, @acme/managers**");
    stage.policy(&production_policy(&format!("{ONE}{}", frozen(3))));
    stage.says("mona", pull.number, "/approve production");
    held(&stage, run, "frozen");
    stage.answer(pull.number, "· approved, held");
    // Nothing is forgotten with the process, and nothing is asked twice.
    stage.kill(0);
    stage.policy(&production_policy(ONE));
    stage.start();
    assert_eq!(answer(&stage, run), ("approved".to_owned(), "Approved by mona.".to_owned()));
    stage.answer(pull.number, "· approved\n");
    assert_eq!((answers_sent(&stage), outcomes(&stage)), (1, vec!["frozen".to_owned(), "allowed".to_owned()]));
    assert_eq!(stage.answers(pull.number).len(), 1, "{}", stage.everything());
}

#[tokio::test]
async fn a_job_waits_for_checks_that_run_and_is_refused_when_one_fails() {
    let stage = stage(&format!("{ONE}    checks: required\n")).await;
    stage.shop.require_checks(&["test"]);
    let (good, bad) = (stage.pull("Good"), stage.pull("Bad"));
    stage.shop.check(&good.sha, "test", "in_progress");
    let run = job_of(&stage, &good);
    insta::assert_snapshot!(held(&stage, run, "checks-pending"), @"`test` has not ended yet on `alpha`. The job goes on by itself when that is over; it waits until DATE UTC.");
    stage.shop.check(&bad.sha, "test", "failure");
    insta::assert_snapshot!(refused(&stage, job_of(&stage, &bad)), @"`test` failed on `alpha`. Next: Mend or re-run it, then run the job again. (checks-failed)");
    stage.shop.check(&good.sha, "test", "success");
    stage.answer(good.number, "**Your turn, @acme/managers**");
    stage.says("mona", good.number, "/approve production");
    assert_eq!(answer(&stage, run).0, "approved");
}

#[tokio::test]
async fn a_check_that_fails_after_the_question_refuses_what_people_said_yes_to() {
    let stage = stage(&format!("{ONE}    checks: [test]\n")).await;
    let pull = stage.pull("Say hello");
    stage.shop.check(&pull.sha, "test", "success");
    let run = job_of(&stage, &pull);
    stage.answer(pull.number, "**Your turn, @acme/managers**");
    stage.shop.check(&pull.sha, "test", "failure");
    stage.says("mona", pull.number, "/approve production");
    assert!(refused(&stage, run).contains("`test` failed"));
    assert_eq!(outcomes(&stage), ["checks-failed"]);
}

#[tokio::test]
async fn all_checks_are_all_but_the_job_that_waits_itself() {
    let stage = stage("    checks: all\n").await;
    let pull = stage.pull("Say hello");
    stage.shop.check(&pull.sha, "test", "in_progress");
    let run = job_of(&stage, &pull);
    // GitHub's check suite of a run; a job that a rule holds is `waiting`.
    let own = json!({"sha": pull.sha, "name": "deploy", "status": "waiting", "suite": run + 1});
    stage.shop.act("check", own);
    held(&stage, run, "checks-pending");
    stage.shop.check(&pull.sha, "test", "success");
    assert_eq!(answer(&stage, run).0, "approved");
}

#[tokio::test]
async fn a_job_brings_only_what_was_good_on_staging() {
    let stage = stage("    requires: [staging]\n").await;
    let pull = stage.pull("Say hello");
    insta::assert_snapshot!(refused(&stage, job_of(&stage, &pull)), @"`production` takes what is good on `staging`, and `alpha` is not there. Next: `/deploy staging --sha alpha-in-full` first; when it is good there, run the job again. (requires-missing)");
    stage.brings("dev", pull.number, "/deploy staging");
    let again = job_of(&stage, &pull);
    assert_eq!(answer(&stage, again).0, "approved");
    assert_eq!(outcomes(&stage), ["requires-missing", "allowed"]);
}

#[tokio::test]
async fn a_job_of_somebody_who_may_not_deploy_is_refused_and_one_of_somebody_who_may_is_asked_about() {
    let stage = stage(&format!("{ONE}    access: {{ deploy: [maintain] }}\n")).await;
    let pull = stage.pull("Say hello");
    insta::assert_snapshot!(refused(&stage, job_of(&stage, &pull)), @"`dev` may not deploy to `production`. Your role in this repository is `write`; `access.deploy` asks for more. Next: Everybody with the role `maintain` or more can do it: ask one of them. (access-denied)");
    let given = json!({"who": "mona", "environment": "production", "sha": pull.sha, "pull": pull.number});
    let allowed = job(&stage, given);
    stage.answer(pull.number, "**Your turn, @acme/managers** (1 of 1 needed, not mona)");
    // A right that is taken away while it waits is gone when the yes comes.
    stage.shop.user("mona", Role::Write);
    stage.says("otto", pull.number, "/approve production");
    let (state, why) = answer(&stage, allowed);
    assert!(state == "rejected" && why.contains("(access-denied)"), "{why}");
    assert_eq!(outcomes(&stage), ["access-denied", "access-denied"]);
}

#[tokio::test]
async fn a_lock_and_a_push_end_a_job_that_waits_before_anybody_answers() {
    let stage = stage(ONE).await;
    let (locked, pushed) = (stage.pull("Locked"), stage.pull("Pushed"));
    let run = job_of(&stage, &pushed);
    stage.answer(pushed.number, "**Your turn, @acme/managers**");
    stage.push(pushed.number);
    let why = refused(&stage, run);
    assert!(why.contains("(head-moved)"), "{why}");
    let run = job_of(&stage, &locked);
    stage.answer(locked.number, "**Your turn, @acme/managers**");
    stage.asks("mona", locked.number, "/lock production");
    let (state, why) = answer(&stage, run);
    assert_eq!(state, "rejected");
    assert!(why.starts_with("`production` was locked by `mona` ") && why.ends_with("(locked)"), "{why}");
    let refused = stage.answer(locked.number, "· refused").body;
    assert!(refused.contains("`locked`"), "{refused}");
}

#[tokio::test]
async fn a_job_waits_behind_a_deployment_of_the_bot() {
    let stage = stage("").await;
    let pull: Pull = stage.pull("Say hello");
    let slow = shipline_test_support::Behaviour::Healthy { after_ms: Some(6_000), drain_ms: None, lines: vec![] };
    stage.goes(&stage.built(&pull.sha), slow);
    let comment = stage.says("dev", pull.number, "/deploy production");
    stage.until("the change", || (stage.world.count("ecs", "UpdateService") > 0).then_some(()));
    let run = job_of(&stage, &pull);
    let said = held(&stage, run, "busy");
    assert!(said.starts_with("A deployment that `dev` asked for "), "{said}");
    stage.end_of(pull.number, comment);
    assert_eq!(answer(&stage, run).0, "approved");
}
