//! Jobs of workflows that wait at an environment of GitHub's: who is asked, who is not, how it ends.

use std::time::Duration;

use serde_json::{Value, json};
use shipline_test_support::{Fault, FaultKind, Pull};

use crate::approvals_elsewhere::{LIST, ONE, asks, entries, stage, token};
use crate::stage::Stage;
use crate::told::{plain, production_policy};

const ANSWER: &str = "POST /repos/acme/shop/actions/runs/*/deployment_protection_rule";

/// The newest job of a run at GitHub: its answer, and what the bot said while it waited.
pub(crate) fn seen(stage: &Stage, run: u64) -> (Option<(String, String)>, Vec<String>) {
    let all = stage.shop.act("protected-jobs", json!({}));
    let job = all.as_array().unwrap().iter().rfind(|job| job["run"] == run).unwrap().clone();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let reports = job["reports"].as_array().unwrap().iter().filter_map(text).collect();
    (text(&job["state"]).zip(text(&job["comment"])), reports)
}

fn answered(stage: &Stage, run: u64) -> Option<(String, String)> {
    seen(stage, run).0
}

/// What GitHub was told in the end.
#[track_caller]
pub(crate) fn answer(stage: &Stage, run: u64) -> (String, String) {
    let (state, why) = stage.until("the answer", || answered(stage, run));
    (state, plain(&why))
}

pub(crate) fn job(stage: &Stage, given: Value) -> u64 {
    stage.shop.act("protect-job", given)["run"].as_u64().unwrap()
}

/// A job of `dev` that wants to bring the head of a pull request to production.
pub(crate) fn job_of(stage: &Stage, pull: &Pull) -> u64 {
    job(stage, json!({"who": "dev", "environment": "production", "sha": pull.sha, "pull": pull.number}))
}

/// How often GitHub was told yes or no.
pub(crate) fn answers_sent(stage: &Stage) -> usize {
    let calls = stage.github_calls();
    let rule = |call: &&shipline_test_support::Call| call.operation.ends_with("/deployment_protection_rule");
    calls.iter().filter(rule).filter(|call| call.body["state"].is_string()).count()
}

