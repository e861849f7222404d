//! What a deployment will do: immutable, complete, and named by its content.
//!
//! A plan exists only when every digest is known and every previous revision is recorded. Whatever
//! cannot be done is refused while it is made, before anything changes.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Hook, Revision, TargetPlace};
use crate::config::spec::{HttpCheck, Measure, OnFailure, Steered, Steering};
use crate::types::{CommitSha, EnvironmentName, PinnedImage, ServiceName, Span};

/// What is put on the environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// The commit, when known (an image given by hand may not tell).
    pub commit: Option<CommitSha>,
    /// The image of every service that the release has one for.
    pub images: BTreeMap<ServiceName, PinnedImage>,
}

/// One field that will be different, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Path of the field: `containers.app.image`.
    pub path: String,
    /// Before; absent when it is new. Secret values never stand here, only where they come from.
    pub before: Option<String>,
    /// After; absent when it goes.
    pub after: Option<String>,
}

/// What will be done to one service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum Change {
    /// It already serves exactly this, steadily.
    Nothing,
    /// The target is moved.
    Move {
        /// What differs, for people.
        fields: Vec<FieldChange>,
        /// The complete wish in the target's own words, enough to apply it after a crash. Opaque to everybody else.
        wish: Value,
    },
}

/// One service of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServicePlan {
    /// Where it runs.
    pub place: TargetPlace,
    /// What is deployed; absent when an existing revision is put back as it was.
    pub image: Option<PinnedImage>,
    /// What served when the plan was made: where a rollback goes.
    pub previous: Revision,
    /// What will be done.
    pub change: Change,
    /// Things the reader should know (a fallback taken, a setting that looks wrong).
    pub notices: Vec<String>,
}

/// What a deployment will do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Where.
    pub environment: EnvironmentName,
    /// What.
    pub release: Release,
    /// Each service's part.
    pub services: BTreeMap<ServiceName, ServicePlan>,
    /// The order: waves one after another, the services of a wave at once.
    pub waves: Vec<Vec<ServiceName>>,
    /// Commands that run before anything changes, one after another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Hook>,
    /// Checks after everything serves.
    pub checks: Vec<HttpCheck>,
    /// Commands that run after the checks, one after another: those that check first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Hook>,
    /// Alarms that must stay quiet while traffic moves and until the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<String>,
    /// What is measured of the new revision while traffic moves, and what is too bad.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub analysis: Vec<Measure>,
    /// How traffic moves; the platform replaces tasks step by step when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steering: Option<Steering>,
    /// What to take back when something fails.
    pub on_failure: OnFailure,
    /// How long one service may take, beside what is baked.
    pub within: Span,
}

/// Why services and waves do not make a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanRefused {
    /// There is nothing to do.
    #[error("a deployment needs at least one service")]
    Empty,
    /// A wave names a service that the plan does not have.
    #[error("wave {wave} names {service}, which is not part of this deployment")]
    UnknownService {
        /// From 1.
        wave: usize,
        /// Which.
        service: ServiceName,
    },
    /// A service stands in no wave or in more than one.
    #[error("{0} must stand in exactly one wave")]
    NotInOneWave(ServiceName),
}

/// The SHA-256 of a plan's canonical JSON. Approvals and resumption bind to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanHash(String);

impl PlanHash {
    /// The first six characters, for people.
    pub fn short(&self) -> &str {
        self.0.get(..6).unwrap_or(&self.0)
    }
}

impl fmt::Display for PlanHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Plan {
    /// Checks that services and waves fit; empty waves are dropped.
    pub fn checked(mut self) -> Result<Self, PlanRefused> {
        if self.services.is_empty() {
            return Err(PlanRefused::Empty);
        }
        let mut seen: BTreeMap<&ServiceName, usize> = self.services.keys().map(|name| (name, 0)).collect();
        for (index, wave) in self.waves.iter().enumerate() {
            for service in wave {
                let count = seen
                    .get_mut(service)
                    .ok_or_else(|| PlanRefused::UnknownService { wave: index + 1, service: service.clone() })?;
                *count += 1;
            }
        }
        if let Some((name, _)) = seen.iter().find(|(_, count)| **count != 1) {
            return Err(PlanRefused::NotInOneWave((*name).clone()));
        }
        self.waves.retain(|wave| !wave.is_empty());
        Ok(self)
    }

    /// The name of this plan's content.
    pub fn hash(&self) -> PlanHash {
        let value = serde_json::to_value(self).expect("a plan has only text keys and finite numbers");
        let mut hasher = Sha256::new();
        hash_value(&value, &mut hasher);
        PlanHash(hex::encode(hasher.finalize()))
    }

    /// A hook by its number: those before the shift, then those after it.
    pub fn hook(&self, number: usize) -> Option<&Hook> {
        self.before.iter().chain(&self.after).nth(number)
    }

    /// Whether the rollout decides about each step of traffic.
    pub fn is_steered(&self) -> bool {
        self.steering.is_some_and(|steering| steering.by == Steered::Rollout)
    }

    /// Whether every service already serves what is wished.
    pub fn changes_nothing(&self) -> bool {
        self.services.values().all(|service| service.change == Change::Nothing)
    }
}

/// Feeds a value in an order that does not depend on how its objects were built, every part
/// delimited so that two different values cannot read the same.
fn hash_value(value: &Value, hasher: &mut Sha256) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            hasher.update(format!("{{{}", keys.len()));
            for key in keys {
                hash_value(&Value::String(key.clone()), hasher);
                hash_value(&map[key], hasher);
            }
        }
        Value::Array(items) => {
            hasher.update(format!("[{}", items.len()));
            for item in items {
                hash_value(item, hasher);
            }
        }
        Value::String(text) => hasher.update(format!("\"{}:{text}", text.len())),
        Value::Null | Value::Bool(_) | Value::Number(_) => hasher.update(format!("={value};")),
    }
}
