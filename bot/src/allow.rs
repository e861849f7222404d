//! What the administrator lets repositories use: roles, accounts, regions; and the external id that
//! is theirs alone.
//!
//! The danger is one repository that reaches another's environment: the policy is written by people
//! of a repository, the credentials are the bot's. Three answers, of which this module holds two:
//!
//! 1. **The list.** Who is not on it deploys nothing; what an entry does not name is not used.
//! 2. **The external id.** A role is always assumed with an external id that the bot chose for the
//!    repository: the list's, else [`external_id`], made from GitHub's numeric id. What the policy
//!    says (`aws.external-id`) is for the action alone and never used here: whoever could choose it
//!    could choose another repository's. A trust policy that asks for it lets nobody else in.
//! 3. **The place.** A service belongs to the repository that deployed it first
//!    ([`crate::store::Store::claim_places`]).
//!
//! Pure. Not here: whether a *person* may deploy ([`crate::decision`]).

use shipline::config::spec::AwsSpec;
use shipline::problem::Problems;
use shipline::types::{AccountId, Region, RoleArn};

use crate::decision::{Denied, ReasonCode};
use crate::types::{RepositoryId, RepositoryRef};

mod read;
#[cfg(test)]
mod tests;

/// The administrator's list. Without one every repository that has the App may deploy, each place
/// belongs to the repository that deployed there first ([`crate::store::Store::claim_places`]), and
/// roles are assumed with the repository's own external id.
#[derive(Debug, Clone, Default)]
pub struct AllowList {
    /// Absent without a list.
    entries: Option<Vec<Entry>>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    who: Pattern,
    /// The repository's number: an entry that names it does not fit a repository that was given the
    /// name later.
    id: Option<RepositoryId>,
    roles: Option<Vec<RoleArn>>,
    accounts: Option<Vec<AccountId>>,
    regions: Option<Vec<Region>>,
    external_id: Option<String>,
    notify: Option<Vec<String>>,
}

/// Which repositories an entry is about. In lower case: GitHub does not tell `Acme` from `acme`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    /// `owner/name`.
    Repository(String),
    /// `owner/*`.
    Owner(String),
}

/// The external id of a repository that the list gives none: `shipline/<number of the repository>`.
/// It survives renames, and a repository that gets an old name gets another one.
pub fn external_id(repository: RepositoryId) -> String {
    format!("shipline/{repository}")
}

impl AllowList {
    /// Reads a list: YAML, all mistakes at once.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        read::entries(text).map(|entries| Self { entries: Some(entries) })
    }

    /// The account, region and role a repository may use, as it may use them (external id set), or why not.
    pub fn permitted(&self, repository: &RepositoryRef, wanted: &AwsSpec) -> Result<AwsSpec, Denied> {
        let mut spec = wanted.clone();
        spec.external_id = Some(external_id(repository.id));
        if let Some(entries) = &self.entries {
            let entry = find(entries, repository).ok_or_else(|| not_listed(repository))?;
            if let Some(own) = &entry.external_id {
                spec.external_id = Some(own.clone());
            }
            entry.role(repository, wanted)?;
            entry.region(repository, wanted)?;
            spec.allowed_accounts = entry.accounts(repository, wanted)?;
        }
        if spec.role.is_none() {
            // An external id belongs to a role.
            spec.external_id = None;
        }
        Ok(spec)
    }

    /// Whether a repository may use the secret of this name to tell people.
    pub fn may_tell_with(&self, repository: &RepositoryRef, secret: &str) -> bool {
        let Some(entries) = &self.entries else { return true };
        let Some(entry) = find(entries, repository) else { return false };
        entry.notify.as_ref().is_none_or(|names| names.iter().any(|name| name == secret))
    }
}

/// The repository's own entry, else its owner's.
fn find<'a>(entries: &'a [Entry], repository: &RepositoryRef) -> Option<&'a Entry> {
    let name = repository.name.as_str().to_lowercase();
    let owner = repository.name.owner().to_lowercase();
    let named = entries.iter().find(|entry| entry.who == Pattern::Repository(name.clone()));
    let entry = named.or_else(|| entries.iter().find(|entry| entry.who == Pattern::Owner(owner.clone())))?;
    entry.id.is_none_or(|id| id == repository.id).then_some(entry)
}

impl Entry {
    fn role(&self, repository: &RepositoryRef, wanted: &AwsSpec) -> Result<(), Denied> {
        let Some(roles) = &self.roles else { return Ok(()) };
        match &wanted.role {
            Some(role) if roles.contains(role) => Ok(()),
            Some(role) => Err(denied(repository, &format!("the role `{role}`"), roles.iter().map(RoleArn::as_str))),
            None => {
                Err(denied(repository, "the bot's own credentials, without a role", roles.iter().map(RoleArn::as_str)))
            }
        }
    }

    fn region(&self, repository: &RepositoryRef, wanted: &AwsSpec) -> Result<(), Denied> {
        let Some(regions) = &self.regions else { return Ok(()) };
        let listed = regions.iter().map(Region::as_str);
        match &wanted.region {
            Some(region) if regions.contains(region) => Ok(()),
            Some(region) => Err(denied(repository, &format!("the region `{region}`"), listed)),
            // The bot's default region is not the repository's to use.
            None => Err(denied(repository, "an environment without `aws.region`", listed)),
        }
    }

    /// The accounts that both the list and the policy allow; the session is refused in any other.
    fn accounts(&self, repository: &RepositoryRef, wanted: &AwsSpec) -> Result<Vec<AccountId>, Denied> {
        let Some(accounts) = &self.accounts else { return Ok(wanted.allowed_accounts.clone()) };
        let listed = accounts.iter().map(AccountId::as_str);
        if let Some(role) = &wanted.role
            && !accounts.contains(role.account())
        {
            return Err(denied(repository, &format!("the account `{}`", role.account()), listed));
        }
        if wanted.allowed_accounts.is_empty() {
            return Ok(accounts.clone());
        }
        let both: Vec<AccountId> =
            wanted.allowed_accounts.iter().filter(|account| accounts.contains(account)).cloned().collect();
        if both.is_empty() {
            let asked: Vec<String> = wanted.allowed_accounts.iter().map(|account| format!("`{account}`")).collect();
            return Err(denied(repository, &format!("the account {}", asked.join(", ")), listed));
        }
        Ok(both)
    }
}

fn not_listed(repository: &RepositoryRef) -> Denied {
    Denied::new(
        ReasonCode::NotOnAllowList,
        format!("`{}` may not deploy with this bot.", repository.name),
        "Ask the bot's administrator to put the repository on the allow-list.",
    )
    .because(format!("It is not on the allow-list with its number, {}.", repository.id))
}

fn denied<'a>(repository: &RepositoryRef, what: &str, listed: impl Iterator<Item = &'a str>) -> Denied {
    let listed: Vec<String> = listed.map(|one| format!("`{one}`")).collect();
    Denied::new(
        ReasonCode::NotOnAllowList,
        format!("`{}` may not use {what}.", repository.name),
        "Correct `aws` of the environment on the default branch, or ask the bot's administrator to add it to the allow-list.",
    )
    .because(format!("Allowed are {}.", listed.join(", ")))
}
