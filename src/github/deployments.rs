//! GitHub Deployments: the record beside the code of what was put where.
//!
//! Ours carry a payload `{"shipline": …}`; a deployment without one is somebody else's.

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::{Client, json as written, query};
use crate::problem::Problem;
use crate::types::{CommitSha, EnvironmentName, Timestamp};

/// GitHub's id of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeploymentId(u64);

impl DeploymentId {
    /// An id as GitHub gave it.
    pub fn new(id: u64) -> Self {
        Self(id)
    }

    /// As GitHub writes it.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl std::fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Whether an environment serves the public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Shown as production; older deployments stay active unless `AutoInactive::Yes` and GitHub's rules end them.
    Production,
    /// Anything else.
    Other,
}

/// Whether an environment will go away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// It stays.
    Lasting,
    /// It goes away, like a preview of a pull request.
    Transient,
}

/// A deployment to tell GitHub of.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDeployment {
    /// Where to.
    pub environment: EnvironmentName,
    /// What. Its checks are not asked for by GitHub: whoever calls has decided already.
    pub sha: CommitSha,
    /// What we want to find again in history and rollback, under `shipline` in the payload.
    pub shipline: Value,
    /// One line for people; cut after 140 characters.
    pub description: String,
    /// Whether the environment serves the public.
    pub stage: Stage,
    /// Whether the environment will go away.
    pub lifetime: Lifetime,
}

/// What a deployment does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentState {
    /// Waits for its turn.
    Queued,
    /// Waits for something else.
    Pending,
    /// Is being done.
    InProgress,
    /// Serves.
    Success,
    /// Failed.
    Failure,
    /// Could not be tried.
    Error,
    /// Was replaced or taken away.
    Inactive,
}

impl DeploymentState {
    /// Whether it may still change what runs.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Pending | Self::InProgress)
    }
}

/// Whether a success ends the older deployments of the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoInactive {
    /// Older ones become inactive (GitHub: not those of production or transient environments).
    Yes,
    /// They stay as they are.
    No,
}

/// A status to give a deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct NewStatus {
    /// The state.
    pub state: DeploymentState,
    /// One line for people; cut after 140 characters.
    pub description: String,
    /// Where the log is.
    pub log_url: Option<String>,
    /// Where the environment is looked at.
    pub environment_url: Option<String>,
    /// What becomes of older deployments.
    pub auto_inactive: AutoInactive,
}

/// A deployment that GitHub knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// Its id.
    pub id: DeploymentId,
    /// What was put there.
    pub sha: CommitSha,
    /// Where. Somebody else's may have a name that is none of ours.
    pub environment: String,
    /// What we noted with it; absent for somebody else's.
    pub shipline: Option<Value>,
    /// One line for people.
    pub description: Option<String>,
    /// The login of whoever made it.
    pub creator: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Its latest status; absent if it never had one.
    pub status: Option<DeploymentStatus>,
}

/// What a deployment's latest status says.
#[derive(Debug, Clone, PartialEq)]
pub struct DeploymentStatus {
    /// The state.
    pub state: DeploymentState,
    /// Since when.
    pub at: Timestamp,
    /// One line for people.
    pub description: Option<String>,
    /// Where the log is.
    pub log_url: Option<String>,
    /// Where the environment is looked at.
    pub environment_url: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    id: DeploymentId,
    sha: CommitSha,
    environment: String,
    #[serde(default)]
    payload: Value,
    description: Option<String>,
    creator: Option<Creator>,
    created_at: Timestamp,
}

#[derive(Deserialize)]
struct Creator {
    login: String,
}

#[derive(Deserialize)]
struct AnswerStatus {
    state: DeploymentState,
    created_at: Timestamp,
    description: Option<String>,
    log_url: Option<String>,
    environment_url: Option<String>,
}

/// How many of the newest deployments are asked whether they are still open.
const RECENT: u8 = 10;

