//! What a plan would do to the service: two reading calls, no change.
//!
//! Everything that cannot be done is refused here. Invariant: `previous` is what served last and
//! was proven; while another deployment is under way that is what it left, not what it brings.

use serde_json::{Map, Value};

use super::EcsTarget;
use super::facts::{self, Found, Fresh, Wanted};
use super::live::{Live, Look, Rollout, RolloutState, look};
use super::raw::{self, Definition};
use super::{file, render, same, truth};
use crate::config::spec::{ForceNewDeployment, Strategy};
use crate::engine::target::FailureKind;
use crate::engine::target::runs_images_only;
use crate::engine::{TargetError, Wish};
use crate::problem::Problem;
use crate::rollout::{Change, FieldChange, Revision, ServicePlan};
use crate::types::PinnedImage;

impl EcsTarget {
    pub(super) async fn prepare_wish(&self, wish: &Wish) -> Result<ServicePlan, TargetError> {
        self.refuse_strategy()?;
        let live = self.live_service().await?;
        refuse_controller(&live)?;
        let running = raw::describe(&self.patient, &live.definition).await?;
        let mut notices = Vec::new();
        let found = found(&live);
        let (wanted, container, image, after) = match wish {
            Wish::Image { image, .. } => self.with_image(image, &running).await?,
            Wish::Source { .. } => return Err(runs_images_only(&crate::engine::Target::place(self).name)),
            Wish::Revision(revision) => self.with_revision(revision, &mut notices).await?,
        };
        let mut previous = self.previous(&live, &running, &container, found, &mut notices).await?;
        let desired_count = self.spec.desired_count.filter(|count| *count != live.desired);
        if desired_count.is_some() {
            previous = with_count(previous, live.desired)?;
        }
        let before = render::content(&running);
        let same_content = same::same(&before, &after);
        let change = match wanted_now(&live, &running, wanted, same_content, self.spec.force) {
            None if desired_count.is_none() => Change::Nothing,
            now => {
                let (wanted, fresh) = now.unwrap_or((Wanted::Existing { arn: running.arn.clone() }, Fresh::No));
                let mut fields = same::differences(&before, &after);
                if let Some(count) = desired_count {
                    fields.push(FieldChange {
                        path: "desiredCount".to_owned(),
                        before: Some(live.desired.to_string()),
                        after: Some(count.to_string()),
                    });
                }
                let seen = live.primary().map(|primary| primary.id.clone());
                let wish = facts::Wish { wanted, container: Some(container), desired_count, fresh, seen };
                Change::Move { fields, wish: facts::write(&wish) }
            }
        };
        Ok(ServicePlan { place: crate::engine::Target::place(self), image, previous, change, notices })
    }

    pub(super) fn refuse_strategy(&self) -> Result<(), TargetError> {
        if self.steering.strategy == Strategy::Rolling {
            return Ok(());
        }
        let name = self.steering.strategy.word();
        Err(refused(Problem::refused(
            "strategy-unsupported",
            format!("{} asks for a {name} rollout, which this version does not carry out on ECS", self.service),
            "Set `rollout: rolling` for this environment, or remove `rollout`.",
        )))
    }

