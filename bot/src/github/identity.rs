//! Who speaks: the App with a token it signs itself, and an installation with one GitHub gives for an
//! hour.
//!
//! The library can do both, but its installation forgets its token with every clone, asks once for
//! each of several requests at a time, and hides what GitHub says when it refuses. Here: one token an
//! installation, one request for it however many wait, renewed a little before it ends and once when
//! GitHub rejects it.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use octocrab::auth::AppAuth;
use octocrab::models::AppId;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use shipline::engine::clock;
use shipline::github::{Answer, Connection, Effect, Method, Principal, Refusal, Renewal, Repeat, Request, Seen, Turn};
use shipline::problem::Problem;
use shipline::types::Timestamp;

use super::limits::Limits;
use crate::types::InstallationId;

/// Is told of every request: what for, and the status that came back (0 for none).
pub(super) type Observer = Arc<OnceLock<Box<dyn Fn(&str, u16) + Send + Sync>>>;

/// A token is renewed that long before its end: a request takes at most that long.
const MARGIN: Duration = Duration::from_mins(1);

/// The App.
pub(super) struct AppIdentity {
    auth: AppAuth,
    pub(super) limits: Limits,
    observer: Observer,
}

impl AppIdentity {
    /// Checks the key by signing with it.
    pub(super) fn new(app: u64, key: &SecretString, observer: Observer) -> Result<Self, Problem> {
        // Settings files and container platforms often hold line ends as `\n`.
        let pem = key.expose_secret().trim().replace("\\n", "\n");
        let wrong = |why: &str| {
            Problem::mistake(
                "github-private-key",
                "SHIPLINE_GITHUB_PRIVATE_KEY is not the private key of a GitHub App.",
                "Set SHIPLINE_GITHUB_PRIVATE_KEY (or …_FILE) to the whole .pem file that GitHub gives under \"Private keys\" of the App's settings, from `-----BEGIN` to `-----END`.",
            )
            .because(why)
        };
        let key = octocrab::EncodingKey::from_rsa_pem(pem.as_bytes())
            .map_err(|_| wrong("it is not an RSA key in PEM (PKCS#1 or PKCS#8)"))?;
        let auth = AppAuth { app_id: AppId(app), key };
        auth.generate_bearer_token().map_err(|_| wrong("nothing can be signed with it"))?;
        Ok(Self { auth, limits: Limits::default(), observer })
    }
}

#[async_trait]
impl Principal for AppIdentity {
    async fn bearer(&self) -> Result<SecretString, Problem> {
        let signed = self.auth.generate_bearer_token();
        signed
            .map(SecretString::from)
            .map_err(|_| Problem::defect("github-jwt", "The App's token could not be signed."))
    }

    fn rejected(&self, _bearer: &SecretString) -> Renewal {
        Renewal::Impossible
    }

    async fn admit(&self, request: &Request, deadline: Instant) -> Result<Turn, Problem> {
        self.limits.admit(request, deadline).await
    }

    fn seen(&self, seen: &Seen<'_>) {
        self.limits.seen(seen);
        observe(&self.observer, seen);
    }

    fn next(&self, refusal: Refusal) -> String {
        match refusal {
            Refusal::Unauthorised => {
                "Check that SHIPLINE_GITHUB_APP_ID and SHIPLINE_GITHUB_PRIVATE_KEY belong to one App, and that this machine's clock is right."
            }
            Refusal::Forbidden => "Check in the App's settings on GitHub that it is not suspended.",
            Refusal::NotFound => "Check SHIPLINE_GITHUB_APP_ID and SHIPLINE_GITHUB_API_URL, and that the App is installed.",
        }
        .to_owned()
    }
}

/// The App, installed at one account.
pub(super) struct Installation {
    id: InstallationId,
    app: Connection,
    pub(super) limits: Limits,
    held: Mutex<Option<Held>>,
    /// Held by the one that asks for a token; the last failure, for those who waited meanwhile.
    asking: tokio::sync::Mutex<Option<(Instant, Problem)>>,
    observer: Observer,
}

