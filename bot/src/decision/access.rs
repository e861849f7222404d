//! Who may: roles in their order, teams, users. Asked of GitHub for this very moment, decided by
//! the numeric id; a login only counts as GitHub says it today for that id.

use shipline::config::spec::{Access, Role, Who};

use super::words::{list, name};
use super::{Denied, ReasonCode, Rights};
use crate::types::{Actor, UserId};

/// What somebody wants to do, as access rules know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Deploy to an environment, and cancel there.
    Deploy,
    /// Go back.
    Rollback,
    /// Decide what waits for people.
    Approve,
    /// Lock and unlock.
    Lock,
}

impl Right {
    /// Who has it.
    pub fn of(self, access: &Access) -> &[Who] {
        match self {
            Self::Deploy => &access.deploy,
            Self::Rollback => &access.rollback,
            Self::Approve => &access.approve,
            Self::Lock => &access.lock,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Deploy => "deploy to",
            Self::Rollback => "roll back",
            Self::Approve => "decide what waits on",
            Self::Lock => "lock or unlock",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
            Self::Approve => "approve",
            Self::Lock => "lock",
        }
    }
}

/// How a person stands to a rule about people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// One of those.
    Among,
    /// None of those.
    NotAmong,
    /// The rights that GitHub told are those of another id: the login changed hands.
    SomebodyElse,
}

/// Whether a person is one of `who`. Total; an empty list is nobody.
pub fn may(who: &[Who], rights: &Rights, actor: UserId) -> Standing {
    if rights.user != actor {
        return Standing::SomebodyElse;
    }
    let among = who.iter().any(|who| match who {
        Who::Role(least) => rights.role.is_some_and(|role| role >= *least),
        Who::Team { org, slug } => {
            let wanted = format!("{org}/{slug}");
            rights.teams.iter().any(|team| team.eq_ignore_ascii_case(&wanted))
        }
        Who::User(login) => rights.login.eq_ignore_ascii_case(login),
    });
    if among { Standing::Among } else { Standing::NotAmong }
}

/// The teams a rule names, as [`crate::github::Hub::rights`] is asked for them: `org/slug`.
pub fn teams(who: &[Who]) -> Vec<String> {
    let mut teams: Vec<String> = Vec::new();
    for who in who {
        if let Who::Team { org, slug } = who {
            let team = format!("{org}/{slug}");
            if !teams.contains(&team) {
                teams.push(team);
            }
        }
    }
    teams
}

/// Whether a person may use a right on an environment.
pub fn allowed(right: Right, environment: &str, access: &Access, rights: &Rights, actor: &Actor) -> Result<(), Denied> {
    let who = right.of(access);
    let denied = |what: String, why: String| {
        let next = format!("{} can do it: ask one of them.", capital(&people(who)));
        Denied::new(ReasonCode::AccessDenied, what, next).because(why)
    };
    match may(who, rights, actor.id) {
        Standing::Among => Ok(()),
        Standing::NotAmong => Err(denied(
            format!("{} may not {} {}.", name(&actor.login), right.words(), name(environment)),
            format!("Your role in this repository is {}; `access.{}` asks for more.", role(rights.role), right.key()),
        )),
        Standing::SomebodyElse => Err(stranger(actor)),
    }
}

/// Whether a person may look (`/status`, `/history`, `/help`, `/plan`): readers of a private
/// repository; writers of a public one, where everybody reads.
pub fn may_look(visibility: Visibility, rights: &Rights, actor: &Actor) -> Result<(), Denied> {
    let least = match visibility {
        Visibility::Private => Role::Read,
        Visibility::Public => Role::Write,
    };
    let who = [Who::Role(least)];
    match may(&who, rights, actor.id) {
        Standing::Among => Ok(()),
        Standing::NotAmong => {
            let what = format!("{} may not ask this here.", name(&actor.login));
            let next = format!("{} can: ask one of them.", capital(&people(&who)));
            Err(Denied::new(ReasonCode::AccessDenied, what, next)
                .because(format!("Your role in this repository is {}.", role(rights.role))))
        }
        Standing::SomebodyElse => Err(stranger(actor)),
    }
}

/// Who can read a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Its members.
    Private,
    /// Everybody.
    Public,
}

/// GitHub did not say what the person may do: nobody may, until it does.
pub fn unknown(actor: &Actor, why: &str) -> Denied {
    let what = format!("GitHub did not say what {} may do here, so nothing was done.", name(&actor.login));
    Denied::new(ReasonCode::AccessUnknown, what, "Comment the command again in a minute.").because(why)
}

pub(super) fn stranger(actor: &Actor) -> Denied {
    let what = format!("The login {} is not the account that wrote this comment any more.", name(&actor.login));
    Denied::new(ReasonCode::AccessDenied, what, "Comment again from the account that has access.")
        .because(format!("The comment was written by the account with id {}.", actor.id))
}

fn role(role: Option<Role>) -> &'static str {
    match role {
        None => "none",
        Some(role) => word(role),
    }
}

fn word(role: Role) -> &'static str {
    match role {
        Role::Read => "`read`",
        Role::Triage => "`triage`",
        Role::Write => "`write`",
        Role::Maintain => "`maintain`",
        Role::Admin => "`admin`",
    }
}

/// `everybody with the role `write``, `members of `@acme/ops` or `@ann``.
pub fn people(who: &[Who]) -> String {
    let parts: Vec<String> = who
        .iter()
        .map(|who| match who {
            Who::Role(Role::Admin) => format!("everybody with the role {}", word(Role::Admin)),
            Who::Role(role) => format!("everybody with the role {} or more", word(*role)),
            Who::Team { org, slug } => format!("members of {}", name(&format!("@{org}/{slug}"))),
            Who::User(login) => name(&format!("@{login}")),
        })
        .collect();
    if parts.is_empty() { "nobody".to_owned() } else { list(&parts, "or") }
}

pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
