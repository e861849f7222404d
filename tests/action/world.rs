//! The whole way over the real world: a real build, a real push, real containers behind a load
//! balancer. What only a provider's rare moods show is told with the simulators instead.

mod database;
mod load;
mod migration;
mod safeguards;
mod team;

use std::time::Duration;

use serde_json::Value;

use super::image::world::files;
use super::secrets::{assert_kept, watched};
use super::stage::Ran;
use team::{Team, until_async};

fn service<'a>(report: &'a Value, name: &str) -> &'a Value {
    report["services"].as_array().unwrap().iter().find(|service| service["name"] == name).unwrap()
}

#[tokio::test]
async fn a_release_replaces_another_while_every_request_is_answered() {
    let team = Team::new(&["app"]).await;
    team.commit(&[("app", "v1")]).await;
    team.deploy().must(0).says("serves after");
    team.assert_serves("app", "v1");

    team.commit(&[("app", "v2")]).await;
    let load = team.load("app");
    let ran = team.shipline(&["deploy", "staging", "--json"]).end().must(0);
    // The old tasks are still ending.
    team.assert_serves("app", "v2");
    let requests = load.end();
    println!("{} s; {requests}", ran.took.as_secs_f32());
    assert_eq!(requests["failed"], 0, "{requests}");
    for version in ["v1", "v2"] {
        assert!(requests["answers"][version].as_u64() > Some(0), "{requests}");
    }

    // The digest the registry has for the commit is the one that serves.
    let report = ran.document();
    let (app, head) = (service(&report, "app"), team.head().await);
    let digest = team.world.digest(&team.repository("app"), &head).await.unwrap();
    assert_eq!(app["digest"], digest.as_str(), "{report:#}");
    assert_eq!(app["origin"], "built");
    let image = team.show("app")["images"]["app"].as_str().unwrap().to_owned();
    assert!(image.ends_with(&digest), "{image}");
    assert_eq!(report["commit"], head.as_str());
}

#[tokio::test]
async fn a_release_that_ends_at_start_is_told_with_its_log_and_taken_back() {
    let team = Team::new(&["app"]).await;
    team.commit(&[("app", "v1")]).await;
    team.deploy().must(0);
    team.commit(&[("app", "v3")]).await;
    let load = team.load("app");
    let ran = team.deploy().must(1);
    team.assert_serves("app", "v1");
    let requests = load.end();
    println!("{} s; {requests}\n{}", ran.took.as_secs_f32(), ran.said());
    assert_eq!(requests["failed"], 0, "{requests}");
    ran.says("xit code 1").says("fatal: DATABASE_URL is not set").says("serves again");
}

