//! What a plan would do to the service. Changes nothing; refuses what cannot be done.

use super::operations::{Operation, Operations, Status};
use super::record::Record;
use super::service::{Configuration, Service, identifier, repository_type};
use super::{AppRunnerTarget, Ask, Asked, Wanted};
use crate::config::spec::Strategy;
use crate::engine::{Preparation, TargetError, Wish};
use crate::problem::Problem;
use crate::rollout::{Change, Revision, ServicePlan};
use crate::types::PinnedImage;

pub(super) fn refuse(problem: Problem) -> TargetError {
    TargetError::Refused(Box::new(problem))
}

impl AppRunnerTarget {
    pub(super) async fn plan(&self, wish: &Wish) -> Result<Preparation, TargetError> {
        self.refuse_strategy()?;
        let (service, operations) = match self.look(None).await {
            Ok(seen) => seen,
            Err(failure) => return self.plan_creation(wish, failure),
        };
        self.refuse_state(&service, &operations)?;
        if !service.runs_image() {
            return self.plan_source(wish, &service, &operations).await;
        }
        let mut notices = Vec::new();
        let record = Record::read(&self.client, self.arn().await?).await.unwrap_or_else(|failure| {
            notices.push(format!("the service's tags cannot be read: {failure}"));
            Record::default()
        });
        let live = service.configuration();
        let (revision, image) = self.wished(wish, &live)?;
        let busy = operations.running();
        let previous = match busy {
            // The image stays through such a deployment, and with it what there is to go back to.
            Some(running) if running.is_deployment() => {
                notices.push(format!("{} is under way; this deployment waits for its end", running.words()));
                live.clone()
            }
            Some(running) => self.previous_of_ours(running, &record, &live, &revision)?,
            None => live.clone(),
        };
        let place = self.place_with(service.url());
        if busy.is_none() && revision.id == live.id() && !ended_badly(&operations, &record, &revision) {
            let previous =
                Revision { commit: revision.commit.or(record.revision(&live).commit), ..record.revision(&live) };
            let service = ServicePlan { place, image, previous, change: Change::Nothing, notices };
            return Ok(Preparation { service });
        }
        let ask = if busy.is_none() && revision.id == live.id() { Ask::Redeploy } else { Ask::Update };
        self.warn(&service, &previous, &revision, ask, &mut notices);
        let fields = previous.changes_to(&Configuration::of(&revision));
        // For a running operation of our own the plan starts before it, so that it is joined.
        let baseline = match busy {
            Some(running) if running.is_update() => operations.before(&running.id),
            _ => operations.newest(),
        };
        let wanted = Wanted { revision, ask, baseline: baseline.map(|known| known.id.clone()) };
        let change = Change::Move { fields, wish: serde_json::json!(Asked::Image(wanted)) };
        let previous = record.revision(&previous);
        Ok(Preparation { service: ServicePlan { place, image, previous, change, notices } })
    }

    pub(super) fn refuse_strategy(&self) -> Result<(), TargetError> {
        if self.strategy == Strategy::Rolling {
            return Ok(());
        }
        let word = self.strategy.word();
        Err(refuse(
            Problem::refused(
                "strategy-not-possible",
                format!("a {word} rollout of {} is not possible: App Runner cannot split traffic between revisions", self.name),
                "Remove the rollout strategy of this environment (App Runner moves traffic by itself once new instances \
                 are healthy), or run this service on ECS.",
            )
            .because(format!("{} runs on App Runner ({})", self.name, self.spec.service)),
        ))
    }

    pub(super) fn refuse_state(&self, service: &Service, operations: &Operations) -> Result<(), TargetError> {
        let name = service.name();
        let problem = match service.status() {
            "RUNNING" | "OPERATION_IN_PROGRESS" => return Ok(()),
            "PAUSED" => Problem::refused(
                "service-paused",
                format!("{name} is paused"),
                format!(
                    "Resume it, then deploy: aws apprunner resume-service --region {} --service-arn {}",
                    self.region,
                    service.configuration().service_arn()
                ),
            ),
            "CREATE_FAILED" => Problem::refused(
                "service-not-created",
                format!("{name} was never created: its creation failed, and Shipline deletes nothing"),
                format!(
                    "Mend what its event log names ({}); take away what is left of it, then run again (with \
                     `create: true` that makes it anew):\n  aws apprunner delete-service --region {} --service-arn {}",
                    service.log_group("service"),
                    self.region,
                    service.configuration().service_arn()
                ),
            ),
            "DELETED" | "DELETE_FAILED" => Problem::refused(
                "service-deleted",
                format!("{name} is deleted ({})", service.status()),
                "Create the service again, or name another one in the configuration.",
            ),
            other => Problem::refused(
                "service-state-unknown",
                format!("{name} is in the state {other}, which this version does not know"),
                "Look at the service in the console; deploy when it reads RUNNING.",
            ),
        };
        let newest = operations.newest().map(Operation::words);
        Err(refuse(newest.into_iter().fold(problem, Problem::because)))
    }

