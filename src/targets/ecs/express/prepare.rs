//! What a plan would do to an Express service: two or three reading calls, no change.
//!
//! Invariant: `previous` is what served last and was proven; while another deployment is under way
//! that is what it left, not what it brings.

use super::ExpressTarget;
use super::creation;
use super::facts::{self, Wish as ExpressWish};
use super::raw::{self, Configuration, Known};
use super::settings;
use crate::config::spec::Strategy;
use crate::engine::target::FailureKind;
use crate::engine::target::runs_images_only;
use crate::engine::{TargetError, Wish};
use crate::problem::Problem;
use crate::rollout::{Change, Revision, ServicePlan};
use crate::targets::ecs::facts::{self as ecs_facts, Found, Fresh};
use crate::targets::ecs::live::{Live, Look, RolloutState, look};
use crate::targets::ecs::prepare::{found, refused};
use crate::targets::ecs::raw::short;
use crate::targets::ecs::{same, truth};

impl ExpressTarget {
    pub(super) async fn prepare_wish(&self, wish: &Wish) -> Result<ServicePlan, TargetError> {
        self.refuse_strategy()?;
        let live = self.live_service(wish).await?;
        let known = raw::describe(&self.ecs.patient, &live.arn).await?;
        let current = known.current(&live).ok_or_else(|| refused(nothing_active(&live)))?;
        let mut notices = Vec::new();
        let (wanted, image) = match wish {
            Wish::Image { image, .. } => {
                if settings::image(&current.settings).is_none() {
                    return Err(refused(own_definition(current)));
                }
                (settings::wanted(current.settings.clone(), image, &self.spec), Some(image.clone()))
            }
            Wish::Source { .. } => return Err(runs_images_only(&crate::engine::Target::place(self).name)),
            Wish::Revision(revision) => {
                let facts = ecs_facts::of_revision(revision).map_err(refused)?;
                let mut settings = current.settings.clone();
                settings.extend(facts::recorded(&facts).map_err(refused)?.clone());
                (settings, None)
            }
        };
        let previous = self.previous(&live, &known, current, &mut notices).await?;
        let same_content = same::same(&current.settings, &wanted);
        let seen = live.primary().map(|primary| primary.id.clone());
        let fresh = match live.primary().map(|primary| primary.state) {
            // ECS has given this very content up and sees no difference in asking again.
            Some(RolloutState::Failed) if same_content => Fresh::Yes,
            _ => Fresh::No,
        };
        let change = if same_content && fresh == Fresh::No && found(&live) == Found::AtRest {
            Change::Nothing
        } else {
            let fields = same::differences(&current.settings, &wanted);
            let wish = ExpressWish { express: wanted, fresh, seen };
            Change::Move { fields, wish: ecs_facts::write(&wish) }
        };
        let place = self.place_at(current.endpoint.as_deref());
        Ok(ServicePlan { place, image, previous, change, notices })
    }

    fn refuse_strategy(&self) -> Result<(), TargetError> {
        if self.ecs.steering.strategy == Strategy::Rolling {
            return Ok(());
        }
        let name = self.ecs.steering.strategy.word();
        Err(refused(Problem::refused(
            "strategy-unsupported",
            format!("{} asks for a {name} rollout, and Express Mode moves traffic in its own way", self.ecs.service),
            "Remove `rollout` for this environment: ECS gives an Express service a small share of traffic first, \
             watches its errors, and goes back by itself. For steps of your own, name the service under `ecs`.",
        )))
    }

