//! ECS, arranged for the contract: a rolling service whose circuit breaker goes back by itself.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use shipline::config::spec::{EcsSpec, Strategy};
use shipline::engine::{Target, Wish};
use shipline::targets::ecs::EcsTarget;
use shipline_test_support::{AwsWorld, Behaviour, Rule, ServiceSeed};

use super::{Arrange, Ends, Which, letter};
use crate::app_runner::{image, service_name, session, wish};

pub(crate) struct Ecs(AwsWorld);

impl Ecs {
    pub(crate) async fn new() -> Self {
        let aws = AwsWorld::start().await;
        aws.cluster("shop");
        let arn = aws.task_definition(definition(Which::Old));
        aws.service(ServiceSeed::new("shop", "web", &arn).desired(2).circuit_breaker("rollback"));
        Self(aws)
    }
}

fn definition(which: Which) -> Value {
    json!({
        "family": "web", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256", "memory": "512",
        "executionRoleArn": "arn:aws:iam::111122223333:role/execution",
        "containerDefinitions": [{
            "name": "app", "image": image(letter(which)).by_digest(), "essential": true,
            "logConfiguration": {"logDriver": "awslogs", "options": {
                "awslogs-group": "/shop/web", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "web",
            }},
        }],
    })
}

#[async_trait]
impl Arrange for Ecs {
    async fn target(&self, strategy: Strategy) -> Arc<dyn Target> {
        let spec = EcsSpec { cluster: "shop".to_owned(), service: "web".to_owned(), ..EcsSpec::default() };
        Arc::new(EcsTarget::new(&session(&self.0).await, &service_name(), &spec, strategy.into(), Path::new(".")))
    }

    fn wish(&self, which: Which) -> Wish {
        wish(letter(which))
    }

    fn ends(&self, how: Ends) {
        let behaviour = match how {
            Ends::Badly => Behaviour::exits(1, ["KeyError: 'X'"]),
            Ends::Never => Behaviour::Stuck {},
        };
        self.0.rule(Rule::image(image(letter(Which::New)).digest().to_string(), behaviour));
    }

    fn changes(&self) -> usize {
        self.0.count("ecs", "UpdateService")
    }

    fn mutations(&self) -> usize {
        ["UpdateService", "RegisterTaskDefinition", "StopServiceDeployment", "TagResource"]
            .map(|operation| self.0.count("ecs", operation))
            .into_iter()
            .sum()
    }

    fn taken_over(&self) {
        let registered = self.0.ecs("RegisterTaskDefinition", &definition(Which::Theirs)).unwrap();
        let arn = registered["taskDefinition"]["taskDefinitionArn"].clone();
        let update = json!({"cluster": "shop", "service": "web", "taskDefinition": arn});
        self.0.ecs("UpdateService", &update).unwrap();
    }

    fn live(&self) -> String {
        let found = self.0.ecs("DescribeServices", &json!({"cluster": "shop", "services": ["web"]})).unwrap();
        let asked = json!({"taskDefinition": found["services"][0]["taskDefinition"]});
        let definition = self.0.ecs("DescribeTaskDefinition", &asked).unwrap();
        definition["taskDefinition"]["containerDefinitions"][0]["image"].as_str().unwrap().to_owned()
    }
}
