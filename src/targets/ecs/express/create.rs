//! A service that does not exist yet and is created from the configuration.
//!
//! What it is not: nothing is deleted, whatever becomes of the creation. ECS has no revision to go
//! back to then; what a failed creation leaves takes an update like any other service.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::apply::Now;
use super::facts::{self, Asked};
use super::prepare::Absent;
use super::raw::{self, Configuration};
use super::{ExpressTarget, creation, settings};
use crate::config::spec::CreateService;
use crate::engine::target::{FailureKind, runs_images_only};
use crate::engine::wait;
use crate::engine::{Back, Cancel, NotApplied, Progress, ProviderFailure, Sight, TargetError, Wish, clock};
use crate::problem::Problem;
use crate::rollout::{Cause, CauseCode, Change, Direction, Revision, ServicePlan, Shift, Touched};
use crate::targets::ecs::apply::{AGAIN, untouched};
use crate::targets::ecs::calls::{Left, Pauses};
use crate::targets::ecs::facts::{self as ecs_facts, ShiftFacts, Way};
use crate::targets::ecs::live::{Live, Look, Rollout, RolloutState};
use crate::targets::ecs::looks::Tries;
use crate::targets::ecs::prepare::refused;
use crate::targets::ecs::truth::State;
use crate::targets::ecs::{said, same};

/// What stood there before: nothing.
const NOTHING: &str = "nothing";

/// The pause before what runs is looked at again.
const LOOKS_AGAIN: Duration = Duration::from_secs(1);

/// What ECS says of a service that a creation made.
enum Made {
    /// The creation goes on; the service deployment that can be stopped, where it is known.
    Going(Option<String>),
    /// It serves.
    Serves,
    /// It ended and serves nothing.
    Failed,
}

impl ExpressTarget {
    /// A plan that creates the service, if it is the service that is missing and it may be created.
    pub(super) fn plan_creation(&self, wish: &Wish, absent: Absent) -> Result<ServicePlan, TargetError> {
        let may = self.spec.create == CreateService::WhenMissing;
        let image = match wish {
            Wish::Image { image, .. } if may => image,
            Wish::Image { image, .. } => return Err(self.missing(&absent, Some(image))),
            Wish::Revision(revision) => return Err(self.missing(&absent, revision.image.as_ref())),
            Wish::Source { .. } => return Err(runs_images_only(&self.place_at(None).name)),
        };
        let (cluster, service) = (self.ecs.cluster_name(), self.ecs.service_name());
        match absent {
            Absent::Service(_) => {}
            Absent::Cluster(what) => {
                let next =
                    format!("Make it: aws ecs create-cluster --region {} --cluster-name {cluster}", self.ecs.region);
                return Err(refused(Problem::provider("cluster-not-found", what, next)));
            }
            Absent::Draining(what) => {
                let next = "Wait until it is gone, then run again: ECS gives the name free a few minutes later.";
                return Err(refused(Problem::provider("service-draining", what, next)));
            }
        }
        let request = creation::wanted(&self.ecs.spec.cluster, service, image, &self.spec);
        let fields = same::differences(&Map::new(), &request);
        let previous = Revision {
            id: NOTHING.to_owned(),
            name: NOTHING.to_owned(),
            image: None,
            image_text: String::new(),
            commit: None,
            facts: Value::Null,
        };
        let notices = vec![format!(
            "there is no Express service {service} in cluster {cluster}: it is created, with a load balancer that costs \
             money. Nothing is deleted when the creation fails"
        )];
        let change = Change::Move { fields, wish: json!(Asked::Create { request }) };
        Ok(ServicePlan { place: self.place_at(None), image: Some(image.clone()), previous, change, notices })
    }

    /// Asks for the creation, unless it was asked for already.
    pub(super) async fn ask_creation(&self, request: &Map<String, Value>) -> Result<Shift, NotApplied> {
        let mut last: Option<ProviderFailure> = None;
        for _ in 0..=AGAIN {
            let touched = if last.is_some() { Touched::Perhaps } else { Touched::No };
            let stopped = |cause| NotApplied { cause, touched };
            if self.stands().await.map_err(|failure| stopped(said::of_failure(&failure)))?.is_some() {
                let now = self.now().await.map_err(|failure| stopped(said::of_failure(&failure)))?;
                return if is_made(&now, request) {
                    Ok(self.follow(&now.current, Direction::Forward, None).await)
                } else {
                    Err(stopped(somebody_else(&self.place_at(None).name, &now)))
                };
            }
            match self.send_creation(request).await {
                Ok(made) => return Ok(self.follow(&made, Direction::Forward, None).await),
                // It may have arrived all the same: the next try looks before it asks.
                Err(failure) if failure.kind == FailureKind::Unavailable => last = Some(failure),
                Err(failure) => return Err(untouched(said::of_failure(&failure))),
            }
        }
        let failure = last.expect("the loop ends only after a lost answer");
        Err(NotApplied { cause: said::of_failure(&failure), touched: Touched::Perhaps })
    }

    /// Sent once, and again only while ECS asks to slow down.
    async fn send_creation(&self, request: &Map<String, Value>) -> Result<Configuration, ProviderFailure> {
        let mut pauses = Pauses::unhurried();
        loop {
            match raw::create(&self.ecs.once, request).await {
                Err(failure) if pauses.again(&failure).await == Left::Try => {}
                other => return other,
            }
        }
    }

