//! Gates that a run in a workflow holds by itself: the environment that comes before, its time, and
//! freeze windows. GitHub's Deployments say what is where.

use serde_json::json;
use shipline_test_support::{CommitSeed, Seed};

use super::stage::{Run, Stage};

const TOKEN: &str = "ghs_16C7e42F292c6912E7710c838347Ae178B4a";

fn sha(n: u8) -> String {
    format!("{n:02x}").repeat(20)
}

/// Staging and production of one service; `rules` stand in production.
async fn shop(rules: &str) -> Stage {
    let stage = Stage::empty().await;
    let commits = (1..=3).map(|n| CommitSeed {
        repository: "acme/shop".to_owned(),
        sha: sha(n),
        message: format!("Change {n}"),
        author: "octocat".to_owned(),
        reference: None,
    });
    stage.world.seed(Seed { commits: commits.collect(), ..Seed::default() });
    for name in ["api", "live"] {
        stage.service(name, |service| service.desired(1));
    }
    let file = format!(
        "version: 1
services:
  api: {{}}
environments:
  staging:
    aws: {{ region: us-east-1 }}
    services: {{ api: {{ ecs: {{ cluster: pmis, service: api }} }} }}
  production:
    aws: {{ region: us-east-1 }}
{rules}    services: {{ api: {{ ecs: {{ cluster: pmis, service: live }} }} }}
"
    );
    stage.write(".github/shipline.yml", &file);
    stage
}

fn verb<'a>(stage: &'a Stage, verb: &str, environment: &str, image: &str) -> Run<'a> {
    let reference = format!("--image=api={image}");
    let mut arguments = vec![verb, environment, &reference];
    if verb == "deploy" {
        arguments.push("--yes");
    }
    stage
        .command(&arguments)
        .set("SHIPLINE_GITHUB_TOKEN", TOKEN)
        .set("GITHUB_REPOSITORY", "acme/shop")
        .set("GITHUB_API_URL", &stage.world.endpoint())
}

fn deploy<'a>(stage: &'a Stage, environment: &str, image: &str) -> Run<'a> {
    verb(stage, "deploy", environment, image)
}

#[tokio::test]
async fn production_takes_only_what_is_good_on_staging() {
    let stage = shop("    requires: [staging]\n").await;
    let (two, three) = (stage.image_at_commit("api", "two", &sha(2)), stage.image_at_commit("api", "three", &sha(3)));
    let before = stage.live_image("live");
    let ran = deploy(&stage, "production", &two).end().must(3);
    ran.says("production takes what is good on `staging`, and 0202020 is not on `staging`")
        .says(&format!("shipline deploy staging --sha {}", sha(2)));
    assert_eq!(stage.changes(), Vec::<String>::new());
    assert_eq!(stage.world.count("github", "POST /repos/acme/shop/deployments"), 0);

    deploy(&stage, "staging", &two).end().must(0);
    deploy(&stage, "production", &two).end().must(0);
    stage.assert_serves("live", &two);

    // What was there once is not there any more.
    deploy(&stage, "staging", &three).end().must(0);
    deploy(&stage, "production", &before).end().must(3);
    let again = stage.image_at_commit("api", "again", &sha(2));
    deploy(&stage, "production", &again).end().must(3).says("0202020 is not on `staging`");
}

#[tokio::test]
async fn what_failed_on_staging_or_somebody_elses_word_for_it_is_not_good() {
    let stage = shop("    requires: [staging]\n").await;
    let two = stage.image_at_commit("api", "two", &sha(2));
    stage.goes(&two, shipline_test_support::Behaviour::exits(1, ["no"]));
    deploy(&stage, "staging", &two).end().must(1);
    deploy(&stage, "production", &two).end().must(3).says("is not on `staging`");

    // A Deployment that another tool made says nothing of our services.
    let client = reqwest::Client::new();
    let base = format!("{}/repos/acme/shop/deployments", stage.world.endpoint());
    let body = json!({ "ref": sha(2), "environment": "staging", "auto_merge": false, "required_contexts": [] });
    let made = client.post(&base).bearer_auth(TOKEN).body(body.to_string()).send().await.unwrap();
    let made: serde_json::Value = serde_json::from_str(&made.text().await.unwrap()).unwrap();
    let status = json!({ "state": "success" });
    let url = format!("{base}/{}/statuses", made["id"]);
    client.post(url).bearer_auth(TOKEN).body(status.to_string()).send().await.unwrap().error_for_status().unwrap();
    deploy(&stage, "production", &two).end().must(3).says("is not on `staging`");
}

#[tokio::test]
async fn a_release_must_have_been_good_for_the_time_that_is_asked_for() {
    let stage = shop("    requires: [staging]\n    soak: 1h\n").await;
    let two = stage.image_at_commit("api", "two", &sha(2));
    deploy(&stage, "staging", &two).end().must(0);
    let ran = deploy(&stage, "production", &two).end().must(3);
    ran.says("0202020 has been good on `staging` for").says("production asks for 1h").says("Run again in");
    // A plan tells of it, and changes nothing.
    let ran = verb(&stage, "plan", "production", &two).end().must(0);
    ran.says("a deploy would be refused now: 0202020 has been good on `staging` for");
}

#[tokio::test]
async fn without_a_token_or_a_commit_nobody_knows_what_is_there_and_nothing_is_deployed() {
    let stage = shop("    requires: [staging]\n").await;
    let two = stage.image_at_commit("api", "two", &sha(2));
    deploy(&stage, "staging", &two).end().must(0);
    let ran = deploy(&stage, "production", &two).unset("SHIPLINE_GITHUB_TOKEN").end().must(3);
    ran.says("nobody can be asked what is there").says("github-token");
    let nameless = stage.image_of("api", "nameless");
    deploy(&stage, "production", &nameless).end().must(3).says("the commit of these images is not known");
}

#[tokio::test]
async fn a_frozen_environment_is_not_deployed_and_a_rollback_passes() {
    let frozen =
        "    freeze: [{ from: Mon 00:00, to: Thu 00:00, zone: UTC }, { from: Thu 00:00, to: Mon 00:00, zone: UTC }]\n";
    let stage = shop(frozen).await;
    let two = stage.image_at_commit("api", "two", &sha(2));
    let ran = deploy(&stage, "production", &two).end().must(3);
    ran.says("production is frozen all week");
    assert_eq!(stage.changes(), Vec::<String>::new());
    // It is asked before anything is opened: not even AWS was.
    assert_eq!(stage.world.count("sts", "GetCallerIdentity"), 0);
    let ran = verb(&stage, "plan", "production", &two).end().must(0);
    ran.says("a deploy would be refused now: production is frozen all week");
    stage.command(&["rollback", "production", "--yes"]).end().says_not("frozen");
}
