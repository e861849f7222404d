//! One repository of GitHub over its REST API.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::connection::Connection;
use super::principal::Token;
use super::request::{Answer, Method, Request};
use crate::problem::Problem;
use crate::redact::Redactor;
use crate::types::text_form;

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
    connection: Connection,
    repository: Repository,
    redactor: Option<Redactor>,
}

impl Client {
    /// A client for `api` (`https://api.github.com`, or `GITHUB_API_URL`) and one repository. No
    /// request is made.
    pub fn new(api: &str, repository: Repository, token: SecretString) -> Self {
        Self::over(Connection::new(api, Arc::new(Token::new(token))), repository)
    }

    /// One repository over a connection that others use, too.
    pub fn over(connection: Connection, repository: Repository) -> Self {
        Self { connection, repository, redactor: None }
    }

    /// Hides secrets in what is written for people.
    #[must_use]
    pub fn with_redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = Some(redactor);
        self
    }

    /// The repository it speaks about.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The connection it speaks over.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The branch that `latest` and policies belong to.
    pub async fn default_branch(&self) -> Result<String, Problem> {
        #[derive(serde::Deserialize)]
        struct Answer {
            default_branch: String,
        }
        let answer: Answer = self.read("read the repository", "").await?;
        Ok(answer.default_branch)
    }

    /// A path below the repository's.
    pub fn path(&self, below: &str) -> String {
        format!("/repos/{}{below}", self.repository)
    }

    /// Reads a path below the repository's. `doing` says what for, in words.
    pub(super) async fn read<T: DeserializeOwned>(&self, doing: &str, below: &str) -> Result<T, Problem> {
        self.connection.send(&Request::get(doing, self.path(below))).await?.read()
    }

    /// Adds something below a path of the repository's.
    pub(super) async fn add(&self, doing: &str, below: &str, body: Value) -> Result<Answer, Problem> {
        self.connection.send(&Request::new(Method::Post, doing, self.path(below)).body(body)).await
    }

    /// Text for people, without secrets.
    pub(super) fn clean(&self, text: &str) -> String {
        self.redactor.as_ref().map_or_else(|| text.to_owned(), |redactor| redactor.clean(text))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("api", &self.connection.api())
            .field("repository", &self.repository)
            .finish_non_exhaustive()
    }
}

/// A value as JSON; our own request shapes always can be.
pub(super) fn json(value: impl Serialize) -> Value {
    serde_json::to_value(value).expect("requests are plain structures with text keys")
}

/// Text for a URL's query.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut url = reqwest::Url::parse("http://x").expect("a constant address is one");
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().unwrap_or_default().to_owned()
}

/// Text for a URL's path: what stands between slashes is encoded, the slashes stay. Nothing for a
/// path that leads up, or through nothing.
pub fn encoded_path(path: &str) -> Option<String> {
    let good = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    let mut url = reqwest::Url::parse("http://x").expect("a constant address is one");
    url.path_segments_mut().ok()?.extend(path.split('/'));
    good.then(|| url.path().trim_start_matches('/').to_owned())
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
    fn a_path_is_encoded_and_never_leads_up() {
        assert_eq!(encoded_path("deploy/task def#1.json").as_deref(), Some("deploy/task%20def%231.json"));
        assert_eq!(encoded_path("feature/a?b%2e").as_deref(), Some("feature/a%3Fb%252e"));
        for bad in ["", "/etc/passwd", "a/../b", "a//b", "./a", "a/"] {
            assert_eq!(encoded_path(bad), None, "{bad:?} was accepted");
        }
    }
}
