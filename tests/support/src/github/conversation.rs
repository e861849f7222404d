//! Issues, comments on issues and pull requests, reactions.

use serde_json::{Value, json};

use super::entry::{Ask, listed};
use super::{GitHub, missing, refused};
use crate::reply::{Millis, rfc3339, text};
use crate::server::Reply;

/// An issue that is no pull request.
#[derive(Debug)]
pub(crate) struct Issue {
    pub(crate) id: u64,
    pub(crate) title: String,
    pub(crate) author: u64,
    pub(crate) created: Millis,
    pub(crate) updated: Millis,
}

/// A comment.
#[derive(Debug)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) issue: u64,
    pub(crate) author: u64,
    pub(crate) body: String,
    pub(crate) created: Millis,
    pub(crate) updated: Millis,
    /// Why it is folded away: GitHub's classifier.
    pub(crate) minimized: Option<String>,
    pub(crate) reactions: Vec<Reacted>,
}

/// One person's reaction.
#[derive(Debug)]
pub(crate) struct Reacted {
    id: u64,
    user: u64,
    pub(crate) content: String,
    at: Millis,
}

pub(super) const EMOJI: [&str; 8] = ["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"];
/// Longer texts are refused.
const LONGEST: usize = 65_536;

fn invalid(resource: &str, field: &str, message: &str) -> Reply {
    let url = "https://docs.github.com/rest";
    let error = json!({"resource": resource, "code": "unprocessable", "field": field, "message": message});
    Reply::json(422, &json!({"message": "Validation Failed", "errors": [error], "documentation_url": url}))
}

fn counted(url: &str, reactions: &[Reacted]) -> Value {
    let mut document = json!({"url": format!("{url}/reactions"), "total_count": reactions.len()});
    for content in EMOJI {
        document[content] = json!(reactions.iter().filter(|one| one.content == content).count());
    }
    document
}

impl GitHub {
    /// The App behind a bot account, as comments name it.
    fn app_of_bot(&self, user: u64) -> Value {
        let app = self.apps.registered.iter().find(|app| app.bot == user);
        app.map_or(Value::Null, |app| self.app_named(app.id))
    }

    pub(super) fn comment_document(&self, full: &str, comment: &Comment) -> Value {
        let links = self.links(full);
        let url = links.url(&format!("issues/comments/{}", comment.id));
        let kind = if self.repositories[full].pulls.contains_key(&comment.issue) { "pull" } else { "issues" };
        json!({
            "url": url, "html_url": links.html(&format!("{kind}/{}#issuecomment-{}", comment.issue, comment.id)),
            "issue_url": links.url(&format!("issues/{}", comment.issue)), "id": comment.id,
            "node_id": format!("IC_{}", comment.id), "user": links.user_by_id(comment.author),
            "created_at": rfc3339(comment.created), "updated_at": rfc3339(comment.updated),
            "author_association": self.association(full, comment.author), "body": comment.body,
            "reactions": counted(&url, &comment.reactions), "performed_via_github_app": self.app_of_bot(comment.author),
        })
    }

    /// An issue, or a pull request seen as one.
    pub(super) fn issue_document(&self, full: &str, number: u64) -> Option<Value> {
        let repository = &self.repositories[full];
        let links = self.links(full);
        let comments = repository.comments.iter().filter(|comment| comment.issue == number).count();
        let url = links.url(&format!("issues/{number}"));
        let pull = repository.pulls.get(&number);
        let issue = repository.issues.get(&number);
        let (id, title, author, created, updated, body, closed) = match (pull, issue) {
            (Some(pull), _) => {
                (pull.id, &pull.title, pull.author, pull.created, pull.updated, json!(pull.body), pull.closed())
            }
            (_, Some(issue)) => (issue.id, &issue.title, issue.author, issue.created, issue.updated, Value::Null, None),
            _ => return None,
        };
        let kind = if pull.is_some() { "pull" } else { "issues" };
        let html = links.html(&format!("{kind}/{number}"));
        let mut document = json!({
            "url": url, "repository_url": links.url(""), "labels_url": format!("{url}/labels{{/name}}"),
            "comments_url": format!("{url}/comments"), "events_url": format!("{url}/events"), "html_url": html,
            "id": id, "node_id": format!("I_{id}"), "number": number, "title": title,
            "user": links.user_by_id(author), "labels": [], "state": if closed.is_some() { "closed" } else { "open" },
            "locked": false, "assignee": null, "assignees": [], "milestone": null, "comments": comments,
            "created_at": rfc3339(created), "updated_at": rfc3339(updated), "closed_at": closed.map(rfc3339),
            "author_association": self.association(full, author), "active_lock_reason": null, "body": body,
            "reactions": counted(&url, &[]), "timeline_url": format!("{url}/timeline"),
            "performed_via_github_app": null, "state_reason": null,
        });
        if let Some(pull) = pull {
            let address = links.url(&format!("pulls/{number}"));
            document["draft"] = json!(pull.is_draft());
            document["pull_request"] = json!({
                "url": address, "html_url": html, "diff_url": format!("{html}.diff"),
                "patch_url": format!("{html}.patch"), "merged_at": pull.merged_at().map(rfc3339),
            });
        }
        Some(document)
    }

