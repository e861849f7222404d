//! What people and GitHub itself do: `POST /_sim/github/<act>`, and every sentence of
//! [`GitHubWorld`](crate::GitHubWorld). One table of names, members and functions for both.

mod code;
mod deliveries;
mod looking;
mod owners;
mod pulls;
mod talk;
mod working;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::GitHub;
use super::people::Kind;
use crate::reply::Millis;
use crate::server::Reply;

/// What was said, and when.
pub(super) struct Given<'a> {
    members: &'a Map<String, Value>,
    /// The model's clock.
    pub(super) now: Millis,
    pub(super) real: Millis,
}

type Done = Result<Value, String>;
type Act = fn(&mut GitHub, &Given<'_>) -> Done;

/// Name, members it knows, what it does.
pub(super) type Row = (&'static str, &'static [&'static str], Act);

const TABLES: [&[Row]; 7] =
    [owners::ACTS, code::ACTS, pulls::ACTS, talk::ACTS, working::ACTS, deliveries::ACTS, looking::ACTS];

/// Performs one act. A refusal changes nothing and says what is wrong.
pub(crate) fn act(github: &mut GitHub, name: &str, body: &Value, real: Millis) -> Done {
    let rows = || TABLES.iter().copied().flatten();
    let Some((_, members, function)) = rows().find(|(known, ..)| *known == name) else {
        let known: Vec<&str> = rows().map(|(known, ..)| *known).collect();
        return Err(format!("no act is called {name}; there are: {}", known.join(", ")));
    };
    let empty = Map::new();
    let given = match body {
        Value::Null => &empty,
        Value::Object(given) => given,
        _ => return Err("an act is told as a JSON object".to_owned()),
    };
    if let Some(unknown) = given.keys().find(|member| !members.contains(&member.as_str())) {
        return Err(format!("{name} knows no {unknown}; it knows: {}", members.join(", ")));
    }
    let now = github.clock(real);
    function(github, &Given { members: given, now, real })
}

impl Given<'_> {
    fn get(&self, member: &str) -> Option<&Value> {
        self.members.get(member).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, member: &str) -> Option<&str> {
        self.get(member).and_then(Value::as_str)
    }

    pub(super) fn needs(&self, member: &str) -> Result<&str, String> {
        self.text(member).ok_or_else(|| format!("{member} is missing, or no text"))
    }

    pub(super) fn number(&self, member: &str) -> Option<u64> {
        self.get(member).and_then(Value::as_u64)
    }

    pub(super) fn needs_number(&self, member: &str) -> Result<u64, String> {
        self.number(member).ok_or_else(|| format!("{member} is missing, or no number"))
    }

    /// A member of any shape; nothing when it is absent.
    pub(super) fn shape<T: DeserializeOwned>(&self, member: &str) -> Result<Option<T>, String> {
        let read = |value: &Value| serde_json::from_value(value.clone()).map_err(|error| format!("{member}: {error}"));
        self.get(member).map(read).transpose()
    }

    /// `sha`, in full.
    pub(super) fn sha(&self) -> Result<Option<String>, String> {
        match self.text("sha") {
            Some(sha) if sha.len() == 40 && sha.chars().all(|digit| digit.is_ascii_hexdigit()) => {
                Ok(Some(sha.to_lowercase()))
            }
            Some(other) => Err(format!("{other} is no SHA: 40 hexadecimal digits")),
            None => Ok(None),
        }
    }

    /// `repository`, or the one everybody uses.
    pub(super) fn repository(&self) -> String {
        self.text("repository").unwrap_or("acme/shop").to_owned()
    }
}

impl GitHub {
    /// Somebody by login; made when nobody knows them.
    pub(super) fn somebody(&mut self, login: &str) -> u64 {
        let kind = if login.ends_with("[bot]") { Kind::Bot } else { Kind::User };
        self.people.ensure(login, kind, &mut self.ids)
    }

    /// The one App, or the one named by its id.
    pub(super) fn one_app(&self, asked: Option<u64>) -> Result<u64, String> {
        match asked {
            Some(id) => self.apps.app(id).map(|app| app.id).ok_or_else(|| format!("no App {id}")),
            None => {
                self.apps.registered.first().map(|app| app.id).ok_or_else(|| "no App; make one with `app`".to_owned())
            }
        }
    }

    /// The one installation, or the one named by its id.
    pub(super) fn one_installation(&self, asked: Option<u64>) -> Result<u64, String> {
        let found = match asked {
            Some(id) => self.apps.installation(id),
            None => self.apps.installations.first(),
        };
        found.map(|installation| installation.id).ok_or_else(|| "no such installation".to_owned())
    }
}

/// What GitHub answered to a person, in its own words.
pub(super) fn said(refusal: &Reply) -> String {
    format!("{}: {}", refusal.status, String::from_utf8_lossy(&refusal.body))
}
