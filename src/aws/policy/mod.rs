//! The permissions that a configuration needs, as IAM policy documents. Pure.
//!
//! What it is: [`policy`] (one document for each environment) and [`trust`] (who may assume the
//! role). Reading order: `rows` says which action is needed for what and on which kind of resource,
//! `scope` turns that kind into ARNs. What it is not: it asks nobody; what only a task definition
//! tells (roles, log groups, secrets) is given to it as [`TaskFacts`], or stays wide with a note.
//!
//! Invariant: an action stands in the document only if what its row is for is done in this environment.

mod rows;
mod scope;
mod task;
mod trust;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use self::rows::{ROWS, Use};
use self::scope::{Scope, Scoped};
use crate::config::spec::{
    ComposeHost, Config, ContainerChanges, CreateService, EcsSpec, EnvironmentSpec, ImageRepository, Measure,
    TargetSpec, Way, analysis,
};
use crate::types::{AccountId, EnvironmentName, Region, ServiceName};

pub use task::TaskFacts;
pub use trust::trust;

/// The longest managed policy, white space not counted (IAM user guide, "IAM and STS quotas").
const LONGEST: usize = 6_144;

/// What the configuration itself leaves open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ground {
    /// The account, when neither the role nor the allowed accounts tell.
    pub account: Option<AccountId>,
    /// The region, when the environment names none.
    pub region: Option<Region>,
    /// What is known of the task definitions, by service.
    pub tasks: BTreeMap<ServiceName, TaskFacts>,
}

/// What a role needs for one environment.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvironmentPolicy {
    /// The policy document.
    pub document: Value,
    /// What had to stay wide, and why.
    pub notes: Vec<String>,
}

/// The policy for an environment of the configuration.
pub fn policy(config: &Config, name: &EnvironmentName, spec: &EnvironmentSpec, ground: &Ground) -> EnvironmentPolicy {
    let place = Place::of(config, name, spec, ground);
    let uses = uses(&place);
    let mut grouped: BTreeMap<(Use, Scope), BTreeSet<&'static str>> = BTreeMap::new();
    for row in ROWS.iter().filter(|row| uses.contains(&row.of)) {
        grouped.entry((row.of, row.on)).or_default().insert(row.action);
    }
    let mut notes = place.notes();
    let mut statements = Vec::new();
    for ((of, on), actions) in grouped {
        let Scoped { resources, condition, wide } = on.scoped(&place);
        if resources.is_empty() {
            continue;
        }
        if let Some(note) = wide.filter(|note| !notes.contains(note)) {
            notes.push(note);
        }
        let mut statement = json!({
            "Sid": format!("{of:?}{on:?}"), "Effect": "Allow", "Action": actions, "Resource": resources,
        });
        if let Some(condition) = condition {
            statement["Condition"] = condition;
        }
        statements.push(statement);
    }
    let document = json!({ "Version": "2012-10-17", "Statement": statements });
    let length = document.to_string().chars().filter(|c| !c.is_whitespace()).count();
    if length > LONGEST {
        notes.push(format!(
            "the policy has {length} characters and a managed policy at most {LONGEST}: make two of its statements"
        ));
    }
    EnvironmentPolicy { document, notes }
}

/// An environment with everything its ARNs are made of.
struct Place<'a> {
    config: &'a Config,
    name: &'a EnvironmentName,
    spec: &'a EnvironmentSpec,
    ground: &'a Ground,
    account: Option<AccountId>,
    region: Option<Region>,
}

impl<'a> Place<'a> {
    fn of(config: &'a Config, name: &'a EnvironmentName, spec: &'a EnvironmentSpec, ground: &'a Ground) -> Self {
        let region = spec.aws.region.clone().or_else(|| ground.region.clone());
        Self { config, name, spec, ground, account: account(spec, ground), region }
    }

    /// `aws`, `aws-cn` or `aws-us-gov`.
    fn partition(&self) -> &str {
        let role = self.spec.aws.role.as_ref().and_then(|role| role.as_str().split(':').nth(1));
        role.unwrap_or_else(|| match self.region.as_ref().map(Region::as_str) {
            Some(region) if region.starts_with("cn-") => "aws-cn",
            Some(region) if region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        })
    }

    fn region(&self) -> &str {
        self.region.as_ref().map_or("*", Region::as_str)
    }

    fn account(&self) -> &str {
        self.account.as_ref().map_or("*", AccountId::as_str)
    }

    /// `arn:<partition>:<service>:<region>:<account>:<rest>`.
    fn arn(&self, service: &str, rest: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{rest}", self.partition(), self.region(), self.account())
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.region.is_none() {
            notes.push("no region is configured: the ARNs say `*`; set `aws.region`".to_owned());
        }
        if self.account.is_none() {
            notes
                .push("no account is configured: the ARNs say `*`; set `aws.role` or `aws.allowed-account-ids`".into());
        }
        notes
    }

