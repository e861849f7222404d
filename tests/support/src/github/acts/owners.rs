//! Apps and their installations, accounts, repositories, teams, the clock.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::GitHub;
use super::super::access::{Level, Permissions};
use super::super::apps::{Installation, Selection, Standing};
use super::super::code::{Commit, fresh_sha};
use super::super::key::AppKey;
use super::super::manifest::NewApp;
use super::super::people::{Kind, Membership, Role, Team};
use super::super::repository::{Hosting, Repo};
use super::{Done, Given, Row};

pub(super) const ACTS: &[Row] = &[
    ("app", &["name", "owner", "account", "repositories", "permissions", "events", "webhook", "secret"], app),
    ("manifest", &["manifest"], manifest),
    ("install", &["app", "account", "repositories", "permissions", "events", "who"], install),
    ("uninstall", &["installation", "who"], uninstall),
    ("suspend", &["installation", "who"], suspend),
    ("unsuspend", &["installation", "who"], unsuspend),
    ("permit", &["installation", "permissions"], permit),
    ("withdraw", &["installation", "permission"], withdraw),
    ("expire-tokens", &[], expire_tokens),
    ("webhook", &["app", "url", "secret"], webhook),
    ("ping", &["app"], ping),
    (
        "repository",
        &["repository", "visibility", "default_branch", "files", "message", "author", "sha", "owner", "fork_of"],
        repository,
    ),
    ("user", &["login", "repository", "role"], user),
    ("sign-in", &["login"], sign_in),
    ("rename", &["from", "to"], rename),
    ("rename-repository", &["repository", "to"], rename_repository),
    ("team", &["organization", "slug", "members"], team),
    ("advance", &["ms"], advance),
    ("head-lag", &["ms"], head_lag),
    ("limit", &["remaining", "reset_ms"], limit),
];

/// What the bot needs (and no more).
fn usual_permissions() -> Permissions {
    let read = ["metadata", "contents", "members", "statuses"].map(|name| (name.to_owned(), Level::Read));
    let write =
        ["pull_requests", "issues", "deployments", "checks", "actions"].map(|name| (name.to_owned(), Level::Write));
    read.into_iter().chain(write).collect()
}

fn app(github: &mut GitHub, given: &Given<'_>) -> Done {
    let key = AppKey::shared().ok_or("this machine has no randomness for a key")?;
    let events = ["issue_comment", "pull_request", "workflow_run", "check_run", "deployment_protection_rule"]
        .map(str::to_owned)
        .to_vec();
    let secret = given.text("secret").unwrap_or("webhook-secret").to_owned();
    let new = NewApp {
        name: given.text("name").unwrap_or("shipline").to_owned(),
        owner: given.text("owner").unwrap_or("acme").to_owned(),
        key,
        permissions: given.shape("permissions")?.unwrap_or_else(usual_permissions),
        events: given.shape("events")?.unwrap_or(events),
        hook_url: given.text("webhook").map(str::to_owned),
        secret: Some(secret).filter(|secret| !secret.is_empty()),
    };
    github.people.ensure(given.text("owner").unwrap_or("acme"), Kind::Organization, &mut github.ids);
    let id = github.add_app(new, given.now);
    let account = given.text("account").unwrap_or("acme");
    let installed = if account.is_empty() { Value::Null } else { installation(github, given, id, account)? };
    let app = github.apps.app(id).ok_or("the App is gone")?;
    Ok(json!({
        "id": id, "slug": app.slug, "client_id": app.client_id, "pem": app.key.pem, "secret": app.secret,
        "installation": installed,
    }))
}

fn manifest(github: &mut GitHub, given: &Given<'_>) -> Done {
    let manifest: Value = given.shape("manifest")?.ok_or("manifest is missing")?;
    Ok(json!({"code": github.keep_manifest(manifest)}))
}

fn installation(github: &mut GitHub, given: &Given<'_>, app: u64, account: &str) -> Done {
    let known = github.apps.app(app).ok_or("no such App")?;
    let (permissions, events) = (known.permissions.clone(), known.events.clone());
    let selection = match given.shape::<Vec<String>>("repositories")? {
        Some(names) => Selection::Selected(names),
        None => Selection::All,
    };
    let account = github.people.ensure(account, Kind::Organization, &mut github.ids);
    let id = github.ids.number();
    github.apps.installations.push(Installation {
        id,
        app,
        account,
        selection,
        permissions,
        events,
        standing: Standing::Active,
        created: given.now,
    });
    Ok(json!(id))
}

