//! Traffic of an ECS service moves in steps, held by the engine or by ECS, against the ECS simulator
//! and the load balancer in front of it, which says who answered every request.
#![expect(clippy::disallowed_methods, reason = "stories wait for what the provider does meanwhile")]

mod alone;
mod going_back;
mod keeping;
mod moving;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use shipline::config::spec::{Approval, EcsSpec, OnFailure, Steered, Steering, Strategy};
use shipline::engine::{
    Cancel, Driven, Gates, Limits, MemoryJournal, News, Parts, Reporter, Target, Targets, Wish, drive,
};
use shipline::rollout::{
    Awaited, Cause, Decision, Event, Gate, Outcome, Phase, Plan, Release, ServicePlan, ServiceState,
};
use shipline::targets::ecs::EcsTarget;
use shipline::types::{ImageDigest, PinnedImage, ServiceName, Span};
use shipline_test_support::{AwsWorld, ServiceSeed, Timing};

use crate::app_runner::session;

const REPOSITORY: &str = "111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api";

fn image(word: &str) -> PinnedImage {
    format!("{REPOSITORY}@{}", digest(word)).parse().unwrap()
}

fn digest(word: &str) -> String {
    ImageDigest::of(word.as_bytes()).to_string()
}

fn name() -> ServiceName {
    "api".parse().unwrap()
}

/// What people were told, in the order of it.
#[derive(Debug, Default)]
struct Ears(Mutex<Vec<String>>);

impl Ears {
    fn heard(&self, word: &str) -> bool {
        self.0.lock().unwrap().iter().any(|text| text.contains(word))
    }

