//! Policy, pull request and recent deployments in one question to GraphQL.

use serde::Deserialize;
use serde_json::{Value, json};
use shipline::config::FILE;
use shipline::github::Request;
use shipline::problem::Problem;
use shipline::types::{CommitSha, EnvironmentName, Timestamp};

use super::{Hub, graphql};
use crate::decision::{Approval, Pull, PullState, ReviewState, SeenDeployment, Situation};
use crate::types::{IssueNumber, RepositoryId};

const QUERY: &str = include_str!("situation.graphql");

#[derive(Deserialize)]
struct Data {
    repository: Option<Repository>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Repository {
    database_id: u64,
    visibility: String,
    default_branch_ref: Option<Branch>,
    pull_request: Option<PullRequest>,
    deployments: Option<List<Deployment>>,
}

#[derive(Deserialize)]
struct Branch {
    name: String,
    target: Target,
}

#[derive(Deserialize)]
struct Target {
    oid: CommitSha,
    file: Option<TreeEntry>,
}

#[derive(Deserialize)]
struct TreeEntry {
    object: Option<Blob>,
}

/// Empty for what is no file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Blob {
    text: Option<String>,
    #[serde(default)]
    is_truncated: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PullRequest {
    number: IssueNumber,
    title: String,
    state: String,
    is_draft: bool,
    head_ref_oid: CommitSha,
    base_ref_name: String,
    is_cross_repository: bool,
    head_repository: Option<Id>,
    author: Option<Login>,
    mergeable: String,
    merge_state_status: String,
    review_decision: Option<String>,
    latest_opinionated_reviews: Option<List<Review>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Id {
    database_id: u64,
}

#[derive(Deserialize)]
struct Login {
    login: String,
}

#[derive(Deserialize)]
struct List<T> {
    nodes: Option<Vec<Option<T>>>,
}

#[derive(Deserialize)]
struct Review {
    state: String,
    author: Option<Login>,
    commit: Option<Oid>,
}

#[derive(Deserialize)]
struct Oid {
    oid: CommitSha,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Deployment {
    database_id: u64,
    commit_oid: CommitSha,
    environment: Option<String>,
    payload: Option<String>,
    created_at: Timestamp,
    creator: Option<Login>,
    latest_status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    state: String,
    created_at: Timestamp,
}

impl Hub {
    /// Policy, pull request and recent deployments in one request (GraphQL).
    pub async fn situation(
        &self,
        pull: Option<IssueNumber>,
        environment: Option<&EnvironmentName>,
    ) -> Result<Situation, Problem> {
        let name = &self.repository.name;
        let variables = json!({
            "owner": name.owner(),
            "name": name.name(),
            "pull": pull.unwrap_or(0),
            "withPull": pull.is_some(),
            "environments": environment.map(|environment| [environment.as_str()]),
            "withDeployments": environment.is_some(),
            "policy": FILE,
        });
        let request = Request::graphql("read the policy and the pull request", QUERY, &variables);
        let data: Data = graphql::ask(self.connection(), &request).await?;
        let repository = data.repository.ok_or_else(|| self.gone())?;
        if repository.database_id != self.repository.id.get() {
            return Err(Problem::provider(
                "github-repository",
                format!("`{name}` is another repository now than when the command was given."),
                "Comment again where the repository is now.",
            ));
        }
        if let Some(number) = pull.filter(|_| repository.pull_request.is_none()) {
            return Err(Problem::provider(
                "github-not-found",
                format!("`{name}` has no pull request {number}."),
                "Comment in a pull request.",
            ));
        }
        self.mapped(repository)
    }

    fn mapped(&self, repository: Repository) -> Result<Situation, Problem> {
        let branch = repository.default_branch_ref.ok_or_else(|| {
            Problem::mistake(
                "github-empty",
                format!("`{}` has no commits on its default branch.", self.repository.name),
                format!("Commit a `{FILE}` to it."),
            )
        })?;
        let policy = match branch.target.file.map(|entry| entry.object) {
            None => None,
            Some(object) => Some(text(object)?),
        };
        let deployments = filled(repository.deployments).map(SeenDeployment::from).collect();
        Ok(Situation {
            default_branch: branch.name,
            policy_commit: branch.target.oid,
            policy,
            pull: repository.pull_request.map(Pull::from),
            deployments,
            public: repository.visibility == "PUBLIC",
        })
    }

    fn gone(&self) -> Problem {
        Problem::provider(
            "github-permission",
            format!("GitHub does not show `{}` to the App any more.", self.repository.name),
            "Check that the repository still exists and that the App is installed on it.",
        )
    }
}

/// The policy's text; half of it is no policy.
fn text(object: Option<Blob>) -> Result<String, Problem> {
    let wrong = |why: &str| {
        Problem::mistake(
            "policy-unreadable",
            format!("`{FILE}` on the default branch cannot be read: {why}."),
            "Make it a text file of less than 100 kB.",
        )
    };
    match object {
        Some(Blob { is_truncated: true, .. }) => Err(wrong("it is too large")),
        Some(Blob { text: Some(text), .. }) => Ok(text),
        _ => Err(wrong("it is not a text file")),
    }
}

fn filled<T>(list: Option<List<T>>) -> impl Iterator<Item = T> {
    list.and_then(|list| list.nodes).into_iter().flatten().flatten()
}

impl From<PullRequest> for Pull {
    fn from(pull: PullRequest) -> Self {
        let approved = |review: Review| {
            let author = review.author.filter(|_| review.state == "APPROVED")?;
            // The question is for writers only.
            Some(Approval { login: author.login, writer: true, commit: review.commit.map(|commit| commit.oid) })
        };
        Self {
            number: pull.number,
            state: match pull.state.as_str() {
                "OPEN" => PullState::Open,
                "MERGED" => PullState::Merged,
                _ => PullState::Closed,
            },
            draft: pull.is_draft,
            head: pull.head_ref_oid,
            base: pull.base_ref_name,
            head_repository: pull.head_repository.map(|repository| RepositoryId::new(repository.database_id)),
            fork: pull.is_cross_repository,
            author: pull.author.map(|author| author.login),
            title: pull.title,
            mergeable: match pull.mergeable.as_str() {
                "MERGEABLE" => Some(true),
                "CONFLICTING" => Some(false),
                _ => None,
            },
            behind: pull.merge_state_status == "BEHIND",
            reviews: pull.review_decision.map(|decision| match decision.as_str() {
                "APPROVED" => ReviewState::Approved,
                "CHANGES_REQUESTED" => ReviewState::ChangesRequested,
                // Whatever else there may be one day, it is no approval.
                _ => ReviewState::Missing,
            }),
            approvals: filled(pull.latest_opinionated_reviews).filter_map(approved).collect(),
        }
    }
}

impl From<Deployment> for SeenDeployment {
    fn from(seen: Deployment) -> Self {
        let (state, since) = seen.latest_status.map(|status| (status.state.to_lowercase(), status.created_at)).unzip();
        Self {
            id: seen.database_id,
            sha: seen.commit_oid,
            environment: seen.environment.unwrap_or_default(),
            shipline: seen.payload.as_deref().and_then(noted),
            creator: seen.creator.map(|creator| creator.login),
            created: seen.created_at,
            state,
            since,
        }
    }
}

/// What Shipline noted in a payload: JSON in a text, and if it was sent as a text, in one more.
fn noted(payload: &str) -> Option<Value> {
    let mut value: Value = serde_json::from_str(payload).ok()?;
    if let Value::String(inner) = &value {
        value = serde_json::from_str(inner).ok()?;
    }
    value.get("shipline").cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shipline_noted_is_found_once_or_twice_encoded_and_nothing_else_is() {
        assert_eq!(noted(r#"{"shipline":{"plan":"a"}}"#), Some(json!({"plan": "a"})));
        assert_eq!(noted(r#""{\"shipline\":{\"plan\":\"a\"}}""#), Some(json!({"plan": "a"})));
        for other in ["", "null", "\"\"", "{}", "[1]", "\"by hand\"", "{\"web\":1}"] {
            assert_eq!(noted(other), None, "{other}");
        }
    }
}
