//! One translation of every SDK error into a [`ProviderFailure`].

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::lost;
use crate::engine::ProviderFailure;
use crate::engine::target::FailureKind;

/// What an SDK call's failure means. `operation` is its IAM name, for example `ecs:UpdateService`.
pub fn failure<E>(operation: &str, error: &SdkError<E, HttpResponse>) -> ProviderFailure
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let code = error.code().map(str::to_owned);
    let request_id = error.raw_response().and_then(|response| {
        ["x-amzn-requestid", "x-amz-request-id"]
            .iter()
            .find_map(|name| response.headers().get(*name))
            .map(str::to_owned)
    });
    let status = error.raw_response().map(|response| response.status().as_u16());
    let kind = kind(error, code.as_deref(), status);
    let message = match error {
        SdkError::ServiceError(_) => error.message().map_or_else(|| fallback(code.as_deref(), status), str::to_owned),
        _ => lost::find(error).map_or_else(|| lost::in_words(error), |lost| lost.problem.to_string()),
    };
    ProviderFailure { operation: operation.to_owned(), code, message, request_id, kind }
}

fn fallback(code: Option<&str>, status: Option<u16>) -> String {
    match (code, status) {
        (Some(code), _) => code.to_owned(),
        (None, Some(status)) => format!("the provider answered with status {status} and no message"),
        (None, None) => "the provider gave no message".to_owned(),
    }
}

fn kind<E>(error: &SdkError<E, HttpResponse>, code: Option<&str>, status: Option<u16>) -> FailureKind
where
    E: std::error::Error + Send + Sync + 'static,
{
    if let Some(lost) = lost::find(error) {
        return lost.kind;
    }
    match error {
        SdkError::ServiceError(_) => {}
        // Building a request fails for want of credentials or region; nothing was sent.
        SdkError::ConstructionFailure(_) => return FailureKind::Credentials,
        // Only a provider of credentials fails before anything is sent; a connection that breaks off
        // is "other" too, and then the request may have arrived.
        SdkError::DispatchFailure(failure) if failure.is_other() && lost::is_credentials(error) => {
            return FailureKind::Credentials;
        }
        _ => return FailureKind::Unavailable,
    }
    let code = code.unwrap_or_default();
    match code {
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" | "NotAuthorized" => FailureKind::Denied,
        "ThrottlingException"
        | "Throttling"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "LimitExceededException" => FailureKind::Throttled,
        "ExpiredToken"
        | "ExpiredTokenException"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "IncompleteSignature" => FailureKind::Credentials,
        "UnknownOperationException" | "InvalidAction" | "UnsupportedOperation" | "NotImplemented" => {
            FailureKind::Unknown
        }
        _ if code.ends_with("NotFoundException") || code.ends_with("NotFound") => FailureKind::Missing,
        _ => match status {
            Some(429) => FailureKind::Throttled,
            Some(500..) => FailureKind::Unavailable,
            _ => FailureKind::Rejected,
        },
    }
}