fn install(github: &mut GitHub, given: &Given<'_>) -> Done {
    let app = github.one_app(given.number("app"))?;
    let id = installation(github, given, app, given.text("account").unwrap_or("acme"))?;
    let who = github.somebody(given.text("who").unwrap_or("octocat"));
    let number = id.as_u64().unwrap_or_default();
    if let Some(known) = github.apps.installations.last_mut() {
        known.permissions = given.shape("permissions")?.unwrap_or_else(|| known.permissions.clone());
        known.events = given.shape("events")?.unwrap_or_else(|| known.events.clone());
    }
    github.tell_installation(number, "created", who);
    Ok(json!({"installation": id}))
}

fn uninstall(github: &mut GitHub, given: &Given<'_>) -> Done {
    let id = github.one_installation(given.number("installation"))?;
    let who = github.somebody(given.text("who").unwrap_or("octocat"));
    github.tell_installation(id, "deleted", who);
    github.apps.installations.retain(|installation| installation.id != id);
    Ok(json!({}))
}

fn stand(github: &mut GitHub, given: &Given<'_>, standing: Standing, action: &str) -> Done {
    let id = github.one_installation(given.number("installation"))?;
    let who = github.somebody(given.text("who").unwrap_or("octocat"));
    if let Some(known) = github.apps.installations.iter_mut().find(|known| known.id == id) {
        known.standing = standing;
    }
    github.tell_installation(id, action, who);
    Ok(json!({}))
}

fn suspend(github: &mut GitHub, given: &Given<'_>) -> Done {
    stand(github, given, Standing::Suspended, "suspend")
}

fn unsuspend(github: &mut GitHub, given: &Given<'_>) -> Done {
    stand(github, given, Standing::Active, "unsuspend")
}

fn permit(github: &mut GitHub, given: &Given<'_>) -> Done {
    let id = github.one_installation(given.number("installation"))?;
    let permissions: Permissions = given.shape("permissions")?.ok_or("permissions are missing")?;
    if let Some(known) = github.apps.installations.iter_mut().find(|known| known.id == id) {
        known.permissions.extend(permissions);
    }
    Ok(json!({}))
}

fn withdraw(github: &mut GitHub, given: &Given<'_>) -> Done {
    let id = github.one_installation(given.number("installation"))?;
    let permission = given.needs("permission")?;
    let known = github.apps.installations.iter_mut().find(|known| known.id == id);
    let removed = known.and_then(|known| known.permissions.remove(permission));
    removed.map(|_| json!({})).ok_or_else(|| format!("the installation has no permission {permission}"))
}

#[expect(clippy::unnecessary_wraps, reason = "every act may be refused; this one never is")]
fn expire_tokens(github: &mut GitHub, given: &Given<'_>) -> Done {
    let mut count = 0;
    for token in github.apps.tokens.values_mut().filter(|token| token.expires > given.now) {
        token.expires = given.now;
        count += 1;
    }
    Ok(json!({"expired": count}))
}

fn webhook(github: &mut GitHub, given: &Given<'_>) -> Done {
    let id = github.one_app(given.number("app"))?;
    let app = github.apps.registered.iter_mut().find(|app| app.id == id).ok_or("no such App")?;
    app.hook_url = given.text("url").map(str::to_owned).or_else(|| app.hook_url.clone());
    app.secret = given.text("secret").map(str::to_owned).or_else(|| app.secret.clone());
    Ok(json!({}))
}

fn ping(github: &mut GitHub, given: &Given<'_>) -> Done {
    let id = github.one_app(given.number("app"))?;
    github.tell_ping(id);
    Ok(json!({}))
}

/// With one commit on the default branch.
fn repository(github: &mut GitHub, given: &Given<'_>) -> Done {
    let full = given.repository();
    let (owner, name) = full.split_once('/').ok_or("a repository is called owner/name")?;
    if name.is_empty() || name.contains('/') {
        return Err("a repository is called owner/name".to_owned());
    }
    if let Some(known) = github.repositories.get(&full).filter(|known| known.is_hosted()) {
        return Ok(json!({"id": known.id, "sha": known.references.get(&known.default_branch)}));
    }
    let hosting = match given.text("visibility").unwrap_or("private") {
        "private" => Hosting::Private,
        "public" => Hosting::Public,
        other => return Err(format!("visibility is public or private, not {other}")),
    };
    let kind = match given.text("owner").unwrap_or("organization") {
        "organization" => Kind::Organization,
        "user" => Kind::User,
        other => return Err(format!("owner is organization or user, not {other}")),
    };
    let files: BTreeMap<String, String> = given.shape("files")?.unwrap_or_default();
    let fork_of = given.text("fork_of").map(str::to_owned);
    let parent = fork_of.as_ref().map(|full| github.hosted(full)).transpose()?;
    let (commits, references) =
        parent.map(|parent| (parent.commits.clone(), parent.references.clone())).unwrap_or_default();
    github.people.ensure(owner, kind, &mut github.ids);
    let id = github.ids.number();
    let branch = given.text("default_branch").unwrap_or("main").to_owned();
    let mut repository = Repo {
        id,
        hosting,
        default_branch: branch.clone(),
        created: given.now,
        fork_of,
        commits,
        references,
        ..Repo::default()
    };
    if repository.commits.is_empty() {
        let sha = given.sha()?.unwrap_or_else(|| fresh_sha(github.ids.number(), &full));
        let message = given.text("message").unwrap_or("First commit").to_owned();
        let author = given.text("author").unwrap_or(owner).to_owned();
        let at = given.now;
        repository.add_commit(&branch, Commit { sha, message, author, parents: Vec::new(), files, at, visible: 0 });
    }
    let sha = repository.references.get(&branch).cloned();
    github.repositories.insert(full, repository);
    Ok(json!({"id": id, "sha": sha}))
}

