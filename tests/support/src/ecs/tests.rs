//! The service deployment state machine, driven by time alone.

mod strategies;

use serde_json::{Value, json};

use super::{Cluster, Ecs};
use crate::behaviour::{Behaviour, RollbackOutcome, Rule};
use crate::env::Env;
use crate::timing::Timing;

const TIMING: Timing = Timing {
    scale: 1.0,
    pending_ms: 10,
    start_ms: 20,
    settle_ms: 30,
    drain_ms: 40,
    stop_ms: 5,
    rollback_ms: 100,
    every_ms: 50,
    operation_ms: 0,
    end_ms: 1,
    known_ms: 3_600_000,
    stage_ms: 1,
    minute_ms: 10,
    hook_minute_ms: None,
    automatic_ms: 0,
};

struct Account {
    ecs: Ecs,
    env: Env,
}

impl Account {
    /// `api` runs `api:1`; the rules are for what comes after.
    fn new(desired: i64, breaker: &Value, rules: Vec<Rule>) -> Self {
        let mut env = Env::new();
        env.timing = TIMING;
        let mut ecs = Ecs::default();
        let arn = env.arn("ecs", "cluster/default");
        ecs.clusters.insert("default".to_owned(), Cluster { arn, status: "ACTIVE".to_owned() });
        for image in ["api:v1", "api:v2", "api:v3"] {
            let request = json!({"family": "api", "containerDefinitions": [{"name": "app", "image": image}]});
            ecs.definitions.register(&request, 0, &mut env).unwrap();
        }
        let service = json!({
            "serviceName": "api", "taskDefinition": "api:1", "desiredCount": desired,
            "deploymentConfiguration": {"deploymentCircuitBreaker": breaker},
        });
        ecs.seed_stable(&service, 0, &mut env).unwrap();
        env.rules = rules;
        Self { ecs, env }
    }

    fn call(&mut self, op: &str, at: u64, body: &Value) -> Result<Value, String> {
        self.ecs.advance(at, &mut self.env);
        self.ecs.answer(op, body, at, &mut self.env).map_err(|error| error.code)
    }

    fn update(&mut self, at: u64, definition: &str) -> String {
        let request = json!({"service": "api", "taskDefinition": definition});
        let answer = self.call("UpdateService", at, &request).unwrap();
        answer["service"]["currentServiceDeployment"].as_str().unwrap().to_owned()
    }

    fn deployment(&mut self, at: u64, arn: &str) -> Value {
        let answer = self.call("DescribeServiceDeployments", at, &json!({"serviceDeploymentArns": [arn]}));
        answer.unwrap()["serviceDeployments"][0].clone()
    }

    fn status(&mut self, at: u64, arn: &str) -> String {
        self.deployment(at, arn)["status"].as_str().unwrap().to_owned()
    }

    fn service(&mut self, at: u64) -> Value {
        self.call("DescribeServices", at, &json!({"services": ["api"]})).unwrap()["services"][0].clone()
    }
}

fn breaker(rollback: bool) -> Value {
    json!({"enable": true, "rollback": rollback})
}

fn crash() -> Rule {
    Rule::image("v2", Behaviour::exits(1, ["boom"]))
}

#[test]
fn a_healthy_deployment_takes_exactly_the_time_it_was_told() {
    let mut account = Account::new(2, &Value::Null, Vec::new());
    let arn = account.update(1000, "api:2");
    assert_eq!(account.status(1009, &arn), "PENDING");
    assert_eq!(account.status(1010, &arn), "IN_PROGRESS");
    assert_eq!(account.service(1029)["pendingCount"], 2);
    assert_eq!(account.service(1030)["runningCount"], 4);
    assert_eq!(account.status(1099, &arn), "IN_PROGRESS");
    assert_eq!(account.status(1100, &arn), "SUCCESSFUL");
    assert_eq!(account.service(1100)["runningCount"], 2);
}

#[test]
fn looking_often_and_looking_once_see_the_same_end() {
    let mut often = Account::new(1, &breaker(true), vec![crash()]);
    let mut once = Account::new(1, &breaker(true), vec![crash()]);
    let (first, second) = (often.update(1000, "api:2"), once.update(1000, "api:2"));
    for at in 1000..2000 {
        often.deployment(at, &first);
    }
    assert_eq!(often.deployment(2000, &first), once.deployment(2000, &second));
    assert_eq!(often.service(2000), once.service(2000));
}

#[test]
fn the_third_failure_of_one_wanted_task_triggers_the_breaker() {
    let mut account = Account::new(1, &breaker(true), vec![crash()]);
    let arn = account.update(1000, "api:2");
    // PENDING 10, then three times (start 20, run 30), 50 between them.
    assert_eq!(account.deployment(1259, &arn)["deploymentCircuitBreaker"]["failureCount"], 2);
    let found = account.deployment(1260, &arn);
    assert_eq!(found["status"], "ROLLBACK_IN_PROGRESS");
    assert_eq!(found["deploymentCircuitBreaker"], json!({"status": "TRIGGERED", "failureCount": 3, "threshold": 3}));
    assert_eq!(account.status(1360, &arn), "ROLLBACK_SUCCESSFUL");
}

