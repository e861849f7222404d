//! Payloads as GitHub documents them, and everything else.

use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::*;
use crate::webhook::RuleAsked;
use crate::webhook::signature::Secrets;

fn understood(event: &str, body: &[u8]) -> Result<Understood, BadPayload> {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mac = Hmac::<sha2::Sha256>::new_from_slice(b"s").unwrap().chain_update(body);
    let header = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let secrets = Secrets::new(&[SecretString::from("s")]).unwrap();
    read(event, secrets.verify(body, Some(header.as_bytes())).unwrap())
}

fn of(event: &str, payload: &Value) -> Understood {
    understood(event, payload.to_string().as_bytes()).unwrap()
}

fn person() -> Value {
    json!({"login": "mona", "id": 7, "type": "User", "site_admin": false})
}

fn repository() -> Value {
    json!({"id": 1_296_269, "full_name": "octo-org/hello", "private": false, "owner": person(), "fork": false})
}

fn comment_payload() -> Value {
    json!({
        "action": "created",
        "issue": {"number": 42, "title": "A /deploy in a title", "pull_request": {"url": "…"}, "user": person()},
        "comment": {"id": 992, "body": "Looks good.\r\n\r\n  /deploy staging", "user": person(),
                    "created_at": "2026-11-21T09:00:00Z", "performed_via_github_app": null},
        "repository": repository(), "sender": person(), "installation": {"id": 5, "node_id": "x"},
    })
}

fn pull_payload() -> Value {
    json!({
        "action": "synchronize", "number": 42, "before": "…", "after": "…",
        "pull_request": {"number": 42, "updated_at": "2026-11-21T09:00:00Z",
                         "head": {"sha": "6dcb09b5b57875f334f61aebed695e2e4193db5e", "repo": {"id": 99}}},
        "repository": repository(), "sender": {"login": "dependabot[bot]", "id": 8, "type": "Bot"},
        "installation": {"id": 5},
    })
}

fn run_payload() -> Value {
    json!({
        "action": "completed", "workflow": {"id": 1}, "workflow_run": {"id": 30_433_642, "conclusion": "success"},
        "repository": repository(), "sender": person(), "installation": {"id": 5},
    })
}

/// The payload with one value replaced.
fn with(mut payload: Value, pointer: &str, value: Value) -> Value {
    *payload.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
    payload
}

