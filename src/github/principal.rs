//! Who speaks: the right to ask, and what that one has to keep to.
//!
//! Two kinds: a token that is given and stays ([`Token`], the action's), and the bot's App with its
//! installations, whose tokens are asked for and renewed.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::sync::OwnedMutexGuard;

use super::request::Request;
use crate::problem::Problem;

/// Who speaks to GitHub through a connection.
#[async_trait]
pub trait Principal: Send + Sync {
    /// What proves it, for the `Authorization` header.
    async fn bearer(&self) -> Result<SecretString, Problem>;

    /// GitHub does not accept this bearer any more.
    fn rejected(&self, bearer: &SecretString) -> Renewal;

    /// Waits until a request may be sent; a problem if that is not before the deadline. The turn ends
    /// with the answer.
    async fn admit(&self, request: &Request, deadline: Instant) -> Result<Turn, Problem>;

    /// Is told of every answer.
    fn seen(&self, seen: &Seen<'_>);

    /// What people do next when GitHub refuses.
    fn next(&self, refusal: Refusal) -> String;
}

/// Whether there may be another bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// The next one may be accepted.
    Possible,
    /// There is no other.
    Impossible,
}

/// The right to send one request now.
#[derive(Debug)]
pub struct Turn {
    _held: Option<OwnedMutexGuard<()>>,
}

impl Turn {
    /// Others may send at the same time.
    pub fn free() -> Self {
        Self { _held: None }
    }

    /// Others wait until this one is done.
    pub fn alone(held: OwnedMutexGuard<()>) -> Self {
        Self { _held: Some(held) }
    }
}

/// What an answer tells beside its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen<'a> {
    /// What was asked for.
    pub doing: &'a str,
    /// The status; 0 when there was no answer.
    pub status: u16,
    /// Which limit it was counted against: `core`, `graphql`.
    pub resource: Option<&'a str>,
    /// Requests that are left of it.
    pub remaining: Option<u64>,
    /// When it is full again, in seconds since the epoch.
    pub reset: Option<i64>,
    /// For how long GitHub wants no more requests.
    pub limited: Option<Duration>,
}

/// Why GitHub does not do something, as far as people can help it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It does not know who asks.
    Unauthorised,
    /// Who asks may not.
    Forbidden,
    /// It shows no such thing to who asks.
    NotFound,
}

/// A token that was given and stays.
pub struct Token(SecretString);

impl Token {
    /// This token.
    pub fn new(token: SecretString) -> Self {
        Self(token)
    }
}

#[async_trait]
impl Principal for Token {
    async fn bearer(&self) -> Result<SecretString, Problem> {
        Ok(self.0.clone())
    }

    fn rejected(&self, _bearer: &SecretString) -> Renewal {
        Renewal::Impossible
    }

    async fn admit(&self, _request: &Request, _deadline: Instant) -> Result<Turn, Problem> {
        Ok(Turn::free())
    }

    fn seen(&self, _seen: &Seen<'_>) {}

    fn next(&self, refusal: Refusal) -> String {
        match refusal {
            Refusal::Unauthorised => {
                "The token is wrong or has expired: pass `github-token: ${{ github.token }}`."
            }
            Refusal::Forbidden => {
                "Give the job `permissions: deployments: write` and `contents: read`, and pass `github-token: ${{ github.token }}`."
            }
            Refusal::NotFound => {
                "Check the repository's name, and that the token may see it (`permissions: contents: read`, `deployments: write`)."
            }
        }
        .to_owned()
    }
}
