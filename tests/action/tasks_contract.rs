//! The contract of `Tasks`: one suite, run on every place that runs commands, through its simulator.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use shipline::config::spec::{AppRunnerSpec, EcsSpec, EcsTasksSpec, ExpressSpec, Strategy};
use shipline::engine::wait::{self, Backoff, Seen, Waited};
use shipline::engine::{Cancel, Target, TaskSight, Tasks, clock};
use shipline::rollout::{CauseCode, ServicePlan, Task};
use shipline::targets::app_runner::AppRunnerTarget;
use shipline::targets::ecs::express::ExpressTarget;
use shipline::targets::ecs::{EcsTarget, NamedTasks};
use shipline_test_support::{AwsWorld, Behaviour, ExpressServiceSeed, Rule, ServiceSeed, Timing};

use super::app_runner::{full_service, image, service_name, session, spec, wish};

/// Where commands run.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// In an ECS service's own place.
    Ecs,
    /// In the place of a service in Express Mode.
    Express,
    /// In a place on ECS that is named for an App Runner service.
    Named,
}

struct Place {
    kind: Kind,
    aws: AwsWorld,
}

const KEY: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";

impl Place {
    async fn new(kind: Kind) -> Self {
        let aws = AwsWorld::start().await;
        aws.cluster("shop");
        let arn = aws.task_definition(json!({
            "family": "web", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256",
            "memory": "512", "containerDefinitions": [{
                "name": "app", "image": image('a').by_digest(), "essential": true,
                "logConfiguration": {"logDriver": "awslogs", "options": {
                    "awslogs-group": "/shop/web", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "web",
                }},
            }],
        }));
        match kind {
            Kind::Ecs => {
                let network = json!({"awsvpcConfiguration": {"subnets": ["subnet-a"]}});
                aws.service(ServiceSeed::new("shop", "web", &arn).with("networkConfiguration", network));
            }
            Kind::Express => {
                aws.express_service(ExpressServiceSeed::new("web", &image('a').by_digest()).with("cluster", "shop"));
            }
            Kind::Named => {
                aws.app_runner_service(full_service(&image('a').by_digest()));
            }
        }
        Self { kind, aws }
    }

    /// A target on its own, as a new process would make it.
    async fn target(&self) -> Arc<dyn Target> {
        let session = session(&self.aws).await;
        match self.kind {
            Kind::Ecs => {
                let spec = EcsSpec { cluster: "shop".to_owned(), service: "web".to_owned(), ..EcsSpec::default() };
                Arc::new(EcsTarget::new(&session, &service_name(), &spec, Strategy::Rolling.into(), Path::new(".")))
            }
            Kind::Express => {
                let spec =
                    ExpressSpec { cluster: "shop".to_owned(), service: "web".to_owned(), ..ExpressSpec::default() };
                Arc::new(ExpressTarget::new(&session, &service_name(), &spec, Strategy::Rolling))
            }
            Kind::Named => {
                let spec: AppRunnerSpec = spec();
                let region = "us-east-1".parse().unwrap();
                let target = AppRunnerTarget::new(&session, &service_name(), &spec, Strategy::Rolling, region);
                let tasks = EcsTasksSpec {
                    cluster: "shop".to_owned(),
                    task_definition: "web".to_owned(),
                    subnets: vec!["subnet-a".to_owned()],
                    ..EcsTasksSpec::default()
                };
                Arc::new(target.with_tasks(Arc::new(NamedTasks::new(&session, &tasks))))
            }
        }
    }

    async fn plan(&self) -> ServicePlan {
        self.target().await.prepare(&wish('b')).await.unwrap().service
    }

    async fn facts(&self, command: &[String]) -> Value {
        tasks(&*self.target().await).prepare_task(command, &self.plan().await).await.unwrap()
    }

    fn goes(&self, command: &str, behaviour: Behaviour) {
        self.aws.rule(Rule::command(command, behaviour));
    }

    /// How many tasks were really started.
    fn started(&self) -> usize {
        let family = match self.kind {
            Kind::Ecs | Kind::Named => "web",
            Kind::Express => "shop-web-tasks",
        };
        let group = format!("family:{family}");
        ["RUNNING", "STOPPED"]
            .into_iter()
            .map(|status| {
                let asked = json!({"cluster": "shop", "family": family, "desiredStatus": status});
                let listed = self.aws.ecs("ListTasks", &asked).unwrap()["taskArns"].clone();
                if listed.as_array().unwrap().is_empty() {
                    return 0;
                }
                let found = self.aws.ecs("DescribeTasks", &json!({"cluster": "shop", "tasks": listed})).unwrap();
                found["tasks"].as_array().unwrap().iter().filter(|task| task["group"] == group.as_str()).count()
            })
            .sum()
    }
}

