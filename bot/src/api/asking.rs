//! Who asks, how often, and what they may see.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use secrecy::SecretString;
use shipline::github::Repository;

use super::Shared;
use super::answers::Refusal;
use crate::decision::access::{Visibility, may_look};
use crate::decision::{Denied, ReasonCode, Rights};
use crate::github::Visitor;
use crate::types::{Actor, RepositoryRef, UserId};

/// How long GitHub may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Requests of one person: at once, and each minute after that.
const OF_ONE: NonZeroU32 = NonZeroU32::new(30).expect("30 is not 0");
/// Tokens that are shown to GitHub a minute, whoever sends them: a stranger must not spend our patience.
const OF_ALL: NonZeroU32 = NonZeroU32::new(600).expect("600 is not 0");
/// The longest token that is shown to GitHub.
const LONGEST: usize = 1_024;
/// When so many people are known, those who are quiet again are forgotten.
const PEOPLE: usize = 10_000;

/// Counts who comes in.
pub(super) struct Door {
    all: DefaultDirectRateLimiter,
    people: DefaultKeyedRateLimiter<UserId>,
}

impl Default for Door {
    fn default() -> Self {
        Self {
            all: RateLimiter::direct(Quota::per_minute(OF_ALL)),
            people: RateLimiter::keyed(Quota::per_minute(OF_ONE)),
        }
    }
}

impl Shared {
    /// Who asks, by GitHub's word.
    pub(super) async fn person(&self, headers: &HeaderMap) -> Result<Actor, Refusal> {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.ok_or_else(|| Refusal::unauthorized("There is no token."))?;
        let (scheme, token) = given.split_once(' ').unwrap_or_default();
        let token = token.trim();
        let usable = !token.is_empty() && token.len() <= LONGEST && token.bytes().all(|byte| byte.is_ascii_graphic());
        if !scheme.eq_ignore_ascii_case("bearer") || !usable {
            return Err(Refusal::unauthorized("The token is not written as it must be."));
        }
        if self.door.all.check().is_err() {
            return Err(Refusal::too_many());
        }
        let asked = self.bot.app.visitor(SecretString::from(token.to_owned()));
        let visitor = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(visitor)) => visitor,
            Ok(Err(problem)) => return Err(problem.into()),
            Err(_) => return Err(Refusal::away("GitHub did not say whose token it is.")),
        };
        match visitor {
            None => Err(Refusal::unauthorized("GitHub does not accept this token.")),
            Some(Visitor::Program(_)) => {
                let what = "This is the token of a program; only people decide.";
                Err(Denied::new(ReasonCode::NotAPerson, what, "Use a token of your own.").into())
            }
            Some(Visitor::Person(actor)) => {
                if self.door.people.len() > PEOPLE {
                    self.door.people.retain_recent();
                }
                match self.door.people.check_key(&actor.id) {
                    Ok(()) => Ok(actor),
                    Err(_) => Err(Refusal::too_many()),
                }
            }
        }
    }

    /// The person's rights in a repository, if they let the person look.
    pub(super) async fn looks(&self, actor: &Actor, repository: &RepositoryRef) -> Result<Rights, Refusal> {
        let hub = self.bot.app.hub(repository);
        let rights = match tokio::time::timeout(PATIENCE, hub.rights(&actor.login, &[])).await {
            Ok(Ok(rights)) => rights,
            Ok(Err(problem)) => return Err(problem.into()),
            Err(_) => return Err(Refusal::away("GitHub did not say what you may do.")),
        };
        let visibility = if repository.public { Visibility::Public } else { Visibility::Private };
        may_look(visibility, &rights, actor).map_err(|_| Refusal::not_found())?;
        Ok(rights)
    }

    /// A repository by the name in a request, if the person may look there.
    pub(super) async fn repository(&self, actor: &Actor, name: Option<&str>) -> Result<RepositoryRef, Refusal> {
        let name = name.and_then(|name| name.parse::<Repository>().ok()).ok_or_else(|| {
            Refusal::invalid("Which repository is meant is missing.", "Add `?repository=owner/name`.")
        })?;
        let found = match tokio::time::timeout(PATIENCE, self.bot.app.repository(&name)).await {
            Ok(Ok(found)) => found,
            Ok(Err(problem)) => return Err(problem.into()),
            Err(_) => return Err(Refusal::away("GitHub did not show the repository.")),
        };
        let repository = found.ok_or_else(Refusal::not_found)?;
        self.looks(actor, &repository).await?;
        Ok(repository)
    }
}
