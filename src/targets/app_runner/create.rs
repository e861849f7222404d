//! A service that does not exist yet and is created from the configuration.
//!
//! What it is not: nothing is deleted, whatever becomes of the creation. A creation that fails
//! leaves a service in the state `CREATE_FAILED`, which takes no update and which a person removes.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::apply::TRIES;
use super::observe::{broke, moving};
use super::operations::Status;
use super::prepare::refuse;
use super::service::{Configuration, identifier, repository_type};
use super::{AppRunnerTarget, Asked, Follow, facts, raw, refused_call, shift, stranger, untouched};
use crate::config::spec::CreateService;
use crate::engine::target::FailureKind;
use crate::engine::{Back, NotApplied, Preparation, ProviderFailure, Sight, TargetError, Wish, clock};
use crate::problem::Problem;
use crate::rollout::{Cause, CauseCode, Change, Direction, Revision, ServicePlan, Shift, Touched};

/// The wish of a plan that creates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Wanted {
    /// What is to serve; its facts are the whole request.
    revision: Revision,
}

/// What stood there before: nothing.
const NOTHING: &str = "nothing";

/// What an account is told that App Runner does not take any more.
const CLOSED: &str = "App Runner takes no new customers since 2026-04-30; accounts that used it before go on";

impl AppRunnerTarget {
    /// A plan that creates the service, if it is the service that is missing and it may be created.
    pub(super) fn plan_creation(&self, wish: &Wish, failure: ProviderFailure) -> Result<Preparation, TargetError> {
        let missing = failure.kind == FailureKind::Missing && !self.spec.service.starts_with("arn:");
        let image = match wish {
            Wish::Image { image, .. } if missing && self.spec.create == CreateService::WhenMissing => image,
            Wish::Image { .. } | Wish::Source { .. } | Wish::Revision(_) => {
                return Err(if is_closed(&failure) { refuse(closed(&failure)) } else { failure.into() });
            }
        };
        let host = image.reference().registry();
        let Some(kind) = repository_type(image) else {
            return Err(refuse(Problem::refused(
                "registry-not-possible",
                format!("App Runner cannot run an image from {host}: it pulls from Amazon ECR and ECR Public only"),
                "Push the image to a private ECR repository and deploy it from there.",
            )));
        };
        if kind == "ECR" && self.spec.settings.access_role.is_none() {
            return Err(refuse(Problem::refused(
                "no-access-role",
                format!(
                    "{} is to be created, and App Runner needs a role to pull its image from ECR",
                    self.spec.service
                ),
                "Name it: `access-role: arn:aws:iam::<account>:role/<role>`, a role that build.apprunner.amazonaws.com \
                 may assume and that has the policy AWSAppRunnerServicePolicyForECRAccess.",
            )));
        }
        let commit = match wish {
            Wish::Image { commit, .. } => *commit,
            Wish::Source { .. } | Wish::Revision(_) => None,
        };
        let new = Configuration::creation(&self.spec, &identifier(image), kind);
        let revision = Revision { image: Some(image.clone()), ..new.revision(commit) };
        let none = Configuration(json!({}));
        let previous = Revision { id: NOTHING.to_owned(), name: NOTHING.to_owned(), ..none.revision(None) };
        let notices = vec![format!(
            "there is no App Runner service {}: it is created. A creation that fails leaves a service that takes no \
             update; nothing is deleted",
            self.spec.service
        )];
        let fields = none.changes_to(&new);
        let wish = json!(Asked::Create(Wanted { revision }));
        let change = Change::Move { fields, wish };
        let place = self.place_with(None);
        Ok(Preparation { service: ServicePlan { place, image: Some(image.clone()), previous, change, notices } })
    }

    pub(super) async fn ask_creation(&self, wanted: &Wanted) -> Result<Shift, NotApplied> {
        let mut last = None;
        for _ in 0..TRIES {
            let touched = if last.is_some() { Touched::Perhaps } else { Touched::No };
            match self.look(None).await {
                Ok((service, operations)) => {
                    let live = service.configuration();
                    let made = operations.all().iter().find(|known| known.kind == "CREATE_SERVICE");
                    if let Some(made) = made.filter(|_| live.image() == wanted.revision.image_text) {
                        let at = made.started.unwrap_or_else(clock::now);
                        return Ok(shift(made.id.clone(), Follow::Ours, &wanted.revision, Direction::Forward, at));
                    }
                    let other = stranger(&live, &operations);
                    return Err(NotApplied { cause: super::apply::changed(&other), touched });
                }
                Err(failure) if failure.kind == FailureKind::Missing => {}
                Err(failure) => return Err(NotApplied { cause: refused_call(&failure), touched }),
            }
            match raw::create(&self.client, &self.spec.service, &wanted.revision.facts).await {
                Ok((arn, operation)) => {
                    // Another process may have found it first; it is the same one.
                    let _ = self.arn.set(arn);
                    return Ok(shift(operation, Follow::Ours, &wanted.revision, Direction::Forward, clock::now()));
                }
                // It may have arrived all the same: the next try looks before it asks.
                Err(failure) if failure.is_passing() => last = Some(failure),
                Err(failure) => return Err(untouched(not_created(&failure))),
            }
        }
        let cause = last.as_ref().map_or_else(|| super::apply::changed("no answer"), refused_call);
        Err(NotApplied { cause, touched: Touched::Perhaps })
    }

