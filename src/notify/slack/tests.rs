use super::*;
use crate::report::View;

fn message(occasion: Occasion, view: &Value) -> Message {
    let mut whole = json!({
        "schema_version": 1, "command": "deploy", "environment": "production", "result": "rolled-back",
        "commit": "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678", "plan": "3f9a1c", "services": [], "waves": [],
        "check_failure": null, "commits": [], "timeline": [], "stages": [], "notices": [],
        "began": "2026-11-21T16:00:00Z", "took_ms": 41_000, "rollback_command": null,
    });
    for (name, value) in view.as_object().unwrap() {
        whole[name] = value.clone();
    }
    let view: View = serde_json::from_value(whole).unwrap();
    let page = Some("https://github.com/acme/shop/actions/runs/7?a=1&b=2".to_owned());
    Message::new("run", occasion, view, page, "2026-11-21T16:00:41Z".parse().unwrap())
}

fn service(cause: &Value) -> Value {
    json!({
        "name": "api", "target": "pmis/api", "before": "9f8e7d6", "after": "a1b2c3d", "state": "restored",
        "image": null, "digest": null, "tags": [], "origin": null, "revision": null, "previous_revision": "api:41",
        "changes": [], "deployment_id": null, "cause": cause, "stuck": null, "url": null, "console": null,
    })
}

fn cause(summary: &str, lines: &[&str]) -> Value {
    json!({
        "code": "container-exited", "summary": summary, "revision": null, "task": null, "provider_says": null,
        "exit": null, "facts": [], "log": {"source": "/pmis/api", "lines": lines}, "links": [], "next": "Look.",
    })
}

fn texts(body: &Value) -> Vec<String> {
    let blocks = body["blocks"].as_array().unwrap();
    let text =
        |block: &Value| block["text"]["text"].as_str().or(block["elements"][0]["text"].as_str()).unwrap().to_owned();
    blocks.iter().map(text).collect()
}

#[test]
fn a_failure_says_what_failed_why_and_where_to_look() {
    let services = json!([service(&cause("container `app` exited with code 1", &["KeyError: 'DATABASE_URL'"]))]);
    let body = body(&message(Occasion::Failure, &json!({"services": services})));
    insta::assert_snapshot!(texts(&body).join("\n---\n"), @"
    ❌ production ← a1b2c3d failed after 41 s · 9f8e7d6 serves again
    ---
    ✗ *api* 9f8e7d6 → a1b2c3d, restored
    ---
    *api*: container `app` exited with code 1
    ```KeyError: 'DATABASE_URL'```
    *Next*: Look.
    ---
    <https://github.com/acme/shop/actions/runs/7?a=1&amp;b=2|open>
    ");
    assert_eq!(body["text"], "❌ production ← a1b2c3d failed after 41 s · 9f8e7d6 serves again");
}

#[test]
fn nobody_is_called_and_nothing_is_linked_by_a_log_line() {
    let lines = ["<!channel> <https://evil.example|open>", "```<@U1>", "a\u{202e}b & c"];
    let services = json!([service(&cause("<!here> failed", &lines))]);
    let told = texts(&body(&message(Occasion::Failure, &json!({"services": services})))).join("\n");
    for foreign in ["<!", "<@", "<https://evil", "\u{202e}", "```&lt;@"] {
        assert!(!told.contains(foreign), "{foreign:?} in {told}");
    }
    assert!(told.contains("&lt;!channel&gt;") && told.contains("ab &amp; c"), "{told}");
}

#[test]
fn what_is_too_long_for_slack_is_cut() {
    let long = "<".repeat(9_000);
    let lines = vec![long.as_str(); 20];
    let services: Vec<Value> = (0..60).map(|_| service(&cause(&long, &lines))).collect();
    let body = body(&message(Occasion::Failure, &json!({"services": services})));
    assert!(body["blocks"].as_array().unwrap().len() <= 50);
    for (number, text) in texts(&body).iter().enumerate() {
        let most = if number == 0 { 150 } else { 3000 };
        assert!(text.chars().count() <= most, "block {number} has {}", text.chars().count());
    }
}

#[test]
fn a_page_that_is_no_address_is_no_link() {
    assert_eq!(link("javascript:alert(1)"), None);
    assert_eq!(link("https://a.example/|x> <!channel"), None);
}
