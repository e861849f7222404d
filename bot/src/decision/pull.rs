//! Whether a pull request may be deployed from: open, no draft, the right base, no fork unless a
//! writer looked at this very commit; and what else the policy asks of it: reviews, no conflicts, up
//! to date.

use shipline::config::spec::{Allow, BehindBase, Checks, Policy, Pulls, Reviews};

use super::words::{commit, list, name};
use super::{Denied, Pull, PullState, ReasonCode, ReviewState};

/// Whether it is open, or was merged as it is.
pub(super) fn state(pull: &Pull, environment: &str, default_branch: &str) -> Result<(), Denied> {
    let what = match pull.state {
        PullState::Open => return Ok(()),
        PullState::Closed => format!("Pull request `#{}` is closed.", pull.number),
        PullState::Merged => format!("Pull request `#{}` is merged already.", pull.number),
    };
    let next = match pull.state {
        PullState::Merged => format!(
            "Write which commit you mean: `/deploy {environment} --sha {}` for its last commit, or one of `{default_branch}`.",
            pull.head
        ),
        PullState::Open | PullState::Closed => format!(
            "Reopen it, or deploy a commit of `{default_branch}` with `/deploy {environment} --sha <full sha>`. `/rollback {environment}` works here too."
        ),
    };
    Err(Denied::new(ReasonCode::PullClosed, what, next))
}

/// Drafts.
pub(super) fn draft(pull: &Pull, environment: &str, pulls: &Pulls) -> Result<(), Denied> {
    if !pull.draft || pulls.drafts == Allow::Yes {
        return Ok(());
    }
    let what = format!("Pull request `#{}` is a draft, and `{environment}` takes none.", pull.number);
    Err(Denied::new(ReasonCode::PullDraft, what, "Press “Ready for review”, then comment again."))
}

/// The branch it wants to go into.
pub(super) fn base(pull: &Pull, environment: &str, pulls: &Pulls, default_branch: &str) -> Result<(), Denied> {
    let bases: Vec<String> = match pulls.bases.as_slice() {
        [] => vec![default_branch.to_owned()],
        some => some.to_vec(),
    };
    if bases.contains(&pull.base) {
        return Ok(());
    }
    let what = format!(
        "Pull request `#{}` goes into {}, not into a branch that `{environment}` takes.",
        pull.number,
        name(&pull.base)
    );
    let shown: Vec<String> = bases.iter().map(|base| name(base)).collect();
    let next =
        format!("Change its base to {}, or let the policy allow it (`pull-requests.bases`).", list(&shown, "or"));
    Err(Denied::new(ReasonCode::BaseNotAllowed, what, next))
}

/// Forks: only where allowed, and only commits that somebody who can write here has approved.
pub(super) fn fork(pull: &Pull, environment: &str, pulls: &Pulls) -> Result<(), Denied> {
    // A branch whose repository was deleted can be nobody's but a fork's.
    if !pull.fork && pull.head_repository.is_some() {
        return Ok(());
    }
    if pulls.forks == Allow::No {
        let what = format!("Pull request `#{}` comes from a fork, and `{environment}` takes none.", pull.number);
        let next = "Push the branch to this repository and open a pull request from there.";
        return Err(Denied::new(ReasonCode::ForkNotAllowed, what, next));
    }
    let own = |login: &str| pull.author.as_deref().is_some_and(|author| author.eq_ignore_ascii_case(login));
    let looked = pull.approvals.iter().any(|a| a.writer && a.commit == Some(pull.head) && !own(&a.login));
    if looked {
        return Ok(());
    }
    let what = format!("Nobody who can write here has approved {} of this fork.", commit(pull.head));
    let stale = pull.approvals.iter().find(|a| a.writer && !own(&a.login));
    let denied = Denied::new(
        ReasonCode::ForkNotApproved,
        what,
        format!("Somebody with the role `write` reviews and approves the commit {}, then comment again.", pull.head),
    );
    Err(match stale {
        Some(approval) => denied.because(match approval.commit {
            Some(sha) => format!("{} approved {}, an earlier commit.", name(&approval.login), commit(sha)),
            None => format!("{} approved a commit that is gone.", name(&approval.login)),
        }),
        None => denied,
    })
}

/// Required reviews.
pub(super) fn reviews(pull: &Pull, environment: &str, reviews: Reviews) -> Result<(), Denied> {
    if reviews == Reviews::NotAsked {
        return Ok(());
    }
    let (what, next) = match pull.reviews {
        // Branch protection asks for none.
        None | Some(ReviewState::Approved) => return Ok(()),
        Some(ReviewState::Missing) => (
            format!("`{environment}` asks for the reviews of branch protection, and some are missing."),
            "Get the pull request approved, then comment again.",
        ),
        Some(ReviewState::ChangesRequested) => (
            format!("`{environment}` asks for the reviews of branch protection, and a reviewer asks for changes."),
            "Settle it with the reviewer, then comment again.",
        ),
    };
    let mut denied = Denied::new(ReasonCode::ReviewMissing, what, next);
    for approval in &pull.approvals {
        let at = approval.commit.map(|sha| format!(" {}", commit(sha))).unwrap_or_default();
        denied = denied.because(format!("{} approved{at}.", name(&approval.login)));
    }
    Err(denied)
}

/// Conflicts with the base. GitHub works this out after every push; while it does, only a policy that
/// asks for nothing about the pull request goes on without the answer.
pub(super) fn mergeable(pull: &Pull, environment: &str, policy: &Policy) -> Result<(), Denied> {
    let careful = policy.checks != Checks::NotAsked
        || policy.reviews != Reviews::NotAsked
        || policy.pulls.behind != BehindBase::Allowed;
    let (what, next) = match pull.mergeable {
        Some(true) => return Ok(()),
        None if !careful => return Ok(()),
        None => (
            format!("GitHub has not worked out yet whether the pull request merges into {}.", name(&pull.base)),
            format!("Comment `/deploy {environment}` again in a minute."),
        ),
        Some(false) => (
            format!("The pull request has conflicts with {}.", name(&pull.base)),
            "Solve them and push, then comment again.".to_owned(),
        ),
    };
    Err(Denied::new(ReasonCode::NotMergeable, what, next))
}

/// Whether the branch holds all commits of its base.
pub(super) fn up_to_date(pull: &Pull, environment: &str, pulls: &Pulls) -> Result<(), Denied> {
    if !pull.behind || pulls.behind == BehindBase::Allowed {
        return Ok(());
    }
    let what = format!("The branch lacks commits of {}, and `{environment}` asks for all of them.", name(&pull.base));
    Err(Denied::new(ReasonCode::BehindBase, what, "Press “Update branch”, wait for the checks, then comment again."))
}
