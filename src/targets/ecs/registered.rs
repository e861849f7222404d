//! Task definitions that must exist: registered once, found afterwards.
//!
//! Invariant: the newest one of the family with the very same content is used instead of another
//! registration, so that whoever asks first (a one-off task, the service's own update) makes the
//! revision and everybody else uses it.

use aws_sdk_ecs::Client;
use serde_json::{Map, Value};

use super::calls::{Left, Pauses};
use super::facts::Wanted;
use super::raw::{self, Definition};
use super::{render, same};
use crate::engine::ProviderFailure;
use crate::engine::target::FailureKind;

/// How often a registration whose answer was lost is sent again.
const AGAIN: usize = 3;

/// The task definition that is wanted: the existing one, or one with this content.
pub(super) async fn definition(
    patient: &Client,
    once: &Client,
    wanted: &Wanted,
) -> Result<Definition, ProviderFailure> {
    match wanted {
        Wanted::Existing { arn } => raw::describe(patient, arn).await,
        Wanted::New { content } => registered(patient, once, content).await,
    }
}

/// The newest one of the family if it has this very content, else a new registration.
pub(super) async fn registered(
    patient: &Client,
    once: &Client,
    content: &Map<String, Value>,
) -> Result<Definition, ProviderFailure> {
    let mut lost = None;
    for _ in 0..=AGAIN {
        if let Some(known) = newest_with(patient, content).await? {
            return Ok(known);
        }
        let mut pauses = Pauses::unhurried();
        let answer = loop {
            match raw::register(once, content).await {
                Err(failure) if pauses.again(&failure).await == Left::Try => {}
                other => break other,
            }
        };
        match answer {
            Err(failure) if failure.kind == FailureKind::Unavailable => lost = Some(failure),
            other => return other,
        }
    }
    Err(lost.expect("the loop ends only after a lost answer"))
}

async fn newest_with(patient: &Client, content: &Map<String, Value>) -> Result<Option<Definition>, ProviderFailure> {
    let family = content.get("family").and_then(Value::as_str).unwrap_or_default();
    match raw::describe(patient, family).await {
        Ok(known) => Ok(same::same(&render::content(&known), content).then_some(known)),
        // A family without an active revision: ECS says ClientException.
        Err(failure) if matches!(failure.kind, FailureKind::Missing | FailureKind::Rejected) => Ok(None),
        Err(failure) => Err(failure),
    }
}
