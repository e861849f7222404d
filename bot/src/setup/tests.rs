use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::SecretString;
use serde_json::Value;
use shipline_test_support::AwsWorld;
use tokio::task::JoinHandle;

use super::*;
use crate::github::App;
use crate::requirements;

/// What the terminal shows, readable while the set-up runs.
#[derive(Clone, Default)]
struct Terminal(Arc<Mutex<Vec<u8>>>);

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Terminal {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

struct Stage {
    world: AwsWorld,
    folder: tempfile::TempDir,
    terminal: Terminal,
    stop: Cancel,
    /// The page's address.
    page: String,
    running: JoinHandle<Result<(), Problem>>,
}

fn arguments(world: &AwsWorld, folder: &tempfile::TempDir) -> SetupArgs {
    SetupArgs {
        public_url: "https://deploy.example.com/".into(),
        organization: Some("acme".into()),
        name: None,
        output: folder.path().join("bot.env"),
        listen: "127.0.0.1:0".parse().unwrap(),
        server_url: world.endpoint(),
        api_url: Some(world.endpoint()),
        within: "30m".parse().unwrap(),
    }
}

async fn stage() -> Stage {
    let (world, folder) = (AwsWorld::start().await, tempfile::tempdir().unwrap());
    let (terminal, stop) = (Terminal::default(), Cancel::new());
    let args = arguments(&world, &folder);
    let listener = TcpListener::bind(args.listen).await.unwrap();
    let (mut out, asked) = (terminal.clone(), stop.clone());
    let running = tokio::spawn(async move { run(&args, listener, &asked, &mut out).await });
    let mut page = None;
    while page.is_none() {
        assert!(!running.is_finished(), "{}", terminal.text());
        tokio::task::yield_now().await;
        page = terminal.text().split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned);
    }
    Stage { world, folder, terminal, stop, page: page.unwrap(), running }
}