    pub(super) fn comment(&self, full: &str, id: u64) -> Option<&Comment> {
        self.repositories.get(full)?.comments.iter().find(|comment| comment.id == id)
    }

    fn comment_mut(&mut self, full: &str, id: u64) -> Option<&mut Comment> {
        self.repositories.get_mut(full)?.comments.iter_mut().find(|comment| comment.id == id)
    }

    /// `GET /repos/{}/issues/{n}/comments`, oldest first.
    pub(super) fn list_comments(&self, full: &str, issue: Option<u64>, ask: &Ask<'_>) -> Reply {
        if let Some(issue) = issue
            && self.issue_document(full, issue).is_none()
        {
            return missing();
        }
        let since = ask.form.get("since").and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let since = since.map_or(0, |since| u64::try_from(since.as_second()).unwrap_or(0));
        let comments = self.repositories[full].comments.iter();
        let found = comments.filter(|one| issue.is_none_or(|issue| one.issue == issue));
        let found = found.filter(|one| one.updated / 1000 >= since);
        let all: Vec<Value> = found.map(|comment| self.comment_document(full, comment)).collect();
        listed(&all, ask, &self.base)
    }

    /// Adds a comment and tells the Apps.
    pub(super) fn add_comment(
        &mut self,
        full: &str,
        issue: u64,
        author: u64,
        body: &str,
        now: Millis,
    ) -> Result<u64, Reply> {
        if self.issue_document(full, issue).is_none() {
            return Err(missing());
        }
        if body.is_empty() {
            return Err(invalid("IssueComment", "body", "Body cannot be blank"));
        }
        if body.chars().count() > LONGEST {
            return Err(invalid("IssueComment", "body", "Body is too long (maximum is 65536 characters)"));
        }
        let id = self.ids.number();
        let body = body.to_owned();
        let comment =
            Comment { id, issue, author, body, created: now, updated: now, minimized: None, reactions: Vec::new() };
        if let Some(repository) = self.repositories.get_mut(full) {
            repository.comments.push(comment);
            if let Some(pull) = repository.pulls.get_mut(&issue) {
                pull.updated = now;
            }
        }
        self.tell_comment(full, id, "created", author, None, now);
        Ok(id)
    }

    /// `POST /repos/{}/issues/{n}/comments`.
    pub(super) fn create_comment(&mut self, full: &str, issue: u64, ask: &Ask<'_>) -> Reply {
        let author = self.acting(&ask.caller);
        let body = text(ask.body, "body").unwrap_or_default();
        match self.add_comment(full, issue, author, body, ask.now) {
            Ok(id) => self.get_comment(full, id).created(),
            Err(refusal) => refusal,
        }
    }

    pub(super) fn get_comment(&self, full: &str, id: u64) -> Reply {
        match self.comment(full, id) {
            Some(comment) => Reply::json(200, &self.comment_document(full, comment)),
            None => missing(),
        }
    }

    /// Changes a comment's text and tells the Apps.
    pub(super) fn change_comment(
        &mut self,
        full: &str,
        id: u64,
        who: u64,
        body: &str,
        now: Millis,
    ) -> Result<(), Reply> {
        if body.chars().count() > LONGEST {
            return Err(invalid("IssueComment", "body", "Body is too long (maximum is 65536 characters)"));
        }
        let comment = self.comment_mut(full, id).ok_or_else(missing)?;
        let before = std::mem::replace(&mut comment.body, body.to_owned());
        comment.updated = now;
        self.tell_comment(full, id, "edited", who, Some(&before), now);
        Ok(())
    }

