//! What GitHub is asked to make: the App's manifest, and where the browser takes it. Pure.

use serde_json::{Map, Value, json};
use shipline::problem::Problem;

use super::SetupArgs;
use crate::requirements::{EVENTS, PERMISSIONS};

/// Where webhooks arrive, below the bot's own address.
const WEBHOOKS: &str = "/webhooks/github";
/// GitHub's limit for an App's name.
const LONGEST_NAME: usize = 34;

/// Where the App is made, and for what.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) organization: Option<String>,
    pub(super) public_url: String,
    pub(super) server_url: String,
    pub(super) api_url: String,
}

impl Place {
    /// Checks what was given.
    pub(super) fn of(args: &SetupArgs) -> Result<Self, Problem> {
        let organization = args.organization.clone();
        if let Some(login) = organization.as_deref().filter(|login| !is_login(login)) {
            let what = format!("--organization is {login:?}, which is not a login.");
            return Err(Problem::mistake("organization", what, "Write it as GitHub shows it: acme."));
        }
        let name = args.name.clone().unwrap_or_else(|| match &organization {
            Some(login) => format!("shipline-{login}").chars().take(LONGEST_NAME).collect(),
            None => "shipline".to_owned(),
        });
        if name.trim().is_empty() || name.chars().count() > LONGEST_NAME {
            let what = format!("--name is {name:?}, but a name has 1 to {LONGEST_NAME} characters.");
            return Err(Problem::mistake("name", what, "Choose another one."));
        }
        let public_url = address("--public-url", &args.public_url)?;
        let server_url = address("--server-url", &args.server_url)?;
        let api_url = match &args.api_url {
            Some(given) => address("--api-url", given)?,
            None => api_of(&server_url),
        };
        Ok(Self { name, organization, public_url, server_url, api_url })
    }

    /// Whether GitHub's API is where everybody finds it.
    pub(super) fn is_usual(&self) -> bool {
        self.api_url == "https://api.github.com"
    }

    /// Where the form with the manifest goes.
    pub(super) fn form(&self, state: &str) -> String {
        let owner = self.organization.as_ref().map(|login| format!("/organizations/{login}")).unwrap_or_default();
        format!("{}{owner}/settings/apps/new?state={state}", self.server_url)
    }

    /// Where GitHub sends webhooks.
    pub(super) fn hook(&self) -> String {
        format!("{}{WEBHOOKS}", self.public_url)
    }

    /// What the App shall be.
    pub(super) fn manifest(&self, redirect: &str) -> Value {
        let permissions: Map<String, Value> =
            PERMISSIONS.iter().map(|permission| (permission.key.to_owned(), permission.level.word().into())).collect();
        let events: Vec<&str> = EVENTS.iter().map(|event| event.key).collect();
        json!({
            "name": self.name,
            "url": self.public_url,
            "description": "Deploys, rollbacks and locks from pull-request comments.",
            "hook_attributes": { "url": self.hook(), "active": true },
            "redirect_url": redirect,
            "public": false,
            "default_permissions": permissions,
            "default_events": events,
        })
    }
}

/// The API of a server.
fn api_of(server: &str) -> String {
    match server.split_once("://") {
        Some((scheme, host)) if host == "github.com" || host.ends_with(".ghe.com") => format!("{scheme}://api.{host}"),
        _ => format!("{server}/api/v3"),
    }
}

fn is_login(text: &str) -> bool {
    !text.is_empty() && text.len() <= 39 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// An address of the web without user, parameters and slash at its end.
fn address(option: &str, text: &str) -> Result<String, Problem> {
    let wrong = || {
        let what = format!("{option} is {text:?}, which is not an address of the web.");
        Problem::mistake("address", what, "Write it like https://deploy.example.com, without user and parameters.")
    };
    let text_without = text.trim().trim_end_matches('/');
    let uri: axum::http::Uri = text_without.parse().map_err(|_| wrong())?;
    let good = matches!(uri.scheme_str(), Some("https" | "http"))
        && uri.host().is_some_and(|host| !host.is_empty())
        && uri.query().is_none()
        && !text_without.contains(['@', '#', '"', '\'', '<', '>']);
    if good { Ok(text_without.to_owned()) } else { Err(wrong()) }
}
