//! Several replicas on one PostgreSQL: one dies and another goes on, all share the work, one leaves
//! and hands over, and the database itself goes away for a while.

use std::time::{Duration, Instant};

use shipline_test_support::{Behaviour, Pull, ServiceSeed};
use sqlx::Connection as _;

use crate::stage::{Database, Stage};

/// A deployment that takes longer than what happens to the replicas meanwhile.
fn slow(stage: &Stage) -> (Pull, String) {
    let pull = stage.pull("Takes its time");
    let image = stage.built(&pull.sha);
    stage.goes(&image, Behaviour::slow(6_000, 50));
    stage.says("dev", pull.number, "/deploy staging");
    stage.until("the change", || (stage.world.count("ecs", "UpdateService") == 1).then_some(()));
    // Under way: its state is looked at again and again.
    let looks = stage.world.count("ecs", "DescribeServices");
    stage.until("a look", || (stage.world.count("ecs", "DescribeServices") > looks).then_some(()));
    (pull, image)
}

/// The replica that has the rollout.
fn holder(stage: &Stage) -> usize {
    let mut running = (0..stage.bots.len()).filter(|index| stage.bots[*index].is_some());
    let found = running.find(|index| stage.log(*index).contains("the rollout's phase"));
    found.unwrap_or_else(|| panic!("nobody rolls out\n{}", stage.everything()))
}

fn taken_up(stage: &Stage, index: usize) -> bool {
    stage.log(index).contains("taking the rollout up from its journal")
}

/// One deployment, one change, and everybody was told.
fn assert_ends_once(stage: &Stage, pull: &Pull, image: &str) {
    stage.answer(pull.number, "serves after");
    stage.until("the last state", || (stage.states("staging").last()?.last()? == "success").then_some(()));
    stage.assert_serves("api-staging", image);
    assert_eq!(stage.states("staging").len(), 1, "{}", stage.everything());
    assert_eq!(stage.answers(pull.number).len(), 1, "{}", stage.everything());
    assert_eq!(stage.world.count("ecs", "UpdateService"), 1, "{}", stage.everything());
}

/// Two replicas with a lease of so many seconds.
async fn two(lease: &str) -> Stage {
    let mut stage = Stage::new(Database::Postgres).await;
    stage.set("SHIPLINE_LEASE", lease);
    stage.start();
    stage.start();
    stage.world.forget_calls();
    stage
}

#[tokio::test]
async fn a_killed_replicas_rollout_is_continued_by_the_other_within_the_lease_time() {
    let mut stage = two("2s").await;
    let (pull, image) = slow(&stage);
    let dies = holder(&stage);
    let other = 1 - dies;
    assert!(!taken_up(&stage, other), "{}", stage.logs());
    stage.kill(dies);
    let died = Instant::now();
    stage.until("the other goes on", || taken_up(&stage, other).then_some(()));
    let took = died.elapsed();
    println!("the other went on {took:?} after the kill");
    // The lease, one look of the other, and its first steps.
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert_ends_once(&stage, &pull, &image);
}

#[tokio::test]
async fn a_replica_that_is_stopped_in_the_middle_hands_its_rollout_over_at_once() {
    // Longer than the story: nobody waits for it to run out.
    let mut stage = two("5m").await;
    let (pull, image) = slow(&stage);
    let leaves = holder(&stage);
    let other = 1 - leaves;
    let asked = Instant::now();
    stage.stop(leaves);
    let stopped = asked.elapsed();
    stage.until("the other goes on", || taken_up(&stage, other).then_some(()));
    println!("stopped after {stopped:?}, the other went on after {:?}", asked.elapsed());
    assert!(stopped < Duration::from_secs(7), "{stopped:?}");
    assert!(asked.elapsed() < stopped + Duration::from_secs(3), "{:?}", asked.elapsed());
    assert_ends_once(&stage, &pull, &image);
}