    /// The service, or a refusal that names those with a similar name.
    pub(super) async fn live_service(&self) -> Result<Live, TargetError> {
        let found = look(&self.patient, &self.spec.cluster, &self.spec.service).await;
        let missing = |what: String, next: String| refused(Problem::provider("service-not-found", what, next));
        let live = match found {
            Ok(Look::Found(live)) => *live,
            Ok(Look::Missing) => {
                let near = self.near_services().await;
                let next = if near.is_empty() {
                    "Check `service`, `cluster`, region and account; Shipline updates services, it does not create them.".to_owned()
                } else {
                    format!("Set `service` to one that exists there: {}.", near.join(", "))
                };
                let text = format!(
                    "there is no ECS service {} in cluster {} ({})",
                    self.service_name(),
                    self.cluster_name(),
                    self.region
                );
                return Err(missing(text, next));
            }
            Err(failure) if failure.kind == FailureKind::Missing => {
                let text = format!("there is no ECS cluster {} in {}", self.cluster_name(), self.region);
                let problem = Problem::provider(
                    "cluster-not-found",
                    text,
                    "Check `cluster`, the region and the account; `aws ecs list-clusters` shows what is there.",
                );
                return Err(refused(problem.because(failure.message)));
            }
            Err(failure) => return Err(failure.into()),
        };
        if live.status == "ACTIVE" || live.status.is_empty() {
            return Ok(live);
        }
        let text = format!("the ECS service {} is {}, so it runs nothing", self.service_name(), live.status);
        Err(missing(text, "Create it again, or correct `service` and `cluster`.".to_owned()))
    }

    /// Names of the cluster's services that are close to the one asked for, at most five.
    async fn near_services(&self) -> Vec<String> {
        let asked = self.patient.list_services().cluster(&self.spec.cluster).max_results(100).send().await;
        let Ok(answer) = asked else { return Vec::new() };
        let close = |name: &&str| strsim::jaro_winkler(name, self.service_name());
        let mut names: Vec<&str> = answer.service_arns().iter().filter_map(|arn| arn.rsplit('/').next()).collect();
        names.sort_by(|one, other| close(other).total_cmp(&close(one)));
        names.into_iter().take(5).map(|name| format!("`{name}`")).collect()
    }

    /// The live task definition, or the file, with the image and the changes of the configuration.
    async fn with_image(&self, image: &PinnedImage, running: &Definition) -> Result<Rendered, TargetError> {
        let (base, of) = match &self.spec.task_definition {
            None => (render::content(running), format!("task definition {}", running.name())),
            Some(path) => (file::read(&self.root, path).await.map_err(refused)?, format!("{}", path.display())),
        };
        let container = render::choose(&base, self.spec.container.as_deref(), &of).map_err(refused)?;
        let content = render::render(base, &container, image, &self.spec.changes);
        Ok((Wanted::New { content: content.clone() }, container, Some(image.clone()), content))
    }

    /// An earlier revision as it was; one that was deregistered is registered again.
    async fn with_revision(&self, revision: &Revision, notices: &mut Vec<String>) -> Result<Rendered, TargetError> {
        let facts = facts::of_revision(revision).map_err(refused)?;
        let known = raw::describe(&self.patient, &facts.task_definition).await?;
        let content = render::content(&known);
        let wanted = if known.is_inactive() {
            notices.push(format!("{} was deregistered; its content is registered again.", known.name()));
            Wanted::New { content: content.clone() }
        } else {
            Wanted::Existing { arn: known.arn.clone() }
        };
        let container = facts.container.or_else(|| self.spec.container.clone());
        let container = render::choose(&content, container.as_deref(), known.name()).map_err(refused)?;
        Ok((wanted, container, None, content))
    }

    /// What a rollback goes to.
    async fn previous(
        &self,
        live: &Live,
        running: &Definition,
        container: &str,
        found: Found,
        notices: &mut Vec<String>,
    ) -> Result<Revision, TargetError> {
        // The old definition may not have the container that a file names.
        let named = |of: &Definition| render::container(&of.raw, container).map(|_| container.to_owned());
        if found == Found::AtRest {
            return Ok(facts::revision(running, named(running).as_deref(), found));
        }
        let proven = self.proven(live).await?;
        match proven {
            Some(arn) if arn != running.arn => {
                let definition = raw::describe(&self.patient, &arn).await?;
                notices.push(format!(
                    "A deployment of {} has not become healthy; a rollback goes to {}, which served before it.",
                    running.name(),
                    definition.name()
                ));
                Ok(facts::revision(&definition, named(&definition).as_deref(), found))
            }
            Some(_) => Ok(facts::revision(running, named(running).as_deref(), found)),
            None => {
                notices.push(format!(
                    "{} has not become healthy and nothing is known to have served before it; a rollback goes back to it.",
                    running.name()
                ));
                Ok(facts::revision(running, named(running).as_deref(), found))
            }
        }
    }

