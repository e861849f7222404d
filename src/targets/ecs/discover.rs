//! What runs in a cluster, for a configuration that is written from it.

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types as sdk;
use aws_types::SdkConfig;
use futures_util::future::try_join_all;
use serde_json::Value;

use super::{calls, raw, render};
use crate::aws::failure;
use crate::engine::ProviderFailure;

/// A service that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundService {
    /// Its name.
    pub name: String,
    /// Names and images of its containers; the one that a release replaces comes first.
    pub containers: Vec<(String, String)>,
    /// Alarms that watch its deployments.
    pub alarms: Vec<String>,
    /// What deploys it: `ECS`, `CODE_DEPLOY`, `EXTERNAL`.
    pub controller: String,
    /// Who keeps its task definition and load balancer.
    pub managed: Managed,
}

/// Who keeps what is around a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Managed {
    /// The customer.
    ByCustomer,
    /// ECS, in Express Mode.
    ByEcs,
}

/// Names of the account's clusters in this region.
pub async fn clusters(config: &SdkConfig) -> Result<Vec<String>, ProviderFailure> {
    let client = calls::patient(config);
    let mut pages = client.list_clusters().into_paginator().send();
    let mut names = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| failure("ecs:ListClusters", &error))?;
        names.extend(page.cluster_arns().iter().filter_map(|arn| Some(arn.rsplit('/').next()?.to_owned())));
    }
    names.sort();
    Ok(names)
}

/// The services of a cluster that are active, by name.
pub async fn services(config: &SdkConfig, cluster: &str) -> Result<Vec<FoundService>, ProviderFailure> {
    let client = calls::patient(config);
    let mut pages = client.list_services().cluster(cluster).max_results(100).into_paginator().send();
    let mut arns = Vec::new();
    while let Some(page) = pages.next().await {
        arns.extend_from_slice(page.map_err(|error| failure("ecs:ListServices", &error))?.service_arns());
    }
    let mut found = Vec::new();
    for some in arns.chunks(10) {
        let asked = client.describe_services().cluster(cluster).set_services(Some(some.to_vec())).send().await;
        let answer = asked.map_err(|error| failure("ecs:DescribeServices", &error))?;
        let active = answer.services().iter().filter(|service| service.status() == Some("ACTIVE"));
        found.extend(try_join_all(active.map(|service| one(&client, service))).await?);
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

async fn one(client: &Client, service: &sdk::Service) -> Result<FoundService, ProviderFailure> {
    let definition = raw::describe(client, service.task_definition().unwrap_or_default()).await?;
    let balanced = service.load_balancers().first().and_then(|balancer| balancer.container_name());
    let text = |known: &Value, field: &str| known.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let all = render::containers(&definition.raw);
    let mut containers: Vec<(String, String)> =
        all.iter().map(|known| (text(known, "name"), text(known, "image"))).collect();
    // The container that is released is the one with traffic; without any, the first with an image of the account.
    containers.sort_by_key(|(name, image)| (balanced != Some(name.as_str()), !image.contains(".dkr.ecr.")));
    let alarms = service.deployment_configuration().and_then(|settings| settings.alarms());
    let alarms = alarms.filter(|alarms| alarms.enable()).map(|alarms| alarms.alarm_names().to_vec());
    let controller = service.deployment_controller().map_or("ECS", |controller| controller.r#type().as_str());
    Ok(FoundService {
        name: service.service_name().unwrap_or_default().to_owned(),
        containers,
        alarms: alarms.unwrap_or_default(),
        controller: controller.to_owned(),
        managed: match service.resource_management_type().map(sdk::ResourceManagementType::as_str) {
            Some("ECS") => Managed::ByEcs,
            _ => Managed::ByCustomer,
        },
    })
}
