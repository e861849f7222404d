//! Asking App Runner to build a commit. Looks first: it may be under way, done, or behind somebody's
//! deployment of another commit.

use super::super::apply::{TRIES, Unsent, changed, in_the_way};
use super::super::operations::Operation;
use super::super::record::Record;
use super::super::service::Configuration;
use super::super::{AppRunnerTarget, Facts, Follow, raw, refused_call, shift, untouched};
use super::prepare::elsewhere;
use super::record::Asked;
use super::served::builds;
use super::{Wanted, caused};
use crate::engine::{NotApplied, ProviderFailure, SourceBranch, clock};
use crate::problem::Problem;
use crate::rollout::{Direction, ServicePlan, Shift, Touched};

/// What a look before asking shows.
enum Found {
    /// Follow this operation; nothing is to be asked.
    Join(Shift),
    /// Ask for this.
    Free(Step),
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// The configuration: another branch is built with it.
    Update,
    /// A build of what the branch stands at.
    Deploy,
}

impl AppRunnerTarget {
    pub(in super::super) async fn ask_source(&self, plan: &ServicePlan, wanted: &Wanted) -> Result<Shift, NotApplied> {
        let mut last = None;
        for _ in 0..TRIES {
            match self.look_and_build(plan, wanted).await {
                Ok(shift) => return Ok(shift),
                Err(Unsent::No(refused)) if last.is_some() => {
                    return Err(NotApplied { touched: Touched::Perhaps, ..*refused });
                }
                Err(Unsent::No(refused)) => return Err(*refused),
                Err(Unsent::Passing(failure)) => last = Some(failure),
            }
        }
        let cause = last.as_ref().map_or_else(|| changed("no answer"), refused_call);
        Err(NotApplied { cause, touched: Touched::Perhaps })
    }

    async fn look_and_build(&self, plan: &ServicePlan, wanted: &Wanted) -> Result<Shift, Unsent> {
        let no = |refused| Unsent::No(Box::new(refused));
        let step = match self.find_build(plan, wanted).await.map_err(no)? {
            Found::Join(shift) => return Ok(self.noted_join(plan, wanted, shift).await),
            Found::Free(step) => step,
        };
        // Branches are moved before App Runner is asked: what served before has to be kept by then.
        self.point(wanted).await.map_err(|problem| no(untouched(caused(problem))))?;
        // A branch that App Runner follows may have begun a deployment by having moved.
        if wanted.point.is_some()
            && let Found::Join(shift) = self.find_build(plan, wanted).await.map_err(no)?
        {
            return Ok(self.noted_join(plan, wanted, shift).await);
        }
        match self.send_build(wanted, step).await {
            Ok(operation) => Ok(self.building(plan, wanted, operation).await),
            Err(failure) if failure.is_passing() => Err(Unsent::Passing(failure)),
            // Somebody may have been quicker.
            Err(failure) => match self.find_build(plan, wanted).await.map_err(no)? {
                Found::Join(shift) => Ok(self.noted_join(plan, wanted, shift).await),
                Found::Free(_) => Err(no(untouched(refused_call(&failure)))),
            },
        }
    }

    async fn find_build(&self, plan: &ServicePlan, wanted: &Wanted) -> Result<Found, NotApplied> {
        let baseline = wanted.baseline.as_deref();
        let (service, operations) = self.look(baseline).await.map_err(|failure| untouched(refused_call(&failure)))?;
        let live = service.configuration();
        let (new, before) = (Configuration::of(&wanted.revision), Configuration::of(&plan.previous));
        let follow = |operation: &Operation, follow| {
            let since = if follow == Follow::Behind { None } else { operation.started };
            let since = since.unwrap_or_else(clock::now);
            Found::Join(shift(operation.id.clone(), follow, &wanted.revision, Direction::Forward, since))
        };
        let expected = live.id() == new.id() || live.id() == before.id();
        let newer = operations.after(baseline);
        let record = Record::read(&self.client, self.known_arn()).await.unwrap_or_default();
        let pushes = self.pushes(&new.source()).await;
        let of_ours = |known: &Operation| {
            let asked = record.asked() == Some((known.id.as_str(), wanted.commit));
            if known.is_update() {
                asked
            } else {
                live.id() == new.id() && builds(known, wanted.commit, &record, &pushes)
            }
        };
        if let Some(running) = operations.running() {
            let is_newer = newer.iter().any(|known| known.id == running.id);
            return match () {
                () if is_newer && expected && of_ours(running) => Ok(follow(running, Follow::Perhaps)),
                () if running.is_deployment() && expected => Ok(follow(running, Follow::Behind)),
                () => Err(untouched(in_the_way(running))),
            };
        }
        if service.status() != "RUNNING" || !expected {
            let now = format!("{} from {}", live.source().repository, live.source().branch);
            return Err(untouched(changed(&now)));
        }
        if live.id() != new.id() {
            return Ok(Found::Free(Step::Update));
        }
        // The newest attempt counts, also one that failed.
        let newest = newer.iter().find(|known| known.is_deploying());
        let done = newest.filter(|known| of_ours(known) && (known.is_deployment() || builds_anew(&before, &new)));
        Ok(done.map_or(Found::Free(Step::Deploy), |done| follow(done, Follow::Perhaps)))
    }