    /// Every ECS cluster with its service, by our name of the service.
    fn ecs(&self) -> impl Iterator<Item = (&'a ServiceName, Cow<'a, EcsSpec>)> {
        self.spec.services.iter().filter_map(|(name, target)| match target {
            TargetSpec::Ecs(ecs) => Some((name, Cow::Borrowed(&**ecs))),
            TargetSpec::Express(express) => {
                let (cluster, service) = (express.cluster.clone(), express.service.clone());
                let secrets = express.secrets.clone();
                let changes = ContainerChanges { secrets, ..ContainerChanges::default() };
                Some((name, Cow::Owned(EcsSpec { cluster, service, changes, ..EcsSpec::default() })))
            }
            TargetSpec::AppRunner(_) | TargetSpec::Compose(_) => None,
        })
    }

    fn compose(&self) -> impl Iterator<Item = &'a crate::config::spec::ComposeSpec> {
        self.spec.services.values().filter_map(|target| match target {
            TargetSpec::Compose(compose) => Some(compose),
            TargetSpec::Ecs(_) | TargetSpec::Express(_) | TargetSpec::AppRunner(_) => None,
        })
    }

    fn app_runner(&self) -> impl Iterator<Item = &'a crate::config::spec::AppRunnerSpec> {
        self.spec.services.values().filter_map(|target| match target {
            TargetSpec::AppRunner(app) => Some(app),
            TargetSpec::Ecs(_) | TargetSpec::Express(_) | TargetSpec::Compose(_) => None,
        })
    }

    /// The images that come here.
    fn images(&self) -> impl Iterator<Item = (&'a ServiceName, &'a crate::config::spec::ImageSpec)> {
        self.spec.services.keys().filter_map(|name| Some((name, self.config.services.get(name)?.image.as_ref()?)))
    }

    /// Whether another environment keeps this image elsewhere, so that it may have to be brought here.
    fn is_brought(&self) -> bool {
        self.config.environments.iter().filter(|(name, _)| *name != self.name).any(|(_, other)| {
            let elsewhere = other.aws.region != self.spec.aws.region || account(other, self.ground) != self.account;
            let own = |(name, image): (&ServiceName, &crate::config::spec::ImageSpec)| {
                matches!(image.repository, ImageRepository::OwnEcr(_)) && other.services.contains_key(name)
            };
            elsewhere && self.images().any(own)
        })
    }
}

/// The role's account, or the only one that is allowed, or the one that was found.
fn account(spec: &EnvironmentSpec, ground: &Ground) -> Option<AccountId> {
    let only = match spec.aws.allowed_accounts.as_slice() {
        [only] => Some(only),
        _ => None,
    };
    spec.aws.role.as_ref().map(crate::types::RoleArn::account).or(only).or(ground.account.as_ref()).cloned()
}

/// What this environment does, and so needs permissions for.
fn uses(place: &Place<'_>) -> BTreeSet<Use> {
    let mut uses = BTreeSet::new();
    let mut add = |wanted: bool, of: Use| {
        if wanted {
            uses.insert(of);
        }
    };
    let public = |repository: &ImageRepository| match repository {
        ImageRepository::At(host, _) => host.as_str() == "public.ecr.aws",
        ImageRepository::OwnEcr(_) => false,
    };
    let private = |repository: &ImageRepository| match repository {
        ImageRepository::At(host, _) => host.ecr().is_some(),
        ImageRepository::OwnEcr(_) => true,
    };
    let built = |image: &crate::config::spec::ImageSpec| image.build.is_some();
    add(place.images().any(|(_, image)| private(&image.repository)), Use::Images);
    let uploads = place.images().any(|(_, image)| private(&image.repository) && built(image)) || place.is_brought();
    add(uploads, Use::Uploads);
    add(place.images().any(|(_, image)| public(&image.repository)), Use::PublicImages);
    add(place.ecs().next().is_some(), Use::Ecs);
    add(place.spec.services.values().any(|target| matches!(target, TargetSpec::Express(_))), Use::Express);
    let commands = [&place.spec.before, &place.spec.after, &place.spec.verify_commands];
    add(commands.iter().any(|hooks| !hooks.is_empty()), Use::Hooks);
    add(place.app_runner().any(|app| app.create == CreateService::WhenMissing), Use::AppRunnerCreation);
    add(place.compose().any(|compose| compose.host != ComposeHost::Local), Use::Compose);
    add(place.compose().any(|compose| matches!(compose.host, ComposeHost::Tag { .. })), Use::ComposeTags);
    add(place.spec.scan.is_some(), Use::Scans);
    add(place.app_runner().next().is_some(), Use::AppRunner);
    add(place.app_runner().any(|app| !app.service.starts_with("arn:")), Use::AppRunnerNames);
    add(!place.spec.alarms.is_empty(), Use::Alarms);
    let metrics = |measure: &Measure| matches!(measure.query, analysis::Query::CloudWatch(_));
    add(place.spec.analysis.iter().any(metrics), Use::Analysis);
    let topics = place.spec.notify.iter().any(|recipient| matches!(recipient.way, Way::Sns(_)));
    add(topics, Use::Notifications);
    uses
}

#[cfg(test)]
mod tests;
