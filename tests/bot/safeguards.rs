//! Alarms, scans and notifications with the bot: the same rules as the action's, told in the comment.

use serde_json::Value;
use shipline_test_support::{AlarmSeed, Behaviour, FindingSeed, ScanSeed};

use crate::answering::Answering;
use crate::stage::{Database, Stage, policy_with};

const REASON: &str = "Threshold Crossed: 1 out of the last 1 datapoints [12.0 (21/11/26 16:01:00)] was greater than the threshold (10.0).";

/// A bot whose policy for staging has more rules, and settings.
async fn with(rules: &str, settings: &[(&str, &str)]) -> Stage {
    let mut stage = Stage::new(Database::Sqlite).await;
    for (name, value) in settings {
        stage.set(name, value);
    }
    stage.shop.file(".github/shipline.yml", &policy_with(rules));
    stage.start();
    stage
}

#[tokio::test]
async fn an_alarm_that_fires_already_refuses_and_the_comment_says_which_and_why() {
    let stage = with("alarms: [pmis-5xx, gone]", &[]).await;
    stage.world.alarm(AlarmSeed::firing("pmis-5xx", REASON));
    let before = stage.serving("api-staging").unwrap();
    let pull = stage.pull("Say hello");
    stage.says("dev", pull.number, "/deploy staging");
    let told = stage.answer(pull.number, "refused, nothing was changed");
    for words in ["there is no alarm gone", "alarm pmis-5xx fires already", "12.0"] {
        assert!(told.body.contains(words), "{words:?}: {}", told.body);
    }
    assert_eq!(stage.world.count("ecs", "UpdateService"), 0);
    stage.assert_serves("api-staging", &before);
}

#[tokio::test]
async fn an_alarm_that_fires_during_the_rollout_takes_it_back_and_the_comment_names_alarm_and_value() {
    let stage = with("alarms: [pmis-5xx]", &[]).await;
    stage.world.alarm(AlarmSeed::quiet("pmis-5xx"));
    let before = stage.serving("api-staging").unwrap();
    let pull = stage.pull("Break the till");
    stage.goes(&stage.image(&pull.sha, Some(&pull.sha)), Behaviour::Stuck {});
    stage.says("dev", pull.number, "/deploy staging");
    stage.until("the change", || (stage.world.count("ecs", "UpdateService") > 0).then_some(()));
    stage.world.alarm(AlarmSeed::firing("pmis-5xx", REASON));
    let told = stage.answer(pull.number, "serves again");
    assert!(told.body.contains("alarm pmis-5xx fired"), "{}", told.body);
    assert!(told.body.contains("12.0") && told.body.contains("10.0"), "{}", told.body);
    stage.assert_serves("api-staging", &before);
}

#[tokio::test]
async fn an_alarm_is_watched_by_the_bot_that_takes_the_rollout_up_again() {
    let mut stage = with("alarms: [pmis-5xx]", &[]).await;
    stage.world.alarm(AlarmSeed::quiet("pmis-5xx"));
    let before = stage.serving("api-staging").unwrap();
    let pull = stage.pull("Break the till");
    stage.goes(&stage.image(&pull.sha, Some(&pull.sha)), Behaviour::Stuck {});
    stage.says("dev", pull.number, "/deploy staging");
    stage.until("the change", || (stage.world.count("ecs", "UpdateService") > 0).then_some(()));
    stage.kill(0);
    stage.world.alarm(AlarmSeed::firing("pmis-5xx", REASON));
    stage.start();
    let told = stage.answer(pull.number, "serves again");
    assert!(told.body.contains("alarm pmis-5xx fired"), "{}", told.body);
    stage.assert_serves("api-staging", &before);
}

#[tokio::test]
async fn grave_findings_refuse_and_are_listed_in_the_comment() {
    let stage = with("scan: { severity: high, wait: 5s }", &[]).await;
    let pull = stage.pull("Say hello");
    let image = stage.built(&pull.sha);
    stage.world.scan(ScanSeed {
        repository: "pmis/api".to_owned(),
        digest: image.split_once('@').unwrap().1.to_owned(),
        status: "COMPLETE".to_owned(),
        findings: vec![FindingSeed::new("CVE-2026-0001", "CRITICAL", "zlib", "1.2.1")],
        ..ScanSeed::default()
    });
    for command in ["/plan staging", "/deploy staging"] {
        let known = stage.answers(pull.number).len();
        stage.says("dev", pull.number, command);
        let told = stage.until("an answer", || {
            let new = stage.answers(pull.number).into_iter().skip(known).find(|said| said.body.contains("one finding"));
            new.map(|said| said.body)
        });
        assert!(told.contains("zlib 1.2.1"), "{told}");
    }
    assert_eq!(stage.world.count("ecs", "UpdateService"), 0);
}

#[tokio::test]
async fn recipients_are_told_with_the_administrators_secrets_alone() {
    let hook = Answering::with(200, &[], "ok").await;
    let (address, key) = (format!("{}/hook-secret-3c9d", hook.address()), "a-signing-key-5e1f");
    let rules =
        "notify: [{ webhook: HOOK, signed-with: HOOK_KEY, on: [start, success] }, { webhook: OTHERS, on: [success] }]";
    let settings = [
        ("SHIPLINE_NOTIFY_HOOK", address.as_str()),
        ("SHIPLINE_NOTIFY_HOOK_KEY", key),
        ("SHIPLINE_NOTIFY_OTHERS", address.as_str()),
    ];
    let mut stage = Stage::new(Database::Sqlite).await;
    let list = stage.keep("allow.yml", "repositories:\n  acme/shop: { notify: [HOOK, HOOK_KEY] }\n");
    stage.set("SHIPLINE_ALLOW_FILE", &list);
    for (name, value) in settings {
        stage.set(name, value);
    }
    stage.shop.file(".github/shipline.yml", &policy_with(rules));
    stage.start();
    let pull = stage.pull("Say hello");
    stage.says("dev", pull.number, "/deploy staging");
    let told = stage.answer(pull.number, "serves after");
    assert!(told.body.contains("the webhook OTHERS will not be told"), "{}", told.body);
    let requests = hook.requests();
    let events: Vec<Option<&str>> = requests.iter().map(|request| request.header("x-shipline-event")).collect();
    assert_eq!(events, [Some("start"), Some("success")], "{}", stage.everything());
    let body: Value = serde_json::from_slice(&requests[1].body).unwrap();
    assert_eq!(body["report"]["result"], "succeeded");
    let page = format!("/acme/shop/issues/{}", pull.number);
    assert!(body["page"].as_str().unwrap().ends_with(&page), "{body:#}");
    for secret in ["hook-secret-3c9d", key] {
        assert!(!told.body.contains(secret) && !stage.logs().contains(secret), "{secret} is told");
    }
}
