//! ECS, arranged for the contract: a service whose circuit breaker goes back by itself, replaced step
//! by step, or given traffic in steps.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use shipline::config::spec::{EcsSpec, Strategy};
use shipline::engine::{Target, Wish};
use shipline::targets::ecs::EcsTarget;
use shipline_test_support::{AwsWorld, Behaviour, Rule, ServiceSeed};

use super::{Arrange, Ends, Which, canary, letter};
use crate::app_runner::{image, service_name, session, wish};

pub(crate) struct Ecs(AwsWorld, Usual);

/// What the suite's usual strategy is here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Usual {
    Rolling,
    Canary,
}

impl Ecs {
    pub(crate) async fn new() -> Self {
        let aws = AwsWorld::start().await;
        aws.cluster("shop");
        let arn = aws.task_definition(definition(Which::Old));
        aws.service(ServiceSeed::new("shop", "web", &arn).desired(2).circuit_breaker("rollback"));
        Self(aws, Usual::Rolling)
    }

    /// Every change is a canary of ECS's own.
    pub(crate) async fn in_steps() -> Self {
        let aws = AwsWorld::start().await;
        aws.cluster("shop");
        let arn = aws.task_definition(definition(Which::Old));
        let service = ServiceSeed::new("shop", "web", &arn).desired(2).circuit_breaker("rollback");
        aws.service(service.shifting("web", "app", 8080));
        Self(aws, Usual::Canary)
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
        let strategy = match (strategy, self.1) {
            (Strategy::Rolling, Usual::Canary) => canary(),
            (strategy, _) => strategy,
        };
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
        ["UpdateService", "RegisterTaskDefinition", "StopServiceDeployment", "ContinueServiceDeployment", "TagResource"]
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
