//! Webhooks: what is sent, in which order, and what GitHub remembers of it.

use serde_json::{Value, json};

use super::super::hooks::signature;
use super::{Received, Shop};

#[test]
fn the_signature_is_the_one_of_githubs_own_example() {
    let expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(signature("It's a Secret to Everybody", b"Hello, World!"), expected);
}

async fn listening(statuses: &[u16]) -> (Shop, Received) {
    let shop = Shop::open().await;
    let (received, address) = Received::listen(statuses).await;
    shop.github.webhook_to(&address);
    (shop, received)
}

#[tokio::test]
async fn what_happens_is_told_in_order_signed_over_the_bytes_that_are_sent() {
    let (shop, received) = listening(&[]).await;
    let pull = shop.repository.pull("dev", "Change");
    let pushed = shop.repository.push(pull.number);
    shop.repository.says("dev", pull.number, "/deploy staging");
    shop.repository.close(pull.number);
    shop.github.delivered().await;
    let payloads = received.payloads();
    let told: Vec<_> = payloads.iter().map(|payload| payload["action"].as_str().unwrap()).collect();
    assert_eq!(told, ["opened", "synchronize", "created", "closed"]);
    assert_eq!(payloads[1]["after"], pushed);
    assert_eq!(payloads[1]["pull_request"]["head"]["sha"], pushed);
    assert_eq!(payloads[2]["comment"]["body"], "/deploy staging");
    assert!(payloads[2]["issue"]["pull_request"].is_object());
    assert_eq!(payloads[2]["installation"]["id"], shop.app.installation.unwrap());
    for (headers, body) in received.0.lock().unwrap().iter() {
        assert_eq!(headers["x-hub-signature-256"].to_str().unwrap(), signature("webhook-secret", body));
        assert!(headers["user-agent"].to_str().unwrap().starts_with("GitHub-Hookshot/"));
    }
}

#[tokio::test]
async fn every_attempt_is_remembered_and_a_failed_one_can_be_asked_for_again() {
    let (shop, received) = listening(&[500]).await;
    let pull = shop.repository.pull("dev", "Change");
    shop.github.delivered().await;
    shop.github.fail_deliveries(1);
    shop.repository.push(pull.number);
    shop.repository.says("dev", pull.number, "hello");
    shop.github.delivered().await;
    let failed = shop.get("/app/hook/deliveries?status=failure", &shop.jwt()).await.body;
    let codes: Vec<_> = failed.as_array().unwrap().iter().map(|one| one["status_code"].as_u64().unwrap()).collect();
    assert_eq!(codes, [502, 500], "newest first");
    let lost = &failed[0];
    assert_eq!((&lost["event"], &lost["action"]), (&json!("pull_request"), &json!("synchronize")));
    let path = format!("/app/hook/deliveries/{}", lost["id"]);
    let whole = shop.get(&path, &shop.jwt()).await.body;
    assert_eq!(whole["request"]["payload"]["action"], "synchronize");
    assert_eq!(shop.ask("POST", &format!("{path}/attempts"), &shop.jwt(), &Value::Null).await.status, 202);
    shop.github.delivered().await;
    let newest = &shop.get("/app/hook/deliveries?per_page=1", &shop.jwt()).await.body[0];
    assert_eq!((&newest["guid"], &newest["redelivery"]), (&lost["guid"], &json!(true)));
    assert_eq!(newest["status_code"], 202);
    assert_eq!(received.guids().last().unwrap(), lost["guid"].as_str().unwrap());
}

#[tokio::test]
async fn deliveries_are_listed_in_pages_by_cursor_for_three_days() {
    let (shop, _received) = listening(&[]).await;
    let issue = shop.repository.issue("dev", "A question");
    for n in 0..5 {
        shop.repository.says("dev", issue, &format!("comment {n}"));
    }
    shop.github.delivered().await;
    let mut path = "/app/hook/deliveries?per_page=2".to_owned();
    let mut ids = Vec::new();
    loop {
        let page = shop.get(&path, &shop.jwt()).await;
        ids.extend(page.body.as_array().unwrap().iter().map(|one| one["id"].as_u64().unwrap()));
        let Some(link) = page.header("link") else { break };
        path = link.split(['<', '>']).nth(1).unwrap().to_owned();
    }
    let mut sorted = ids.clone();
    sorted.sort_unstable_by(|one, other| other.cmp(one));
    sorted.dedup();
    assert_eq!((ids.len(), &ids), (5, &sorted));
    shop.github.advance(std::time::Duration::from_mins(3 * 24 * 60 + 1));
    assert_eq!(shop.get("/app/hook/deliveries", &shop.jwt()).await.body, json!([]));
}

#[tokio::test]
async fn deliveries_can_be_held_back_turned_around_doubled_and_given_a_new_id() {
    let (shop, received) = listening(&[]).await;
    let issue = shop.repository.issue("dev", "A question");
    shop.github.hold_deliveries();
    shop.repository.says("dev", issue, "first");
    shop.repository.says("dev", issue, "second");
    assert!(received.payloads().is_empty());
    shop.github.release_deliveries_reversed();
    shop.github.delivered().await;
    let bodies: Vec<_> = received.payloads().iter().map(|one| one["comment"]["body"].clone()).collect();
    assert_eq!(bodies, ["second", "first"]);
    let guid = received.guids()[1].clone();
    shop.github.duplicate(&guid, 2);
    let fresh = shop.github.resend(&guid);
    shop.github.delivered().await;
    assert_eq!(received.guids()[2..], [guid.clone(), guid, fresh]);
    assert_eq!(received.payloads()[4], received.payloads()[1]);
    let known = shop.get("/app/hook/deliveries", &shop.jwt()).await.body;
    assert_eq!(known.as_array().unwrap().len(), 2, "copies on the way are not GitHub's");
}

#[tokio::test]
async fn a_receiver_that_is_down_does_not_stop_the_model() {
    let shop = Shop::open().await;
    shop.github.webhook_to("http://127.0.0.1:9/webhooks/github");
    let issue = shop.repository.issue("dev", "A question");
    shop.repository.says("dev", issue, "hello");
    shop.github.delivered().await;
    let seen = shop.github.deliveries();
    assert_eq!((seen.len(), seen[0].code, seen[0].status.as_str()), (1, None, "failed to connect to host"));
}
