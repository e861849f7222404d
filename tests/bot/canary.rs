//! Canaries that people and measurements decide about: who served what is counted at the load balancer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use shipline_test_support::{AlarmSeed, Pull, Served, Timing, TrafficRule};

use crate::stage::{Database, Stage};
use crate::told::plain;

pub(crate) const CLUSTER: &str = "pmis";
pub(crate) const SERVICE: &str = "front";

/// A canary of a tenth, with these lines in its environment.
pub(crate) fn policy(rollout: &str, rest: &str) -> String {
    format!(
        "version: 1
services:
  front: {{ image: {{ repository: pmis/api }} }}
environments:
  production:
    aws: {{ region: us-east-1 }}
    services: {{ front: {{ ecs: {{ cluster: {CLUSTER}, service: {SERVICE}, container: app }} }} }}
    rollout: {{ canary: {{ percent: 10, {rollout}, stays: 1m }} }}
{rest}"
    )
}

/// The share of failed requests of the new revision, a value each second.
pub(crate) const ERRORS: &str = "    analysis:
      - name: errors
        cloudwatch:
          namespace: AWS/ApplicationELB
          metric: HTTPCode_Target_5XX_Count
          statistic: Sum
          dimensions: { TargetGroup: \"{target-group}\", LoadBalancer: \"{load-balancer}\" }
          period: 1s
        below: 1
        every: 1s
        min-samples: 1
        warm-up: 0s
";

/// Whether anybody came.
const COUNTED: &str = "        cloudwatch:
          namespace: AWS/ApplicationELB
          metric: RequestCount
          statistic: Sum
          dimensions: { TargetGroup: \"{target-group}\", LoadBalancer: \"{load-balancer}\" }
          period: 1s
        above: 0
        every: 1s
        min-samples: 1
        warm-up: 0s
";

/// A stage whose production moves by canary.
pub(crate) async fn stage(database: Database, policy: &str) -> Stage {
    staged(database, policy, Timing { hook_minute_ms: Some(60_000), ..Timing::default() }).await
}

pub(crate) async fn staged(database: Database, policy: &str, timing: Timing) -> Stage {
    let mut stage = Stage::new(database).await;
    stage.world.timing(timing);
    stage.shifting(SERVICE);
    stage.policy(policy);
    stage.start();
    stage
}

/// A pull request that is being deployed; the comment that asked, and its image.
pub(crate) fn deploying(stage: &Stage) -> (Pull, u64, String) {
    let pull = stage.pull("Say hello");
    let image = stage.built(&pull.sha);
    let comment = stage.says("dev", pull.number, "/deploy production");
    (pull, comment, image)
}

#[track_caller]
pub(crate) fn shows(stage: &Stage, pull: &Pull, comment: u64, words: &str) -> String {
    stage.until(words, || stage.shown(pull.number, comment).filter(|shown| shown.contains(words)))
}

pub(crate) fn calls(stage: &Stage, operation: &str) -> usize {
    stage.world.count("ecs", operation)
}

/// Hook ids that were told to go on, each time.
fn continued(stage: &Stage) -> Vec<String> {
    let all = stage.world.calls();
    let calls = all.iter().filter(|call| call.operation == "ContinueServiceDeployment");
    let done = calls.filter(|call| call.status.is_some_and(|status| status < 300));
    done.map(|call| call.body["hookId"].as_str().unwrap_or_default().to_owned()).collect()
}

#[track_caller]
pub(crate) fn assert_each_once(stage: &Stage) {
    let all = continued(stage);
    let mut once = all.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), all.len(), "a stop was let through twice: {all:?}");
}

/// The share of these requests that the image answered, in percent.
fn share(served: &[Served], image: &str) -> f64 {
    let own = served.iter().filter(|one| one.image == image).count();
    f64::from(u32::try_from(own * 1000 / served.len().max(1)).unwrap()) / 10.0
}

/// Users: requests all the time, until the guard is dropped.
fn users<T>(stage: &Stage, story: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                stage.world.requests(CLUSTER, SERVICE, 20);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(story));
        over.store(true, Ordering::Relaxed);
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn alarm(state: &str) -> AlarmSeed {
    serde_json::from_value(serde_json::json!({ "name": "front-5xx", "state": state })).unwrap()
}

