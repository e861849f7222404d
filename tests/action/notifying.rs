//! Who is told of a deployment: real requests to a real server, checked as its owner would.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use shipline_test_support::{Behaviour, Fault, FaultKind};

use super::answering::{Answering, Request};
use super::stage::{Run, Stage, epoch_ms};

const KEY: &str = "a-signing-key-5e1f";
const PATH: &str = "/services/T0/B0/slack-secret-77aa";

struct Told {
    stage: Stage,
    two: String,
}

impl Told {
    async fn with(notify: &str) -> Self {
        let stage = Stage::new().await;
        stage.write(
            ".github/shipline.yml",
            &format!(
                "version: 1
services: {{ api: {{}} }}
environments:
  staging:
    aws: {{ region: us-east-1 }}
    services: {{ api: {{ ecs: {{ cluster: pmis, service: api }} }} }}
    notify: {notify}
"
            ),
        );
        let two = stage.image_of("api", "two");
        Self { stage, two }
    }

    fn deploy(&self, hook: &Answering) -> Run<'_> {
        self.stage
            .command(&["deploy", "staging", "--yes", "--json", &format!("--image=api={}", self.two)])
            .set("HOOK", &format!("{}{PATH}", hook.address()))
            .set("HOOK_KEY", KEY)
    }
}

/// As the documentation tells a receiver to do it.
#[track_caller]
fn verified(request: &Request) -> Value {
    let sent = request.header("x-shipline-timestamp").unwrap();
    let age = (epoch_ms() / 1000).abs_diff(sent.parse().unwrap());
    assert!(age < 60, "sent {age} s ago");
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    mac.update(sent.as_bytes());
    mac.update(b".");
    mac.update(&request.body);
    let signature = request.header("x-shipline-signature-256").unwrap().strip_prefix("sha256=").unwrap();
    mac.verify_slice(&hex::decode(signature).unwrap()).expect("the signature is right");
    serde_json::from_slice(&request.body).unwrap()
}

#[tokio::test]
async fn a_webhook_gets_the_report_signed_when_it_begins_and_when_it_ends() {
    let hook = Answering::with(200, &[], "").await;
    let told = Told::with("[{ webhook: HOOK, signed-with: HOOK_KEY, on: [start, success, failure] }]").await;
    let ran = told.deploy(&hook).end().must(0);
    let requests = hook.requests();
    let documents: Vec<Value> = requests.iter().map(verified).collect();
    let occasions: Vec<&Value> = documents.iter().map(|document| &document["occasion"]).collect();
    assert_eq!(occasions, ["start", "success"]);
    assert_eq!(requests[0].line, format!("POST {PATH} HTTP/1.1"));
    assert_eq!(requests[1].header("x-shipline-event"), Some("success"));
    assert_ne!(documents[0]["id"], documents[1]["id"]);
    assert_eq!(documents[1]["schema_version"], 1);
    assert_eq!(documents[0]["report"]["result"], "planned");
    let report = &documents[1]["report"];
    assert_eq!(report["result"], "succeeded");
    assert_eq!(report["services"], ran.document()["services"]);
    // Neither the address nor the key is anywhere.
    for secret in ["slack-secret-77aa", KEY] {
        ran.says_not(secret);
        assert!(!String::from_utf8_lossy(&requests[1].body).contains(secret));
    }
}

#[tokio::test]
async fn a_failure_is_told_with_its_cause_and_a_success_is_not_where_nobody_asked() {
    let hook = Answering::with(200, &[], "ok").await;
    let told = Told::with("[{ slack: HOOK, on: [failure] }]").await;
    told.deploy(&hook).end().must(0);
    assert_eq!(hook.asked(), 0);
    let three = told.stage.image_of("api", "three");
    told.stage.goes(&three, Behaviour::exits(1, ["KeyError: <!channel> AKIAIOSFODNN7STAGE00"]));
    let told = Told { two: three, ..told };
    told.deploy(&hook).end().must(1);
    let body: Value = serde_json::from_slice(&hook.requests()[0].body).unwrap();
    let text = body.to_string();
    assert!(body["text"].as_str().unwrap().starts_with("❌ staging ← "), "{text}");
    assert!(text.contains("exited with code 1") && text.contains("KeyError: &lt;!channel&gt;"), "{text}");
    assert!(!text.contains("<!channel>") && !text.contains("AKIAIOSFODNN7STAGE00"), "{text}");
}

