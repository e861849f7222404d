//! Questions to GraphQL, whose refusals come with status 200.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use shipline::engine::clock;
use shipline::github::{Answer, Connection, PATIENCE, Request, limited, sleep_before};
use shipline::problem::Problem;

#[derive(Deserialize)]
struct Envelope<T> {
    data: Option<T>,
    #[serde(default)]
    errors: Vec<Error>,
}

#[derive(Deserialize)]
struct Error {
    #[serde(rename = "type")]
    kind: Option<String>,
    message: String,
    #[serde(default)]
    path: Option<Vec<serde_json::Value>>,
}

/// Asks; what GitHub answers only in part is not an answer.
pub(super) async fn ask<T: DeserializeOwned>(connection: &Connection, request: &Request) -> Result<T, Problem> {
    let deadline = clock::instant() + PATIENCE;
    let mut pause = Duration::from_millis(500);
    loop {
        let answer = connection.send(request).await?;
        let problem = match understood(request, &answer) {
            Err(problem) if problem.code == "unavailable" => problem,
            decided => return decided,
        };
        if !sleep_before(deadline, pause).await {
            return Err(problem);
        }
        pause *= 4;
    }
}

fn understood<T: DeserializeOwned>(request: &Request, answer: &Answer) -> Result<T, Problem> {
    let envelope: Envelope<T> = match answer.read() {
        Ok(envelope) => envelope,
        // Data in part may have another shape; then only the errors matter.
        Err(unreadable) => match answer.read::<Envelope<serde_json::Value>>() {
            Ok(Envelope { errors, .. }) if !errors.is_empty() => Envelope { data: None, errors },
            _ => return Err(unreadable),
        },
    };
    match (envelope.errors.first(), envelope.data) {
        (None, Some(data)) => Ok(data),
        (None, None) => Err(unavailable(request, "no data came")),
        (Some(error), _) => Err(refused(request, answer, error)),
    }
}

fn refused(request: &Request, answer: &Answer, error: &Error) -> Problem {
    let (doing, message) = (request.doing(), &error.message);
    let what = format!("GitHub did not {doing}: {message}");
    let path = || {
        let parts =
            error.path.iter().flatten().map(|part| part.as_str().map_or_else(|| part.to_string(), str::to_owned));
        parts.collect::<Vec<_>>().join(".")
    };
    let problem = match error.kind.as_deref() {
        Some("RATE_LIMITED") => return limited(doing, message, wait(answer)),
        Some("FORBIDDEN" | "INSUFFICIENT_SCOPES") => Problem::provider(
            "github-permission",
            what,
            "An owner accepts the App's permissions under Settings → GitHub Apps of the account; `shipline-bot doctor` says which are missing.",
        ),
        // The repository was there when the delivery came.
        Some("NOT_FOUND") if path() == "repository" => Problem::provider(
            "github-permission",
            what,
            "Check that the repository still exists and that the App is installed on it.",
        ),
        Some("NOT_FOUND") => {
            Problem::provider("github-not-found", what, "Check that it still exists, then comment again.")
        }
        Some(_) => Problem::provider(
            "github-rejected",
            what,
            "Check that this GitHub is github.com or a supported version of Enterprise Server.",
        ),
        None if message.contains("rate limit") => return limited(doing, message, wait(answer)),
        None => return unavailable(request, message),
    };
    if error.path.is_some() { problem.because(format!("at: {}", path())) } else { problem }
}

fn unavailable(request: &Request, said: &str) -> Problem {
    Problem::provider(
        "unavailable",
        format!("GitHub did not {}: {said}", request.doing()),
        "Comment again in a minute; if it stays, look at https://www.githubstatus.com.",
    )
}

/// Until when a limited answer wants no more: told, or the end of the hour, or a minute.
fn wait(answer: &Answer) -> Duration {
    let number = |name| answer.header(name).and_then(|text| text.parse::<i64>().ok());
    let reset = number("x-ratelimit-reset").filter(|_| answer.header("x-ratelimit-remaining") == Some("0"));
    let seconds = number("retry-after").or_else(|| reset.map(|reset| reset - clock::now().as_second() + 1));
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).map_or(Duration::from_mins(1), Duration::from_secs)
}
