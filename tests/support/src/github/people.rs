//! Users, organisations, teams. Ids stay; logins are given away and taken again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{GitHub, missing};
use crate::ids::Ids;
use crate::server::Reply;

/// What an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    Bot,
    Organization,
}

/// A person's right on a repository, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Read and comment.
    Read,
    /// Manage issues.
    Triage,
    /// Push.
    Write,
    /// Manage the repository without dangerous actions.
    Maintain,
    /// Everything.
    Admin,
}

impl Role {
    /// GitHub's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Triage => "triage",
            Self::Write => "write",
            Self::Maintain => "maintain",
            Self::Admin => "admin",
        }
    }

    /// The older word of the four that `permission` knows.
    const fn legacy(self) -> &'static str {
        match self {
            Self::Read | Self::Triage => "read",
            Self::Write | Self::Maintain => "write",
            Self::Admin => "admin",
        }
    }
}

/// An account.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) login: String,
    pub(crate) kind: Kind,
}

/// How somebody belongs to a team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Membership {
    Active,
    Pending,
}

/// A team of an organisation.
#[derive(Debug)]
pub(crate) struct Team {
    pub(crate) id: u64,
    pub(crate) members: BTreeMap<u64, Membership>,
}

/// Everybody.
#[derive(Debug, Default)]
pub(crate) struct People {
    users: Vec<User>,
    /// By organisation and slug.
    pub(crate) teams: BTreeMap<(u64, String), Team>,
}

impl People {
    /// The account with that login today (logins ignore case).
    pub(crate) fn named(&self, login: &str) -> Option<&User> {
        self.users.iter().find(|user| user.login.eq_ignore_ascii_case(login))
    }

    pub(crate) fn by_id(&self, id: u64) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    /// The login of an id; `ghost` when there is none, as GitHub says.
    pub(crate) fn login(&self, id: u64) -> &str {
        self.by_id(id).map_or("ghost", |user| user.login.as_str())
    }

    /// The account with that login, made when it is new.
    pub(crate) fn ensure(&mut self, login: &str, kind: Kind, ids: &mut Ids) -> u64 {
        if let Some(known) = self.named(login) {
            return known.id;
        }
        let id = ids.number();
        self.users.push(User { id, login: login.to_owned(), kind });
        id
    }

    /// Gives an account another login; the old one is free.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> Result<(), String> {
        if self.named(to).is_some() {
            return Err(format!("{to} is taken"));
        }
        let found = self.users.iter_mut().find(|user| user.login == from);
        to.clone_into(&mut found.ok_or_else(|| format!("nobody is called {from}"))?.login);
        Ok(())
    }

    /// A simple user.
    pub(crate) fn document(&self, base: &str, login: &str) -> Value {
        let known = self.named(login);
        let kind = match known.map(|user| user.kind) {
            Some(Kind::Bot) => "Bot",
            Some(Kind::Organization) => "Organization",
            Some(Kind::User) | None => "User",
        };
        let (id, node) = match known {
            Some(user) => (user.id, format!("U_{}", user.id)),
            None => (583_231, "MDQ6VXNlcjU4MzIzMQ==".to_owned()),
        };
        let html = match login.strip_suffix("[bot]") {
            Some(slug) => format!("{base}/apps/{slug}"),
            None => format!("{base}/{login}"),
        };
        let url = format!("{base}/users/{}", login.replace('[', "%5B").replace(']', "%5D"));
        json!({
            "login": login, "id": id, "node_id": node,
            "avatar_url": format!("{url}.png"), "gravatar_id": "", "url": url, "html_url": html,
            "followers_url": format!("{url}/followers"),
            "following_url": format!("{url}/following{{/other_user}}"),
            "gists_url": format!("{url}/gists{{/gist_id}}"),
            "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"),
            "subscriptions_url": format!("{url}/subscriptions"),
            "organizations_url": format!("{url}/orgs"), "repos_url": format!("{url}/repos"),
            "events_url": format!("{url}/events{{/privacy}}"),
            "received_events_url": format!("{url}/received_events"),
            "type": kind, "site_admin": false,
        })
    }
}

impl GitHub {
    /// An organisation as webhooks carry it.
    pub(super) fn organisation(&self, login: &str) -> Value {
        let id = self.people.named(login).map_or(0, |user| user.id);
        let url = format!("{}/orgs/{login}", self.base);
        json!({
            "login": login, "id": id, "node_id": format!("O_{id}"), "url": url, "repos_url": format!("{url}/repos"),
            "events_url": format!("{url}/events"), "hooks_url": format!("{url}/hooks"),
            "issues_url": format!("{url}/issues"), "members_url": format!("{url}/members{{/member}}"),
            "public_members_url": format!("{url}/public_members{{/member}}"),
            "avatar_url": format!("{}/avatars/{id}", self.base), "description": "",
        })
    }

    /// How close somebody is to a repository.
    pub(super) fn association(&self, full: &str, user: u64) -> &'static str {
        let owner = full.split_once('/').map_or("", |(owner, _)| owner);
        let direct = self.repositories.get(full).is_some_and(|repository| repository.roles.contains_key(&user));
        match (self.owner_organisation(full).is_some(), direct) {
            _ if self.people.login(user) == owner => "OWNER",
            (true, true) => "MEMBER",
            (false, true) => "COLLABORATOR",
            (_, false) => "NONE",
        }
    }

    /// `GET /repos/{}/collaborators/{login}/permission`.
    pub(super) fn permission(&self, full: &str, login: &str) -> Reply {
        let Some(user) = self.people.named(login) else { return missing() };
        let role = self.repositories[full].role(user.id);
        let (permission, name) = role.map_or(("none", "none"), |role| (role.legacy(), role.word()));
        let mut document = self.links(full).user(&user.login);
        document["role_name"] = json!(name);
        let at_least = |wanted: Role| role.is_some_and(|role| role >= wanted);
        document["permissions"] = json!({
            "admin": at_least(Role::Admin), "maintain": at_least(Role::Maintain), "push": at_least(Role::Write),
            "triage": at_least(Role::Triage), "pull": at_least(Role::Read),
        });
        Reply::json(200, &json!({"permission": permission, "role_name": name, "user": document}))
    }

    /// `GET /orgs/{org}/teams/{slug}/memberships/{login}`.
    pub(super) fn membership(&self, organisation: &str, slug: &str, login: &str) -> Reply {
        let found = self.people.named(organisation).zip(self.people.named(login));
        let Some((organisation, user)) = found else { return missing() };
        let Some(team) = self.people.teams.get(&(organisation.id, slug.to_owned())) else { return missing() };
        let Some(membership) = team.members.get(&user.id) else { return missing() };
        let state = match membership {
            Membership::Active => "active",
            Membership::Pending => "pending",
        };
        let url = format!("{}/organizations/{}/team/{}/memberships/{login}", self.base, organisation.id, team.id);
        Reply::json(200, &json!({"url": url, "role": "member", "state": state}))
    }
}
