//! Comments and reactions.

use serde::Deserialize;
use serde_json::{Value, json};
use shipline::github::{Effect, Method, Pages, Repeat, Request, query};
use shipline::problem::Problem;
use shipline::types::Timestamp;

use super::{Hub, Reaction, graphql, outbound};
use crate::types::{CommentId, IssueNumber};

const MINIMIZE: &str = "mutation Minimize($comment: ID!) { minimizeComment(input: {subjectId: $comment, classifier: OUTDATED}) { minimizedComment { isMinimized } } }";

#[derive(Deserialize)]
struct Comment {
    id: u64,
    node_id: String,
    #[serde(default)]
    body: Option<String>,
    user: Option<User>,
    performed_via_github_app: Option<ByApp>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct ByApp {
    id: u64,
}

impl Reaction {
    fn word(self) -> &'static str {
        match self {
            Self::Eyes => "eyes",
            Self::Rocket => "rocket",
            Self::MinusOne => "-1",
            Self::Confused => "confused",
        }
    }
}

impl Hub {
    /// Reacts to a comment. False when the comment is gone.
    pub async fn react(&self, comment: CommentId, reaction: Reaction) -> Result<bool, Problem> {
        let path = self.path(&format!("/issues/comments/{comment}/reactions"));
        // The same reaction twice is one.
        let request = Request::new(Method::Post, "react to the comment", path)
            .body(json!({ "content": reaction.word() }))
            .repeat(Repeat::Harmless)
            .accepting(&[404, 410]);
        Ok(self.connection().send(&request).await?.status() < 300)
    }

    /// Writes a comment.
    pub async fn comment(&self, issue: IssueNumber, body: &str) -> Result<CommentId, Problem> {
        let path = self.path(&format!("/issues/{issue}/comments"));
        let request = Request::new(Method::Post, "write the comment", path).body(self.body(body));
        let made: Comment = self.connection().send(&request).await?.read()?;
        Ok(CommentId::new(made.id))
    }

    /// Replaces a comment's text. False when the comment is gone.
    pub async fn edit(&self, comment: CommentId, body: &str) -> Result<bool, Problem> {
        let path = self.path(&format!("/issues/comments/{comment}"));
        let request =
            Request::new(Method::Patch, "edit the comment", path).body(self.body(body)).accepting(&[404, 410]);
        Ok(self.connection().send(&request).await?.status() < 300)
    }

    /// Our own comment with this marker in it, written since.
    pub async fn find_comment(
        &self,
        issue: IssueNumber,
        marker: &str,
        since: Timestamp,
    ) -> Result<Option<CommentId>, Problem> {
        let (since, mut candidates) = (since.to_string(), Vec::new());
        let asked = query(&[("since", &since), ("per_page", "100")]);
        let path = self.path(&format!("/issues/{issue}/comments?{asked}"));
        let certain = self
            .connection()
            .pages(&Request::get("look for our comment", path), |answer| {
                let comments: Vec<Comment> = answer.read()?;
                let is_marked = |comment: &Comment| comment.body.as_ref().is_some_and(|body| body.contains(marker));
                for found in comments.into_iter().filter(is_marked) {
                    match &found.performed_via_github_app {
                        Some(by) if by.id == self.app.id => return Ok(Pages::Found(found.id)),
                        // Everybody can write a marker.
                        Some(_) => {}
                        None => candidates.push(found),
                    }
                }
                Ok(Pages::More)
            })
            .await?;
        if certain.is_some() || candidates.is_empty() {
            return Ok(certain.map(CommentId::new));
        }
        let us = self.app.bot_login().await?;
        let ours = candidates.iter().find(|comment| comment.user.as_ref().is_some_and(|user| user.login == us));
        Ok(ours.map(|comment| CommentId::new(comment.id)))
    }

    /// Folds a comment away as outdated. One that is gone needs no folding.
    pub async fn minimize(&self, comment: CommentId) -> Result<(), Problem> {
        let path = self.path(&format!("/issues/comments/{comment}"));
        let request = Request::get("find the comment to fold away", path).accepting(&[404, 410]);
        let answer = self.connection().send(&request).await?;
        if answer.status() != 200 {
            return Ok(());
        }
        let comment: Comment = answer.read()?;
        let variables = json!({ "comment": comment.node_id });
        // A comment that is folded twice is folded.
        let request = Request::graphql("fold the comment away", MINIMIZE, &variables).effect(Effect::Writes);
        graphql::ask::<Value>(self.connection(), &request).await.map(|_| ())
    }

    fn body(&self, text: &str) -> Value {
        json!({ "body": outbound::text(&self.app.redactor, text, outbound::COMMENT) })
    }
}
