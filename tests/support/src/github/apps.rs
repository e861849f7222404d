//! Apps, where they are installed, the tokens they were given; who a request comes from.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::access::{self, Level, Permissions};
use super::key::{AppKey, Jwt, UNDECODABLE};
use super::people::Kind;
use super::{GitHub, missing, refused};
use crate::reply::{Millis, rfc3339, text};
use crate::server::{Incoming, Reply};

/// An App.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) id: u64,
    pub(crate) client_id: String,
    pub(crate) slug: String,
    pub(crate) name: String,
    /// The account it belongs to.
    pub(crate) owner: u64,
    /// `<slug>[bot]`.
    pub(crate) bot: u64,
    pub(crate) key: AppKey,
    pub(crate) permissions: Permissions,
    pub(crate) events: Vec<String>,
    pub(crate) hook_url: Option<String>,
    pub(crate) secret: Option<String>,
    pub(crate) hook_id: u64,
    pub(crate) created: Millis,
}

/// Which repositories an installation opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    All,
    Selected(Vec<String>),
}

/// Whether an installation may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Active,
    Suspended,
}

/// An App at an account.
#[derive(Debug)]
pub(crate) struct Installation {
    pub(crate) id: u64,
    /// The App's id.
    pub(crate) app: u64,
    pub(crate) account: u64,
    pub(crate) selection: Selection,
    pub(crate) permissions: Permissions,
    pub(crate) events: Vec<String>,
    pub(crate) standing: Standing,
    pub(crate) created: Millis,
}

/// An installation's token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) installation: u64,
    /// By the model's clock.
    pub(crate) expires: Millis,
    pub(crate) permissions: Permissions,
    /// Narrower than the installation, when asked so.
    pub(crate) repositories: Option<Vec<String>>,
}

/// Everything about Apps.
#[derive(Debug, Default)]
pub(crate) struct Apps {
    pub(crate) registered: Vec<App>,
    pub(crate) installations: Vec<Installation>,
    pub(crate) tokens: BTreeMap<String, Token>,
    /// Tokens of people.
    pub(crate) people: BTreeMap<String, u64>,
    /// Manifests that wait to be converted, by code.
    pub(crate) manifests: BTreeMap<String, Value>,
}

/// Who a request comes from.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// Some token that this model knows nothing about.
    Stranger,
    /// An App as itself.
    App(u64),
    /// An App at an account.
    Installation(Token),
    /// A person with a token of their own.
    Person(u64),
}

const HOUR: Millis = 3_600_000;

impl Apps {
    pub(crate) fn app(&self, id: u64) -> Option<&App> {
        self.registered.iter().find(|app| app.id == id)
    }

    pub(crate) fn installation(&self, id: u64) -> Option<&Installation> {
        self.installations.iter().find(|installation| installation.id == id)
    }
}

impl GitHub {
    /// Who sends this request.
    pub(super) fn caller(&self, incoming: &Incoming, real: Millis, now: Millis) -> Result<Caller, Reply> {
        let header = incoming.header("authorization").unwrap_or_default();
        let token = header.split_once(' ').map_or("", |(_, token)| token.trim());
        if header.len() <= 7 {
            return Err(refused(401, "Requires authentication"));
        }
        if let Some(known) = self.apps.tokens.get(token) {
            let installed = self.apps.installation(known.installation);
            return match installed.map(|installation| installation.standing) {
                Some(Standing::Suspended) => Err(refused(403, "This installation has been suspended")),
                Some(Standing::Active) if known.expires > now => Ok(Caller::Installation(known.clone())),
                _ => Err(refused(401, "Bad credentials")),
            };
        }
        if let Some(person) = self.apps.people.get(token) {
            return Ok(Caller::Person(*person));
        }
        if token.starts_with("ey") && token.split('.').count() == 3 && !self.apps.registered.is_empty() {
            let jwt = Jwt::read(token).ok_or_else(|| refused(401, UNDECODABLE))?;
            let issuer = jwt.issuer().ok_or_else(|| refused(401, "'Issuer' claim ('iss') must be an Integer"))?;
            let app = self.apps.registered.iter().find(|app| app.id.to_string() == issuer || app.client_id == issuer);
            let app = app.ok_or_else(|| refused(404, "Integration not found"))?;
            // A key's clock is the real one: people's machines do not follow the model's.
            jwt.check(&app.key, real).map_err(|why| refused(401, why))?;
            return Ok(Caller::App(app.id));
        }
        Ok(Caller::Stranger)
    }

