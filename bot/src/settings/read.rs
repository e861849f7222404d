//! Reads and checks the settings.

use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use secrecy::SecretString;
use shipline::problem::{Problem, Problems};
use shipline::process::Environment;
use shipline::redact::Redactor;
use shipline::types::Span;
use tracing_subscriber::EnvFilter;

use super::{AppSettings, LogFormat, Settings, file, table};
use crate::context::Times;

/// How a file is read: by its path, whole.
type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

impl Settings {
    /// Reads the environment, and the file behind it. Secrets are added to the redactor.
    pub fn read(
        variables: Environment,
        config_file: Option<&Path>,
        redactor: &Redactor,
        read_file: ReadFile<'_>,
    ) -> Result<Self, Problems> {
        let mut given = Given { variables, problems: Vec::new(), read_file };
        given.add_file(config_file);
        let listen = given.parsed(table::LISTEN, "an address and a port, like 127.0.0.1:8080");
        let database_url = given.database(redactor);
        let api_url = given.url(table::API_URL);
        let server_url = given.url(table::SERVER_URL).or_else(|| api_url.as_deref().map(server_of));
        let public_url = given.url(table::PUBLIC_URL);
        let times = Times {
            lease: given.span(table::LEASE, 1),
            edits: given.span(table::EDITS, 0),
            recovery: given.span(table::RECOVERY, 1),
        };
        let at_once = given.parsed::<NonZeroUsize>(table::AT_ONCE, "a number from 1, like 64");
        let log = given.parsed::<EnvFilter>(table::LOG, "a level or a filter, like info or info,shipline_bot=debug");
        let log_format = given.parsed(table::LOG_FORMAT, "text or json");
        let allow_file = given.value(table::ALLOW_FILE).map(PathBuf::from);
        let app = given.app(redactor);
        let Given { mut variables, problems, .. } = given;
        let notify = notify_secrets(&variables, redactor);
        variables.retain(|name, _| !name.starts_with("SHIPLINE_"));
        let complete = (|| {
            Some(Self {
                listen: listen?,
                database_url: database_url?,
                api_url: api_url?,
                server_url: server_url?,
                public_url,
                allow_file,
                times,
                at_once: at_once?.get(),
                log: log?,
                log_format: log_format?,
                app,
                notify,
                variables,
            })
        })();
        let complete = Problems::or(problems, complete)?;
        complete.ok_or_else(|| Problem::defect("settings", "a setting is missing without a problem").into())
    }
}

/// The secrets of notifications: `SHIPLINE_NOTIFY_<NAME>`, without the prefix.
fn notify_secrets(variables: &Environment, redactor: &Redactor) -> BTreeMap<String, SecretString> {
    let named = variables.iter().filter_map(|(name, value)| Some((name.strip_prefix(table::NOTIFY)?, value.trim())));
    let given = named.filter(|(name, value)| !name.is_empty() && !value.is_empty());
    given
        .map(|(name, value)| {
            redactor.add(value);
            (name.to_owned(), SecretString::from(value))
        })
        .collect()
}

struct Given<'a> {
    variables: Environment,
    problems: Vec<Problem>,
    read_file: ReadFile<'a>,
}