    /// The service, or a refusal that says how to make it.
    async fn live_service(&self, wish: &Wish) -> Result<Live, TargetError> {
        let (cluster, service) = (self.ecs.cluster_name(), self.ecs.service_name());
        let live = match look(&self.ecs.patient, &self.ecs.spec.cluster, &self.ecs.spec.service).await {
            Ok(Look::Found(live)) => *live,
            Ok(Look::Missing) => {
                let what = format!("there is no Express service {service} in cluster {cluster} ({})", self.ecs.region);
                return Err(self.missing(what, wish));
            }
            Err(failure) if failure.kind == FailureKind::Missing => {
                let what = format!("there is no ECS cluster {cluster} in {}", self.ecs.region);
                return Err(self.missing(what, wish));
            }
            Err(failure) => return Err(failure.into()),
        };
        if live.managed_by.as_deref() == Some("CUSTOMER") {
            return Err(refused(Problem::refused(
                "not-express",
                format!("the ECS service {service} in cluster {cluster} is not in Express Mode"),
                format!("Name it under `ecs`: `ecs: {{ cluster: {cluster}, service: {service} }}`."),
            )));
        }
        if live.status == "ACTIVE" || live.status.is_empty() {
            return Ok(live);
        }
        Err(self.missing(format!("the Express service {service} is {}, so it runs nothing", live.status), wish))
    }

    fn missing(&self, what: String, wish: &Wish) -> TargetError {
        let image = match wish {
            Wish::Image { image, .. } => Some(image),
            Wish::Revision(revision) => revision.image.as_ref(),
            Wish::Source { .. } => None,
        };
        let request = creation::request(self.ecs.cluster_name(), self.ecs.service_name(), image, &self.spec);
        let next = format!(
            "Check `service`, `cluster`, region and account. To make it, once, with your roles:\n  {}",
            creation::command(&self.ecs.region, &request)
        );
        refused(Problem::provider("service-not-found", what, next).see("docs/express.md"))
    }

    /// What a rollback goes to.
    async fn previous(
        &self,
        live: &Live,
        known: &Known,
        current: &Configuration,
        notices: &mut Vec<String>,
    ) -> Result<Revision, TargetError> {
        let found = found(live);
        if found == Found::AtRest {
            return Ok(facts::revision(current, found));
        }
        let name = short(&current.definition);
        match self.proven(known, current).await? {
            Some(proven) if proven.revision != current.revision => {
                let served = short(&proven.definition);
                notices.push(format!(
                    "A deployment of {name} has not become healthy; a rollback goes to {served}, which served before it."
                ));
                Ok(facts::revision(&proven, found))
            }
            Some(_) => Ok(facts::revision(current, found)),
            None => {
                notices.push(format!(
                    "{name} has not become healthy and nothing is known to have served before it; a rollback goes back to it."
                ));
                Ok(facts::revision(current, found))
            }
        }
    }

    /// The configuration that served last, while a deployment is under way or has failed.
    async fn proven(&self, known: &Known, base: &Configuration) -> Result<Option<Configuration>, TargetError> {
        let successful = aws_sdk_ecs::types::ServiceDeploymentStatus::Successful;
        let (cluster, service) = (&self.ecs.spec.cluster, &self.ecs.spec.service);
        let newest = match truth::list(&self.ecs.patient, cluster, service, Some(successful)).await {
            Ok(list) => list.into_iter().find_map(|brief| brief.target),
            Err(failure) => self.ecs.asking.sort(failure).map(|()| None)?,
        };
        let Some(newest) = newest else { return Ok(None) };
        if let Some(active) = known.of_revision(&newest) {
            return Ok(Some(active.clone()));
        }
        let revisions = match truth::revisions(&self.ecs.patient, vec![newest]).await {
            Ok(revisions) => revisions,
            Err(failure) => self.ecs.asking.sort(failure).map(|()| Vec::new())?,
        };
        match revisions.first() {
            Some(revision) => Ok(Some(self.earlier(revision, known, base).await?)),
            None => Ok(None),
        }
    }
}

fn nothing_active(live: &Live) -> Problem {
    Problem::provider(
        "nothing-active",
        format!("the Express service {} has no active configuration", short(&live.arn)),
        "Look at the service in the console; deploy it there once, then run again.",
    )
}

/// A service that was given a task definition of its own has no container to read and write here.
fn own_definition(current: &Configuration) -> Problem {
    Problem::refused(
        "own-task-definition",
        format!("this Express service runs a task definition of its own, {}", short(&current.definition)),
        "Name the service under `ecs` (`cluster`, `service`, `container: Main`): Shipline then changes that task definition.",
    )
}
