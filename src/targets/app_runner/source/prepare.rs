//! What a plan would do to a service that App Runner builds. Changes nothing; refuses what a branch
//! cannot bring.

use serde_json::json;

use super::super::operations::{Operation, Operations};
use super::super::prepare::refuse;
use super::super::record::Record;
use super::super::service::{Configuration, Service};
use super::super::{AppRunnerTarget, Asked};
use super::served::{builds, serving};
use super::{Pointed, Wanted};
use crate::engine::{Preparation, Push, SourceBranch, SourceHost, TargetError, Wish};
use crate::problem::Problem;
use crate::rollout::{Change, FieldChange, ServicePlan};
use crate::types::CommitSha;

impl AppRunnerTarget {
    /// The host of source repositories.
    pub(super) fn host(&self) -> Result<&dyn SourceHost, Problem> {
        self.host.as_deref().ok_or_else(|| {
            Problem::refused(
                "no-github-token",
                format!("where the branch of {} stands cannot be asked without a token for GitHub", self.name),
                "Give `github-token` (in a workflow it has a default), or set SHIPLINE_GITHUB_TOKEN; the \
                 token needs `contents: read`, with a rollback branch `contents: write`.",
            )
        })
    }

    /// The pushes to a branch; none when they are not told, and then less is known.
    pub(super) async fn pushes(&self, branch: &SourceBranch) -> Vec<Push> {
        let Ok(host) = self.host() else { return Vec::new() };
        host.pushes(branch).await.unwrap_or_else(|problem| {
            tracing::debug!(%problem, "when the branch moved is not known");
            Vec::new()
        })
    }

    pub(in super::super) async fn plan_source(
        &self,
        wish: &Wish,
        service: &Service,
        operations: &Operations,
    ) -> Result<Preparation, TargetError> {
        let live = service.configuration();
        if let Wish::Image { .. } = wish {
            return Err(refuse(self.runs_no_image(&live)));
        }
        let host = self.host().map_err(refuse)?;
        let mut notices = Vec::new();
        let record = Record::read(&self.client, self.arn().await?).await.unwrap_or_else(|failure| {
            notices.push(format!("the service's tags cannot be read: {failure}"));
            Record::default()
        });
        let pushes = self.pushes(&live.source()).await;
        let busy = operations.running();
        let before = self.before(busy, &record, &live)?;
        let (commit, new, point) = self.wished_source(wish, &live, host).await.map_err(refuse)?;
        let previous = before.built(serving(operations, &record, &pushes));
        let place = self.place_with(service.url());
        let same = match wish {
            // A rollback wants the commit, from whatever branch it was built.
            Wish::Revision(_) => live.with_branch("").id() == new.with_branch("").id(),
            Wish::Source { .. } | Wish::Image { .. } => live.id() == new.id(),
        };
        if busy.is_none() && previous.commit == Some(commit) && same {
            let service = ServicePlan { place, image: None, previous, change: Change::Nothing, notices };
            return Ok(Preparation { service });
        }
        if let Some(running) = busy {
            notices.push(if builds(running, commit, &record, &pushes) {
                format!("{} builds this commit already: it is joined", running.words())
            } else {
                format!("{} is under way; this deployment waits for its end", running.words())
            });
        }
        let kept = self.kept(previous.commit, &before, &new);
        if let Some(notice) = self.no_return(previous.commit) {
            notices.push(notice.to_owned());
        }
        let point = point.or(kept);
        if new.source().branch != live.source().branch {
            notices.push(format!(
                "the service is built from {} from now on, and follows no other branch",
                new.source().branch
            ));
        }
        let mut fields = before.changes_to(&new);
        fields.insert(
            0,
            FieldChange {
                path: "commit".to_owned(),
                before: previous.commit.map(|commit| commit.to_string()),
                after: Some(commit.to_string()),
            },
        );
        // An operation that may be of this very commit stands after the baseline, so that it is joined.
        let baseline = match busy {
            Some(running) => operations.before(&running.id),
            None => operations.newest(),
        };
        let baseline = baseline.map(|known| known.id.clone());
        let wanted = Wanted { revision: new.built(Some(commit)), commit, baseline, point };
        let change = Change::Move { fields, wish: json!(Asked::Source(wanted)) };
        Ok(Preparation { service: ServicePlan { place, image: None, previous, change, notices } })
    }

    /// The configuration before whatever is under way.
    fn before(
        &self,
        busy: Option<&Operation>,
        record: &Record,
        live: &Configuration,
    ) -> Result<Configuration, TargetError> {
        let Some(running) = busy.filter(|running| !running.is_deployment()) else { return Ok(live.clone()) };
        let ours = running.is_update() && record.asked().is_some_and(|(operation, _)| operation == running.id);
        match record.previous_branch().filter(|_| ours) {
            Some(branch) => Ok(live.with_branch(branch)),
            None => Err(refuse(
                Problem::refused(
                    "operation-in-progress",
                    format!("somebody else's change of {} is under way", self.name),
                    "Wait until it has ended (usually a few minutes), then run again.",
                )
                .because(running.words()),
            )),
        }
    }

