//! What runs on App Runner, for a configuration that is written from it.

use aws_sdk_apprunner::Client;
use aws_types::SdkConfig;
use serde_json::Value;

use super::raw;
use crate::aws::failure;
use crate::engine::ProviderFailure;

/// A service that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundService {
    /// Its name.
    pub name: String,
    /// Its image; absent when it is built from source.
    pub image: Option<String>,
}

/// The whole description of a service, with the names of the API; nothing when there is none of that name.
pub async fn description(config: &SdkConfig, name: &str) -> Result<Option<Value>, ProviderFailure> {
    let client = Client::new(config);
    let mut token = None;
    loop {
        let asked = client.list_services().set_next_token(token).send().await;
        let page = asked.map_err(|error| failure("apprunner:ListServices", &error))?;
        let named = page.service_summary_list.into_iter().find(|summary| summary.service_name.as_deref() == Some(name));
        if let Some(arn) = named.and_then(|summary| summary.service_arn) {
            return raw::describe(&client, &arn).await.map(|service| Some(service.described()));
        }
        token = page.next_token;
        if token.is_none() {
            return Ok(None);
        }
    }
}

/// The services of this account and region that are not deleted, by name.
pub async fn services(config: &SdkConfig) -> Result<Vec<FoundService>, ProviderFailure> {
    let client = Client::new(config);
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let asked = client.list_services().set_next_token(token).send().await;
        let page = asked.map_err(|error| failure("apprunner:ListServices", &error))?;
        for summary in page.service_summary_list {
            let deleted = summary.status.as_ref().is_some_and(|status| status.as_str().starts_with("DELETED"));
            let (Some(arn), Some(name), false) = (summary.service_arn, summary.service_name, deleted) else { continue };
            let service = raw::describe(&client, &arn).await?;
            let image = service.runs_image().then(|| service.configuration().image().to_owned());
            found.push(FoundService { name, image });
        }
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}