/// Every running bot dies at once, and as many begin anew.
pub(crate) fn dies_and_returns(stage: &mut Stage) {
    let running: Vec<usize> = (0..stage.bots.len()).filter(|index| stage.bots[*index].is_some()).collect();
    for index in &running {
        stage.kill(*index);
    }
    for _ in running {
        stage.start();
    }
}

pub(crate) fn serves(stage: &Stage) -> String {
    stage.world.requests(CLUSTER, SERVICE, 1)[0].image.clone()
}

#[tokio::test]
async fn an_approved_canary_moves_a_tenth_asks_and_then_moves_the_rest() {
    let stage = stage(Database::Sqlite, &policy("bake: 1s, approval: true", "")).await;
    let (pull, comment, image) = deploying(&stage);
    let asks = shows(&stage, &pull, comment, "waiting for approval");
    println!("{}", plain(&asks));
    assert!(asks.contains("**Your turn, "), "{asks}");
    assert!(asks.contains("10 %"), "{asks}");
    let seen = stage.world.requests(CLUSTER, SERVICE, 400);
    let tenth = share(&seen, &image);
    assert!((7.0..=13.0).contains(&tenth), "{tenth} % of the users were on the new revision");
    assert_eq!(continued(&stage).len(), 1, "only the stop before any traffic was let through");

    // Whoever asked may not answer; and what was said twice is said once.
    stage.says("dev", pull.number, "/approve production");
    stage.answer(pull.number, "somebody else must approve it");
    stage.says("mona", pull.number, "/approve production");
    let said = Instant::now();
    stage.until("the call", || (continued(&stage).len() == 2).then_some(()));
    let took = said.elapsed();
    println!("ContinueServiceDeployment came {took:?} after the comment was sent");
    let end = shows(&stage, &pull, comment, "serves after");
    assert!(end.contains("approved by mona"), "{end}");
    assert_eq!(serves(&stage), image);
    assert_eq!(calls(&stage, "UpdateService"), 1);
    assert_each_once(&stage);
    stage.program(&["audit", "verify"]);
}

#[tokio::test]
async fn a_rejected_canary_goes_back_and_says_who_and_why() {
    let stage = stage(Database::Sqlite, &policy("bake: 1s, approval: true", "")).await;
    let before = serves(&stage);
    let (pull, comment, _) = deploying(&stage);
    shows(&stage, &pull, comment, "waiting for approval");
    stage.says("mona", pull.number, "/reject production the colours are wrong");
    let end = shows(&stage, &pull, comment, "serves again");
    assert!(end.contains("mona said no: the colours are wrong"), "{end}");
    assert_eq!(serves(&stage), before);
    assert_eq!(calls(&stage, "UpdateService"), 1, "the way back is ECS's own");
}

#[tokio::test]
async fn a_canary_that_measures_badly_goes_back_and_never_had_more_than_its_share() {
    let stage = stage(Database::Sqlite, &policy("bake: 20s", ERRORS)).await;
    let before = serves(&stage);
    let pull = stage.pull("Break it");
    let image = stage.built(&pull.sha);
    stage.world.traffic_rule(TrafficRule::image(&image).errors(0.5));
    let comment = stage.says("dev", pull.number, "/deploy production");
    let end = users(&stage, || shows(&stage, &pull, comment, "serves again"));
    println!("{}", plain(&end));
    assert!(end.contains("errors"), "{end}");
    assert_eq!(serves(&stage), before);
    let all = stage.world.served(CLUSTER, SERVICE);
    let shared: Vec<Served> = {
        let first = all.iter().position(|one| one.image == image).expect("a tenth moved");
        let last = all.iter().rposition(|one| one.image == image).unwrap();
        all[first..=last].to_vec()
    };
    let most = share(&shared, &image);
    println!("{most} % of {} requests while it was there", shared.len());
    assert!(most <= 13.0, "{most} % of the users were on the new revision");
    let queries: Vec<Value> = stage
        .world
        .calls()
        .into_iter()
        .filter(|call| call.operation == "GetMetricData")
        .map(|call| call.body)
        .collect();
    assert!(!queries.is_empty());
}

