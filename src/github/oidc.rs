//! The identity token of a GitHub Actions job.
//!
//! GitHub gives a job two variables when it has `permissions: id-token: write`; with them it asks
//! for a token that names the repository and what it runs for. It lives about ten minutes, so one
//! is fetched for every exchange.

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use reqwest::{StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::pause::sleep_before;
use crate::aws::{Mask, TokenSource};
use crate::engine::clock;
use crate::problem::Problem;

/// What AWS's own identity provider for GitHub expects.
pub const AUDIENCE: &str = "sts.amazonaws.com";

/// Asks GitHub for the job's identity token.
pub struct JobToken {
    url: Url,
    bearer: SecretString,
    mask: Mask,
    http: OnceLock<reqwest::Client>,
}

impl JobToken {
    /// From `ACTIONS_ID_TOKEN_REQUEST_URL` and `ACTIONS_ID_TOKEN_REQUEST_TOKEN`; nothing if the job
    /// has none, which means that it may not ask. `audience` is [`AUDIENCE`] by default.
    pub fn of_job(
        variable: &dyn Fn(&str) -> Option<String>,
        audience: Option<&str>,
        mask: Mask,
    ) -> Result<Option<Self>, Problem> {
        let given = |name: &str| variable(name).filter(|value| !value.is_empty());
        let (Some(url), Some(bearer)) =
            (given("ACTIONS_ID_TOKEN_REQUEST_URL"), given("ACTIONS_ID_TOKEN_REQUEST_TOKEN"))
        else {
            return Ok(None);
        };
        let bearer = SecretString::from(bearer);
        mask.hide(&bearer);
        let mut url = Url::parse(&url).map_err(|error| {
            Problem::mistake(
                "oidc-url",
                format!("ACTIONS_ID_TOKEN_REQUEST_URL is not an address: {error}"),
                "GitHub sets this variable for a job with `permissions: id-token: write`; do not set it yourself.",
            )
        })?;
        url.query_pairs_mut().append_pair("audience", audience.unwrap_or(AUDIENCE));
        Ok(Some(Self { url, bearer, mask, http: OnceLock::new() }))
    }

    fn client(&self) -> Result<&reqwest::Client, Problem> {
        if let Some(client) = self.http.get() {
            return Ok(client);
        }
        let builder = reqwest::Client::builder()
            .user_agent("shipline")
            // The bearer token must not follow a redirection to somewhere else.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(10));
        // Reading the machine's root certificates costs time and memory; http needs none.
        let builder = if self.url.scheme() == "http" { builder.tls_certs_only([]) } else { builder };
        let client = builder
            .build()
            .map_err(|error| Problem::defect("http-client", format!("no HTTP client could be made: {error}")))?;
        Ok(self.http.get_or_init(|| client))
    }

    async fn ask(&self, client: &reqwest::Client) -> Result<SecretString, Asked> {
        let mut bearer = HeaderValue::from_str(&format!("bearer {}", self.bearer.expose_secret()))
            .map_err(|_| Asked::Refused("the request token is not a header's value".to_owned()))?;
        bearer.set_sensitive(true);
        let request = client.get(self.url.clone()).header(AUTHORIZATION, bearer).header(ACCEPT, "application/json");
        let answer = request.send().await.map_err(|error| Asked::Again(in_words(error)))?;
        let status = answer.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Asked::Again(format!("status {}", status.as_u16())));
        }
        if !status.is_success() {
            return Err(Asked::Refused(format!("status {}", status.as_u16())));
        }
        let body = answer.bytes().await.map_err(|error| Asked::Again(in_words(error)))?;
        // The parser's message could quote the token.
        let answer: Answer =
            serde_json::from_slice(&body).map_err(|_| Asked::Refused("an answer without a token".to_owned()))?;
        Ok(SecretString::from(answer.value))
    }
}

#[derive(Deserialize)]
struct Answer {
    value: String,
}

enum Asked {
    Again(String),
    Refused(String),
}

fn in_words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{source}")
}

/// The address is shown, the bearer token never.
impl std::fmt::Debug for JobToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobToken").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

/// How long one token may take with all tries.
const PATIENCE: Duration = Duration::from_secs(20);

#[async_trait]
impl TokenSource for JobToken {
    async fn token(&self) -> Result<SecretString, Problem> {
        let client = self.client()?;
        let deadline = clock::instant() + PATIENCE;
        let mut pause = Duration::from_millis(200);
        loop {
            let last = match self.ask(client).await {
                Ok(token) => {
                    self.mask.hide(&token);
                    return Ok(token);
                }
                Err(Asked::Refused(why)) => return Err(refused(&why)),
                Err(Asked::Again(why)) => why,
            };
            if !sleep_before(deadline, pause).await {
                return Err(silent(&last));
            }
            pause *= 2;
        }
    }
}

fn refused(why: &str) -> Problem {
    Problem::provider(
        "oidc-request-refused",
        "GitHub did not give this job an identity token.",
        "Check that the job has `permissions: id-token: write` and still runs: the right to ask ends with the job.",
    )
    .because(format!("GitHub answered: {why}"))
}

fn silent(last: &str) -> Problem {
    Problem::provider(
        "unavailable",
        "GitHub's identity tokens cannot be had at the moment.",
        "Run again; if it stays, look at https://www.githubstatus.com.",
    )
    .because(format!("the last answer was: {last}"))
}