#[tokio::test]
async fn an_image_that_is_not_there_is_refused_before_any_change() {
    let team = Team::new(&["app"]).await;
    team.commit(&[("app", "v1")]).await;
    let repository = team.repository("app");
    let before = (team.asked_for("app").await, team.revisions("app").await);
    for missing in [format!("{repository}:nope"), format!("{repository}@sha256:{}", "0".repeat(64))] {
        let ran = team.shipline(&["deploy", "staging", "--image", &format!("app={missing}")]).end().must(2);
        ran.says("There is no image").says(&missing);
        assert_eq!((team.asked_for("app").await, team.revisions("app").await), before);
    }
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_is_told_and_taken_back() {
    let team = Team::new(&["app"]).await;
    team.commit(&[("app", "v1")]).await;
    team.deploy().must(0);
    let before = team.asked_for("app").await;
    // Nobody can say before that it is missing: the registry does not answer.
    let nowhere = format!("127.0.0.1:9/x/y@sha256:{}", "0".repeat(64));
    let ran = team.shipline(&["deploy", "staging", "--image", &format!("app={nowhere}")]).end().must(1);
    println!("{} s\n{}", ran.took.as_secs_f32(), ran.said());
    ran.says("CannotPullContainerError").says("serves again");
    team.assert_serves("app", "v1");
    assert_eq!(team.asked_for("app").await, before);
}

#[tokio::test]
async fn the_same_commit_again_is_a_no_op_within_a_second() {
    let team = Team::new(&["app"]).await;
    team.commit(&[("app", "v1")]).await;
    team.deploy().must(0);
    let before = (team.asked_for("app").await, team.revisions("app").await);
    // Other stories share the machine: the quickest of three is what it takes.
    let again: Vec<Ran> = (0..3).map(|_| team.deploy_without_docker().must(0)).collect();
    for ran in &again {
        ran.says("already serves, nothing to do");
    }
    assert_eq!((team.asked_for("app").await, team.revisions("app").await), before);
    let quickest = again.iter().map(|ran| ran.took).min().unwrap();
    println!("{:?}", again.iter().map(|ran| ran.took).collect::<Vec<_>>());
    assert!(quickest <= Duration::from_secs(1), "{quickest:?}");
}

#[tokio::test]
async fn another_commit_of_the_same_source_is_tagged_and_neither_built_nor_moved() {
    let team = Team::new(&["app"]).await;
    team.commit(&[("app", "v1")]).await;
    team.deploy().must(0);
    let (first, before) = (team.head().await, (team.asked_for("app").await, team.revisions("app").await));
    team.write("README.md", "not in the build context");
    team.commit(&[]).await;
    let second = team.head().await;
    assert_ne!(first, second);
    let ran = team.deploy_without_docker().must(0);
    ran.says("already serves, nothing to do");
    let repository = team.repository("app");
    let digest = team.world.digest(&repository, &first).await;
    assert!(digest.is_some());
    assert_eq!(team.world.digest(&repository, &second).await, digest);
    assert_eq!((team.asked_for("app").await, team.revisions("app").await), before);
}

#[tokio::test]
async fn a_rollback_puts_the_release_before_back_without_building() {
    let team = Team::new(&["app"]).await;
    team.commit(&[("app", "v1")]).await;
    team.deploy().must(0);
    let (first, one) = (team.head().await, team.asked_for("app").await);
    team.commit(&[("app", "v2")]).await;
    team.deploy().must(0);
    let revisions = team.revisions("app").await;

    let load = team.load("app");
    let path = &team.world.environment_without_docker()["PATH"];
    team.shipline(&["rollback", "staging"]).set("PATH", path).end().must(0);
    team.assert_serves("app", "v1");
    let requests = load.end();
    assert_eq!(requests["failed"], 0, "{requests}");
    // The very revision that served, not a copy of it.
    assert_eq!(team.asked_for("app").await, one);
    assert_eq!(team.revisions("app").await, revisions);
    let status = team.shipline(&["status", "--json"]).end().must(0).document();
    assert_eq!(status["services"][0]["live"]["revision"], one.as_str(), "{status:#}");

    // Forward is a deployment of what is built already; and back again, by its commit.
    team.deploy_without_docker().must(0);
    team.assert_serves("app", "v2");
    team.shipline(&["rollback", "staging", "--to", &first]).end().must(0);
    team.assert_serves("app", "v1");
    assert_eq!(team.asked_for("app").await, one);
}

#[tokio::test]
async fn a_wave_that_fails_takes_the_wave_before_it_back() {
    let team = Team::new(&["api", "web"]).await;
    team.commit(&[("api", "v1"), ("web", "v1")]).await;
    team.deploy().must(0);
    let before = (team.asked_for("api").await, team.asked_for("web").await);
    team.commit(&[("api", "v2"), ("web", "v3")]).await;
    let ran = team.shipline(&["deploy", "staging", "--json"]).end().must(1);
    for name in ["api", "web"] {
        team.assert_serves(name, "v1");
    }
    assert_eq!((team.asked_for("api").await, team.asked_for("web").await), before);
    let report = ran.document();
    assert_eq!(report["result"], "rolled-back", "{report:#}");
    assert_eq!(service(&report, "web")["cause"]["exit"]["code"], 1, "{report:#}");
    assert_eq!(service(&report, "api")["state"], "restored", "{report:#}");
}

#[tokio::test]
async fn a_run_that_was_killed_is_finished_by_the_next_with_one_revision() {
    let team = Team::new(&["app"]).await;
    team.commit(&[("app", "v1")]).await;
    team.deploy().must(0);
    let (before, revisions) = (team.asked_for("app").await, team.revisions("app").await);
    team.commit(&[("app", "v2")]).await;
    let mut running = team.shipline(&["deploy", "staging"]).start();
    until_async("the update", async || team.asked_for("app").await != before).await;
    assert!(running.is_running(), "it ended before it could be killed");
    running.kill();
    // What it wrote down for docker is gone before the first change, however the run ends.
    assert_eq!(files(&team.path("tmp")), Vec::new());

    let ran = team.deploy_without_docker().must(0);
    println!("{}", ran.said());
    team.assert_serves("app", "v2");
    assert_eq!(team.revisions("app").await, revisions + 1);
}

#[tokio::test]
async fn no_password_key_or_build_secret_is_left_anywhere() {
    let team = Team::new(&["app"]).await;
    let configuration = std::fs::read_to_string(team.path("work/.github/shipline.yml")).unwrap();
    let build = "context: app, secrets: [{ id: npm, env: NPM_TOKEN }]";
    team.write(".github/shipline.yml", &configuration.replace("context: app", build));
    let dockerfile = std::fs::read_to_string(team.path("work/app/Dockerfile")).unwrap();
    let uses = "RUN --mount=type=secret,id=npm test -s /run/secrets/npm && echo using $(cat /run/secrets/npm)";
    // The step of an earlier run is not to be found in the engine's cache.
    let unique = team.path("");
    team.write("app/Dockerfile", &format!("{dockerfile}{uses} # {}\n", unique.display()));
    team.commit(&[("app", "v1")]).await;

    let (key, npm) = ("world/secret+key/canary/7f3a9c51", "world-npm-canary-88d0");
    let running = team
        .shipline(&["action"])
        .in_a_job()
        .input("environment", "staging")
        .input("aws-region", "us-east-1")
        .set("AWS_SECRET_ACCESS_KEY", key)
        .set("NPM_TOKEN", npm)
        .set("SHIPLINE_LOG", "debug")
        .start();
    let (ran, commands) = watched(running);
    let ran = ran.must(0);
    team.assert_serves("app", "v1");
    assert!(commands.contains("docker") && commands.contains("buildx"), "{commands}");
    assert!(ran.stdout.contains("using ***"), "the secret was used: {}", ran.stdout);
    // What the world's registry takes as a password.
    let password = "ministack-auth-token";
    assert!(ran.stdout.contains(&format!("::add-mask::{password}\n")), "{}", ran.stdout);
    assert_kept(&team.path(""), &ran, &commands, &[key, npm, password]);
}
