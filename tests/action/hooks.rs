//! Commands before and after the shift, as one-off tasks on ECS: what runs, in which order, and what
//! becomes of the deployment when one fails, hangs, is lost or is stopped.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use shipline_test_support::{Behaviour, Call, Fault, FaultKind, Rule, Timing};

use super::stage::{Ran, Run, Stage, now, until};

const FILE: &str = "version: 1
services:
  api: { image: { repository: pmis/api } }
  web: { image: { repository: pmis/web } }
  worker: {}
environments:
  staging:
    aws: { region: us-east-1 }
    services:
      api: { ecs: { cluster: pmis, service: api } }
      web: { ecs: { cluster: pmis, service: web } }
      worker: { ecs: { cluster: pmis, service: worker } }
    before:
      - { run: [alembic, upgrade, head], in: api, undo: [alembic, downgrade, \"-1\"] }
    after:
      - { run: [bin/warm-cache], in: web }
    waves: [[api, web], [worker]]
";

const SERVICES: [&str; 3] = ["api", "web", "worker"];

struct Shop {
    stage: Stage,
    images: Vec<String>,
}

fn network() -> Value {
    json!({"awsvpcConfiguration": {
        "subnets": ["subnet-a", "subnet-b"], "securityGroups": ["sg-api"], "assignPublicIp": "DISABLED",
    }})
}

impl Shop {
    async fn new() -> Self {
        Self::of(FILE).await
    }

    async fn of(file: &str) -> Self {
        let stage = Stage::empty().await;
        for name in SERVICES {
            stage.service(name, |service| {
                let tags =
                    json!([{"key": "team", "value": "shop"}, {"key": "aws:cloudformation:stack-id", "value": "x"}]);
                service
                    .desired(2)
                    .with("networkConfiguration", network())
                    .with("launchType", "FARGATE")
                    .with("platformVersion", "1.4.0")
                    .with("propagateTags", "SERVICE")
                    .with("tags", tags)
            });
        }
        stage.write(".github/shipline.yml", file);
        let images = SERVICES.iter().map(|name| stage.image_of(name, "two")).collect();
        Self { stage, images }
    }

    fn deploy(&self, more: &[&str]) -> Run<'_> {
        let images: Vec<String> =
            SERVICES.iter().zip(&self.images).map(|(name, image)| format!("--image={name}={image}")).collect();
        let mut arguments = vec!["deploy", "staging", "--yes"];
        arguments.extend(images.iter().map(String::as_str));
        arguments.extend(more);
        self.stage.command(&arguments)
    }

    /// The same from a workflow.
    fn action(&self) -> Run<'_> {
        let images: Vec<String> =
            SERVICES.iter().zip(&self.images).map(|(name, image)| format!("{name}={image}")).collect();
        self.stage.bare_action().input("environment", "staging").input("image", &images.join("\n"))
    }

    fn command(&self, command: &str, behaviour: Behaviour) {
        self.stage.world.rule(Rule::command(command, behaviour));
    }

    /// The commands that were started, in order.
    fn commands(&self) -> Vec<String> {
        self.stage.world.calls_of("ecs", "RunTask").iter().map(command_of).collect()
    }

    /// What was changed, in order: commands by their first words, services by name.
    fn order(&self) -> Vec<String> {
        let calls = self.stage.world.calls();
        let told = calls.iter().filter_map(|call| match call.operation.as_str() {
            "RunTask" => Some(command_of(call)),
            "UpdateService" => {
                let service = call.body["service"].as_str().unwrap();
                Some(format!("update {}", service.rsplit('/').next().unwrap()))
            }
            "StopServiceDeployment" => Some("stop a deployment".to_owned()),
            "StopTask" => Some("stop a task".to_owned()),
            _ => None,
        });
        told.collect()
    }

    #[track_caller]
    fn serves(&self, images: &[String]) {
        for (name, image) in SERVICES.iter().zip(images) {
            self.stage.assert_serves(name, image);
        }
    }

    fn old(&self) -> Vec<String> {
        SERVICES.iter().map(|name| self.stage.live_image(name)).collect()
    }

    /// The only one-off task there is or was.
    #[track_caller]
    fn task(&self) -> Value {
        let stopped =
            self.stage.world.ecs("ListTasks", &json!({"cluster": "pmis", "desiredStatus": "STOPPED"})).unwrap();
        let found = self.stage.world.ecs("DescribeTasks", &json!({"cluster": "pmis", "tasks": stopped["taskArns"]}));
        let found = found.unwrap()["tasks"].as_array().unwrap().clone();
        let loose: Vec<_> =
            found.into_iter().filter(|task| task["group"].as_str().unwrap().starts_with("family:")).collect();
        assert_eq!(loose.len(), 1, "{loose:#?}");
        loose[0].clone()
    }
}