    pub(super) async fn see_creation(&self, plan: &ServicePlan, shift: &Shift) -> Result<Sight, TargetError> {
        let (id, facts) = facts(shift)?;
        let operations = self.operations(id).await?;
        let Some(operation) = operations.find(id) else {
            return Ok(moving("waiting for App Runner to list the operation", facts.notices));
        };
        if shift.direction == Direction::Back {
            let doing = "waiting for the end of the creation, which App Runner does not stop";
            return Ok(if operation.is_running() { moving(doing, facts.notices) } else { Sight::AskAgain });
        }
        match operation.status {
            Status::Running | Status::RollingBack => Ok(moving("App Runner creates the service", facts.notices)),
            Status::Failed | Status::RolledBack | Status::RollbackFailed => {
                let seen = broke(operation, plan, shift);
                let summary = format!("{} could not be created", plan.place.name);
                let next = "Mend what its log names; take away what is left of the service (`aws apprunner delete-service`, \
                            Shipline deletes nothing), and deploy again.";
                Ok(Sight::Broke(Box::new(Cause { summary, next: next.to_owned(), ..seen })))
            }
            Status::Succeeded => {
                let live = raw::describe(&self.client, self.arn().await?).await?;
                let same = live.configuration().image() == shift.revision.image_text;
                let by = stranger(&live.configuration(), &operations);
                Ok(if same { Sight::Serving } else { Sight::Superseded { by } })
            }
        }
    }

    /// Before it there was nothing, so there is nothing to go back to: what was created stays.
    pub(super) async fn keep_created(&self, plan: &ServicePlan, taken: Option<&Shift>) -> Result<Back, Cause> {
        let (service, operations) = match self.look(None).await {
            Ok(seen) => seen,
            Err(failure) if failure.kind == FailureKind::Missing => return Ok(Back::Already),
            Err(failure) => return Err(refused_call(&failure)),
        };
        match (service.status(), operations.running()) {
            // It serves nothing, as before.
            ("CREATE_FAILED", _) => Ok(Back::Already),
            (_, Some(running)) => {
                let since = taken.filter(|shift| shift.direction == Direction::Back).map(|shift| shift.started);
                let since = since.unwrap_or_else(clock::now);
                let back = shift(running.id.clone(), Follow::Behind, &plan.previous, Direction::Back, since);
                Ok(Back::Began(Box::new(back)))
            }
            (status, None) => Err(Cause {
                facts: vec![format!("{} is {status}", plan.place.name)],
                ..Cause::new(
                    CauseCode::CallRefused,
                    format!(
                        "{} was created by this deployment and stays: before it there was nothing to go back to",
                        plan.place.name
                    ),
                    "Mend what failed and deploy again; or delete the service yourself, if it should not be there.",
                )
            }),
        }
    }
}

/// Whether an account is told that it may not have App Runner at all.
fn is_closed(failure: &ProviderFailure) -> bool {
    let said = failure.message.to_ascii_lowercase();
    let subscription = matches!(failure.code.as_deref(), Some("SubscriptionRequiredException" | "OptInRequired"));
    subscription
        || ["new customer", "no longer open", "no longer available", "needs a subscription"]
            .iter()
            .any(|words| said.contains(words))
}

const INSTEAD: &str = "Run the service on ECS Express Mode, which takes the same image, port and roles: an `express` \
                       target in the place of `app-runner`.";

fn closed(failure: &ProviderFailure) -> Problem {
    Problem::refused(
        "app-runner-closed",
        format!("AWS does not let this account use App Runner: {}", failure.message),
        INSTEAD,
    )
    .because(CLOSED)
}

/// Why the service was not created.
fn not_created(failure: &ProviderFailure) -> Cause {
    let cause = refused_call(failure);
    if is_closed(failure) {
        return Cause {
            summary: "AWS does not let this account create an App Runner service".to_owned(),
            facts: vec![CLOSED.to_owned()],
            next: INSTEAD.to_owned(),
            ..cause
        };
    }
    let mut facts = cause.facts;
    facts.push(CLOSED.to_owned());
    Cause { facts, ..cause }
}
