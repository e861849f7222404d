//! Requests to GitHub's REST and GraphQL APIs, of one that speaks.
//!
//! The connection is made with the first request. What a request may cost in time is bounded: ten
//! seconds an answer, and at most [`PATIENCE`] for limits and repeated tries together.
//!
//! Invariants: the bearer is only sent to the origin of the API; what may be done twice is repeated
//! only if GitHub said that it did not do it.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use octocrab::Octocrab;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, USER_AGENT};
use secrecy::{ExposeSecret as _, SecretString};

use super::pause::sleep_before;
use super::principal::{Principal, Renewal, Seen};
use super::refused::{Failed, limited_for, refused, said};
use super::request::{Answer, Method, Place, Request, header};
use crate::engine::clock;
use crate::problem::Problem;

/// How long one request may take with all its repetitions.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The version of the API that is asked for.
pub const API_VERSION: &str = "2022-11-28";

/// How often a moved repository is followed.
const MOVES: u8 = 3;

const VERSION: HeaderName = HeaderName::from_static("x-github-api-version");

/// A way to GitHub's API, and somebody who speaks. Clones share the way.
#[derive(Clone)]
pub struct Connection {
    way: Arc<Way>,
    principal: Arc<dyn Principal>,
}

/// The way to the API.
struct Way {
    api: String,
    open: OnceLock<Open>,
}

/// What came back, before it is judged.
struct Raw {
    status: u16,
    headers: HeaderMap,
    body: octocrab::Result<String>,
}

struct Open {
    octocrab: Octocrab,
    origin: String,
    /// Path of the REST API: empty, or `/api/v3` on an Enterprise Server.
    prefix: String,
}

impl Connection {
    /// For `api` (`https://api.github.com`, or `https://<host>/api/v3`). No request is made.
    pub fn new(api: &str, principal: Arc<dyn Principal>) -> Self {
        let way = Way { api: api.trim_end_matches('/').to_owned(), open: OnceLock::new() };
        Self { way: Arc::new(way), principal }
    }

    /// For a client that was built already. It must know the origin of `api` as its base, and no
    /// credentials: those are the principal's.
    pub fn over(octocrab: Octocrab, api: &str, principal: Arc<dyn Principal>) -> Result<Self, Problem> {
        let made = Self::new(api, principal);
        let (origin, prefix) = made.way.parts()?;
        let _first = made.way.open.set(Open { octocrab, origin, prefix });
        Ok(made)
    }

    /// The same way for somebody else.
    #[must_use]
    pub fn of(&self, principal: Arc<dyn Principal>) -> Self {
        Self { way: Arc::clone(&self.way), principal }
    }

    /// The address of the API.
    pub fn api(&self) -> &str {
        &self.way.api
    }

    /// Whether the address can be one.
    pub fn check(&self) -> Result<(), Problem> {
        self.way.parts().map(|_| ())
    }

    /// Sends a request and repeats it within its patience.
    pub async fn send(&self, request: &Request) -> Result<Answer, Problem> {
        let open = self.way.open()?;
        let deadline = clock::instant() + PATIENCE;
        let mut pause = Duration::from_millis(300);
        let mut path = open.path(&request.place);
        let (mut renewed, mut moves) = (false, 0);
        loop {
            let bearer = self.principal.bearer().await?;
            let outcome = {
                let _turn = self.principal.admit(request, deadline).await?;
                self.attempt(open, request, &path, &bearer).await
            };
            let (wait, problem) = match outcome {
                Ok(answer) => match open.moved(request, &answer).filter(|_| moves < MOVES) {
                    None => return self.judged(request, answer),
                    Some(to) => {
                        (path, moves) = (to, moves + 1);
                        continue;
                    }
                },
                Err(Failed::Unauthorised(problem)) => {
                    if renewed || self.principal.rejected(&bearer) == Renewal::Impossible {
                        return Err(*problem);
                    }
                    renewed = true;
                    continue;
                }
                Err(Failed::Refused(problem)) => return Err(*problem),
                Err(Failed::Unclear(problem)) if !request.may_repeat() => return Err(*problem),
                Err(Failed::Unclear(problem)) => (pause, problem),
                Err(Failed::Limited(asked, problem)) => (asked, problem),
            };
            if !sleep_before(deadline, wait).await {
                return Err(*problem);
            }
            pause *= 2;
        }
    }

