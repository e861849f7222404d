//! `POST /graphql`: a repository with its policy file, a pull request and deployments; folding
//! comments away. Fields that are not known here are refused as GitHub refuses what it does not know.

use serde_json::{Map, Value, json};

use super::access::{self, Level, Needed};
use super::apps::Caller;
use super::entry::Ask;
use super::people::{Kind, Role};
use super::pulls::{Mergeable, Pull, State};
use super::query_language::{Operation, Selection, read};
use super::{GitHub, refused};
use crate::reply::{rfc3339, text};
use crate::server::Reply;

/// One error of an answer.
#[derive(Debug)]
struct Failure {
    kind: Option<&'static str>,
    message: String,
}

impl Failure {
    fn unknown_field(name: &str, kind: &str) -> Self {
        Self { kind: None, message: format!("Field '{name}' doesn't exist on type '{kind}'") }
    }

    fn forbidden() -> Self {
        Self { kind: Some("FORBIDDEN"), message: "Resource not accessible by integration".to_owned() }
    }

    fn not_found(message: String) -> Self {
        Self { kind: Some("NOT_FOUND"), message }
    }
}

/// An answer while it grows: what failed where.
#[derive(Default)]
struct Errors(Vec<Value>);

impl Errors {
    fn note(&mut self, failure: Failure, path: &[String]) {
        let mut error = json!({"path": path, "locations": [{"line": 1, "column": 1}], "message": failure.message});
        if let Some(kind) = failure.kind {
            error["type"] = json!(kind);
        }
        self.0.push(error);
    }
}

/// What a field is: a value, or something with fields of its own.
enum Node<'a> {
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

struct Look<'a> {
    github: &'a GitHub,
    ask: &'a Ask<'a>,
}

impl GitHub {
    pub(super) fn graphql(&mut self, ask: &Ask<'_>) -> Reply {
        if ask.method != "POST" {
            return super::missing();
        }
        if !matches!(ask.caller, Caller::Installation(_)) {
            return refused(401, "Bad credentials");
        }
        let variables = ask.body.get("variables").and_then(Value::as_object).cloned().unwrap_or_default();
        let failed = |message: &str| Reply::json(200, &json!({"errors": [{"message": message}]}));
        let Some(query) = text(ask.body, "query") else {
            return failed("A query attribute must be specified and must be a string.");
        };
        let operation = match read(query, &variables) {
            Ok(operation) => operation,
            Err(why) => return failed(&why),
        };
        if let Some(asked) = text(ask.body, "operationName")
            && operation.name.as_deref() != Some(asked)
        {
            return failed(&format!("No operation named \"{asked}\""));
        }
        let mut errors = Errors::default();
        let data = if operation.kind == "mutation" {
            self.mutate(&operation, ask, &mut errors)
        } else {
            let look = Look { github: self, ask };
            look.select("Query", &operation.selections, &[], &mut errors, &|name, arguments| look.root(name, arguments))
        };
        // A request that does not fit the schema has no data at all.
        let invalid = errors.0.iter().any(|error| error.get("type").is_none());
        let mut document = if invalid { json!({}) } else { json!({"data": data}) };
        if !errors.0.is_empty() {
            document["errors"] = json!(errors.0);
        }
        Reply::json(200, &document)
    }

    fn mutate(&mut self, operation: &Operation, ask: &Ask<'_>, errors: &mut Errors) -> Value {
        let mut data = Map::new();
        for selection in &operation.selections {
            let Selection::Field { alias, name, arguments, inside } = selection else { continue };
            let path = vec![alias.clone()];
            let done = match name.as_str() {
                "minimizeComment" => self.minimize_comment(arguments, ask),
                _ => Err(Failure::unknown_field(name, "Mutation")),
            };
            let value = match done {
                Ok(document) => pick(&document, inside, "MinimizeCommentPayload", &path, errors),
                Err(failure) => {
                    errors.note(failure, &path);
                    Value::Null
                }
            };
            data.insert(alias.clone(), value);
        }
        Value::Object(data)
    }

