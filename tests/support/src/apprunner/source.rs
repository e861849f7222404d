//! Services that App Runner builds from a branch of a source repository.
//!
//! The commit is taken when a deployment pulls, and no answer of the API names it. A push to a
//! watched branch begins a deployment; one that comes while an operation runs begins none
//! (aws/apprunner-roadmap#232).

use super::{AppRunnerService, Configuration, Kind};
use crate::env::Env;
use crate::reply::{Millis, text};

/// What a deployment pulls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pulled {
    /// This commit.
    Commit(String),
    /// The repository is not part of this world: something.
    Something,
    /// The repository has no such branch.
    NoBranch,
}

impl Configuration {
    fn repository(&self) -> Option<(String, String)> {
        let code = self.source.get("CodeRepository")?;
        let url = text(code, "RepositoryUrl")?;
        let full = url.trim_end_matches('/').trim_end_matches(".git").split("github.com/").last()?;
        Some((full.to_owned(), text(&code["SourceCodeVersion"], "Value")?.to_owned()))
    }

    pub(super) fn builds_source(&self) -> bool {
        self.source.get("CodeRepository").is_some()
    }

    /// Where the branch stands, and since when.
    fn head(&self, env: &Env) -> Option<(String, Millis)> {
        env.heads.get(&self.repository()?).cloned()
    }

    /// What a deployment that pulls now gets.
    pub(super) fn pull(&self, env: &Env) -> Pulled {
        let Some((full, _)) = self.repository() else { return Pulled::Something };
        match self.head(env) {
            Some((sha, _)) => Pulled::Commit(sha),
            None if env.heads.keys().any(|(known, _)| *known == full) => Pulled::NoBranch,
            None => Pulled::Something,
        }
    }

    /// What rules are matched with: address, branch and commit.
    pub(super) fn pulled_text(&self, pulled: &Pulled) -> String {
        let (_, branch) = self.repository().unwrap_or_default();
        let commit = if let Pulled::Commit(sha) = pulled { sha.as_str() } else { "" };
        format!("{}@{branch}#{commit}", self.image())
    }
}

impl AppRunnerService {
    /// The commit that serves, for tests: no answer of the API names it.
    pub(crate) fn commit(&self) -> Option<&str> {
        self.commit.as_deref()
    }

    /// Notices a push to the branch.
    pub(super) fn watch(&mut self, env: &mut Env) {
        let Some((head, at)) = self.configuration.head(env) else { return };
        let known = self.watched.replace(head.clone());
        if known.is_none_or(|known| known == head) || self.configuration.source["AutoDeploymentsEnabled"] != true {
            return;
        }
        self.noticed = Some(at + env.ms(None, env.timing.automatic_ms));
    }

    /// Begins the deployment of a push that was noticed, unless something else runs by then.
    pub(super) fn begin_automatic(&mut self, now: Millis, env: &mut Env) {
        let Some(at) = self.noticed.take_if(|at| *at <= now) else { return };
        while self.step(at, env) {}
        if self.status == "RUNNING" {
            self.begin(Kind::Automatic, None, at, env);
        }
    }
}
