//! The pipeline of one set of credentials: what is shared by everything done to images in a run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_types::SdkConfig;
use tokio::sync::{OnceCell, Semaphore};

use super::build::Builder;
use super::login::{DockerConfig, Logins, Mask};
use super::registry::{self, Ecr, Http, Oci, Registry, Scheme};
use crate::engine::Cancel;
use crate::problem::Problem;
use crate::process::Environment;
use crate::types::{RegistryHost, ServiceName};

/// Builds at once: more only share the same processors and disk.
const BUILDS_AT_ONCE: usize = 2;

/// Takes progress lines: the service, and a line of its build or a step of ours.
pub type Lines = Arc<dyn Fn(&ServiceName, &str) + Send + Sync>;

/// What the pipeline is given from outside.
#[derive(Clone)]
pub struct Options {
    /// The environment, read once by the caller; children get it too.
    pub environment: Environment,
    /// Takes every secret before its first use.
    pub mask: Mask,
    /// Takes progress.
    pub lines: Lines,
    /// Ends whatever runs.
    pub cancel: Cancel,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Options")
    }
}

/// Builds, finds, names and moves images with one set of AWS credentials. Cheap to make: nothing
/// is asked or written before it is needed. Dropping it deletes the private Docker configuration.
#[derive(Debug)]
pub struct Pipeline {
    sdk: SdkConfig,
    pub(super) options: Options,
    pub(super) logins: Arc<Logins>,
    pub(super) builder: Builder,
    pub(super) builds: Semaphore,
    docker: OnceCell<DockerConfig>,
    http: Arc<Http>,
    registries: Mutex<HashMap<RegistryHost, Arc<Registry>>>,
}

impl Pipeline {
    /// A pipeline with these credentials.
    pub fn new(sdk: &SdkConfig, options: Options) -> Self {
        let logins =
            Logins::new(sdk.clone(), options.environment.clone(), Arc::clone(&options.mask), options.cancel.clone());
        Self {
            sdk: sdk.clone(),
            builder: Builder::new(options.environment.clone(), options.cancel.clone()),
            logins: Arc::new(logins),
            options,
            builds: Semaphore::new(BUILDS_AT_ONCE),
            docker: OnceCell::new(),
            http: Arc::default(),
            registries: Mutex::default(),
        }
    }

    /// Logs in to these ECR registries, private and public, all at once, in the private Docker
    /// configuration: for base images. The registry that is built for needs no call, and other
    /// registries keep the user's own logins, so naming one changes nothing.
    pub async fn login(&self, hosts: &[RegistryHost]) -> Result<(), Problem> {
        let wanted = hosts.iter().map(async |host| Ok::<_, Problem>((host.clone(), self.logins.of_ecr(host).await?)));
        let found = futures_util::future::try_join_all(wanted).await?;
        let logins: Vec<_> = found.into_iter().filter_map(|(host, basic)| Some((host, basic?))).collect();
        self.docker().await?.add(&logins).await
    }

    /// The variables a program needs to use the logins: `DOCKER_CONFIG` and its company.
    pub async fn docker_environment(&self) -> Result<Environment, Problem> {
        Ok(self.docker().await?.environment(&self.options.environment))
    }

    pub(super) async fn docker(&self) -> Result<&DockerConfig, Problem> {
        self.docker.get_or_try_init(async || DockerConfig::new(&self.options.environment)).await
    }

    pub(super) fn registry(&self, host: &RegistryHost) -> Arc<Registry> {
        let mut registries = self.registries.lock().unwrap_or_else(PoisonError::into_inner);
        let made = registries.entry(host.clone()).or_insert_with(|| {
            let scheme = Scheme::of(host, registry::endpoint_host(&self.sdk).as_deref());
            let distribution = Oci::new(Arc::clone(&self.http), host.clone(), scheme, Arc::clone(&self.logins));
            Arc::new(match host.ecr() {
                Some((account, region)) => Registry::Ecr(Ecr::new(&self.sdk, account, &region, distribution)),
                None => Registry::Oci(distribution),
            })
        });
        Arc::clone(made)
    }

    pub(super) fn say(&self, service: &ServiceName, line: &str) {
        (self.options.lines)(service, line);
    }
}
