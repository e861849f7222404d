//! A repository on a simulated GitHub, its services on a simulated AWS, a store in a file, and
//! workers that can be stopped and killed.
//!
//! The SDK finds its endpoint in the environment of the process, so every story runs in a process of
//! its own that has one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde_json::json;
use shipline::engine::{Cancel, clock};
use shipline::redact::Redactor;
use shipline_test_support::{
    AppSeed, AwsWorld, Behaviour, Comment, Fault, FaultKind, ImageSeed, RepositoryWorld, Role, Rule, ServiceSeed,
};
use tokio::sync::Notify;
use tokio::task::LocalSet;

use crate::allow::AllowList;
use crate::commands::desk::Desk;
use crate::context::{Bot, Times};
use crate::github::App;
use crate::metrics::Metrics;
use crate::store::{
    Asked, Deployment, DeploymentKind, Enqueued, EnvironmentLease, Lock, LockAnswer, NewDeployment, QueueRule, Store,
};
use crate::types::{
    Actor, CommentId, DeploymentId, EnvironmentKey, InstallationId, RepositoryId, RepositoryRef, UserId, WorkerId,
};

const PORT: &str = "SHIPLINE_STORY_PORT";
const REGISTRY: &str = "111122223333.dkr.ecr.us-east-1.amazonaws.com";
const PATIENCE: Duration = Duration::from_mins(1);

const POLICY: &str = "
version: 1
services:
  api: { image: { repository: shop/api } }
build: { workflow: build.yml }
environments:
  staging:
    aws: { region: us-east-1 }
    services: { api: { ecs: { cluster: staging, service: api } } }
  production:
    aws: { region: us-east-1 }
    requires: [staging]
    services: { api: { ecs: { cluster: production, service: api } } }
";

/// Runs a story of this module in a process of its own.
#[expect(clippy::disallowed_methods, reason = "the process that is started is this test")]
pub(super) fn story(name: &str, tell: impl AsyncFnOnce(Stage)) {
    if let Ok(port) = std::env::var(PORT) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move { tell(Stage::new(port.parse().unwrap()).await).await });
        return;
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("rollouts::tests::{name}"), "--nocapture", "--test-threads=1"])
        .env(PORT, port.to_string())
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
        .envs([("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "example"), ("AWS_REGION", "us-east-1")])
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.contains("1 passed"), "the story did not run: {out}");
}

pub(super) struct Stage {
    pub(super) world: AwsWorld,
    pub(super) repository: RepositoryWorld,
    pub(super) store: Store,
    pub(super) pull: u64,
    /// What both environments serve at first.
    pub(super) first_image: String,
    reference: RepositoryRef,
    actor: Actor,
    head: String,
    policy_commit: String,
    app: shipline_test_support::App,
    folder: tempfile::TempDir,
    asked: std::cell::Cell<u64>,
    /// Where the webhook `HOOK` of the policy goes.
    pub(super) hook: std::cell::RefCell<Option<String>>,
}

/// A process of the bot, as far as rollouts go.
pub(super) struct Worker {
    stop: Cancel,
    kill: Cancel,
    thread: std::thread::JoinHandle<()>,
}

impl Worker {
    /// As at a signal: waits until everything is handed back.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.gone().await;
    }

    /// As with `kill -9`: nothing more is done.
    pub(super) async fn kill(self) {
        self.kill.cancel();
        self.gone().await;
    }

    async fn gone(self) {
        tokio::task::spawn_blocking(|| self.thread.join()).await.unwrap().unwrap();
    }
}

