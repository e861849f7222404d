//! Deployment strategies, stage by stage, driven by time alone.

use serde_json::{Value, json};

use super::TIMING;
use crate::behaviour::{Behaviour, RollbackOutcome, Rule};
use crate::ecs::{Cluster, Ecs};
use crate::env::Env;
use crate::seed::ServiceSeed;
use crate::timing::Timing;

struct Account {
    ecs: Ecs,
    env: Env,
}

const CANARY: &str = r#"{"strategy": "CANARY", "bakeTimeInMinutes": 2,
    "canaryConfiguration": {"canaryPercent": 10, "canaryBakeTimeInMinutes": 3},
    "alarms": {"alarmNames": ["errors"], "enable": true, "rollback": true},
    "deploymentCircuitBreaker": {"enable": true, "rollback": true}}"#;

fn canary() -> Value {
    serde_json::from_str(CANARY).unwrap()
}

fn with(mut configuration: Value, member: &str, value: Value) -> Value {
    configuration[member] = value;
    configuration
}

fn pause(stage: &str, minutes: u32, action: &str) -> Value {
    json!({"targetType": "PAUSE", "lifecycleStages": [stage],
        "timeoutConfiguration": {"timeoutInMinutes": minutes, "action": action}})
}

impl Account {
    /// `api` runs two tasks of `api:1` behind a load balancer; the rules are for what comes after.
    fn new(configuration: &Value, rules: Vec<Rule>) -> Self {
        let service = ServiceSeed::new("default", "api", "api:1").desired(2).shifting("api", "app", 8080);
        let service = service.with("deploymentConfiguration", configuration.clone());
        Self::of(&service.0, rules)
    }

    fn of(service: &Value, rules: Vec<Rule>) -> Self {
        let mut account = Self::empty();
        account.ecs.seed_stable(service, 0, &mut account.env).unwrap();
        account.env.rules = rules;
        account
    }

    fn empty() -> Self {
        let mut env = Env::new();
        env.timing = TIMING;
        let mut ecs = Ecs::default();
        let arn = env.arn("ecs", "cluster/default");
        ecs.clusters.insert("default".to_owned(), Cluster { arn, status: "ACTIVE".to_owned() });
        for image in ["api:v1", "api:v2", "api:v3"] {
            let request = json!({"family": "api", "containerDefinitions": [{"name": "app", "image": image}]});
            ecs.definitions.register(&request, 0, &mut env).unwrap();
        }
        Self { ecs, env }
    }