impl Given<'_> {
    fn add_file(&mut self, config_file: Option<&Path>) {
        let Some(path) = config_file else { return };
        let name = path.display().to_string();
        match (self.read_file)(path) {
            Ok(text) => {
                for (key, value) in file::parse(&name, &text, &mut self.problems) {
                    self.variables.entry(key).or_insert(value);
                }
            }
            Err(why) => {
                let what = format!("the file of settings {name} cannot be read");
                self.wrong("setting-file", what, Some(why.to_string()), "Correct --config-file, or make it readable.");
            }
        }
    }

    fn wrong(&mut self, code: &str, what: String, why: Option<String>, next: &str) {
        let problem = Problem::mistake(code, what, next);
        self.problems.push(match why {
            Some(why) => problem.because(why),
            None => problem,
        });
    }

    /// What was given; an empty value is none.
    fn value(&self, name: &str) -> Option<String> {
        self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    fn or_default(&self, name: &str) -> String {
        self.value(name).unwrap_or_else(|| table::default_of(name).to_owned())
    }

    fn parsed<T: FromStr>(&mut self, name: &str, like: &str) -> Option<T> {
        let value = self.or_default(name);
        let parsed = value.parse().ok();
        if parsed.is_none() {
            self.wrong("setting-invalid", format!("{name} is {value:?}"), None, &format!("Write {like}."));
        }
        parsed
    }

    fn span(&mut self, name: &str, least: u32) -> std::time::Duration {
        let value = self.or_default(name);
        match value.parse::<Span>() {
            Ok(span) if span.as_seconds() >= least => span.duration(),
            Ok(_) => {
                let what = format!("{name} is {value:?}, which is too short");
                self.wrong("setting-invalid", what, None, &format!("Write {least}s or more."));
                std::time::Duration::ZERO
            }
            Err(why) => {
                let next = "Write a length of time, like 15s or 5m.";
                self.wrong("setting-invalid", format!("{name} is {value:?}"), Some(why.to_string()), next);
                std::time::Duration::ZERO
            }
        }
    }

    /// An address of the web, without a slash at its end.
    fn url(&mut self, name: &str) -> Option<String> {
        let value = self.or_default(name);
        let rest = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
        match rest {
            _ if value.is_empty() => None,
            Some(rest) if !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['@', ' ', '?', '#']) => {
                Some(value.trim_end_matches('/').to_owned())
            }
            // The value may hold a password.
            _ => {
                let what = format!("{name} is not an address of the web");
                let next = "Write it like https://example.com, without user, password and parameters.";
                self.wrong("setting-invalid", what, None, next);
                None
            }
        }
    }

    fn database(&mut self, redactor: &Redactor) -> Option<SecretString> {
        let url = self.or_default(table::DATABASE_URL);
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let user = rest.rsplit_once('@').map_or("", |(user, _)| user);
        if let Some((_, password)) = user.split_once(':') {
            redactor.add(password.to_owned());
        }
        if !["sqlite", "postgres", "postgresql"].contains(&scheme) || rest.is_empty() {
            let what = format!("{} names no database that Shipline knows", table::DATABASE_URL);
            self.wrong("setting-invalid", what, None, "Write sqlite://<file> or postgres://<user>@<host>/<database>.");
            return None;
        }
        Some(url.into())
    }

    /// The value of a secret, from its variable or from the file that another one names.
    fn secret(&mut self, name: &str, redactor: &Redactor) -> Option<String> {
        let file_name = format!("{name}_FILE");
        let secret = match (self.value(name), self.value(&file_name)) {
            (Some(_), Some(_)) => {
                let what = format!("both {name} and {file_name} are set");
                self.wrong("setting-twice", what, None, "Unset one of the two.");
                return None;
            }
            (value, None) => value?,
            (None, Some(path)) => match (self.read_file)(Path::new(&path)) {
                Ok(text) if !text.trim().is_empty() => text.trim().to_owned(),
                Ok(_) => {
                    let what = format!("{path}, named by {file_name}, is empty");
                    self.wrong("setting-file", what, None, "Name the file that holds the secret.");
                    return None;
                }
                Err(why) => {
                    let what = format!("{path}, named by {file_name}, cannot be read");
                    self.wrong("setting-file", what, Some(why.to_string()), "Make the file readable for the bot.");
                    return None;
                }
            },
        };
        redactor.add(secret.clone());
        Some(secret)
    }

    /// The App: whole, or not at all.
    fn app(&mut self, redactor: &Redactor) -> Option<AppSettings> {
        let problems = self.problems.len();
        let id = self.value(table::APP_ID);
        let key = self.secret(table::PRIVATE_KEY, redactor).map(|key| key.replace("\\n", "\n"));
        let secrets = self.secret(table::WEBHOOK_SECRET, redactor);
        if self.problems.len() == problems && id.is_none() && key.is_none() && secrets.is_none() {
            return None;
        }
        let id = id.and_then(|id| {
            let number = id.parse::<u64>().ok().filter(|number| *number > 0);
            if number.is_none() {
                let next = "Write the number that the App's page on GitHub shows as App ID.";
                self.wrong("setting-invalid", format!("{} is {id:?}", table::APP_ID), None, next);
            }
            number
        });
        if let Some(key) = &key {
            redactor.add(key.clone());
            if !(key.starts_with("-----BEGIN ") && key.contains("PRIVATE KEY-----")) {
                let next = "Give the whole .pem file that GitHub made, from -----BEGIN to -----END.";
                let what = format!("{} is not a private key in PEM", table::PRIVATE_KEY);
                self.wrong("setting-invalid", what, None, next);
            }
        }
        let secrets = secrets.map(|list| {
            let secrets: Vec<String> =
                list.split(',').map(str::trim).filter(|secret| !secret.is_empty()).map(str::to_owned).collect();
            for secret in &secrets {
                redactor.add(secret.clone());
            }
            if secrets.is_empty() {
                let what = format!("{} holds no secret", table::WEBHOOK_SECRET);
                self.wrong("setting-invalid", what, None, "Write the secret of the App's webhook.");
            }
            secrets.into_iter().map(SecretString::from).collect::<Vec<_>>()
        });
        if self.problems.len() == problems {
            for (name, there) in [
                (table::APP_ID, id.is_some()),
                (table::PRIVATE_KEY, key.is_some()),
                (table::WEBHOOK_SECRET, secrets.is_some()),
            ] {
                if !there {
                    let what = format!("{name} is not set, but other settings of the App are");
                    self.wrong("setting-missing", what, None, "Set it, or the file it may come from (…_FILE).");
                }
            }
        }
        Some(AppSettings { id: id?, private_key: key?.into(), webhook_secrets: secrets? })
    }
}

impl FromStr for LogFormat {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

/// The server behind an API's address.
fn server_of(api: &str) -> String {
    let (scheme, rest) = api.split_once("://").unwrap_or(("https", api));
    let host = rest.split('/').next().unwrap_or_default();
    let host = match host.strip_prefix("api.") {
        // Of github.com and of GitHub Enterprise Cloud with data residency.
        Some(server) if server == "github.com" || server.ends_with(".ghe.com") => server,
        _ => host,
    };
    format!("{scheme}://{host}")
}