impl Client {
    /// Tells GitHub of a deployment. It has no status yet.
    pub async fn create_deployment(&self, new: &NewDeployment) -> Result<Deployment, Problem> {
        let body = json!({
            "ref": new.sha,
            "task": "deploy",
            "environment": new.environment,
            "payload": { "shipline": new.shipline },
            "description": short(&self.clean(&new.description)),
            "auto_merge": false,
            "required_contexts": [],
            "production_environment": new.stage == Stage::Production,
            "transient_environment": new.lifetime == Lifetime::Transient,
        });
        let made: Answer = self.add("create the deployment", "/deployments", body).await?.read()?;
        Ok(made.with(None))
    }

    /// Says how a deployment is.
    pub async fn set_status(&self, id: DeploymentId, new: &NewStatus) -> Result<(), Problem> {
        #[derive(Serialize)]
        struct Body<'a> {
            state: DeploymentState,
            description: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            log_url: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            environment_url: Option<&'a str>,
            auto_inactive: bool,
        }
        let body = written(Body {
            state: new.state,
            description: short(&self.clean(&new.description)),
            log_url: new.log_url.as_deref(),
            environment_url: new.environment_url.as_deref(),
            auto_inactive: new.auto_inactive == AutoInactive::Yes,
        });
        let path = format!("/deployments/{id}/statuses");
        let _made: AnswerStatus = self.add("set the deployment's status", &path, body).await?.read()?;
        Ok(())
    }

    /// The newest deployments of an environment, at most `most` (1 to 100), newest first, with their
    /// latest status; only those of one commit, if one is given.
    pub async fn deployments(
        &self,
        environment: &EnvironmentName,
        sha: Option<&CommitSha>,
        most: u8,
    ) -> Result<Vec<Deployment>, Problem> {
        let (most, sha) = (most.clamp(1, 100).to_string(), sha.map(ToString::to_string));
        let mut pairs = vec![("environment", environment.as_str()), ("per_page", most.as_str())];
        pairs.extend(sha.as_deref().map(|sha| ("sha", sha)));
        let path = format!("/deployments?{}", query(&pairs));
        let found: Vec<Answer> = self.read("list the deployments", &path).await?;
        try_join_all(found.into_iter().map(|answer| async {
            let path = format!("/deployments/{}/statuses?per_page=1", answer.id);
            let statuses: Vec<AnswerStatus> = self.read("read a deployment's status", &path).await?;
            Ok(answer.with(statuses.into_iter().next()))
        }))
        .await
    }

    /// The deployments of an environment that may still change what runs there, ours and others',
    /// among its ten newest. One that never had a status is not counted: tools leave such behind.
    pub async fn in_progress(&self, environment: &EnvironmentName) -> Result<Vec<Deployment>, Problem> {
        let mut found = self.deployments(environment, None, RECENT).await?;
        found.retain(|deployment| deployment.status.as_ref().is_some_and(|status| status.state.is_open()));
        Ok(found)
    }
}

impl Deployment {
    /// Whether somebody else than Shipline made it.
    pub fn is_foreign(&self) -> bool {
        self.shipline.is_none()
    }
}

impl Answer {
    fn with(self, status: Option<AnswerStatus>) -> Deployment {
        // A payload that was sent as text comes back as text.
        let payload = match self.payload {
            Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::Null),
            payload => payload,
        };
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        Deployment {
            id: self.id,
            sha: self.sha,
            environment: self.environment,
            shipline: payload.get("shipline").cloned(),
            description: filled(self.description),
            creator: self.creator.map(|creator| creator.login),
            created: self.created_at,
            status: status.map(|status| DeploymentStatus {
                state: status.state,
                at: status.created_at,
                description: filled(status.description),
                log_url: filled(status.log_url),
                environment_url: filled(status.environment_url),
            }),
        }
    }
}

/// GitHub refuses a description of more than 140 characters.
fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= 140 { line.to_owned() } else { line.chars().take(139).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_one_line_of_at_most_140_characters() {
        assert_eq!(short("api 1/2\nmore"), "api 1/2");
        assert_eq!(short(&"ä".repeat(140)).chars().count(), 140);
        let cut = short(&"ä".repeat(141));
        assert!(cut.ends_with('…') && cut.chars().count() == 140);
    }
}
