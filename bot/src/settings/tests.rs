//! What is read, what is refused, and that no secret is shown.

use std::path::Path;

use secrecy::ExposeSecret as _;
use shipline::problem::Problems;
use shipline::redact::Redactor;

use super::*;

const KEY: &str = "-----BEGIN RSA PRIVATE KEY-----\nMIIEsecretsecret\n-----END RSA PRIVATE KEY-----";

fn read_with(variables: &[(&str, &str)], file: Option<&str>) -> (Result<Settings, Problems>, Redactor) {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let redactor = Redactor::new();
    let files = |path: &Path| match path.to_str() {
        Some("settings.env") => Ok(file.unwrap_or_default().to_owned()),
        Some("key.pem") => Ok(format!("{KEY}\n")),
        Some("empty") => Ok("\n".to_owned()),
        _ => Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
    };
    (Settings::read(variables, file.map(|_| Path::new("settings.env")), &redactor, &files), redactor)
}

fn read(variables: &[(&str, &str)]) -> Settings {
    read_with(variables, None).0.unwrap_or_else(|problems| panic!("{problems}"))
}

fn problems(variables: &[(&str, &str)]) -> String {
    read_with(variables, None).0.unwrap_err().to_string()
}

const APP: [(&str, &str); 3] = [
    ("SHIPLINE_GITHUB_APP_ID", "12"),
    ("SHIPLINE_GITHUB_PRIVATE_KEY", KEY),
    ("SHIPLINE_WEBHOOK_SECRET", "first-secret"),
];

#[test]
fn without_any_setting_the_defaults_hold_and_there_is_no_app() {
    let settings = read(&[]);
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.database_url.expose_secret(), "sqlite://shipline.db");
    assert_eq!(settings.api_url, "https://api.github.com");
    assert_eq!(settings.server_url, "https://github.com");
    assert_eq!(settings.times.lease.as_secs(), 15);
    assert_eq!(settings.times.edits.as_secs(), 2);
    assert_eq!(settings.times.recovery.as_secs(), 300);
    assert_eq!(settings.log_format, LogFormat::Text);
    assert!(settings.app.is_none());
}

#[test]
fn the_app_is_read_from_the_environment_or_from_files() {
    let app = read(&APP).app.unwrap();
    assert_eq!((app.id, app.private_key.expose_secret()), (12, KEY));
    let app = read(&[
        ("SHIPLINE_GITHUB_APP_ID", "12"),
        ("SHIPLINE_GITHUB_PRIVATE_KEY_FILE", "key.pem"),
        ("SHIPLINE_WEBHOOK_SECRET", " new-secret, old-secret,"),
    ]);
    let app = app.app.unwrap();
    assert_eq!(app.private_key.expose_secret(), KEY);
    let secrets: Vec<_> = app.webhook_secrets.iter().map(|secret| secret.expose_secret()).collect();
    assert_eq!(secrets, ["new-secret", "old-secret"]);
}

#[test]
fn a_key_on_one_line_with_written_line_ends_is_understood() {
    let line = KEY.replace('\n', "\\n");
    let app = read(&[APP[0], ("SHIPLINE_GITHUB_PRIVATE_KEY", &line), APP[2]]).app.unwrap();
    assert_eq!(app.private_key.expose_secret(), KEY);
}

#[test]
fn every_mistake_is_reported_at_once() {
    let said = problems(&[
        ("SHIPLINE_LISTEN", "8080"),
        ("SHIPLINE_DATABASE_URL", "mysql://root:hunter22@db/x"),
        ("SHIPLINE_GITHUB_API_URL", "github.example"),
        ("SHIPLINE_LEASE", "0s"),
        ("SHIPLINE_RECOVERY", "often"),
        ("SHIPLINE_LOG_FORMAT", "xml"),
        ("SHIPLINE_GITHUB_APP_ID", "shipline"),
        ("SHIPLINE_GITHUB_PRIVATE_KEY_FILE", "nowhere.pem"),
        ("SHIPLINE_WEBHOOK_SECRET_FILE", "empty"),
    ]);
    insta::assert_snapshot!(said, @"");
}