#[test]
fn the_breaker_without_rollback_leaves_the_new_definition_and_the_old_tasks() {
    let mut account = Account::new(1, &breaker(false), vec![crash()]);
    let arn = account.update(1000, "api:2");
    assert_eq!(account.status(1260, &arn), "STOPPED");
    let service = account.service(9000);
    assert!(service["taskDefinition"].as_str().unwrap().ends_with("api:2"));
    assert_eq!(service["runningCount"], 1);
    assert_eq!(service["deployments"][0]["rolloutState"], "FAILED");
}

#[test]
fn a_configured_threshold_is_used() {
    let mut count = breaker(true);
    count["thresholdConfiguration"] = json!({"type": "COUNT", "value": 1});
    let mut account = Account::new(1, &count, vec![crash()]);
    let arn = account.update(1000, "api:2");
    assert_eq!(account.deployment(1060, &arn)["deploymentCircuitBreaker"]["status"], "TRIGGERED");
}

#[test]
fn a_failed_rollback_ends_in_rollback_failed_with_nothing_running() {
    let mut account = Account::new(1, &breaker(true), vec![crash().rollback(RollbackOutcome::Fails)]);
    let arn = account.update(1000, "api:2");
    assert_eq!(account.status(9000, &arn), "ROLLBACK_FAILED");
    assert_eq!(account.service(9000)["runningCount"], 0);
}

#[test]
fn a_stop_before_the_begin_rolls_back_too() {
    let mut account = Account::new(1, &Value::Null, Vec::new());
    let arn = account.update(1000, "api:2");
    account.call("StopServiceDeployment", 1001, &json!({"serviceDeploymentArn": arn})).unwrap();
    assert_eq!(account.status(1001, &arn), "ROLLBACK_REQUESTED");
    assert_eq!(account.status(1006, &arn), "ROLLBACK_IN_PROGRESS");
    assert_eq!(account.status(1106, &arn), "ROLLBACK_SUCCESSFUL");
    let again = account.call("StopServiceDeployment", 1107, &json!({"serviceDeploymentArn": arn}));
    assert_eq!(again, Err("ConflictException".to_owned()));
}

#[test]
fn an_update_supersedes_and_a_later_rollback_goes_to_the_last_good_revision() {
    let mut account = Account::new(1, &breaker(true), vec![Rule::image("v3", Behaviour::exits(1, [""; 0]))]);
    let first = account.update(1000, "api:2");
    let second = account.update(1020, "api:3");
    assert_eq!(account.status(1020, &first), "STOP_REQUESTED");
    assert_eq!(account.status(1025, &first), "STOPPED");
    assert_eq!(account.status(9000, &second), "ROLLBACK_SUCCESSFUL");
    assert!(account.service(9000)["taskDefinition"].as_str().unwrap().ends_with("api:1"));
    assert_eq!(account.service(9000)["runningCount"], 1);
}

#[test]
fn an_update_away_from_a_crash_loop_brings_the_old_definition_back() {
    let mut account = Account::new(2, &Value::Null, vec![crash()]);
    let first = account.update(1000, "api:2");
    let second = account.update(1500, "api:1");
    assert_eq!(account.status(9000, &first), "STOPPED");
    assert_eq!(account.status(9000, &second), "SUCCESSFUL");
    let service = account.service(9000);
    assert_eq!((&service["runningCount"], &service["pendingCount"]), (&json!(2), &json!(0)));
    assert_eq!(service["deployments"].as_array().unwrap().len(), 1);
}

#[test]
fn a_crash_loop_without_a_breaker_never_ends_and_stays_small() {
    let rule = Rule::image(
        "v2",
        Behaviour::Exits { code: 1, after_ms: Some(1), every_ms: Some(1), lines: Vec::new(), container: None },
    );
    let mut account = Account::new(1, &Value::Null, vec![rule]);
    let arn = account.update(1000, "api:2");
    assert_eq!(account.status(20_000, &arn), "IN_PROGRESS");
    assert!(account.ecs.services[0].tasks.len() < 70);
}

#[test]
fn instant_is_done_at_the_next_call() {
    let mut account = Account::new(3, &breaker(true), vec![crash()]);
    account.env.timing = Timing::instant();
    let good = account.update(1000, "api:3");
    assert_eq!(account.status(1000, &good), "SUCCESSFUL");
    let bad = account.update(1001, "api:2");
    assert_eq!(account.status(1002, &bad), "ROLLBACK_SUCCESSFUL");
}

#[test]
fn a_limited_rule_is_for_that_many_deployments() {
    let mut account = Account::new(1, &breaker(true), vec![crash().times(1)]);
    let first = account.update(1000, "api:2");
    assert_eq!(account.status(5000, &first), "ROLLBACK_SUCCESSFUL");
    let second = account.update(5000, "api:2");
    assert_eq!(account.status(9000, &second), "SUCCESSFUL");
}

#[test]
fn no_tasks_wanted_is_successful_at_once() {
    let mut account = Account::new(0, &breaker(true), vec![crash()]);
    let arn = account.update(1000, "api:2");
    assert_eq!(account.status(1010, &arn), "SUCCESSFUL");
}
