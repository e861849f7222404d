//! One repository of GitHub over its REST API.
//!
//! The connection is made with the first request. What a request may cost in time is bounded: ten
//! seconds an answer, and at most [`PATIENCE`] for limits and repeated tries together.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::Duration;

use octocrab::Octocrab;
use reqwest::header::{HeaderMap, HeaderName, USER_AGENT};
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::pause::sleep_before;
use crate::engine::clock;
use crate::problem::Problem;
use crate::types::text_form;

/// How long one request may take with all its repetitions.
const PATIENCE: Duration = Duration::from_secs(20);

/// A text that is not `owner/name`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a repository is written owner/name; {0:?} is not")]
pub struct InvalidRepository(String);

/// `owner/name`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository(String);

impl Repository {
    /// The account it belongs to.
    pub fn owner(&self) -> &str {
        self.0.split_once('/').map_or("", |(owner, _)| owner)
    }

    /// Its name without the owner.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, name)| name)
    }

    /// `owner/name`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
text_form!(Repository);

impl FromStr for Repository {
    type Err = InvalidRepository;
    fn from_str(text: &str) -> Result<Self, InvalidRepository> {
        let good = |part: &str| {
            !part.is_empty()
                && part.len() <= 100
                && !part.starts_with('.')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        };
        match text.split_once('/') {
            Some((owner, name)) if good(owner) && good(name) => Ok(Self(text.to_owned())),
            _ => Err(InvalidRepository(text.to_owned())),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A repository, and the right to speak about it.
pub struct Client {
    api: String,
    repository: Repository,
    token: SecretString,
    octocrab: OnceLock<Octocrab>,
}

/// A request to the repository.
pub(super) enum Request<'a> {
    Get,
    Post(&'a Value),
}

/// Why a try did not succeed.
enum Failed {
    /// It was not done; GitHub asks to wait that long, or we should wait a little.
    NotDone(Option<Duration>, Box<Problem>),
    /// Whether it was done is not known.
    Unclear(Box<Problem>),
    /// It will not be done.
    Refused(Box<Problem>),
}

impl Client {
    /// A client for `api` (`https://api.github.com`, or `GITHUB_API_URL`) and one repository. No
    /// request is made.
    pub fn new(api: &str, repository: Repository, token: SecretString) -> Self {
        Self { api: api.trim_end_matches('/').to_owned(), repository, token, octocrab: OnceLock::new() }
    }

    /// The repository it speaks about.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The branch that `latest` and policies belong to.
    pub async fn default_branch(&self) -> Result<String, Problem> {
        #[derive(serde::Deserialize)]
        struct Answer {
            default_branch: String,
        }
        let answer: Answer = self.send("read the repository", "", Request::Get).await?;
        Ok(answer.default_branch)
    }

    /// Sends a request below `/repos/<owner>/<name>`. `doing` says what for, in words.
    pub(super) async fn send<T: DeserializeOwned>(
        &self,
        doing: &str,
        path: &str,
        request: Request<'_>,
    ) -> Result<T, Problem> {
        let octocrab = self.octocrab()?;
        let uri = format!("{}/repos/{}{path}", self.api, self.repository);
        let deadline = clock::instant() + PATIENCE;
        let mut pause = Duration::from_millis(300);
        loop {
            let (wait, problem) = match attempt(octocrab, doing, &uri, &request).await {
                Ok(body) => return read(doing, &body),
                Err(Failed::Refused(problem)) => return Err(*problem),
                Err(Failed::Unclear(problem)) if matches!(request, Request::Post(_)) => return Err(*problem),
                Err(Failed::Unclear(problem) | Failed::NotDone(None, problem)) => (pause, problem),
                Err(Failed::NotDone(Some(asked), problem)) => (asked, problem),
            };
            if !sleep_before(deadline, wait).await {
                return Err(*problem);
            }
            pause *= 2;
        }
    }

    fn octocrab(&self) -> Result<&Octocrab, Problem> {
        if let Some(made) = self.octocrab.get() {
            return Ok(made);
        }
        let defect = |error: octocrab::Error| {
            Problem::mistake(
                "github-client",
                format!("GitHub cannot be reached at {:?}: {}", self.api, kind_of(&error)),
                "Check GITHUB_API_URL (https://api.github.com, or https://<host>/api/v3).",
            )
        };
        let builder = Octocrab::builder()
            .base_uri(self.api.clone())
            .map_err(defect)?
            // Uploads are never made; this keeps the token away from github.com's upload host.
            .upload_uri(self.api.clone())
            .map_err(defect)?
            .personal_token(self.token.clone())
            .add_header(USER_AGENT, "shipline".to_owned())
            .add_header(HeaderName::from_static("x-github-api-version"), "2022-11-28".to_owned())
            .set_connect_timeout(Some(Duration::from_secs(5)))
            .set_read_timeout(Some(Duration::from_secs(10)))
            .set_write_timeout(Some(Duration::from_secs(10)));
        let made = builder.build().map_err(defect)?;
        Ok(self.octocrab.get_or_init(|| made))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("api", &self.api).field("repository", &self.repository).finish_non_exhaustive()
    }
}

async fn attempt(octocrab: &Octocrab, doing: &str, uri: &str, request: &Request<'_>) -> Result<String, Failed> {
    let answer = match request {
        Request::Get => octocrab._get(uri).await,
        Request::Post(body) => octocrab._post(uri, Some(*body)).await,
    };
    let answer = answer.map_err(|error| {
        Failed::Unclear(Box::new(
            Problem::provider(
                "unavailable",
                format!("GitHub could not be reached to {doing}."),
                "Check the network and https://www.githubstatus.com.",
            )
            .because(kind_of(&error)),
        ))
    })?;
    let status = answer.status().as_u16();
    let headers = answer.headers().clone();
    let body = octocrab.body_to_string(answer).await.unwrap_or_default();
    if (200..300).contains(&status) { Ok(body) } else { Err(refused(doing, status, &headers, &body)) }
}

fn refused(doing: &str, status: u16, headers: &HeaderMap, body: &str) -> Failed {
    let said: Option<Value> = serde_json::from_str(body).ok();
    let said = said.as_ref().and_then(|said| said["message"].as_str()).unwrap_or("no message").to_owned();
    let limited = status == 429
        || status == 403
            && (headers.contains_key("retry-after")
                || header(headers, "x-ratelimit-remaining") == Some("0")
                || said.contains("rate limit"));
    let (code, next) = match status {
        _ if limited => ("github-limited", "GitHub answers too many requests of this token. Run again later."),
        401 => ("github-token", "The token is wrong or has expired: pass `github-token: ${{ github.token }}`."),
        403 => (
            "github-permission",
            "Give the job `permissions: deployments: write` and `contents: read`, and pass `github-token: ${{ github.token }}`.",
        ),
        404 => (
            "github-not-found",
            "Check the repository's name, and that the token may see it (`permissions: contents: read`, `deployments: write`).",
        ),
        500.. => ("unavailable", "Run again; if it stays, look at https://www.githubstatus.com."),
        _ => ("github-rejected", "Change what GitHub names above, then run again."),
    };
    let mut problem =
        Problem::provider(code, format!("GitHub did not {doing}: {said}"), next).because(format!("status: {status}"));
    if let Some(id) = header(headers, "x-github-request-id") {
        problem = problem.because(format!("request id: {id}"));
    }
    let problem = Box::new(problem);
    if limited {
        let asked = header(headers, "retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs);
        Failed::NotDone(asked, problem)
    } else if status >= 500 {
        Failed::Unclear(problem)
    } else {
        Failed::Refused(problem)
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn read<T: DeserializeOwned>(doing: &str, body: &str) -> Result<T, Problem> {
    serde_json::from_str(body).map_err(|error| {
        Problem::provider(
            "github-answer",
            format!("GitHub's answer could not be understood when asked to {doing}: {error}"),
            "Check GITHUB_API_URL: what answers there is not GitHub's REST API, version 2022-11-28.",
        )
    })
}

/// The library's errors print a backtrace; the first line of each layer is enough for people.
fn kind_of(error: &octocrab::Error) -> String {
    let first: &(dyn std::error::Error + 'static) = error;
    let mut said: Vec<String> = Vec::new();
    for layer in std::iter::successors(Some(first), |&layer| layer.source()) {
        let line = layer.to_string().lines().next().unwrap_or_default().to_owned();
        if !line.is_empty() && !said.iter().any(|earlier| earlier.contains(&line)) {
            said.push(line);
        }
    }
    said.join(": ")
}

/// A value as JSON; our own request shapes always can be.
pub(super) fn json(value: impl Serialize) -> Value {
    serde_json::to_value(value).expect("requests are plain structures with text keys")
}

/// Text for a URL's query.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let mut url = reqwest::Url::parse("http://x").expect("a constant address is one");
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_owner_and_name_and_never_a_path() {
        assert_eq!("acme/shop.web_2".parse::<Repository>().unwrap().to_string(), "acme/shop.web_2");
        for bad in ["", "acme", "acme/", "/shop", "acme/shop/x", "acme/..", "../shop", "acme/a b", "acme/a?b"] {
            assert!(bad.parse::<Repository>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_missing_permission_a_limit_and_an_outage_are_told_apart() {
        let mut limited = HeaderMap::new();
        limited.insert("retry-after", "7".parse().unwrap());
        let body = r#"{"message":"Resource not accessible by integration"}"#;
        let Failed::Refused(problem) = refused("create the deployment", 403, &HeaderMap::new(), body) else {
            panic!("a missing permission is final")
        };
        assert!(problem.next.contains("deployments: write"), "{problem}");
        assert_eq!(problem.what, "GitHub did not create the deployment: Resource not accessible by integration");
        assert!(matches!(refused("x", 403, &limited, "{}"), Failed::NotDone(Some(wait), _) if wait.as_secs() == 7));
        assert!(matches!(refused("x", 502, &HeaderMap::new(), "<html>"), Failed::Unclear(_)));
    }
}
