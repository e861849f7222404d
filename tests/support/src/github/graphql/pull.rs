//! The fields of a pull request.

use serde_json::{Map, Value, json};

use super::super::people::Role;
use super::super::pulls::{Mergeable, Pull, Review, State};
use super::Failure;
use super::fields::{Look, Node, Resolved};
use crate::reply::rfc3339;

impl<'a> Look<'a> {
    pub(super) fn pull(
        &self,
        full: &'a str,
        pull: &'a Pull,
        field: &str,
        arguments: &Map<String, Value>,
    ) -> Resolved<'a> {
        let github = self.github;
        let head_repository = pull.head_repository.as_ref().and_then(|head| github.repositories.get(head));
        let number = |value: u64| Node::Value(json!(value));
        Ok(match field {
            "databaseId" => number(pull.id),
            "id" => Node::Value(json!(format!("PR_{}", pull.id))),
            "number" => number(pull.number),
            "title" => Node::Value(json!(pull.title)),
            "body" => Node::Value(json!(pull.body)),
            "state" => Node::Value(json!(match pull.state {
                State::Open => "OPEN",
                State::Closed { .. } => "CLOSED",
                State::Merged { .. } => "MERGED",
            })),
            "merged" => Node::Value(json!(pull.merged_at().is_some())),
            "isDraft" => Node::Value(json!(pull.is_draft())),
            "headRefOid" => Node::Value(json!(pull.seen_head(self.ask.now))),
            "headRefName" => Node::Value(json!(pull.branch)),
            "baseRefName" => Node::Value(json!(pull.base)),
            "createdAt" => Node::Value(json!(rfc3339(pull.created))),
            "updatedAt" => Node::Value(json!(rfc3339(pull.updated))),
            "isCrossRepository" => Node::Value(json!(pull.head_repository.as_deref() != Some(full))),
            "headRepository" => match head_repository {
                Some(known) => {
                    Node::Object("Repository", json!({"databaseId": known.id, "nameWithOwner": pull.head_repository}))
                }
                None => Node::Value(Value::Null),
            },
            "author" => match github.people.by_id(pull.author) {
                Some(user) => Node::Object("Actor", self.actor(&user.login)),
                None => Node::Value(Value::Null),
            },
            "mergeable" => Node::Value(json!(match pull.mergeable {
                _ if !pull.is_open() => "UNKNOWN",
                Mergeable::Yes => "MERGEABLE",
                Mergeable::Conflicting => "CONFLICTING",
                Mergeable::Unknown => "UNKNOWN",
            })),
            "mergeStateStatus" => Node::Value(json!(github.merge_state(full, pull, self.ask.now))),
            "reviewDecision" => Node::Value(json!(github.review_decision(full, pull))),
            "latestOpinionatedReviews" => {
                let writers = arguments.get("writersOnly").and_then(Value::as_bool).unwrap_or(false);
                let at_least = if writers { Role::Write } else { Role::Read };
                let first = arguments.get("first").and_then(Value::as_u64).unwrap_or(30);
                let document = |review: &Review| {
                    json!({
                        "state": review.state, "author": self.actor(github.people.login(review.author)),
                        "commit": {"oid": review.commit}, "submittedAt": rfc3339(review.at),
                    })
                };
                let found = github.opinions(full, pull, at_least);
                let found = found.into_iter().take(usize::try_from(first).unwrap_or(usize::MAX));
                let nodes = found.map(|review| Node::Object("PullRequestReview", document(review))).collect();
                Node::Connection("PullRequestReviewConnection", nodes)
            }
            _ => return Err(Failure::unknown_field(field, "PullRequest")),
        })
    }
}