#[tokio::test]
async fn a_job_of_a_workflow_waits_for_the_same_people_and_goes_on_when_they_said_yes() {
    let stage = stage(ONE).await;
    let pull = stage.pull("Say hello");
    let run = job_of(&stage, &pull);
    let asked = stage.answer(pull.number, "**Your turn, @acme/managers**");
    insta::assert_snapshot!(plain(&asked.body), @"
    ### production ← `alpha` · waiting for approval, 0 of 1

    [a job of a workflow](http://127.0.0.1:N/acme/shop/actions/runs/N) wants to use this environment, started by dev.

    **Your turn, @acme/managers** (1 of 1 needed, not dev): `/approve production` or `/reject production <reason>`. Nobody answers until DATE UTC: the job is rejected.
    ");
    let own = stage.asks("dev", pull.number, "/approve production");
    assert!(own.contains("`own-request`"), "{own}");
    assert_eq!(answered(&stage, run), None);
    insta::assert_snapshot!(plain(&seen(&stage, run).1.join("\n")), @"Waits for approval by acme/managers (1 of 1 needed, not dev): `/approve production` or `/reject production <reason>` in #1, until DATE UTC. Approval 1 of the interface.");
    stage.says("mona", pull.number, "/approve production");
    assert_eq!(answer(&stage, run), ("approved".to_owned(), "Approved by mona.".to_owned()));
    stage.until("the trail", || (entries(&stage, "approval.").len() == 3).then_some(()));
    let trail = [entries(&stage, "approval."), entries(&stage, "job")].concat();
    let trail: Vec<(&str, &str)> = trail.iter().map(|(a, o)| (a.as_str(), o.as_str())).collect();
    let decided =
        [("approval.created", "waiting"), ("approval.decided", "approved"), ("approval.answered", "approved")];
    assert_eq!(trail, [&decided[..], &[("job", "allowed")]].concat());
    stage.answer(pull.number, "production ← ");
    stage.assert_untouched();
}

#[tokio::test]
async fn where_the_policy_asks_nobody_a_job_is_answered_at_once() {
    let stage = stage("").await;
    let pull = stage.pull("Say hello");
    let run = job_of(&stage, &pull);
    let told = answer(&stage, run);
    assert_eq!(told, ("approved".to_owned(), "The policy asks nobody, and nothing speaks against it.".to_owned()));
    stage.answer(pull.number, "· approved");
    assert_eq!(entries(&stage, "job"), [("job".to_owned(), "allowed".to_owned())]);
}

#[tokio::test]
async fn a_job_is_rejected_over_the_interface_and_github_is_told_until_it_listens() {
    let mut stage = stage(ONE).await;
    // What was merged has no open pull request.
    let sha = stage.shop.file("README.md", "Hello");
    let run = job(&stage, json!({"who": "dev", "environment": "production", "sha": sha}));
    let mona = token(&stage, "mona");
    let told = stage.until("the question", || seen(&stage, run).1.pop());
    assert!(told.contains("Waits for approval by acme/managers (1 of 1 needed, not dev)"), "{told}");
    let (_, listed) = asks(&stage, "GET", LIST, &mona, "");
    let id = listed["approvals"][0]["id"].as_u64().unwrap();
    stage.world.fault(Fault::on("github", ANSWER, FaultKind::ServerError { status: 502 }).times(1));
    let path = format!("/api/approvals/{id}/reject");
    let (status, answer_of) = asks(&stage, "POST", &path, &mona, r#"{"reason": "not on a Friday"}"#);
    assert_eq!((status, &answer_of["result"]), (200, &json!("rejected")), "{answer_of}");
    // Killed before GitHub has taken it.
    stage.kill(0);
    stage.start();
    assert_eq!(answer(&stage, run), ("rejected".to_owned(), "Rejected by mona: not on a Friday.".to_owned()));
}

#[tokio::test]
async fn a_yes_whose_answer_was_lost_with_the_bot_is_told_once() {
    let mut stage = stage(ONE).await;
    let pull = stage.pull("Say hello");
    let run = job_of(&stage, &pull);
    stage.answer(pull.number, "**Your turn, @acme/managers**");
    stage.world.fault(Fault::on("github", ANSWER, FaultKind::LoseResponse).times(50));
    stage.says("mona", pull.number, "/approve production");
    let told = answer(&stage, run);
    stage.kill(0);
    stage.world.no_faults();
    stage.start();
    stage.until("the end", || entries(&stage, "approval.answered").pop().filter(|(_, word)| word == "approved-before"));
    stage.answer(pull.number, "· approved");
    assert_eq!((answer(&stage, run), told.0.as_str()), (told.clone(), "approved"));
    assert_eq!(entries(&stage, "job").len(), 1, "{:?}", entries(&stage, ""));
}

#[tokio::test]
async fn a_job_that_names_another_address_is_left_alone_and_an_unknown_environment_is_refused() {
    let stage = stage(ONE).await;
    let pull = stage.pull("Say hello");
    let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listening.set_nonblocking(true).unwrap();
    let evil =
        format!("http://{}/repos/acme/shop/actions/runs/1/deployment_protection_rule", listening.local_addr().unwrap());
    let given = |environment: &str| json!({"who": "dev", "environment": environment, "sha": pull.sha});
    let mut forged = given("production");
    forged["callback"] = json!(evil);
    let forged = job(&stage, forged);
    let (unknown, odd) = (job(&stage, given("prodution")), job(&stage, given("Production EU")));
    let (state, why) = answer(&stage, unknown);
    assert_eq!(state, "rejected");
    insta::assert_snapshot!(why, @"There is no environment `prodution` in the policy. Next: Did you mean `production`? There are `production` and `staging`. (unknown-environment)");
    stage.until("both are written down", || (entries(&stage, "approval.ignored").len() == 2).then_some(()));
    std::thread::sleep(Duration::from_secs(3));
    assert!(listening.accept().is_err(), "somebody followed the address of a payload");
    assert_eq!((answered(&stage, forged), answered(&stage, odd)), (None, None));
    assert!(stage.answers(pull.number).is_empty(), "{}", stage.everything());
}

#[tokio::test]
async fn nobody_answers_a_job_people_are_reminded_once_and_it_is_rejected() {
    let rule = "    approvals: { count: 1, from: [\"@acme/managers\"], expires: 12s, remind: 3s }\n";
    let stage = stage(rule).await;
    let pull = stage.pull("Say hello");
    let run = job_of(&stage, &pull);
    let reminder = stage.answer(pull.number, "**Still your turn, @acme/managers**");
    insta::assert_snapshot!(plain(&reminder.body), @"
    **Still your turn, @acme/managers**: [a job of a workflow](http://127.0.0.1:N/acme/shop/actions/runs/N) waits for `production` since DATE UTC; 1 of 1 needed, not dev.

    `/approve production` or `/reject production <reason>`. Nobody answers until DATE UTC: the job is rejected.
    ");
    let reports =
        stage.until("the reminder beside the job", || Some(seen(&stage, run).1).filter(|reports| reports.len() == 2));
    assert!(reports[1].starts_with("Still: Waits for approval by acme/managers"), "{reports:?}");
    assert_eq!(answered(&stage, run), None);
    assert_eq!(answer(&stage, run), ("rejected".to_owned(), "Approved by 0 of 1 in time.".to_owned()));
    stage.answer(pull.number, "not approved in time");
    assert_eq!(stage.answers(pull.number).len(), 2, "{}", stage.everything());
    assert_eq!((seen(&stage, run).1.len(), answers_sent(&stage)), (2, 1));
}

#[tokio::test]
async fn a_run_that_is_started_again_asks_again_for_whoever_started_it() {
    let stage = stage(ONE).await;
    let pull = stage.pull("Say hello");
    let run = job_of(&stage, &pull);
    stage.answer(pull.number, "started by dev");
    stage.answer(pull.number, "**Your turn, @acme/managers**");
    stage.shop.act("finish", json!({"run": run, "conclusion": "cancelled"}));
    let again = json!({"who": "mona", "environment": "production", "sha": pull.sha, "pull": pull.number, "run": run});
    assert_eq!(job(&stage, again), run);
    stage.answer(pull.number, "started by mona");
    stage.answer(pull.number, "not needed any more");
    stage.until("the question", || {
        let asked = |body: &str| body.contains("started by mona") && body.contains("**Your turn");
        stage.answers(pull.number).into_iter().find(|comment| asked(&comment.body))
    });
    stage.says("otto", pull.number, "/approve production");
    assert_eq!(answer(&stage, run), ("approved".to_owned(), "Approved by otto.".to_owned()));
    assert_eq!(answers_sent(&stage), 1, "the run that was cancelled is not answered");
}

#[tokio::test]
async fn a_yes_of_somebody_who_left_or_under_other_rules_counts_no_more() {
    let two = "    approvals: { count: 2, from: [\"@acme/managers\"] }\n";
    let stage = stage(two).await;
    let pull = stage.pull("Say hello");
    let run = job_of(&stage, &pull);
    stage.answer(pull.number, "**Your turn, @acme/managers** (2 of 2 needed, not dev)");
    stage.says("mona", pull.number, "/approve production");
    stage.until("the first yes", || (entries(&stage, "approval.decided").len() == 1).then_some(()));
    stage.github.team("managers", &["otto", "dev", "reader"]);
    stage.says("otto", pull.number, "/approve production");
    stage.answer(pull.number, "it counts no more, because the right to is gone");
    assert_eq!(answered(&stage, run), None);
    stage.github.team("managers", &["mona", "otto", "dev"]);
    stage.policy(&production_policy(&format!("{two}    url: https://shop.example.com\n")));
    stage.says("mona", pull.number, "/approve production");
    stage.answer(pull.number, "What was said before counts no more");
    for who in ["mona", "otto"] {
        stage.says(who, pull.number, "/approve production");
    }
    assert_eq!(answer(&stage, run), ("approved".to_owned(), "Approved by mona, otto.".to_owned()));
}
