//! What a target can run and go back to, and a change of it under way.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::types::{CommitSha, PinnedImage, Timestamp};

/// The platform a service runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    /// An ECS service.
    Ecs,
    /// An ECS service in Express Mode.
    Express,
    /// An App Runner service.
    AppRunner,
    /// A service of a Docker Compose project.
    Compose,
}

/// Where a service runs, for people: never parsed, never an address to call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetPlace {
    /// The platform.
    pub kind: TargetKind,
    /// `cluster/service`, the App Runner service's name, or the Compose `project/service`.
    pub name: String,
    /// Region it is in.
    pub region: String,
    /// Its page in the provider's console.
    pub console: Option<String>,
    /// The address that serves, if the provider tells it.
    pub url: Option<String>,
}

/// A recorded fact: what a target ran at some time, complete enough to run it again.
///
/// Two revisions of one target are the same exactly when their `id`s are equal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// The provider's identity: a task definition ARN; for App Runner a hash of image and configuration.
    pub id: String,
    /// Short form for tables: `api:42`.
    pub name: String,
    /// The image of the service's own container, when it is pinned.
    pub image: Option<PinnedImage>,
    /// The image as the target has it written, pinned or not.
    pub image_text: String,
    /// The commit it was built from, when known.
    pub commit: Option<CommitSha>,
    /// What the target needs to bring it back, in the target's own words. Opaque to everybody else.
    pub facts: Value,
}

/// Which way a shift goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To the plan's new revision.
    Forward,
    /// To the recorded previous revision.
    Back,
}

/// A change that a target has accepted and is carrying out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    /// The provider's name for it: a service deployment ARN, an operation id. Not always known.
    pub id: Option<String>,
    /// The revision it moves to.
    pub revision: Revision,
    /// Which way.
    pub direction: Direction,
    /// When it was accepted; waiting is counted from here.
    pub started: Timestamp,
    /// What the target needs to follow it, in its own words. Opaque to everybody else.
    pub facts: Value,
}
