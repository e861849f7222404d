//! Secrets: planted everywhere a run can meet one, and searched in everything it leaves behind.

use std::collections::BTreeSet;
use std::path::Path;

use base64::Engine as _;
use shipline_test_support::Behaviour;

use super::stage::{Ran, Running, Stage, pause};

const KEY: &str = "canary/secret+key/of/the/runner/7f3a9c51";
const GITHUB: &str = "ghs_canary16C7e42F292c6912E7710c838347Ae";
const REQUEST: &str = "canary-request-token-5b21";
const NPM: &str = "canary-npm-token-88d0";

/// Ends a run; answers every command line that it or a program it started had.
pub(crate) fn watched(mut running: Running) -> (Ran, String) {
    let mut seen = BTreeSet::new();
    while running.is_running() {
        let mut tree = BTreeSet::from([running.id()]);
        // Parents come before their children often enough: several passes find the rest.
        for _ in 0..3 {
            for (id, parent) in processes() {
                if tree.contains(&parent) {
                    tree.insert(id);
                }
            }
        }
        seen.extend(tree.iter().filter_map(|id| std::fs::read_to_string(format!("/proc/{id}/cmdline")).ok()));
        pause(std::time::Duration::from_millis(3));
    }
    (running.end(), seen.into_iter().collect::<Vec<_>>().join("\n").replace('\0', " "))
}

fn processes() -> Vec<(u32, u32)> {
    let ids =
        std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(|id: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name in parentheses may hold anything.
        let (_, rest) = stat.rsplit_once(") ")?;
        Some((id, rest.split(' ').nth(1)?.parse().ok()?))
    })
    .collect()
}

fn files(folder: &Path) -> String {
    let mut found = String::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        found += path.to_str().unwrap();
        found.push('\n');
        if path.is_dir() {
            found.push_str(&files(&path));
        } else {
            found.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()));
        }
    }
    found
}

/// Nothing a run left behind holds a secret; masks are the one place, and come first.
#[track_caller]
pub(crate) fn assert_kept(folder: &Path, ran: &Ran, commands: &str, planted: &[&str]) {
    let (masks, log): (Vec<&str>, Vec<&str>) = ran.stdout.lines().partition(|line| line.starts_with("::add-mask::"));
    let masked: Vec<&str> = masks.iter().filter_map(|line| line.strip_prefix("::add-mask::")).collect();
    let places = [
        ("standard output", log.join("\n")),
        ("standard error", ran.stderr.clone()),
        ("outputs", ran.output.clone()),
        ("summary", ran.summary.clone()),
        ("command lines", commands.to_owned()),
        ("home", files(&folder.join("home"))),
        ("temporary files", files(&folder.join("tmp"))),
    ];
    for secret in planted.iter().chain(&masked) {
        let encoded = base64::engine::general_purpose::STANDARD.encode(secret);
        for (place, text) in &places {
            assert!(!text.contains(secret), "{secret} is in the {place}:\n{text}");
            assert!(!text.contains(&encoded), "{secret} is in the {place}, encoded:\n{text}");
        }
    }
}

#[tokio::test]
async fn no_secret_of_a_run_is_left_anywhere() {
    let stage = Stage::new().await;
    let two = stage.image_of("api", "two");
    let encoded = base64::engine::general_purpose::STANDARD.encode(KEY);
    stage.goes(
        &two,
        Behaviour::exits(
            1,
            [
                format!("connecting with {KEY} and {encoded}"),
                format!("https://x-access-token:{GITHUB}@github.com/acme/shop failed, {REQUEST}"),
            ],
        ),
    );
    let running = stage
        .action(&two)
        .input("role-to-assume", "arn:aws:iam::111122223333:role/shipline")
        .input("github-token", GITHUB)
        .set("GITHUB_REPOSITORY", "acme/shop")
        .set("GITHUB_API_URL", &stage.world.endpoint())
        .set("AWS_SECRET_ACCESS_KEY", KEY)
        .set("ACTIONS_ID_TOKEN_REQUEST_URL", &stage.world.oidc_url())
        .set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST)
        .set("SHIPLINE_LOG", "debug")
        .start();
    let (ran, commands) = watched(running);
    let ran = ran.must(1);
    let exchanged = stage.world.calls_of("sts", "AssumeRoleWithWebIdentity");
    let token = exchanged[0].body["WebIdentityToken"].as_str().unwrap();
    // The runner's own key is not even used: the role's session is.
    assert_kept(&stage.path(""), &ran, &commands, &[GITHUB, REQUEST, KEY, token]);
    let masked = |secret: &str| ran.stdout.contains(&format!("::add-mask::{secret}\n"));
    assert!(masked(GITHUB) && masked(REQUEST) && masked(token), "{}", ran.stdout);
    // The session's key and token too: nobody but the provider and the program knew them.
    let masks = ran.stdout.lines().filter(|line| line.starts_with("::add-mask::")).count();
    assert!(masks >= 5, "{}", ran.stdout);
    let first_word = ran.stdout.lines().position(|line| !line.starts_with("::add-mask::")).unwrap();
    assert!(ran.stdout.lines().take(first_word).any(|line| line.ends_with(token)), "{}", ran.stdout);
}