    /// `minimizeComment(input: {subjectId, classifier})`.
    fn minimize_comment(&mut self, arguments: &Map<String, Value>, ask: &Ask<'_>) -> Result<Value, Failure> {
        let input = arguments.get("input").cloned().unwrap_or_default();
        let subject = text(&input, "subjectId").unwrap_or_default().to_owned();
        let classifier = text(&input, "classifier").unwrap_or_default().to_owned();
        if !["ABUSE", "DUPLICATE", "OFF_TOPIC", "OUTDATED", "RESOLVED", "SPAM"].contains(&classifier.as_str()) {
            let message = format!("Argument 'classifier' on InputObject has an invalid value ({classifier})");
            return Err(Failure { kind: None, message });
        }
        let id = subject.strip_prefix("IC_").and_then(|id| id.parse::<u64>().ok());
        let found = id.and_then(|id| {
            let has = |full: &&String| self.comment(full, id).is_some();
            Some((self.repositories.keys().find(has)?.clone(), id))
        });
        let nowhere = || Failure::not_found(format!("Could not resolve to a node with the global id of '{subject}'"));
        let (full, id) = found.ok_or_else(nowhere)?;
        let Caller::Installation(token) = &ask.caller else { return Err(Failure::forbidden()) };
        let held = self.granted(token, Some(&full)).ok_or_else(nowhere)?;
        let needed: Needed = (&["issues", "pull_requests"], Level::Write);
        if !access::enough(&held, &needed) {
            return Err(Failure::forbidden());
        }
        self.minimize(&full, id, &classifier).ok_or_else(nowhere)?;
        let reason = classifier.to_lowercase().replace('_', "-");
        Ok(json!({
            "clientMutationId": input.get("clientMutationId"),
            "minimizedComment": {"isMinimized": true, "minimizedReason": reason, "viewerCanMinimize": true},
        }))
    }
}

/// The selected members of a plain object.
fn pick(document: &Value, selections: &[Selection], kind: &str, path: &[String], errors: &mut Errors) -> Value {
    let mut found = Map::new();
    for selection in selections {
        match selection {
            Selection::On { inside, .. } => {
                let inner = pick(document, inside, kind, path, errors);
                found.extend(inner.as_object().cloned().unwrap_or_default());
            }
            Selection::Field { alias, name, .. } if name == "__typename" => {
                found.insert(alias.clone(), json!(kind));
            }
            Selection::Field { alias, name, inside, .. } => {
                let inner: Vec<String> = path.iter().cloned().chain([alias.clone()]).collect();
                let value = match document.get(name) {
                    Some(value) if value.is_object() => pick(value, inside, name, &inner, errors),
                    Some(value) => value.clone(),
                    None => {
                        errors.note(Failure::unknown_field(name, kind), &inner);
                        Value::Null
                    }
                };
                found.insert(alias.clone(), value);
            }
        }
    }
    Value::Object(found)
}

type Resolved<'a> = Result<Node<'a>, Failure>;

impl<'a> Look<'a> {
    fn select(
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
                            errors.note(failure, &inner);
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
                "isTruncated" => Ok(Node::Value(json!(false))),
                "isBinary" => Ok(Node::Value(json!(false))),
                "byteSize" => Ok(Node::Value(json!(text.len()))),
                "oid" => Ok(Node::Value(json!(super::code::blob(text)))),
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

    fn root(&self, name: &str, arguments: &Map<String, Value>) -> Resolved<'a> {
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
                let (full, known) = found.ok_or_else(nowhere)?;
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
        let fits = |one: &&super::deployments::Deployment| {
            environments.is_none_or(|wanted| wanted.iter().any(|name| name == one.environment()))
        };
        let mut found: Vec<_> = known.iter().filter(fits).collect();
        if newest_first {
            found.reverse();
        }
        let document = |one: &super::deployments::Deployment| {
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
    fn actor(&self, login: &str) -> Value {
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

    fn pull(&self, full: &'a str, pull: &'a Pull, field: &str, arguments: &Map<String, Value>) -> Resolved<'a> {
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
                let document = |review: &super::pulls::Review| {
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
