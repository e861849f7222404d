//! Asks ECS for the plan's configuration.
//!
//! Invariants: looks first, so that it may be called again after a crash anywhere; a request whose
//! answer was lost is never sent again before looking whether it arrived; a deployment that
//! somebody else made since the plan is not overwritten.

use serde_json::{Map, Value};

use super::ExpressTarget;
use super::facts::{self, Asked, Wish};
use super::raw::{self, Configuration, Known};
use super::settings;
use crate::engine::target::FailureKind;
use crate::engine::{NotApplied, ProviderFailure};
use crate::problem::Problem;
use crate::rollout::{Cause, CauseCode, Direction, ServicePlan, Shift, Touched};
use crate::targets::ecs::apply::{AGAIN, Update, untouched};
use crate::targets::ecs::calls::{Left, Pauses};
use crate::targets::ecs::facts::Fresh;
use crate::targets::ecs::judge::named;
use crate::targets::ecs::live::{Live, Rollout};
use crate::targets::ecs::looks::Tries;
use crate::targets::ecs::truth::{self, State};
use crate::targets::ecs::{said, same};

/// The service at one instant.
#[derive(Debug)]
pub(super) struct Now {
    pub(super) live: Live,
    pub(super) known: Known,
    /// What the primary deployment runs or brings.
    pub(super) current: Configuration,
}

impl Now {
    pub(super) fn primary_id(&self) -> Option<&str> {
        self.live.primary().map(|primary| primary.id.as_str())
    }

    /// The newest configuration, where it is not that of the primary deployment (yet, or any more).
    pub(super) fn newer(&self) -> Option<&Configuration> {
        self.known.configurations.first().filter(|newest| newest.revision != self.current.revision)
    }
}

impl ExpressTarget {
    pub(super) async fn apply_plan(&self, plan: &ServicePlan) -> Result<Shift, NotApplied> {
        let asked = facts::asked(plan).map_err(|problem| untouched(said::of_problem(problem)))?;
        let wish = match asked {
            Some(Asked::Change(wish)) => wish,
            Some(Asked::Create { request }) => return self.ask_creation(&request).await,
            None => {
                let text = "the plan changes nothing here, so there is nothing to apply";
                return Err(untouched(said::of_problem(Problem::defect("nothing-to-apply", text))));
            }
        };
        let now = self.now().await.map_err(|failure| untouched(said::of_failure(&failure)))?;
        if let Some(found) = self.under_way(&now, &wish).await {
            return Ok(self.follow(&found, Direction::Forward, None).await);
        }
        let is_new = now.primary_id() != wish.seen.as_deref();
        if is_new && now.current.revision != plan.previous.id {
            let other = now.live.primary().map_or_else(|| now.current.revision.clone(), named);
            return Err(untouched(Cause::new(
                CauseCode::Stopped,
                format!("somebody else deployed {other} since this plan was made"),
                "Look at what they deployed, then plan again.",
            )));
        }
        let to = match wish.fresh {
            Fresh::Yes if same::same(&now.current.settings, &wish.express) => self.again(&now).await?,
            Fresh::Yes | Fresh::No => self.change(&now, &wish.express).await?,
        };
        Ok(self.follow(&to, Direction::Forward, None).await)
    }

    /// The service and its configurations.
    pub(super) async fn now(&self) -> Result<Now, ProviderFailure> {
        let live = self.ecs.must_live().await?;
        let known = raw::describe(&self.ecs.patient, &live.arn).await?;
        let current = known.current(&live).cloned().ok_or_else(|| ProviderFailure {
            operation: "ecs:DescribeExpressGatewayService".to_owned(),
            code: None,
            message: "the service has no active configuration".to_owned(),
            request_id: None,
            kind: FailureKind::Missing,
        })?;
        Ok(Now { live, known, current })
    }

