//! The App Runner calls whose bodies must not lose a member: read as the provider sent it,
//! written as it was read.
//!
//! The SDK's types know the members of the day they were generated; what they do not know would
//! vanish between a read and a write. So `DescribeService` keeps the response body, and
//! `UpdateService` and `CreateService` send a body of our own, put in before the request is signed.

use aws_sdk_apprunner::Client;
use aws_sdk_apprunner::config::retry::RetryConfig;
use serde_json::Value;

use super::service::Service;
use crate::aws::failure;
use crate::aws::raw::{KeptBody, unreadable, with_body};
use crate::engine::ProviderFailure;

/// The service, every member of it.
pub(super) async fn describe(client: &Client, arn: &str) -> Result<Service, ProviderFailure> {
    const OPERATION: &str = "apprunner:DescribeService";
    let body = KeptBody::default();
    let sent = client.describe_service().service_arn(arn).customize().interceptor(body.clone()).send().await;
    sent.map_err(|error| failure(OPERATION, &error))?;
    let service = body.answer(OPERATION)?.get("Service").cloned().and_then(Service::of);
    service.ok_or_else(|| unreadable(OPERATION, "the answer has no service in it"))
}

/// One try: the SDK's own second try, after a lost answer, would start a second operation. Whoever
/// asks looks first and then asks again.
pub(super) fn once() -> aws_sdk_apprunner::config::Builder {
    aws_sdk_apprunner::config::Builder::new().retry_config(RetryConfig::disabled())
}

/// Sends `input` (a whole `UpdateService` request) and answers the id of the operation it started.
pub(super) async fn update(client: &Client, arn: &str, input: &Value) -> Result<String, ProviderFailure> {
    let sent = client
        .update_service()
        .service_arn(arn)
        .customize()
        .config_override(once())
        .mutate_request(with_body(input.to_string()))
        .send()
        .await;
    sent.map(|answer| answer.operation_id).map_err(|error| failure("apprunner:UpdateService", &error))
}

/// Deploys what the configuration names anew; answers the id of the operation it started.
pub(super) async fn deploy(client: &Client, arn: &str) -> Result<String, ProviderFailure> {
    let sent = client.start_deployment().service_arn(arn).customize().config_override(once()).send().await;
    sent.map(|answer| answer.operation_id).map_err(|error| failure("apprunner:StartDeployment", &error))
}

/// Sends `input` (a whole `CreateService` request) and answers the new service's ARN and the id of
/// the operation that makes it.
pub(super) async fn create(client: &Client, name: &str, input: &Value) -> Result<(String, String), ProviderFailure> {
    let sent = client
        .create_service()
        .service_name(name)
        .customize()
        .config_override(once())
        .mutate_request(with_body(input.to_string()))
        .send()
        .await;
    let answer = sent.map_err(|error| failure("apprunner:CreateService", &error))?;
    Ok((answer.service.map(|made| made.service_arn).unwrap_or_default(), answer.operation_id))
}
