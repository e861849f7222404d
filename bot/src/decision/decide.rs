//! Whether a deploy or a rollback may go on: every rule, one after another. Pure and total.
//!
//! One walk finds all objections; the first is the answer to a command, all of them are what a plan
//! shows. A rollback skips what is about the pull request, the commit and the time: at night, in a
//! frozen week, from a closed pull request, going back must be possible for whoever has the right. It
//! never skips access, the lock and other people's deployments.

use shipline::config::spec::EnvironmentSpec;
use shipline::types::{CommitSha, EnvironmentName, Timestamp};

use super::access::{self, Right};
use super::binding::{Binding, Bound, Origin};
use super::lock::{self, Wish};
use super::{Denied, Facts, Rights, Situation, checks, freeze, order, pull, running};
use crate::types::Actor;

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A release.
    Deploy {
        /// The commit the person named.
        sha: Option<CommitSha>,
    },
    /// To go back.
    Rollback,
}

/// Everything the decision looks at.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What.
    pub wanted: Wanted,
    /// Where.
    pub environment: &'a EnvironmentName,
    /// Its rules, from the default branch.
    pub spec: &'a EnvironmentSpec,
    /// The repository and the pull request now.
    pub situation: &'a Situation,
    /// Who.
    pub actor: &'a Actor,
    /// What GitHub says that person may do.
    pub rights: &'a Rights,
    /// The rest.
    pub facts: &'a Facts,
    /// When the comment was written, by GitHub's clock.
    pub commented: Timestamp,
    /// Now, by ours.
    pub now: Timestamp,
}

/// A yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// The commit a deploy is bound to; absent for a rollback, whose worker finds it in the ledger.
    pub bound: Option<Bound>,
}

/// Yes, or the first thing that speaks against it.
pub fn decide(question: &Question<'_>) -> Result<Allowed, Denied> {
    let (bound, objections) = weigh(question);
    match objections.into_iter().next() {
        Some(denied) => Err(denied),
        None => Ok(Allowed { bound }),
    }
}

/// Everything that speaks against it, in the order of decision, and the commit if it could be bound.
pub fn weigh(question: &Question<'_>) -> (Option<Bound>, Vec<Denied>) {
    let mut against = Objections(Vec::new());
    let right = match question.wanted {
        Wanted::Deploy { .. } => Right::Deploy,
        Wanted::Rollback => Right::Rollback,
    };
    let Question { environment, spec, actor, rights, facts, now, .. } = *question;
    against.note(access::allowed(right, environment.as_str(), &spec.policy.access, rights, actor));
    let (bound, wish) = match question.wanted {
        Wanted::Deploy { sha } => (release(question, sha, &mut against), Wish::Deploy),
        Wanted::Rollback => (None, Wish::Rollback),
    };
    against.note(lock::open(facts.lock.as_ref(), wish, actor, now));
    against.note(running::clear(environment, &question.situation.deployments, &facts.own, now));
    if wish == Wish::Deploy {
        against.note(running::free(environment, &facts.open, spec.policy.queue, now));
    }
    (bound, against.0)
}

/// Pull request, commit, checks, order and time.
fn release(question: &Question<'_>, sha: Option<CommitSha>, against: &mut Objections) -> Option<Bound> {
    let Question { environment, spec, situation, facts, now, .. } = *question;
    let (name, policy) = (environment.as_str(), &spec.policy);
    let binding = binding(name, sha, situation, facts, question.commented);
    let bound = binding.bind();
    let pull = situation.pull.as_ref();
    // Which rules of the pull request mean something for this commit.
    let rules = match (&bound, pull) {
        (Ok(bound), Some(pull)) => Some((pull, bound.origin)),
        (Err(_), Some(pull)) if sha.is_none() => Some((pull, Origin::OpenPull)),
        _ => None,
    };
    if let Some((pull, origin @ (Origin::OpenPull | Origin::MergedPull))) = rules {
        if origin == Origin::OpenPull {
            against.note(pull::state(pull, name, &situation.default_branch));
            against.note(pull::draft(pull, name, &policy.pulls));
        }
        against.note(pull::base(pull, name, &policy.pulls, &situation.default_branch));
        against.note(pull::fork(pull, name, &policy.pulls));
    }
    let bound = against.keep(bound);
    if let Some(Bound { sha, .. }) = bound {
        against.note(checks::passed(name, &policy.checks, sha, &facts.commit));
    }
    if let Some((pull, origin @ (Origin::OpenPull | Origin::MergedPull))) = rules {
        against.note(pull::reviews(pull, name, policy.reviews));
        if origin == Origin::OpenPull {
            against.note(pull::mergeable(pull, name, policy));
            against.note(pull::up_to_date(pull, name, &policy.pulls));
        }
    }
    if let Some(Bound { sha, .. }) = bound {
        against.note(order::kept(name, policy, sha, &facts.commit, now));
    }
    against.note(freeze::open(name, &policy.freeze, now));
    bound
}

/// The binding of a command, for the decision and for whoever gathers its facts.
pub(super) fn binding<'a>(
    environment: &'a str,
    asked: Option<CommitSha>,
    situation: &'a Situation,
    facts: &'a Facts,
    commented: Timestamp,
) -> Binding<'a> {
    Binding {
        environment,
        asked,
        pull: situation.pull.as_ref(),
        learned: facts.learned,
        commented,
        ancestry: &facts.commit.ancestry,
        default_branch: &situation.default_branch,
    }
}

struct Objections(Vec<Denied>);

impl Objections {
    fn note(&mut self, found: Result<(), Denied>) {
        self.0.extend(found.err());
    }

    fn keep<T>(&mut self, found: Result<T, Denied>) -> Option<T> {
        match found {
            Ok(value) => Some(value),
            Err(denied) => {
                self.0.push(denied);
                None
            }
        }
    }
}