#[tokio::test]
async fn a_topic_gets_a_subject_and_the_report_as_text() {
    let hook = Answering::with(200, &[], "").await;
    let told = Told::with("[{ sns: \"arn:aws:sns:us-east-1:111122223333:deploys\" }]").await;
    told.stage.world.topic("deploys");
    told.deploy(&hook).end().must(0);
    let published = told.stage.world.published();
    assert_eq!(published.len(), 1, "{published:#?}");
    assert!(published[0]["subject"].as_str().unwrap().starts_with("staging <- "), "{published:#?}");
    assert!(published[0]["message"].as_str().unwrap().contains("api (pmis/api)"), "{published:#?}");
}

#[tokio::test]
async fn who_cannot_be_told_is_a_notice_and_fails_nothing() {
    let hook = Answering::with(404, &[], "no_team").await;
    let told = Told::with(
        "[{ slack: HOOK }, { webhook: NOT_THERE }, { webhook: PLAIN }, { sns: \"arn:aws:sns:us-east-1:111122223333:gone\" }]",
    )
    .await;
    let ran = told.deploy(&hook).set("PLAIN", "http://hooks.example.com/plain-secret-1b2c").end().must(0);
    let notices = ran.document()["notices"].to_string();
    for sentence in [
        "Slack (HOOK) was not told (success): it answered 404 Not Found",
        "the webhook NOT_THERE will not be told: there is no secret NOT_THERE here",
        "the webhook PLAIN will not be told: PLAIN holds no https:// address",
        "Topic does not exist",
    ] {
        assert!(notices.contains(sentence), "{sentence:?} is not in {notices}");
    }
    assert_eq!(hook.asked(), 1, "a refusal is not asked again");
    ran.says_not("slack-secret-77aa").says_not("plain-secret-1b2c");
}

#[tokio::test]
async fn what_passes_is_tried_once_more_and_no_longer() {
    let hook = Answering::with(503, &[], "").await;
    let told = Told::with("[{ webhook: HOOK, signed-with: HOOK_KEY }]").await;
    let ran = told.deploy(&hook).end().must(0);
    let requests = hook.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(verified(&requests[0])["id"], verified(&requests[1])["id"], "the same message");
    assert!(ran.document()["notices"].to_string().contains("it answered 503"));
}

#[tokio::test]
async fn one_that_never_answers_holds_the_end_up_for_ten_seconds_at_most() {
    let hook = Answering::with(200, &[], "").await;
    hook.change(|answer| answer.after = Duration::from_mins(1));
    let told = Told::with("[{ webhook: HOOK, on: [start, success] }]").await;
    let ran = told.deploy(&hook).end().must(0);
    assert!(ran.took < Duration::from_secs(16), "{:?}", ran.took);
    assert!(ran.document()["notices"].to_string().contains("no answer within 5 s"));
}

#[tokio::test]
async fn a_run_that_has_nothing_to_do_or_is_refused_tells_nobody() {
    let hook = Answering::with(200, &[], "").await;
    let told = Told::with("[{ slack: HOOK, on: [start, success, failure] }]").await;
    told.deploy(&hook).end().must(0);
    let after = hook.asked();
    told.deploy(&hook).end().must(0);
    told.stage.world.fault(Fault::on("ecs", "DescribeServices", FaultKind::Deny));
    told.deploy(&hook).end().must(4);
    assert_eq!(hook.asked(), after);
}
