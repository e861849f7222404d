//! Answers that come in another way than in a comment: over the bot's interface, and by a button.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use shipline_test_support::{Fault, FaultKind, Pull, Role};

use crate::stage::{Database, Stage};
use crate::told::{plain, production_policy};

pub(crate) const ONE: &str = "    approvals: { count: 1, from: [\"@acme/managers\"] }\n";
const TWO: &str = "    approvals: { count: 2, from: [\"@acme/managers\"] }\n";

pub(crate) async fn stage(rules: &str) -> Stage {
    let mut stage = Stage::new(Database::Sqlite).await;
    stage.shop.user("otto", Role::Write);
    stage.github.team("managers", &["mona", "otto", "dev"]);
    stage.policy(&production_policy(rules));
    stage.start();
    stage
}

fn waiting(stage: &Stage) -> (Pull, u64) {
    let pull = stage.pull("Say hello");
    let comment = stage.says("dev", pull.number, "/deploy production");
    stage.until("the question", || {
        stage.shown(pull.number, comment).filter(|shown| shown.contains("**Your turn, ")).map(|_| ())
    });
    (pull, comment)
}

pub(crate) fn token(stage: &Stage, login: &str) -> String {
    stage.github.act("sign-in", &json!({"login": login}))["token"].as_str().unwrap().to_owned()
}

/// A request to the bot; status, head and body of the answer.
pub(crate) fn send(
    stage: &Stage,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String, Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", stage.port(0))).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_lowercase(), serde_json::from_str(body).unwrap_or(Value::Null))
}

pub(crate) fn asks(stage: &Stage, method: &str, path: &str, token: &str, body: &str) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let (status, _, body) = send(stage, method, path, &headers, body);
    (status, body)
}

pub(crate) fn entries(stage: &Stage, prefix: &str) -> Vec<(String, String)> {
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let all = stage.audit();
    let about = all.iter().filter(|entry| text(entry, "action").starts_with(prefix));
    about.map(|entry| (text(entry, "action"), text(entry, "outcome"))).collect()
}

pub(crate) const LIST: &str = "/api/approvals?repository=acme/shop";

