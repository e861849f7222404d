//! What `doctor` looks at: what GitHub knows of the App, its clock, where its webhooks go.

use serde::Deserialize;
use serde_json::{Map, Value};
use shipline::github::Request;
use shipline::problem::Problem;
use shipline::types::Timestamp;

use super::{App, Identity};

/// The answer to "who am I?".
#[derive(Debug, Clone)]
pub struct Examined {
    /// The time on GitHub's clock.
    pub clock: Option<Timestamp>,
    /// The App; else the status that GitHub refused with.
    pub app: Result<Known, u16>,
}

/// An App that GitHub knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: u64,
    /// Name, permissions, events.
    pub identity: Identity,
    /// Its page.
    pub page: String,
}

/// Where GitHub sends the App's webhooks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HookConfig {
    /// The address.
    pub url: Option<String>,
    /// `json` or `form`.
    pub content_type: Option<String>,
    /// `0` when certificates are checked; a number or a text.
    #[serde(default)]
    pub insecure_ssl: Value,
    /// Stars when there is one.
    pub secret: Option<String>,
}

#[derive(Deserialize)]
struct AppAnswer {
    id: u64,
    name: String,
    slug: String,
    html_url: String,
    #[serde(default)]
    permissions: Map<String, Value>,
    #[serde(default)]
    events: Vec<String>,
}

impl App {
    /// Asks GitHub who we are. That it does not know us is an answer, too: its clock may say why.
    pub async fn examine(&self) -> Result<Examined, Problem> {
        let request = Request::get("tell who the App is", "/app").accepting(&[401, 403, 404]);
        let answer = self.connection.send(&request).await?;
        let clock = answer.header("date").and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        let clock = clock.map(|date| date.timestamp());
        if answer.status() != 200 {
            return Ok(Examined { clock, app: Err(answer.status()) });
        }
        let AppAnswer { id, name, slug, html_url, permissions, events } = answer.read()?;
        let level = |(name, level): (String, Value)| (name, level.as_str().unwrap_or_default().to_owned());
        let permissions = permissions.into_iter().map(level).collect();
        let identity = Identity { name, slug, permissions, events };
        Ok(Examined { clock, app: Ok(Known { id, identity, page: html_url }) })
    }

    /// Where GitHub sends the App's webhooks; nothing for an App without one.
    pub async fn hook_config(&self) -> Result<Option<HookConfig>, Problem> {
        let request = Request::get("tell where the App's webhooks go", "/app/hook/config").accepting(&[404]);
        let answer = self.connection.send(&request).await?;
        if answer.status() == 404 { Ok(None) } else { answer.read().map(Some) }
    }
}