async fn get(address: &str) -> (u16, String) {
    let answer = reqwest::get(address).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// A value of the page's form, as a browser reads it.
fn of_form(page: &str, before: &str) -> String {
    let value = page.split_once(before).unwrap().1.split('"').next().unwrap();
    value.replace("&quot;", "\"").replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// Presses the button: posts the form, and follows GitHub back.
async fn press(page: &str) -> (u16, String) {
    let mut body = "manifest=".to_owned();
    for byte in of_form(page, "name=\"manifest\" value=\"").bytes() {
        write!(body, "%{byte:02X}").unwrap();
    }
    let request = reqwest::Client::new().post(of_form(page, "action=\"")).body(body);
    let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

impl Stage {
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// The part of the page's address without its key.
    fn origin(&self) -> &str {
        self.page.rsplit_once('/').unwrap().0
    }
}

#[tokio::test]
async fn one_visit_makes_an_app_with_exactly_what_the_bot_needs() {
    let stage = stage().await;
    let (status, page) = get(&stage.page).await;
    assert_eq!(status, 200);
    let (status, done) = press(&page).await;
    assert_eq!(status, 200, "{done}");
    assert!(done.contains("The App “shipline-acme” is made"), "{done}");
    stage.running.await.unwrap().unwrap();

    let folder = fs::canonicalize(stage.folder.path()).unwrap();
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let settings = read("bot.env");
    let id: u64 = settings.lines().find_map(|l| l.strip_prefix("SHIPLINE_GITHUB_APP_ID=")).unwrap().parse().unwrap();
    let place = folder.display();
    assert_eq!(
        settings,
        format!(
            "# Written by `shipline-bot setup`. The secrets are in files of their own.\n\
             SHIPLINE_GITHUB_APP_ID={id}\n\
             SHIPLINE_GITHUB_PRIVATE_KEY_FILE={place}/bot.private-key.pem\n\
             SHIPLINE_WEBHOOK_SECRET_FILE={place}/bot.webhook-secret\n\
             SHIPLINE_PUBLIC_URL=https://deploy.example.com\n\
             SHIPLINE_GITHUB_API_URL={api}\n\
             SHIPLINE_SERVER_URL={api}\n",
            api = stage.world.endpoint()
        )
    );
    for name in ["bot.env", "bot.private-key.pem", "bot.webhook-secret"] {
        let mode = fs::metadata(folder.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let said = stage.terminal.text();
    for secret in [read("bot.private-key.pem"), read("bot.webhook-secret")] {
        for line in secret.lines().filter(|line| line.len() > 10 && !line.starts_with("-----")) {
            assert!(!said.contains(line) && !done.contains(line) && !page.contains(line));
        }
    }
    assert!(said.contains("1. Install it where it shall deploy: http"), "{said}");
    assert!(said.contains(&format!("shipline-bot serve --config-file {place}/bot.env")), "{said}");
    assert!(said.contains(&format!("shipline-bot doctor --config-file {place}/bot.env")), "{said}");

    let key = SecretString::from(read("bot.private-key.pem"));
    let app = App::new(&stage.world.endpoint(), id, &key).unwrap();
    let known = app.examine().await.unwrap().app.unwrap();
    assert_eq!(requirements::permissions(&known.identity.permissions), []);
    assert_eq!(requirements::events(&known.identity.events), []);
    let hook = app.hook_config().await.unwrap().unwrap();
    assert_eq!(hook.url.as_deref(), Some("https://deploy.example.com/webhooks/github"));
}

#[tokio::test]
async fn the_settings_that_it_writes_are_settings_that_the_bot_reads() {
    let stage = stage().await;
    press(&get(&stage.page).await.1).await;
    stage.running.await.unwrap().unwrap();
    let file = stage.folder.path().join("bot.env");
    let redactor = shipline::redact::Redactor::new();
    let settings =
        crate::settings::Settings::read(shipline::process::Environment::default(), Some(&file), &redactor, &|path| {
            fs::read_to_string(path)
        });
    let settings = settings.unwrap_or_else(|problems| panic!("{problems}"));
    assert!(settings.app.is_some_and(|app| app.webhook_secrets.len() == 1));
    assert_eq!(settings.public_url.as_deref(), Some("https://deploy.example.com"));
}

#[tokio::test]
async fn an_answer_with_another_state_is_refused_and_changes_nothing() {
    let stage = stage().await;
    let manifest: Value = serde_json::json!({ "name": "mallory", "redirect_url": "http://x.test" });
    let told = stage.world.github().act("manifest", &serde_json::json!({ "manifest": manifest }));
    let code = told["code"].as_str().unwrap();
    for query in [format!("?code={code}&state=guessed"), format!("?code={code}"), String::new()] {
        let (status, refused) = get(&format!("{}/created{query}", stage.origin())).await;
        assert_eq!(status, 403);
        assert!(refused.contains("does not belong to this set-up"), "{refused}");
    }
    assert_eq!(stage.files(), Vec::<String>::new());
    assert!(!stage.running.is_finished());
    press(&get(&stage.page).await.1).await;
    stage.running.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_page_is_shown_only_to_who_has_its_whole_address() {
    let stage = stage().await;
    for path in ["/", "/favicon.ico", "/0123456789abcdef0123456789abcdef"] {
        assert_eq!(get(&format!("{}{path}", stage.origin())).await.0, 404, "{path}");
    }
    let answer = reqwest::get(&stage.page).await.unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert!(header("content-security-policy").starts_with("default-src 'none'"));
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("referrer-policy"), "no-referrer");
}

#[tokio::test]
async fn a_code_that_github_does_not_take_is_told_and_the_person_may_try_again() {
    let stage = stage().await;
    let page = get(&stage.page).await.1;
    let mine = of_form(&page, "action=\"").split_once("state=").unwrap().1.to_owned();
    let (status, failed) = get(&format!("{}/created?code=used&state={mine}", stage.origin())).await;
    assert_eq!(status, 502);
    assert!(failed.contains("GitHub did not give the App&#39;s secrets."), "{failed}");
    assert!(failed.contains("<strong>Next</strong>"), "{failed}");
    let (_, failed) = get(&format!("{}/created?code=a%2Fb&state={mine}", stage.origin())).await;
    assert!(failed.contains("holds no code"), "{failed}");
    assert_eq!(stage.files(), Vec::<String>::new());
    assert_eq!(press(&page).await.0, 200);
    stage.running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_file_that_appears_meanwhile_is_not_overwritten() {
    let stage = stage().await;
    let page = get(&stage.page).await.1;
    fs::write(stage.folder.path().join("bot.webhook-secret"), "mine").unwrap();
    let (status, failed) = press(&page).await;
    assert_eq!(status, 502);
    assert!(failed.contains("delete it on GitHub"), "{failed}");
    assert_eq!(stage.read("bot.webhook-secret"), "mine");
    assert!(!stage.files().contains(&"bot.env".to_owned()));
}

#[tokio::test]
async fn the_end_comes_with_the_stop_or_with_the_time() {
    let stage = stage().await;
    stage.stop.cancel();
    assert_eq!(stage.running.await.unwrap().unwrap_err().code, "stopped");
    let mut args = arguments(&stage.world, &stage.folder);
    args.within = "1s".parse().unwrap();
    let listener = TcpListener::bind(args.listen).await.unwrap();
    let (stop, mut terminal) = (Cancel::new(), Terminal::default());
    let ended = run(&args, listener, &stop, &mut terminal);
    let ended = tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap();
    assert_eq!(ended.unwrap_err().what, "Nobody came back from GitHub within 1s.");
}

#[tokio::test]
async fn what_is_wrong_is_told_before_github_is_asked() {
    let (world, folder) = (AwsWorld::start().await, tempfile::tempdir().unwrap());
    let good = arguments(&world, &folder);
    let refused = async |args: SetupArgs| {
        let listener = TcpListener::bind(args.listen).await.unwrap();
        let terminal = Terminal::default();
        let problem = run(&args, listener, &Cancel::new(), &mut terminal.clone()).await.unwrap_err();
        assert_eq!(terminal.text(), "");
        problem.what
    };
    for name in ["bot.env", "bot.private-key.pem", "bot.webhook-secret"] {
        let path = folder.path().join(name);
        fs::write(&path, "older").unwrap();
        assert!(refused(good.clone()).await.ends_with(&format!("{name} is there already.")));
        fs::remove_file(path).unwrap();
    }
    let output = folder.path().join("missing/bot.env");
    assert!(refused(SetupArgs { output, ..good.clone() }).await.starts_with("The settings cannot be written to"));
    assert!(refused(SetupArgs { output: "/".into(), ..good.clone() }).await.starts_with("The settings cannot be"));
    for organization in ["a/b", "", "a b"] {
        let organization = Some(organization.to_owned());
        assert!(refused(SetupArgs { organization, ..good.clone() }).await.contains("which is not a login"));
    }
    for address in [
        "deploy.example.com",
        "ftp://x.test",
        "https://",
        "https://u:p@x.test",
        "https://x.test/?a",
        "https://x.test/\"",
    ] {
        let public_url = address.to_owned();
        let what = refused(SetupArgs { public_url, ..good.clone() }).await;
        assert!(what.contains("--public-url is") && what.ends_with("not an address of the web."), "{what}");
    }
    for name in ["", "123456789012345678901234567890 1234"] {
        assert!(refused(SetupArgs { name: Some(name.into()), ..good.clone() }).await.contains("1 to 34 characters"));
    }
}

#[test]
fn the_manifest_asks_for_the_table_and_nothing_else() {
    let args = SetupArgs {
        public_url: "https://deploy.example.com".into(),
        organization: None,
        name: None,
        output: "x.env".into(),
        listen: "127.0.0.1:0".parse().unwrap(),
        server_url: "https://github.com".into(),
        api_url: None,
        within: "30m".parse().unwrap(),
    };
    let place = Place::of(&args).unwrap();
    assert_eq!(place.form("s"), "https://github.com/settings/apps/new?state=s");
    insta::assert_snapshot!(format!("{:#}", place.manifest("http://127.0.0.1:4000/created")), @r#"
    {
      "name": "shipline",
      "url": "https://deploy.example.com",
      "description": "Deploys, rollbacks and locks from pull-request comments.",
      "hook_attributes": {
        "url": "https://deploy.example.com/webhooks/github",
        "active": true
      },
      "redirect_url": "http://127.0.0.1:4000/created",
      "public": false,
      "default_permissions": {
        "metadata": "read",
        "contents": "read",
        "members": "read",
        "statuses": "read",
        "pull_requests": "write",
        "issues": "write",
        "deployments": "write",
        "checks": "write",
        "actions": "write"
      },
      "default_events": [
        "issue_comment",
        "pull_request",
        "workflow_run",
        "check_run",
        "deployment_protection_rule"
      ]
    }
    "#);
    let api = |server: &str| Place::of(&SetupArgs { server_url: server.into(), ..args.clone() }).unwrap().api_url;
    assert_eq!(api("https://github.com"), "https://api.github.com");
    assert_eq!(api("https://acme.ghe.com/"), "https://api.acme.ghe.com");
    assert_eq!(api("https://github.acme.test"), "https://github.acme.test/api/v3");
    let acme = Place::of(&SetupArgs { organization: Some("acme".into()), ..args.clone() }).unwrap();
    assert_eq!(acme.form("s"), "https://github.com/organizations/acme/settings/apps/new?state=s");
}

#[test]
fn names_cannot_act_in_the_pages() {
    let name = "<script>alert(1)</script>\"'";
    let page = page::done(name, "https://github.com/apps/\"><script>");
    assert!(!page.contains("<script>"), "{page}");
    let problem = Problem::mistake("x", name, name).because(name);
    assert!(!page::failed(&problem).contains("<script>"));
}
