//! Bodies as the provider wrote them and as we write them, beside the SDK's types.
//!
//! The SDK knows the members of the day it was generated; what it does not know would vanish
//! between a read and a write. So a response body is kept while the SDK reads it, and a request
//! body is put in the place of the SDK's before it is signed.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use serde_json::Value;

use crate::engine::ProviderFailure;
use crate::engine::target::FailureKind;

/// An interceptor that keeps the body of the last response. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct KeptBody(Arc<Mutex<Vec<u8>>>);

#[dyn_dispatch_hint]
impl Intercept for KeptBody {
    fn name(&self) -> &'static str {
        "KeptBody"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let (Some(bytes), Ok(mut kept)) = (context.response().body().bytes(), self.0.lock()) {
            kept.clear();
            kept.extend_from_slice(bytes);
        }
        Ok(())
    }
}

impl KeptBody {
    /// The answer as JSON; `operation` is for the failure when it is none.
    pub fn answer(&self, operation: &str) -> Result<Value, ProviderFailure> {
        let kept = self.0.lock().map(|kept| kept.clone()).unwrap_or_default();
        serde_json::from_slice(&kept)
            .map_err(|error| unreadable(operation, &format!("the answer is not JSON: {error}")))
    }
}

/// An answer that lacks what its documentation promises. The request may have arrived.
pub fn unreadable(operation: &str, message: &str) -> ProviderFailure {
    ProviderFailure {
        operation: operation.to_owned(),
        code: None,
        message: message.to_owned(),
        request_id: None,
        kind: FailureKind::Unavailable,
    }
}

/// For `mutate_request`: sends `text` in place of the SDK's own body.
pub fn with_body(text: String) -> impl Fn(&mut HttpRequest) + Send + Sync + 'static {
    move |request| {
        request.headers_mut().insert("content-length", text.len().to_string());
        *request.body_mut() = SdkBody::from(text.as_str());
    }
}
