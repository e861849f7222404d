//! Which commit a command is bound to.
//!
//! A comment carries no commit, so whoever pushes between reading and commenting would decide what is
//! deployed. Without `--sha` a command binds to the head that GitHub had told us of *before* the
//! comment, and only if that is still the live head. GitHub's times have whole seconds: a push in the
//! second of the comment counts as later. Dates of commits are never read.
//!
//! With `--sha` the person said it. Three kinds of commits can be said: the head of the open pull
//! request (its rules apply), a commit of the default branch (what was merged there has passed the
//! branch's own rules), and the head of this merged pull request (squashing leaves it outside of the
//! default branch; the rules apply that still mean something). Nothing else: an older commit of a pull
//! request was perhaps never reviewed, and GitHub shows commits of every fork under the repository's
//! own address, so that it "knows" a commit proves nothing. Checks, `requires` and soak are asked of
//! the commit itself, whichever way it was named.

use shipline::types::{CommitSha, Timestamp};

use super::words::commit;
use super::{Ancestry, Denied, Learned, Pull, PullState, ReasonCode};

/// The commit a command means, and which rules its origin brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// The commit.
    pub sha: CommitSha,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a commit comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The head of the open pull request.
    OpenPull,
    /// The head of the merged pull request, named with `--sha`.
    MergedPull,
    /// The default branch, named with `--sha`.
    DefaultBranch,
}

/// What is known for binding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Binding<'a> {
    /// The environment, for the command to write.
    pub(super) environment: &'a str,
    /// What the person wrote after `--sha`.
    pub(super) asked: Option<CommitSha>,
    /// The pull request, if the command stands in one.
    pub(super) pull: Option<&'a Pull>,
    /// The head learnt before the comment.
    pub(super) learned: Learned,
    /// When the comment was written, by GitHub's clock.
    pub(super) commented: Timestamp,
    /// Whether the asked commit is on the default branch; only looked at where [`Binding::asks_ancestry`].
    pub(super) ancestry: &'a Ancestry,
    /// The default branch, for people.
    pub(super) default_branch: &'a str,
}

impl Binding<'_> {
    /// Whether it matters if the asked commit is on the default branch: a question to GitHub.
    pub(super) fn asks_ancestry(&self) -> bool {
        self.asked
            .is_some_and(|asked| !self.pull.is_some_and(|pull| pull.state == PullState::Open && pull.head == asked))
    }

    /// The commit.
    pub(super) fn bind(&self) -> Result<Bound, Denied> {
        match (self.asked, self.pull) {
            (Some(asked), pull) => self.named(asked, pull),
            (None, Some(pull)) => self.learnt(pull),
            (None, None) => Err(Denied::new(
                ReasonCode::NotAPull,
                "This is not a pull request, so there is no commit to deploy.",
                format!(
                    "Write which commit of `{}` you mean: `/deploy {} --sha <full sha>`, or comment in the pull request.",
                    self.default_branch, self.environment
                ),
            )),
        }
    }

    fn named(&self, asked: CommitSha, pull: Option<&Pull>) -> Result<Bound, Denied> {
        if pull.is_some_and(|pull| pull.state == PullState::Open && pull.head == asked) {
            return Ok(Bound { sha: asked, origin: Origin::OpenPull });
        }
        match self.ancestry {
            Ancestry::OnDefaultBranch => return Ok(Bound { sha: asked, origin: Origin::DefaultBranch }),
            Ancestry::NotKnown => {
                return Err(Denied::new(
                    ReasonCode::CommitUnknown,
                    format!("This repository does not know the commit `{asked}`."),
                    "Check the commit; it must be pushed here, and written with all 40 characters.",
                ));
            }
            Ancestry::NotTold(why) => {
                let what = format!("GitHub did not say whether {} is on `{}`.", commit(asked), self.default_branch);
                return Err(
                    Denied::new(ReasonCode::CommitUnknown, what, "Comment again in a minute.").because(why.clone())
                );
            }
            Ancestry::Elsewhere | Ancestry::NotAsked => {}
        }
        match pull {
            Some(pull) if pull.state == PullState::Merged && pull.head == asked => {
                Ok(Bound { sha: asked, origin: Origin::MergedPull })
            }
            Some(pull) if pull.state == PullState::Open => Err(self.moved(
                pull,
                format!(
                    "{} is neither the head of this pull request, which is {}, nor on `{}`.",
                    commit(asked),
                    commit(pull.head),
                    self.default_branch
                ),
            )),
            Some(pull) if pull.head == asked => {
                super::pull::state(pull, self.environment, self.default_branch)?;
                Ok(Bound { sha: asked, origin: Origin::OpenPull })
            }
            _ => Err(Denied::new(
                ReasonCode::CommitNotReleasable,
                format!("{} is not on `{}`.", commit(asked), self.default_branch),
                format!(
                    "Merge it first, or write `/deploy {}` in the open pull request whose newest commit it is.",
                    self.environment
                ),
            )),
        }
    }

    fn learnt(&self, pull: &Pull) -> Result<Bound, Denied> {
        let unknown = |why: String| {
            Err(self
                .ask(pull, ReasonCode::HeadUnknown, "Which commit do you mean? A comment does not say.".to_owned())
                .because(why))
        };
        match self.learned {
            Learned::Nothing => {
                unknown("GitHub has not told the bot of a push to this pull request before your comment.".to_owned())
            }
            Learned::Head(head) if head.sha != pull.head => {
                let what = format!(
                    "The pull request had the head {} when you commented; now GitHub shows {}.",
                    commit(head.sha),
                    commit(pull.head)
                );
                Err(self.moved(pull, what))
            }
            Learned::Head(head) if head.at >= self.commented => unknown(format!(
                "{} came in the same second as your comment, or after it: you may not have seen it.",
                commit(head.sha)
            )),
            Learned::Head(head) => Ok(Bound { sha: head.sha, origin: Origin::OpenPull }),
        }
    }

    fn moved(&self, pull: &Pull, what: String) -> Denied {
        self.ask(pull, ReasonCode::HeadMoved, what)
    }

    fn ask(&self, pull: &Pull, code: ReasonCode, what: String) -> Denied {
        let next = format!("To deploy the head as it is now: `/deploy {} --sha {}`", self.environment, pull.head);
        Denied::new(code, what, next)
    }
}
