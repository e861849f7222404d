//! Why there are no credentials, in a form that survives its way through the SDK.
//!
//! A provider of ours fails deep inside an SDK call; the SDK wraps what it said. [`find`] gets it
//! back, so that a renewal that is refused during a long wait is told as well as one at the start.

use std::error::Error;

use crate::engine::target::FailureKind;
use crate::problem::Problem;

/// No credentials, and why.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{problem}")]
pub(super) struct NoCredentials {
    /// What the user is told.
    pub(super) problem: Problem,
    /// Whether trying again helps.
    pub(super) kind: FailureKind,
}

impl From<Problem> for NoCredentials {
    fn from(problem: Problem) -> Self {
        let kind = if problem.code == "unavailable" { FailureKind::Unavailable } else { FailureKind::Credentials };
        Self { problem, kind }
    }
}

/// What one of our own providers said, if it is anywhere below `error`.
pub(super) fn find<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a NoCredentials> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}

/// Whether a provider of credentials, ours or the SDK's, is what failed.
pub(super) fn is_credentials(error: &(dyn Error + 'static)) -> bool {
    std::iter::successors(Some(error), |&error| error.source())
        .any(<dyn Error>::is::<aws_credential_types::provider::error::CredentialsError>)
}

/// What all layers of an error say, once each and without their `Debug` form, which may show more
/// than people should see.
pub(super) fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    for layer in std::iter::successors(Some(error), |&error| error.source()) {
        let text = layer.to_string();
        if !said.iter().any(|earlier| earlier.contains(&text)) {
            said.push(text);
        }
    }
    said.join(": ")
}
