//! Reads AWS's "is not authorized" messages: which permission is missing, for what, and whether
//! adding it would help. Pure.
//!
//! The forms are those of the IAM user guide, "Troubleshoot access denied error messages". A
//! message that is not understood is no error: the caller still has it.

use serde_json::{Value, json};

/// What an access-denied message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The permission: `ecs:UpdateService`.
    pub action: String,
    /// What it is missing for: an ARN, or `*`.
    pub resource: String,
    /// Who asked, as AWS names it; absent if the message does not say.
    pub principal: Option<String>,
    /// What refuses.
    pub by: RefusedBy,
}

/// Which policy refuses, and so where to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusedBy {
    /// Nothing allows it: adding a statement helps.
    NothingAllows,
    /// A boundary around the role does not allow it: it must be widened too.
    Boundary(String),
    /// A statement denies it: adding another does not help.
    Denies(String),
}

/// What a message with an encoded reason carries, to be decoded with `aws sts decode-authorization-message`.
pub fn encoded(message: &str) -> Option<&str> {
    let (_, code) = message.split_once("Encoded authorization failure message: ")?;
    code.split_whitespace().next()
}

/// Reads a message; nothing if it does not name a permission.
pub fn missing(message: &str) -> Option<Missing> {
    let (before, after) = message.split_once("is not authorized to perform: ")?;
    let principal = before.rsplit_once("User: ").map(|(_, who)| who.trim().to_owned());
    let end = after.find(|c: char| c.is_whitespace() || c == ',' || c == '.').unwrap_or(after.len());
    let action = &after[..end];
    let good = |c: char| c.is_ascii_alphanumeric() || "-:*".contains(c);
    if !action.contains(':') || !action.chars().all(good) {
        return None;
    }
    let rest = &after[end..];
    let resource = rest
        .split_once("on resource: ")
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .map_or("*", |text| text.trim_end_matches(['.', ',']).trim_matches(['"', '\'']));
    Some(Missing {
        action: action.to_owned(),
        resource: if resource.is_empty() { "*" } else { resource }.to_owned(),
        principal,
        by: refused_by(rest),
    })
}

fn refused_by(text: &str) -> RefusedBy {
    if let Some((_, policy)) = text.split_once("with an explicit deny in a") {
        let policy = policy.trim_start_matches('n').trim();
        return RefusedBy::Denies(until_end(policy));
    }
    for boundary in ["permissions boundary", "service control policy", "resource control policy", "session policy"] {
        if text.contains(&format!("because no {boundary} allows")) {
            return RefusedBy::Boundary(boundary.to_owned());
        }
    }
    RefusedBy::NothingAllows
}

fn until_end(policy: &str) -> String {
    let end = policy.find([':', '.', ',', ';', '\n']).unwrap_or(policy.len());
    policy[..end].trim().to_owned()
}

impl Missing {
    /// The smallest statement that allows it.
    pub fn statement(&self) -> Value {
        let mut statement = json!({ "Effect": "Allow", "Action": self.action, "Resource": self.resource });
        if self.action == "iam:PassRole" {
            // Without this condition the caller could give the role to any service.
            statement["Condition"] = json!({ "StringEquals": { "iam:PassedToService": "ecs-tasks.amazonaws.com" } });
        }
        statement
    }

    /// What to do.
    pub fn next(&self) -> String {
        let role = self.principal.as_deref().map_or_else(|| "this role".to_owned(), |who| role_name(who).to_owned());
        let statement = self.statement();
        match &self.by {
            RefusedBy::NothingAllows => {
                format!(
                    "Add this statement to the policy of {role} (docs/permissions.md), then run again:\n{statement}"
                )
            }
            RefusedBy::Boundary(which) => format!(
                "The {which} around {role} does not allow `{}`. Whoever keeps it must allow it there; this statement is needed in the role's policy too:\n{statement}",
                self.action
            ),
            RefusedBy::Denies(which) => format!(
                "A statement in {} denies `{}`; adding a permission does not help. Ask whoever keeps that policy, or use another role.",
                article(which),
                self.action
            ),
        }
    }
}

/// The role in an assumed-role ARN; the text itself otherwise.
fn role_name(principal: &str) -> &str {
    principal.split_once(":assumed-role/").and_then(|(_, rest)| rest.split('/').next()).unwrap_or(principal)
}

fn article(policy: &str) -> String {
    let article = if policy.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {policy}")
}

#[cfg(test)]
mod tests;