#[tokio::test]
async fn a_canary_that_measures_well_passes_by_itself() {
    // No failure is no value in CloudWatch, and that is never a yes: requests are what is counted here.
    let requests = ERRORS.replace("HTTPCode_Target_5XX_Count", "RequestCount").replace("below: 1", "above: 0");
    let stage = stage(Database::Sqlite, &policy("bake: 4s", &requests)).await;
    let (pull, comment, image) = deploying(&stage);
    let end = users(&stage, || shows(&stage, &pull, comment, "serves after"));
    assert!(!end.contains("**Your turn"), "{end}");
    assert_eq!(serves(&stage), image);
    assert_each_once(&stage);
}

#[tokio::test]
async fn what_measures_nothing_is_undecided_and_a_person_decides() {
    let stage = stage(Database::Sqlite, &policy("bake: 6s", ERRORS)).await;
    let (pull, comment, image) = deploying(&stage);
    let asks = shows(&stage, &pull, comment, "undecided, waiting for a person");
    assert!(asks.contains("`/resume production` watches it again"), "{asks}");
    assert!(share(&stage.world.requests(CLUSTER, SERVICE, 200), &image) <= 13.0);
    stage.says("mona", pull.number, "/approve production");
    shows(&stage, &pull, comment, "serves after");
    assert_each_once(&stage);
}

#[tokio::test]
async fn a_canary_is_held_resumed_and_promoted_by_comment() {
    let stage = stage(Database::Sqlite, &policy("bake: 3s, approval: true", "")).await;
    let (pull, comment, image) = deploying(&stage);
    shows(&stage, &pull, comment, "10 %, being watched");
    stage.says("mona", pull.number, "/pause production");
    shows(&stage, &pull, comment, "10 %, held");
    stage.says("mona", pull.number, "/resume production");
    shows(&stage, &pull, comment, "10 %, being watched");
    stage.says("mona", pull.number, "/promote production");
    shows(&stage, &pull, comment, "serves after");
    assert_eq!(serves(&stage), image);
    assert_each_once(&stage);
    stage.until("it is closed", || {
        stage.audit().iter().any(|entry| entry["action"] == "deployment-ended").then_some(())
    });
    let none = stage.asks("mona", pull.number, "/promote production");
    assert!(none.contains("No canary is running"), "{none}");
}

#[tokio::test]
async fn a_locked_environment_lets_no_step_through() {
    let stage = stage(Database::Sqlite, &policy("bake: 1s, approval: true", "")).await;
    let (pull, comment, image) = deploying(&stage);
    shows(&stage, &pull, comment, "waiting for approval");
    stage.says("mona", pull.number, "/lock production looking at something");
    stage.answer(pull.number, "locked");
    stage.says("mona", pull.number, "/approve production");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(continued(&stage).len(), 1, "nothing goes on while it is locked");
    stage.says("mona", pull.number, "/unlock production");
    shows(&stage, &pull, comment, "serves after");
    assert_eq!(serves(&stage), image);
}

#[tokio::test]
async fn an_alarm_after_the_last_step_takes_it_back() {
    let alarms = "    alarms: [front-5xx]\n";
    let timing = Timing { hook_minute_ms: Some(60_000), minute_ms: 30_000, ..Timing::default() };
    let stage = staged(Database::Sqlite, &policy("bake: 1s, approval: true", alarms), timing).await;
    stage.world.alarm(alarm("OK"));
    let before = serves(&stage);
    let (pull, comment, image) = deploying(&stage);
    shows(&stage, &pull, comment, "waiting for approval");
    stage.says("mona", pull.number, "/approve production");
    stage.until("all traffic on it", || (serves(&stage) == image).then_some(()));
    stage.world.alarm(alarm("ALARM"));
    let end = shows(&stage, &pull, comment, "serves again");
    assert!(end.contains("front-5xx"), "{end}");
    assert_eq!(serves(&stage), before);
}

