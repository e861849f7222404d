//! Dangers of BEHAVIOUR §10 against the real program: what must not get in, and what must not get out.

use serde_json::json;
use shipline_test_support::{AppSeed, Behaviour, Role};

use crate::stage::{Database, POLICY, Stage, get};

/// Tokens that a log line and a title carry; made of parts, so that no scanner takes this file for a leak.
fn planted(word: &str) -> String {
    format!("gh{}_{}{}", "p", word, "0aZ9bY8cX7dW6eV5fU4gT3hS2iR1jQ0kP")
}

#[tokio::test]
async fn no_secret_is_told_anywhere() {
    let mut stage = Stage::new(Database::Sqlite).await;
    stage.set("SHIPLINE_LOG", "trace");
    let (in_log, in_title, in_reason) = (planted("log"), planted("ttl"), planted("rsn"));
    let webhook = stage.app.secret.clone().unwrap();
    stage.start();
    let made = stage.shop.act(
        "pull",
        json!({"who": "dev", "title": "Use a token", "message": format!("Use {in_title} for the registry")}),
    );
    let (number, sha) = (made["number"].as_u64().unwrap(), made["sha"].as_str().unwrap().to_owned());
    let image = stage.built(&sha);
    // A program that prints everything it should not, and what the bot itself holds.
    let lines = vec![
        format!("starting with token {in_log}"),
        format!("secret {webhook} and stage-secret-key-4f1d"),
        "AWS_ACCESS_KEY_ID=AKIAIOSFODNN7STAGE00".to_owned(),
        stage.app.pem.lines().nth(3).unwrap().to_owned(),
    ];
    stage.goes(&image, Behaviour::Exits { code: 1, after_ms: None, every_ms: None, lines, container: None });
    stage.github.advance(std::time::Duration::from_secs(2));
    stage.says("dev", number, &format!("/deploy staging --reason \"with {in_reason}\""));
    let told = stage.answer(number, "serves again");
    assert!(told.body.contains("starting with token ***"), "the line is shown, the secret is not: {}", told.body);
    stage.says("dev", number, "/history staging");
    stage.answer(number, "staging · history");
    stage.until("the Deployment's end", || {
        stage.states("staging").concat().contains(&"failure".to_owned()).then_some(())
    });
    stage.stop(0);
    let audit = stage.audit();
    stage.start();
    let metrics = get(stage.port(1), "/metrics").unwrap();
    let comments: Vec<String> = stage.answers(number).into_iter().map(|comment| comment.body).collect();
    let shown = [
        ("comments", comments.join("\n")),
        ("check runs", json!(stage.shop.checks(&sha)).to_string()),
        ("deployments", json!(stage.shop.deployments()).to_string()),
        ("log", stage.logs()),
        ("metrics", metrics),
        ("audit export", json!(audit).to_string()),
        ("database", stage.database_bytes()),
    ];
    let mut keys: Vec<&str> = stage.app.pem.lines().filter(|line| line.len() > 40).collect();
    keys.truncate(5);
    let own = ["stage-secret-key-4f1d", "AKIAIOSFODNN7STAGE00", webhook.as_str()];
    for (place, text) in &shown {
        for secret in own.iter().chain(&keys) {
            assert!(!text.contains(secret), "{place} holds {secret}");
        }
        for planted in [&in_log, &in_title] {
            assert!(!text.contains(planted.as_str()), "{place} holds {planted}");
        }
        assert!(!text.contains("ghs_") && !text.contains("eyJ"), "{place} holds a token of the App");
        // The person's own comment is kept as it was written, in the database alone.
        assert!(*place == "database" || !text.contains(&in_reason), "{place} holds {in_reason}");
    }
    // The places were really looked at.
    assert!(shown.iter().all(|(_, text)| text.len() > 100), "{:?}", shown.map(|(place, text)| (place, text.len())));
}

#[tokio::test]
async fn the_policy_of_a_pull_request_and_of_its_newest_commit_decides_nothing() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    stage.shop.file(
        ".github/shipline.yml",
        &POLICY.replace("  production:\n", "  production:\n    access: { deploy: [admin] }\n"),
    );
    let evil = POLICY.replace("api-production", "api-staging");
    let made =
        stage.shop.act("pull", json!({"who": "dev", "title": "Let me in", "files": {".github/shipline.yml": evil}}));
    let (number, sha) = (made["number"].as_u64().unwrap(), made["sha"].as_str().unwrap());
    stage.built(sha);
    let before = stage.serving("api-staging").unwrap();
    stage.says("dev", number, "/deploy production");
    let told = stage.answer(number, "access-denied");
    assert!(told.body.contains("`admin`"), "{}", told.body);
    stage.assert_serves("api-staging", &before);
    assert_eq!(stage.world.count("ecs", "UpdateService"), 0);
}

#[tokio::test]
async fn a_repository_cannot_deploy_where_another_one_does() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    stage.says("dev", pull.number, "/deploy staging");
    stage.answer(pull.number, "serves after");
    let serving = stage.serving("api-staging").unwrap();

    let other = stage.github.repository("acme/other");
    other.user("mallory", Role::Admin);
    other.file(".github/shipline.yml", POLICY);
    let attack = other.pull("mallory", "Mine now");
    stage.built(&attack.sha);
    stage.github.advance(std::time::Duration::from_secs(2));
    other.says("mallory", attack.number, "/deploy staging");
    stage.until("the refusal", || {
        let said = other.conversation(attack.number);
        said.iter().any(|comment| comment.body.contains("reason: `place-taken`")).then_some(())
    });
    stage.assert_serves("api-staging", &serving);
    assert_eq!(stage.world.count("ecs", "UpdateService"), 1, "{}", stage.everything());
}

