use std::collections::BTreeMap;
use std::time::Duration;

use shipline::process::Environment;
use shipline_test_support::{AppSeed, AwsWorld, GitHubWorld};

use super::*;
use crate::settings::table;

/// The key of no App of the model.
const OTHER_KEY: &str = include_str!("../github/tests/pkcs1.pem");

struct Stage {
    world: AwsWorld,
    folder: tempfile::TempDir,
    variables: Environment,
}

/// A bot that is well.
async fn well(seed: AppSeed) -> Stage {
    let (world, folder) = (AwsWorld::start().await, tempfile::tempdir().unwrap());
    let github = world.github();
    let webhook = seed.webhook.clone().or_else(|| Some("https://deploy.example.com/webhooks/github".into()));
    let app = github.app(&AppSeed { webhook, ..seed });
    let mut variables = Environment::new();
    for (name, value) in [
        (table::APP_ID, app.id.to_string()),
        (table::PRIVATE_KEY, app.pem),
        (table::WEBHOOK_SECRET, "webhook-secret".to_owned()),
        (table::API_URL, world.endpoint()),
        (table::PUBLIC_URL, "https://deploy.example.com".to_owned()),
        (table::DATABASE_URL, format!("sqlite://{}", folder.path().join("bot.db").display())),
    ] {
        variables.insert(name.to_owned(), value);
    }
    Stage { world, folder, variables }
}

impl Stage {
    fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    fn github(&self) -> GitHubWorld {
        self.world.github()
    }

    async fn examine(&self) -> Findings {
        let redactor = Redactor::new();
        let settings = Settings::read(self.variables.clone(), None, &redactor, &|path| std::fs::read_to_string(path));
        // AWS finds its credentials in the process environment: that is a story over the program.
        let mut found = Findings::default();
        match settings {
            Ok(settings) => examine_github_and_files(&settings, &mut found).await,
            Err(problems) => found = examine(Err(problems), &redactor).await,
        }
        found
    }

    /// The lines about something, as people see them.
    async fn about(&self, about: &str) -> String {
        let found = self.examine().await;
        let lines = found.all().iter().filter(|finding| finding.about == about);
        let line = |finding: &Finding| {
            let next = finding.next.as_ref().map(|next| format!(" → {next}")).unwrap_or_default();
            format!("{:?}: {}{next}", finding.verdict, finding.said)
        };
        lines.map(line).collect::<Vec<_>>().join("\n").replace(&self.world.endpoint(), "<github>")
    }
}

fn only(permissions: &[(&str, &str)]) -> AppSeed {
    let permissions: BTreeMap<String, String> =
        permissions.iter().map(|(name, level)| ((*name).to_owned(), (*level).to_owned())).collect();
    AppSeed { permissions: Some(permissions), ..AppSeed::default() }
}

/// What the bot needs, but for these.
fn needs_but(changes: &[(&'static str, Option<&'static str>)]) -> AppSeed {
    let mut all: BTreeMap<&str, &str> =
        crate::requirements::PERMISSIONS.iter().map(|permission| (permission.key, permission.level.word())).collect();
    for (name, level) in changes {
        match level {
            Some(level) => all.insert(name, level),
            None => all.remove(name),
        };
    }
    only(&all.into_iter().collect::<Vec<_>>())
}

