//! What a status that is no answer means: final, to be waited for, or unclear. Pure.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::principal::Refusal;
use super::request::header;
use crate::problem::Problem;
use crate::types::Timestamp;

/// How long to wait when GitHub limits and does not say for how long: "wait for at least one minute".
const UNTOLD: Duration = Duration::from_mins(1);

/// How the time to come back stands among the facts of a [`limited`] problem.
const COME_BACK: &str = "come back in: ";

/// Why a try did not succeed.
pub(super) enum Failed {
    /// It was not done; GitHub asks to wait that long.
    Limited(Duration, Box<Problem>),
    /// Whether it was done is not known.
    Unclear(Box<Problem>),
    /// It was not done: GitHub does not accept the bearer.
    Unauthorised(Box<Problem>),
    /// It will not be done.
    Refused(Box<Problem>),
}

/// GitHub takes no more requests for that long: whoever can wait asks [`retry_after`].
pub fn limited(doing: &str, said: &str, wait: Duration) -> Problem {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Problem::provider(
        "github-limited",
        format!("GitHub did not {doing}: {said}"),
        "GitHub answers too many requests of this token. Run again later.",
    )
    .because(format!("{COME_BACK}{seconds} s"))
}

/// When a `github-limited` problem may be tried again; nothing for every other problem.
pub fn retry_after(problem: &Problem) -> Option<Duration> {
    (problem.code == "github-limited").then_some(())?;
    let told = problem.why.iter().find_map(|why| why.strip_prefix(COME_BACK)?.strip_suffix(" s")?.parse().ok());
    Some(told.map_or(UNTOLD, Duration::from_secs))
}

/// For how long an answer forbids further requests. `retry-after` first, then the end of the hour's
/// budget, then a minute (GitHub, "Best practices for using the REST API").
pub(super) fn limited_for(status: u16, headers: &HeaderMap, said: &str, now: Timestamp) -> Option<Duration> {
    let asked = header(headers, "retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let spent = header(headers, "x-ratelimit-remaining") == Some("0");
    let words = ["rate limit", "abuse detection", "submitted too quickly"];
    let said = said.to_lowercase();
    let limited =
        status == 429 || status == 403 && (asked.is_some() || spent || words.iter().any(|word| said.contains(word)));
    limited.then(|| asked.or_else(|| spent.then(|| until_reset(headers, now)).flatten()).unwrap_or(UNTOLD))
}

fn until_reset(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let reset: i64 = header(headers, "x-ratelimit-reset")?.parse().ok()?;
    // A second more: GitHub counts in whole ones.
    Some(Duration::from_secs(u64::try_from(reset - now.as_second() + 1).unwrap_or(1)))
}

/// What GitHub says in an error's body.
pub(super) fn said(body: &str) -> String {
    let said: Option<Value> = serde_json::from_str(body).ok();
    let Some(said) = said else { return "no message".to_owned() };
    let mut text = said["message"].as_str().unwrap_or("no message").to_owned();
    let details = said["errors"].as_array().into_iter().flatten();
    for detail in details.filter_map(|detail| detail.as_str().or_else(|| detail["message"].as_str())) {
        text = format!("{text} ({detail})");
    }
    text
}

/// What an answer that is none means. `next` finds the words for what can be helped.
pub(super) fn refused(
    doing: &str,
    status: u16,
    headers: &HeaderMap,
    body: &str,
    now: Timestamp,
    next: impl Fn(Refusal) -> String,
) -> Failed {
    let said = said(body);
    let wait = limited_for(status, headers, &said, now);
    let problem = if let Some(wait) = wait {
        limited(doing, &said, wait)
    } else {
        let (code, next) = match status {
            401 => ("github-token", next(Refusal::Unauthorised)),
            403 => ("github-permission", next(Refusal::Forbidden)),
            404 => ("github-not-found", next(Refusal::NotFound)),
            500.. => ("unavailable", "Run again; if it stays, look at https://www.githubstatus.com.".to_owned()),
            _ => ("github-rejected", "Change what GitHub names above, then run again.".to_owned()),
        };
        Problem::provider(code, format!("GitHub did not {doing}: {said}"), next)
    };
    let mut problem = problem.because(format!("status: {status}"));
    let facts = [("needs permission", "x-accepted-github-permissions"), ("request id", "x-github-request-id")];
    for (name, found) in facts.map(|(name, key)| (name, header(headers, key).filter(|value| !value.is_empty()))) {
        if let Some(found) = found.filter(|_| name == "request id" || status == 403 && wait.is_none()) {
            problem = problem.because(format!("{name}: {found}"));
        }
    }
    let problem = Box::new(problem);
    match (wait, status) {
        (Some(wait), _) => Failed::Limited(wait, problem),
        (None, 500..) => Failed::Unclear(problem),
        (None, 401) => Failed::Unauthorised(problem),
        (None, _) => Failed::Refused(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn judged(status: u16, pairs: &[(&'static str, &str)], body: &str) -> Failed {
        let now = Timestamp::from_second(1_000).unwrap();
        refused("create the deployment", status, &headers(pairs), body, now, |refusal| format!("{refusal:?}"))
    }

    #[test]
    fn a_missing_permission_a_limit_and_an_outage_are_told_apart() {
        let body = r#"{"message":"Resource not accessible by integration"}"#;
        let accepted = [("x-accepted-github-permissions", "deployments=write")];
        let Failed::Refused(problem) = judged(403, &accepted, body) else { panic!("a missing permission is final") };
        assert_eq!(problem.what, "GitHub did not create the deployment: Resource not accessible by integration");
        assert_eq!(problem.why, ["status: 403", "needs permission: deployments=write"]);
        assert_eq!(problem.next, "Forbidden");
        assert!(matches!(judged(403, &[("retry-after", "7")], "{}"), Failed::Limited(wait, _) if wait.as_secs() == 7));
        assert!(matches!(judged(502, &[], "<html>"), Failed::Unclear(_)));
        assert!(matches!(judged(401, &[], "{}"), Failed::Unauthorised(_)));
    }

    #[test]
    fn a_spent_budget_is_waited_for_until_its_reset_and_an_unexplained_limit_for_a_minute() {
        let spent = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1030")];
        assert!(matches!(judged(403, &spent, "{}"), Failed::Limited(wait, _) if wait.as_secs() == 31));
        assert!(matches!(judged(429, &[], "{}"), Failed::Limited(wait, _) if wait.as_secs() == 60));
        let secondary = r#"{"message":"You have exceeded a secondary rate limit."}"#;
        assert!(matches!(judged(403, &[], secondary), Failed::Limited(wait, _) if wait.as_secs() == 60));
    }

    #[test]
    fn when_to_come_back_can_be_read_from_the_problem() {
        let problem = limited("x", "slow down", Duration::from_millis(6_500));
        assert_eq!(retry_after(&problem), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&Problem::provider("unavailable", "x", "y").because("come back in: 7 s")), None);
    }

    #[test]
    fn the_details_of_a_validation_error_are_told() {
        let body =
            r#"{"message":"Validation Failed","errors":[{"message":"No commit found for SHA","code":"custom"}]}"#;
        assert_eq!(said(body), "Validation Failed (No commit found for SHA)");
        assert_eq!(said("<html>"), "no message");
    }
}
