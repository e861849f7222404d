//! Checks after everything serves, against a real HTTP server.

use std::time::Duration;

use super::answering::Answering;
use super::stage::{Ran, Stage};

async fn deploy(check: &str) -> (Stage, Ran) {
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
    verify: [{check}]
"
        ),
    );
    let image = stage.image_of("api", "two");
    let ran = stage.command(&["deploy", "staging", "--yes", "--json", &format!("--image=api={image}")]).end();
    (stage, ran)
}

#[track_caller]
fn failed(ran: Ran, last: &str) {
    let document = ran.must(1).document();
    assert_eq!(document["result"], "rolled-back");
    assert_eq!(document["check_failure"]["code"], "check-failed", "{document:#}");
    let facts = document["check_failure"]["facts"].to_string();
    assert!(facts.contains(last), "{last:?} is not in {facts}");
}

#[tokio::test]
async fn a_check_passes_when_status_body_header_and_time_are_right() {
    let health = Answering::with(204, &[("X-Version", "v2"), ("X-Version", "build-7")], "").await;
    let ready = Answering::with(200, &[], "{\"database\": \"ready\", \"queue\": \"ready\"}").await;
    let checks = format!(
        "{{ http: \"{}/health\", expect: 204, header: {{ x-version: build-7 }}, latency: 5s, within: 5s }}, \
         {{ http: \"{}/ready\", body: '\"queue\": \"ready\"', within: 5s }}",
        health.address(),
        ready.address()
    );
    let (_stage, ran) = deploy(&checks).await;
    ran.must(0);
    assert_eq!((health.asked(), ready.asked()), (1, 1));
    assert_eq!(health.requests()[0].line, "GET /health HTTP/1.1");
}

#[tokio::test]
async fn a_body_without_the_text_takes_the_release_back() {
    let health = Answering::with(200, &[], "database: connecting").await;
    let (_stage, ran) = deploy(&format!("{{ http: \"{}\", body: ready, within: 1s }}", health.address())).await;
    failed(ran, "is not in its body");
}

#[tokio::test]
async fn a_header_with_another_value_or_none_takes_the_release_back() {
    let health = Answering::with(200, &[("X-Version", "v1")], "").await;
    let check = |name: &str| format!("{{ http: \"{}\", header: {{ {name}: v2 }}, within: 1s }}", health.address());
    let (_stage, ran) = deploy(&check("X-Version")).await;
    failed(ran, "the header x-version of its answer is");
    let (_stage, ran) = deploy(&check("X-Build")).await;
    failed(ran, "its answer has no header x-build");
}

#[tokio::test]
async fn an_answer_that_takes_too_long_takes_the_release_back_though_it_is_right() {
    let health = Answering::with(200, &[], "ok").await;
    health.change(|answer| answer.after = Duration::from_millis(300));
    let (_stage, ran) = deploy(&format!("{{ http: \"{}\", latency: 100ms, within: 1s }}", health.address())).await;
    failed(ran, "ms, and may take 100 ms");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let there = Answering::with(200, &[], "ready").await;
    let here = Answering::with(302, &[("Location", &there.address())], "").await;
    let (_stage, ran) = deploy(&format!("{{ http: \"{}\", within: 1s }}", here.address())).await;
    failed(ran, "it answered 302");
    assert_eq!(there.asked(), 0);
}

#[tokio::test]
async fn a_service_that_gets_ready_in_time_passes() {
    let health = Answering::with(200, &[], "starting").await;
    let address = health.address();
    std::thread::spawn(move || {
        super::stage::until("the check asks", || health.asked() > 1);
        health.change(|answer| answer.body = "ready".to_owned());
    });
    let (_stage, ran) = deploy(&format!("{{ http: \"{address}\", body: ready, within: 30s }}")).await;
    ran.must(0);
}