    /// The account that acts for a caller.
    pub(super) fn acting(&self, caller: &Caller) -> u64 {
        let app = match caller {
            Caller::Person(id) => return *id,
            Caller::Stranger => None,
            Caller::App(id) => self.apps.app(*id),
            Caller::Installation(token) => {
                self.apps.installation(token.installation).and_then(|installation| self.apps.app(installation.app))
            }
        };
        app.map_or(0, |app| app.bot)
    }

    /// Whether an installation opens a repository.
    pub(super) fn opens(&self, installation: &Installation, full: &str) -> bool {
        let owner = full.split_once('/').map_or("", |(owner, _)| owner);
        let same = self.people.named(owner).is_some_and(|owner| owner.id == installation.account);
        same && match &installation.selection {
            Selection::All => true,
            Selection::Selected(names) => names.iter().any(|name| name == full),
        }
    }

    /// What a token may do on a repository (or, with none, at its account);
    /// nothing when it does not open it.
    pub(super) fn granted(&self, token: &Token, full: Option<&str>) -> Option<Permissions> {
        let installation = self.apps.installation(token.installation)?;
        if let Some(full) = full {
            let narrowed = token.repositories.as_ref().is_some_and(|names| !names.iter().any(|name| name == full));
            if narrowed || !self.opens(installation, full) {
                return None;
            }
        }
        Some(access::both(&token.permissions, &installation.permissions))
    }

    /// `GET /app`: only the App itself learns where it is installed.
    pub(super) fn own_app(&self, id: u64) -> Value {
        let mut document = self.app_document(id);
        let count = self.apps.installations.iter().filter(|installation| installation.app == id).count();
        document["installations_count"] = json!(count);
        document
    }

    pub(super) fn app_document(&self, id: u64) -> Value {
        let Some(app) = self.apps.app(id) else { return Value::Null };
        json!({
            "id": app.id, "slug": app.slug, "node_id": format!("A_{id}"), "client_id": app.client_id,
            "owner": self.people.document(&self.base, self.people.login(app.owner)),
            "name": app.name, "description": "", "external_url": "https://example.com",
            "html_url": format!("{}/apps/{}", self.base, app.slug),
            "created_at": rfc3339(app.created), "updated_at": rfc3339(app.created),
            "permissions": app.permissions, "events": app.events,
        })
    }

    /// An App as comments and checks name it.
    pub(super) fn app_named(&self, id: u64) -> Value {
        let mut document = self.app_document(id);
        document.as_object_mut().into_iter().for_each(|document| {
            document.shift_remove("client_id");
            document.shift_remove("installations_count");
        });
        document
    }

    pub(super) fn installation_document(&self, id: u64) -> Value {
        let Some(installation) = self.apps.installation(id) else { return Value::Null };
        let account = self.people.login(installation.account);
        let kind = self.people.by_id(installation.account).map_or(Kind::User, |user| user.kind);
        let suspended = (installation.standing == Standing::Suspended).then(|| rfc3339(installation.created));
        let base = &self.base;
        json!({
            "id": id, "account": self.people.document(base, account),
            "repository_selection": if installation.selection == Selection::All { "all" } else { "selected" },
            "access_tokens_url": format!("{base}/app/installations/{id}/access_tokens"),
            "repositories_url": format!("{base}/installation/repositories"),
            "html_url": format!("{base}/settings/installations/{id}"),
            "app_id": installation.app, "app_slug": self.apps.app(installation.app).map(|app| app.slug.clone()),
            "target_id": installation.account,
            "target_type": if kind == Kind::Organization { "Organization" } else { "User" },
            "permissions": installation.permissions, "events": installation.events,
            "created_at": rfc3339(installation.created), "updated_at": rfc3339(installation.created),
            "single_file_name": null, "has_multiple_single_files": false, "single_file_paths": [],
            "suspended_by": suspended.as_ref().map(|_| self.people.document(base, account)), "suspended_at": suspended,
        })
    }

