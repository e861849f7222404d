//! `doctor` and `audit`, as an administrator runs them.

use std::process::{Command, Output};

use shipline_test_support::{AppSeed, AwsWorld};

fn run(world: &AwsWorld, folder: &tempfile::TempDir, arguments: &[&str], also: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shipline-bot"));
    command
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .env("SHIPLINE_DATABASE_URL", format!("sqlite://{}", folder.path().join("bot.db").display()))
        .env("SHIPLINE_GITHUB_API_URL", world.endpoint())
        .env("AWS_ENDPOINT_URL", world.endpoint())
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "an-example-of-a-secret-key-of-40-letters")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(also.iter().copied());
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn doctor_looks_at_a_bot_that_is_well_and_finds_only_the_missing_list() {
    let (world, folder) = (AwsWorld::start().await, tempfile::tempdir().unwrap());
    let webhook = Some("https://deploy.example.com/webhooks/github".to_owned());
    let app = world.github().app(&AppSeed { webhook, ..AppSeed::default() });
    let id = app.id.to_string();
    let settings = [
        ("SHIPLINE_GITHUB_APP_ID", id.as_str()),
        ("SHIPLINE_GITHUB_PRIVATE_KEY", app.pem.as_str()),
        ("SHIPLINE_WEBHOOK_SECRET", "webhook-secret"),
        ("SHIPLINE_PUBLIC_URL", "https://deploy.example.com"),
    ];
    let output = run(&world, &folder, &["doctor"], &settings);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("credentials of account "), "{text}");
    assert!(text.ends_with("It works; 1 to look at.\n"), "{text}");
    for secret in ["an-example-of-a-secret-key", "webhook-secret\n", "BEGIN RSA"] {
        assert!(!text.contains(secret), "{text}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&said(&run(&world, &folder, &["doctor", "--json"], &settings))).unwrap();
    assert_eq!(json["verdict"], "warn");
}

#[tokio::test]
async fn doctor_without_an_app_fails_and_says_how_to_make_one() {
    let (world, folder) = (AwsWorld::start().await, tempfile::tempdir().unwrap());
    let output = run(&world, &folder, &["doctor"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("Run `shipline-bot setup`"), "{}", said(&output));
}

#[tokio::test]
async fn the_audit_trail_of_a_new_database_is_empty_and_whole() {
    let (world, folder) = (AwsWorld::start().await, tempfile::tempdir().unwrap());
    let verified = run(&world, &folder, &["audit", "verify"], &[]);
    assert_eq!((verified.status.code(), said(&verified).as_str()), (Some(0), "The audit trail is empty.\n"));
    let exported = run(&world, &folder, &["audit", "export", "--since", "2026-11-21T12:00:00Z"], &[]);
    assert_eq!((exported.status.code(), said(&exported).as_str()), (Some(0), ""));
    let wrong = run(&world, &folder, &["audit", "export", "--since", "yesterday"], &[]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[tokio::test]
async fn set_up_refuses_an_address_that_is_none_before_it_opens_a_page() {
    let (world, folder) = (AwsWorld::start().await, tempfile::tempdir().unwrap());
    let output = run(&world, &folder, &["setup", "--public-url", "deploy.example.com"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Write it like https://deploy.example.com"));
    assert_eq!(said(&output), "");
}