#[tokio::test]
async fn ten_deployments_at_once_are_shared_and_none_is_done_twice() {
    let mut stage = Stage::new(Database::Postgres).await;
    let mut policy = "version: 1\nservices:\n  api: { image: { repository: pmis/api } }\nenvironments:\n".to_owned();
    let one = stage.image("one", None);
    for number in 0..10 {
        let name = format!("api-{number}");
        let definition = serde_json::json!({
            "family": name, "containerDefinitions": [{"name": "app", "image": one, "essential": true}],
        });
        let arn = stage.world.task_definition(definition);
        stage.world.service(ServiceSeed::new("pmis", &name, &arn).desired(1));
        policy.push_str(&format!(
            "  e{number}:\n    aws: {{ region: us-east-1 }}\n    services: {{ api: {{ ecs: {{ cluster: pmis, service: {name}, container: app }} }} }}\n"
        ));
    }
    stage.shop.file(".github/shipline.yml", &policy);
    let bots = [stage.start(), stage.start()];
    let pulls: Vec<Pull> = (0..10).map(|number| stage.shop.pull("dev", &format!("Change {number}"))).collect();
    let images: Vec<String> = pulls.iter().map(|pull| stage.built(&pull.sha)).collect();
    stage.until("the pull requests are known", || stage.github.is_quiet().then_some(()));
    stage.github.advance(Duration::from_secs(5));
    stage.world.forget_calls();
    for (number, pull) in pulls.iter().enumerate() {
        // As a load balancer would spread them.
        let port = stage.port(bots[number % 2]);
        stage.github.webhook_to(&format!("http://127.0.0.1:{port}/webhooks/github"));
        stage.shop.says("dev", pull.number, &format!("/deploy e{number}"));
        stage.until("its delivery", || stage.github.is_quiet().then_some(()));
    }
    for (number, (pull, image)) in pulls.iter().zip(&images).enumerate() {
        stage.answer(pull.number, "serves after");
        stage.assert_serves(&format!("api-{number}"), image);
        stage.until("its last state", || {
            (stage.states(&format!("e{number}")).last()?.last()? == "success").then_some(())
        });
        assert_eq!(stage.answers(pull.number).len(), 1, "{}", stage.everything());
        assert_eq!(stage.states(&format!("e{number}")).len(), 1, "{}", stage.everything());
    }
    assert_eq!(stage.world.count("ecs", "UpdateService"), 10, "{}", stage.everything());
    assert_eq!(stage.world.count("ecs", "RegisterTaskDefinition"), 10, "{}", stage.everything());
    let shares = stage.until("the last one is over", || {
        let shares = bots.map(|bot| stage.log(bot).matches("the deployment is over").count());
        (shares.iter().sum::<usize>() >= 10).then_some(shares)
    });
    println!("shares: {shares:?}");
    assert_eq!(shares.iter().sum::<usize>(), 10, "{}", stage.logs());
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}\n{}", stage.logs());
}

/// Nobody can reach the database for so long: all connections end, new ones are refused.
async fn away(stage: &Stage, long: Duration) {
    let (server, name) = stage.postgres();
    let mut connection = sqlx::PgConnection::connect(server).await.unwrap();
    let mut run = async |sql: String| sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    run(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    run(format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")).await;
    std::thread::sleep(long);
    run(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
}

#[tokio::test]
async fn a_database_that_goes_away_for_less_than_the_lease_holds_nothing_up() {
    let stage = two("10s").await;
    let (pull, image) = slow(&stage);
    away(&stage, Duration::from_secs(3)).await;
    assert_ends_once(&stage, &pull, &image);
    stage.program(&["audit", "verify"]);
}

#[tokio::test]
async fn a_database_that_goes_away_for_longer_than_the_lease_loses_nothing() {
    let stage = two("1s").await;
    let (pull, image) = slow(&stage);
    away(&stage, Duration::from_secs(4)).await;
    assert_ends_once(&stage, &pull, &image);
    stage.program(&["audit", "verify"]);
}

#[tokio::test]
async fn a_comment_that_comes_while_the_database_is_away_is_carried_out_when_it_is_back() {
    let stage = two("1s").await;
    // Older than what recovery takes for being on its way.
    stage.github.advance(Duration::from_mins(1));
    let pull = stage.pull("Comes at a bad time");
    let image = stage.built(&pull.sha);
    stage.until("the pull request is known", || stage.github.is_quiet().then_some(()));
    let commented = async {
        stage.says("dev", pull.number, "/deploy staging");
        away(&stage, Duration::from_secs(2)).await;
    };
    commented.await;
    assert_ends_once(&stage, &pull, &image);
}
