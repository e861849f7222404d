//! What a run tells GitHub, and what strangers cannot make it tell: GitHub's Deployment, the commits
//! between two releases, and log lines that try to be commands, outputs or markup.

use serde_json::Value;
use shipline::types::PinnedImage;
use shipline_test_support::{AppRunnerBehaviour, Behaviour, CommitSeed, Fault, FaultKind, Seed};

use super::app_runner;
use super::stage::{Run, Stage, commands, outputs};

const TOKEN: &str = "ghs_16C7e42F292c6912E7710c838347Ae178B4a";

fn sha(n: u8) -> String {
    format!("{n:02x}").repeat(20)
}

/// The image `one` is of commit 1 and serves; `two` is of commit 3.
async fn shop() -> (Stage, String) {
    let stage = Stage::empty().await;
    let commits = (1..=3).map(|n| CommitSeed {
        repository: "acme/shop".to_owned(),
        sha: sha(n),
        message: format!("Change {n} for @everyone, see #7\n\nWhy."),
        author: "octocat".to_owned(),
        reference: None,
    });
    stage.world.seed(Seed { commits: commits.collect(), ..Seed::default() });
    let one = stage.image_at_commit("api", "one", &sha(1));
    let arn = stage.world.task_definition(super::stage::definition("api", &one));
    stage.world.service(shipline_test_support::ServiceSeed::new("pmis", "api", &arn).desired(1));
    let two = stage.image_at_commit("api", "two", &sha(3));
    (stage, two)
}

fn with_github<'a>(stage: &'a Stage, image: &str) -> Run<'a> {
    stage
        .action(image)
        .input("github-token", TOKEN)
        .input("environment", "staging")
        .input("url", "https://staging.example.com")
        .set("GITHUB_REPOSITORY", "acme/shop")
        .set("GITHUB_SERVER_URL", "https://github.com")
        .set("GITHUB_RUN_ID", "42")
        .set("GITHUB_API_URL", &stage.world.endpoint())
}

fn statuses(stage: &Stage) -> Vec<Value> {
    let calls = stage.world.calls();
    let told = calls.iter().filter(|call| call.service == "github" && call.operation.ends_with("/statuses"));
    told.map(|call| call.body.clone()).collect()
}