    /// `PATCH /repos/{}/issues/comments/{id}`: an App changes its own only.
    pub(super) fn edit_comment(&mut self, full: &str, id: u64, ask: &Ask<'_>) -> Reply {
        let who = self.acting(&ask.caller);
        let Some(comment) = self.comment(full, id) else { return missing() };
        if comment.author != who {
            return refused(403, "Resource not accessible by integration");
        }
        let Some(body) = text(ask.body, "body") else {
            return invalid("IssueComment", "body", "Body cannot be blank");
        };
        match self.change_comment(full, id, who, body, ask.now) {
            Ok(()) => self.get_comment(full, id),
            Err(refusal) => refusal,
        }
    }

    /// Takes a comment away and tells the Apps.
    pub(super) fn remove_comment(&mut self, full: &str, id: u64, who: u64, now: Millis) -> Result<(), Reply> {
        self.comment(full, id).ok_or_else(missing)?;
        self.tell_comment(full, id, "deleted", who, None, now);
        if let Some(repository) = self.repositories.get_mut(full) {
            repository.comments.retain(|comment| comment.id != id);
        }
        Ok(())
    }

    /// `DELETE /repos/{}/issues/comments/{id}`.
    pub(super) fn delete_comment(&mut self, full: &str, id: u64, ask: &Ask<'_>) -> Reply {
        let who = self.acting(&ask.caller);
        match self.remove_comment(full, id, who, ask.now) {
            Ok(()) => Reply::empty(204),
            Err(refusal) => refusal,
        }
    }

    fn reaction_document(&self, full: &str, reacted: &Reacted) -> Value {
        json!({
            "id": reacted.id, "node_id": format!("REA_{}", reacted.id), "user": self.links(full).user_by_id(reacted.user),
            "content": reacted.content, "created_at": rfc3339(reacted.at),
        })
    }

    /// `GET /repos/{}/issues/comments/{id}/reactions`.
    pub(super) fn list_reactions(&self, full: &str, id: u64, ask: &Ask<'_>) -> Reply {
        let Some(comment) = self.comment(full, id) else { return missing() };
        let wanted = ask.form.get("content");
        let found = comment.reactions.iter().filter(|one| wanted.is_none_or(|wanted| *wanted == one.content));
        let all: Vec<Value> = found.map(|one| self.reaction_document(full, one)).collect();
        listed(&all, ask, &self.base)
    }

    /// `POST /repos/{}/issues/comments/{id}/reactions`: 200 when it is there already.
    pub(super) fn react(&mut self, full: &str, id: u64, ask: &Ask<'_>) -> Reply {
        let user = self.acting(&ask.caller);
        let content = text(ask.body, "content").unwrap_or_default().to_owned();
        if !EMOJI.contains(&content.as_str()) {
            return invalid("Reaction", "content", "content is not included in the list");
        }
        let fresh = self.ids.number();
        let now = ask.now;
        let Some(comment) = self.comment_mut(full, id) else { return missing() };
        let known = comment.reactions.iter().position(|one| one.user == user && one.content == content);
        let place = known.unwrap_or_else(|| {
            comment.reactions.push(Reacted { id: fresh, user, content, at: now });
            comment.reactions.len() - 1
        });
        let status = if known.is_some() { 200 } else { 201 };
        let Some(comment) = self.comment(full, id) else { return missing() };
        Reply::json(status, &self.reaction_document(full, &comment.reactions[place]))
    }

    /// `DELETE /repos/{}/issues/comments/{id}/reactions/{reaction}`: only one's own.
    pub(super) fn unreact(&mut self, full: &str, id: u64, reaction: u64, ask: &Ask<'_>) -> Reply {
        let user = self.acting(&ask.caller);
        let Some(comment) = self.comment_mut(full, id) else { return missing() };
        let before = comment.reactions.len();
        comment.reactions.retain(|one| one.id != reaction || one.user != user);
        if comment.reactions.len() < before { Reply::empty(204) } else { missing() }
    }

    /// Folds a comment away; its node id is enough. Answers where it is.
    pub(super) fn minimize(&mut self, full: &str, id: u64, classifier: &str) -> Option<()> {
        self.comment_mut(full, id)?.minimized = Some(classifier.to_owned());
        Some(())
    }
}
