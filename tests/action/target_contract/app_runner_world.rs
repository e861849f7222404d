//! App Runner, arranged for the contract.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use shipline::config::spec::Strategy;
use shipline::engine::{Target, Wish};
use shipline_test_support::{AppRunnerBehaviour, AwsWorld};

use super::{Arrange, Ends, Which, letter};
use crate::app_runner::{full_service, image, rule, spec, target_with, wish};

pub(crate) struct AppRunner {
    aws: AwsWorld,
    arn: String,
}

impl AppRunner {
    pub(crate) async fn new() -> Self {
        let aws = AwsWorld::start().await;
        let arn = aws.app_runner_service(full_service(&image(letter(Which::Old)).by_digest()));
        Self { aws, arn }
    }

    fn service(&self) -> Value {
        self.aws.app_runner("DescribeService", &json!({"ServiceArn": self.arn})).unwrap()["Service"].clone()
    }
}

#[async_trait]
impl Arrange for AppRunner {
    async fn target(&self, strategy: Strategy) -> Arc<dyn Target> {
        Arc::new(target_with(&self.aws, &spec(), strategy).await)
    }

    fn wish(&self, which: Which) -> Wish {
        wish(letter(which))
    }

    fn ends(&self, how: Ends) {
        let behaviour = match how {
            Ends::Badly => AppRunnerBehaviour::RollsBack { lines: vec!["KeyError: 'X'".to_owned()], reason: None },
            Ends::Never => AppRunnerBehaviour::Stuck {},
        };
        self.aws.app_runner_rule(rule(&image(letter(Which::New)), behaviour));
    }

    fn changes(&self) -> usize {
        self.aws.count("apprunner", "UpdateService") + self.aws.count("apprunner", "StartDeployment")
    }

    fn mutations(&self) -> usize {
        self.changes() + self.aws.count("apprunner", "TagResource")
    }

    fn taken_over(&self) {
        let mut source = self.service()["SourceConfiguration"].clone();
        source["ImageRepository"]["ImageIdentifier"] = json!(image(letter(Which::Theirs)).by_digest());
        let theirs = json!({"ServiceArn": self.arn, "SourceConfiguration": source});
        self.aws.app_runner("UpdateService", &theirs).unwrap();
    }

    fn live(&self) -> String {
        self.service()["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"].as_str().unwrap().to_owned()
    }
}
