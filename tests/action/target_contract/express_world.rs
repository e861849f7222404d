//! ECS Express Mode, arranged for the contract: a service in the default cluster that goes back by itself.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use shipline::config::spec::{ExpressSpec, Strategy};
use shipline::engine::{Target, Wish};
use shipline::targets::ecs::express::ExpressTarget;
use shipline_test_support::{AwsWorld, Behaviour, ExpressServiceSeed, Rule};

use super::{Arrange, Ends, Which, letter};
use crate::app_runner::{image, service_name, session, wish};

pub(crate) struct Express {
    aws: AwsWorld,
    arn: String,
}

impl Express {
    pub(crate) async fn new() -> Self {
        let aws = AwsWorld::start().await;
        let seed = ExpressServiceSeed::new("web", &image(letter(Which::Old)).by_digest());
        let arn = aws.express_service(seed.with("scalingTarget", json!({"minTaskCount": 2})));
        Self { aws, arn }
    }

    fn described(&self) -> Value {
        self.aws.ecs("DescribeExpressGatewayService", &json!({"serviceArn": self.arn})).unwrap()["service"].clone()
    }
}

#[async_trait]
impl Arrange for Express {
    async fn target(&self, strategy: Strategy) -> Arc<dyn Target> {
        let spec = ExpressSpec { cluster: "default".to_owned(), service: "web".to_owned(), ..ExpressSpec::default() };
        Arc::new(ExpressTarget::new(&session(&self.aws).await, &service_name(), &spec, strategy))
    }

    fn wish(&self, which: Which) -> Wish {
        wish(letter(which))
    }

    fn ends(&self, how: Ends) {
        let behaviour = match how {
            Ends::Badly => Behaviour::exits(1, ["KeyError: 'X'"]),
            Ends::Never => Behaviour::Stuck {},
        };
        self.aws.rule(Rule::image(image(letter(Which::New)).digest().to_string(), behaviour));
    }

    fn changes(&self) -> usize {
        self.aws.count("ecs", "UpdateExpressGatewayService") + self.aws.count("ecs", "UpdateService")
    }

    fn mutations(&self) -> usize {
        self.changes()
            + self.aws.count("ecs", "StopServiceDeployment")
            + self.aws.count("ecs", "RegisterTaskDefinition")
    }

    fn taken_over(&self) {
        let mut container = self.described()["activeConfigurations"][0]["primaryContainer"].clone();
        container["image"] = json!(image(letter(Which::Theirs)).by_digest());
        let update = json!({"serviceArn": self.arn, "primaryContainer": container});
        self.aws.ecs("UpdateExpressGatewayService", &update).unwrap();
    }

    fn live(&self) -> String {
        self.described()["activeConfigurations"][0]["primaryContainer"]["image"].as_str().unwrap().to_owned()
    }
}