    /// The items of all pages, one after another, while `take` wants the next page. A page is at most
    /// ten seconds, their number is bounded by `take` and by `Pages::MOST`.
    pub async fn pages<T>(
        &self,
        request: &Request,
        mut take: impl FnMut(&Answer) -> Result<Pages<T>, Problem>,
    ) -> Result<Option<T>, Problem> {
        let mut request = request.clone();
        for _ in 0..Pages::<T>::MOST {
            let answer = self.send(&request).await?;
            match take(&answer)? {
                Pages::Found(found) => return Ok(Some(found)),
                Pages::Enough => return Ok(None),
                Pages::More => {}
            }
            let Some(next) = answer.next_page() else { return Ok(None) };
            request = self.following(&request, next)?;
        }
        Err(Problem::provider(
            "github-answer",
            format!("GitHub did not {}: it has more than {} pages.", request.doing, Pages::<T>::MOST),
            "Remove what is not needed any more there; so many are not read.",
        ))
    }

    /// The same request for the next page, at an address that GitHub gave.
    pub fn following(&self, request: &Request, next: &str) -> Result<Request, Problem> {
        let path = self.way.open()?.below(next).ok_or_else(|| astray(&request.doing))?;
        let mut request = request.clone();
        (request.place, request.unless) = (Place::Rest(path), None);
        Ok(request)
    }

    /// A status that nobody accepts is judged here, so that a redirect is followed first.
    fn judged(&self, request: &Request, answer: Answer) -> Result<Answer, Problem> {
        if (200..300).contains(&answer.status) || request.accepts.contains(&answer.status) {
            return Ok(answer);
        }
        match self.refusal(request, answer.status, &answer.headers, &answer.body) {
            Failed::Limited(_, problem)
            | Failed::Unclear(problem)
            | Failed::Unauthorised(problem)
            | Failed::Refused(problem) => Err(*problem),
        }
    }

    fn refusal(&self, request: &Request, status: u16, headers: &HeaderMap, body: &str) -> Failed {
        refused(&request.doing, status, headers, body, clock::now(), |refusal| self.principal.next(refusal))
    }

    async fn attempt(
        &self,
        open: &Open,
        request: &Request,
        path: &str,
        bearer: &SecretString,
    ) -> Result<Answer, Failed> {
        let unreachable = |error: &octocrab::Error| {
            self.principal.seen(&Seen {
                doing: &request.doing,
                status: 0,
                resource: None,
                remaining: None,
                reset: None,
                limited: None,
            });
            Failed::Unclear(Box::new(
                Problem::provider(
                    "unavailable",
                    format!("GitHub could not be reached to {}.", request.doing),
                    "Check the network and https://www.githubstatus.com.",
                )
                .because(kind_of(error)),
            ))
        };
        let Raw { status, headers, body } =
            open.call(request, path, bearer).await.map_err(|error| unreachable(&error))?;
        let good = (200..300).contains(&status);
        // Half a body is as good as no answer; what an error says is only for people.
        let body = match body {
            Ok(body) => body,
            Err(error) if good => return Err(unreachable(&error)),
            Err(_) => String::new(),
        };
        let limited = if good { None } else { limited_for(status, &headers, &said(&body), clock::now()) };
        let number = |name| header(&headers, name).and_then(|text| text.parse::<u64>().ok());
        self.principal.seen(&Seen {
            doing: &request.doing,
            status,
            resource: header(&headers, "x-ratelimit-resource"),
            remaining: number("x-ratelimit-remaining"),
            reset: number("x-ratelimit-reset").and_then(|reset| i64::try_from(reset).ok()),
            limited,
        });
        if good || limited.is_none() && request.accepts.contains(&status) || (300..400).contains(&status) {
            Ok(Answer { doing: request.doing.clone(), status, headers, body })
        } else {
            Err(self.refusal(request, status, &headers, &body))
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("api", &self.way.api).finish_non_exhaustive()
    }
}

/// What to do after a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pages<T> {
    /// This is what was looked for.
    Found(T),
    /// The rest does not matter.
    Enough,
    /// The next one, if there is one.
    More,
}

impl<T> Pages<T> {
    /// More pages than this are a mistake of somebody.
    const MOST: u32 = 100;
}