#[test]
fn half_an_app_is_a_mistake_that_names_the_missing_half() {
    let said = problems(&APP[..1]);
    insta::assert_snapshot!(said, @"");
}

#[test]
fn a_secret_given_twice_is_a_mistake() {
    let said = problems(&[APP[0], APP[1], APP[2], ("SHIPLINE_GITHUB_PRIVATE_KEY_FILE", "key.pem")]);
    assert!(said.contains("both SHIPLINE_GITHUB_PRIVATE_KEY and SHIPLINE_GITHUB_PRIVATE_KEY_FILE are set"), "{said}");
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_defaults() {
    let file = "# ours\nSHIPLINE_LEASE=20s\nexport SHIPLINE_EDITS=\"3s\"\n\nAWS_REGION=eu-west-1\n";
    let (settings, _) = read_with(&[("SHIPLINE_LEASE", "30s")], Some(file));
    let settings = settings.unwrap();
    assert_eq!((settings.times.lease.as_secs(), settings.times.edits.as_secs()), (30, 3));
    assert_eq!(settings.variables["AWS_REGION"], "eu-west-1");
}

#[test]
fn mistakes_in_the_file_name_their_line_and_show_no_secret() {
    let file = "SHIPLINE_LEASES=20s\nhunter22hunter22\nSHIPLINE_EDITS=1s\nSHIPLINE_EDITS=2s\nSHIPLINE_COFFEE=yes\n";
    let said = read_with(&[], Some(file)).0.unwrap_err().to_string();
    insta::assert_snapshot!(said, @"");
}

#[test]
fn secrets_are_masked_and_never_shown() {
    let (settings, redactor) = read_with(
        &[
            APP[0],
            APP[1],
            ("SHIPLINE_WEBHOOK_SECRET", "first-secret,other-secret"),
            ("SHIPLINE_DATABASE_URL", "postgres://bot:hunter22@db/shipline"),
        ],
        None,
    );
    let settings = settings.unwrap();
    let shown = format!("{settings:?}");
    for secret in ["first-secret", "other-secret", "hunter22", "MIIEsecretsecret"] {
        assert!(!shown.contains(secret), "{shown}");
        assert_eq!(redactor.clean(&format!("it is {secret}")), "it is ***");
    }
}

#[test]
fn our_settings_are_not_handed_on_to_others() {
    let settings = read(&[APP[0], APP[1], APP[2], ("AWS_REGION", "eu-west-1")]);
    assert_eq!(settings.variables.keys().collect::<Vec<_>>(), ["AWS_REGION"]);
}

#[test]
fn the_server_is_derived_from_the_api() {
    for (api, server) in [
        ("https://api.github.com", "https://github.com"),
        ("https://github.example.com/api/v3/", "https://github.example.com"),
        ("https://api.acme.ghe.com", "https://acme.ghe.com"),
        ("http://127.0.0.1:4010", "http://127.0.0.1:4010"),
    ] {
        assert_eq!(read(&[("SHIPLINE_GITHUB_API_URL", api)]).server_url, server);
    }
    let both = [("SHIPLINE_GITHUB_API_URL", "http://127.0.0.1:1"), ("SHIPLINE_SERVER_URL", "https://git.example.com")];
    assert_eq!(read(&both).server_url, "https://git.example.com");
}

#[test]
fn every_setting_is_in_the_help_with_its_default() {
    use clap::CommandFactory as _;
    let help = CommandLine::command().render_long_help().to_string();
    for setting in table::SETTINGS {
        assert!(help.contains(setting.name), "{}", setting.name);
        assert!(setting.default.is_none_or(|default| help.contains(default)), "{}", setting.name);
    }
}
