//! Which permission an endpoint asks for, and what GitHub answers without it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::apps::Caller;
use super::{GitHub, missing, refused};
use crate::server::Reply;

/// How far a permission goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Read,
    Write,
    Admin,
}

impl Level {
    pub(crate) fn read(word: &str) -> Option<Self> {
        Some(match word {
            "read" => Self::Read,
            "write" => Self::Write,
            "admin" => Self::Admin,
            _ => return None,
        })
    }
}

/// By GitHub's names: `contents`, `pull_requests`…
pub(crate) type Permissions = BTreeMap<String, Level>;

/// What both sides grant.
pub(crate) fn both(one: &Permissions, other: &Permissions) -> Permissions {
    let pairs = one.iter().filter_map(|(name, level)| Some((name.clone(), *level.min(other.get(name)?))));
    pairs.collect()
}

/// One of these permissions is enough. Metadata comes with every installation.
pub(crate) type Needed = (&'static [&'static str], Level);

/// What an endpoint of a repository asks for, by method and the address after
/// the repository.
pub(crate) fn needed(method: &str, rest: &[&str]) -> Needed {
    let level = if method == "GET" { Level::Read } else { Level::Write };
    match rest {
        [] | ["rules" | "collaborators", ..] => (&["metadata"], level),
        ["commits", _, "check-runs" | "check-suites"] | ["check-runs", ..] => (&["checks"], level),
        ["commits", _, "status" | "statuses"] | ["statuses", ..] => (&["statuses"], level),
        ["pulls", ..] => (&["pull_requests"], level),
        ["issues", ..] => (&["issues", "pull_requests"], level),
        ["deployments", ..] | ["actions", "runs", _, "deployment_protection_rule"] => (&["deployments"], level),
        ["actions", ..] => (&["actions"], level),
        _ => (&["contents"], level),
    }
}

/// Whether these permissions are enough.
pub(crate) fn enough(held: &Permissions, (names, level): &Needed) -> bool {
    let metadata = names.contains(&"metadata") && *level == Level::Read;
    metadata || names.iter().any(|name| held.get(*name).is_some_and(|held| held >= level))
}

/// 403 as GitHub says it, with the permission in a header.
pub(crate) fn forbidden((names, level): &Needed) -> Reply {
    let level = if *level == Level::Read { "read" } else { "write" };
    let wanted: Vec<String> = names.iter().map(|name| format!("{name}={level}")).collect();
    refused(403, "Resource not accessible by integration")
        .with_header("x-accepted-github-permissions", &wanted.join("; "))
}

impl GitHub {
    /// Lets a caller through to an endpoint of a repository.
    pub(super) fn admit(&self, caller: &Caller, full: &str, method: &str, rest: &[&str]) -> Result<(), Reply> {
        let Some(repository) = self.repositories.get(full) else { return Err(missing()) };
        if !repository.is_hosted() {
            return Ok(());
        }
        match caller {
            Caller::Stranger => Err(refused(401, "Bad credentials")),
            // What people may do with their own tokens is not modelled: nobody here asks with one.
            Caller::Person(_) => Err(missing()),
            Caller::App(_) => Err(refused(
                403,
                "A JSON web token is not good for this endpoint; ask with an installation access token",
            )),
            Caller::Installation(token) => {
                let needed = needed(method, rest);
                match self.granted(token, Some(full)) {
                    Some(held) if enough(&held, &needed) => Ok(()),
                    Some(_) => Err(forbidden(&needed)),
                    // Others' public repositories can be read by everybody.
                    None if !repository.is_private() && method == "GET" => Ok(()),
                    None if !repository.is_private() => Err(forbidden(&needed)),
                    None => Err(missing()),
                }
            }
        }
    }
}
