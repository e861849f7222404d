//! The HTTP check after everything serves: asks until the answer is right or time is up.

use std::time::Duration;

use reqwest::Response;

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

/// What is read of an answer: a check is no download.
const MOST: usize = 1 << 20;

pub(super) async fn run(check: &HttpCheck, stop: &Cancel) -> Checked {
    let client = match client() {
        Ok(client) => client,
        Err(error) => return Checked::Failed(Box::new(failed(check, &format!("no HTTP client: {error}")))),
    };
    let mut last = "it was never asked".to_owned();
    let deadline = Some(clock::instant() + check.within.duration());
    let waited = wait::until(deadline, Backoff::DEPLOYMENT, stop, async || match ask(check, &client).await {
        Ok(()) => Seen::Ready(()),
        Err(wrong) => {
            last = wrong;
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

fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .timeout(ONE_REQUEST)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("shipline/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Asks once, with a client of its own. The reason when it does not answer as it should.
pub async fn once(check: &HttpCheck) -> Result<(), String> {
    let client = client().map_err(|error| format!("no HTTP client: {error}"))?;
    ask(check, &client).await
}

/// Asks once; what was wrong with the answer.
async fn ask(check: &HttpCheck, client: &reqwest::Client) -> Result<(), String> {
    let began = clock::instant();
    let mut answer = client.get(&check.url).send().await.map_err(|error| reason(&error))?;
    if answer.status().as_u16() != check.expect {
        return Err(format!("it answered {}", answer.status()));
    }
    for (name, wanted) in &check.headers {
        header(&answer, name, wanted)?;
    }
    if check.body.is_none() && check.latency_ms.is_none() {
        return Ok(());
    }
    let body = body(&mut answer).await?;
    let took = clock::instant() - began;
    if let Some(wanted) = &check.body
        && !String::from_utf8_lossy(&body).contains(wanted)
    {
        return Err(format!("it answered {}, and {wanted:?} is not in its body", answer.status()));
    }
    match check.latency_ms {
        Some(most) if took > Duration::from_millis(most.into()) => {
            Err(format!("its answer took {} ms, and may take {most} ms", took.as_millis()))
        }
        _ => Ok(()),
    }
}

fn header(answer: &Response, name: &str, wanted: &str) -> Result<(), String> {
    let mut found = answer.headers().get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let Some(first) = found.next() else { return Err(format!("its answer has no header {name}")) };
    if first == wanted || found.any(|other| other == wanted) {
        return Ok(());
    }
    Err(format!("the header {name} of its answer is {first:?}, not {wanted:?}"))
}

/// The beginning of the body.
async fn body(answer: &mut Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while body.len() < MOST {
        match answer.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => return Err(reason(&error)),
        }
    }
    body.truncate(MOST);
    Ok(body)
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
    let only_status = check.body.is_none() && check.headers.is_empty() && check.latency_ms.is_none();
    let asked = if only_status { check.expect.to_string() } else { "as it should".to_owned() };
    let mut cause = Cause::new(
        CauseCode::CheckFailed,
        format!("{} did not answer {asked} within {}", check.url, check.within),
        "Open the address yourself; if the check is wrong, change `verify` in the configuration.",
    );
    cause.facts.push(format!("last: {last}"));
    cause
}
