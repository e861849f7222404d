//! What tests hold: a running world and the ways to prepare, disturb and ask
//! it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde_json::Value;

use crate::balancer::{self, Asked, Served, TrafficRule};
use crate::behaviour::{AppRunnerRule, Rule};
use crate::calls::Call;
use crate::cloudwatch::metrics::MetricAsked;
use crate::faults::Fault;
use crate::github::GitHubWorld;
use crate::reply::Answer;
use crate::seed::{
    AlarmSeed, AppRunnerServiceSeed, ClusterSeed, ExpressServiceSeed, ImageSeed, MetricsSeed, RoleSeed, ScanSeed, Seed,
    ServiceSeed,
};
use crate::server::Server;
use crate::state::now;
use crate::timing::Timing;

/// A simulated AWS account and GitHub on a free local port; gone when dropped.
#[derive(Debug)]
pub struct AwsWorld {
    server: Server,
}

impl AwsWorld {
    /// Starts on a free port of 127.0.0.1, on a thread of its own.
    ///
    /// # Panics
    ///
    /// When no port can be bound.
    #[expect(clippy::unused_async, reason = "callers await it, so that starting may become asynchronous")]
    pub async fn start() -> Self {
        Self::at(0)
    }

    /// The same on that port: for a process whose environment names it already. 0 is any free one.
    ///
    /// # Panics
    ///
    /// When the port cannot be bound.
    #[must_use]
    pub fn at(port: u16) -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let server = Server::start(listen).expect("a free local port can be bound");
        Self { server }
    }

    /// `http://127.0.0.1:<port>`: for `AWS_ENDPOINT_URL` and as GitHub's API
    /// address.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// The GitHub beside the account: people, repositories, an App.
    #[must_use]
    pub fn github(&self) -> GitHubWorld {
        GitHubWorld::of(self.server.world().clone())
    }

    /// For `ACTIONS_ID_TOKEN_REQUEST_URL`; any request token is good.
    #[must_use]
    pub fn oidc_url(&self) -> String {
        format!("{}{}?api-version=2.0", self.endpoint(), crate::github::OIDC_PATH)
    }

    /// Adds everything a seed says; answers the names it made, as
    /// `POST /_sim/seed` does.
    ///
    /// # Panics
    ///
    /// When the provider would refuse it: a mistake of the test.
    pub fn seed(&self, seed: Seed) -> Value {
        let made = self.server.world().lock().seed(seed, now());
        made.unwrap_or_else(|error| unreachable!("the seed is refused: {}: {}", error.code, error.message))
    }

    /// Sets all default durations.
    pub fn timing(&self, timing: Timing) -> &Self {
        self.seed(Seed { timing: Some(timing), ..Seed::default() });
        self
    }

    /// Adds an active cluster.
    pub fn cluster(&self, name: &str) -> &Self {
        let cluster = ClusterSeed { name: name.to_owned(), status: "ACTIVE".to_owned() };
        self.seed(Seed { clusters: vec![cluster], ..Seed::default() });
        self
    }

    /// Registers a task definition (a `RegisterTaskDefinition` request, any
    /// members); answers its ARN.
    pub fn task_definition(&self, request: Value) -> String {
        let made = self.seed(Seed { task_definitions: vec![request], ..Seed::default() });
        made["task_definitions"][0].as_str().unwrap_or_default().to_owned()
    }

    /// Adds an ECS service whose first deployment is done.
    pub fn service(&self, service: ServiceSeed) -> &Self {
        self.seed(Seed { services: vec![service], ..Seed::default() });
        self
    }

    /// Adds an ECS service in Express Mode whose first deployment is done; answers its ARN.
    pub fn express_service(&self, service: ExpressServiceSeed) -> String {
        let made = self.seed(Seed { express_services: vec![service], ..Seed::default() });
        made["express_services"][0].as_str().unwrap_or_default().to_owned()
    }

    /// Adds a RUNNING App Runner service; answers its ARN.
    pub fn app_runner_service(&self, service: AppRunnerServiceSeed) -> String {
        let made = self.seed(Seed { app_runner_services: vec![service], ..Seed::default() });
        made["app_runner_services"][0].as_str().unwrap_or_default().to_owned()
    }

    /// The commit that an App Runner service built from source code serves. No answer of the API
    /// names it.
    #[must_use]
    pub fn app_runner_commit(&self, name: &str) -> Option<String> {
        let mut world = self.server.world().lock();
        world.advance(now());
        let service = world.apprunner.services.iter().find(|service| service.name == name)?;
        service.commit().map(str::to_owned)
    }

    /// Somebody makes a branch of a repository on GitHub stand at a commit, which is made if it is
    /// new. Nothing happens where it stands there already.
    pub fn push(&self, repository: &str, branch: &str, sha: &str) -> &Self {
        let mut world = self.server.world().lock();
        let at = now();
        world.advance(at);
        world.github.push(repository, branch, sha, at);
        self
    }

    /// Where a branch of a repository on GitHub stands.
    #[must_use]
    pub fn branch(&self, repository: &str, branch: &str) -> Option<String> {
        self.server
            .world()
            .lock()
            .github
            .heads()
            .remove(&(repository.to_owned(), branch.to_owned()))
            .map(|(sha, _)| sha)
    }

    /// Plants an image; answers its digest.
    pub fn image(&self, image: ImageSeed) -> String {
        let made = self.seed(Seed { images: vec![image], ..Seed::default() });
        made["images"][0]["digest"].as_str().unwrap_or_default().to_owned()
    }

    /// Plants an alarm, or replaces the one of that name.
    pub fn alarm(&self, alarm: AlarmSeed) -> &Self {
        self.seed(Seed { alarms: vec![alarm], ..Seed::default() });
        self
    }

    /// Plants a source of CloudWatch metrics, which is asked before those that are there: a simulated
    /// load balancer, or a function of time. It must not ask the world.
    pub fn metrics(&self, source: impl Fn(&MetricAsked) -> Option<Vec<f64>> + Send + Sync + 'static) -> &Self {
        self.server.world().lock().cloudwatch.metrics.plant(Arc::new(source));
        self
    }

    /// Plants one metric with exactly these dimensions: its raw measurements from one moment to
    /// another, in milliseconds since the epoch.
    pub fn metric(
        &self,
        namespace: &str,
        name: &str,
        dimensions: &[(&str, &str)],
        values: impl Fn(u64, u64) -> Vec<f64> + Send + Sync + 'static,
    ) -> &Self {
        let dimensions: BTreeMap<String, String> =
            dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        self.metrics(move |asked| {
            let fits = asked.namespace == namespace && asked.name == name && asked.dimensions == dimensions;
            fits.then(|| values(asked.from_ms, asked.to_ms))
        })
    }

    /// How CloudWatch's metrics behave from now on.
    pub fn metrics_behave(&self, behave: MetricsSeed) -> &Self {
        self.seed(Seed { metrics: Some(behave), ..Seed::default() });
        self
    }

    /// Plants the scan of an image.
    pub fn scan(&self, scan: ScanSeed) -> &Self {
        self.seed(Seed { scans: vec![scan], ..Seed::default() });
        self
    }

    /// Adds an SNS topic; answers its ARN.
    pub fn topic(&self, name: &str) -> String {
        let arn = self.server.world().lock().env.arn("sns", name);
        self.seed(Seed { topics: vec![arn.clone()], ..Seed::default() });
        arn
    }

    /// What was published to SNS topics: `{"topic", "subject", "message", "at_ms"}`, oldest first.
    #[must_use]
    pub fn published(&self) -> Vec<Value> {
        self.server.world().lock().sns.published.clone()
    }

    /// The tags of a registry repository, oldest image first.
    #[must_use]
    pub fn ecr_tags(&self, repository: &str) -> Vec<String> {
        let world = self.server.world().lock();
        let known = world.ecr.repositories.get(repository);
        known.map(|known| known.images.iter().flat_map(|image| image.tags.clone()).collect()).unwrap_or_default()
    }

    /// The manifest of an image.
    #[must_use]
    pub fn ecr_manifest(&self, repository: &str, tag: &str) -> Option<String> {
        let world = self.server.world().lock();
        let known = world.ecr.repositories.get(repository)?;
        let image = known.images.iter().find(|image| image.tags.iter().any(|known| known == tag))?;
        Some(image.manifest.clone())
    }

    /// Adds a role.
    pub fn role(&self, role: RoleSeed) -> &Self {
        self.seed(Seed { roles: vec![role], ..Seed::default() });
        self
    }

    /// Writes lines into a log, as a container of somebody would.
    pub fn log(&self, group: &str, stream: &str, lines: &[&str]) -> &Self {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        self.server.world().lock().env.logs.write(group, stream, now(), &lines);
        self
    }

    /// Adds a rule: the last that fits wins.
    pub fn rule(&self, rule: Rule) -> &Self {
        self.seed(Seed { rules: vec![rule], ..Seed::default() });
        self
    }

    /// Adds a rule about how revisions answer requests.
    pub fn traffic_rule(&self, rule: TrafficRule) -> &Self {
        self.seed(Seed { traffic: vec![rule], ..Seed::default() });
        self
    }

    /// `http://127.0.0.1:<port>` of the load balancer in front of an ECS service; the same one
    /// every time.
    ///
    /// # Panics
    ///
    /// When no port can be bound.
    #[must_use]
    pub fn balancer(&self, cluster: &str, service: &str) -> String {
        let asked = Asked::of(cluster, service);
        let address = balancer::listen(self.server.world(), self.server.runtime(), &asked);
        format!("http://{}", address.expect("a free local port can be bound"))
    }

    /// Sends so many requests through that load balancer at once, without HTTP and without
    /// waiting for the answers; says who answered.
    pub fn requests(&self, cluster: &str, service: &str, count: usize) -> Vec<Served> {
        let mut world = self.server.world().lock();
        let asked = Asked::of(cluster, service);
        (0..count).filter_map(|_| balancer::request(&mut world, &asked, now())).collect()
    }

    /// Every request so far that a service got, oldest first.
    #[must_use]
    pub fn served(&self, cluster: &str, service: &str) -> Vec<Served> {
        let world = self.server.world().lock();
        let of = |one: &&Served| one.cluster == cluster && one.service == service;
        world.traffic.served.iter().filter(of).cloned().collect()
    }

    /// What CloudWatch would have measured of that metric of `AWS/ApplicationELB` from `from` to
    /// before `to` (milliseconds since the epoch): one value for each request. Dimensions are
    /// `TargetGroup` and `LoadBalancer`. `None` is a metric that is not measured.
    #[must_use]
    pub fn measured(&self, metric: &str, dimensions: &[(&str, &str)], from: u64, to: u64) -> Option<Vec<(u64, f64)>> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let dimensions: Vec<(String, String)> = dimensions.iter().map(own).collect();
        self.server.world().lock().traffic.samples(metric, &dimensions, from, to)
    }

    /// Adds a rule for App Runner.
    pub fn app_runner_rule(&self, rule: AppRunnerRule) -> &Self {
        self.seed(Seed { app_runner_rules: vec![rule], ..Seed::default() });
        self
    }

    /// Adds a fault.
    pub fn fault(&self, fault: Fault) -> &Self {
        self.seed(Seed { faults: vec![fault], ..Seed::default() });
        self
    }

    /// Ends all faults.
    pub fn no_faults(&self) -> &Self {
        self.server.world().lock().faults.clear();
        self
    }

    /// Every call so far, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.server.world().lock().calls.clone()
    }

    /// The calls of one operation.
    #[must_use]
    pub fn calls_of(&self, service: &str, operation: &str) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.service == service && call.operation == operation);
        calls
    }

    /// How often one operation was called.
    #[must_use]
    pub fn count(&self, service: &str, operation: &str) -> usize {
        self.calls_of(service, operation).len()
    }

    /// The permissions that the calls of assumed roles needed, as IAM names them.
    #[must_use]
    pub fn used_permissions(&self) -> BTreeSet<String> {
        let world = self.server.world().lock();
        let by_role = world.calls.iter().filter(|call| {
            let key = call.access_key_id.as_deref().unwrap_or_default();
            world.sts.sessions.contains_key(key) && call.service != "sts"
        });
        let needed =
            by_role.flat_map(|call| crate::iam::needed(&call.service, &call.operation, &call.body, &world.env));
        needed.map(|needed| needed.action).collect()
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) -> &Self {
        self.server.world().lock().calls.clear();
        self
    }

    /// Performs an ECS operation as somebody else would (another deployer, a
    /// person at the console): neither recorded nor subject to faults.
    ///
    /// # Errors
    ///
    /// The provider's error as `code: message`.
    pub fn ecs(&self, operation: &str, request: &Value) -> Result<Value, String> {
        let mut world = self.server.world().lock();
        let at = now();
        world.advance(at);
        let crate::state::World { ecs, env, .. } = &mut *world;
        said(ecs.answer(operation, request, at, env))
    }

    /// The same for App Runner.
    ///
    /// # Errors
    ///
    /// The provider's error as `code: message`.
    pub fn app_runner(&self, operation: &str, request: &Value) -> Result<Value, String> {
        let mut world = self.server.world().lock();
        let at = now();
        world.advance(at);
        let crate::state::World { apprunner, env, .. } = &mut *world;
        said(apprunner.answer(operation, request, at, env))
    }
}

fn said(answer: Answer) -> Result<Value, String> {
    answer.map_err(|error| format!("{}: {}", error.code, error.message))
}

#[cfg(test)]
mod tests;
