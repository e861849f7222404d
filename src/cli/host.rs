//! What a run has around it: the process environment, the repository, the console, the cancel.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use secrecy::SecretString;

use super::console::Console;
use super::environment::Machine;
use crate::aws::Mask;
use crate::engine::{Cancel, SourceHost, clock};
use crate::github;
use crate::problem::{Problem, Problems};
use crate::process::Environment;

/// What a run has around it. Read once at the start; nobody behind reads the process environment.
#[derive(Clone)]
pub struct Host {
    /// The process environment.
    pub variables: Environment,
    /// The repository, or the folder the program was started in.
    pub root: PathBuf,
    /// Where lines go.
    pub console: Arc<Console>,
    /// Fires when the run should stop.
    pub cancel: Cancel,
}

impl Host {
    /// A variable that is set and not empty.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// Hides the credentials of the process environment, used or not: a container's log or a
    /// program's output may hold them as well.
    pub fn mask_environment(&self) {
        for name in SECRET_VARIABLES {
            if let Some(secret) = self.variable(name) {
                self.console.mask(&SecretString::from(secret));
            }
        }
    }

    /// Hides secrets on this console.
    pub fn mask(&self) -> Mask {
        let console = self.console.clone();
        Mask::new(move |secret| console.mask(secret))
    }

    /// GitHub's API with this token, if the run belongs to a repository.
    pub fn github(&self, token: Option<&str>) -> Result<Option<github::Client>, Problem> {
        let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
        let Some(repository) = self.variable("GITHUB_REPOSITORY") else { return Ok(None) };
        let repository = repository.parse().map_err(|error| {
            Problem::mistake(
                "github-repository",
                format!("GITHUB_REPOSITORY: {error}"),
                "GitHub sets this variable; do not set it yourself.",
            )
        })?;
        let token = SecretString::from(token.to_owned());
        self.console.mask(&token);
        Ok(Some(github::Client::new(&self.github_api(), repository, token)))
    }

    fn github_api(&self) -> String {
        self.variable("GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".to_owned())
    }

    /// Who tells where source branches stand: GitHub, with this token.
    pub fn source_host(&self, token: Option<&str>) -> Option<Arc<dyn SourceHost>> {
        let token = token.filter(|token| !token.is_empty())?;
        let token = SecretString::from(token.to_owned());
        self.console.mask(&token);
        let connection = github::Connection::new(&self.github_api(), Arc::new(github::Token::new(token)));
        Some(Arc::new(github::Branches::over(connection)))
    }

    /// The page of this workflow run.
    pub fn run_url(&self) -> Option<String> {
        let server = self.variable("GITHUB_SERVER_URL")?;
        let repository = self.variable("GITHUB_REPOSITORY")?;
        let run = self.variable("GITHUB_RUN_ID")?;
        Some(format!("{server}/{repository}/actions/runs/{run}"))
    }

    /// Runs what changes no service yet. A cancel drops it, and with it every program it runs.
    pub async fn before_changes<T>(&self, work: impl Future<Output = Result<T, Problems>>) -> Result<T, Problems> {
        // Boxed: the futures below are deep enough to meet the compiler's limit.
        let work: LocalBoxFuture<'_, _> = Box::pin(work);
        match self.within(Duration::ZERO, work).await {
            // Not even what succeeded in that very moment is used: the next step would change something.
            _ if self.cancel.is_cancelled() => Err(cancelled().into()),
            Some(done) => done,
            None => Err(cancelled().into()),
        }
    }

    /// Runs what must not hold a cancelled run up: once the cancel has fired it has this time left.
    pub async fn within<T>(&self, left: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => Some(done),
            () = self.cancel.cancelled() => tokio::time::timeout(left, work).await.ok(),
        }
    }

    /// What no other run is called: the workflow run's attempt, or this process at this moment.
    pub fn run_name(&self) -> String {
        match (self.variable("GITHUB_REPOSITORY"), self.variable("GITHUB_RUN_ID"), self.variable("GITHUB_RUN_ATTEMPT"))
        {
            (Some(repository), Some(run), attempt) => {
                let job = self.variable("GITHUB_JOB").unwrap_or_default();
                format!("{repository}/{run}/{}/{job}", attempt.unwrap_or_default())
            }
            _ => format!("{}/{}", std::process::id(), clock::now()),
        }
    }

    /// This machine, which whoever started the run may run programs on.
    pub fn machine(&self) -> Machine<'_> {
        Machine::Own(&self.variables)
    }

    /// A path of the configuration, in the repository.
    pub fn path(&self, relative: &Path) -> PathBuf {
        self.root.join(relative)
    }
}

/// Variables that hold a credential by convention (AWS SDKs, GitHub's runner).
const SECRET_VARIABLES: [&str; 7] = [
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "SHIPLINE_GITHUB_TOKEN",
];

/// The code of the problem that is none: somebody cancelled, and no service was changed.
pub(super) const CANCELLED: &str = "cancelled";

/// Cancelled before any service was changed.
pub(super) fn cancelled() -> Problem {
    let next = "Run the same command again; it goes on from what exists.";
    Problem::refused(CANCELLED, "cancelled before anything was changed", next)
}
