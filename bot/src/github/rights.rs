//! What a person may do: the role in the repository, and memberships of teams.
//!
//! Asked from GitHub each time. Only a plain "no such member" is a no; everything that was not told
//! is an error, and whoever asks takes that for a no, too.

use futures_util::future::{try_join, try_join_all};
use serde::Deserialize;
use shipline::config::spec::Role;
use shipline::github::{Request, encoded_path, read};
use shipline::problem::Problem;

use super::Hub;
use crate::decision::Rights;
use crate::types::UserId;

#[derive(Deserialize)]
struct Permission {
    #[serde(rename = "permission")]
    basic: String,
    #[serde(default)]
    role_name: String,
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    id: u64,
    login: String,
}

#[derive(Deserialize)]
struct Membership {
    state: String,
}

impl Permission {
    /// The role by its name; a custom one counts as the basic role it stands on.
    fn role(&self) -> Option<Role> {
        named(&self.role_name).or_else(|| named(&self.basic))
    }
}

fn named(word: &str) -> Option<Role> {
    match word {
        "read" | "pull" => Some(Role::Read),
        "triage" => Some(Role::Triage),
        "write" | "push" => Some(Role::Write),
        "maintain" => Some(Role::Maintain),
        "admin" => Some(Role::Admin),
        _ => None,
    }
}

impl Hub {
    /// What a person may do here, and which of these teams (`org/slug`) the person is in.
    pub async fn rights(&self, login: &str, teams: &[String]) -> Result<Rights, Problem> {
        let person = segment(login).ok_or_else(|| unusable("a login", login))?;
        let members = try_join_all(teams.iter().map(|team| self.is_member(team, &person)));
        let (permission, members) = try_join(self.permission(login, &person), members).await?;
        let teams = teams.iter().zip(members).filter(|(_, member)| *member).map(|(team, _)| team.clone()).collect();
        let role = permission.role();
        // Without the id nobody can say whose rights these are, so they are nobody's.
        let user = permission.user.ok_or_else(|| {
            Problem::provider(
                "github-user",
                format!("GitHub did not say who {login} is."),
                "Check that the account still exists, then comment again.",
            )
        })?;
        Ok(Rights { user: UserId::new(user.id), login: user.login, role, teams })
    }

    async fn permission(&self, login: &str, person: &str) -> Result<Permission, Problem> {
        let path = self.path(&format!("/collaborators/{person}/permission"));
        let request = Request::get("tell what the person may do", path).accepting(&[404]);
        let answer = self.connection().send(&request).await?;
        if answer.status() != 404 {
            return answer.read();
        }
        // GitHub knows no right of this person. Who it is says the account itself.
        let account = Request::get("find the account", format!("/users/{person}"));
        let user: User = self
            .connection()
            .send(&account)
            .await
            .map_err(|problem| problem.because(format!("{login} has no role in {}", self.repository.name)))?
            .read()?;
        Ok(Permission { basic: "none".to_owned(), role_name: String::new(), user: Some(user) })
    }

    async fn is_member(&self, team: &str, person: &str) -> Result<bool, Problem> {
        let parts = team.trim_start_matches('@').split_once('/');
        let parts = parts.and_then(|(org, slug)| Some((segment(org)?, segment(slug)?)));
        let (org, slug) = parts.ok_or_else(|| unusable("a team", team))?;
        let path = format!("/orgs/{org}/teams/{slug}/memberships/{person}");
        let told = self.ask(Request::get("tell who is in the team", &path).accepting(&[404]), &path).await?;
        if told.status == 404 {
            return Ok(false);
        }
        let membership: Membership = read("tell who is in the team", &told.body)?;
        Ok(membership.state == "active")
    }
}

/// One part of a path, encoded.
fn segment(text: &str) -> Option<String> {
    (!text.contains('/')).then(|| encoded_path(text)).flatten()
}

fn unusable(kind: &str, text: &str) -> Problem {
    Problem::mistake("github-name", format!("{text:?} cannot be {kind} on GitHub."), "Check how it is written.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(permission: &str, role_name: &str) -> Option<Role> {
        Permission { basic: permission.to_owned(), role_name: role_name.to_owned(), user: None }.role()
    }

    #[test]
    fn a_role_is_the_named_one_and_a_custom_one_counts_as_the_basic_role_below_it() {
        assert_eq!(role("write", "maintain"), Some(Role::Maintain));
        assert_eq!(role("read", "triage"), Some(Role::Triage));
        assert_eq!(role("write", "release captain"), Some(Role::Write));
        assert_eq!(role("admin", ""), Some(Role::Admin));
        assert_eq!(role("none", ""), None);
        assert_eq!(role("none", "none"), None);
    }
}
