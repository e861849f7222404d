//! Making an App from a manifest: a person's browser posts it, GitHub sends the browser back with
//! a code, and whoever has the code gets the App's secrets, once.

use serde_json::{Value, json};

use super::access::{Level, Permissions};
use super::apps::App;
use super::key::AppKey;
use super::people::Kind;
use super::{GitHub, missing, refused};
use crate::query::{self, Form};
use crate::reply::{Millis, text, texts};
use crate::server::{Incoming, Reply};

impl GitHub {
    /// `POST /settings/apps/new?state=` with the form field `manifest`: the
    /// person says yes at once.
    pub(super) fn new_manifest(&mut self, incoming: &Incoming, form: &Form) -> Reply {
        let fields = query::parse(&String::from_utf8_lossy(&incoming.body));
        let manifest: Option<Value> = fields.get("manifest").and_then(|text| serde_json::from_str(text).ok());
        let Some(manifest) = manifest else { return refused(422, "Problems parsing the manifest") };
        let Some(back) = text(&manifest, "redirect_url").map(str::to_owned) else {
            return refused(422, "redirect_url is missing in the manifest");
        };
        let code = self.keep_manifest(manifest);
        let state = form.get("state").map(|state| format!("&state={state}")).unwrap_or_default();
        let joint = if back.contains('?') { '&' } else { '?' };
        Reply::of(302, "text/html; charset=utf-8", Vec::new())
            .with_header("location", &format!("{back}{joint}code={code}{state}"))
    }

    /// Keeps a manifest for whoever has the code.
    pub(super) fn keep_manifest(&mut self, manifest: Value) -> String {
        let code = self.ids.hex();
        self.apps.manifests.insert(code.clone(), manifest);
        code
    }

    /// `POST /app-manifests/{code}/conversions`.
    pub(super) fn convert_manifest(&mut self, code: &str, now: Millis) -> Reply {
        let Some(manifest) = self.apps.manifests.remove(code) else { return missing() };
        let name = text(&manifest, "name").unwrap_or("shipline").to_owned();
        let hook = manifest.get("hook_attributes").cloned().unwrap_or_default();
        let secret = self.ids.hex();
        let permissions = manifest.get("default_permissions").and_then(Value::as_object).cloned().unwrap_or_default();
        let permissions: Permissions = permissions
            .iter()
            .filter_map(|(name, level)| Some((name.clone(), Level::read(level.as_str()?)?)))
            .collect();
        let Some(key) = AppKey::generate() else { return refused(500, "no randomness") };
        let new = NewApp {
            name,
            owner: "octocat".to_owned(),
            key,
            permissions,
            events: texts(&manifest, "default_events"),
            hook_url: text(&hook, "url").map(str::to_owned),
            secret: Some(secret.clone()),
        };
        let id = self.add_app(new, now);
        let mut document = self.app_document(id);
        let app = self.apps.app(id);
        document["client_secret"] = json!(self.ids.hex());
        document["webhook_secret"] = json!(secret);
        document["pem"] = json!(app.map(|app| app.key.pem.clone()));
        Reply::json(201, &document)
    }

    /// Makes an App; its name says its slug.
    pub(super) fn add_app(&mut self, new: NewApp, now: Millis) -> u64 {
        let id = self.ids.number();
        let slug: String =
            new.name.to_lowercase().chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' }).collect();
        let owner = self.people.ensure(&new.owner, Kind::User, &mut self.ids);
        let bot = self.people.ensure(&format!("{slug}[bot]"), Kind::Bot, &mut self.ids);
        let NewApp { name, key, permissions, events, hook_url, secret, .. } = new;
        let client_id = format!("Iv23li{}", &self.ids.hex()[..14]);
        let hook_id = self.ids.number();
        self.apps.registered.push(App {
            id,
            client_id,
            slug,
            name,
            owner,
            bot,
            key,
            permissions,
            events,
            hook_url,
            secret,
            hook_id,
            created: now,
        });
        id
    }
}

/// An App before it has ids.
pub(super) struct NewApp {
    pub(super) name: String,
    pub(super) owner: String,
    pub(super) key: AppKey,
    pub(super) permissions: Permissions,
    pub(super) events: Vec<String>,
    pub(super) hook_url: Option<String>,
    pub(super) secret: Option<String>,
}
