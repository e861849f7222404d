//! Which fields the types have that can be asked for.

use serde_json::{Map, Value, json};

use super::super::GitHub;
use super::super::access::{self, Level, Needed};
use super::super::apps::Caller;
use super::super::deployments::Deployment;
use super::super::entry::Ask;
use super::super::people::Kind;
use super::super::pulls::Pull;
use super::super::query_language::Selection;
use super::{Errors, Failure, pick};
use crate::reply::{rfc3339, text};

/// What a field is: a value, or something with fields of its own.
pub(super) enum Node<'a> {
    Value(Value),
    Repository(&'a str),
    Branch {
        full: &'a str,
        name: String,
    },
    Commit {
        full: &'a str,
        sha: String,
    },
    File {
        full: &'a str,
        sha: String,
        path: String,
    },
    Blob(String),
    Pull {
        full: &'a str,
        pull: &'a Pull,
    },
    /// An object with plain members.
    Object(&'static str, Value),
    List(Vec<Node<'a>>),
    Connection(&'static str, Vec<Node<'a>>),
}

/// One reader of the world.
pub(super) struct Look<'a> {
    pub(super) github: &'a GitHub,
    pub(super) ask: &'a Ask<'a>,
}

pub(super) type Resolved<'a> = Result<Node<'a>, Failure>;

impl<'a> Look<'a> {
    pub(super) fn select(
        &self,
        kind: &str,
        selections: &[Selection],
        path: &[String],
        errors: &mut Errors,
        field: &dyn Fn(&str, &Map<String, Value>) -> Resolved<'a>,
    ) -> Value {
        let mut found = Map::new();
        for selection in selections {
            match selection {
                Selection::On { kind: wanted, inside } if wanted == kind => {
                    let inner = self.select(kind, inside, path, errors, field);
                    found.extend(inner.as_object().cloned().unwrap_or_default());
                }
                Selection::On { .. } => {}
                Selection::Field { alias, name, .. } if name == "__typename" => {
                    found.insert(alias.clone(), json!(kind));
                }
                Selection::Field { alias, name, arguments, inside } => {
                    let inner: Vec<String> = path.iter().cloned().chain([alias.clone()]).collect();
                    let value = match field(name, arguments) {
                        Ok(node) => self.write(&node, inside, &inner, errors),
                        Err(failure) => {
                            errors.note(&failure, &inner);
                            Value::Null
                        }
                    };
                    found.insert(alias.clone(), value);
                }
            }
        }
        Value::Object(found)
    }

    fn write(&self, node: &Node<'a>, inside: &[Selection], path: &[String], errors: &mut Errors) -> Value {
        match node {
            Node::Value(value) => value.clone(),
            Node::Repository(full) => self
                .select("Repository", inside, path, errors, &|name, arguments| self.repository(full, name, arguments)),
            Node::Branch { full, name } => {
                self.select("Ref", inside, path, errors, &|field, _| self.branch(full, name, field))
            }
            Node::Commit { full, sha } => self
                .select("Commit", inside, path, errors, &|field, arguments| self.commit(full, sha, field, arguments)),
            Node::File { full, sha, path: file } => self.select("TreeEntry", inside, path, errors, &|field, _| {
                let commit = self.github.repositories[*full].commit(sha);
                let text = commit.and_then(|commit| commit.files.get(file)).cloned().unwrap_or_default();
                match field {
                    "object" => Ok(Node::Blob(text)),
                    "path" => Ok(Node::Value(json!(file))),
                    "type" => Ok(Node::Value(json!("blob"))),
                    _ => Err(Failure::unknown_field(field, "TreeEntry")),
                }
            }),
            Node::Blob(text) => self.select("Blob", inside, path, errors, &|field, _| match field {
                "text" => Ok(Node::Value(json!(text))),
                "isTruncated" | "isBinary" => Ok(Node::Value(json!(false))),
                "byteSize" => Ok(Node::Value(json!(text.len()))),
                "oid" => Ok(Node::Value(json!(super::super::code::blob(text)))),
                _ => Err(Failure::unknown_field(field, "Blob")),
            }),
            Node::Pull { full, pull } => self.select("PullRequest", inside, path, errors, &|field, arguments| {
                self.pull(full, pull, field, arguments)
            }),
            Node::Object(kind, document) => pick(document, inside, kind, path, errors),
            Node::List(nodes) => nodes.iter().map(|node| self.write(node, inside, path, errors)).collect(),
            Node::Connection(kind, nodes) => self.select(kind, inside, path, errors, &|field, _| match field {
                "totalCount" => Ok(Node::Value(json!(nodes.len()))),
                "nodes" => Ok(Node::List(nodes.iter().map(Node::again).collect())),
                "pageInfo" => Ok(Node::Object("PageInfo", json!({"hasNextPage": false, "endCursor": null}))),
                _ => Err(Failure::unknown_field(field, kind)),
            }),
        }
    }

    fn allowed(&self, full: &str, names: &'static [&'static str]) -> Result<(), Failure> {
        let Caller::Installation(token) = &self.ask.caller else { return Err(Failure::forbidden()) };
        let held = self.github.granted(token, Some(full));
        let needed: Needed = (names, Level::Read);
        let public = !self.github.repositories[full].is_private();
        match held {
            Some(held) if access::enough(&held, &needed) => Ok(()),
            None if public => Ok(()),
            _ => Err(Failure::forbidden()),
        }
    }

    pub(super) fn root(&self, name: &str, arguments: &Map<String, Value>) -> Resolved<'a> {
        let word = |member: &str| arguments.get(member).and_then(Value::as_str).unwrap_or_default();
        match name {
            "repository" => {
                let asked = format!("{}/{}", word("owner"), word("name"));
                let nowhere =
                    || Failure::not_found(format!("Could not resolve to a Repository with the name '{asked}'."));
                let found = self
                    .github
                    .repositories
                    .iter()
                    .find(|(full, known)| known.is_hosted() && full.eq_ignore_ascii_case(&asked));
                // GraphQL follows renames by itself.
                let former = || {
                    let id = self.github.former.get(&asked)?;
                    self.github.repositories.iter().find(|(_, known)| known.id == *id)
                };
                let (full, known) = found.or_else(former).ok_or_else(nowhere)?;
                let Caller::Installation(token) = &self.ask.caller else { return Err(Failure::forbidden()) };
                if known.is_private() && self.github.granted(token, Some(full)).is_none() {
                    return Err(nowhere());
                }
                Ok(Node::Repository(full))
            }
            "rateLimit" => Ok(Node::Object("RateLimit", json!({"limit": 5000, "cost": 1, "remaining": 4999}))),
            _ => Err(Failure::unknown_field(name, "Query")),
        }
    }

    fn repository(&self, full: &'a str, name: &str, arguments: &Map<String, Value>) -> Resolved<'a> {
        let repository = &self.github.repositories[full];
        Ok(match name {
            "databaseId" => Node::Value(json!(repository.id)),
            "id" => Node::Value(json!(format!("R_{}", repository.id))),
            "name" => Node::Value(json!(full.rsplit('/').next())),
            "nameWithOwner" => Node::Value(json!(full)),
            "isPrivate" => Node::Value(json!(repository.is_private())),
            "visibility" => Node::Value(json!(if repository.is_private() { "PRIVATE" } else { "PUBLIC" })),
            "defaultBranchRef" => {
                self.allowed(full, &["contents"])?;
                Node::Branch { full, name: repository.default_branch.clone() }
            }
            "pullRequest" => {
                let number = arguments.get("number").and_then(Value::as_u64).unwrap_or_default();
                let nowhere = format!("Could not resolve to a PullRequest with the number of {number}.");
                self.allowed(full, &["pull_requests"])?;
                let pull = repository.pulls.get(&number).ok_or_else(|| Failure::not_found(nowhere))?;
                Node::Pull { full, pull }
            }
            "object" => {
                self.allowed(full, &["contents"])?;
                let asked = arguments.get("expression").and_then(Value::as_str).unwrap_or_default();
                repository.object(asked).map_or(Node::Value(Value::Null), |(kind, oid)| {
                    Node::Object(kind, json!({"oid": oid, "abbreviatedOid": &oid[..7]}))
                })
            }
            "deployments" => {
                self.allowed(full, &["deployments"])?;
                Node::Connection("DeploymentConnection", self.deployments(full, arguments))
            }
            _ => return Err(Failure::unknown_field(name, "Repository")),
        })
    }

    fn deployments(&self, full: &'a str, arguments: &Map<String, Value>) -> Vec<Node<'a>> {
        let known = &self.github.repositories[full].deployments;
        let first = arguments.get("first").and_then(Value::as_u64).unwrap_or(30).min(100);
        let environments = arguments.get("environments").and_then(Value::as_array);
        let newest_first = arguments.get("orderBy").and_then(|order| text(order, "direction")) == Some("DESC");
        let fits =
            |one: &&Deployment| environments.is_none_or(|wanted| wanted.iter().any(|name| name == one.environment()));
        let mut found: Vec<_> = known.iter().filter(fits).collect();
        if newest_first {
            found.reverse();
        }
        let document = |one: &Deployment| {
            let payload = one.request.get("payload").filter(|payload| !payload.is_null());
            // GraphQL writes a payload as the JSON text of what was given.
            let payload = payload.map(Value::to_string);
            let latest = one.statuses.first().map(|status| {
                let state = text(&status.request, "state").unwrap_or_default().to_uppercase();
                json!({
                    "state": state, "createdAt": rfc3339(status.at), "description": text(&status.request, "description"),
                    "logUrl": text(&status.request, "log_url"),
                    "environmentUrl": text(&status.request, "environment_url"),
                })
            });
            let state = latest.as_ref().map_or(json!("PENDING"), |latest| match latest["state"].as_str() {
                Some("SUCCESS") => json!("ACTIVE"),
                _ => latest["state"].clone(),
            });
            json!({
                "id": format!("DE_{}", one.id), "databaseId": one.id, "commitOid": one.sha, "state": state,
                "environment": one.environment(), "latestEnvironment": one.environment(), "payload": payload,
                "createdAt": rfc3339(one.created), "creator": self.actor(&one.creator), "latestStatus": latest,
                "description": text(&one.request, "description"), "task": text(&one.request, "task").unwrap_or("deploy"),
            })
        };
        let size = usize::try_from(first).unwrap_or(usize::MAX);
        found.into_iter().take(size).map(|one| Node::Object("Deployment", document(one))).collect()
    }

    /// GraphQL leaves the `[bot]` off.
    pub(super) fn actor(&self, login: &str) -> Value {
        let bot = self.github.people.named(login).is_some_and(|user| user.kind == Kind::Bot);
        let login = if bot { login.trim_end_matches("[bot]") } else { login };
        json!({"login": login, "__typename": if bot { "Bot" } else { "User" }})
    }

    fn branch(&self, full: &'a str, name: &str, field: &str) -> Resolved<'a> {
        let repository = &self.github.repositories[full];
        Ok(match field {
            "name" => Node::Value(json!(name)),
            "target" => match repository.references.get(name) {
                Some(sha) => Node::Commit { full, sha: sha.clone() },
                None => Node::Value(Value::Null),
            },
            _ => return Err(Failure::unknown_field(field, "Ref")),
        })
    }

    fn commit(&self, full: &'a str, sha: &str, field: &str, arguments: &Map<String, Value>) -> Resolved<'a> {
        let commit = self.github.repositories[full].commit(sha);
        Ok(match field {
            "oid" => Node::Value(json!(sha)),
            "message" => Node::Value(json!(commit.map(|commit| commit.message.clone()))),
            "committedDate" => Node::Value(json!(commit.map(|commit| rfc3339(commit.at)))),
            "file" => {
                self.allowed(full, &["contents"])?;
                let path = arguments.get("path").and_then(Value::as_str).unwrap_or_default();
                match commit.filter(|commit| commit.files.contains_key(path)) {
                    Some(_) => Node::File { full, sha: sha.to_owned(), path: path.to_owned() },
                    None => Node::Value(Value::Null),
                }
            }
            _ => return Err(Failure::unknown_field(field, "Commit")),
        })
    }
}

impl Node<'_> {
    /// The same node once more: connections hold plain ones only.
    fn again(&self) -> Self {
        match self {
            Node::Object(kind, document) => Node::Object(kind, document.clone()),
            Node::Value(value) => Node::Value(value.clone()),
            _ => Node::Value(Value::Null),
        }
    }
}