impl Stage {
    async fn new(port: u16) -> Self {
        let world = AwsWorld::at(port);
        let github = world.github();
        let repository = github.repository("acme/shop");
        let app = github.app(&AppSeed { account: Some("acme".to_owned()), ..AppSeed::default() });
        let user = repository.user("someone", Role::Write);
        let policy_commit = repository.file(".github/shipline.yml", POLICY);
        let pull = repository.pull("someone", "Ship it");
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&url(&folder)).await.unwrap();
        let reference = RepositoryRef {
            id: RepositoryId::new(repository.id()),
            name: "acme/shop".parse().unwrap(),
            installation: InstallationId::new(app.installation.unwrap()),
            public: false,
        };
        let mut stage = Self {
            store,
            pull: pull.number,
            head: pull.sha,
            first_image: String::new(),
            reference,
            actor: Actor { id: UserId::new(user), login: "someone".to_owned() },
            policy_commit,
            app,
            folder,
            asked: std::cell::Cell::new(1000),
            hook: std::cell::RefCell::default(),
            repository,
            world,
        };
        stage.first_image = stage.labelled("api", "first", &"1".repeat(40));
        for cluster in ["staging", "production"] {
            stage.world.cluster(cluster);
            let arn = stage.world.task_definition(json!({
                "family": format!("{cluster}-api"), "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
                "cpu": "256", "memory": "512",
                "containerDefinitions": [{"name": "app", "image": stage.first_image, "essential": true}],
            }));
            stage.world.service(ServiceSeed::new(cluster, "api", &arn));
        }
        stage
    }

    pub(super) fn head(&self) -> String {
        self.head.clone()
    }

    pub(super) fn actor(&self) -> Actor {
        self.actor.clone()
    }

    pub(super) async fn lock(&self, environment: &str, holder: Actor, reason: &str) {
        let now = clock::now();
        let lock = Lock { key: self.key(environment), holder, reason: reason.to_owned(), since: now, until: None };
        assert_eq!(self.store.lock(&lock, now).await.unwrap(), LockAnswer::Locked);
    }

    pub(super) fn key(&self, environment: &str) -> EnvironmentKey {
        EnvironmentKey { repository: self.reference.id, environment: environment.parse().unwrap() }
    }

    pub(super) const fn lease() -> Duration {
        Duration::from_millis(1200)
    }

    /// Plants the image of a commit; answers it by digest.
    pub(super) fn image(&self, service: &str, commit: &str) -> String {
        self.labelled(service, commit, commit)
    }

    /// Plants a new image with that tag and revision label; answers it by digest.
    pub(super) fn labelled(&self, service: &str, tag: &str, revision: &str) -> String {
        let number = self.asked.replace(self.asked.get() + 1);
        let labels: BTreeMap<String, String> = [
            ("org.opencontainers.image.revision".to_owned(), revision.to_owned()),
            ("number".to_owned(), number.to_string()),
        ]
        .into();
        let repository = format!("shop/{service}");
        let seed = ImageSeed { repository: repository.clone(), tags: vec![tag.to_owned()], labels, manifest: None };
        format!("{REGISTRY}/{repository}@{}", self.world.image(seed))
    }

    /// From now on deployments of this image go like that.
    pub(super) fn goes(&self, image: &str, behaviour: Behaviour) {
        self.world.rule(Rule::image(image.split_once('@').unwrap().1, behaviour));
    }

    /// From now on new tasks need that long to be healthy.
    pub(super) fn slow(&self, settle: Duration) {
        let settle_ms = u64::try_from(settle.as_millis()).unwrap();
        self.world.timing(shipline_test_support::Timing { settle_ms, ..shipline_test_support::Timing::default() });
    }

    /// Comments cannot be written any more.
    pub(super) fn comments_fail(&self) {
        let kind = FaultKind::ServerError { status: 502 };
        self.world.fault(Fault::on("github", "POST */issues/*/comments", kind));
    }

    /// The next answer of that provider takes so long.
    pub(super) fn delay(&self, service: &str, by: Duration) {
        let ms = u64::try_from(by.as_millis()).unwrap();
        self.world.fault(Fault::on_service(service, FaultKind::Delay { ms }).times(1));
    }

    /// Another replica whose clock says that the lease has run out, and who keeps it for an hour.
    pub(super) async fn steal(&self) -> (Deployment, EnvironmentLease) {
        let later = super::super::keeper::until(clock::now(), Duration::from_secs(30));
        let end = super::super::keeper::until(later, Duration::from_hours(1));
        self.store
            .claim_deployment(&WorkerId::new(), later, end)
            .await
            .unwrap()
            .expect("it is held by a lease that ran out")
    }

    pub(super) async fn deploy(&self, environment: &str, commit: &str) -> DeploymentId {
        self.ask(environment, DeploymentKind::Deploy { sha: commit.parse().unwrap() }, QueueRule::One).await
    }

    /// Hands in what a handler decided.
    pub(super) async fn ask(&self, environment: &str, kind: DeploymentKind, rule: QueueRule) -> DeploymentId {
        let comment = self.asked.replace(self.asked.get() + 1);
        let asked = Asked {
            key: self.key(environment),
            repository: self.reference.clone(),
            kind,
            services: Vec::new(),
            actor: self.actor(),
            issue: self.pull,
            is_pull: true,
            comment: CommentId::new(comment),
            command: 0,
            reason: None,
            policy_commit: self.policy_commit.parse().unwrap(),
            decided: clock::now(),
        };
        match self.store.enqueue(&NewDeployment { asked }, rule, clock::now()).await.unwrap() {
            Enqueued::Next(id) | Enqueued::Behind { id, .. } => id,
            other => panic!("{other:?}"),
        }
    }

    /// Starts a process of the bot.
    pub(super) async fn worker(&self) -> Worker {
        let (stop, kill) = (Cancel::new(), Cancel::new());
        let (stopped, killed) = (stop.clone(), kill.clone());
        let api = self.world.endpoint();
        let (id, pem, url) = (self.app.id, self.app.pem.clone(), url(&self.folder));
        let lease = Self::lease();
        let hook = self.hook.borrow().clone();
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let local = LocalSet::new();
            runtime.block_on(local.run_until(async move {
                let bot = Arc::new(Bot {
                    store: Store::open(&url).await.unwrap(),
                    app: App::new(&api, id, &SecretString::from(pem)).unwrap(),
                    allow: AllowList::default(),
                    redactor: Redactor::new(),
                    metrics: Metrics::new(),
                    notify: hook.map(|hook| ("HOOK".to_owned(), SecretString::from(hook))).into_iter().collect(),
                    variables: [("AWS_ACCESS_KEY_ID".to_owned(), "AKIAEXAMPLE".to_owned())].into(),
                    server_url: "https://github.com".to_owned(),
                    worker: WorkerId::new(),
                    times: Times { lease, edits: Duration::from_millis(100), ..Times::default() },
                    at_once: 64,
                    desk: Desk::default(),
                    deployments_due: Arc::new(Notify::new()),
                    deliveries_due: Arc::new(Notify::new()),
                });
                ready.send(()).unwrap();
                tokio::select! {
                    () = super::super::claim(bot, stopped) => {}
                    () = killed.cancelled() => {}
                }
            }));
        });
        is_ready.await.unwrap();
        Worker { stop, kill, thread }
    }

    /// Waits until it is so.
    pub(super) async fn until(&self, so: impl AsyncFn() -> bool) {
        let deadline = clock::instant() + PATIENCE;
        while !so().await {
            assert!(clock::instant() < deadline, "it never came; {:#?}", self.comments());
            shipline::engine::wait::pause(Duration::from_millis(20), &Cancel::new()).await;
        }
    }

    /// Waits for the end of a deployment.
    pub(super) async fn ended(&self, id: DeploymentId) -> Deployment {
        let read = async || self.store.deployment(id).await.unwrap().unwrap();
        self.until(async || read().await.ended.is_some()).await;
        read().await
    }

    pub(super) fn conversation(&self) -> Vec<Comment> {
        self.repository.conversation(self.pull)
    }

    pub(super) fn comments(&self) -> Vec<String> {
        self.conversation().into_iter().map(|comment| comment.body).collect()
    }

    /// How often a service was changed.
    pub(super) fn updates(&self) -> usize {
        self.world.count("ecs", "UpdateService")
    }

    /// What GitHub was asked before the first change, tokens aside: they are asked for once an hour.
    pub(super) fn github_calls_before_the_update(&self) -> Vec<String> {
        let calls = self.world.calls();
        let before = calls.iter().take_while(|call| call.operation != "UpdateService");
        let github = before.filter(|call| call.service == "github" && !call.operation.contains("/access_tokens"));
        github.map(|call| call.operation.clone()).collect()
    }

    /// What serves, by the provider's own state.
    #[track_caller]
    pub(super) fn assert_serves(&self, cluster: &str, image: &str) {
        let told = self.world.ecs("DescribeServices", &json!({"cluster": cluster, "services": ["api"]})).unwrap();
        let service = &told["services"][0];
        let arn = service["taskDefinition"].as_str().unwrap();
        let known = self.world.ecs("DescribeTaskDefinition", &json!({"taskDefinition": arn})).unwrap();
        assert_eq!(known["taskDefinition"]["containerDefinitions"][0]["image"], image);
        assert_eq!(service["deployments"].as_array().unwrap().len(), 1, "{service:#}");
        assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED", "{service:#}");
    }
}

fn url(folder: &tempfile::TempDir) -> String {
    format!("sqlite://{}", folder.path().join("shipline.db").display())
}