    /// What is wished for, as a revision on top of what is live.
    fn wished(&self, wish: &Wish, live: &Configuration) -> Result<(Revision, Option<PinnedImage>), TargetError> {
        match wish {
            Wish::Image { image, commit } => {
                match repository_type(image) {
                    Some(kind) if kind == live.repository_type() => {}
                    kind => return Err(refuse(self.wrong_registry(image, live, kind))),
                }
                let new = live.with_image(&identifier(image)).with_settings(&self.spec.settings);
                let new = new.with_environment(&self.spec.environment, &self.spec.secrets);
                let commit = commit.or_else(|| image.reference().tag()?.as_str().parse().ok());
                let revision = Revision { image: Some(image.clone()), ..new.revision(commit) };
                Ok((revision, Some(image.clone())))
            }
            Wish::Source { .. } => Err(refuse(Problem::refused(
                "image-service",
                format!("{} runs an image; App Runner does not build it from source code", self.name),
                "Remove `branch` from its `app-runner` target and give the service an image.",
            ))),
            Wish::Revision(revision) => {
                let arn = Configuration::of(revision).service_arn().to_owned();
                if arn == live.service_arn() {
                    return Ok((revision.clone(), revision.image.clone()));
                }
                Err(refuse(Problem::refused(
                    "other-service",
                    format!("revision {} was recorded for another App Runner service ({arn})", revision.name),
                    "Deploy an image instead: `shipline deploy <environment> --image <service>=<reference>`.",
                )))
            }
        }
    }

    fn wrong_registry(&self, image: &PinnedImage, live: &Configuration, kind: Option<&str>) -> Problem {
        let host = image.reference().registry();
        match kind {
            None => Problem::refused(
                "registry-not-possible",
                format!("App Runner cannot run an image from {host}: it pulls from Amazon ECR and ECR Public only"),
                "Push the image to a private ECR repository and deploy it from there.",
            ),
            Some(kind) => Problem::refused(
                "registry-kind-changes",
                format!(
                    "{} pulls from {}, and {host} is {kind}: access differs between the two",
                    self.name,
                    live.repository_type()
                ),
                "Change the service's image source once in the console (it asks for the access role), then deploy.",
            ),
        }
    }

    /// What served before an update that is under way and is this very wish of ours; any other
    /// update is refused, because what it leaves behind cannot be known yet.
    fn previous_of_ours(
        &self,
        running: &Operation,
        record: &Record,
        live: &Configuration,
        wished: &Revision,
    ) -> Result<Configuration, TargetError> {
        let ours = record.last() == Some((running.id.as_str(), wished.image_text.as_str())) && running.is_update();
        if let (true, Some(previous)) = (ours, record.previous(live)) {
            return Ok(previous);
        }
        Err(refuse(
            Problem::refused(
                "operation-in-progress",
                format!("somebody else's change of {} is under way", self.name),
                "Wait until it has ended (usually a few minutes), then run again.",
            )
            .because(running.words()),
        ))
    }

    fn warn(&self, service: &Service, previous: &Configuration, new: &Revision, ask: Ask, notices: &mut Vec<String>) {
        if ask == Ask::Redeploy {
            notices.push("the configuration is already the one wished for, but its last deployment did not end well: it is deployed anew".to_owned());
            return;
        }
        if !previous.image().contains("@sha256:") {
            notices.push(format!(
                "{} runs {} by tag: going back to it later runs whatever the tag names then",
                self.name,
                previous.image()
            ));
        }
        if service.deploys_by_itself() && new.image_text.contains("@sha256:") {
            notices.push(
                "automatic deployments stay switched on, but a push to a tag no longer starts one: the image is now \
                 written by digest"
                    .to_owned(),
            );
        }
    }
}

/// Whether the live configuration, though the one wished for, may not be what serves.
fn ended_badly(operations: &Operations, record: &Record, wished: &Revision) -> bool {
    let asked = |operation: &Operation| record.last() == Some((operation.id.as_str(), wished.image_text.as_str()));
    operations.newest_deploying().is_some_and(|newest| match newest.status {
        Status::Failed | Status::RollbackFailed => true,
        // Rolled back *to* this is well; our own try *of* this that was rolled back is not.
        Status::RolledBack => asked(newest),
        Status::Running | Status::RollingBack | Status::Succeeded => false,
    })
}