/// Gives somebody a role; `none` takes it away.
fn user(github: &mut GitHub, given: &Given<'_>) -> Done {
    let login = given.needs("login")?;
    let role = match given.text("role") {
        None | Some("none") => None,
        Some(_) => given.shape::<Role>("role")?,
    };
    let id = github.somebody(login);
    if given.text("role").is_some() {
        let repository = github.hosted(&given.repository())?;
        match role {
            Some(role) => repository.roles.insert(id, role),
            None => repository.roles.remove(&id),
        };
    }
    Ok(json!({"id": id}))
}

fn rename(github: &mut GitHub, given: &Given<'_>) -> Done {
    github.people.rename(given.needs("from")?, given.needs("to")?)?;
    Ok(json!({}))
}

/// Within its owner's account; the old name leads to the new one.
fn rename_repository(github: &mut GitHub, given: &Given<'_>) -> Done {
    let (from, to) = (given.repository(), given.needs("to")?.to_owned());
    if to.split_once('/').map(|(owner, _)| owner) != from.split_once('/').map(|(owner, _)| owner) {
        return Err("a repository keeps its owner".to_owned());
    }
    if github.repositories.contains_key(&to) {
        return Err(format!("there is a repository {to}"));
    }
    let id = github.hosted(&from)?.id;
    if let Some(repository) = github.repositories.remove(&from) {
        github.former.insert(from.clone(), id);
        github.former.remove(&to);
        github.repositories.insert(to.clone(), repository);
    }
    let rename = |name: &mut String| {
        if *name == from {
            name.clone_from(&to);
        }
    };
    for repository in github.repositories.values_mut() {
        repository.fork_of.iter_mut().for_each(rename);
        repository.pulls.values_mut().filter_map(|pull| pull.head_repository.as_mut()).for_each(rename);
    }
    for installation in &mut github.apps.installations {
        if let Selection::Selected(names) = &mut installation.selection {
            names.iter_mut().for_each(rename);
        }
    }
    for token in github.apps.tokens.values_mut() {
        token.repositories.iter_mut().flatten().for_each(rename);
    }
    Ok(json!({}))
}

/// Replaces the members.
fn team(github: &mut GitHub, given: &Given<'_>) -> Done {
    let organisation = given.text("organization").unwrap_or("acme");
    let slug = given.needs("slug")?.to_owned();
    let members: BTreeMap<String, Membership> = given.shape("members")?.unwrap_or_default();
    let organisation = github.people.ensure(organisation, Kind::Organization, &mut github.ids);
    let members = members.into_iter().map(|(login, membership)| (github.somebody(&login), membership)).collect();
    let key = (organisation, slug);
    let id = github.people.teams.get(&key).map(|team| team.id);
    let id = id.unwrap_or_else(|| github.ids.number());
    github.people.teams.insert(key, Team { id, members });
    Ok(json!({"id": id}))
}

fn advance(github: &mut GitHub, given: &Given<'_>) -> Done {
    let ms: i64 = given.shape("ms")?.ok_or("ms is missing")?;
    github.offset_ms += ms;
    Ok(json!({"offset_ms": github.offset_ms}))
}

fn head_lag(github: &mut GitHub, given: &Given<'_>) -> Done {
    github.head_lag_ms = given.needs_number("ms")?;
    Ok(json!({}))
}

fn limit(github: &mut GitHub, given: &Given<'_>) -> Done {
    let reset = given.real + given.number("reset_ms").unwrap_or(3_600_000);
    github.limits.leave(given.needs_number("remaining")?, reset);
    Ok(json!({}))
}

/// Somebody makes a token of their own.
fn sign_in(github: &mut GitHub, given: &Given<'_>) -> Done {
    let who = github.somebody(given.needs("login")?);
    Ok(json!({"token": github.sign_in(who, crate::ids::Ids::hex)}))
}