fn command_of(call: &Call) -> String {
    let words = call.body["overrides"]["containerOverrides"][0]["command"].as_array().unwrap();
    words.iter().map(|word| word.as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

fn hooks(ran: &Ran) -> Vec<(String, String)> {
    hooks_of(&ran.document())
}

fn hooks_of(report: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    report["hooks"].as_array().unwrap().iter().map(|hook| (text(&hook["when"]), text(&hook["state"]))).collect()
}

fn states(states: &[(&str, &str)]) -> Vec<(String, String)> {
    states.iter().map(|(when, state)| ((*when).to_owned(), (*state).to_owned())).collect()
}

fn long() -> Behaviour {
    Behaviour::slow(60_000, 50)
}

#[tokio::test]
async fn commands_run_before_and_after_the_shift_with_the_new_image_in_the_services_own_network() {
    let shop = Shop::new().await;
    let ran = shop.deploy(&["--json"]).end().must(0);
    assert_eq!(hooks(&ran), states(&[("before", "done"), ("after", "done")]));
    // How a command gets on is progress, not something the report has to keep.
    ran.says("api: `alembic upgrade head`: ");
    let notices = ran.document()["notices"].to_string();
    assert!(!notices.contains("alembic"), "{notices}");
    let order = shop.order();
    assert_eq!(order.first().unwrap(), "alembic upgrade head");
    assert_eq!(order.last().unwrap(), "bin/warm-cache");
    assert_eq!(order.len(), 5, "{order:?}");
    shop.serves(&shop.images);

    let run = shop.stage.world.calls_of("ecs", "RunTask")[0].body.clone();
    assert_eq!(run["networkConfiguration"], network());
    assert_eq!((&run["launchType"], &run["platformVersion"]), (&json!("FARGATE"), &json!("1.4.0")));
    assert_eq!(run["tags"], json!([{"key": "team", "value": "shop"}]));
    assert_eq!(run["overrides"]["containerOverrides"][0]["name"], "app");
    let by = run["startedBy"].as_str().unwrap();
    assert!(by.starts_with("shipline-") && by.len() <= 36, "{by}");
    // The revision of the task is the one that serves afterwards: registered once.
    assert_eq!(run["taskDefinition"], shop.stage.live("api")["taskDefinition"]);
    assert_eq!(shop.stage.world.count("ecs", "RegisterTaskDefinition"), 3);
    assert_eq!(shop.stage.live_image("api"), shop.images[0]);
}

#[tokio::test]
async fn a_migration_that_exits_7_moves_no_traffic_and_its_last_lines_are_told() {
    let shop = Shop::new().await;
    let old = shop.old();
    let lines: Vec<String> = (1..=25).map(|line| format!("migration line {line}")).collect();
    shop.command("alembic upgrade", Behaviour::exits(7, lines));
    let ran = shop.deploy(&["--json"]).end().must(1);
    assert_eq!(shop.order(), ["alembic upgrade head"]);
    shop.serves(&old);
    let report = ran.document();
    assert_eq!(report["result"], "not-shifted");
    assert_eq!(hooks_of(&report), states(&[("before", "failed"), ("after", "waiting")]));
    let cause = &report["hooks"][0]["cause"];
    assert_eq!(cause["exit"]["code"], 7);
    assert_eq!(cause["code"], "command-failed");
    let told = cause["log"]["lines"].as_array().unwrap();
    assert_eq!((told.len(), &told[0], &told[19]), (20, &json!("migration line 6"), &json!("migration line 25")));
    assert!(cause["log"]["source"].as_str().unwrap().starts_with("/pmis/api api/app/"), "{cause:#}");
    assert!(cause["provider_says"].as_str().unwrap().contains("Essential container in task exited"), "{cause:#}");
}

#[tokio::test]
async fn a_failed_migration_ends_the_step_of_a_workflow_with_its_exit_code_in_the_summary() {
    let shop = Shop::new().await;
    let old = shop.old();
    shop.command("alembic upgrade", Behaviour::exits(7, ["relation \"orders\" does not exist"]));
    let ran = shop.action().end().must(1);
    assert_eq!(ran.out("result"), "not-shifted");
    assert_eq!(ran.report()["hooks"][0]["cause"]["exit"]["code"], 7);
    ran.says("exited with code 7").says("relation \"orders\" does not exist");
    ran.summarises("exited with code 7").summarises("alembic upgrade head");
    shop.serves(&old);
    assert_eq!(shop.stage.world.count("ecs", "UpdateService"), 0);
}

#[tokio::test]
async fn a_workflow_runs_the_commands_as_well() {
    let shop = Shop::new().await;
    let ran = shop.action().end().must(0);
    assert_eq!(hooks_of(&ran.report()), states(&[("before", "done"), ("after", "done")]));
    shop.serves(&shop.images);
}

#[tokio::test]
async fn one_of_three_services_fails_all_go_back_and_then_the_migration_is_undone() {
    let shop = Shop::new().await;
    let old = shop.old();
    shop.stage.goes(&shop.images[2], Behaviour::exits(1, ["no queue"]));
    let ran = shop.deploy(&["--json"]).end().must(1);
    shop.serves(&old);
    let report = ran.document();
    assert_eq!(report["result"], "rolled-back");
    assert_eq!(hooks_of(&report), states(&[("before", "undone"), ("after", "waiting")]));
    let order = shop.order();
    assert_eq!((order[0].as_str(), order.last().unwrap().as_str()), ("alembic upgrade head", "alembic downgrade -1"));
    // The undo runs with the image that knows the migration.
    let runs = shop.stage.world.calls_of("ecs", "RunTask");
    assert_eq!(runs[0].body["taskDefinition"], runs[1].body["taskDefinition"]);
    assert_ne!(runs[0].body["clientToken"], runs[1].body["clientToken"]);
    // When it ran, the old image served everywhere again.
    let back = shop.stage.world.calls().iter().rposition(|call| call.operation == "DescribeServices").unwrap();
    let undo = shop.stage.world.calls().iter().rposition(|call| call.operation == "RunTask").unwrap();
    assert!(back < undo, "a service was still followed when the undo began");
}

#[tokio::test]
async fn an_undo_that_fails_needs_a_person() {
    let shop = Shop::new().await;
    let old = shop.old();
    shop.stage.goes(&shop.images[2], Behaviour::exits(1, ["no queue"]));
    shop.command("alembic downgrade", Behaviour::exits(3, ["cannot drop column"]));
    let ran = shop.deploy(&["--json"]).end().must(5);
    shop.serves(&old);
    let report = ran.document();
    assert_eq!(report["result"], "needs-attention");
    assert_eq!(report["hooks"][0]["state"], "could not be undone");
    assert_eq!(report["hooks"][0]["cause"]["exit"]["code"], 3);
}

#[tokio::test]
async fn an_undo_over_its_time_is_stopped_and_needs_a_person() {
    let shop = Shop::of(&FILE.replace("in: api, undo", "in: api, within: 2s, undo")).await;
    let old = shop.old();
    shop.stage.goes(&shop.images[2], Behaviour::exits(1, ["no queue"]));
    shop.command("alembic downgrade", long());
    let ran = shop.deploy(&["--json"]).end().must(5);
    shop.serves(&old);
    let order = shop.order();
    assert_eq!(order[order.len() - 2..], ["alembic downgrade -1", "stop a task"], "{order:?}");
    let report = ran.document();
    assert_eq!(report["result"], "needs-attention");
    assert_eq!(report["hooks"][0]["state"], "could not be undone");
    let cause = report["hooks"][0]["cause"]["summary"].as_str().unwrap();
    assert!(cause.contains("`alembic downgrade -1` did not end within 2s"), "{cause}");
    let stopped = json!({"cluster": "pmis", "desiredStatus": "STOPPED"});
    let stopped = shop.stage.world.ecs("ListTasks", &stopped).unwrap();
    let asked = json!({"cluster": "pmis", "tasks": stopped["taskArns"]});
    let tasks = shop.stage.world.ecs("DescribeTasks", &asked).unwrap();
    let undo = tasks["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|task| task["stopCode"] == "UserInitiated" && task["group"] == "family:api");
    assert!(undo.is_some(), "{tasks:#}");
    assert!(ran.document()["timeline"].to_string().contains("the undo of hook 1 was stopped"), "{}", ran.stdout);
}

#[tokio::test]
async fn a_command_after_the_shift_that_fails_takes_everything_back() {
    let shop = Shop::new().await;
    let old = shop.old();
    shop.command("warm-cache", Behaviour::exits(1, ["cold"]));
    let ran = shop.deploy(&["--json"]).end().must(1);
    shop.serves(&old);
    assert_eq!(hooks(&ran), states(&[("before", "undone"), ("after", "failed")]));
    assert_eq!(shop.order().last().unwrap(), "alembic downgrade -1");
}

#[tokio::test]
async fn a_command_over_its_time_is_stopped_before_anything_else_happens() {
    let shop = Shop::of(&FILE.replace("in: api, undo", "in: api, within: 1s, undo")).await;
    let old = shop.old();
    shop.command("alembic upgrade", long());
    let ran = shop.deploy(&["--json"]).end().must(1);
    assert_eq!(shop.order(), ["alembic upgrade head", "stop a task"]);
    let report = ran.document();
    assert_eq!(report["result"], "not-shifted");
    let cause = report["hooks"][0]["cause"]["summary"].as_str().unwrap();
    assert!(cause.contains("did not end within 1s"), "{cause}");
    assert_eq!(shop.task()["stopCode"], "UserInitiated");
    shop.serves(&old);
}

#[tokio::test]
async fn a_cancel_stops_the_command_and_moves_no_traffic() {
    let shop = Shop::new().await;
    let old = shop.old();
    shop.command("alembic upgrade", long());
    let running = shop.action().start();
    until("the command", || shop.stage.world.count("ecs", "DescribeTasks") > 1);
    running.signal(Signal::INT);
    let asked = now();
    let ran = running.end().must(130);
    assert!(asked.elapsed() < Duration::from_millis(7500), "{:?} after the signal", asked.elapsed());
    assert_eq!(shop.order(), ["alembic upgrade head", "stop a task"]);
    assert_eq!(shop.task()["lastStatus"], "STOPPED");
    assert_eq!(ran.out("result"), "cancelled");
    shop.serves(&old);
}

#[tokio::test]
async fn a_command_that_does_not_end_at_once_does_not_hold_a_cancel_up() {
    let shop = Shop::new().await;
    let old = shop.old();
    shop.stage.world.timing(Timing { end_ms: 30_000, ..Timing::default() });
    shop.command("alembic upgrade", long());
    let running = shop.action().start();
    until("the command", || shop.stage.world.count("ecs", "DescribeTasks") > 1);
    running.signal(Signal::INT);
    let asked = now();
    let ran = running.end().must(130);
    assert!(asked.elapsed() < Duration::from_millis(7500), "{:?} after the signal", asked.elapsed());
    assert_eq!(shop.order(), ["alembic upgrade head", "stop a task"]);
    assert_eq!(ran.out("result"), "interrupted");
    shop.serves(&old);
}

#[tokio::test]
async fn what_changes_nothing_runs_no_command_and_a_service_that_stays_lends_what_it_runs() {
    let shop = Shop::new().await;
    shop.deploy(&[]).end().must(0);
    shop.stage.world.forget_calls();
    shop.deploy(&[]).end().must(0).says("nothing to do");
    assert_eq!(shop.order(), Vec::<String>::new());

    let web = shop.stage.image_of("web", "three");
    let images = [format!("api={}", shop.images[0]), format!("web={web}"), format!("worker={}", shop.images[2])];
    let images = images.map(|image| format!("--image={image}"));
    let mut arguments = vec!["deploy", "staging", "--yes"];
    arguments.extend(images.iter().map(String::as_str));
    shop.stage.command(&arguments).end().must(0);
    assert_eq!(shop.order(), ["alembic upgrade head", "update web", "bin/warm-cache"]);
    let run = &shop.stage.world.calls_of("ecs", "RunTask")[0].body;
    assert_eq!(run["taskDefinition"], shop.stage.live("api")["taskDefinition"]);
    assert_eq!(shop.stage.world.count("ecs", "RegisterTaskDefinition"), 1);
}

#[tokio::test]
async fn a_rollback_by_command_runs_no_commands() {
    let shop = Shop::new().await;
    let old = shop.old();
    shop.deploy(&[]).end().must(0);
    shop.stage.world.forget_calls();
    shop.stage.command(&["rollback", "staging", "--yes"]).end().must(0);
    assert_eq!(shop.commands(), Vec::<String>::new());
    shop.serves(&old);
}

#[tokio::test]
async fn a_lost_answer_starts_no_second_task() {
    let shop = Shop::new().await;
    shop.stage.world.fault(Fault::on("ecs", "RunTask", FaultKind::LoseResponse).times(1));
    shop.deploy(&[]).end().must(0);
    assert_eq!(shop.commands().iter().filter(|command| *command == "alembic upgrade head").count(), 1);
    shop.serves(&shop.images);
}

#[tokio::test]
async fn a_request_that_never_arrived_is_sent_again_with_the_same_token() {
    let shop = Shop::new().await;
    shop.stage.world.fault(Fault::on("ecs", "RunTask", FaultKind::ServerError { status: 500 }).times(1));
    shop.stage.world.fault(Fault::on("ecs", "RunTask", FaultKind::Throttle).after(1).times(2));
    shop.deploy(&[]).end().must(0);
    let runs = shop.stage.world.calls_of("ecs", "RunTask");
    let tokens: Vec<_> = runs.iter().map(|call| call.body["clientToken"].clone()).collect();
    assert_eq!(tokens.len(), 5, "{tokens:?}");
    assert!(tokens[..4].iter().all(|token| *token == tokens[0]), "{tokens:?}");
    assert_ne!(tokens[4], tokens[0]);
}

#[tokio::test]
async fn where_tasks_cannot_be_listed_the_token_alone_keeps_it_to_one() {
    let shop = Shop::new().await;
    shop.stage.world.fault(Fault::on("ecs", "ListTasks", FaultKind::Deny));
    shop.stage.world.fault(Fault::on("ecs", "RunTask", FaultKind::LoseResponse).times(1));
    shop.command("alembic upgrade", Behaviour::slow(300, 50));
    let ran = shop.deploy(&["--json"]).end().must(0);
    assert_eq!(hooks(&ran), states(&[("before", "done"), ("after", "done")]));
    let running =
        shop.stage.world.ecs("ListTasks", &json!({"cluster": "pmis", "family": "api", "desiredStatus": "STOPPED"}));
    let loose = running.unwrap()["taskArns"].as_array().unwrap().clone();
    let tasks = shop.stage.world.ecs("DescribeTasks", &json!({"cluster": "pmis", "tasks": loose})).unwrap();
    let ours = tasks["tasks"].as_array().unwrap().iter().filter(|task| task["group"] == "family:api").count();
    assert_eq!(ours, 1);
}

#[tokio::test]
async fn why_a_task_did_not_run_or_ended_is_told() {
    let told = [
        (Behaviour::unplaceable("RESOURCE:MEMORY"), "not-placed", "RESOURCE:MEMORY", "Add instances"),
        (
            Behaviour::unplaceable("Capacity is unavailable at this time. Please try again later."),
            "not-placed",
            "Capacity is unavailable",
            "in some minutes",
        ),
        (Behaviour::cannot_pull("manifest unknown"), "image-not-pulled", "could not be pulled", "image exists"),
        (
            Behaviour::resource_initialization("unable to pull secrets or registry auth"),
            "resources-not-ready",
            "could not be prepared",
            "Check the secrets",
        ),
        (Behaviour::out_of_memory(), "out-of-memory", "ran out of memory", "more `memory`"),
    ];
    for (behaviour, code, what, next) in told {
        let shop = Shop::new().await;
        shop.command("alembic upgrade", behaviour);
        let report = shop.deploy(&["--json"]).end().must(1).document();
        let cause = &report["hooks"][0]["cause"];
        assert_eq!(cause["code"], code, "{cause:#}");
        assert!(cause["summary"].as_str().unwrap().contains(what), "{cause:#}");
        assert!(cause["next"].as_str().unwrap().contains(next), "{cause:#}");
        assert_eq!(shop.order(), ["alembic upgrade head"]);
    }
}

#[tokio::test]
async fn a_task_that_somebody_stopped_did_not_succeed() {
    let shop = Shop::new().await;
    shop.command("alembic upgrade", long());
    let running = shop.deploy(&["--json"]).start();
    until("the command", || shop.stage.world.count("ecs", "DescribeTasks") > 1);
    let run = shop.stage.world.calls_of("ecs", "RunTask")[0].body["startedBy"].clone();
    let listed = shop.stage.world.ecs("ListTasks", &json!({"cluster": "pmis", "startedBy": run})).unwrap();
    let task = &listed["taskArns"][0];
    shop.stage.world.ecs("StopTask", &json!({"cluster": "pmis", "task": task, "reason": "lunch"})).unwrap();
    let report = running.end().must(1).document();
    assert_eq!(report["hooks"][0]["cause"]["code"], "stopped");
    assert_eq!(report["hooks"][0]["cause"]["provider_says"], "lunch");
    assert_eq!(shop.stage.world.count("ecs", "UpdateService"), 0);
}

#[tokio::test]
async fn a_task_that_ended_between_two_looks_is_seen_by_its_exit_code() {
    let shop = Shop::new().await;
    shop.stage.world.timing(Timing::instant());
    shop.command("alembic upgrade", Behaviour::exits(7, ["quick"]));
    let report = shop.deploy(&["--json"]).end().must(1).document();
    assert_eq!(report["hooks"][0]["cause"]["exit"]["code"], 7);
}

#[tokio::test]
async fn what_cannot_run_is_refused_before_anything_changes() {
    let long = format!("run: [sh, -c, {}]", "x".repeat(8200));
    let file = FILE.replacen("run: [alembic, upgrade, head]", &long, 1);
    let shop = Shop::of(&file).await;
    let ran = shop.deploy(&[]).end().must(2);
    ran.says("the command is too long").says("script of the image");
    assert_eq!(shop.stage.changes(), Vec::<String>::new());

    let long = format!("undo: [sh, -c, {}]", "x".repeat(8200));
    let shop = Shop::of(&FILE.replacen("undo: [alembic, downgrade, \"-1\"]", &long, 1)).await;
    shop.deploy(&[]).end().must(2).says("the command is too long");

    let shop = Shop::new().await;
    let mut definition = super::stage::definition("api", &shop.stage.live_image("api"));
    definition["containerDefinitions"][0]["essential"] = json!(false);
    let mut side = definition["containerDefinitions"][0].clone();
    side["name"] = json!("proxy");
    side["essential"] = json!(true);
    definition["containerDefinitions"] = json!([definition["containerDefinitions"][0], side]);
    let file = FILE.replacen("service: api }", "service: api, container: app, task-definition: td.json }", 1);
    shop.stage.write(".github/shipline.yml", &file);
    shop.stage.write("td.json", &definition.to_string());
    let ran = shop.deploy(&[]).end();
    assert_ne!(ran.code, 0);
    ran.says("container `app` is not essential");
    assert_eq!(shop.stage.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_service_without_a_network_cannot_lend_one() {
    let stage = Stage::empty().await;
    stage.service("api", |service| service.desired(1));
    let file = FILE
        .replace("      web: { ecs: { cluster: pmis, service: web } }\n", "")
        .replace("      worker: { ecs: { cluster: pmis, service: worker } }\n", "")
        .replace("    after:\n      - { run: [bin/warm-cache], in: web }\n", "")
        .replace("    waves: [[api, web], [worker]]\n", "");
    stage.write(".github/shipline.yml", &file);
    let image = format!("--image=api={}", stage.image_of("api", "two"));
    let ran = stage.command(&["deploy", "staging", "--yes", &image]).end();
    assert_ne!(ran.code, 0);
    ran.says("no subnets and security groups").says("networkConfiguration");
    assert_eq!(stage.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn capacity_providers_are_used_where_the_service_has_them() {
    let shop = Shop::new().await;
    let strategy = json!([{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}]);
    let image = shop.stage.image_of("jobs", "one");
    let arn = shop.stage.world.task_definition(super::stage::definition("jobs", &image));
    let seed = shipline_test_support::ServiceSeed::new("pmis", "jobs", &arn)
        .with("networkConfiguration", network())
        .with("capacityProviderStrategy", strategy.clone())
        .with("propagateTags", "TASK_DEFINITION")
        .with("enableECSManagedTags", true);
    shop.stage.world.service(seed);
    let file = "version: 1
services: { jobs: { image: { repository: pmis/jobs } } }
environments:
  staging:
    aws: { region: us-east-1 }
    services: { jobs: { ecs: { cluster: pmis, service: jobs } } }
    before: [ { run: [prepare], in: jobs } ]
";
    shop.stage.write(".github/shipline.yml", file);
    let image = format!("--image=jobs={}", shop.stage.image_of("jobs", "two"));
    shop.stage.command(&["deploy", "staging", "--yes", &image]).end().must(0);
    let run = shop.stage.world.calls_of("ecs", "RunTask")[0].body.clone();
    assert_eq!(run["capacityProviderStrategy"], strategy);
    assert_eq!(run.get("launchType"), None);
    assert_eq!((&run["propagateTags"], &run["enableECSManagedTags"]), (&json!("TASK_DEFINITION"), &json!(true)));
    assert_eq!(run.get("tags"), None);
}

const APP_RUNNER: &str = "version: 1
services: { web: { image: { repository: pmis/astro-ai } } }
environments:
  staging:
    aws: { region: us-east-1 }
    services:
      web: { app-runner: { service: astro-ai-service, tasks: { cluster: pmis, task-definition: web-tasks,
        subnets: [subnet-a], security-groups: [sg-db], assign-public-ip: true } } }
    before: [ { run: [alembic, upgrade, head], in: web, undo: [alembic, downgrade, \"-1\"] } ]
";

/// An App Runner service, and a task definition that runs commands with an image of that repository.
async fn app_runner(file: &str) -> (Stage, String, String) {
    let stage = Stage::empty().await;
    let first = super::app_runner::image('a').by_digest();
    let arn = stage.world.app_runner_service(super::app_runner::full_service(&first));
    let own = format!("{}/pmis/astro-ai:latest", super::stage::REGISTRY);
    stage.world.task_definition(super::stage::definition("web-tasks", &own));
    stage.write(".github/shipline.yml", file);
    let image = stage.image_of("astro-ai", "two");
    (stage, arn, image)
}

#[tokio::test]
async fn a_command_of_an_app_runner_service_runs_in_the_place_on_ecs_that_is_named_for_it() {
    let (stage, arn, image) = app_runner(APP_RUNNER).await;
    let ran = stage.command(&["deploy", "staging", "--yes", "--json", &format!("--image=web={image}")]).end().must(0);
    assert_eq!(hooks(&ran), states(&[("before", "done")]));
    let run = stage.world.calls_of("ecs", "RunTask")[0].body.clone();
    assert_eq!(run["launchType"], "FARGATE");
    let network = json!({"subnets": ["subnet-a"], "securityGroups": ["sg-db"], "assignPublicIp": "ENABLED"});
    assert_eq!(run["networkConfiguration"]["awsvpcConfiguration"], network);
    let registered = &stage.world.calls_of("ecs", "RegisterTaskDefinition")[0].body;
    assert_eq!(
        (&registered["family"], &registered["containerDefinitions"][0]["image"]),
        (&json!("web-tasks"), &json!(image))
    );
    let live = stage.world.app_runner("DescribeService", &json!({"ServiceArn": arn})).unwrap()["Service"].clone();
    assert_eq!(live["SourceConfiguration"]["ImageRepository"]["ImageIdentifier"], image);
}

#[tokio::test]
async fn a_failed_command_leaves_an_app_runner_service_as_it_was() {
    let (stage, arn, image) = app_runner(APP_RUNNER).await;
    let before = stage.world.app_runner("DescribeService", &json!({"ServiceArn": arn})).unwrap();
    stage.world.rule(Rule::command("alembic upgrade", Behaviour::exits(7, ["no such table"])));
    let ran = stage.command(&["deploy", "staging", "--yes", &format!("--image=web={image}")]).end().must(1);
    ran.says("exited with code 7").says("no such table");
    assert_eq!(stage.world.app_runner("DescribeService", &json!({"ServiceArn": arn})).unwrap(), before);
    assert_eq!(stage.world.count("apprunner", "UpdateService"), 0);
}

#[tokio::test]
async fn an_app_runner_service_without_such_a_place_has_no_commands() {
    let (head, rest) = APP_RUNNER.split_once(", tasks:").unwrap();
    let file = format!("{head} {}", rest.split_once("true }").unwrap().1);
    let (stage, _, image) = app_runner(&file).await;
    let ran = stage.command(&["deploy", "staging", "--yes", &format!("--image=web={image}")]).end();
    assert_ne!(ran.code, 0);
    ran.says("runs no one-off tasks").says("alembic upgrade head");
    assert_eq!(stage.changes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_named_place_needs_subnets_where_its_tasks_have_a_network_of_their_own() {
    let (stage, _, image) = app_runner(&APP_RUNNER.replace("subnets: [subnet-a], ", "")).await;
    let ran = stage.command(&["deploy", "staging", "--yes", &format!("--image=web={image}")]).end().must(2);
    ran.says("no subnets are given").says("`security-groups` under `tasks`");
    assert_eq!(stage.changes(), Vec::<String>::new());
}