    async fn hears(&self, word: &str) {
        while !self.heard(word) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Reporter for Ears {
    fn tell(&self, news: &News<'_>) {
        let text = match news {
            News::Notice { text, .. } => (*text).to_owned(),
            News::Progress { progress, .. } => progress.doing.clone(),
            News::Moved { event: Event::Paused { pause, .. }, .. } => format!("paused at {} %", pause.traffic),
            News::Moved { event: Event::Continued { .. }, .. } => "continued".to_owned(),
            News::Moved { event: Event::Baking { .. }, .. } => "baking".to_owned(),
            News::Moved { .. } | News::Began { .. } | News::Measured { .. } | News::Hook { .. } => return,
        };
        self.0.lock().unwrap().push(text);
    }
}

/// Somebody who says the same at every gate that waits for a word.
struct Says(Decision);

#[async_trait]
impl Gates for Says {
    async fn forbids(&self, _: &Gate) -> Option<String> {
        None
    }

    async fn decision(&self, gate: &Gate) -> Decision {
        match gate.needs() {
            Awaited::Word => self.0.clone(),
            Awaited::Nothing => std::future::pending().await,
        }
    }
}

/// Somebody whose yes is found in the moment in which the time is over.
struct InTheLastMoment;

#[async_trait]
impl Gates for InTheLastMoment {
    async fn forbids(&self, _: &Gate) -> Option<String> {
        None
    }

    async fn decision(&self, _: &Gate) -> Decision {
        std::future::pending().await
    }

    async fn expired(&self, _: &Gate) -> Decision {
        Decision::Approved { by: vec!["lead".to_owned()] }
    }
}

/// A tenth first, watched for so long.
fn canary(bake: Span, approval: Approval) -> Strategy {
    Strategy::Canary { percent: "10".parse().unwrap(), bake, approval, stays: Span::minutes(1) }
}

/// Held by the rollout.
fn steered(strategy: Strategy) -> Steering {
    Steering { strategy, by: Steered::Rollout, patience: Span::seconds(60) }
}

/// A world with the service `api` behind a load balancer, which serves the image `one` with two tasks.
struct Lab {
    world: AwsWorld,
    ears: Ears,
    journal: MemoryJournal,
    cancel: Cancel,
}

impl Lab {
    async fn new() -> Self {
        Self::with(|service| service).await
    }

    async fn with(service: impl FnOnce(ServiceSeed) -> ServiceSeed) -> Self {
        let world = AwsWorld::start().await;
        world.timing(Timing { hook_minute_ms: Some(60_000), ..Timing::default() }).cluster("pmis");
        let arn = world.task_definition(json!({
            "family": "api", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
            "cpu": "256", "memory": "512", "executionRoleArn": "arn:aws:iam::111122223333:role/execution",
            "containerDefinitions": [{
                "name": "app", "image": image("one").by_digest(), "essential": true,
                "portMappings": [{"containerPort": 8080}],
            }],
        }));
        world.service(service(ServiceSeed::new("pmis", "api", &arn).desired(2).shifting("api", "app", 8080)));
        Self { world, ears: Ears::default(), journal: MemoryJournal::default(), cancel: Cancel::new() }
    }

    async fn target(&self, steering: Steering) -> EcsTarget {
        let spec = EcsSpec { cluster: "pmis".to_owned(), service: "api".to_owned(), ..EcsSpec::default() };
        EcsTarget::new(&session(&self.world).await, &name(), &spec, steering, Path::new("."))
    }

    async fn planned(&self, word: &str, steering: Steering) -> ServicePlan {
        let wish = Wish::Image { image: image(word), commit: None };
        self.target(steering).await.prepare(&wish).await.unwrap().service
    }

    /// Plans and drives an image while something else happens.
    async fn roll(&self, word: &str, steering: Steering, beside: impl Future<Output = ()>) -> Run {
        let plan = self.planned(word, steering).await;
        self.drive(plan, steering, None, beside).await
    }

    async fn drive(
        &self,
        service: ServicePlan,
        steering: Steering,
        gates: Option<&dyn Gates>,
        beside: impl Future<Output = ()>,
    ) -> Run {
        let plan = Plan {
            environment: "production".parse().unwrap(),
            release: Release { commit: None, images: [(name(), image("any"))].into() },
            services: [(name(), service)].into(),
            waves: vec![vec![name()]],
            checks: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            alarms: Vec::new(),
            analysis: Vec::new(),
            steering: (steering.strategy != Strategy::Rolling).then_some(steering),
            on_failure: OnFailure::RollBackAll,
            within: Span::seconds(30),
        };
        let plan = plan.checked().unwrap();
        let target: Arc<dyn Target> = Arc::new(self.target(steering).await);
        let targets: Targets = [(name(), target)].into();
        let parts = Parts { targets: &targets, alarms: None, metrics: None, gates, run: "story" };
        let limits = Limits { after_cancel: Duration::from_secs(30), ..Limits::default() };
        let driving = drive(&plan, parts, &self.journal, &self.ears, &self.cancel, limits);
        let both = async { tokio::join!(driving, beside) };
        let ended = tokio::time::timeout(Duration::from_secs(90), both).await;
        let (driven, ()) = ended.unwrap_or_else(|_| panic!("no end: {:?}", self.ears));
        let Driven::Finished(phase) = driven.unwrap() else { panic!("interrupted: {:?}", self.ears) };
        Run { phase }
    }

    /// Users ask all the time until the end of a rollout.
    async fn used(&self, run: impl Future<Output = Run>) -> Run {
        let users = async {
            loop {
                self.world.requests("pmis", "api", 20);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            run = run => run,
            () = users => unreachable!("users never stop asking"),
        }
    }

    /// How many requests got an answer of the new image, of how many, up to an instant.
    fn on(&self, word: &str, until_ms: u64) -> (usize, usize) {
        let served = self.world.served("pmis", "api");
        let all: Vec<_> = served.iter().filter(|one| one.at_ms < until_ms && !one.test).collect();
        (all.iter().filter(|one| one.image.contains(&digest(word))).count(), all.len())
    }

    fn service(&self) -> Value {
        let found = self.world.ecs("DescribeServices", &json!({"cluster": "pmis", "services": ["api"]})).unwrap();
        found["services"][0].clone()
    }

    fn hooks(&self) -> Vec<Value> {
        self.service()["deploymentConfiguration"]["lifecycleHooks"].as_array().cloned().unwrap_or_default()
    }

    /// The newest service deployment.
    fn deployment(&self) -> Value {
        let listed = self.world.ecs("ListServiceDeployments", &json!({"cluster": "pmis", "service": "api"})).unwrap();
        let arn = listed["serviceDeployments"][0]["serviceDeploymentArn"].clone();
        let asked = json!({"serviceDeploymentArns": [arn]});
        self.world.ecs("DescribeServiceDeployments", &asked).unwrap()["serviceDeployments"][0].clone()
    }

    /// Somebody at the console answers the hook that waits.
    fn console(&self, action: &str) {
        let deployment = self.deployment();
        let hook = &deployment["lifecycleHookDetails"][0]["hookId"];
        let asked =
            json!({"serviceDeploymentArn": deployment["serviceDeploymentArn"], "hookId": hook, "action": action});
        self.world.ecs("ContinueServiceDeployment", &asked).unwrap();
    }

    /// Hook and action of every answer that was given.
    fn answers(&self) -> Vec<(String, String)> {
        let text = |call: &Value, field: &str| call[field].as_str().unwrap_or_default().to_owned();
        let calls = self.world.calls_of("ecs", "ContinueServiceDeployment");
        calls.iter().map(|call| (text(&call.body, "hookId"), text(&call.body, "action"))).collect()
    }

    /// Every hook was answered once, with these actions.
    #[track_caller]
    fn assert_answered(&self, actions: &[&str]) {
        let answers = self.answers();
        assert_eq!(answers.iter().map(|(_, action)| action.as_str()).collect::<Vec<_>>(), actions, "{answers:?}");
        let hooks: std::collections::BTreeSet<_> = answers.iter().map(|(hook, _)| hook).collect();
        assert_eq!(hooks.len(), answers.len(), "no hook is answered twice: {answers:?}");
    }

    #[track_caller]
    fn assert_serves(&self, word: &str) {
        let service = self.service();
        let asked = json!({"taskDefinition": service["taskDefinition"]});
        let definition = self.world.ecs("DescribeTaskDefinition", &asked).unwrap();
        let live = definition["taskDefinition"]["containerDefinitions"][0]["image"].as_str().unwrap().to_owned();
        assert_eq!(live, image(word).by_digest(), "{service:#}");
        assert_eq!(service["runningCount"], service["desiredCount"], "{service:#}");
        let served = self.world.requests("pmis", "api", 20);
        assert!(served.iter().all(|one| one.image.contains(&digest(word))), "{:#}", self.deployment());
    }
}

#[derive(Debug)]
struct Run {
    phase: Phase,
}

impl Run {
    fn word(&self) -> &str {
        self.phase.outcome().map_or("unfinished", Outcome::word)
    }

    fn state(&self) -> &ServiceState {
        &self.phase.services()[&name()]
    }

    #[track_caller]
    fn cause(&self) -> &Cause {
        self.state().cause().unwrap_or_else(|| panic!("no cause in {:#?}", self.phase))
    }
}

fn nothing() -> std::future::Ready<()> {
    std::future::ready(())
}
