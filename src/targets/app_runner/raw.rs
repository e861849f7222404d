//! The two App Runner calls whose bodies must not lose a member: read as the provider sent it,
//! written as it was read.
//!
//! The SDK's types know the members of the day they were generated; what they do not know would
//! vanish between a read and a write. So `DescribeService` keeps the response body, and
//! `UpdateService` sends a body of our own, put in before the request is signed.

use std::sync::{Arc, Mutex};

use aws_sdk_apprunner::Client;
use aws_sdk_apprunner::config::retry::RetryConfig;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use serde_json::Value;

use super::service::Service;
use crate::aws::failure;
use crate::engine::ProviderFailure;
use crate::engine::target::FailureKind;

/// Keeps the body of the last response.
#[derive(Debug, Clone, Default)]
struct KeepBody(Arc<Mutex<Vec<u8>>>);

#[dyn_dispatch_hint]
impl Intercept for KeepBody {
    fn name(&self) -> &'static str {
        "KeepBody"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _runtime_components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(body), Ok(mut kept)) = (context.response().body().bytes(), self.0.lock()) {
            *kept = body.to_vec();
        }
        Ok(())
    }
}

impl KeepBody {
    fn json(&self) -> Option<Value> {
        self.0.lock().ok().and_then(|body| serde_json::from_slice(&body).ok())
    }
}

/// The service, every member of it.
pub(super) async fn describe(client: &Client, arn: &str) -> Result<Service, ProviderFailure> {
    const OPERATION: &str = "apprunner:DescribeService";
    let body = KeepBody::default();
    let sent = client.describe_service().service_arn(arn).customize().interceptor(body.clone()).send().await;
    sent.map_err(|error| failure(OPERATION, &error))?;
    body.json().and_then(|answer| Service::of(answer.get("Service")?.clone())).ok_or_else(|| ProviderFailure {
        operation: OPERATION.to_owned(),
        code: None,
        message: "the answer has no service in it".to_owned(),
        request_id: None,
        kind: FailureKind::Unavailable,
    })
}

/// One try: the SDK's own second try, after a lost answer, would start a second operation. Whoever
/// asks looks first and then asks again.
pub(super) fn once() -> aws_sdk_apprunner::config::Builder {
    aws_sdk_apprunner::config::Builder::new().retry_config(RetryConfig::disabled())
}

/// Sends `input` (a whole `UpdateService` request) and answers the id of the operation it started.
pub(super) async fn update(client: &Client, arn: &str, input: &Value) -> Result<String, ProviderFailure> {
    let body = input.to_string();
    let put_in = move |request: &mut HttpRequest| {
        request.headers_mut().insert("content-length", body.len().to_string());
        *request.body_mut() = SdkBody::from(body.as_str());
    };
    let sent = client
        .update_service()
        .service_arn(arn)
        .customize()
        .config_override(once())
        .mutate_request(put_in)
        .send()
        .await;
    sent.map(|answer| answer.operation_id).map_err(|error| failure("apprunner:UpdateService", &error))
}
