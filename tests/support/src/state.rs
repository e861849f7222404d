//! The whole simulated account: one value behind one lock.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::apprunner::AppRunner;
use crate::balancer::Traffic;
use crate::calls::Call;
use crate::cloudwatch::CloudWatch;
use crate::ecr::{Ecr, Image, Repository, media_type};
use crate::ecs::Ecs;
use crate::elbv2;
use crate::env::Env;
use crate::faults::Fault;
use crate::github::GitHub;
use crate::ids::digest;
use crate::reply::{ApiError, Millis};
use crate::secrets::Secrets;
use crate::seed::{ImageSeed, Seed};
use crate::sns::Sns;
use crate::sts::Sts;

/// Everything.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) env: Env,
    pub(crate) ecs: Ecs,
    pub(crate) apprunner: AppRunner,
    pub(crate) target_health: elbv2::Given,
    pub(crate) deleted_target_groups: BTreeSet<String>,
    pub(crate) secrets: Secrets,
    pub(crate) sts: Sts,
    pub(crate) ecr: Ecr,
    pub(crate) cloudwatch: CloudWatch,
    pub(crate) traffic: Traffic,
    pub(crate) sns: Sns,
    pub(crate) github: GitHub,
    pub(crate) faults: Vec<Fault>,
    pub(crate) calls: Vec<Call>,
    pub(crate) endpoint: String,
}

/// Now, in milliseconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "the one place where the simulators read the clock")]
pub(crate) fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl World {
    /// An empty account.
    pub(crate) fn new(endpoint: String, wake: Arc<Notify>) -> Self {
        Self {
            env: Env::new(),
            ecs: Ecs::default(),
            apprunner: AppRunner::default(),
            target_health: elbv2::Given::new(),
            deleted_target_groups: BTreeSet::new(),
            secrets: Secrets::default(),
            sts: Sts::default(),
            ecr: Ecr::default(),
            cloudwatch: CloudWatch::default(),
            traffic: Traffic::default(),
            sns: Sns::default(),
            github: GitHub::new(endpoint.clone(), wake),
            faults: Vec::new(),
            calls: Vec::new(),
            endpoint,
        }
    }

    /// Replays what became due.
    pub(crate) fn advance(&mut self, now: Millis) {
        if self.apprunner.builds_source() {
            self.env.heads = self.github.heads();
        }
        self.env.firing = self.cloudwatch.firing();
        self.ecs.advance(now, &mut self.env);
        self.apprunner.advance(now, &mut self.env);
    }

    /// Adds what a seed says; answers the names it made.
    ///
    /// # Errors
    ///
    /// What the provider would say to such a request.
    pub(crate) fn seed(&mut self, seed: Seed, now: Millis) -> Result<Value, ApiError> {
        self.advance(now);
        self.env.region = seed.region.unwrap_or_else(|| self.env.region.clone());
        self.env.account = seed.account.unwrap_or_else(|| self.env.account.clone());
        self.env.timing = seed.timing.unwrap_or(self.env.timing);
        self.env.rules.extend(seed.rules);
        self.env.apprunner_rules.extend(seed.app_runner_rules);
        self.traffic.rules.extend(seed.traffic);
        self.faults.extend(seed.faults);
        for cluster in seed.clusters {
            let arn = self.env.arn("ecs", &format!("cluster/{}", cluster.name));
            self.ecs.clusters.insert(cluster.name, crate::ecs::Cluster { arn, status: cluster.status });
        }
        let mut definitions = Vec::new();
        for request in &seed.task_definitions {
            let answer = self.ecs.definitions.register(request, now, &mut self.env)?;
            definitions.push(answer["taskDefinition"]["taskDefinitionArn"].clone());
        }
        for service in &seed.services {
            self.ecs.seed_stable(&service.0, now, &mut self.env)?;
        }
        let mut express = Vec::new();
        for service in &seed.express_services {
            express.push(self.ecs.seed_express(&service.0, now, &mut self.env)?);
        }
        let mut services = Vec::new();
        for commit in seed.commits {
            self.github.commit(commit, now.saturating_sub(seed.commits_age_ms));
        }
        self.env.heads = self.github.heads();
        for service in &seed.app_runner_services {
            let index = self.apprunner.add(&service.0, now, &mut self.env)?;
            self.apprunner.services[index].begin_done(now.saturating_sub(seed.commits_age_ms / 2), &mut self.env);
            services.push(self.apprunner.services[index].arn.clone());
        }
        for repository in seed.repositories {
            let known = Repository { immutable: repository.immutable, created: now, ..Repository::default() };
            self.ecr.repositories.insert(repository.name, known);
        }
        for blob in seed.blobs {
            self.repository(&blob.repository, now).blobs.insert(digest(blob.text.as_bytes()), blob.text.into_bytes());
        }
        let images: Vec<Value> = seed.images.into_iter().map(|image| self.plant(image, now)).collect();
        self.ecr.scans.extend(seed.scans.into_iter().map(|seed| crate::ecr::scan::Scan::planted(seed, now)));
        for alarm in seed.alarms {
            self.cloudwatch.plant(alarm, now);
        }
        if let Some(metrics) = seed.metrics {
            self.cloudwatch.metrics.set(metrics);
        }
        self.sns.topics.extend(seed.topics);
        for role in seed.roles {
            self.sts.roles.insert(role.arn.clone(), role);
        }
        self.sts.credentials = seed.credentials.unwrap_or_else(|| self.sts.credentials.clone());
        self.target_health.extend(seed.target_health);
        self.deleted_target_groups.extend(seed.deleted_target_groups);
        self.secrets.secrets.extend(seed.secrets);
        self.secrets.parameters.extend(seed.parameters);
        for group in seed.log_groups {
            self.env.logs.create_group(&group);
        }
        self.github.oidc_claims.extend(seed.oidc_claims);
        Ok(
            json!({"task_definitions": definitions, "express_services": express, "app_runner_services": services, "images": images}),
        )
    }

    fn repository(&mut self, name: &str, now: Millis) -> &mut Repository {
        let fresh = || Repository { created: now, ..Repository::default() };
        self.ecr.repositories.entry(name.to_owned()).or_insert_with(fresh)
    }

    /// Puts an image into the registry.
    pub(crate) fn plant(&mut self, seed: ImageSeed, now: Millis) -> Value {
        let repository = self.repository(&seed.repository, now);
        let manifest = seed.manifest.unwrap_or_else(|| {
            let layer = format!("layer of {} {:?}", seed.repository, seed.tags);
            let config = json!({
                "architecture": "amd64", "os": "linux",
                "config": {"Labels": seed.labels},
                "rootfs": {"type": "layers", "diff_ids": [digest(layer.as_bytes())]},
            })
            .to_string();
            let manifest = json!({
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
                           "digest": digest(config.as_bytes()), "size": config.len()},
                "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar",
                            "digest": digest(layer.as_bytes()), "size": layer.len()}],
            });
            for blob in [layer, config] {
                repository.blobs.insert(digest(blob.as_bytes()), blob.into_bytes());
            }
            manifest.to_string()
        });
        let found = digest(manifest.as_bytes());
        for image in &mut repository.images {
            image.tags.retain(|tag| !seed.tags.contains(tag));
        }
        if let Some(image) = repository.images.iter_mut().find(|image| image.digest == found) {
            image.tags.extend(seed.tags);
        } else {
            let media_type = media_type(&manifest);
            repository.images.push(Image { digest: found.clone(), tags: seed.tags, manifest, media_type, pushed: now });
        }
        json!({"repository": seed.repository, "digest": found})
    }
}
