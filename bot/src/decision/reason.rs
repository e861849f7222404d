//! Reason codes: how a command or a deployment ended, for machines. Documented; none changes its
//! meaning, new ones may be added.

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($name:ident = $word:literal: $meaning:literal,)*) => {
        /// Why something was allowed, denied, or ended.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum ReasonCode {
            $(#[doc = $meaning] #[serde(rename = $word)] $name,)*
        }

        impl ReasonCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code as it is written in audit entries, metrics and logs.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// What it means, one sentence.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => $meaning,)*
                }
            }
        }
    };
}

reasons! {
    Allowed = "allowed": "Nothing speaks against it.",
    Done = "done": "It was done.",
    Queued = "queued": "It waits behind a running deployment.",
    AlreadyRunning = "already-running": "The same release is on its way there already.",
    NotConfigured = "not-configured": "The repository has no `.github/shipline.yml` on its default branch.",
    PolicyInvalid = "policy-invalid": "The policy of the default branch has mistakes.",
    UnknownEnvironment = "unknown-environment": "The policy has no such environment.",
    UnknownService = "unknown-service": "The environment has no such service.",
    NotOnAllowList = "not-on-allow-list": "The bot's administrator does not let this repository use this role, region or account.",
    PlaceTaken = "place-taken": "A service of the environment runs where another repository deploys.",
    AccessDenied = "access-denied": "The person may not do this here.",
    AccessUnknown = "access-unknown": "GitHub did not tell what the person may do.",
    TooManyCommands = "too-many-commands": "Too many commands in a short time.",
    NotAPull = "not-a-pull-request": "The command was deployed from an issue; it needs a pull request or `--sha`.",
    PullClosed = "pull-closed": "The pull request is closed.",
    PullDraft = "pull-draft": "The pull request is a draft.",
    BaseNotAllowed = "base-not-allowed": "The pull request's base branch is not one that may be deployed from.",
    ForkNotAllowed = "fork-not-allowed": "The pull request comes from a fork.",
    ForkNotApproved = "fork-not-approved": "Nobody with write access has approved this commit of the fork.",
    HeadUnknown = "head-unknown": "The bot has not been told which commit the comment meant.",
    HeadMoved = "head-moved": "The pull request has another head than the comment meant.",
    CommitUnknown = "commit-unknown": "The commit is not known to this repository.",
    CommitNotReleasable = "commit-not-releasable": "The commit is neither the head of the pull request nor on the default branch.",
    ChecksFailed = "checks-failed": "A check failed.",
    ChecksPending = "checks-pending": "A check has not ended yet.",
    ChecksMissing = "checks-missing": "A required check was never reported.",
    ChecksUnknown = "checks-unknown": "GitHub did not tell how the checks stand.",
    ReviewMissing = "review-missing": "Required reviews are missing.",
    NotMergeable = "not-mergeable": "The pull request has conflicts.",
    BehindBase = "behind-base": "The branch is behind its base.",
    RequiresMissing = "requires-missing": "The release is not on an environment that comes before.",
    Soaking = "soaking": "The release has not been good long enough on an environment that comes before.",
    Frozen = "frozen": "It is a time of the week when nothing is deployed.",
    Locked = "locked": "Somebody holds the environment.",
    LockOfAnother = "lock-of-another": "The lock is somebody else's.",
    NotLocked = "not-locked": "Nothing was locked.",
    Busy = "busy": "Another deployment runs there.",
    ForeignDeployment = "foreign-deployment": "Somebody else's GitHub Deployment is in progress there.",
    Replaced = "replaced": "A newer command took its place while it waited.",
    ApprovalCounted = "approval-counted": "The approval counts; more are needed.",
    Approved = "approved": "The approval counts, and is the last one that was needed.",
    Rejected = "rejected": "Somebody who may decide said no at a gate.",
    GateExpired = "gate-expired": "Nobody answered a gate in time.",
    GateOver = "gate-over": "The gate was decided already, or its time is over.",
    OwnRequest = "own-request": "Who asked for a deployment may not approve it.",
    NotAPerson = "not-a-person": "Programs decide no gates.",
    OtherPlan = "other-plan": "The answer was meant for another plan or commit than the one that waits.",
    Twice = "answered-twice": "The person has given this answer to this gate already.",
    NoGate = "no-gate": "No gate waits for a person, and no canary runs.",
    NothingToCancel = "nothing-to-cancel": "There is nothing to cancel.",
    NothingToGoBackTo = "nothing-to-go-back-to": "No release that was good there is known.",
    Usage = "usage": "The command is not written as its usage says.",
    Confusable = "confusable-text": "The comment holds characters that cannot be seen or look like others.",
    CommentGone = "comment-gone": "The comment was deleted before it was worked on.",
    ImageMissing = "image-missing": "The image of the release is missing and no build workflow is configured.",
    BuildFailed = "build-failed": "The build workflow failed or did not bring the image.",
    ImageOfAnotherCommit = "image-of-another-commit": "The image was built from another commit.",
    PlanRefused = "plan-refused": "The plan was refused before anything changed.",
    ProviderFailed = "provider-failed": "AWS or GitHub failed before anything changed.",
    PermissionWithdrawn = "permission-withdrawn": "GitHub took a permission away or removed the App.",
    Cancelled = "cancelled": "Cancelled before anything changed.",
    Defect = "defect": "A defect of the bot.",
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    #[test]
    fn every_code_is_documented_and_none_is_there_twice() {
        let mut page = String::from(OPENING);
        for code in ReasonCode::ALL {
            writeln!(page, "| `{}` | {} |", code.word(), code.meaning().trim_end_matches('.')).unwrap();
            let same = ReasonCode::ALL.iter().filter(|other| other.word() == code.word()).count();
            assert_eq!(same, 1, "{}", code.word());
        }
        page.push_str(OUTCOMES);
        crate::documents::is("docs/reason-codes.md", &page);
    }

    #[test]
    fn a_code_is_stored_as_its_word() {
        for code in ReasonCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.word());
        }
    }

    const OPENING: &str = "# Reason codes

Every command that the bot decides, allowed or denied, every deployment that ends before anything changed, and every job
that waits at an environment of GitHub's has one of these codes: in its comment, in the audit trail (`outcome`), in logs, and in the metric of commands. A code never changes
its meaning; later versions may add codes.

| code | meaning |
| --- | --- |
";
    const OUTCOMES: &str = "
A deployment that came to its rollout ends with the word of its outcome instead:

| outcome | meaning |
| --- | --- |
| `succeeded` | The release serves everywhere it was asked to |
| `nothing-changed` | The provider said no before anything changed |
| `rolled-back` | It failed, and what served before serves again, proven |
| `held` | It failed and was left as it is, because `on-failure` says so |
| `superseded` | Somebody else's deployment replaced it |
| `cancelled` | Cancelled, and what served before serves again |
| `needs-attention` | Going back failed, or the state is unknown: a person must look |

This page is made from `bot/src/decision/reason.rs`; the test there rewrites it with `UPDATE=1`.
";
}