    /// The ARN, once it was looked up.
    fn known_arn(&self) -> &str {
        self.arn.get().map_or("", String::as_str)
    }

    /// Makes the branches stand where the plan needs them, the one to build from last of all.
    async fn point(&self, wanted: &Wanted) -> Result<(), Problem> {
        let host = self.host()?;
        let built = Configuration::of(&wanted.revision).source();
        if let Some(point) = &wanted.point {
            let branch = SourceBranch { repository: built.repository.clone(), branch: point.branch.clone() };
            host.point(&branch, point.commit).await?;
        }
        match host.head(&built).await? {
            Some(head) if head == wanted.commit => Ok(()),
            head => Err(elsewhere(&built.branch, head, wanted.commit)),
        }
    }

    async fn send_build(&self, wanted: &Wanted, step: Step) -> Result<String, ProviderFailure> {
        let arn = self.arn().await?;
        match step {
            Step::Update => raw::update(&self.client, arn, Configuration::of(&wanted.revision).input()).await,
            Step::Deploy => raw::deploy(&self.client, arn).await,
        }
    }

    /// The shift of an accepted build, recorded on the service.
    async fn building(&self, plan: &ServicePlan, wanted: &Wanted, operation: String) -> Shift {
        let noted = self.note_build(plan, wanted, &operation).await;
        let notices = noted.err().map(|failure| {
            format!("the commit is not recorded on the service, so a later `rollback` knows less: {failure}")
        });
        let mut shift = shift(operation, Follow::Ours, &wanted.revision, Direction::Forward, clock::now());
        shift.facts = serde_json::json!(Facts { follow: Follow::Ours, notices: notices.into_iter().collect() });
        shift
    }

    /// A joined operation is this deployment's as well; what only stands in the way is not.
    async fn noted_join(&self, plan: &ServicePlan, wanted: &Wanted, shift: Shift) -> Shift {
        let joined = super::super::facts(&shift).is_ok_and(|(_, facts)| facts.follow == Follow::Perhaps);
        if let (true, Some(operation)) = (joined, shift.id.as_deref())
            && let Err(failure) = self.note_build(plan, wanted, operation).await
        {
            tracing::debug!(%failure, "the commit is not recorded on the service");
        }
        shift
    }

    async fn note_build(&self, plan: &ServicePlan, wanted: &Wanted, operation: &str) -> Result<(), ProviderFailure> {
        let arn = self.arn().await?;
        let record = Record::read(&self.client, arn).await.unwrap_or_default();
        if record.asked() == Some((operation, wanted.commit)) {
            return Ok(());
        }
        let (branch, before) =
            (Configuration::of(&wanted.revision).source().branch, Configuration::of(&plan.previous).source().branch);
        let asked = Asked { commit: wanted.commit, branch: &branch, previous_branch: &before };
        record.asked_for(operation, asked, plan.previous.commit).write(&self.client, arn).await
    }
}

/// Whether an update alone builds anew: one that changes the branch has to. Whether others do is not
/// documented, so a deployment is asked for after them.
pub(super) fn builds_anew(before: &Configuration, new: &Configuration) -> bool {
    before.source().branch != new.source().branch
}
