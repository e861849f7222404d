//! The HTTP check after everything serves: asks until the status is right or time is up.

use std::time::Duration;

use super::wait::{self, Backoff, Seen, Waited};
use super::{Cancel, clock};
use crate::config::spec::HttpCheck;
use crate::rollout::{Cause, CauseCode};

/// How a check ended.
pub(super) enum Checked {
    Passed,
    Failed(Box<Cause>),
    Stopped,
}

/// The longest one request may take; a service that hangs is not healthy.
const ONE_REQUEST: Duration = Duration::from_secs(10);

pub(super) async fn run(check: &HttpCheck, stop: &Cancel) -> Checked {
    let client = reqwest::Client::builder()
        .timeout(ONE_REQUEST)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("shipline/", env!("CARGO_PKG_VERSION")))
        .build();
    let client = match client {
        Ok(client) => client,
        Err(error) => return Checked::Failed(Box::new(failed(check, &format!("no HTTP client: {error}")))),
    };
    let mut last = "it was never asked".to_owned();
    let deadline = Some(clock::instant() + check.within.duration());
    let waited = wait::until(deadline, Backoff::DEPLOYMENT, stop, async || match client.get(&check.url).send().await {
        Ok(answer) if answer.status().as_u16() == check.expect => Seen::Ready(()),
        Ok(answer) => {
            last = format!("it answered {}", answer.status());
            Seen::NotYet
        }
        Err(error) => {
            last = reason(&error);
            Seen::NotYet
        }
    })
    .await;
    match waited {
        Waited::Ready(()) => Checked::Passed,
        Waited::Cancelled => Checked::Stopped,
        Waited::TimedOut => Checked::Failed(Box::new(failed(check, &last))),
    }
}

/// Asks once. The reason when it does not answer as it should.
pub async fn once(check: &HttpCheck) -> Result<(), String> {
    let client = reqwest::Client::builder()
        .timeout(ONE_REQUEST)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("shipline/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| format!("no HTTP client: {error}"))?;
    match client.get(&check.url).send().await {
        Ok(answer) if answer.status().as_u16() == check.expect => Ok(()),
        Ok(answer) => Err(format!("it answered {}", answer.status())),
        Err(error) => Err(reason(&error)),
    }
}

/// The innermost error: "connection refused" says more than "error sending request".
fn reason(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

fn failed(check: &HttpCheck, last: &str) -> Cause {
    let mut cause = Cause::new(
        CauseCode::CheckFailed,
        format!("{} did not answer {} within {}", check.url, check.expect, check.within),
        "Open the address yourself; if the check is wrong, change `verify` in the configuration.",
    );
    cause.facts.push(format!("last: {last}"));
    cause
}