    /// The task definition that served last, while a deployment is under way or has failed.
    async fn proven(&self, live: &Live) -> Result<Option<String>, TargetError> {
        let successful = aws_sdk_ecs::types::ServiceDeploymentStatus::Successful;
        let listed = truth::list(&self.patient, &self.spec.cluster, &self.spec.service, Some(successful)).await;
        let targets = match listed {
            Ok(list) => list.into_iter().find_map(|brief| brief.target).into_iter().collect(),
            Err(failure) => self.asking.sort(failure).map(|()| Vec::new())?,
        };
        let revisions = match truth::revisions(&self.patient, targets).await {
            Ok(revisions) => revisions,
            Err(failure) => self.asking.sort(failure).map(|()| Vec::new())?,
        };
        let by_deployments = revisions.into_iter().next().map(|revision| revision.definition);
        Ok(by_deployments.or_else(|| {
            let served = |rollout: &&Rollout| {
                rollout.state == RolloutState::Completed || (rollout.status != "PRIMARY" && rollout.running > 0)
            };
            live.rollouts.iter().find(served).map(|rollout| rollout.definition.clone())
        }))
    }
}

/// Wanted definition, container, image, and the content for people.
type Rendered = (Wanted, String, Option<PinnedImage>, Map<String, Value>);

/// What to ask for; nothing when the service is at rest with this very content.
fn wanted_now(
    live: &Live,
    running: &Definition,
    wanted: Wanted,
    same_content: bool,
    force: ForceNewDeployment,
) -> Option<(Wanted, Fresh)> {
    let usable = !running.is_inactive();
    let wanted = if same_content && usable { Wanted::Existing { arn: running.arn.clone() } } else { wanted };
    if force == ForceNewDeployment::Yes {
        return Some((wanted, Fresh::Yes));
    }
    if !same_content {
        return Some((wanted, Fresh::No));
    }
    match live.primary().map(|primary| primary.state) {
        // ECS has given this very content up and sees no difference in asking again.
        Some(RolloutState::Failed) => Some((wanted, Fresh::Yes)),
        // Under way: it is joined.
        _ if found(live) == Found::Unsettled => Some((Wanted::Existing { arn: running.arn.clone() }, Fresh::No)),
        _ => None,
    }
}

pub(super) fn found(live: &Live) -> Found {
    // Entries that failed may stay in the list for ever; only the primary counts.
    let settled = live.primary().is_some_and(|primary| primary.is_complete() && primary.definition == live.definition);
    if settled { Found::AtRest } else { Found::Unsettled }
}

pub(super) fn refuse_controller(live: &Live) -> Result<(), TargetError> {
    // A controller of tomorrow is not refused: ECS itself says no if it must.
    let (name, instead) = match live.controller.as_deref() {
        Some("CODE_DEPLOY") => ("CODE_DEPLOY", "AWS CodeDeploy"),
        Some("EXTERNAL") => ("EXTERNAL", "another program"),
        _ => return Ok(()),
    };
    Err(refused(Problem::refused(
        "controller-unsupported",
        format!("the service has the deployment controller {name}: {instead} deploys it, not ECS"),
        "Move the service to the ECS controller (`aws ecs update-service --deployment-controller type=ECS`); \
         ECS now does blue/green, linear and canary itself.",
    )))
}

fn with_count(mut revision: Revision, desired: u32) -> Result<Revision, TargetError> {
    let mut facts = facts::of_revision(&revision).map_err(refused)?;
    facts.desired_count = Some(desired);
    revision.facts = facts::write(&facts);
    Ok(revision)
}

pub(super) fn refused(problem: Problem) -> TargetError {
    TargetError::Refused(Box::new(problem))
}