#[tokio::test]
async fn the_app_and_its_surroundings_are_looked_at() {
    let stage = well(AppSeed::default()).await;
    let found = stage.examine().await;
    let text = found.text().replace(&stage.folder.path().display().to_string(), "<folder>");
    insta::assert_snapshot!(text, @r"
    ok    settings       they can be read, and fit together
    ok    app            shipline (1000002), its key is the right one
    ok    clock          agrees with GitHub's
    ok    permissions    exactly those it needs
    ok    events         exactly those it needs
    ok    webhook        GitHub sends to https://deploy.example.com/webhooks/github, signed
    ok    deliveries     none in the last day
    ok    installations  at acme
    ok    database       opens, is up to date and can be written (SQLite, for one process)
    ok    inbox          0 deliveries wait, 0 deployments are open
    warn  allow-list     there is none: every repository with the App may deploy where its roles let it
                         Name the repositories, accounts and regions in a file and set SHIPLINE_ALLOW_FILE (docs/bot.md).

    It works; 1 to look at.
    ");
}

#[tokio::test]
async fn without_an_app_it_says_how_to_make_one() {
    let mut stage = well(AppSeed::default()).await;
    for name in [table::APP_ID, table::PRIVATE_KEY, table::WEBHOOK_SECRET] {
        stage.variables.remove(name);
    }
    assert!(stage.about("app").await.starts_with("Fail: no App is set → Run `shipline-bot setup`"));
}

#[tokio::test]
async fn settings_that_cannot_be_read_are_all_told() {
    let stage = well(AppSeed::default()).await.set(table::LISTEN, "nowhere").set(table::LEASE, "never");
    let told = stage.about("settings").await;
    assert_eq!(told.lines().count(), 2, "{told}");
    assert!(told.contains("SHIPLINE_LISTEN is \"nowhere\""), "{told}");
    assert_eq!(stage.examine().await.worst().exit_code(), 2);
}

#[tokio::test]
async fn a_key_of_another_app_and_an_unknown_app_are_told_apart() {
    let stage = well(AppSeed::default()).await.set(table::APP_ID, "424242");
    assert!(stage.about("app").await.starts_with("Fail: GitHub knows no App 424242 → Set SHIPLINE_GITHUB_APP_ID"));
    let stage = well(AppSeed::default()).await.set(table::PRIVATE_KEY, OTHER_KEY);
    let told = stage.about("app").await;
    assert!(told.starts_with("Fail: the private key does not belong to App "), "{told}");
    assert!(!told.contains("BEGIN"), "{told}");
}

#[tokio::test]
async fn too_few_permissions_fail_and_too_many_are_told() {
    let seed = needs_but(&[("members", None), ("deployments", Some("read")), ("statuses", Some("write"))]);
    insta::assert_snapshot!(well(seed).await.about("permissions").await, @r"
    Fail: Members: read is needed (whether a person is in a team that the policy names), but it has none → Set Members to read in the App's settings (<github>/apps/shipline), Permissions & events; then accept it at every installation.
    Fail: Deployments: write is needed (the Deployment on GitHub's page and its statuses), but it has read → Set Deployments to write in the App's settings (<github>/apps/shipline), Permissions & events; then accept it at every installation.
    Warn: statuses: write is more than it needs → Take statuses back in the App's settings (<github>/apps/shipline), Permissions & events.
    ");
}

#[tokio::test]
async fn the_right_to_write_contents_is_refused() {
    let stage = well(needs_but(&[("contents", Some("write"))])).await;
    let told = stage.about("permissions").await;
    assert!(told.starts_with("Fail: contents: write would let whoever gets the key change code"), "{told}");
    assert_eq!(stage.examine().await.worst(), Verdict::Fail);
}

#[tokio::test]
async fn events_that_are_missing_or_needless_are_told() {
    let heard = ["issue_comment", "workflow_run", "check_run", "deployment_protection_rule", "push"];
    let events = Some(heard.map(str::to_owned).to_vec());
    insta::assert_snapshot!(well(AppSeed { events, ..AppSeed::default() }).await.about("events").await, @r"
    Fail: pull_request is not sent (which commit was the head when a comment was written) → Subscribe to pull_request in the App's settings (<github>/apps/shipline), Permissions & events.
    Warn: push is sent, and nobody here acts on it → Unsubscribe from push in the App's settings (<github>/apps/shipline), Permissions & events.
    ");
}

#[tokio::test]
async fn a_webhook_that_goes_elsewhere_or_is_not_signed_is_told() {
    let webhook = Some("https://old.example.com/webhooks/github".to_owned());
    let told = well(AppSeed { webhook, ..AppSeed::default() }).await.about("webhook").await;
    assert!(told.starts_with("Fail: GitHub sends to https://old.example.com/webhooks/github, this bot expects https://deploy.example.com/webhooks/github"), "{told}");
    let secret = Some(String::new());
    let told = well(AppSeed { secret, ..AppSeed::default() }).await.about("webhook").await;
    assert!(told.starts_with("Fail: deliveries are not signed: the bot refuses them all"), "{told}");
}

#[tokio::test]
async fn deliveries_that_never_arrived_are_counted() {
    let stage = well(AppSeed::default()).await;
    let github = stage.github();
    github.fail_deliveries(2);
    let repository = github.repository("acme/shop");
    let issue = repository.issue("alice", "Broken");
    repository.says("alice", issue, "one");
    repository.says("alice", issue, "two");
    tokio::time::timeout(Duration::from_secs(20), github.delivered()).await.unwrap();
    let told = stage.about("deliveries").await;
    assert!(told.starts_with("Fail: none of the 2 of the last day arrived"), "{told}");
}

#[tokio::test]
async fn an_app_that_is_installed_nowhere_is_a_warning() {
    let stage = well(AppSeed { account: Some(String::new()), ..AppSeed::default() }).await;
    let told = stage.about("installations").await;
    assert!(
        told.starts_with("Warn: the App is installed nowhere → Install it where it shall deploy: <github>/apps/"),
        "{told}"
    );
}

#[tokio::test]
async fn an_installation_that_has_not_accepted_a_permission_is_named() {
    let stage = well(AppSeed::default()).await;
    stage.github().withdraw("checks");
    let told = stage.about("installations").await;
    assert!(told.contains("Fail: acme has not accepted: Checks → An owner of acme accepts"), "{told}");
}

#[tokio::test]
async fn a_database_that_is_not_ours_or_cannot_be_opened_fails() {
    let stage = well(AppSeed::default()).await;
    let path = stage.folder.path().join("letter.db");
    std::fs::write(&path, "Dear reader, this is not a database but a letter of some length.".repeat(40)).unwrap();
    let stage = stage.set(table::DATABASE_URL, format!("sqlite://{}", path.display()));
    let told = stage.about("database").await;
    assert!(told.starts_with("Fail: cannot be opened: "), "{told}");
}

#[tokio::test]
async fn a_list_that_cannot_be_read_fails_and_none_is_a_warning() {
    let stage = well(AppSeed::default()).await;
    assert!(stage.about("allow-list").await.starts_with("Warn: there is none"));
    let stage = stage.set(table::ALLOW_FILE, "/nowhere/allow.yml");
    assert!(stage.about("allow-list").await.starts_with("Fail: /nowhere/allow.yml cannot be read: "));
}

#[tokio::test]
async fn github_that_cannot_be_reached_is_one_line_and_the_rest_is_looked_at() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let stage = well(AppSeed::default()).await.set(table::API_URL, format!("http://127.0.0.1:{port}"));
    let found = stage.examine().await;
    let about: Vec<&str> = found.all().iter().map(|finding| finding.about).collect();
    assert_eq!(about, ["settings", "app", "database", "inbox", "allow-list"]);
    assert_eq!(found.all()[1].verdict, Verdict::Fail);
}

#[test]
fn the_exit_code_is_that_of_the_worst_line() {
    let args = |json| DoctorArgs { source: Source { config_file: None }, json };
    let tell_of = |found: &Findings, json| {
        let mut out = Vec::new();
        let code = tell(found, &args(json), &Redactor::new(), &mut out).unwrap();
        (code, String::from_utf8(out).unwrap())
    };
    let mut found = Findings::default();
    found.ok("clock", "agrees");
    assert_eq!(tell_of(&found, false), (0, "ok    clock  agrees\n\nAll is well.\n".to_owned()));
    found.warn("inbox", "2 were put aside", "Look.");
    assert_eq!(tell_of(&found, false).0, 1);
    found.fail("app", "none", "Make one.");
    let (code, text) = tell_of(&found, false);
    assert_eq!(code, 2);
    assert_eq!(
        text,
        "ok    clock  agrees\nwarn  inbox  2 were put aside\n             Look.\nFAIL  app    none\n             Make one.\n\n1 to change, 1 to look at.\n"
    );
    let (_, json) = tell_of(&found, true);
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["schema_version"], 1);
    assert_eq!(document["verdict"], "fail");
    assert_eq!(document["findings"][2]["next"], "Make one.");
}

#[test]
fn clocks_that_disagree_are_told_with_their_direction() {
    let of = |apart| {
        let mut found = Findings::default();
        github::clock(apart, &mut found);
        let Finding { verdict, said, .. } = found.all()[0].clone();
        (verdict, said)
    };
    assert_eq!(of(Some(3)), (Verdict::Ok, "agrees with GitHub's".to_owned()));
    assert_eq!(of(Some(20)), (Verdict::Warn, "20 s ahead of GitHub's".to_owned()));
    assert_eq!(of(Some(-90)), (Verdict::Fail, "90 s behind GitHub's: it refuses our tokens".to_owned()));
    assert_eq!(of(None).0, Verdict::Warn);
}
