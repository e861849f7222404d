use super::*;

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is not an object"),
    }
}

#[test]
fn differences_name_the_field_and_never_show_values_of_the_environment() {
    let before = map(json!({"cpu": "256", "containerDefinitions": [{"name": "app", "image": "a", "command": ["run"],
        "environment": [{"name": "GONE", "value": "canary-one"}, {"name": "KEPT", "value": "canary-two"}],
        "secrets": [{"name": "KEY", "valueFrom": "arn:one"}],
        "logConfiguration": {"logDriver": "splunk", "options": {"splunk-token": "canary-three", "splunk-url": "https://a"}}}]}));
    let after = map(json!({"cpu": "512", "containerDefinitions": [{"name": "app", "image": "b", "command": ["run"],
        "environment": [{"name": "KEPT", "value": "canary-four"}, {"name": "NEW", "value": "canary-five"}],
        "secrets": [{"name": "KEY", "valueFrom": "arn:two"}],
        "logConfiguration": {"logDriver": "splunk", "options": {"splunk-token": "canary-six", "splunk-url": "https://b"}}}]}));
    let found = differences(&before, &after);
    let lines: Vec<String> =
        found.iter().map(|change| format!("{}: {:?} -> {:?}", change.path, change.before, change.after)).collect();
    let text = lines.join("\n");
    assert!(!text.contains("canary"), "{text}");
    for part in [
        r#"cpu: Some("256") -> Some("512")"#,
        r#"containers.app.image: Some("a") -> Some("b")"#,
        r#"containers.app.environment.GONE: Some("(not shown)") -> None"#,
        r#"containers.app.environment.KEPT: Some("(not shown)") -> Some("(another value, not shown)")"#,
        r#"containers.app.environment.NEW: None -> Some("(not shown)")"#,
        r#"containers.app.secrets.KEY: Some("arn:one") -> Some("arn:two")"#,
        r#"containers.app.logConfiguration.options.splunk-url: Some("https://a") -> Some("https://b")"#,
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert_eq!(lines.len(), 8, "{text}");
}
