//! Whether the secrets that a container names are there. Their values are never read.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ssm::types::ParameterStringFilter;
use aws_types::SdkConfig;
use aws_types::region::Region;

use crate::aws::failure;
use crate::engine::target::FailureKind;
use crate::engine::{Examination, ProviderFailure};
use crate::problem::Problem;

/// How many names one filter takes (Systems Manager API reference, `ParameterStringFilter`).
const FILTER: usize = 50;

/// Where a `valueFrom` leads (ECS developer guide, "Pass sensitive data to an Amazon ECS container").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Kept {
    /// A secret's ARN without key, stage and version; its region.
    Manager { region: String, arn: String },
    /// A parameter's name; its region when an ARN says one.
    Store { region: Option<String>, name: String },
}

impl Kept {
    fn of(from: &str) -> Self {
        let parts: Vec<&str> = from.split(':').collect();
        match parts.as_slice() {
            ["arn", _, "secretsmanager", region, ..] => Self::Manager {
                region: (*region).to_owned(),
                arn: parts.iter().take(7).copied().collect::<Vec<_>>().join(":"),
            },
            ["arn", _, "ssm", region, _, parameter, ..] => {
                // `parameter/a/b` is the parameter `/a/b`, `parameter/a` is `a`.
                let path = parameter.trim_start_matches("parameter/");
                let name = if path.contains('/') { format!("/{path}") } else { path.to_owned() };
                Self::Store { region: Some((*region).to_owned()), name }
            }
            _ => Self::Store { region: None, name: from.to_owned() },
        }
    }
}

/// Looks for every secret; `named` has the variable and its `valueFrom`.
pub(super) async fn examine(config: &SdkConfig, named: &BTreeSet<(String, String)>, found: &mut Examination) {
    let mut parameters: BTreeMap<Option<String>, BTreeMap<String, Vec<&str>>> = BTreeMap::new();
    for (variable, from) in named {
        match Kept::of(from) {
            Kept::Manager { region, arn } => match in_manager(config, &region, &arn).await {
                Ok(None) => found.good(format!("secret {variable} is there")),
                Ok(Some(why)) => found.fails(missing(variable, from).because(why)),
                Err(failure) => found.failed(failure.into()),
            },
            Kept::Store { region, name } => {
                parameters.entry(region).or_default().entry(name).or_default().push(variable);
            }
        }
    }
    for (region, wanted) in parameters {
        match in_store(config, region.as_deref(), wanted.keys().cloned().collect()).await {
            Ok(known) => {
                for (name, variables) in wanted {
                    for variable in variables {
                        if known.contains(&name) {
                            found.good(format!("secret {variable} is there"));
                        } else {
                            found.fails(missing(variable, &name));
                        }
                    }
                }
            }
            Err(failure) => found.failed(failure.into()),
        }
    }
}

fn missing(variable: &str, from: &str) -> Problem {
    Problem::provider(
        "secret-missing",
        format!("the secret of {variable} is not there: {from}"),
        "Create it, or correct `valueFrom` in the task definition (`secrets` in the configuration).",
    )
}

/// Why the secret cannot be used; nothing when it can.
async fn in_manager(config: &SdkConfig, region: &str, arn: &str) -> Result<Option<String>, ProviderFailure> {
    let settings = aws_sdk_secretsmanager::config::Builder::from(config).region(Region::new(region.to_owned())).build();
    let asked = aws_sdk_secretsmanager::Client::from_conf(settings).describe_secret().secret_id(arn).send().await;
    match asked.map_err(|error| failure("secretsmanager:DescribeSecret", &error)) {
        Ok(secret) => Ok(secret.deleted_date().map(|_| "it is marked for deletion".to_owned())),
        Err(failure) if failure.kind == FailureKind::Missing => Ok(Some(failure.message)),
        Err(failure) => Err(failure),
    }
}

/// Those of the parameters that exist.
async fn in_store(
    config: &SdkConfig,
    region: Option<&str>,
    names: Vec<String>,
) -> Result<BTreeSet<String>, ProviderFailure> {
    let settings = aws_sdk_ssm::config::Builder::from(config);
    let settings = match region {
        Some(region) => settings.region(Region::new(region.to_owned())),
        None => settings,
    };
    let client = aws_sdk_ssm::Client::from_conf(settings.build());
    let mut known = BTreeSet::new();
    for some in names.chunks(FILTER) {
        let filter = ParameterStringFilter::builder().key("Name").option("Equals").set_values(Some(some.to_vec()));
        let filter = filter.build().expect("a filter with a key can be built");
        let mut token = None;
        loop {
            let asked = client.describe_parameters().parameter_filters(filter.clone()).set_next_token(token);
            let page = asked.send().await.map_err(|error| failure("ssm:DescribeParameters", &error))?;
            known.extend(page.parameters().iter().filter_map(|parameter| parameter.name().map(str::to_owned)));
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_leads_to_secrets_manager_or_to_a_parameter() {
        let secret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:pmis/db-AbCdEf";
        let manager = Kept::Manager { region: "eu-west-1".to_owned(), arn: secret.to_owned() };
        assert_eq!(Kept::of(secret), manager);
        assert_eq!(Kept::of(&format!("{secret}:password::")), manager);
        let stored = |from: &str| match Kept::of(from) {
            Kept::Store { region, name } => (region, name),
            Kept::Manager { .. } => panic!("{from} is a parameter"),
        };
        let west = Some("eu-west-1".to_owned());
        assert_eq!(
            stored("arn:aws:ssm:eu-west-1:111122223333:parameter/pmis/token"),
            (west.clone(), "/pmis/token".into())
        );
        assert_eq!(stored("arn:aws:ssm:eu-west-1:111122223333:parameter/token"), (west, "token".into()));
        assert_eq!(stored("/pmis/token"), (None, "/pmis/token".into()));
    }
}