    /// What is wanted, where it already runs or is on its way.
    async fn under_way(&self, now: &Now, wish: &Wish) -> Option<Configuration> {
        let moved = now.primary_id() != wish.seen.as_deref();
        if same::same(&now.current.settings, &wish.express) && (wish.fresh == Fresh::No || moved) {
            return Some(now.current.clone());
        }
        // Accepted a moment ago, and not the primary yet; one that is taken back is not joined.
        let newest = now.newer().filter(|newest| same::same(&newest.settings, &wish.express))?;
        let goes = self.deployment_of(&newest.revision, newest).await.is_some_and(|known| known.state == State::Going);
        goes.then(|| newest.clone())
    }

    /// The service deployment that moves to a configuration, where it can be had.
    async fn deployment_of(&self, revision: &str, of: &Configuration) -> Option<truth::Deployment> {
        if self.ecs.asking.without().is_some() {
            return None;
        }
        let facts = facts::moving_to(&Configuration { revision: revision.to_owned(), ..of.clone() }, None);
        let arn = self.ecs.find(&facts, &of.definition).await?;
        self.ecs.lookout.deployment(Tries::Many, &arn).await.ok().flatten()
    }

    /// The change to a configuration, with its service deployment if it can be found now.
    pub(super) async fn follow(&self, to: &Configuration, direction: Direction, left: Option<&Rollout>) -> Shift {
        let id = self.ecs.find(&facts::moving_to(to, None), &to.definition).await;
        facts::shift(id, to, direction, left.map(|left| left.definition.as_str()))
    }

    /// Asks for `wanted`, sending only what differs from what runs; the answer is what it moves to.
    pub(super) async fn change(&self, now: &Now, wanted: &Map<String, Value>) -> Result<Configuration, NotApplied> {
        let mut members = settings::request(&now.current.settings, wanted);
        if let Some(newer) = now.newer() {
            members.extend(settings::request(&newer.settings, wanted));
        }
        let mut touched = Touched::No;
        let mut last = None;
        for _ in 0..=AGAIN {
            match self.send(&now.live.arn, &members).await {
                Ok(to) => return Ok(to),
                Err(failure) if failure.kind == FailureKind::Unavailable => {
                    touched = Touched::Perhaps;
                    match self.now().await {
                        Ok(later) => match arrived(now, &later, wanted) {
                            Some(to) => return Ok(to),
                            None => last = Some(failure),
                        },
                        Err(_) => last = Some(failure),
                    }
                }
                Err(failure) => return Err(NotApplied { cause: said::of_failure(&failure), touched }),
            }
        }
        let failure = last.expect("the loop ends only after a lost answer");
        Err(NotApplied { cause: said::of_failure(&failure), touched })
    }

    /// Sent once, and again only while ECS asks to slow down.
    async fn send(&self, arn: &str, members: &Map<String, Value>) -> Result<Configuration, ProviderFailure> {
        let mut pauses = Pauses::unhurried();
        loop {
            match raw::update(&self.ecs.once, arn, members).await {
                Err(failure) if pauses.again(&failure).await == Left::Try => {}
                other => return other,
            }
        }
    }

    /// New tasks of the same configuration: an Express service is an ECS service for that.
    async fn again(&self, now: &Now) -> Result<Configuration, NotApplied> {
        let update = Update { definition: None, desired: None, fresh: Fresh::Yes, told: None };
        self.ecs.update(&update, now.primary_id()).await?;
        let later = self.now().await;
        let later =
            later.map_err(|failure| NotApplied { cause: said::of_failure(&failure), touched: Touched::Perhaps })?;
        Ok(later.newer().cloned().unwrap_or(later.current))
    }
}

/// The configuration that a request with a lost answer brought.
fn arrived(before: &Now, later: &Now, wanted: &Map<String, Value>) -> Option<Configuration> {
    let new = |found: &&Configuration| before.known.of_revision(&found.revision).is_none();
    later.known.configurations.iter().filter(new).find(|found| same::same(&found.settings, wanted)).cloned()
}