#[tokio::test]
async fn the_runners_own_key_is_hidden_where_it_is_used() {
    let stage = Stage::new().await;
    let two = stage.image_of("api", "two");
    stage.goes(&two, Behaviour::exits(1, [format!("connecting with {KEY}")]));
    let running = stage.action(&two).set("AWS_SECRET_ACCESS_KEY", KEY).set("AWS_SESSION_TOKEN", NPM).start();
    let (ran, commands) = watched(running);
    let ran = ran.must(1);
    assert_kept(&stage.path(""), &ran, &commands, &[KEY, NPM]);
    ran.says("connecting with ***");
}

#[tokio::test]
async fn on_a_terminal_a_secret_is_not_even_masked_aloud() {
    let stage = Stage::new().await;
    let two = stage.image_of("api", "two");
    stage.write(
        ".github/shipline.yml",
        "version: 1\nservices: { api: {} }\nenvironments:\n  staging:\n    aws: { region: us-east-1, role: \"arn:aws:iam::111122223333:role/x\" }\n    services: { api: { ecs: { cluster: pmis, service: api } } }\n",
    );
    stage.goes(&two, Behaviour::exits(1, [format!("connecting with {KEY}")]));
    for json in [&["--json"][..], &[]] {
        let image = format!("--image=api={two}");
        let mut arguments = vec!["deploy", "staging", "--yes", &image];
        arguments.extend(json);
        let (ran, commands) = watched(stage.command(&arguments).set("AWS_SECRET_ACCESS_KEY", KEY).start());
        let ran = ran.must(1);
        assert_kept(&stage.path(""), &ran, &commands, &[KEY]);
        ran.says_not("add-mask");
    }
}

/// A `docker` that tells everything it knows: its arguments, its variables, its logins.
const CHATTY_DOCKER: &str = "#!/bin/sh
echo \"docker $*\" >> \"$CHATTY_LOG\"
case \"$*\" in
  'buildx version') echo 'github.com/docker/buildx v0.13.1'; exit 0;;
esac
env >&2
cat \"$DOCKER_CONFIG/config.json\" >&2
exit 1
";

#[tokio::test]
async fn a_build_hides_the_registrys_password_and_declared_secrets_whatever_docker_says() {
    let stage = Stage::new().await;
    stage.image_of("api", "two");
    stage.write("Dockerfile", "FROM scratch\n");
    let bin = stage.path("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::write(bin.join("docker"), CHATTY_DOCKER).unwrap();
    std::fs::set_permissions(bin.join("docker"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let git = |arguments: &[&str]| {
        #[expect(clippy::disallowed_methods, reason = "the stage of a story")]
        let mut git = std::process::Command::new("git");
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"];
        assert!(git.args(who).args(arguments).current_dir(stage.path("work")).status().unwrap().success());
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "one"]);
    let log = stage.path("docker.log");
    let running = stage
        .action("-")
        .without_input("image")
        .input("repository", "pmis/api")
        .input("build-secrets", "npm=NPM_TOKEN")
        .set("NPM_TOKEN", NPM)
        .set("AWS_SECRET_ACCESS_KEY", KEY)
        .set("CHATTY_LOG", log.to_str().unwrap())
        .set("PATH", &format!("{}:/usr/bin:/bin", bin.display()))
        .start();
    let (ran, commands) = watched(running);
    let docker = std::fs::read_to_string(&log).unwrap_or_default();
    assert!(docker.contains("build"), "docker never built: {docker}\n{}", ran.said());
    assert!(matches!(ran.code, 2 | 4), "{}", ran.said());
    assert_kept(&stage.path(""), &ran, &format!("{commands}\n{docker}"), &[NPM, KEY]);
    assert_eq!(stage.world.count("ecr", "GetAuthorizationToken"), 1);
    // The private Docker configuration is gone.
    assert_eq!(files(&stage.path("tmp")), "");
    assert_eq!(files(&stage.path("home")), "");
}
