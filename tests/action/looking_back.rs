//! `history` and `logs`: what served, and what the services say.

use std::time::Duration;

use rustix::process::Signal;
use shipline_test_support::{CommitSeed, Fault, FaultKind, Seed, Timing};

use super::stage::{Stage, pause, until};

const FILE: &str = "version: 1
services: { api: {}, web: {} }
environments:
  staging:
    aws: { region: us-east-1 }
    services:
      api: { ecs: { cluster: pmis, service: api, container: app } }
      web: { ecs: { cluster: pmis, service: web, container: app } }
";

async fn stage() -> Stage {
    let stage = Stage::empty().await;
    stage.world.timing(Timing::instant());
    for name in ["api", "web"] {
        stage.service(name, |service| service.desired(1));
    }
    stage.write(".github/shipline.yml", FILE);
    stage
}

#[tokio::test]
async fn history_names_the_last_good_releases_with_commit_digest_and_who_put_them_there() {
    let stage = stage().await;
    let shas = ["1", "2", "3"].map(|digit| digit.repeat(40));
    let commits = shas.iter().map(|sha| CommitSeed {
        repository: "acme/shop".to_owned(),
        sha: sha.clone(),
        message: "Change".to_owned(),
        author: "octocat".to_owned(),
        reference: None,
    });
    stage.world.seed(Seed { commits: commits.collect(), ..Seed::default() });
    let github = |arguments: &[&str]| {
        stage
            .command(arguments)
            .set("SHIPLINE_GITHUB_TOKEN", "ghs_stage0000000000000000000000000000001")
            .set("GITHUB_REPOSITORY", "acme/shop")
            .set("GITHUB_API_URL", &stage.world.endpoint())
    };
    let images = shas.each_ref().map(|sha| stage.image_at_commit("api", &sha[..7], sha));
    for image in &images {
        github(&["deploy", "staging", "api", "--yes", &format!("--image=api={image}")]).end().must(0);
    }
    let document = github(&["history", "staging", "api", "--last", "2", "--json"]).end().must(0).document();
    let releases = document["services"][0]["releases"].as_array().unwrap();
    assert_eq!(releases.len(), 2, "{document:#}");
    for (release, (sha, image)) in releases.iter().zip(shas.iter().zip(&images).rev()) {
        assert_eq!(release["commit"], *sha, "{document:#}");
        assert!(image.ends_with(release["digest"].as_str().unwrap()), "{document:#}");
        assert!(release["since"].is_string() && release["who"].is_string(), "{document:#}");
    }
    let ran = github(&["history", "staging"]).end().must(0);
    ran.says("api\n  live  api:4  commit 3333333")
        .says("   1  api:3  commit 2222222")
        .says(" by @")
        .says("web\n  live  web:1");
}

#[tokio::test]
async fn history_without_github_or_service_deployments_shows_what_is_left_and_says_so() {
    let stage = stage().await;
    let two = stage.image_of("api", "two");
    stage.command(&["deploy", "staging", "api", "--yes", &format!("--image=api={two}")]).end().must(0);
    stage.world.fault(Fault::on("ecs", "ListServiceDeployments", FaultKind::Deny));
    let ran = stage.command(&["history", "staging", "api"]).end().must(0);
    ran.says("live  api:2").says("1  api:1").says("may never have served").says_not(" by @");
}

#[tokio::test]
async fn lines_of_several_services_come_in_order_of_time_with_their_task() {
    let stage = stage().await;
    stage.world.log("/pmis/api", "api/app/0123456789abcdef", &["api one"]);
    pause(Duration::from_millis(5));
    stage.world.log("/pmis/web", "web/app/fedcba9876543210", &["web one"]);
    pause(Duration::from_millis(5));
    stage.world.log("/pmis/api", "api/app/0123456789abcdef", &["api two"]);
    // Of another container in the same group, and no service of ours.
    stage.world.log("/pmis/api", "other/app/0123456789abcdef", &["a stranger"]);
    let ran = stage.command(&["logs", "staging"]).end().must(0);
    let lines: Vec<&str> = ran.stdout.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    assert_eq!(lines, ["api app/01234567 api one", "web app/fedcba98 web one", "api app/01234567 api two"]);
    let last = stage.command(&["logs", "staging", "--lines", "1"]).end().must(0);
    assert_eq!(last.stdout.lines().count(), 1, "{}", last.stdout);
    last.says("api two");
    let document = stage.command(&["logs", "staging", "web", "--json"]).end().must(0).document();
    assert_eq!(document["lines"].as_array().unwrap().len(), 1, "{document:#}");
    assert_eq!((&document["lines"][0]["text"], &document["lines"][0]["service"]), (&"web one".into(), &"web".into()));
    stage.command(&["logs", "staging", "--since", "soon"]).end().must(2).says("--since");
}