impl Way {
    /// Origin and path of the REST API.
    fn parts(&self) -> Result<(String, String), Problem> {
        let url = Url::parse(&self.api).map_err(|error| self.unusable(&error.to_string()))?;
        let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() || !plain {
            return Err(self.unusable("not the address of an API"));
        }
        Ok((url.origin().ascii_serialization(), url.path().trim_end_matches('/').to_owned()))
    }

    fn unusable(&self, why: &str) -> Problem {
        Problem::mistake(
            "github-client",
            format!("GitHub cannot be reached at {:?}: {why}", self.api),
            "Check GITHUB_API_URL (https://api.github.com, or https://<host>/api/v3).",
        )
    }

    fn open(&self) -> Result<&Open, Problem> {
        if let Some(open) = self.open.get() {
            return Ok(open);
        }
        let (origin, prefix) = self.parts()?;
        let defect = |error: octocrab::Error| self.unusable(&kind_of(&error));
        // The origin alone is the base: the library would put a path before GraphQL's, too.
        let octocrab = Octocrab::builder()
            .base_uri(origin.clone())
            .map_err(defect)?
            .upload_uri(origin.clone())
            .map_err(defect)?
            .add_header(USER_AGENT, "shipline".to_owned())
            .set_connect_timeout(Some(Duration::from_secs(5)))
            .set_read_timeout(Some(Duration::from_secs(10)))
            .set_write_timeout(Some(Duration::from_secs(10)))
            .build()
            .map_err(defect)?;
        Ok(self.open.get_or_init(|| Open { octocrab, origin, prefix }))
    }
}

impl Open {
    /// The path from the origin.
    fn path(&self, place: &Place) -> String {
        match place {
            Place::Rest(path) => format!("{}{path}", self.prefix),
            // `/api/v3` and `/api/graphql` on an Enterprise Server.
            Place::Graphql => format!("{}/graphql", self.prefix.strip_suffix("/v3").unwrap_or(&self.prefix)),
        }
    }

    /// The path below the API of an address that GitHub gave; nothing for one that leads elsewhere.
    fn below(&self, address: &str) -> Option<String> {
        let url = Url::parse(&self.origin).ok()?.join(address).ok()?;
        let path = url.path().strip_prefix(&self.prefix)?;
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        (url.origin().ascii_serialization() == self.origin && path.starts_with('/')).then(|| format!("{path}{query}"))
    }

    /// Where GitHub sends us instead: a renamed repository. 301 and 302 say so for reading only.
    fn moved(&self, request: &Request, answer: &Answer) -> Option<String> {
        let follows = match answer.status {
            301 | 302 => request.method == Method::Get,
            307 | 308 => true,
            _ => false,
        };
        let to = answer.header("location").filter(|_| follows)?;
        Some(format!("{}{}", self.prefix, self.below(to)?))
    }

    async fn call(&self, request: &Request, path: &str, bearer: &SecretString) -> octocrab::Result<Raw> {
        #[expect(clippy::default_trait_access, reason = "the builder's type is not ours to name")]
        let mut raw = self.octocrab.build_request(Default::default(), request.body.as_ref())?;
        *raw.method_mut() = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Patch => reqwest::Method::PATCH,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        // Paths are made of checked names and encoded queries. One that is none leads to a 404, not on.
        *raw.uri_mut() = path.parse().unwrap_or_default();
        let headers = raw.headers_mut();
        headers.insert(VERSION, HeaderValue::from_static(API_VERSION));
        // A token with line ends in it is none: GitHub answers 401.
        if let Ok(mut value) = HeaderValue::try_from(format!("Bearer {}", bearer.expose_secret())) {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        if let Some(value) = request.unless.as_ref().and_then(|etag| HeaderValue::try_from(etag).ok()) {
            headers.insert(IF_NONE_MATCH, value);
        }
        let answer = self.octocrab.execute(raw).await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Ok(Raw { status, headers, body: self.octocrab.body_to_string(answer).await })
    }
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

fn astray(doing: &str) -> Problem {
    Problem::provider(
        "github-answer",
        format!("GitHub did not {doing}: its next page is at an address that is not the API's."),
        "Check GITHUB_API_URL: it must be the address that GitHub itself uses in its answers.",
    )
}
