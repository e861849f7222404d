//! Services of a Docker Compose project: on this machine, or on an EC2 instance through Systems Manager.
//!
//! What it relies on: one fixed program on the host (`host`), the same over both ways
//! (`local`, `instance`); `docker compose up` of one service with an override file that only
//! Shipline writes; the image a container was started with, by digest, as the truth (`judge`).
//! Reading order: `record` (what is written into plans and onto the host), `prepare`, `change`
//! (forward and back), `judge`, `past`, `tasks`; `examine` and `follow_log` only look.
//!
//! What it is not: it has no second set of containers, so canary, linear and blue/green are refused.
//!
//! Invariants: the user's compose file is read, never written; volumes are not touched; a change runs
//! on the host by itself, so that it does not depend on whoever asked for it; it has a name made from
//! its plan, so that asking twice begins it once.

mod answer;
mod change;
pub mod discover;
mod examine;
mod follow_log;
mod host;
mod instance;
mod judge;
mod local;
mod past;
mod prepare;
mod record;
mod tasks;

use std::path::Path;

use async_trait::async_trait;
use aws_types::SdkConfig;

use crate::config::spec::{ComposeHost, ComposeSpec, Strategy};
use crate::engine::{
    Back, Examination, Logs, NotApplied, Past, Preparation, ProviderFailure, Sight, Target, TargetError, Tasks, Wish,
};
use crate::process::Environment;
use crate::rollout::{Cause, ServicePlan, Shift, TargetKind, TargetPlace};
use crate::types::{Region, ServiceName};
use answer::Answer;
use host::{Host, Verb, Way};
use instance::Instance;
use local::Local;

/// A service of a Compose project.
#[derive(Debug)]
pub struct ComposeTarget {
    host: Host,
    /// Our name of it, for messages.
    name: ServiceName,
    spec: ComposeSpec,
    strategy: Strategy,
    region: Option<Region>,
}

impl ComposeTarget {
    /// The service on this machine. `root` is the repository: a relative compose file is looked for
    /// there. `environment` is what programs get. No program is run.
    pub fn on_this_machine(
        service: &ServiceName,
        spec: &ComposeSpec,
        strategy: Strategy,
        root: &Path,
        environment: &Environment,
    ) -> Self {
        let file = root.join(&spec.file).to_string_lossy().into_owned();
        let way = Way::Local(Local { environment: environment.clone() });
        Self::with(way, file, service, spec, strategy, None)
    }

    /// The service on an instance that Systems Manager reaches. No call is made.
    pub fn on_an_instance(
        config: &SdkConfig,
        service: &ServiceName,
        spec: &ComposeSpec,
        strategy: Strategy,
        region: Region,
    ) -> Self {
        let file = spec.file.to_string_lossy().into_owned();
        let way = Way::Instance(Instance::new(config, &spec.host));
        Self::with(way, file, service, spec, strategy, Some(region))
    }

    fn with(
        way: Way,
        file: String,
        service: &ServiceName,
        spec: &ComposeSpec,
        strategy: Strategy,
        region: Option<Region>,
    ) -> Self {
        let host = Host { way, project: spec.project.clone(), file };
        Self { host, name: service.clone(), spec: spec.clone(), strategy, region }
    }

    /// Everything a plan is made from.
    async fn survey(&self) -> Result<Answer, ProviderFailure> {
        let databases = self.spec.backups.iter().map(|backup| backup.path.as_str());
        let arguments: Vec<&str> = std::iter::once(self.spec.service.as_str()).chain(databases).collect();
        self.host.ask(Verb::Survey, &arguments).await
    }

    /// What changes while a change is followed.
    async fn look(&self) -> Result<Answer, ProviderFailure> {
        let url = self.spec.check.as_ref().map_or("", |check| check.url.as_str());
        self.host.ask(Verb::Look, &[&self.spec.service, url]).await
    }

    /// The host's name, for people.
    fn host_name(&self) -> String {
        match &self.spec.host {
            ComposeHost::Local => "this machine".to_owned(),
            ComposeHost::Instance(id) => id.clone(),
            ComposeHost::Tag { key, value } => format!("{key}={value}"),
        }
    }

    /// The override file that makes the service run an image.
    fn override_for(&self, image: &str) -> String {
        let about = "# Written by Shipline: the image that runs. `docker compose` by hand needs this file too:\n\
                     # docker compose -f <compose file> -f <this file> …\n";
        // JSON strings are YAML, whatever they hold.
        let (service, image) = (serde_json::json!(self.spec.service), serde_json::json!(image));
        format!("{about}services:\n  {service}:\n    image: {image}\n")
    }
}

#[async_trait]
impl Target for ComposeTarget {
    fn place(&self) -> TargetPlace {
        let console = match (&self.spec.host, &self.region) {
            (ComposeHost::Instance(id), Some(region)) => Some(format!(
                "https://{region}.console.aws.amazon.com/systems-manager/fleet-manager/managed-nodes/{id}"
            )),
            _ => None,
        };
        TargetPlace {
            kind: TargetKind::Compose,
            name: format!("{}/{}", self.spec.project, self.spec.service),
            region: self.region.as_ref().map_or_else(|| self.host_name(), ToString::to_string),
            console,
            url: None,
        }
    }

    async fn prepare(&self, wish: &Wish) -> Result<Preparation, TargetError> {
        self.plan(wish).await.map(|service| Preparation { service })
    }

    async fn apply(&self, plan: &ServicePlan) -> Result<Shift, NotApplied> {
        self.begin(plan).await
    }

    async fn observe(&self, plan: &ServicePlan, shift: &Shift) -> Result<Sight, TargetError> {
        self.see(plan, shift).await
    }

    async fn explain(&self, _plan: &ServicePlan, _shift: &Shift, seen: Cause) -> Cause {
        self.find_cause(seen).await
    }

    async fn revert(&self, plan: &ServicePlan, _shift: Option<&Shift>) -> Result<Back, Box<Cause>> {
        self.go_back(plan).await.map_err(Box::new)
    }

    async fn past(&self) -> Result<Past, TargetError> {
        self.remember().await.map(|(past, _)| past)
    }

    async fn history(&self, last: usize) -> Result<Past, TargetError> {
        let (past, since) = self.remember().await?;
        Ok(past.with_live(since, last))
    }

    async fn examine(&self) -> Examination {
        self.examine_host().await
    }

    fn logs(&self) -> Option<&dyn Logs> {
        Some(self)
    }

    fn tasks(&self) -> Option<&dyn Tasks> {
        Some(self)
    }
}
