//! What tests hold: GitHub in sentences.

mod repository;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::acts::act;
use super::hooks::Delivered;
use crate::server::Shared;
use crate::state::now;
pub use repository::{Comment, Pull, RepositoryWorld, Run};

/// A simulated GitHub. Cheap to clone; lives as long as the server answers.
#[derive(Debug, Clone)]
pub struct GitHubWorld {
    shared: Shared,
}

/// How an App is made; see [`GitHubWorld::app`].
#[derive(Debug, Clone, Default, Serialize)]
pub struct AppSeed {
    /// `shipline`; its slug is made from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where webhooks go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// `webhook-secret`; none when empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Where it is installed: `acme`; nowhere when empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Instead of what the bot needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<BTreeMap<String, String>>,
    /// Instead of what the bot needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<String>>,
}

/// An App, with what its owner knows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct App {
    /// Its id.
    pub id: u64,
    /// `shipline`.
    pub slug: String,
    /// The other thing `iss` may say.
    pub client_id: String,
    /// The private key, as GitHub hands it out (PKCS #1).
    pub pem: String,
    /// The webhook secret.
    pub secret: Option<String>,
    /// Where it is installed, if anywhere.
    pub installation: Option<u64>,
}

impl GitHubWorld {
    pub(crate) const fn of(shared: Shared) -> Self {
        Self { shared }
    }

    /// Any act of `POST /_sim/github/<name>`.
    ///
    /// # Errors
    ///
    /// What is wrong with it; nothing was changed then.
    pub fn try_act(&self, name: &str, body: &Value) -> Result<Value, String> {
        let mut world = self.shared.lock();
        world.advance(now());
        act(&mut world.github, name, body, now())
    }

    /// The same, for acts that cannot be wrong.
    ///
    /// # Panics
    ///
    /// When the act is refused: a mistake of the test.
    pub fn act(&self, name: &str, body: &Value) -> Value {
        self.try_act(name, body).unwrap_or_else(|why| unreachable!("{name} is refused: {why}"))
    }

    pub(super) fn told<T: DeserializeOwned>(&self, name: &str, body: &Value) -> T {
        let told = self.act(name, body);
        serde_json::from_value(told).unwrap_or_else(|why| unreachable!("{name} answers something else: {why}"))
    }

    /// Makes an App and installs it at `acme` for all repositories.
    pub fn app(&self, seed: &AppSeed) -> App {
        self.told("app", &json!(seed))
    }

    /// A repository; made (private, `main`, one commit) when it is new.
    #[must_use]
    pub fn repository(&self, name: &str) -> RepositoryWorld {
        self.act("repository", &json!({"repository": name}));
        RepositoryWorld::of(self.clone(), name)
    }

    /// The same for one that everybody can read.
    #[must_use]
    pub fn public_repository(&self, name: &str) -> RepositoryWorld {
        self.act("repository", &json!({"repository": name, "visibility": "public"}));
        RepositoryWorld::of(self.clone(), name)
    }

    /// A team of `acme` with exactly these (active) members.
    pub fn team(&self, slug: &str, members: &[&str]) -> &Self {
        let members: BTreeMap<&str, &str> = members.iter().map(|login| (*login, "active")).collect();
        self.act("team", &json!({"slug": slug, "members": members}));
        self
    }

    /// Gives an account another login; the old one is free.
    pub fn rename(&self, from: &str, to: &str) -> &Self {
        self.act("rename", &json!({"from": from, "to": to}));
        self
    }

    /// Webhooks go there from now on.
    pub fn webhook_to(&self, url: &str) -> &Self {
        self.act("webhook", &json!({"url": url}));
        self
    }

    /// Webhooks are signed with that from now on.
    pub fn webhook_secret(&self, secret: &str) -> &Self {
        self.act("webhook", &json!({"secret": secret}));
        self
    }

    /// Takes a permission from the installation, at once.
    pub fn withdraw(&self, permission: &str) -> &Self {
        self.act("withdraw", &json!({"permission": permission}));
        self
    }

    /// Ends all tokens that were given out.
    pub fn expire_tokens(&self) -> &Self {
        self.act("expire-tokens", &json!({}));
        self
    }

    /// Moves the model's clock.
    pub fn advance(&self, by: Duration) -> &Self {
        self.act("advance", &json!({"ms": u64::try_from(by.as_millis()).unwrap_or(0)}));
        self
    }

    /// The API shows new heads only after that long.
    pub fn heads_visible_after(&self, lag: Duration) -> &Self {
        self.act("head-lag", &json!({"ms": u64::try_from(lag.as_millis()).unwrap_or(0)}));
        self
    }

    /// So many requests are left, until that long from now.
    pub fn leave_requests(&self, remaining: u64, reset: Duration) -> &Self {
        let reset = u64::try_from(reset.as_millis()).unwrap_or(0);
        self.act("limit", &json!({"remaining": remaining, "reset_ms": reset}));
        self
    }

    /// Webhooks wait from now on.
    pub fn hold_deliveries(&self) -> &Self {
        self.act("hold", &json!({}));
        self
    }

    /// They go out, in the order they came.
    pub fn release_deliveries(&self) -> &Self {
        self.act("release", &json!({}));
        self
    }

    /// They go out, the newest first.
    pub fn release_deliveries_reversed(&self) -> &Self {
        self.act("release", &json!({"order": "reversed"}));
        self
    }

    /// The next ones fail; GitHub remembers them.
    pub fn fail_deliveries(&self, count: u64) -> &Self {
        self.act("lose", &json!({"count": count, "how": "failed"}));
        self
    }

    /// The newest delivery of an event once more, so many times.
    pub fn duplicate(&self, guid: &str, times: u64) -> &Self {
        self.act("duplicate", &json!({"guid": guid, "times": times}));
        self
    }

    /// The same bytes with a new id; answers that id.
    pub fn resend(&self, guid: &str) -> String {
        self.act("resend", &json!({"guid": guid}))["guid"].as_str().unwrap_or_default().to_owned()
    }

    /// Every attempt of a webhook, oldest first.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivered> {
        self.shared.lock().github.hooks.attempts.iter().map(super::hooks::Attempt::seen).collect()
    }

    /// Whether every webhook was sent.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.shared.lock().github.hooks.is_quiet()
    }

    /// Waits until every webhook was sent.
    pub async fn delivered(&self) {
        while !self.is_quiet() {
            pause().await;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "tests look until it is so")]
async fn pause() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}