#[tokio::test]
async fn github_is_told_of_a_deployment_and_its_end_and_the_commits_are_shown() {
    let (stage, two) = shop().await;
    let ran = with_github(&stage, &two).end().must(0);
    let made = stage.world.calls_of("github", "POST /repos/acme/shop/deployments");
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].body["ref"], sha(3));
    assert_eq!(made[0].body["environment"], "staging");
    assert_eq!(made[0].body["auto_merge"], false);
    let told = statuses(&stage);
    let states: Vec<&str> = told.iter().map(|status| status["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["in_progress", "success"]);
    assert_eq!(told[1]["environment_url"], "https://staging.example.com");
    assert_eq!(told[1]["log_url"], "https://github.com/acme/shop/actions/runs/42");
    assert_eq!(ran.report()["commits"].as_array().unwrap().len(), 2, "{}", ran.report());
    ran.summarises("2 commits").summarises("Change 2 for &#64;everyone, see &#35;7");

    // A run that finds nothing to do makes no Deployment.
    with_github(&stage, &two).end().must(0);
    assert_eq!(stage.world.count("github", "POST /repos/acme/shop/deployments"), 1);
}

#[tokio::test]
async fn a_failed_deployment_is_a_failure_on_github_too() {
    let (stage, two) = shop().await;
    stage.goes(&two, Behaviour::exits(1, ["no"]));
    with_github(&stage, &two).end().must(1);
    assert_eq!(statuses(&stage).last().unwrap()["state"], "failure");
}

#[tokio::test]
async fn github_never_fails_a_deployment() {
    for kind in [FaultKind::ServerError { status: 502 }, FaultKind::Deny, FaultKind::LoseResponse] {
        let (stage, two) = shop().await;
        stage.world.fault(Fault::on_service("github", kind));
        let ran = with_github(&stage, &two).end().must(0);
        stage.assert_serves("api", &two);
        ran.says("::warning title=Shipline::no GitHub Deployment");
        // The end waits for nobody.
        assert!(stage.late_ms("api", &ran) <= 3000, "{} ms late", stage.late_ms("api", &ran));
    }
}

#[tokio::test]
async fn log_lines_of_strangers_are_no_commands_no_outputs_and_no_markup() {
    let lines = [
        "::add-mask::x",
        "   ::error file=a.rs,line=1::boom",
        "text ##[error]boom ##[add-mask]e",
        "half\r::set-env name=PATH::/evil",
        "\u{85}::stop-commands::x",
        "\u{2028}::warning::w",
        "result<<EOF",
        "succeeded",
        "EOF",
        "result=succeeded",
        "```",
        "````",
        "</details><script>alert(1)</script> @acme/everyone #1 ![x](https://evil.example/x.png)",
        "\u{1b}[2J\u{1b}]0;title\u{7}\u{202e}reversed",
    ];
    let stage = Stage::new().await;
    let two = stage.image_of("api", "two");
    stage.goes(&two, Behaviour::exits(1, lines));
    let ran = stage.action(&two).end().must(1);

    let own = ["add-mask", "group", "endgroup", "error"];
    let found = commands(&ran.stdout);
    assert!(found.iter().all(|command| own.contains(&command.as_str())), "{found:?}\n{}", ran.stdout);
    let count = |name: &str| found.iter().filter(|command| *command == name).count();
    assert_eq!((count("add-mask"), count("error"), count("group")), (1, 1, 1), "{}", ran.stdout);
    assert!(!ran.stdout.chars().any(|c| c.is_control() && c != '\n'), "{:?}", ran.stdout);

    let outputs = outputs(&ran.output);
    assert_eq!(outputs["result"], "rolled-back");
    let known: Vec<&str> = shipline::action::outputs::OUTPUTS.iter().map(|(name, _)| *name).collect();
    assert!(outputs.keys().all(|name| known.contains(&name.as_str())), "{:?}", outputs.keys());

    // In the summary they stand in one fence that none of them closes.
    let fence = "`````";
    let parts: Vec<&str> = ran.summary.split(&format!("{fence}text\n")).collect();
    assert_eq!(parts.len(), 2, "{}", ran.summary);
    let (inside, after) = parts[1].split_once(&format!("\n{fence}\n")).unwrap();
    assert!(inside.contains("<script>") && inside.contains("````"), "{inside}");
    assert!(!after.contains("<script>") && !after.contains("@acme"), "{after}");
}

#[tokio::test]
async fn what_the_provider_says_is_neutralised_in_the_summary() {
    let stage = Stage::new().await;
    let two = stage.image_of("api", "two");
    stage.goes(
        &two,
        Behaviour::cannot_pull("@acme/everyone <img src=x> [a](https://evil.example) www.evil.example GH-1 #2 `x"),
    );
    let ran = stage.action(&two).end().must(1);
    for raw in ["@acme", "<img", "https://evil", "www.evil", "GH-1", " #2"] {
        assert!(!ran.summary.contains(raw), "{raw} in {}", ran.summary);
    }
    ran.summarises("&#64;acme/everyone &lt;img");
}

/// An App Runner service with every setting away from its default, and an image to deploy.
async fn app_runner() -> (Stage, String, PinnedImage) {
    let stage = Stage::empty().await;
    let arn = stage.world.app_runner_service(app_runner::full_service(&app_runner::image('a').by_digest()));
    let two = stage.image_of("astro-ai", "two").parse().unwrap();
    (stage, arn, two)
}

fn described(stage: &Stage, arn: &str) -> Value {
    let asked = serde_json::json!({ "ServiceArn": arn });
    stage.world.app_runner("DescribeService", &asked).unwrap()["Service"].clone()
}

fn app_runner_action<'a>(stage: &'a Stage, image: &PinnedImage) -> Run<'a> {
    stage.bare_action().input("app-runner-service", "astro-ai-service").input("image", &image.by_digest())
}

#[tokio::test]
async fn an_app_runner_service_keeps_every_setting_but_the_image() {
    let (stage, arn, two) = app_runner().await;
    let before = described(&stage, &arn);
    let ran = app_runner_action(&stage, &two).end().must(0);
    let after = described(&stage, &arn);
    let image = &after["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"];
    assert_eq!(*image, two.by_digest());
    let mut expected = before;
    expected["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"] = image.clone();
    expected["UpdatedAt"] = after["UpdatedAt"].clone();
    assert_eq!(after, expected);
    assert_eq!(ran.out("result"), "succeeded");
    assert!(ran.out("service-url").starts_with("https://"), "{}", ran.output);

    stage.world.forget_calls();
    let again = app_runner_action(&stage, &two).end().must(0);
    assert_eq!(again.out("result"), "unchanged");
    assert_eq!(stage.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn an_app_runner_operation_that_ended_badly_is_a_failure_although_the_service_runs() {
    let lines = || vec!["ImportError: no module named app".to_owned()];
    let stories = [
        AppRunnerBehaviour::RollsBack { lines: lines(), reason: Some("Health check failed on port 8000".to_owned()) },
        AppRunnerBehaviour::Fails { lines: lines(), reason: Some("Health check failed on port 8000".to_owned()) },
    ];
    for behaviour in stories {
        let (stage, arn, two) = app_runner().await;
        stage.world.app_runner_rule(app_runner::rule(&two, behaviour));
        let ran = app_runner_action(&stage, &two).end().must(1);
        assert_eq!(described(&stage, &arn)["Status"], "RUNNING");
        assert_eq!(ran.out("result"), "rolled-back");
        ran.says("ImportError: no module named app").summarises("ImportError");
    }
}
