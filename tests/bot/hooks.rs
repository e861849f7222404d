//! A migration before the release, by comment: it works, it fails, it is undone, and the bot that started
//! it dies in its middle.

use shipline_test_support::{Behaviour, Fault, FaultKind, Rule};

use crate::stage::{Database, Stage, policy_with};

const MIGRATION: &str =
    "before: [{ run: [alembic, upgrade, head], in: api, undo: [alembic, downgrade, \"-1\"], within: 1m }]";

async fn stage(database: Database) -> Stage {
    let mut stage = Stage::new(database).await;
    stage.shop.file(".github/shipline.yml", &policy_with(MIGRATION));
    stage.start();
    stage
}

/// What changed something on ECS, in its order.
fn order(stage: &Stage) -> Vec<String> {
    let changing = ["RunTask", "UpdateService", "StopTask", "StopServiceDeployment"];
    let calls = stage.world.calls().into_iter().map(|call| call.operation);
    calls.filter(|operation| changing.contains(&operation.as_str())).collect()
}

/// A task that takes so long and ends well.
fn takes(after_ms: u64) -> Behaviour {
    Behaviour::Exits { code: 0, after_ms: Some(after_ms), every_ms: None, lines: Vec::new(), container: None }
}

#[tokio::test]
async fn a_migration_runs_with_the_new_image_before_the_release_and_the_comment_tells_it() {
    let stage = stage(Database::Sqlite).await;
    let pull = stage.pull("Add a column");
    let image = stage.built(&pull.sha);
    stage.says("dev", pull.number, "/deploy staging");
    let told = stage.answer(pull.number, "serves after");
    assert!(told.body.contains("alembic upgrade head"), "{}", told.body);
    assert_eq!(order(&stage), ["RunTask", "UpdateService"]);
    stage.assert_serves("api-staging", &image);
    // The very revision that serves afterwards.
    let run = stage.world.calls_of("ecs", "RunTask")[0].body["taskDefinition"].clone();
    assert_eq!(run, stage.world.calls_of("ecs", "UpdateService")[0].body["taskDefinition"]);
    // The comment comes first, the Deployment's status after it.
    stage.until("the Deployment says so", || (stage.states("staging").last()?.last()? == "success").then_some(()));
}

#[tokio::test]
async fn a_migration_that_exits_7_moves_no_traffic_and_its_last_lines_are_in_the_comment() {
    let stage = stage(Database::Sqlite).await;
    let before = stage.serving("api-staging").unwrap();
    let lines = (1..=25).map(|line| format!("migration line {line}"));
    let lines = lines.chain(["relation \"orders\" does not exist".to_owned()]);
    stage.world.rule(Rule::command("alembic upgrade", Behaviour::exits(7, lines)));
    let pull = stage.pull("Add a column");
    stage.says("dev", pull.number, "/deploy staging");
    let told = stage.answer(pull.number, "exited with code 7");
    for words in ["alembic upgrade head", "migration line 25", "relation \"orders\" does not exist"] {
        assert!(told.body.contains(words), "{words:?}: {}", told.body);
    }
    stage.until("the last state", || (stage.states("staging").last()?.last()? == "failure").then_some(()));
    stage.assert_serves("api-staging", &before);
    assert_eq!(order(&stage), ["RunTask"]);
    let ended = stage.audit().into_iter().find(|entry| entry["action"] == "deployment-ended").unwrap();
    assert_eq!(ended["outcome"], "not-shifted", "{ended:#}");
}

#[tokio::test]
async fn a_release_that_breaks_goes_back_and_then_its_migration_is_undone() {
    let stage = stage(Database::Sqlite).await;
    let before = stage.serving("api-staging").unwrap();
    let pull = stage.pull("Forget the address");
    stage.breaks(&stage.built(&pull.sha));
    stage.world.rule(Rule::command("alembic", Behaviour::healthy()));
    stage.says("dev", pull.number, "/deploy staging");
    let told = stage.answer(pull.number, "serves again");
    for words in ["KeyError: 'DATABASE_URL'", "undone"] {
        assert!(told.body.contains(words), "{words:?}: {}", told.body);
    }
    stage.assert_serves("api-staging", &before);
    assert_eq!(stage.commands(), ["alembic upgrade head", "alembic downgrade -1"]);
    assert_eq!(order(&stage).last().unwrap(), "RunTask");
}

/// Kills the bot while the migration runs, and has another one go on.
async fn killed_while_it_runs(database: Database) {
    let mut stage = stage(database).await;
    stage.world.rule(Rule::command("alembic upgrade", takes(3_000)));
    let pull = stage.pull("Add a column");
    let image = stage.built(&pull.sha);
    stage.says("dev", pull.number, "/deploy staging");
    stage.until("it is followed", || (stage.world.count("ecs", "DescribeTasks") > 0).then_some(()));
    stage.kill(0);
    assert_eq!(order(&stage), ["RunTask"], "it died in the middle of the migration");
    stage.start();
    stage.answer(pull.number, "serves after");
    stage.assert_serves("api-staging", &image);
    assert_eq!(stage.commands(), ["alembic upgrade head"], "once");
    assert_eq!(order(&stage), ["RunTask", "UpdateService"]);
    assert_eq!(stage.answers(pull.number).len(), 1, "{}", stage.everything());
}

#[tokio::test]
async fn a_bot_killed_while_the_migration_runs_is_followed_by_one_that_waits_for_the_same_task() {
    killed_while_it_runs(Database::Sqlite).await;
}

#[tokio::test]
async fn on_postgresql_a_bot_killed_while_the_migration_runs_is_followed_by_one_that_waits_for_the_same_task() {
    killed_while_it_runs(Database::Postgres).await;
}

#[tokio::test]
async fn a_migration_that_fails_while_no_bot_lives_is_told_by_the_next_one() {
    let mut stage = stage(Database::Sqlite).await;
    let before = stage.serving("api-staging").unwrap();
    let failing = Behaviour::Exits {
        code: 7,
        after_ms: Some(500),
        every_ms: None,
        lines: vec!["no".to_owned()],
        container: None,
    };
    stage.world.rule(Rule::command("alembic upgrade", failing));
    // The answer to the start is withheld: the bot that dies never hears of its task.
    stage.world.fault(Fault::on("ecs", "RunTask", FaultKind::Delay { ms: 300_000 }).times(1));
    let pull = stage.pull("Add a column");
    stage.says("dev", pull.number, "/deploy staging");
    stage.until("it is started", || (stage.world.count("ecs", "RunTask") == 1).then_some(()));
    stage.kill(0);
    std::thread::sleep(std::time::Duration::from_millis(700));
    stage.start();
    stage.answer(pull.number, "exited with code 7");
    assert_eq!(stage.commands(), ["alembic upgrade head"], "once");
    assert_eq!(order(&stage), ["RunTask"]);
    stage.assert_serves("api-staging", &before);
}
