//! Express services as the raw JSON that ECS sends and takes: members this program does not know
//! are kept and sent back.

use aws_sdk_ecs::Client;
use serde_json::{Map, Value};

use super::settings;
use crate::aws::failure;
use crate::aws::raw::{KeptBody, unreadable, with_body};
use crate::engine::ProviderFailure;
use crate::targets::ecs::live::Live;

/// One active configuration: what one service revision runs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Configuration {
    /// ARN of the service revision.
    pub(super) revision: String,
    /// ARN of the task definition that ECS made of it.
    pub(super) definition: String,
    /// What can be sent back to have it again.
    pub(super) settings: Map<String, Value>,
    /// The address that serves.
    pub(super) endpoint: Option<String>,
    /// Seconds since 1970, on ECS's clock.
    pub(super) created: f64,
}

/// An Express service.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Known {
    /// Newest first; more than one while a deployment is under way.
    pub(super) configurations: Vec<Configuration>,
}

impl Known {
    /// The configuration of the primary deployment, or the newest.
    pub(super) fn current(&self, live: &Live) -> Option<&Configuration> {
        let primary = live.primary().map_or(live.definition.as_str(), |primary| primary.definition.as_str());
        let of_primary = self.configurations.iter().find(|known| known.definition == primary);
        of_primary.or_else(|| self.configurations.first())
    }

    /// The configuration of that service revision, while ECS lists it.
    pub(super) fn of_revision(&self, revision: &str) -> Option<&Configuration> {
        self.configurations.iter().find(|known| known.revision == revision)
    }
}

/// Reads the Express service with that ARN.
pub(super) async fn describe(client: &Client, arn: &str) -> Result<Known, ProviderFailure> {
    let operation = "ecs:DescribeExpressGatewayService";
    let body = KeptBody::default();
    let asked = client.describe_express_gateway_service().service_arn(arn);
    asked.customize().interceptor(body.clone()).send().await.map_err(|error| failure(operation, &error))?;
    let answer = body.answer(operation)?;
    let Some(listed) = answer["service"]["activeConfigurations"].as_array() else {
        return Err(unreadable(operation, "the answer has no active configurations"));
    };
    let mut configurations: Vec<Configuration> = listed.iter().filter_map(configuration).collect();
    configurations.sort_by(|one, other| other.created.total_cmp(&one.created));
    Ok(Known { configurations })
}

/// Changes those members; the answer is the configuration that it moves to. Sent once.
pub(super) async fn update(
    client: &Client,
    arn: &str,
    members: &Map<String, Value>,
) -> Result<Configuration, ProviderFailure> {
    let operation = "ecs:UpdateExpressGatewayService";
    let mut request = members.clone();
    request.insert("serviceArn".to_owned(), Value::String(arn.to_owned()));
    let body = KeptBody::default();
    let sent = client
        .update_express_gateway_service()
        .service_arn(arn)
        .customize()
        .mutate_request(with_body(Value::Object(request).to_string()))
        .interceptor(body.clone());
    sent.send().await.map_err(|error| failure(operation, &error))?;
    let answer = body.answer(operation)?;
    configuration(&answer["service"]["targetConfiguration"])
        .ok_or_else(|| unreadable(operation, "the answer has no target configuration"))
}

/// Makes the service; the answer is the configuration that it begins with. Sent once.
pub(super) async fn create(client: &Client, request: &Map<String, Value>) -> Result<Configuration, ProviderFailure> {
    let operation = "ecs:CreateExpressGatewayService";
    let body = KeptBody::default();
    let sent = client
        .create_express_gateway_service()
        .infrastructure_role_arn("in the body")
        .customize()
        .mutate_request(with_body(Value::Object(request.clone()).to_string()))
        .interceptor(body.clone());
    sent.send().await.map_err(|error| failure(operation, &error))?;
    let answer = body.answer(operation)?;
    configuration(&answer["service"]["activeConfigurations"][0])
        .ok_or_else(|| unreadable(operation, "the answer has no active configuration"))
}

fn configuration(document: &Value) -> Option<Configuration> {
    let text = |member: &str| document.get(member).and_then(Value::as_str).map(str::to_owned);
    let endpoint = document["ingressPaths"][0]["endpoint"].as_str().map(str::to_owned);
    Some(Configuration {
        revision: text("serviceRevisionArn")?,
        definition: text("taskDefinitionArn").unwrap_or_default(),
        settings: settings::settable(document.as_object()?),
        endpoint,
        created: document.get("createdAt").and_then(Value::as_f64).unwrap_or_default(),
    })
}
