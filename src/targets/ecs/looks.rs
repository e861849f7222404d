//! What the targets of one environment ask ECS again and again, asked together.
//!
//! `DescribeServices` takes ten services of a cluster and `DescribeServiceDeployments` twenty
//! deployments: following ten services costs the calls of one. Invariant: what a look answers is
//! never older than the look (see `rounds`), so nothing is judged by what was before its own change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_ecs::Client;
use aws_types::SdkConfig;
use futures_util::FutureExt as _;

use super::live::{Live, Look};
use super::rounds::{Pace, Rounds};
use super::truth::Deployment;
use super::{calls, live, truth};
use crate::engine::ProviderFailure;
use crate::engine::target::FailureKind;

/// How much one call may ask for (Amazon ECS API reference, `DescribeServices` and
/// `DescribeServiceDeployments`).
const SERVICES: usize = 10;
const DEPLOYMENTS: usize = 20;

/// Before and around a change nobody is kept waiting.
const AROUND: Pace = Pace { gather: Duration::from_millis(25), apart: Duration::ZERO };
/// While changes are followed: at most two calls a second, however many there are.
const FOLLOWING: Pace = Pace { gather: Duration::from_millis(50), apart: Duration::from_millis(500) };

/// How often a call is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tries {
    /// Once: whoever follows a change looks again anyway.
    One,
    /// Again while that may help.
    Many,
}

/// A session, and what its targets ask together.
#[derive(Debug, Clone)]
pub struct Looks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    config: SdkConfig,
    patient: Client,
    once: Client,
    /// By cluster: a call asks for services of one.
    services: Mutex<BTreeMap<String, Arc<Both<Live>>>>,
    deployments: Arc<Both<Deployment>>,
}

/// The rounds of calls that are sent once, and of those that are repeated.
#[derive(Debug)]
struct Both<V> {
    once: Rounds<V>,
    patient: Rounds<V>,
}

impl<V: Clone + Send + Sync + 'static> Both<V> {
    fn expect(&self) {
        self.once.expect();
        self.patient.expect();
    }

    fn of(&self, tries: Tries) -> &Rounds<V> {
        match tries {
            Tries::One => &self.once,
            Tries::Many => &self.patient,
        }
    }
}

impl Looks {
    /// With that session. No call is made.
    pub fn new(config: &SdkConfig) -> Self {
        let (patient, once) = (calls::patient(config), calls::once(config));
        let rounds = |client: &Client, pace| {
            let client = client.clone();
            Rounds::new(DEPLOYMENTS, pace, move |arns| {
                let client = client.clone();
                async move { truth::describe(&client, arns).await }.boxed()
            })
        };
        let deployments = Both { once: rounds(&once, FOLLOWING), patient: rounds(&patient, AROUND) };
        let (services, deployments) = (Mutex::default(), Arc::new(deployments));
        Self(Arc::new(Shared { config: config.clone(), patient, once, services, deployments }))
    }

    /// The session.
    pub(super) fn config(&self) -> &SdkConfig {
        &self.0.config
    }

    /// A client that tries again by itself.
    pub(super) fn patient(&self) -> &Client {
        &self.0.patient
    }

    /// A client that sends each request once.
    pub(super) fn once(&self) -> &Client {
        &self.0.once
    }

    /// For one more target, whose service is in that cluster.
    pub(super) fn at(&self, cluster: &str) -> Lookout {
        let mut clusters = self.0.services.lock().unwrap_or_else(PoisonError::into_inner);
        let services = clusters.entry(cluster.to_owned()).or_insert_with(|| {
            let rounds = |client: &Client, pace| {
                let (client, cluster) = (client.clone(), cluster.to_owned());
                Rounds::new(SERVICES, pace, move |names| {
                    let (client, cluster) = (client.clone(), cluster.clone());
                    async move { live::describe(&client, &cluster, names).await }.boxed()
                })
            };
            Arc::new(Both { once: rounds(&self.0.once, FOLLOWING), patient: rounds(&self.0.patient, AROUND) })
        });
        services.expect();
        self.0.deployments.expect();
        Lookout { services: Arc::clone(services), deployments: Arc::clone(&self.0.deployments) }
    }
}

/// Where one target looks from.
#[derive(Debug)]
pub(super) struct Lookout {
    services: Arc<Both<Live>>,
    deployments: Arc<Both<Deployment>>,
}

impl Lookout {
    /// Looks at a service of the cluster.
    pub(super) async fn service(&self, tries: Tries, service: &str) -> Result<Look, ProviderFailure> {
        let found = self.services.of(tries).ask(service).await?;
        Ok(found.map_or(Look::Missing, |live| Look::Found(Box::new(live))))
    }

    /// The same where a missing service is a failure.
    pub(super) async fn must(&self, tries: Tries, cluster: &str, service: &str) -> Result<Live, ProviderFailure> {
        match self.service(tries, service).await? {
            Look::Found(live) => Ok(*live),
            Look::Missing => Err(ProviderFailure {
                operation: "ecs:DescribeServices".to_owned(),
                code: None,
                message: format!("the service {service} is not in cluster {cluster} any more"),
                request_id: None,
                kind: FailureKind::Missing,
            }),
        }
    }

    /// Reads a service deployment; absent when ECS does not know it.
    pub(super) async fn deployment(&self, tries: Tries, arn: &str) -> Result<Option<Deployment>, ProviderFailure> {
        self.deployments.of(tries).ask(arn).await
    }
}