    /// The service, if there is one.
    async fn stands(&self) -> Result<Option<Live>, ProviderFailure> {
        match self.ecs.lookout.service(Tries::Many, &self.ecs.spec.service).await {
            Ok(Look::Found(live)) if live.status != "INACTIVE" => Ok(Some(*live)),
            Ok(Look::Found(_) | Look::Missing) => Ok(None),
            Err(failure) if failure.kind == FailureKind::Missing => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The creation as it is followed: forward as any deployment, back until it has ended.
    pub(super) async fn see_creation(&self, plan: &ServicePlan, shift: &Shift) -> Result<Sight, TargetError> {
        if shift.direction == Direction::Forward {
            return Ok(match self.ecs.observe_shift(plan, shift).await? {
                Sight::Broke(mut cause) => {
                    cause.facts.push(stays(plan));
                    Sight::Broke(cause)
                }
                other => other,
            });
        }
        let Some(live) = self.stands().await? else { return Ok(Sight::Serving) };
        Ok(match self.made(&live, shift.id.as_deref()).await {
            Made::Going(_) => Sight::Moving(Progress {
                doing: "waiting for the end of the creation".to_owned(),
                ..Progress::default()
            }),
            Made::Failed => Sight::Serving,
            Made::Serves => Sight::Broke(Box::new(nothing_before(plan))),
        })
    }

    /// Before it there was nothing, so there is nothing to go back to: what was created stays.
    pub(super) async fn keep_created(
        &self,
        plan: &ServicePlan,
        request: &Map<String, Value>,
        shift: Option<&Shift>,
    ) -> Result<Back, Cause> {
        let Some(live) = self.stands().await.map_err(|failure| said::of_failure(&failure))? else {
            return Ok(Back::Already);
        };
        let now = self.now().await.map_err(|failure| said::of_failure(&failure))?;
        if !is_made(&now, request) {
            return Ok(Back::Superseded { by: now.current.revision });
        }
        let id = match shift.and_then(|shift| shift.id.clone()) {
            Some(id) => Some(id),
            None => self.ecs.find(&facts::moving_to(&now.current, None), &now.current.definition).await,
        };
        match self.made(&live, id.as_deref()).await {
            Made::Failed => Ok(Back::Already),
            Made::Serves => Err(nothing_before(plan)),
            Made::Going(deployment) => {
                if let Some(deployment) = deployment {
                    // Not allowed, too late: it ends by itself, and is waited for.
                    let _ = self.ecs.stop(&deployment).await;
                }
                let facts = ShiftFacts { way: Way::Stop, primary: None, created: None, left: None, revision: None };
                Ok(Back::Began(Box::new(Shift {
                    id,
                    revision: plan.previous.clone(),
                    direction: Direction::Back,
                    started: clock::now(),
                    facts: ecs_facts::write(&facts),
                })))
            }
        }
    }

    /// Tasks that stay after a stop serve, whatever the deployment is called. One that runs for a moment
    /// before it ends once more does not: what runs is looked at twice.
    async fn ended(&self, live: &Live) -> Made {
        let runs = |live: &Live| live.primary().is_some_and(|primary| primary.running > 0);
        if !runs(live) {
            return Made::Failed;
        }
        wait::pause(LOOKS_AGAIN, &Cancel::new()).await;
        match self.ecs.lookout.service(Tries::Many, &self.ecs.spec.service).await {
            Ok(Look::Found(live)) if !runs(&live) => Made::Failed,
            _ => Made::Serves,
        }
    }

    /// How the creation stands, by its service deployment where that can be had.
    async fn made(&self, live: &Live, deployment: Option<&str>) -> Made {
        let primary = live.primary();
        let known = match deployment {
            Some(arn) => self.ecs.lookout.deployment(Tries::Many, arn).await.ok().flatten(),
            None => None,
        };
        match known.map(|known| (known.state, known.arn)) {
            Some((State::Successful, _)) => Made::Serves,
            Some((State::Stopped | State::RolledBack | State::RollbackFailed, _)) => self.ended(live).await,
            Some((State::Going, arn)) => Made::Going(Some(arn)),
            Some((State::Stopping | State::RollingBack | State::Unknown, _)) => Made::Going(None),
            None => match primary.map(|primary| primary.state) {
                Some(RolloutState::Failed) | None => self.ended(live).await,
                _ if primary.is_some_and(Rollout::is_complete) => Made::Serves,
                _ => Made::Going(None),
            },
        }
    }
}

/// Whether what stands there is what a creation asked for; ECS writes defaults beside it.
fn is_made(now: &Now, request: &Map<String, Value>) -> bool {
    let wanted = creation::settings_of(request);
    let mut with = now.current.settings.clone();
    settings::overlay(&mut with, &wanted);
    same::same(&with, &now.current.settings)
}

fn stays(plan: &ServicePlan) -> String {
    format!("this deployment created {}; what is there of it stays, nothing is deleted", plan.place.name)
}

fn nothing_before(plan: &ServicePlan) -> Cause {
    Cause {
        facts: vec![stays(plan)],
        ..Cause::new(
            CauseCode::CallRefused,
            format!(
                "{} was created by this deployment and runs: before it there was nothing to go back to",
                plan.place.name
            ),
            "Mend what failed and deploy again; or delete the service yourself, if it should not be there.",
        )
    }
}

fn somebody_else(name: &str, now: &Now) -> Cause {
    let image = settings::image(&now.current.settings).unwrap_or("a task definition of its own");
    Cause {
        facts: vec![format!("it runs {image}")],
        ..Cause::new(
            CauseCode::Stopped,
            format!("somebody else created {name} since this plan was made"),
            "Look at what they created, then plan again.",
        )
    }
}