#[tokio::test]
async fn who_is_not_on_the_administrators_list_deploys_nothing() {
    let mut stage = Stage::new(Database::Sqlite).await;
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("allow.yml");
    std::fs::write(&list, "repositories:\n  acme/another: {}\n").unwrap();
    stage.set("SHIPLINE_ALLOW_FILE", list.to_str().unwrap());
    stage.start();
    let pull = stage.pull("Say hello");
    stage.says("dev", pull.number, "/deploy staging");
    stage.answer(pull.number, "not-on-allow-list");
    assert_eq!(stage.world.count("ecs", "UpdateService"), 0);
    assert_eq!(stage.world.count("sts", "AssumeRole"), 0);
}

#[tokio::test]
async fn bots_are_not_listened_to_and_our_own_words_are_no_commands() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    stage.shop.user("helper[bot]", Role::Admin);
    // A container that prints a command, which then stands in the bot's own comment.
    let image = stage.built(&pull.sha);
    let lines = vec!["/deploy production".to_owned(), "```".to_owned(), "/deploy production".to_owned()];
    stage.goes(&image, Behaviour::Exits { code: 1, after_ms: None, every_ms: None, lines, container: None });
    stage.says("helper[bot]", pull.number, "/deploy staging");
    stage.says("dev", pull.number, "/deploy staging");
    stage.answer(pull.number, "serves again");
    stage.github.delivered().await;
    stage.says("mona", pull.number, "/history staging");
    stage.answer(pull.number, "staging · history");
    assert!(stage.states("production").is_empty(), "{}", stage.everything());
    assert_eq!(stage.states("staging").len(), 1, "{}", stage.everything());
    let ours = stage.answers(pull.number).into_iter().filter(|answer| answer.author == "shipline[bot]");
    assert_eq!(ours.count(), 2, "the deployment and the history\n{}", stage.everything());
}

#[tokio::test]
async fn who_floods_the_bot_is_told_once_and_nobody_else_waits() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    let other = stage.pull("Something else");
    for _ in 0..30 {
        stage.shop.says("dev", pull.number, "/lock staging");
    }
    stage.says("mona", other.number, "/history staging");
    stage.answer(other.number, "staging · history");
    stage.answer(pull.number, "too-many-commands");
    // A pull request's comments are worked on in their order: the last of the flood was before this one.
    stage.says("mona", pull.number, "/help");
    stage.answer(pull.number, "/rollback");
    let told = stage.answers(pull.number);
    let count = |text: &str| told.iter().filter(|answer| answer.body.contains(text)).count();
    assert_eq!(count("too-many-commands"), 1, "{}", stage.everything());
    assert!(count("is locked by") <= 22, "{} were answered", count("is locked by"));
}

#[tokio::test]
async fn comments_without_a_command_cost_no_call() {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    stage.github.delivered().await;
    stage.world.forget_calls();
    for body in ["looks good", "> /deploy staging", "```\n/deploy staging\n```", "see /etc/passwd and /deploy staging"]
    {
        stage.says("dev", pull.number, body);
    }
    stage.github.delivered().await;
    stage.says("dev", pull.number, "/history staging");
    stage.answer(pull.number, "staging · history");
    let calls = stage.github_calls();
    let eyes = calls.iter().filter(|call| call.operation.ends_with("/reactions")).count();
    assert_eq!(eyes, 1, "{calls:#?}");
    assert_eq!(stage.world.count("ecs", "UpdateService"), 0);
}

#[tokio::test]
async fn strangers_of_a_public_repository_get_no_answer_and_no_deployment() {
    let mut stage = Stage::new(Database::Sqlite).await;
    stage.shop = stage.github.public_repository("acme/open");
    stage.shop.user("dev", Role::Write);
    stage.shop.file(".github/shipline.yml", POLICY);
    stage.start();
    let pull = stage.pull("Say hello");
    stage.says("stranger", pull.number, "/deploy staging");
    stage.until("a reaction", || {
        let said = stage.shop.conversation(pull.number);
        said.iter().any(|comment| comment.reactions.contains_key("confused")).then_some(())
    });
    assert!(stage.answers(pull.number).is_empty(), "{}", stage.everything());
    assert_eq!(stage.world.count("ecs", "UpdateService"), 0);
}

#[tokio::test]
async fn an_app_with_more_rights_than_it_needs_is_reported() {
    let (stage, folder) = (Stage::new(Database::Sqlite).await, tempfile::tempdir().unwrap());
    let more = [("metadata", "read"), ("contents", "write"), ("members", "read"), ("statuses", "read")];
    let more = more
        .into_iter()
        .chain(["pull_requests", "issues", "deployments", "checks", "actions"].map(|name| (name, "write")));
    let permissions = more.map(|(name, level)| (name.to_owned(), level.to_owned())).collect();
    let app = stage.github.app(&AppSeed {
        name: Some("greedy".into()),
        permissions: Some(permissions),
        ..AppSeed::default()
    });
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_shipline-bot"))
        .arg("doctor")
        .env_clear()
        .env("SHIPLINE_DATABASE_URL", format!("sqlite://{}", folder.path().join("bot.db").display()))
        .env("SHIPLINE_GITHUB_API_URL", stage.world.endpoint())
        .env("SHIPLINE_GITHUB_APP_ID", app.id.to_string())
        .env("SHIPLINE_GITHUB_PRIVATE_KEY", &app.pem)
        .env("SHIPLINE_WEBHOOK_SECRET", "webhook-secret")
        .env("AWS_ENDPOINT_URL", stage.world.endpoint())
        .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", "an-example-of-a-secret-key-of-40-letters")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_ne!(output.status.code(), Some(0), "{text}");
    assert!(text.to_lowercase().contains("contents"), "{text}");
}