    /// GitHub's word for which repositories a token opens.
    pub(super) fn selection(&self, token: &Token) -> &'static str {
        let all = self.apps.installation(token.installation).is_some_and(|known| known.selection == Selection::All);
        if all && token.repositories.is_none() { "all" } else { "selected" }
    }

    /// `POST /app/installations/{id}/access_tokens`.
    pub(super) fn new_token(&mut self, app: u64, id: u64, body: &Value, now: Millis) -> Reply {
        let Some(installation) = self.apps.installation(id).filter(|installation| installation.app == app) else {
            return missing();
        };
        if installation.standing == Standing::Suspended {
            return refused(403, "This installation has been suspended");
        }
        let mut permissions = installation.permissions.clone();
        if let Some(asked) = body.get("permissions").and_then(Value::as_object) {
            let asked: Permissions =
                asked.iter().filter_map(|(name, level)| Some((name.clone(), Level::read(level.as_str()?)?))).collect();
            if asked.iter().any(|(name, level)| permissions.get(name).is_none_or(|held| held < level)) {
                return refused(422, "The permissions requested are not granted to this installation.");
            }
            permissions = asked;
        }
        let account = self.people.login(installation.account).to_owned();
        let mut repositories = None;
        let by_name = body.get("repositories").and_then(Value::as_array);
        let by_id = body.get("repository_ids").and_then(Value::as_array);
        if by_name.is_some() || by_id.is_some() {
            let ids = by_id
                .into_iter()
                .flatten()
                .filter_map(Value::as_u64)
                .map(|id| self.repositories.iter().find(|(_, known)| known.id == id).map(|(name, _)| name.clone()));
            let names = by_name.into_iter().flatten().filter_map(Value::as_str);
            let names = names.map(|name| Some(format!("{account}/{name}")));
            let wanted: Option<Vec<String>> = ids.chain(names).collect();
            let open = |name: &String| self.repositories.contains_key(name) && self.opens(installation, name);
            match wanted.filter(|wanted| wanted.iter().all(open)) {
                Some(wanted) => repositories = Some(wanted),
                None => {
                    return refused(
                        422,
                        "There is at least one repository that does not exist or is not accessible to the parent installation.",
                    );
                }
            }
        }
        let expires = now + HOUR;
        let fresh = Token { installation: id, expires, permissions: permissions.clone(), repositories };
        let selection = self.selection(&fresh);
        let token = format!("ghs_{}{}", self.ids.hex(), &self.ids.hex()[..4]);
        let mut document = json!({
            "token": token, "expires_at": rfc3339(expires), "permissions": permissions, "repository_selection": selection,
        });
        if let Some(names) = &fresh.repositories {
            document["repositories"] = names.iter().map(|name| self.repository(name)).collect();
        }
        self.apps.tokens.insert(token, fresh);
        Reply::json(201, &document)
    }

    /// `GET /repos/{}/installation`.
    pub(super) fn installation_of(&self, app: u64, full: &str) -> Reply {
        let known = self.repositories.contains_key(full);
        let fits = |one: &&Installation| one.app == app && known && self.opens(one, full);
        match self.apps.installations.iter().find(fits) {
            Some(found) => Reply::json(200, &self.installation_document(found.id)),
            None => missing(),
        }
    }

    /// `GET` and `PATCH /app/hook/config`; the secret is never shown.
    pub(super) fn hook_config(&mut self, id: u64, change: Option<&Value>) -> Reply {
        let Some(app) = self.apps.registered.iter_mut().find(|app| app.id == id) else { return missing() };
        if let Some(change) = change {
            app.hook_url = text(change, "url").map(str::to_owned).or_else(|| app.hook_url.clone());
            app.secret = text(change, "secret").map(str::to_owned).or_else(|| app.secret.clone());
        }
        let mut document = json!({"content_type": "json", "insecure_ssl": "0"});
        if app.secret.is_some() {
            document["secret"] = json!("********");
        }
        document["url"] = json!(app.hook_url.clone().unwrap_or_default());
        Reply::json(200, &document)
    }
}
