//! A request to GitHub, and its answer: plain data.

use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::problem::Problem;

/// What is done to what a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Read it.
    Get,
    /// Add to it.
    Post,
    /// Change it.
    Patch,
    /// Set it.
    Put,
    /// Take it away.
    Delete,
}

/// What happens if a request whose fate is unclear is sent once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Nothing that had not happened anyway.
    Harmless,
    /// It may be done twice, so it is not sent again.
    Never,
}

/// Whether a request counts against the limits on making and changing content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It only reads.
    Reads,
    /// It makes or changes something that people see.
    Writes,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A path of the REST API: `/repos/acme/shop`.
    Rest(String),
    /// The one address of GraphQL.
    Graphql,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) doing: String,
    pub(super) method: Method,
    pub(super) place: Place,
    pub(super) body: Option<Value>,
    pub(super) unless: Option<String>,
    pub(super) accepts: Vec<u16>,
    repeat: Repeat,
    effect: Effect,
}

impl Request {
    /// A request to a path of the REST API. `doing` says what for, in words that follow "GitHub did
    /// not …". A POST is taken to add something each time, everything else to be repeatable.
    pub fn new(method: Method, doing: impl Into<String>, path: impl Into<String>) -> Self {
        Self {
            doing: doing.into(),
            method,
            place: Place::Rest(path.into()),
            body: None,
            unless: None,
            accepts: Vec::new(),
            repeat: if method == Method::Post { Repeat::Never } else { Repeat::Harmless },
            effect: if method == Method::Get { Effect::Reads } else { Effect::Writes },
        }
    }

    /// Reads a path of the REST API.
    pub fn get(doing: impl Into<String>, path: impl Into<String>) -> Self {
        Self::new(Method::Get, doing, path)
    }

    /// Asks GraphQL. A query, so it may be repeated; for a mutation say what it does.
    pub fn graphql(doing: impl Into<String>, query: &str, variables: &Value) -> Self {
        let mut request = Self::new(Method::Post, doing, "").repeat(Repeat::Harmless).effect(Effect::Reads);
        request.place = Place::Graphql;
        request.body(json!({ "query": query, "variables": variables }))
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Answers with this status are answers, not failures.
    #[must_use]
    pub fn accepting(mut self, statuses: &[u16]) -> Self {
        self.accepts.extend(statuses);
        self
    }

    /// Says what a repetition does.
    #[must_use]
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// Says what it does.
    #[must_use]
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effect = effect;
        self
    }

    /// Only if what is there is not this version: else the answer is an empty one with status 304.
    #[must_use]
    pub fn unless(mut self, etag: impl Into<String>) -> Self {
        self.unless = Some(etag.into());
        self.accepting(&[304])
    }

    /// What for.
    pub fn doing(&self) -> &str {
        &self.doing
    }

    /// What it does.
    pub fn does(&self) -> Effect {
        self.effect
    }

    /// Which of GitHub's hourly limits it counts against, as GitHub calls it.
    pub fn resource(&self) -> &'static str {
        match self.place {
            Place::Rest(_) => "core",
            Place::Graphql => "graphql",
        }
    }

    pub(super) fn may_repeat(&self) -> bool {
        self.repeat == Repeat::Harmless
    }
}

/// What GitHub answered: a status below 300, or one the request accepts.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(super) doing: String,
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Answer {
    /// Its status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Its body as it came.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// Its body, understood.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        read(&self.doing, &self.body)
    }

    /// The address of the next page, if there is one.
    pub fn next_page(&self) -> Option<&str> {
        self.header("link")?.split(',').find_map(|link| {
            let (address, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
            rest.split(';').any(|part| matches!(part.trim(), r#"rel="next""# | "rel=next")).then_some(address)
        })
    }
}

/// A body that should be JSON of a known shape.
pub fn read<T: DeserializeOwned>(doing: &str, body: &str) -> Result<T, Problem> {
    serde_json::from_str(body).map_err(|error| {
        Problem::provider(
            "github-answer",
            format!("GitHub's answer could not be understood when asked to {doing}: {error}"),
            "Check GITHUB_API_URL: what answers there is not GitHub's REST API, version 2022-11-28.",
        )
    })
}

pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_link(link: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("link", link.parse().unwrap());
        Answer { doing: "x".to_owned(), status: 200, headers, body: String::new() }
    }

    #[test]
    fn the_next_page_is_the_one_the_link_header_calls_next() {
        let link = r#"<https://api.github.com/x?page=1>; rel="prev", <https://api.github.com/x?page=3&a=b>; rel="next", <https://api.github.com/x?page=9>; rel="last""#;
        assert_eq!(with_link(link).next_page(), Some("https://api.github.com/x?page=3&a=b"));
        assert_eq!(with_link(r#"<https://api.github.com/x?page=1>; rel="first""#).next_page(), None);
        assert_eq!(with_link("nonsense").next_page(), None);
    }
}