#[tokio::test]
async fn the_interface_lists_what_waits_takes_an_answer_once_and_shows_the_trail() {
    let stage = stage(TWO).await;
    let (pull, comment) = waiting(&stage);
    let (mona, otto) = (token(&stage, "mona"), token(&stage, "otto"));
    let (status, listed) = asks(&stage, "GET", LIST, &mona, "");
    assert_eq!(status, 200, "{listed}");
    let waits = &listed["approvals"][0];
    assert_eq!((&waits["environment"], &waits["need"], &waits["have"]), (&json!("production"), &json!(2), &json!(0)));
    assert_eq!((&waits["commit"], &waits["issue"]), (&json!(pull.sha), &json!(pull.number)));
    let path = format!("/api/approvals/{}/approve", waits["id"]);
    let plan = waits["plan"].as_str().unwrap().to_owned();

    let (status, other) = asks(&stage, "POST", &path, &mona, r#"{"plan": "000000"}"#);
    assert_eq!((status, &other["error"]["code"]), (409, &json!("other-plan")), "{other}");
    let body = json!({"reason": "looks good", "plan": plan[..6]}).to_string();
    let bearer = format!("Bearer {mona}");
    let headers =
        [("Authorization", bearer.as_str()), ("Content-Type", "application/json"), ("Idempotency-Key", "key-1")];
    for _ in 0..2 {
        let (status, _, answer) = send(&stage, "POST", &path, &headers, &body);
        assert_eq!((status, &answer["result"]), (200, &json!("approval-counted")), "{answer}");
        assert_eq!((&answer["have"], &answer["need"]), (&json!(1), &json!(2)));
    }
    let (status, twice) = asks(&stage, "POST", &path, &mona, "");
    assert_eq!((status, &twice["error"]["code"]), (409, &json!("answered-twice")), "{twice}");
    let (status, last) = asks(&stage, "POST", &path, &otto, "{}");
    assert_eq!((status, &last["result"]), (200, &json!("approved")), "{last}");
    let end = stage.end_of(pull.number, comment);
    assert!(end.contains("serves after"), "{end}");
    let (status, late) = asks(&stage, "POST", &path.replace("/approve", "/reject"), &otto, "");
    assert!(status == 404 || status == 409, "{status} {late}");

    let (status, trail) = asks(&stage, "GET", "/api/audit?repository=acme/shop&limit=100", &mona, "");
    assert_eq!(status, 200, "{trail}");
    let told: Vec<&str> =
        trail["entries"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    for action in ["deploy", "approval.created", "approval.decided", "deployment-ended"] {
        assert!(told.contains(&action), "{action} in {told:?}");
    }
    let (status, part) = asks(&stage, "GET", "/api/audit?repository=acme/shop&limit=2", &mona, "");
    assert_eq!((status, part["entries"].as_array().unwrap().len()), (200, 2));
    let next = format!("/api/audit?repository=acme/shop&after={}", part["next"]);
    let (_, rest) = asks(&stage, "GET", &next, &mona, "");
    assert_eq!(rest["entries"].as_array().unwrap().len() + 2, told.len());
    let kept = [stage.logs(), stage.database_bytes()].concat();
    for secret in [&mona, &otto] {
        assert!(!kept.contains(secret.as_str()), "a person's token was kept");
    }
}

#[tokio::test]
async fn the_interface_says_no_to_everybody_who_may_not_and_writes_it_down() {
    let stage = stage(ONE).await;
    let (pull, comment) = waiting(&stage);
    let (status, listed) = asks(&stage, "GET", LIST, &token(&stage, "reader"), "");
    assert_eq!(status, 200, "{listed}");
    let id = listed["approvals"][0]["id"].clone();
    let path = format!("/api/approvals/{id}/approve");
    let (status, head, none) = send(&stage, "POST", &path, &[], "");
    assert_eq!((status, &none["error"]["code"]), (401, &json!("unauthorized")), "{none}");
    assert!(head.contains("www-authenticate: bearer"), "{head}");
    // A cookie is no proof, whatever it holds.
    let cookie = format!("session={}", token(&stage, "mona"));
    assert_eq!(send(&stage, "POST", &path, &[("Cookie", &cookie)], "").0, 401);
    assert_eq!(asks(&stage, "POST", &path, "ghp_nobody", "").0, 401);
    let code = |who: &str, path: &str, body: &str| {
        let (status, answer) = asks(&stage, "POST", path, &token(&stage, who), body);
        (status, answer["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(code("dev", &path, ""), (403, "own-request".to_owned()));
    assert_eq!(code("reader", &path, ""), (403, "access-denied".to_owned()));
    // A program with a token, and a stranger, to whom nothing is known here.
    assert_eq!(code("shipline[bot]", &path, ""), (403, "not-a-person".to_owned()));
    assert_eq!(code("mallory", &path, ""), (404, "not-found".to_owned()));
    assert_eq!(asks(&stage, "GET", LIST, &token(&stage, "mallory"), "").0, 404);
    assert_eq!(code("mona", "/api/approvals/4711/approve", ""), (404, "not-found".to_owned()));
    assert_eq!(code("mona", "/api/approvals/x/approve", "").0, 404);
    for body in ["[", "{\"resaon\": \"x\"}", "{\"reason\": 5}"] {
        assert_eq!(code("mona", &path, body), (422, "usage".to_owned()), "{body}");
    }
    assert_eq!(code("mona", &path, &format!("{{\"reason\": \"{}\"}}", "x".repeat(20_000))).0, 413);
    assert_eq!(asks(&stage, "GET", "/api/audit", &token(&stage, "mona"), "").0, 422);
    assert_eq!(asks(&stage, "GET", "/api/audit?repository=acme/other", &token(&stage, "mona"), "").0, 404);
    stage.assert_untouched();
    assert!(stage.shown(pull.number, comment).unwrap().contains("waiting for approval, 0 of 1"));
    let refused = entries(&stage, "approve");
    let expected = [("approve", "own-request"), ("approve", "access-denied")];
    assert_eq!(refused.iter().map(|(a, o)| (a.as_str(), o.as_str())).collect::<Vec<_>>(), expected);
    // GitHub does not say who that is: nobody may.
    stage.world.fault(Fault::on("github", "GET /user", FaultKind::ServerError { status: 500 }).times(50));
    assert_eq!(asks(&stage, "POST", &path, &token(&stage, "mona"), "").0, 503);
    stage.world.no_faults();
    let (status, answer) = asks(
        &stage,
        "POST",
        &format!("/api/approvals/{id}/reject"),
        &token(&stage, "mona"),
        r#"{"reason": "too late"}"#,
    );
    assert_eq!((status, &answer["result"]), (200, &json!("rejected")), "{answer}");
    let end = stage.end_of(pull.number, comment);
    assert!(end.contains("rejected, nothing was changed") && end.contains("too late"), "{end}");
    let (_, listed) = asks(&stage, "GET", LIST, &token(&stage, "mona"), "");
    assert_eq!(listed["approvals"], json!([]));
}

/// The button of the check run on a commit.
fn button(stage: &Stage, sha: &str, word: &str) -> (Value, String) {
    stage.until("the button", || {
        let check = stage.shop.checks(sha).into_iter().find(|check| check["name"] == "Shipline: production")?;
        let buttons = check["buttons"].as_array()?.clone();
        let found =
            buttons.iter().filter_map(|button| button["identifier"].as_str()).find(|id| id.starts_with(word))?;
        Some((check["id"].clone(), found.to_owned()))
    })
}

#[tokio::test]
async fn the_buttons_of_the_check_run_answer_like_a_comment() {
    let stage = stage(TWO).await;
    let (pull, comment) = waiting(&stage);
    let (check, yes) = button(&stage, &pull.sha, "approve");
    let press = |who: &str, identifier: &str| {
        stage.shop.act("press", json!({"check": check, "identifier": identifier, "who": who}));
    };
    press("dev", &yes);
    let told = stage.answer(pull.number, "asked for this deployment, so somebody else must approve it");
    insta::assert_snapshot!(plain(&told.body), @"
    `approve by dev`: `dev` asked for this deployment, so somebody else must approve it.

    - `approvals: { requester: true }` in the policy would let you.

    **Next**: Members of `@acme/managers` can do it: ask one of the others.

    <sub>reason: `own-request`</sub>
    ");
    press("mona", &yes);
    stage.until("the count", || {
        stage.shown(pull.number, comment).filter(|shown| shown.contains("waiting for approval, 1 of 2")).map(|_| ())
    });
    let (_, newer) = stage.until("the newer button", || {
        let (check, id) = button(&stage, &pull.sha, "approve");
        (id != yes).then_some((check, id))
    });
    press("otto", &newer);
    let end = stage.end_of(pull.number, comment);
    assert!(end.contains("serves after"), "{end}");
    stage.until("the check run's end", || {
        let check = stage.shop.checks(&pull.sha).into_iter().find(|check| check["name"] == "Shipline: production")?;
        (check["conclusion"] == "success" && check["buttons"] == json!([])).then_some(())
    });
    let refused = entries(&stage, "approve");
    assert!(refused.contains(&("approve".to_owned(), "own-request".to_owned())), "{refused:?}");
}

#[tokio::test]
async fn a_button_can_say_no() {
    let stage = stage(ONE).await;
    let (pull, comment) = waiting(&stage);
    let (check, no) = button(&stage, &pull.sha, "reject");
    stage.shop.act("press", json!({"check": check, "identifier": no, "who": "otto"}));
    let end = stage.end_of(pull.number, comment);
    assert!(end.contains("`otto` rejected it"), "{end}");
    stage.assert_untouched();
}
