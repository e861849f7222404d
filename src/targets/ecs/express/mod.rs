//! ECS services in Express Mode.
//!
//! What it is: [`ExpressTarget`], the [`Target`] of a service whose load balancer, scaling and task
//! definition ECS manages. What runs is said in its own words (`raw`, `settings`) and changed by
//! `UpdateExpressGatewayService`; everything behind that is an ECS service with service deployments,
//! tasks and logs, so following and explaining a change is [`EcsTarget`]'s work: that is why this
//! stands below `ecs`. What it is not: it never touches what ECS manages.
//!
//! `tasks` runs commands beside it.
//!
//! Invariants: read, change, write: what is not named stays; the configuration travels as raw JSON,
//! so that no member is lost; a revision is a service revision with the configuration it had.

mod apply;
pub mod creation;
mod facts;
mod past;
mod prepare;
mod raw;
mod revert;
mod settings;
mod tasks;

use std::path::Path;

use async_trait::async_trait;
use aws_types::SdkConfig;

use super::EcsTarget;
use crate::config::spec::{EcsSpec, ExpressSpec, Strategy};
use crate::engine::{Back, NotApplied, Past, Preparation, Sight, Target, TargetError, Tasks, Wish};
use crate::rollout::{Cause, ServicePlan, Shift, TargetKind, TargetPlace};
use crate::types::ServiceName;

/// The container that serves (Amazon ECS API reference, `CreateExpressGatewayService`: "a container named Main").
const MAIN: &str = "Main";

/// One service in Express Mode.
#[derive(Debug)]
pub struct ExpressTarget {
    /// The ECS service that it is.
    ecs: EcsTarget,
    spec: ExpressSpec,
}

impl ExpressTarget {
    /// The service that `spec` names, with that session. No call is made.
    pub fn new(config: &SdkConfig, service: &ServiceName, spec: &ExpressSpec, strategy: Strategy) -> Self {
        let as_ecs = EcsSpec {
            cluster: spec.cluster.clone(),
            service: spec.service.clone(),
            container: Some(MAIN.to_owned()),
            ..EcsSpec::default()
        };
        Self { ecs: EcsTarget::new(config, service, &as_ecs, strategy.into(), Path::new(".")), spec: spec.clone() }
    }

    /// The service's place; the address is known once it was read.
    fn place_at(&self, endpoint: Option<&str>) -> TargetPlace {
        let url = endpoint.map(|endpoint| match endpoint.split_once("://") {
            Some(_) => endpoint.to_owned(),
            None => format!("https://{endpoint}"),
        });
        TargetPlace { kind: TargetKind::Express, url, ..self.ecs.place() }
    }
}

#[async_trait]
impl Target for ExpressTarget {
    fn place(&self) -> TargetPlace {
        self.place_at(None)
    }

    async fn prepare(&self, wish: &Wish) -> Result<Preparation, TargetError> {
        self.prepare_wish(wish).await.map(|service| Preparation { service })
    }

    async fn apply(&self, plan: &ServicePlan) -> Result<Shift, NotApplied> {
        self.apply_plan(plan).await
    }

    async fn observe(&self, plan: &ServicePlan, shift: &Shift) -> Result<Sight, TargetError> {
        self.ecs.observe_shift(plan, shift).await
    }

    async fn explain(&self, plan: &ServicePlan, shift: &Shift, seen: Cause) -> Cause {
        self.ecs.explain_cause(plan, shift, seen).await
    }

    async fn revert(&self, plan: &ServicePlan, shift: Option<&Shift>) -> Result<Back, Box<Cause>> {
        self.revert_plan(plan, shift).await.map_err(Box::new)
    }

    async fn past(&self) -> Result<Past, TargetError> {
        self.read_past().await
    }

    fn tasks(&self) -> Option<&dyn Tasks> {
        Some(self)
    }
}