#[tokio::test]
async fn what_a_program_wrote_moves_no_cursor_passes_for_no_other_service_and_shows_no_secret() {
    let stage = stage().await;
    stage.world.log(
        "/pmis/api",
        "api/app/0123456789abcdef",
        &["\u{1b}[2Jgone\rweb app/fedcba98 forged\nsecond", "key stage-secret-key-4f1d"],
    );
    let ran = stage.command(&["logs", "staging"]).end().must(0);
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stdout.contains('\r'), "{:?}", ran.stdout);
    ran.says_not("stage-secret-key-4f1d");
    assert!(ran.stdout.lines().all(|line| line.contains(" api app/01234567")), "{}", ran.stdout);
    ran.says("forged").says("second");
}

#[tokio::test]
async fn following_shows_every_line_once_survives_throttling_and_ends_well_on_an_interrupt() {
    let stage = stage().await;
    let stream = "api/app/0123456789abcdef";
    stage.world.log("/pmis/api", stream, &["line 0."]);
    let running = stage.command(&["logs", "staging", "api", "--follow"]).start();
    until("the first look", || stage.world.count("logs", "FilterLogEvents") >= 2);
    for number in 1..=3 {
        stage.world.log("/pmis/api", stream, &[&format!("line {number}.")]);
        let before = stage.world.count("logs", "FilterLogEvents");
        until("the next look", || stage.world.count("logs", "FilterLogEvents") > before + 1);
    }
    stage.world.fault(Fault::on("logs", "FilterLogEvents", FaultKind::Throttle).times(2));
    // Two lines of one instant, of two tasks: neither hides the other.
    stage.world.log("/pmis/api", stream, &["line 4.", "line 5."]);
    stage.world.log("/pmis/api", "api/app/fedcba9876543210", &["line 6."]);
    let good =
        || stage.world.calls_of("logs", "FilterLogEvents").iter().filter(|call| call.status == Some(200)).count();
    let before = good();
    until("looks after throttling", || good() > before + 1);
    running.signal(Signal::INT);
    let ran = running.end().must(0);
    for number in 0..=6 {
        let line = format!("line {number}.");
        assert_eq!(ran.stdout.matches(&line).count(), 1, "{line} in:\n{}", ran.stdout);
    }
}

#[tokio::test]
async fn a_service_whose_log_goes_elsewhere_is_told_and_not_silent() {
    let stage = stage().await;
    let mut task = super::stage::definition("api", &stage.image_of("api", "two"));
    task["containerDefinitions"][0]["logConfiguration"] = serde_json::json!({"logDriver": "fluentd"});
    let arn = stage.world.task_definition(task);
    let asked = serde_json::json!({"cluster": "pmis", "service": "api", "taskDefinition": arn});
    stage.world.ecs("UpdateService", &asked).unwrap();
    stage.command(&["logs", "staging", "api"]).end().must(3).says("writes to CloudWatch Logs");
}

#[tokio::test]
async fn a_plan_tells_the_gates_that_a_deployment_waits_for_and_the_action_runs_the_same_verbs() {
    let stage = stage().await;
    stage.write(".github/shipline.yml", &format!("{FILE}    checks: required\n    reviews: required\n"));
    let two = stage.image_of("api", "two");
    let image = format!("--image=api={two}");
    let ran = stage.command(&["plan", "staging", "api", &image]).end().must(0);
    ran.says("waits until the checks that branch protection requires have passed (`checks`, shipline-bot)");
    let view = stage.command(&["plan", "staging", "api", &image, "--json"]).end().must(0).document();
    assert_eq!(view["gates"][1]["gate"], "reviews", "{view:#}");
    for (command, says) in [
        ("history", "live  api:1"),
        ("iam-policy", "ecs:UpdateService"),
        ("verify", "nothing that is known would fail"),
    ] {
        stage.world.seed(Seed { log_groups: vec!["/pmis/api".to_owned(), "/pmis/web".to_owned()], ..Seed::default() });
        let run = stage.action(&two).input("command", command);
        run.end().must(0).says(says);
    }
    stage.action(&two).input("command", "verfy").end().must(2).says("verify");
}
