//! The one table of settings: what is read, what `--help` and the documentation show.

use std::fmt::Write as _;

/// One setting: a variable of the environment, or a line of the file.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What holds when it is not given.
    pub default: Option<&'static str>,
    /// What it is, in one sentence.
    pub help: &'static str,
}

const fn with(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, default: Some(default), help }
}

const fn without(name: &'static str, help: &'static str) -> Setting {
    Setting { name, default: None, help }
}

/// Address to listen on.
pub const LISTEN: &str = "SHIPLINE_LISTEN";
/// The database.
pub const DATABASE_URL: &str = "SHIPLINE_DATABASE_URL";
/// GitHub's API.
pub const API_URL: &str = "SHIPLINE_GITHUB_API_URL";
/// The server people look at.
pub const SERVER_URL: &str = "SHIPLINE_SERVER_URL";
/// The App.
pub const APP_ID: &str = "SHIPLINE_GITHUB_APP_ID";
/// Its private key; `…_FILE` names a file that holds it.
pub const PRIVATE_KEY: &str = "SHIPLINE_GITHUB_PRIVATE_KEY";
/// Its webhook secrets; `…_FILE` names a file that holds them.
pub const WEBHOOK_SECRET: &str = "SHIPLINE_WEBHOOK_SECRET";
/// Where people reach this bot.
pub const PUBLIC_URL: &str = "SHIPLINE_PUBLIC_URL";
/// The administrator's list.
pub const ALLOW_FILE: &str = "SHIPLINE_ALLOW_FILE";
/// What the name of a secret of notifications begins with.
pub const NOTIFY: &str = "SHIPLINE_NOTIFY_";
/// How long a lease holds.
pub const LEASE: &str = "SHIPLINE_LEASE";
/// The shortest time between two edits.
pub const EDITS: &str = "SHIPLINE_EDITS";
/// How often missed deliveries are looked for.
pub const RECOVERY: &str = "SHIPLINE_RECOVERY";
/// How many deployments are worked on at once.
pub const AT_ONCE: &str = "SHIPLINE_AT_ONCE";
/// What is logged.
pub const LOG: &str = "SHIPLINE_LOG";
/// How it is logged.
pub const LOG_FORMAT: &str = "SHIPLINE_LOG_FORMAT";

/// All settings, in the order people need them.
pub const SETTINGS: &[Setting] = &[
    with(LISTEN, "127.0.0.1:8080", "Address to listen on; 0.0.0.0:8080 in a container"),
    with(DATABASE_URL, "sqlite://shipline.db", "Database: sqlite://<file>, or postgres://… for several replicas"),
    without(APP_ID, "Id of the GitHub App"),
    without(PRIVATE_KEY, "Private key of the App, in PEM"),
    without("SHIPLINE_GITHUB_PRIVATE_KEY_FILE", "File with the private key, instead of the key itself"),
    without(WEBHOOK_SECRET, "Webhook secret of the App; several, with commas between, while it is rotated"),
    without("SHIPLINE_WEBHOOK_SECRET_FILE", "File with the webhook secret, instead of the secret itself"),
    with(API_URL, "https://api.github.com", "GitHub's API; https://<host>/api/v3 for GitHub Enterprise Server"),
    without(SERVER_URL, "GitHub as people open it; derived from the API's address when absent"),
    without(PUBLIC_URL, "Address under which people and GitHub reach this bot"),
    without(ALLOW_FILE, "File that lists which repositories may use which accounts, regions and roles"),
    without(
        "SHIPLINE_NOTIFY_<NAME>",
        "A secret that policies may name in `notify`: an address of Slack or of a webhook, or a key to sign with",
    ),
    with(LEASE, "15s", "How long a replica that died keeps its work, before another one goes on"),
    with(EDITS, "2s", "Shortest time between two edits of one comment"),
    with(RECOVERY, "5m", "How often GitHub is asked for deliveries that never arrived"),
    with(AT_ONCE, "64", "How many deployments one replica works on at once; those that wait for people do not count"),
    with(LOG, "info", "What is logged: error, warn, info, debug, or a filter like info,shipline_bot=debug"),
    with(LOG_FORMAT, "text", "How it is logged: text or json"),
];

/// The default of a setting; empty when it has none.
pub(super) fn default_of(name: &str) -> &'static str {
    SETTINGS.iter().find(|setting| setting.name == name).and_then(|setting| setting.default).unwrap_or_default()
}

/// The table for `--help`.
pub fn help() -> String {
    let mut text = String::from("Settings, from the environment or the file of --config-file:\n");
    for Setting { name, default, help } in SETTINGS {
        let _ = write!(text, "  {name}\n          {help}");
        if let Some(default) = default {
            let _ = write!(text, " [default: {default}]");
        }
        text.push('\n');
    }
    text.push_str("\nAWS credentials are found as the AWS SDKs find them.");
    text
}

/// The table for the documentation.
pub fn markdown() -> String {
    let mut text = String::from("| setting | default | |\n| --- | --- | --- |");
    for Setting { name, default, help } in SETTINGS {
        let default = default.map(|default| format!("`{default}`")).unwrap_or_default();
        let _ = write!(text, "\n| `{name}` | {default} | {help} |");
    }
    text
}
