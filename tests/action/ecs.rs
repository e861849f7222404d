//! An ECS service is deployed by the engine through [`EcsTarget`], against the ECS simulator.
#![expect(clippy::disallowed_methods, reason = "stories read the clock and wait for what the provider does meanwhile")]

mod failing;
mod keeping;
mod looking;
mod returning;
mod serving;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde_json::{Value, json};
use shipline::config::spec::{EcsSpec, OnFailure, Strategy};
use shipline::engine::{
    Cancel, Driven, Limits, MemoryJournal, News, Parts, Reporter, Target, TargetError, Targets, Wish, drive,
};
use shipline::rollout::{Cause, Change, Outcome, Phase, Plan, Release, ServicePlan, ServiceState};
use shipline::targets::ecs::EcsTarget;
use shipline::types::{ImageDigest, PinnedImage, ServiceName, Span};
use shipline_test_support::{AwsWorld, ServiceSeed, Timing};

const REPOSITORY: &str = "111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api";
const GROUP: &str = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/api/50dc6c495c0c9188";

/// An image of the service; the same word gives the same image.
fn image(word: &str) -> PinnedImage {
    format!("{REPOSITORY}@{}", ImageDigest::of(word.as_bytes())).parse().unwrap()
}

/// What a rule of the simulator matches such an image by.
fn mark(word: &str) -> String {
    ImageDigest::of(word.as_bytes()).to_string()
}

fn definition(image: &PinnedImage) -> Value {
    json!({
        "family": "api",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256", "memory": "512",
        "executionRoleArn": "arn:aws:iam::111122223333:role/execution",
        "containerDefinitions": [{
            "name": "app",
            "image": image.by_digest(),
            "essential": true,
            "portMappings": [{"containerPort": 8080, "protocol": "tcp"}],
            "environment": [{"name": "PORT", "value": "8080"}],
            "logConfiguration": {"logDriver": "awslogs", "options": {
                "awslogs-group": "/pmis/api", "awslogs-region": "us-east-1", "awslogs-stream-prefix": "api",
            }},
        }],
    })
}

/// What people were told.
#[derive(Debug, Default)]
struct Ears(Mutex<Vec<String>>);

impl Ears {
    fn heard(&self, word: &str) -> bool {
        self.0.lock().unwrap().iter().any(|text| text.contains(word))
    }
}

impl Reporter for Ears {
    fn tell(&self, news: &News<'_>) {
        if let News::Notice { text, .. } = news {
            self.0.lock().unwrap().push((*text).to_owned());
        }
    }
}

/// A world with the service `api` in the cluster `pmis`, running the image `one`.
struct Lab {
    world: AwsWorld,
    spec: EcsSpec,
    ears: Arc<Ears>,
    within: Span,
}

impl Lab {
    async fn new() -> Self {
        Self::with(|service| service.desired(2)).await
    }

    async fn with(service: impl FnOnce(ServiceSeed) -> ServiceSeed) -> Self {
        Self::of(&definition(&image("one")), service).await
    }

    async fn of(definition: &Value, service: impl FnOnce(ServiceSeed) -> ServiceSeed) -> Self {
        let world = AwsWorld::start().await;
        world.timing(Timing::default()).cluster("pmis");
        let arn = world.task_definition(definition.clone());
        world.service(service(ServiceSeed::new("pmis", "api", &arn)));
        let spec = EcsSpec { cluster: "pmis".to_owned(), service: "api".to_owned(), ..EcsSpec::default() };
        Self { world, spec, ears: Arc::default(), within: Span::seconds(30) }
    }

    fn target(&self) -> EcsTarget {
        self.target_with(Strategy::Rolling, Path::new("."))
    }

    fn target_with(&self, strategy: Strategy, root: &Path) -> EcsTarget {
        let credentials = Credentials::new("AKIDTEST", "secret", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(self.world.endpoint())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        EcsTarget::new(&config, &name(), &self.spec, strategy.into(), root)
    }

    async fn prepare(&self, word: &str) -> Result<ServicePlan, TargetError> {
        let wish = Wish::Image { image: image(word), commit: None };
        self.target().prepare(&wish).await.map(|prepared| prepared.service)
    }

    /// Plans and drives the image to its end.
    async fn deploy(&self, word: &str) -> Run {
        let plan = self.prepare(word).await.unwrap();
        self.drive(plan).await
    }

    async fn drive(&self, service: ServicePlan) -> Run {
        self.drive_with(service, Arc::new(self.target()), OnFailure::RollBackAll).await
    }

    async fn drive_with(&self, service: ServicePlan, target: Arc<dyn Target>, on_failure: OnFailure) -> Run {
        let plan = Plan {
            environment: "staging".parse().unwrap(),
            release: Release { commit: None, images: [(name(), image("any"))].into() },
            services: [(name(), service)].into(),
            waves: vec![vec![name()]],
            checks: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            alarms: Vec::new(),
            analysis: Vec::new(),
            steering: None,
            on_failure,
            within: self.within,
        };
        let plan = plan.checked().unwrap();
        let targets: Targets = [(name(), target)].into();
        let journal = MemoryJournal::default();
        let cancel = Cancel::new();
        let driving = drive(
            &plan,
            Parts { targets: &targets, alarms: None, gates: None, run: "story" },
            &journal,
            self.ears.as_ref(),
            &cancel,
            Limits::default(),
        );
        let driven = tokio::time::timeout(Duration::from_mins(1), driving).await.expect("a deployment ends").unwrap();
        let Driven::Finished(phase) = driven else { panic!("nobody cancelled") };
        Run { phase }
    }

    fn service(&self) -> Value {
        let found = self.world.ecs("DescribeServices", &json!({"cluster": "pmis", "services": ["api"]})).unwrap();
        found["services"][0].clone()
    }

    /// The task definition that the service runs, as ECS stores it.
    fn live(&self) -> Value {
        let arn = self.service()["taskDefinition"].clone();
        let asked = json!({"taskDefinition": arn, "include": ["TAGS"]});
        self.world.ecs("DescribeTaskDefinition", &asked).unwrap()
    }

    fn live_image(&self) -> String {
        self.live()["taskDefinition"]["containerDefinitions"][0]["image"].as_str().unwrap().to_owned()
    }

    /// The previous image runs everywhere, proven by the simulator itself.
    fn assert_serves(&self, word: &str) {
        let service = self.service();
        assert_eq!(self.live_image(), image(word).by_digest(), "{service:#}");
        assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED", "{service:#}");
        assert_eq!(service["runningCount"], service["desiredCount"], "{service:#}");
    }
}

fn name() -> ServiceName {
    "api".parse().unwrap()
}

/// A driven deployment.
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

    fn cause(&self) -> &Cause {
        self.state().cause().unwrap_or_else(|| panic!("no cause in {:#?}", self.phase))
    }
}

fn moves(plan: &ServicePlan) -> bool {
    matches!(plan.change, Change::Move { .. })
}