struct Held {
    token: SecretString,
    until: Instant,
}

#[derive(Deserialize)]
struct Issued {
    token: String,
    expires_at: Timestamp,
}

impl Installation {
    /// An installation. No token is asked for yet.
    pub(super) fn new(id: InstallationId, app: Connection, observer: Observer) -> Self {
        let (held, asking) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { id, app, limits: Limits::default(), held, asking, observer }
    }

    fn held(&self) -> Option<SecretString> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.as_ref().filter(|held| held.until > clock::instant()).map(|held| held.token.clone())
    }

    async fn issue(&self) -> Result<SecretString, Problem> {
        let path = format!("/app/installations/{}/access_tokens", self.id);
        // Two tokens do no harm, and a token is no content.
        let request = Request::new(Method::Post, "give the App a token for this repository's account", path)
            .repeat(Repeat::Harmless)
            .effect(Effect::Reads);
        let asked = clock::instant();
        let answer = self.app.send(&request).await.map_err(|problem| self.withdrawn(problem))?;
        let issued: Issued = answer.read()?;
        let until = asked + lifetime(&answer, issued.expires_at).saturating_sub(MARGIN);
        let token = SecretString::from(issued.token);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(Held { token: token.clone(), until });
        Ok(token)
    }

    /// No such installation, or a suspended one: the account took the right away.
    fn withdrawn(&self, problem: Problem) -> Problem {
        if !matches!(problem.code.as_str(), "github-not-found" | "github-permission") {
            return problem;
        }
        let gone = Problem::provider(
            "github-permission",
            format!(
                "The App is not installed any more where this repository is, or is suspended there (installation {}).",
                self.id
            ),
            "An owner of the account installs the App again, or lifts the suspension, under Settings → GitHub Apps.",
        );
        problem.why.into_iter().fold(gone.because(problem.what), Problem::because)
    }
}

/// How long a token is good, by GitHub's own clock: ours may be wrong.
fn lifetime(answer: &Answer, expires: Timestamp) -> Duration {
    let told = answer.header("date").and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|date| date.timestamp());
    let seconds = expires.as_second() - told.unwrap_or_else(clock::now).as_second();
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

#[async_trait]
impl Principal for Installation {
    async fn bearer(&self) -> Result<SecretString, Problem> {
        if let Some(token) = self.held() {
            return Ok(token);
        }
        let came = clock::instant();
        let mut last = self.asking.lock().await;
        if let Some(token) = self.held() {
            return Ok(token);
        }
        if let Some((_, problem)) = last.as_ref().filter(|(failed, _)| *failed >= came) {
            return Err(problem.clone());
        }
        let issued = self.issue().await;
        *last = issued.as_ref().err().map(|problem| (clock::instant(), problem.clone()));
        issued
    }

    fn rejected(&self, bearer: &SecretString) -> Renewal {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        // Another request may have renewed it meanwhile: then the new one stays.
        if held.as_ref().is_some_and(|held| held.token.expose_secret() == bearer.expose_secret()) {
            *held = None;
        }
        Renewal::Possible
    }

    async fn admit(&self, request: &Request, deadline: Instant) -> Result<Turn, Problem> {
        self.limits.admit(request, deadline).await
    }

    fn seen(&self, seen: &Seen<'_>) {
        self.limits.seen(seen);
        observe(&self.observer, seen);
    }

    fn next(&self, refusal: Refusal) -> String {
        match refusal {
            Refusal::Unauthorised => "GitHub rejects a token it gave a moment ago: try again, and look at https://www.githubstatus.com.",
            Refusal::Forbidden => {
                "An owner accepts the App's permissions under Settings → GitHub Apps of the account; `shipline-bot doctor` says which are missing."
            }
            Refusal::NotFound => "Check that it exists, and that the App is installed on this repository.",
        }
        .to_owned()
    }
}

fn observe(observer: &Observer, seen: &Seen<'_>) {
    if let Some(observer) = observer.get() {
        observer(seen.doing, seen.status);
    }
}