    fn call(&mut self, op: &str, at: u64, body: &Value) -> Result<Value, (String, String)> {
        self.ecs.advance(at, &mut self.env);
        self.ecs.answer(op, body, at, &mut self.env).map_err(|error| (error.code, error.message))
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

    /// Every stage with the instant it began and the new revision's traffic in it.
    fn stages(&mut self, arn: &str, from: u64, to: u64) -> Vec<(u64, String, f64)> {
        let mut seen: Vec<(u64, String, f64)> = Vec::new();
        for at in from..to {
            let found = self.deployment(at, arn);
            let Some(stage) = found["lifecycleStage"].as_str().filter(|_| found["status"] == "IN_PROGRESS") else {
                continue;
            };
            let weight = target(&found);
            if seen.last().is_none_or(|(_, last, _)| last != stage) {
                seen.push((at, stage.to_owned(), weight));
            }
            assert!((source(&found) + weight - 100.0).abs() < 1e-9, "traffic is lost or doubled: {found}");
        }
        seen
    }

    /// The traffic of each image, as a load balancer would split it.
    fn split(&mut self, at: u64) -> Vec<(String, f64)> {
        self.ecs.advance(at, &mut self.env);
        let short = |known: &crate::ecs::service::Rollout| known.definition.rsplit('/').next().unwrap().to_owned();
        self.ecs.services[0].traffic().into_iter().map(|(known, weight)| (short(known), weight)).collect()
    }

    fn hook(&mut self, at: u64, arn: &str) -> Value {
        self.deployment(at, arn)["lifecycleHookDetails"][0].clone()
    }

    fn decide(&mut self, at: u64, arn: &str, hook: &Value, action: Option<&str>) -> Result<Value, (String, String)> {
        let mut request = json!({"serviceDeploymentArn": arn, "hookId": hook["hookId"]});
        if let Some(action) = action {
            request["action"] = json!(action);
        }
        self.call("ContinueServiceDeployment", at, &request)
    }
}

fn target(deployment: &Value) -> f64 {
    deployment["targetServiceRevision"]["requestedProductionTrafficWeight"].as_f64().unwrap()
}

fn source(deployment: &Value) -> f64 {
    let sources = deployment["sourceServiceRevisions"].as_array().unwrap();
    sources.iter().map(|known| known["requestedProductionTrafficWeight"].as_f64().unwrap()).sum()
}

fn named(stages: &[(u64, String, f64)]) -> Vec<(u64, &str, f64)> {
    stages.iter().map(|(at, stage, weight)| (*at, stage.as_str(), *weight)).collect()
}

#[test]
fn a_canary_goes_through_every_stage_in_order_and_bakes_twice() {
    let mut account = Account::new(&canary(), Vec::new());
    let arn = account.update(1000, "api:2");
    let stages = account.stages(&arn, 1000, 1158);
    assert_eq!(
        named(&stages),
        [
            (1010, "PRE_SCALE_UP", 0.0),
            (1011, "SCALE_UP", 0.0),
            (1061, "POST_SCALE_UP", 0.0),
            (1062, "TEST_TRAFFIC_SHIFT", 0.0),
            (1063, "POST_TEST_TRAFFIC_SHIFT", 0.0),
            (1064, "PRE_PRODUCTION_TRAFFIC_SHIFT", 0.0),
            (1065, "PRODUCTION_TRAFFIC_SHIFT", 10.0),
            (1095, "PRE_PRODUCTION_TRAFFIC_SHIFT", 10.0),
            (1096, "PRODUCTION_TRAFFIC_SHIFT", 100.0),
            (1097, "POST_PRODUCTION_TRAFFIC_SHIFT", 100.0),
            (1098, "BAKE_TIME", 100.0),
            (1118, "CLEAN_UP", 100.0),
        ]
    );
    let ended = account.deployment(1158, &arn);
    assert_eq!((&ended["status"], target(&ended)), (&json!("SUCCESSFUL"), 100.0));
    assert_eq!(account.service(1158)["deployments"].as_array().unwrap().len(), 1);
    assert_eq!(account.service(1158)["runningCount"], 2);
}

#[test]
fn a_linear_deployment_moves_its_step_again_and_again_and_does_not_wait_after_the_last() {
    let linear = json!({"strategy": "LINEAR", "bakeTimeInMinutes": 0,
        "linearConfiguration": {"stepPercent": 40, "stepBakeTimeInMinutes": 2}});
    let mut account = Account::new(&linear, Vec::new());
    let arn = account.update(1000, "api:2");
    let stages = account.stages(&arn, 1000, 1200);
    let shifts: Vec<_> = named(&stages).into_iter().filter(|(_, stage, _)| stage.contains("PRODUCTION_T")).collect();
    assert_eq!(
        shifts,
        [
            (1064, "PRE_PRODUCTION_TRAFFIC_SHIFT", 0.0),
            (1065, "PRODUCTION_TRAFFIC_SHIFT", 40.0),
            (1085, "PRE_PRODUCTION_TRAFFIC_SHIFT", 40.0),
            (1086, "PRODUCTION_TRAFFIC_SHIFT", 80.0),
            (1106, "PRE_PRODUCTION_TRAFFIC_SHIFT", 80.0),
            (1107, "PRODUCTION_TRAFFIC_SHIFT", 100.0),
            (1108, "POST_PRODUCTION_TRAFFIC_SHIFT", 100.0),
        ]
    );
    assert_eq!(account.status(1200, &arn), "SUCCESSFUL");
}

#[test]
fn both_revisions_run_at_full_scale_until_the_clean_up_of_a_blue_green_deployment() {
    let mut account = Account::new(&json!({"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5}), Vec::new());
    let arn = account.update(1000, "api:2");
    let shifted = account.deployment(1070, &arn);
    assert_eq!((&shifted["lifecycleStage"], target(&shifted), source(&shifted)), (&json!("BAKE_TIME"), 100.0, 0.0));
    for revision in [&shifted["targetServiceRevision"], &shifted["sourceServiceRevisions"][0]] {
        assert_eq!((&revision["requestedTaskCount"], &revision["runningTaskCount"]), (&json!(2), &json!(2)));
    }
    assert_eq!(account.service(1070)["runningCount"], 4);
    assert_eq!(account.service(1070)["deployments"][1]["desiredCount"], 2);
    assert_eq!(account.split(1070), [("api:2".to_owned(), 100.0)]);
    assert_eq!(account.deployment(1117, &arn)["lifecycleStage"], "CLEAN_UP");
    assert_eq!(account.status(1157, &arn), "SUCCESSFUL");
}

#[test]
fn tests_see_the_new_revision_before_users_do() {
    let mut account = Account::new(&canary(), Vec::new());
    let arn = account.update(1000, "api:2");
    let of = |found: &Value| found["targetServiceRevision"]["requestedTestTrafficWeight"].as_f64().unwrap();
    let before = account.deployment(1061, &arn);
    let after = account.deployment(1063, &arn);
    assert_eq!((of(&before), of(&after), target(&after)), (0.0, 100.0, 0.0));
}

#[test]
fn a_pause_before_each_shift_waits_for_a_decision_with_an_id_of_its_own() {
    let hooks = json!([pause("PRE_PRODUCTION_TRAFFIC_SHIFT", 1440, "ROLLBACK")]);
    let mut account = Account::new(&with(canary(), "lifecycleHooks", hooks), Vec::new());
    let arn = account.update(1000, "api:2");
    let first = account.hook(5000, &arn);
    assert_eq!(first["status"], "AWAITING_ACTION");
    assert_eq!(first["targetType"], "PAUSE");
    assert_eq!(first["timeoutAction"], "ROLLBACK");
    assert_eq!(first["expiresAt"], json!(15.464));
    assert!(first["hookId"].as_str().unwrap().starts_with("ecs-pause-"));
    assert_eq!(json!(target(&account.deployment(5000, &arn))), json!(0.0));
    account.decide(5000, &arn, &first, Some("CONTINUE")).unwrap();
    assert_eq!(account.hook(5000, &arn)["status"], "SUCCEEDED");
    let twice = account.decide(5000, &arn, &first, Some("ROLLBACK")).unwrap_err();
    assert!(twice.1.starts_with("Provided hookId is either completed"), "a decision is final: {twice:?}");
    assert_eq!(json!(target(&account.deployment(5001, &arn))), json!(10.0));
    let second = account.hook(9000, &arn);
    assert_ne!(second["hookId"], first["hookId"]);
    assert_eq!(json!(target(&account.deployment(9000, &arn))), json!(10.0));
    // The first id is good no more, however often it is said.
    let (code, message) = account.decide(9000, &arn, &first, None).unwrap_err();
    assert_eq!(code, "InvalidParameterException");
    assert!(message.starts_with("Provided hookId is either completed"), "{message}");
    account.decide(9000, &arn, &second, None).unwrap();
    assert_eq!(account.status(20_000, &arn), "SUCCESSFUL");
    let (code, message) = account.decide(20_000, &arn, &second, None).unwrap_err();
    assert_eq!(code, "InvalidParameterException");
    assert!(message.contains("terminal states"), "{message}");
}

#[test]
fn a_decision_needs_a_deployment_that_exists_and_an_id_of_the_right_form() {
    let mut account = Account::new(&canary(), Vec::new());
    let arn = account.update(1000, "api:2");
    let unknown = json!({"hookId": "ecs-pause-nobody"});
    assert_eq!(account.decide(1010, "arn:nobody", &unknown, None).unwrap_err().0, "ServiceDeploymentNotFoundException");
    assert!(account.decide(1010, &arn, &unknown, None).unwrap_err().1.contains("not associated"));
    let formless = json!({"hookId": "17"});
    assert!(account.decide(1010, &arn, &formless, None).unwrap_err().1.contains("ecs-{hookType}-{id}"));
    assert!(account.decide(1010, &arn, &unknown, Some("PROMOTE")).unwrap_err().1.contains("action"));
}

#[test]
fn a_decision_to_go_back_rolls_back_with_the_traffic_first() {
    let hooks = json!([pause("PRE_PRODUCTION_TRAFFIC_SHIFT", 1440, "ROLLBACK")]);
    let mut account = Account::new(&with(canary(), "lifecycleHooks", hooks), Vec::new());
    let arn = account.update(1000, "api:2");
    let first = account.hook(2000, &arn);
    account.decide(2000, &arn, &first, None).unwrap();
    let second = account.hook(3000, &arn);
    account.decide(3000, &arn, &second, Some("ROLLBACK")).unwrap();
    assert_eq!(account.status(3000, &arn), "ROLLBACK_REQUESTED");
    assert_eq!(account.hook(3000, &arn)["status"], "FAILED");
    let back = account.deployment(3005, &arn);
    assert_eq!((&back["status"], source(&back)), (&json!("ROLLBACK_IN_PROGRESS"), 100.0));
    assert_eq!(account.service(3005)["runningCount"], 4);
    assert_eq!(account.status(3105, &arn), "ROLLBACK_SUCCESSFUL");
    assert_eq!(account.service(3105)["runningCount"], 2);
    assert!(account.service(3105)["taskDefinition"].as_str().unwrap().ends_with("api:1"));
}

#[test]
fn a_hook_that_nobody_answers_does_what_its_time_out_says() {
    for (action, end) in [("ROLLBACK", "ROLLBACK_SUCCESSFUL"), ("CONTINUE", "SUCCESSFUL")] {
        let hooks = json!([pause("POST_TEST_TRAFFIC_SHIFT", 7, action)]);
        let mut account = Account::new(&with(canary(), "lifecycleHooks", hooks), Vec::new());
        let arn = account.update(1000, "api:2");
        assert_eq!(account.hook(1132, &arn)["status"], "AWAITING_ACTION");
        assert_eq!(account.hook(1133, &arn)["status"], "TIMED_OUT", "{action}");
        assert_eq!(account.status(9000, &arn), end);
        if action == "ROLLBACK" {
            let reason = account.deployment(9000, &arn)["statusReason"].clone();
            let wanted = "Service deployment rolled back because POST_TEST_TRAFFIC_SHIFT pause hook timed out.";
            assert_eq!(reason, wanted);
            assert_eq!(account.hook(9000, &arn)["status"], "TIMED_OUT");
        }
    }
}

#[test]
fn the_hooks_of_one_stage_must_all_be_answered_and_functions_of_others_succeed() {
    let function = json!({"hookTargetArn": "arn:aws:lambda:us-east-1:111122223333:function:check",
        "roleArn": "arn:aws:iam::111122223333:role/hooks",
        "lifecycleStages": ["POST_SCALE_UP", "PRODUCTION_TRAFFIC_SHIFT"]});
    let both = pause("POST_SCALE_UP", 1440, "ROLLBACK");
    let hooks = json!([function, both, both]);
    let mut account = Account::new(&with(canary(), "lifecycleHooks", hooks), Vec::new());
    let arn = account.update(1000, "api:2");
    let found = account.deployment(2000, &arn)["lifecycleHookDetails"].clone();
    let kinds: Vec<_> = found.as_array().unwrap().iter().map(|hook| (&hook["targetType"], &hook["status"])).collect();
    assert_eq!(kinds[0], (&json!("AWS_LAMBDA"), &json!("SUCCEEDED")));
    assert_eq!(kinds[1], (&json!("PAUSE"), &json!("AWAITING_ACTION")));
    account.decide(2000, &arn, &found[1], None).unwrap();
    assert!(account.decide(2500, &arn, &found[1], None).is_err(), "the other hook still waits");
    assert_eq!(account.deployment(3000, &arn)["lifecycleStage"], "POST_SCALE_UP");
    account.decide(3000, &arn, &found[2], None).unwrap();
    assert_eq!(account.status(9000, &arn), "SUCCESSFUL");
}

#[test]
fn a_stop_in_any_stage_takes_traffic_back_at_once_and_the_tasks_after_it() {
    let mut account = Account::new(&canary(), Vec::new());
    let arn = account.update(1000, "api:2");
    let mut stages = account.stages(&arn, 1000, 1158);
    stages.push((1000, "PENDING".to_owned(), 0.0));
    assert_eq!(stages.len(), 13);
    for (at, stage, _) in stages {
        let mut account = Account::new(&canary(), Vec::new());
        let arn = account.update(1000, "api:2");
        account.call("StopServiceDeployment", at, &json!({"serviceDeploymentArn": arn})).unwrap();
        assert_eq!(account.status(at, &arn), "ROLLBACK_REQUESTED", "{stage}");
        let back = account.deployment(at + 5, &arn);
        assert_eq!((&back["status"], source(&back), target(&back)), (&json!("ROLLBACK_IN_PROGRESS"), 100.0, 0.0));
        assert_eq!(account.split(at + 5), [("api:1".to_owned(), 100.0)], "{stage}");
        let ended = account.deployment(at + 105, &arn);
        assert_eq!(ended["status"], "ROLLBACK_SUCCESSFUL", "{stage}");
        let service = account.service(at + 105);
        assert_eq!((&service["runningCount"], &service["pendingCount"]), (&json!(2), &json!(0)), "{stage}");
        assert!(service["taskDefinition"].as_str().unwrap().ends_with("api:1"));
        assert_eq!(account.service(90_000)["runningCount"], 2, "{stage}: nothing comes after the end");
    }
}

#[test]
fn a_rollback_that_fails_leaves_requests_split_as_they_were() {
    let rule = Rule::any(Behaviour::healthy()).rollback(RollbackOutcome::Fails);
    let mut account = Account::new(&canary(), vec![rule]);
    let arn = account.update(1000, "api:2");
    account.call("StopServiceDeployment", 1070, &json!({"serviceDeploymentArn": arn})).unwrap();
    let ended = account.deployment(9000, &arn);
    assert_eq!((&ended["status"], target(&ended)), (&json!("ROLLBACK_FAILED"), 10.0));
    let mut split = account.split(9000);
    split.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(split, [("api:1".to_owned(), 90.0), ("api:2".to_owned(), 10.0)]);
}

#[test]
fn an_alarm_that_goes_off_in_any_stage_takes_the_deployment_back() {
    for at in [1040, 1070, 1110] {
        let mut account = Account::new(&canary(), Vec::new());
        let arn = account.update(1000, "api:2");
        account.ecs.advance(at, &mut account.env);
        account.env.firing.insert("errors".to_owned(), at);
        let found = account.deployment(at + 1, &arn);
        assert_eq!((&found["status"], source(&found)), (&json!("ROLLBACK_IN_PROGRESS"), 100.0), "{at}");
        assert_eq!(found["alarms"]["status"], "TRIGGERED");
        assert_eq!(account.status(at + 200, &arn), "ROLLBACK_SUCCESSFUL");
    }
}

#[test]
fn an_alarm_that_was_firing_before_or_is_not_named_is_not_watched() {
    let mut account = Account::new(&canary(), Vec::new());
    account.env.firing.extend([("errors".to_owned(), 900), ("others".to_owned(), 1050)]);
    let arn = account.update(1000, "api:2");
    assert_eq!(account.status(9000, &arn), "SUCCESSFUL");
}

#[test]
fn an_alarm_can_be_planted_for_the_bake() {
    let behaviour = Behaviour::Alarm { after_ms: Some(95), name: "errors".to_owned() };
    let mut account = Account::new(&canary(), vec![Rule::image("v2", behaviour)]);
    let arn = account.update(1000, "api:2");
    assert_eq!(account.deployment(1105, &arn)["lifecycleStage"], "BAKE_TIME");
    assert_eq!(account.status(1106, &arn), "ROLLBACK_IN_PROGRESS");
}

#[test]
fn a_revision_that_does_not_start_never_gets_traffic() {
    let mut account = Account::new(&canary(), vec![Rule::image("v2", Behaviour::exits(1, [""; 0]))]);
    let arn = account.update(1000, "api:2");
    let stages = account.stages(&arn, 1000, 3000);
    assert_eq!(named(&stages).last().map(|(_, stage, weight)| (*stage, *weight)), Some(("SCALE_UP", 0.0)));
    let ended = account.deployment(3000, &arn);
    assert_eq!(ended["status"], "ROLLBACK_SUCCESSFUL");
    assert_eq!(ended["deploymentCircuitBreaker"]["status"], "TRIGGERED");
}

#[test]
fn an_update_in_the_middle_reconciles_first_and_takes_traffic_back_to_the_good_revision() {
    let hooks = json!([pause("PRE_PRODUCTION_TRAFFIC_SHIFT", 1440, "ROLLBACK")]);
    let mut account = Account::new(&with(canary(), "lifecycleHooks", hooks), Vec::new());
    let first = account.update(1000, "api:2");
    let hook = account.hook(1070, &first);
    account.decide(1070, &first, &hook, None).unwrap();
    let hook = account.hook(1200, &first);
    assert_eq!(hook["status"], "AWAITING_ACTION");
    let second = account.update(1200, "api:3");
    assert_eq!(account.status(1200, &first), "STOP_REQUESTED");
    let late = account.decide(1200, &first, &hook, None).unwrap_err();
    assert!(late.1.contains("completed, unavailable"), "{late:?}");
    let found = account.deployment(1210, &second);
    assert_eq!(found["lifecycleStage"], "RECONCILE_SERVICE");
    assert_eq!(found["sourceServiceRevisions"].as_array().unwrap().len(), 2);
    assert_eq!(account.split(1211), [("api:1".to_owned(), 100.0)]);
    assert_eq!(account.status(1300, &first), "STOPPED");
    let hook = account.hook(1300, &second);
    account.decide(1300, &second, &hook, None).unwrap();
    let mut split = account.split(1310);
    split.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(split, [("api:1".to_owned(), 90.0), ("api:3".to_owned(), 10.0)]);
    account.call("StopServiceDeployment", 1310, &json!({"serviceDeploymentArn": second})).unwrap();
    assert_eq!(account.status(2000, &second), "ROLLBACK_SUCCESSFUL");
    assert_eq!(account.service(2000)["runningCount"], 2);
}

#[test]
fn each_deployment_goes_to_the_target_group_the_last_one_left() {
    let mut account = Account::new(&canary(), Vec::new());
    let mut groups = Vec::new();
    for (at, definition) in [(1000, "api:2"), (3000, "api:3"), (5000, "api:1")] {
        let arn = account.update(at, definition);
        let revision = account.deployment(at, &arn)["targetServiceRevision"]["arn"].clone();
        let asked = json!({"serviceRevisionArns": [revision]});
        let found = account.call("DescribeServiceRevisions", at, &asked).unwrap();
        let balancer = &found["serviceRevisions"][0]["resolvedConfiguration"]["loadBalancers"][0];
        groups.push(balancer["targetGroupArn"].as_str().unwrap().rsplit('/').nth(1).unwrap().to_owned());
    }
    assert_eq!(groups, ["api-green", "api-blue", "api-green"]);
}

#[test]
fn a_rolling_update_pauses_before_and_after_its_scale_up() {
    let hooks = json!([pause("POST_SCALE_UP", 1440, "ROLLBACK"), pause("POST_TEST_TRAFFIC_SHIFT", 1440, "ROLLBACK")]);
    let mut account = Account::new(&json!({"lifecycleHooks": hooks}), Vec::new());
    let arn = account.update(1000, "api:2");
    let found = account.deployment(5000, &arn);
    assert_eq!(found["lifecycleStage"], "POST_SCALE_UP");
    assert!(found["targetServiceRevision"].get("requestedProductionTrafficWeight").is_none());
    let hook = account.hook(5000, &arn);
    account.decide(5000, &arn, &hook, None).unwrap();
    assert_eq!(account.status(5100, &arn), "SUCCESSFUL");
}

#[test]
fn looking_often_and_looking_once_see_the_same_end() {
    let hooks = json!([pause("PRE_PRODUCTION_TRAFFIC_SHIFT", 9, "CONTINUE")]);
    let mut often = Account::new(&with(canary(), "lifecycleHooks", hooks.clone()), Vec::new());
    let mut once = Account::new(&with(canary(), "lifecycleHooks", hooks), Vec::new());
    let (first, second) = (often.update(1000, "api:2"), once.update(1000, "api:2"));
    for at in 1000..2000 {
        often.deployment(at, &first);
    }
    assert_eq!(often.deployment(2000, &first), once.deployment(2000, &second));
    assert_eq!(often.status(2000, &first), "SUCCESSFUL");
}

#[test]
fn instant_bakes_are_over_at_the_next_call_but_a_hook_still_waits() {
    let hooks = json!([pause("PRE_PRODUCTION_TRAFFIC_SHIFT", 10, "ROLLBACK")]);
    let mut account = Account::new(&with(canary(), "lifecycleHooks", hooks), Vec::new());
    account.env.timing = Timing { hook_minute_ms: Some(1000), ..Timing::instant() };
    let arn = account.update(1000, "api:2");
    for weight in [0.0, 10.0] {
        let found = account.deployment(1001, &arn);
        assert_eq!((&found["lifecycleStage"], target(&found)), (&json!("PRE_PRODUCTION_TRAFFIC_SHIFT"), weight));
        let hook = account.hook(1001, &arn);
        assert_eq!(hook["expiresAt"], json!(11.0 + if weight > 0.0 { 0.001 } else { 0.0 }));
        account.decide(1001, &arn, &hook, None).unwrap();
    }
    assert_eq!(account.status(1001, &arn), "SUCCESSFUL");
}

#[test]
fn what_the_provider_does_not_take_is_refused_with_its_words() {
    let balancers = ServiceSeed::new("default", "api", "api:1").shifting("api", "app", 8080).0["loadBalancers"].clone();
    let plain = json!([{"targetGroupArn": "arn:tg/plain", "containerName": "app", "containerPort": 8080}]);
    let broken = |member: &str, value: Value| {
        let mut all = balancers.clone();
        all[0]["advancedConfiguration"][member] = value;
        all
    };
    let hook = |hook: Value| with(canary(), "lifecycleHooks", json!([hook]));
    let linear = |linear: Value| json!({"strategy": "LINEAR", "linearConfiguration": linear});
    let percent = |canary: Value| json!({"strategy": "CANARY", "canaryConfiguration": canary});
    let listener = json!("arn:aws:elasticloadbalancing:us-east-1:111122223333:listener/app/api/1/2");
    for (configuration, balancers, words) in [
        (json!({"strategy": "SHADOW"}), &balancers, "Invalid deployment strategy"),
        (canary(), &plain, "advancedConfiguration field is required for all loadBalancers"),
        (canary(), &json!([]), "load balancer or Service Connect"),
        (json!({"strategy": "BLUE_GREEN"}), &balancers, "bakeTimeInMinutes is required"),
        (json!({"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1441}), &balancers, "between 0 and 1440"),
        (percent(json!({"canaryPercent": 0.05})), &balancers, "canaryPercent must be a multiple of 0.1"),
        (percent(json!({"canaryPercent": 10.25})), &balancers, "canaryPercent must be a multiple of 0.1"),
        (percent(json!({"canaryBakeTimeInMinutes": 1441})), &balancers, "canaryBakeTimeInMinutes"),
        (linear(json!({"stepPercent": 2.9})), &balancers, "between 3.0 and 100.0"),
        (linear(json!({"stepPercent": 101})), &balancers, "between 3.0 and 100.0"),
        (linear(json!({"stepBakeTimeInMinutes": -1})), &balancers, "stepBakeTimeInMinutes"),
        (
            json!({"strategy": "CANARY", "linearConfiguration": {}}),
            &balancers,
            "Linear configuration can only be present with LINEAR deployment strategy",
        ),
        (
            json!({"canaryConfiguration": {"canaryPercent": 5}}),
            &balancers,
            "Canary configuration can only be present with CANARY deployment strategy",
        ),
        (canary(), &broken("roleArn", Value::Null), "roleArn is required"),
        (canary(), &broken("alternateTargetGroupArn", balancers[0]["targetGroupArn"].clone()), "Duplicate targetGroup"),
        (canary(), &broken("productionListenerRule", listener), "has an invalid ARN format"),
        (
            canary(),
            &broken("testListenerRule", balancers[0]["advancedConfiguration"]["productionListenerRule"].clone()),
            "cannot be used as both production and test listener rules",
        ),
        (
            hook(pause("PRODUCTION_TRAFFIC_SHIFT", 5, "ROLLBACK")),
            &balancers,
            "Invalid lifecycle stage provided for Pause",
        ),
        (hook(pause("TEST_TRAFFIC_SHIFT", 5, "ROLLBACK")), &balancers, "Invalid lifecycle stage provided for Pause"),
        (hook(pause("BAKE_TIME", 5, "ROLLBACK")), &balancers, "Invalid lifecycle stage provided for Pause"),
        (hook(pause("PRE_SCALE_UP", 0, "ROLLBACK")), &balancers, "timeoutInMinutes must be between 1 and 20160"),
        (hook(pause("PRE_SCALE_UP", 20_161, "ROLLBACK")), &balancers, "timeoutInMinutes must be between 1 and 20160"),
        (hook(pause("PRE_SCALE_UP", 5, "ABORT")), &balancers, "timeout action"),
        (hook(json!({"targetType": "PAUSE"})), &balancers, "Lifecycle stage cannot be null or empty"),
        (hook(json!({"lifecycleStages": ["PRE_SCALE_UP"]})), &balancers, "Role arn or Hook Target arn is missing"),
        (hook(json!({"targetType": "SQS", "lifecycleStages": ["PRE_SCALE_UP"]})), &balancers, "Invalid targetType"),
        (
            with(canary(), "lifecycleHooks", json!(vec![pause("PRE_SCALE_UP", 5, "ROLLBACK"); 11])),
            &balancers,
            "at most 10 pause hooks",
        ),
    ] {
        let mut account = Account::empty();
        let request = json!({"serviceName": "api", "taskDefinition": "api:1",
            "deploymentConfiguration": configuration, "loadBalancers": balancers});
        let (code, message) = account.call("CreateService", 0, &request).unwrap_err();
        assert!(message.contains(words), "{message} has not {words}");
        assert!(["InvalidParameterException", "ClientException"].contains(&code.as_str()), "{code}");
        assert!(account.ecs.services.is_empty());
    }
}

#[test]
fn blue_green_alone_does_without_a_load_balancer_and_shows_no_traffic() {
    let service = json!({"serviceName": "api", "taskDefinition": "api:1", "desiredCount": 1,
        "deploymentConfiguration": {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 1}});
    let mut account = Account::of(&service, Vec::new());
    let arn = account.update(1000, "api:2");
    let found = account.deployment(1070, &arn);
    assert_eq!(found["lifecycleStage"], "BAKE_TIME");
    assert!(found["targetServiceRevision"].get("requestedProductionTrafficWeight").is_none());
}

#[test]
fn an_update_merges_the_configuration_and_replaces_what_is_inside_it() {
    let hooks = json!([pause("PRE_SCALE_UP", 5, "ROLLBACK")]);
    let mut account = Account::new(&with(canary(), "lifecycleHooks", hooks), Vec::new());
    let change = |configuration: Value| json!({"service": "api", "deploymentConfiguration": configuration});
    let now = |account: &mut Account, configuration: Value| {
        let answer = account.call("UpdateService", 1000, &change(configuration)).unwrap();
        answer["service"]["deploymentConfiguration"].clone()
    };
    let found = now(&mut account, json!({"canaryConfiguration": {"canaryPercent": 30}}));
    assert_eq!(found["canaryConfiguration"], json!({"canaryPercent": 30, "canaryBakeTimeInMinutes": 10}));
    assert_eq!(found["bakeTimeInMinutes"], 2);
    assert_eq!(found["lifecycleHooks"].as_array().unwrap().len(), 1);
    let found = now(&mut account, json!({"lifecycleHooks": []}));
    assert_eq!(found["lifecycleHooks"], json!([]));
    let found = now(&mut account, json!({"strategy": "ROLLING"}));
    assert!(found.get("canaryConfiguration").is_none());
    assert_eq!(account.service(1000)["deployments"].as_array().unwrap().len(), 1, "no deployment comes of it");
}

#[test]
fn traffic_that_ecs_may_not_shift_is_a_rollback_with_the_cause_and_no_user_on_the_new_revision() {
    let message = "ECS was unable to manage the ELB resources due to missing permissions on ECS Infrastructure Role";
    let mut account = Account::new(&canary(), vec![Rule::image("v2", Behaviour::unshiftable(message))]);
    let arn = account.update(1000, "api:2");
    let stages = account.stages(&arn, 1000, 2000);
    assert!(stages.iter().all(|(_, _, weight)| *weight <= 0.0), "{stages:?}");
    let ended = account.deployment(2000, &arn);
    assert_eq!(ended["status"], "ROLLBACK_SUCCESSFUL");
    assert!(ended["statusReason"].as_str().unwrap().ends_with(message), "{ended}");
    let mut rolling = Account::new(&json!({}), vec![Rule::image("v2", Behaviour::unshiftable(message))]);
    let arn = rolling.update(1000, "api:2");
    assert_eq!(rolling.status(2000, &arn), "SUCCESSFUL");
}

#[test]
fn a_pause_while_a_service_is_reconciled_holds_the_old_split_until_it_is_answered() {
    let hooks = json!([pause("RECONCILE_SERVICE", 1440, "ROLLBACK")]);
    let mut account = Account::new(&with(canary(), "lifecycleHooks", hooks), Vec::new());
    account.update(1000, "api:2");
    assert_eq!(account.split(1080).len(), 2, "one revision before: there is nothing to reconcile");
    let second = account.update(1080, "api:3");
    let hook = account.hook(2000, &second);
    assert_eq!(hook["status"], "AWAITING_ACTION");
    assert_eq!(account.split(2000).len(), 2);
    account.decide(2000, &second, &hook, None).unwrap();
    assert_eq!(account.split(2001), [("api:1".to_owned(), 100.0)]);
    assert_eq!(account.status(9000, &second), "SUCCESSFUL");
    assert_eq!(account.service(9000)["runningCount"], 2);
}