#[test]
fn a_comment_with_a_command_is_an_event() {
    let Understood::Event(event) = of("issue_comment", &comment_payload()) else { panic!("ignored") };
    insta::assert_snapshot!(serde_json::to_string_pretty(&event).unwrap(), @r#"
    {
      "event": "comment",
      "repository": {
        "id": 1296269,
        "name": "octo-org/hello",
        "installation": 5,
        "public": true
      },
      "issue": 42,
      "is_pull": true,
      "comment": 992,
      "author": {
        "id": 7,
        "login": "mona"
      },
      "body": "Looks good.\r\n\r\n  /deploy staging",
      "created": "2026-11-21T09:00:00Z"
    }
    "#);
}

#[test]
fn a_push_to_a_pull_request_is_an_event_even_when_a_bot_pushed() {
    let Understood::Event(event) = of("pull_request", &pull_payload()) else { panic!("ignored") };
    insta::assert_snapshot!(serde_json::to_string_pretty(&event).unwrap(), @r#"
    {
      "event": "pull",
      "repository": {
        "id": 1296269,
        "name": "octo-org/hello",
        "installation": 5,
        "public": true
      },
      "number": 42,
      "action": "synchronize",
      "head": "6dcb09b5b57875f334f61aebed695e2e4193db5e",
      "head_repository": 99,
      "at": "2026-11-21T09:00:00Z"
    }
    "#);
}

#[test]
fn a_pull_request_whose_fork_was_deleted_still_teaches_its_head() {
    let payload = with(pull_payload(), "/pull_request/head/repo", Value::Null);
    let Understood::Event(event) = of("pull_request", &payload) else { panic!("ignored") };
    assert!(matches!(*event, Event::Pull(PullChanged { head_repository: None, .. })));
}

#[test]
fn a_run_that_ended_is_an_event_even_without_a_conclusion() {
    for (conclusion, word) in [(json!("failure"), "failure"), (Value::Null, "unknown")] {
        let payload = with(run_payload(), "/workflow_run/conclusion", conclusion);
        let Understood::Event(event) = of("workflow_run", &payload) else { panic!("ignored") };
        assert!(matches!(*event, Event::Run(RunEnded { conclusion, .. }) if conclusion == word));
    }
}

#[test]
fn private_and_internal_repositories_are_not_public() {
    let payload = with(comment_payload(), "/repository/private", json!(true));
    let Understood::Event(event) = of("issue_comment", &payload) else { panic!("ignored") };
    assert!(!event.repository().public);
}

#[test]
fn what_nobody_acts_on_is_ignored_with_the_reason() {
    let comment = comment_payload;
    let bot = json!({"login": "shipline[bot]", "id": 9, "type": "Bot"});
    let table = [
        ("ping", json!({"zen": "Keep it logically awesome."}), Ignored::Event),
        ("push", json!("whatever"), Ignored::Event),
        ("issue_comment", with(comment(), "/action", json!("edited")), Ignored::Action),
        ("issue_comment", with(comment(), "/action", json!("deleted")), Ignored::Action),
        ("pull_request", with(pull_payload(), "/action", json!("labeled")), Ignored::Action),
        ("workflow_run", with(run_payload(), "/action", json!("requested")), Ignored::Action),
        ("issue_comment", with(comment(), "/sender", bot.clone()), Ignored::NotAPerson),
        ("issue_comment", with(comment(), "/comment/user", bot), Ignored::NotAPerson),
        ("issue_comment", with(comment(), "/comment/user", Value::Null), Ignored::NotAPerson),
        ("issue_comment", with(comment(), "/comment/user/id", json!(8)), Ignored::NotAPerson),
        ("issue_comment", with(comment(), "/comment/user/type", json!("Mannequin")), Ignored::NotAPerson),
        (
            "issue_comment",
            with(comment(), "/comment/performed_via_github_app", json!({"id": 1, "slug": "some-app"})),
            Ignored::NotAPerson,
        ),
        ("issue_comment", with(comment(), "/comment/body", json!("run `/deploy staging`")), Ignored::NoCommand),
        ("issue_comment", with(comment(), "/comment/body", json!("")), Ignored::NoCommand),
        ("issue_comment", with(comment(), "/installation", Value::Null), Ignored::NoInstallation),
        ("pull_request", with(pull_payload(), "/installation", Value::Null), Ignored::NoInstallation),
        ("workflow_run", with(run_payload(), "/installation", Value::Null), Ignored::NoInstallation),
    ];
    for (event, payload, why) in table {
        assert_eq!(of(event, &payload), Understood::Ignored(why), "{event} {payload}");
    }
}

#[test]
fn what_github_does_not_document_is_refused_with_a_sentence() {
    let comment = comment_payload;
    let table = [
        with(comment(), "/comment/id", json!("992")),
        with(comment(), "/comment/id", json!(-1)),
        with(comment(), "/comment/id", json!(u64::MAX)),
        with(comment(), "/comment/created_at", json!("yesterday")),
        with(comment(), "/comment/body", Value::Null),
        with(comment(), "/repository/full_name", json!("../../etc/passwd")),
        with(comment(), "/repository", json!([])),
        with(comment(), "/sender", Value::Null),
        json!({}),
        json!(null),
        json!([comment()]),
    ];
    for payload in table {
        let said = understood("issue_comment", payload.to_string().as_bytes()).unwrap_err().to_string();
        assert!(said.starts_with("this is not issue_comment as GitHub documents it: "), "{said}");
    }
    let sha = with(pull_payload(), "/pull_request/head/sha", json!("main; rm -rf"));
    assert!(understood("pull_request", sha.to_string().as_bytes()).is_err());
}

#[test]
fn a_nul_in_a_comment_cannot_reach_the_database() {
    let payload = with(comment_payload(), "/comment/body", json!("/deploy\u{0}staging"));
    let Understood::Event(event) = of("issue_comment", &payload) else { panic!("ignored") };
    assert!(matches!(*event, Event::Comment(NewComment { body, .. }) if body == "/deploy\u{fffd}staging"));
}

#[test]
fn deep_nesting_ends_in_an_error_and_not_in_a_full_stack() {
    let deep = format!("{{\"action\":\"created\",\"x\":{}", "[".repeat(1_000_000));
    assert!(understood("issue_comment", deep.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn garbage_is_an_error_and_never_a_panic(event in "issue_comment|pull_request|workflow_run", body: Vec<u8>) {
        prop_assert!(understood(&event, &body).is_err());
    }

    #[test]
    fn a_payload_that_broke_off_is_an_error(cut in 0_usize..400) {
        let whole = comment_payload().to_string();
        let cut = cut.min(whole.len() - 1);
        prop_assert!(understood("issue_comment", &whole.as_bytes()[..cut]).is_err());
    }
}

fn button_payload() -> Value {
    json!({
        "action": "requested_action", "check_run": {"id": 88, "name": "Shipline: production", "head_sha": "a"},
        "requested_action": {"identifier": "approve-12-0"},
        "repository": repository(), "sender": person(), "installation": {"id": 5},
    })
}

#[test]
fn a_pressed_button_is_who_pressed_which_of_which_check_run() {
    let Understood::Event(event) = of("check_run", &button_payload()) else { panic!("not understood") };
    let Event::Button(button) = *event else { panic!("{event:?}") };
    assert_eq!((button.check, button.identifier.as_str(), button.actor.id.get()), (88, "approve-12-0", 7));
    for (member, value, why) in [
        ("action", json!("rerequested"), Ignored::Action),
        ("requested_action", Value::Null, Ignored::Action),
        ("sender", json!({"login": "x[bot]", "id": 9, "type": "Bot"}), Ignored::NotAPerson),
        ("installation", Value::Null, Ignored::NoInstallation),
    ] {
        let mut payload = button_payload();
        payload[member] = value;
        assert_eq!(of("check_run", &payload), Understood::Ignored(why), "{member}");
    }
}

fn rule_payload() -> Value {
    json!({
        "action": "requested", "environment": "production", "event": "push", "sha": "a".repeat(40), "ref": "refs/heads/main",
        "deployment_callback_url": "https://api.github.com/repos/octo-org/hello/actions/runs/77/deployment_protection_rule",
        "deployment": {"id": 1, "sha": "b".repeat(40), "environment": "production"},
        "pull_requests": [{"number": 3}, {"number": 4}],
        "repository": repository(), "sender": person(), "installation": {"id": 5},
    })
}

#[test]
fn a_job_that_waits_is_its_run_environment_commit_and_pull_requests() {
    let rule = |payload: &Value| match of("deployment_protection_rule", payload) {
        Understood::Event(event) => match *event {
            Event::Rule(rule) => rule,
            other => panic!("{other:?}"),
        },
        Understood::Ignored(why) => panic!("{why:?}"),
    };
    let found = rule(&rule_payload());
    assert_eq!((found.run.get(), found.environment.as_str(), &found.pulls[..]), (77, "production", &[3, 4][..]));
    assert_eq!(found.sha.to_string(), "a".repeat(40));
    let mut again = rule_payload();
    again["deployment"]["id"] = json!(2);
    let key = |rule: RuleAsked| Event::Rule(rule).semantic_key();
    assert_ne!(key(rule(&again)), key(found), "a run that is started again asks again");
    let mut without = rule_payload();
    without["deployment"] = Value::Null;
    assert_eq!(rule(&without).sha.to_string(), "a".repeat(40), "a job may make no deployment");
    // An older server tells the commit in the deployment alone.
    let mut older = rule_payload();
    older.as_object_mut().unwrap().remove("sha");
    assert_eq!(rule(&older).sha.to_string(), "b".repeat(40));
    for callback in ["https://evil.example/", "https://api.github.com/actions/runs/x/deployment_protection_rule", ""] {
        let mut payload = rule_payload();
        payload["deployment_callback_url"] = json!(callback);
        assert!(understood("deployment_protection_rule", payload.to_string().as_bytes()).is_err(), "{callback}");
    }
    let mut other = rule_payload();
    other["action"] = json!("completed");
    assert_eq!(of("deployment_protection_rule", &other), Understood::Ignored(Ignored::Action));
}
