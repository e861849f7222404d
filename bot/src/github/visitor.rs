//! Who somebody is that comes with a GitHub token of their own, and which repository a name is.
//!
//! The token proves who it is and nothing else: what the person may do is asked with the App's own.

use std::sync::Arc;

use secrecy::SecretString;
use serde::Deserialize;
use shipline::github::{Connection, Repository, Request, Token};
use shipline::problem::Problem;

use super::App;
use crate::types::{Actor, InstallationId, RepositoryId, RepositoryRef, UserId};

/// Somebody with a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visitor {
    /// A person.
    Person(Actor),
    /// A program.
    Program(Actor),
}

#[derive(Deserialize)]
struct User {
    id: u64,
    login: String,
    #[serde(rename = "type", default)]
    kind: String,
}

#[derive(Deserialize)]
struct Installed {
    id: u64,
}

#[derive(Deserialize)]
struct Shown {
    id: u64,
    full_name: String,
    #[serde(default)]
    private: bool,
}

impl App {
    /// Whose token it is; nothing when GitHub does not accept it.
    pub async fn visitor(&self, token: SecretString) -> Result<Option<Visitor>, Problem> {
        let connection = Connection::new(self.connection.api(), Arc::new(Token::new(token)));
        let request = Request::get("tell whose token it is", "/user").accepting(&[401, 403, 404]);
        let answer = connection.send(&request).await?;
        if answer.status() != 200 {
            return Ok(None);
        }
        let user: User = answer.read()?;
        let actor = Actor { id: UserId::new(user.id), login: user.login };
        Ok(Some(if user.kind == "User" { Visitor::Person(actor) } else { Visitor::Program(actor) }))
    }

    /// A repository by its name; nothing when the App is not installed there.
    pub async fn repository(&self, name: &Repository) -> Result<Option<RepositoryRef>, Problem> {
        let path = format!("/repos/{name}/installation");
        let request = Request::get("find the repository's installation", path).accepting(&[404]);
        let answer = self.connection.send(&request).await?;
        if answer.status() != 200 {
            return Ok(None);
        }
        let installed: Installed = answer.read()?;
        let known = RepositoryRef {
            id: RepositoryId::new(0),
            name: name.clone(),
            installation: InstallationId::new(installed.id),
            public: false,
        };
        let request = Request::get("read the repository", format!("/repos/{name}")).accepting(&[404]);
        let answer = self.hub(&known).connection().send(&request).await?;
        if answer.status() != 200 {
            return Ok(None);
        }
        let shown: Shown = answer.read()?;
        let name = shown.full_name.parse().unwrap_or_else(|_| name.clone());
        Ok(Some(RepositoryRef { id: RepositoryId::new(shown.id), name, public: !shown.private, ..known }))
    }
}