fn tasks(target: &dyn Target) -> &dyn Tasks {
    target.tasks().expect("it runs one-off tasks")
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// Looks until it has ended.
async fn ended(target: &dyn Target, task: &Task, facts: &Value) -> TaskSight {
    let deadline = clock::instant() + Duration::from_secs(20);
    let never = Cancel::new();
    let looks = wait::until(Some(deadline), Backoff::DEPLOYMENT, &never, async || {
        match tasks(target).observe_task(task, facts).await.unwrap() {
            TaskSight::Running { .. } => Seen::NotYet,
            sight => Seen::Ready(sight),
        }
    });
    let Waited::Ready(sight) = looks.await else { panic!("it does not end") };
    sight
}

async fn a_command_runs_once_to_its_end_and_its_lines_are_kept(kind: Kind) {
    let place = Place::new(kind).await;
    let lines = vec!["created orders".to_owned()];
    place.goes("migrate", Behaviour::Healthy { after_ms: None, drain_ms: None, lines: lines.clone() });
    let (target, command) = (place.target().await, words("bin/migrate up"));
    let before = place.aws.calls().len();
    let facts = place.facts(&command).await;
    let planning = place.aws.calls().split_off(before);
    assert!(planning.iter().all(|call| !call.operation.starts_with("Run") && !call.operation.starts_with("Register")));
    let task = tasks(&*target).start_task(&command, &facts, KEY).await.unwrap();
    let TaskSight::Ended { log } = ended(&*target, &task, &facts).await else { panic!("it failed") };
    assert_eq!(log.unwrap().lines, lines);
    assert_eq!(place.started(), 1);
}

async fn a_command_that_fails_tells_its_exit_code_and_its_last_lines(kind: Kind) {
    let place = Place::new(kind).await;
    place.goes("migrate", Behaviour::exits(7, ["no such table"]));
    let (target, command) = (place.target().await, words("bin/migrate up"));
    let facts = place.facts(&command).await;
    let task = tasks(&*target).start_task(&command, &facts, KEY).await.unwrap();
    let TaskSight::Failed(cause) = ended(&*target, &task, &facts).await else { panic!("it did not fail") };
    assert_eq!((cause.code, cause.exit.unwrap().code), (CauseCode::CommandFailed, 7));
    assert_eq!(cause.log.unwrap().lines, ["no such table"]);
}

async fn a_repeated_start_finds_the_task_running_or_ended_and_another_key_is_another_task(kind: Kind) {
    let place = Place::new(kind).await;
    place.goes("slow", Behaviour::slow(60_000, 50));
    for (command, runs) in [("bin/slow", true), ("bin/quick", false)] {
        let command = words(command);
        let facts = place.facts(&command).await;
        let (key, other) = if runs { (KEY, OTHER) } else { ("quick", "quick-too") };
        let target = place.target().await;
        let task = tasks(&*target).start_task(&command, &facts, key).await.unwrap();
        if !runs {
            ended(&*target, &task, &facts).await;
        }
        let before = place.started();
        // As a process would that was killed before it wrote the answer down.
        let again = tasks(&*place.target().await).start_task(&command, &facts, key).await.unwrap();
        assert_eq!((again.id, place.started()), (task.id.clone(), before));
        let more = tasks(&*target).start_task(&command, &facts, other).await.unwrap();
        assert_ne!(more.id, task.id);
        assert_eq!(place.started(), before + 1);
    }
}

async fn a_stopped_command_runs_no_more_and_did_not_succeed(kind: Kind) {
    let place = Place::new(kind).await;
    place.goes("slow", Behaviour::slow(60_000, 50));
    let (target, command) = (place.target().await, words("bin/slow"));
    let facts = place.facts(&command).await;
    let one = tasks(&*target).start_task(&command, &facts, KEY).await.unwrap();
    let two = tasks(&*target).start_task(&command, &facts, OTHER).await.unwrap();
    tasks(&*target).stop_task(Some(&one), &facts, KEY).await.unwrap();
    // Its start was lost: only the key is known, and to another process.
    tasks(&*place.target().await).stop_task(None, &facts, OTHER).await.unwrap();
    for task in [&one, &two] {
        let sight = tasks(&*target).observe_task(task, &facts).await.unwrap();
        assert!(matches!(sight, TaskSight::Failed(_)), "{sight:?}");
    }
    // Again, and where there is nothing to stop.
    let stops = place.aws.count("ecs", "StopTask");
    tasks(&*target).stop_task(Some(&one), &facts, KEY).await.unwrap();
    tasks(&*target).stop_task(None, &facts, "nobody").await.unwrap();
    assert_eq!(place.aws.count("ecs", "StopTask"), stops);
}

async fn a_task_that_the_provider_forgot_is_a_failure_that_says_so(kind: Kind) {
    let place = Place::new(kind).await;
    place.aws.timing(Timing { known_ms: 1, ..Timing::default() });
    let (target, command) = (place.target().await, words("bin/quick"));
    let facts = place.facts(&command).await;
    let task = tasks(&*target).start_task(&command, &facts, KEY).await.unwrap();
    super::stage::until("the task is forgotten", || place.started() == 0);
    let sight = tasks(&*target).observe_task(&task, &facts).await.unwrap();
    assert!(matches!(sight, TaskSight::Running { .. }), "it may not be shown yet: {sight:?}");
    let long_ago = Task { started: task.started - jiff::SignedDuration::from_hours(2), ..task };
    let sight = tasks(&*target).observe_task(&long_ago, &facts).await.unwrap();
    let TaskSight::Failed(cause) = sight else { panic!("{sight:?}") };
    assert!(cause.summary.contains("does not know the task"), "{}", cause.summary);
}

macro_rules! on_every_place {
    ($($story:ident)*) => {
        mod ecs {
            $(#[tokio::test] async fn $story() { super::$story(super::Kind::Ecs).await; })*
        }
        mod express {
            $(#[tokio::test] async fn $story() { super::$story(super::Kind::Express).await; })*
        }
        mod named {
            $(#[tokio::test] async fn $story() { super::$story(super::Kind::Named).await; })*
        }
    };
}

on_every_place! {
    a_command_runs_once_to_its_end_and_its_lines_are_kept
    a_command_that_fails_tells_its_exit_code_and_its_last_lines
    a_repeated_start_finds_the_task_running_or_ended_and_another_key_is_another_task
    a_stopped_command_runs_no_more_and_did_not_succeed
    a_task_that_the_provider_forgot_is_a_failure_that_says_so
}
