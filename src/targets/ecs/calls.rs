//! How requests are sent: which are repeated, for how long, and which never are.
//!
//! Reading calls are repeated by the SDK. A call that changes something is sent once; when ECS asks
//! to slow down it was not carried out and is sent again here, when its answer is lost the caller
//! looks before it decides.

use std::time::{Duration, Instant};

use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::Builder;
use aws_sdk_ecs::config::retry::RetryConfig;
use aws_sdk_ecs::config::timeout::TimeoutConfig;
use aws_types::SdkConfig;

use crate::engine::target::FailureKind;
use crate::engine::wait::pause;
use crate::engine::{Cancel, ProviderFailure, clock};

/// A single answer of ECS takes well under a second; a connection that died is noticed after this.
const ATTEMPT: Duration = Duration::from_secs(10);
/// `RegisterTaskDefinition` refills at one a second for the whole account (AWS ECS API throttling),
/// so a busy account needs patience.
const PATIENCE: Duration = Duration::from_secs(90);

/// A client that repeats what may pass.
pub(super) fn patient(config: &SdkConfig) -> Client {
    let retry = RetryConfig::standard()
        .with_max_attempts(12)
        .with_initial_backoff(Duration::from_millis(250))
        .with_max_backoff(Duration::from_secs(3));
    Client::from_conf(Builder::from(config).retry_config(retry).timeout_config(timeouts()).build())
}

/// A client that sends each request once.
pub(super) fn once(config: &SdkConfig) -> Client {
    Client::from_conf(Builder::from(config).retry_config(RetryConfig::disabled()).timeout_config(timeouts()).build())
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(Duration::from_secs(3)).operation_attempt_timeout(ATTEMPT).build()
}

/// The pauses between the tries of one call, which grow.
///
/// A struct and not a closure given to [`crate::engine::wait::until`]: what a target awaits must be `Send`, and the
/// compiler cannot see that of a borrowing async closure.
#[derive(Debug)]
pub(super) struct Pauses {
    end: Instant,
    next: Duration,
    most: Duration,
}

impl Pauses {
    /// For calls that ECS asks to make later.
    pub(super) fn unhurried() -> Self {
        Self { end: clock::instant() + PATIENCE, next: Duration::from_millis(300), most: Duration::from_secs(4) }
    }

    /// For something that shows up within that time.
    pub(super) fn within(time: Duration) -> Self {
        Self { end: clock::instant() + time, next: Duration::from_millis(200), most: Duration::from_millis(500) }
    }

    /// Waits before the next try.
    pub(super) async fn pause(&mut self) -> Left {
        let now = clock::instant();
        if now >= self.end {
            return Left::None;
        }
        pause(self.next.min(self.end - now), &Cancel::new()).await;
        self.next = (self.next * 2).min(self.most);
        Left::Try
    }

    /// Whether to send a changing call again after that failure: ECS did not carry it out.
    pub(super) async fn again(&mut self, failure: &ProviderFailure) -> Left {
        if failure.kind == FailureKind::Throttled { self.pause().await } else { Left::None }
    }
}

/// Whether there is another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    Try,
    None,
}