#[tokio::test]
async fn a_bot_that_is_killed_at_every_stage_goes_on_where_it_was() {
    for database in [Database::Sqlite, Database::Postgres] {
        let mut stage = stage(database, &policy("bake: 2s, approval: true", "")).await;
        if database == Database::Postgres {
            stage.start();
        }
        let (pull, comment, image) = deploying(&stage);
        for words in ["10 %, being watched", "waiting for approval"] {
            shows(&stage, &pull, comment, words);
            dies_and_returns(&mut stage);
        }
        shows(&stage, &pull, comment, "waiting for approval");
        stage.says("mona", pull.number, "/approve production");
        stage.until("the answer is written down", || {
            stage.audit().iter().any(|entry| entry["action"] == "approval.decided").then_some(())
        });
        dies_and_returns(&mut stage);
        shows(&stage, &pull, comment, "serves after");
        assert_eq!(serves(&stage), image);
        assert_eq!(calls(&stage, "UpdateService"), 1, "{}", stage.everything());
        assert_each_once(&stage);
        assert_eq!(stage.answers(pull.number).len(), 1, "{}", stage.everything());
        stage.program(&["audit", "verify"]);
    }
}

#[tokio::test]
async fn a_bot_that_stays_dead_leaves_nothing_split_and_a_later_start_tells_it_truly() {
    // The time of the provider's stop is 24 hours and more; a minute of it is 2 ms here.
    let timing = Timing { hook_minute_ms: Some(2), ..Timing::default() };
    let mut stage = staged(Database::Sqlite, &policy("bake: 1s, approval: true", ""), timing).await;
    let before = serves(&stage);
    let (pull, comment, _) = deploying(&stage);
    shows(&stage, &pull, comment, "10 %");
    stage.kill(0);
    stage.until("ECS goes back by itself", || {
        let seen = stage.world.requests(CLUSTER, SERVICE, 50);
        seen.iter().all(|one| one.image == before).then_some(())
    });
    stage.start();
    let end = shows(&stage, &pull, comment, "serves again");
    println!("{}", plain(&end));
    assert_eq!(serves(&stage), before);
}

#[tokio::test]
async fn what_measures_badly_after_the_last_step_goes_back_as_well() {
    let rules = format!("{ERRORS}      - name: requests\n{COUNTED}");
    let timing = Timing { hook_minute_ms: Some(60_000), minute_ms: 30_000, ..Timing::default() };
    // What is decided at the step is whether there are requests; failures count until the end.
    let stage = staged(Database::Sqlite, &policy("bake: 4s", &rules), timing).await;
    let before = serves(&stage);
    let (pull, comment, image) = deploying(&stage);
    let end = users(&stage, || {
        stage.until("all traffic on it, or a question", || {
            if stage.shown(pull.number, comment).is_some_and(|shown| shown.contains("undecided")) {
                stage.says("mona", pull.number, "/promote production");
                return Some(());
            }
            (serves(&stage) == image).then_some(())
        });
        stage.until("all traffic on it", || (serves(&stage) == image).then_some(()));
        stage.world.traffic_rule(TrafficRule::image(&image).errors(0.5));
        shows(&stage, &pull, comment, "serves again")
    });
    assert!(end.contains("errors"), "{end}");
    assert_eq!(serves(&stage), before);
    assert_each_once(&stage);
}

#[tokio::test]
async fn a_bot_killed_while_traffic_moves_and_while_the_old_revision_stays_goes_on() {
    let timing = Timing { hook_minute_ms: Some(60_000), minute_ms: 8_000, settle_ms: 1_500, ..Timing::default() };
    let mut stage = staged(Database::Sqlite, &policy("bake: 1s, approval: true", ""), timing).await;
    let (pull, comment, image) = deploying(&stage);
    stage.until("it is asked for", || (calls(&stage, "UpdateService") == 1).then_some(()));
    dies_and_returns(&mut stage);
    shows(&stage, &pull, comment, "waiting for approval");
    stage.says("mona", pull.number, "/approve production");
    shows(&stage, &pull, comment, "baking");
    dies_and_returns(&mut stage);
    shows(&stage, &pull, comment, "serves after");
    assert_eq!(serves(&stage), image);
    assert_eq!(calls(&stage, "UpdateService"), 1, "{}", stage.everything());
    assert_each_once(&stage);
}
