//! The App itself: who it is, where it is installed, and the way to its repositories.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use secrecy::SecretString;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shipline::github::{Client, Connection, Pages, Request};
use shipline::problem::Problem;
use shipline::redact::Redactor;
use tokio::sync::OnceCell;

use super::etags::Etags;
use super::identity::{AppIdentity, Installation, Observer};
use super::{Budget, Hub, Identity};
use crate::types::{InstallationId, RepositoryRef};

/// The App. Clones share tokens, limits and what is remembered.
#[derive(Clone)]
pub struct App {
    pub(super) id: u64,
    pub(super) connection: Connection,
    pub(super) shared: Arc<Shared>,
    pub(super) redactor: Redactor,
}

/// What all clones share.
pub(super) struct Shared {
    identity: Arc<AppIdentity>,
    installations: Mutex<HashMap<InstallationId, Arc<Installation>>>,
    pub(super) etags: Etags,
    /// Who we are; does not change while we run.
    known: OnceCell<Identity>,
    observer: Observer,
}

#[derive(Deserialize)]
struct AppAnswer {
    name: String,
    slug: String,
    #[serde(default)]
    permissions: serde_json::Map<String, Value>,
    #[serde(default)]
    events: Vec<String>,
}

#[derive(Deserialize)]
struct InstallationAnswer {
    id: u64,
    account: Option<Account>,
    #[serde(default)]
    permissions: serde_json::Map<String, Value>,
}

/// A user or organisation has a login, an enterprise a slug.
#[derive(Deserialize)]
struct Account {
    login: Option<String>,
    slug: Option<String>,
}

impl App {
    /// For `api` (`https://api.github.com`, or `https://<host>/api/v3`), an App id and its private key
    /// in PEM. No request is made.
    pub fn new(api: &str, app: u64, key: &SecretString) -> Result<Self, Problem> {
        let observer: Observer = Arc::new(OnceLock::new());
        let identity = Arc::new(AppIdentity::new(app, key, Arc::clone(&observer))?);
        let connection = Connection::new(api, Arc::clone(&identity) as _);
        connection.check().map_err(|problem| {
            let next = "Set SHIPLINE_GITHUB_API_URL to https://api.github.com, or to https://<host>/api/v3.";
            Problem { next: next.to_owned(), ..problem }
        })?;
        let shared = Shared {
            identity,
            installations: Mutex::default(),
            etags: Etags::default(),
            known: OnceCell::new(),
            observer,
        };
        Ok(Self { id: app, connection, shared: Arc::new(shared), redactor: Redactor::new() })
    }

    /// Hides these secrets in everything that is written.
    #[must_use]
    pub fn with_redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// Tells of every request what it was for and which status came back, 0 for none. The first
    /// observer stays.
    #[must_use]
    pub fn with_observer(self, observer: impl Fn(&str, u16) + Send + Sync + 'static) -> Self {
        let _first = self.shared.observer.set(Box::new(observer));
        self
    }

    /// A repository.
    pub fn hub(&self, repository: &RepositoryRef) -> Hub {
        let connection = self.connection.of(self.installation(repository.installation) as _);
        let client = Client::over(connection, repository.name.clone()).with_redactor(self.redactor.clone());
        Hub::new(self.clone(), repository.clone(), client)
    }

    /// Who we are.
    pub async fn identity(&self) -> Result<Identity, Problem> {
        let answer: AppAnswer = self.connection.send(&Request::get("tell who the App is", "/app")).await?.read()?;
        let AppAnswer { name, slug, permissions, events } = answer;
        Ok(Identity { name, slug, permissions: levels(permissions), events })
    }

    /// The login of our own comments.
    pub(super) async fn bot_login(&self) -> Result<String, Problem> {
        let known = self.shared.known.get_or_try_init(|| self.identity()).await?;
        Ok(format!("{}[bot]", known.slug))
    }

    /// Where the App is installed: installation, account, permissions it has there.
    pub async fn installations(&self) -> Result<Vec<(InstallationId, String, Vec<(String, String)>)>, Problem> {
        let request = Request::get("list where the App is installed", "/app/installations?per_page=100");
        let found: Vec<InstallationAnswer> = all(&self.connection, &request, |page: Vec<_>| page).await?;
        Ok(found
            .into_iter()
            .map(|found| {
                let account = found.account.and_then(|account| account.login.or(account.slug)).unwrap_or_default();
                (InstallationId::new(found.id), account, levels(found.permissions))
            })
            .collect())
    }

    /// What is left of the limits, as the last answers said: the scarcest of all that are not over.
    pub fn budget(&self) -> Option<Budget> {
        let installations = self.shared.installations.lock().unwrap_or_else(PoisonError::into_inner);
        let theirs = installations.values().filter_map(|installation| installation.limits.budget());
        theirs.chain(self.shared.identity.limits.budget()).min_by_key(|budget| budget.remaining)
    }

    fn installation(&self, id: InstallationId) -> Arc<Installation> {
        let mut installations = self.shared.installations.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || Arc::new(Installation::new(id, self.connection.clone(), Arc::clone(&self.shared.observer)));
        Arc::clone(installations.entry(id).or_insert_with(made))
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("id", &self.id).field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// Names and levels of permissions, sorted as GitHub sent them.
fn levels(permissions: serde_json::Map<String, Value>) -> Vec<(String, String)> {
    permissions.into_iter().map(|(name, level)| (name, level.as_str().unwrap_or_default().to_owned())).collect()
}

/// The items of all pages.
pub(super) async fn all<Page: DeserializeOwned, T>(
    connection: &Connection,
    request: &Request,
    items: impl Fn(Page) -> Vec<T>,
) -> Result<Vec<T>, Problem> {
    let mut found = Vec::new();
    connection
        .pages(request, |answer| {
            found.extend(items(answer.read()?));
            Ok(Pages::<()>::More)
        })
        .await?;
    Ok(found)
}