    /// The commit, the configuration that builds it, and the branch that has to be pointed for it.
    async fn wished_source(
        &self,
        wish: &Wish,
        live: &Configuration,
        host: &dyn SourceHost,
    ) -> Result<(CommitSha, Configuration, Option<Pointed>), Problem> {
        match wish {
            Wish::Image { .. } => Err(self.runs_no_image(live)),
            Wish::Source { commit } => {
                let configured = self.spec.branch.as_deref().unwrap_or_default();
                let new = self.configured(&live.with_branch(configured))?;
                let head = host.head(&new.source()).await?;
                if head == Some(*commit) {
                    return Ok((*commit, new, None));
                }
                Err(elsewhere(configured, head, *commit))
            }
            Wish::Revision(revision) => {
                let old = Configuration::of(revision);
                if old.service_arn() != live.service_arn() {
                    return Err(Problem::refused(
                        "other-service",
                        format!("revision {} was recorded for another App Runner service", revision.name),
                        "Deploy a commit instead: `shipline deploy <environment> --sha <commit>`.",
                    ));
                }
                let commit = revision.commit.ok_or_else(|| {
                    Problem::refused(
                        "commit-not-known",
                        format!("which commit {} was is not known, and App Runner does not tell", revision.name),
                        "Name the commit to go back to: `shipline rollback <environment> --to <commit>`.",
                    )
                })?;
                self.bring(commit, &old, host).await
            }
        }
    }

    fn runs_no_image(&self, live: &Configuration) -> Problem {
        Problem::refused(
            "source-code-service",
            format!("{} is built by App Runner from source code, and runs no image", self.name),
            format!(
                "Say so: `app-runner: {{ service: {}, branch: {} }}`; then a commit is deployed instead of an image. App \
                 Runner does not let a service change from code to image: for an image create another service.",
                self.spec.service,
                live.source().branch
            ),
        )
    }

    /// How a commit can be built once more: from its own branch while that stands there, else from
    /// the rollback branch.
    pub(super) async fn bring(
        &self,
        commit: CommitSha,
        old: &Configuration,
        host: &dyn SourceHost,
    ) -> Result<(CommitSha, Configuration, Option<Pointed>), Problem> {
        let head = host.head(&old.source()).await?;
        if head == Some(commit) {
            return Ok((commit, old.clone(), None));
        }
        match &self.spec.rollback_branch {
            Some(branch) => Ok((commit, old.with_branch(branch), Some(Pointed { branch: branch.clone(), commit }))),
            None => Err(no_way_back(&old.source(), head, commit)),
        }
    }

    /// What served before, kept by the rollback branch; nothing where it is not needed.
    fn kept(&self, served: Option<CommitSha>, before: &Configuration, new: &Configuration) -> Option<Pointed> {
        let branch = self.spec.rollback_branch.clone()?;
        let free = before.source().branch != branch && new.source().branch != branch;
        Some(Pointed { branch, commit: served.filter(|_| free)? })
    }

    /// Why this deployment cannot be taken back once it serves.
    fn no_return(&self, served: Option<CommitSha>) -> Option<&'static str> {
        match (&self.spec.rollback_branch, served) {
            (Some(_), Some(_)) => None,
            (Some(_), None) => Some(
                "which commit serves now is not known, so this deployment cannot be taken back once it serves; App \
                 Runner itself goes back if it does not become healthy",
            ),
            (None, _) => Some(
                "there is no `rollback-branch`, so a release that became healthy cannot be taken back unless its branch \
                 stands where it stood; App Runner itself goes back if it does not become healthy",
            ),
        }
    }

    /// With what our configuration sets.
    fn configured(&self, live: &Configuration) -> Result<Configuration, Problem> {
        let spec = &self.spec;
        let sets = !spec.environment.is_empty() || !spec.secrets.is_empty() || spec.settings.port.is_some();
        if sets && !live.keeps_settings() {
            return Err(Problem::refused(
                "settings-in-repository",
                format!("{} takes port, environment and secrets from apprunner.yaml in its repository", self.name),
                "Write them there, and remove `environment`, `secrets` and `port` here.",
            ));
        }
        Ok(live.with_settings(&spec.settings).with_environment(&spec.environment, &spec.secrets))
    }
}

/// The branch does not stand at the commit.
pub(super) fn elsewhere(branch: &str, head: Option<CommitSha>, wanted: CommitSha) -> Problem {
    let Some(head) = head else {
        return Problem::refused(
            "branch-missing",
            format!("the source repository has no branch {branch}"),
            "Correct `branch`, or push it.",
        );
    };
    Problem::refused(
        "branch-elsewhere",
        format!(
            "App Runner builds the newest commit of a branch: {branch} stands at {}, not at {}",
            head.short(),
            wanted.short()
        ),
        format!(
            "Deploy what stands there (`--sha {head}`); an older commit that was good here comes back with `shipline \
             rollback <environment> --to {wanted}`."
        ),
    )
}

/// Nothing stands at the commit, and nothing may be pointed at it.
fn no_way_back(branch: &SourceBranch, head: Option<CommitSha>, wanted: CommitSha) -> Problem {
    let stands = head.map_or_else(|| "is gone".to_owned(), |head| format!("stands at {}", head.short()));
    Problem::refused(
        "no-rollback-branch",
        format!(
            "App Runner builds the newest commit of a branch and keeps no earlier build: {} {stands}, so {} cannot come back",
            branch.branch,
            wanted.short()
        ),
        format!(
            "Name a branch to go back through: `app-runner: {{ …, rollback-branch: shipline-rollback }}`. Or take the \
             change back on {} (`git revert`) and deploy that.",
            branch.branch
        ),
    )
}
