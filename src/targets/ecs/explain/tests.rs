use serde_json::json;

use super::*;
use crate::targets::ecs::tasks::Stopped;

fn definition(revision: u32, container: impl Into<Value>) -> Definition {
    let Value::Object(raw) = json!({"family": "api", "containerDefinitions": [container.into()]}) else {
        unreachable!()
    };
    let arn = format!("arn:aws:ecs:us-east-1:111122223333:task-definition/api:{revision}");
    Definition { arn, raw, tags: Vec::new() }
}

fn exited(times: usize) -> Verdict {
    let task = Stopped {
        id: "3f2a0000000000000000000000000000".to_owned(),
        code: "EssentialContainerExited".to_owned(),
        reason: "Essential container in task exited".to_owned(),
        containers: vec![tasks::Container { name: "app".to_owned(), exit: Some(1), ..tasks::Container::default() }],
        lived: Some(4.2),
        ..Stopped::default()
    };
    Verdict { task, times }
}

#[test]
fn the_stop_reason_is_the_first_cause_and_the_breaker_only_a_fact() {
    let seen = Cause::new(CauseCode::ProviderGaveUp, "the breaker tripped", "wait");
    let cause = refined(seen, Some(&exited(3)), "api:42");
    assert_eq!(
        cause.summary,
        "container `app` exited with code 1, three times in a row (task `3f2a0000`, 4 s after start)"
    );
    assert_eq!(cause.code, CauseCode::ContainerExited);
    assert_eq!(cause.exit.unwrap().code, 1);
    assert!(cause.facts.contains(&"the breaker tripped".to_owned()));
}

#[test]
fn a_person_who_stopped_it_stays_the_cause() {
    let seen = Cause::new(CauseCode::Stopped, "the deployment was stopped", "ask");
    assert_eq!(refined(seen.clone(), Some(&exited(1)), "api:42"), seen);
}

#[test]
fn a_variable_that_the_old_revision_had_is_named_with_where_it_came_from() {
    let old = definition(
        41,
        json!({"name": "app", "environment": [{"name": "PORT", "value": "1"}, {"name": "MODE", "value": "canary"}],
               "secrets": [{"name": "DATABASE_URL", "valueFrom": "arn:aws:secretsmanager:x"}]}),
    );
    let new = definition(42, json!({"name": "app", "environment": [{"name": "PORT", "value": "2"}]}));
    let mut cause = Cause::new(CauseCode::ContainerExited, "exited", "read the log");
    add_missing(&mut cause, &new, &old);
    assert_eq!(
        cause.facts,
        [
            "Task definition api:42 has no MODE; api:41 had it.",
            "Task definition api:42 has no DATABASE_URL; api:41 had it from arn:aws:secretsmanager:x.",
        ]
    );
    assert!(cause.next.contains("DATABASE_URL"));
}

#[test]
fn a_container_that_does_not_log_to_cloudwatch_is_said_to() {
    let content = |log: Value| definition(1, json!({"name": "app", "logConfiguration": log})).raw;
    let named = json!({"logDriver": "awslogs", "options": {"awslogs-group": "/g", "awslogs-stream-prefix": "p", "awslogs-region": "eu-west-1"}});
    let stream = logs::stream(&content(named), "app", "task", "us-east-1").unwrap();
    assert_eq!(
        (stream.group.as_str(), stream.name.as_str(), stream.region.as_str()),
        ("/g", "p/app/task", "eu-west-1")
    );
    for (log, why) in [
        (json!({"logDriver": "splunk"}), NoStream::Driver("splunk".to_owned())),
        (json!({"logDriver": "awslogs", "options": {"awslogs-group": "/g"}}), NoStream::Unnamed),
        (json!(null), NoStream::NotConfigured),
    ] {
        assert_eq!(logs::stream(&content(log), "app", "task", "us-east-1"), Err(why));
    }
}
