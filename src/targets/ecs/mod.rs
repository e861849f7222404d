//! ECS services on Fargate or EC2.
//!
//! What it is: [`EcsTarget`], the [`Target`] of one service. Reading order: `facts` (what is written
//! into plans), `prepare`, `apply`, `observe` with its pure `judge`, `revert`, `explain`, `past`;
//! `raw`, `render`, `same` and `registered` are about task definitions, `live`, `truth` and `tasks`
//! read ECS in our own words; `one_off` runs the commands of hooks; `express` is the target of
//! services that ECS manages itself. What it is not: it never balances traffic, ECS does.
//!
//! Invariants: a task definition travels as raw JSON, so that no field is lost; what decides is the
//! service deployment, `deployments[]` only where that cannot be had; whatever changes the service
//! looks first, and is never sent again blindly.

mod apply;
mod calls;
pub mod discover;
mod examine;
mod explain;
pub mod express;
mod facts;
mod file;
mod follow_log;
mod health;
mod judge;
mod links;
mod live;
mod logs;
mod observe;
mod one_off;
mod past;
mod prepare;
mod raw;
mod registered;
mod render;
mod revert;
mod said;
mod same;
mod sizes;
mod tasks;
mod truth;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32};

use async_trait::async_trait;
use aws_types::SdkConfig;
use serde_json::Value;

use crate::config::spec::{EcsSpec, Steering};
use crate::engine::{Back, Examination, Logs, NotApplied, Past, Preparation, Sight, Target, TargetError, Tasks, Wish};
use crate::problem::Problem;
use crate::rollout::{Cause, Revision, ServicePlan, Shift, TargetKind, TargetPlace};
use crate::types::ServiceName;
pub use one_off::NamedTasks;

/// One ECS service.
#[derive(Debug)]
pub struct EcsTarget {
    /// For logs and load balancers, whose clients are only made when something failed.
    config: SdkConfig,
    /// Tries again by itself.
    patient: aws_sdk_ecs::Client,
    /// Sends each request once.
    once: aws_sdk_ecs::Client,
    service: ServiceName,
    spec: EcsSpec,
    steering: Steering,
    root: PathBuf,
    region: String,
    asking: truth::Asking,
    memory: Memory,
}

/// What was learnt on the way; lost in a crash, and learnt again.
#[derive(Debug, Default)]
struct Memory {
    /// Service deployment ARNs by primary deployment id.
    deployments: Mutex<BTreeMap<String, String>>,
    /// Looks that did not find the service deployment.
    misses: AtomicU32,
    /// Looks so far.
    looks: AtomicU32,
    /// Stopped tasks that were read.
    tasks: tasks::Described,
    /// Whether stopped tasks may not be read.
    tasks_denied: AtomicBool,
    /// Notices that were handed out.
    told: Mutex<Vec<String>>,
    /// Log groups that were found.
    groups: follow_log::Groups,
}

impl EcsTarget {
    /// The service that `spec` names, with that session. `root` is the repository: a task definition
    /// file is read relative to it. No call is made.
    pub fn new(config: &SdkConfig, service: &ServiceName, spec: &EcsSpec, steering: Steering, root: &Path) -> Self {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        Self {
            patient: calls::patient(config),
            once: calls::once(config),
            config: config.clone(),
            service: service.clone(),
            spec: spec.clone(),
            steering,
            root: root.to_owned(),
            region,
            asking: truth::Asking::default(),
            memory: Memory::default(),
        }
    }

    /// What is registered now, and what a deployment would start from: the live task definition and
    /// the file, if one is configured.
    pub async fn task_definitions(&self) -> Result<Vec<Value>, TargetError> {
        let live = self.must_live().await?;
        let mut all = vec![Value::Object(raw::describe(&self.patient, &live.definition).await?.raw)];
        if let Some(path) = &self.spec.task_definition {
            let refused = |problem| TargetError::Refused(Box::new(problem));
            all.push(Self::task_definition_file(&self.root, path).await.map_err(refused)?);
        }
        Ok(all)
    }

    /// A task definition file of the repository.
    pub async fn task_definition_file(root: &Path, path: &Path) -> Result<Value, Problem> {
        file::read(root, path).await.map(Value::Object)
    }

    /// The cluster's name, for people.
    fn cluster_name(&self) -> &str {
        self.spec.cluster.rsplit('/').next().unwrap_or(&self.spec.cluster)
    }

    /// The service's name, for people.
    fn service_name(&self) -> &str {
        self.spec.service.rsplit('/').next().unwrap_or(&self.spec.service)
    }

    /// The task definition a revision stands for.
    fn definition_of(revision: &Revision) -> String {
        facts::of_revision(revision).map_or_else(|_| revision.id.clone(), |facts| facts.task_definition)
    }
}

#[async_trait]
impl Target for EcsTarget {
    fn place(&self) -> TargetPlace {
        TargetPlace {
            kind: TargetKind::Ecs,
            name: format!("{}/{}", self.cluster_name(), self.service_name()),
            region: self.region.clone(),
            console: Some(links::service(&self.region, self.cluster_name(), self.service_name())),
            url: None,
        }
    }

    async fn prepare(&self, wish: &Wish) -> Result<Preparation, TargetError> {
        self.prepare_wish(wish).await.map(|service| Preparation { service })
    }

    async fn apply(&self, plan: &ServicePlan) -> Result<Shift, NotApplied> {
        self.apply_plan(plan).await
    }

    async fn observe(&self, plan: &ServicePlan, shift: &Shift) -> Result<Sight, TargetError> {
        self.observe_shift(plan, shift).await
    }

    async fn explain(&self, plan: &ServicePlan, shift: &Shift, seen: Cause) -> Cause {
        self.explain_cause(plan, shift, seen).await
    }

    async fn revert(&self, plan: &ServicePlan, shift: Option<&Shift>) -> Result<Back, Box<Cause>> {
        self.revert_plan(plan, shift).await.map_err(Box::new)
    }

    async fn past(&self) -> Result<Past, TargetError> {
        self.read_past().await
    }

    async fn history(&self, last: usize) -> Result<Past, TargetError> {
        self.read_history(last).await
    }

    async fn examine(&self) -> Examination {
        self.examine_service().await
    }

    fn tasks(&self) -> Option<&dyn Tasks> {
        Some(self)
    }

    fn logs(&self) -> Option<&dyn Logs> {
        Some(self)
    }
}
