//! The operation state machine, driven by time alone.

use serde_json::{Value, json};

use super::AppRunner;
use crate::behaviour::{AppRunnerBehaviour, AppRunnerRule};
use crate::env::Env;
use crate::timing::Timing;

struct Account {
    apprunner: AppRunner,
    env: Env,
    arn: String,
}

impl Account {
    fn new(behaviour: AppRunnerBehaviour) -> Self {
        let mut env = Env::new();
        env.timing = Timing { pending_ms: 10, operation_ms: 100, rollback_ms: 50, ..Timing::default() };
        env.apprunner_rules.push(AppRunnerRule {
            service: None,
            image: None,
            behaviour,
            after_ms: None,
            rollback_ms: None,
            times: None,
        });
        let mut apprunner = AppRunner::default();
        let request = json!({"ServiceName": "shop-web", "SourceConfiguration": source("web:v1")});
        let index = apprunner.add(&request, 0, &mut env).unwrap();
        let arn = apprunner.services[index].arn.clone();
        Self { apprunner, env, arn }
    }

    fn call(&mut self, op: &str, at: u64, mut body: Value) -> Result<Value, String> {
        self.apprunner.advance(at, &mut self.env);
        body["ServiceArn"] = json!(self.arn);
        self.apprunner.answer(op, &body, at, &mut self.env).map_err(|error| error.code)
    }

    fn update(&mut self, at: u64) {
        self.call("UpdateService", at, json!({"SourceConfiguration": source("web:v2")})).unwrap();
    }

    /// The newest operation's status, the service's status, its image.
    fn at(&mut self, at: u64) -> [String; 3] {
        let operations = self.call("ListOperations", at, json!({})).unwrap();
        let service = self.call("DescribeService", at, json!({})).unwrap();
        let service = &service["Service"];
        [
            &operations["OperationSummaryList"][0]["Status"],
            &service["Status"],
            &service["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"],
        ]
        .map(|value| value.as_str().unwrap().to_owned())
    }
}

fn source(image: &str) -> Value {
    json!({"ImageRepository": {"ImageIdentifier": image, "ImageRepositoryType": "ECR_PUBLIC"}})
}

#[test]
fn an_update_is_pending_then_in_progress_then_succeeded() {
    let mut account = Account::new(AppRunnerBehaviour::Succeeds {});
    account.update(1000);
    assert_eq!(account.at(1009), ["PENDING", "OPERATION_IN_PROGRESS", "web:v1"]);
    assert_eq!(account.at(1010), ["IN_PROGRESS", "OPERATION_IN_PROGRESS", "web:v1"]);
    assert_eq!(account.at(1110), ["SUCCEEDED", "RUNNING", "web:v2"]);
}

#[test]
fn a_rolled_back_update_reads_running_with_the_old_image() {
    let mut account = Account::new(AppRunnerBehaviour::RollsBack { lines: vec!["boom".to_owned()], reason: None });
    account.update(1000);
    assert_eq!(account.at(1110), ["ROLLBACK_IN_PROGRESS", "OPERATION_IN_PROGRESS", "web:v1"]);
    assert_eq!(account.at(1160), ["ROLLBACK_SUCCEEDED", "RUNNING", "web:v1"]);
}

#[test]
fn a_failed_update_reads_running_with_the_old_image() {
    let mut account = Account::new(AppRunnerBehaviour::Fails { lines: Vec::new(), reason: None });
    account.update(1000);
    assert_eq!(account.at(5000), ["FAILED", "RUNNING", "web:v1"]);
}

#[test]
fn what_became_due_long_ago_is_stamped_with_the_instant_it_became_due() {
    let mut account = Account::new(AppRunnerBehaviour::Succeeds {});
    account.update(1000);
    account.at(60_000);
    assert_eq!(account.apprunner.services[0].operations[0].ended, Some(1110));
}

#[test]
fn an_update_while_an_operation_runs_is_refused() {
    let mut account = Account::new(AppRunnerBehaviour::Stuck {});
    account.update(1000);
    let again = account.call("UpdateService", 9000, json!({"SourceConfiguration": source("web:v3")}));
    assert_eq!(again, Err("InvalidStateException".to_owned()));
}
