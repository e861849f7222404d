//! Which commit an operation built, as far as it can be known. Pure.
//!
//! App Runner takes the branch's newest commit soon after an operation began. So what stood there
//! from before its begin until its end is what it built; a push in between leaves it open.

use super::super::operations::{Operation, Operations, Status};
use super::super::record::Record;
use crate::engine::Push;
use crate::types::{CommitSha, Timestamp};

/// The commit that serves: what the newest good operation built.
pub(super) fn serving(operations: &Operations, record: &Record, pushes: &[Push]) -> Option<CommitSha> {
    let good = operations.all().iter().find(|known| known.is_deploying() && known.status == Status::Succeeded)?;
    let during = push_during(good, pushes);
    match record.asked() {
        Some((operation, commit)) if operation == good.id => {
            during.is_none_or(|push| push.commit == commit).then_some(commit)
        }
        _ => stood_at(good, pushes).filter(|_| during.is_none()),
    }
}

/// Whether this operation builds that commit: the branch stood there before it began, and stands there now.
pub(super) fn builds(operation: &Operation, commit: CommitSha, record: &Record, pushes: &[Push]) -> bool {
    let stands = |push: &&Push| push.commit == commit;
    let asked = record.asked() == Some((operation.id.as_str(), commit));
    let before =
        pushes.first().filter(stands).zip(operation.started).is_some_and(|(push, start)| is_before(push, start));
    before || (asked && pushes.first().is_none_or(|push| stands(&push)))
}

/// The newest push that came while this operation may still have been taking the source code. One in
/// the second of its begin may be from before it, or not.
pub(super) fn push_during<'a>(operation: &Operation, pushes: &'a [Push]) -> Option<&'a Push> {
    let from = operation.started?.as_second();
    let open = |push: &&Push| {
        let second = push.at.as_second();
        let ended = operation.ended.is_some_and(|to| second >= to.as_second());
        second == from || (second > from && !ended)
    };
    pushes.iter().find(open)
}

/// GitHub's times have seconds: the same second is not before.
fn is_before(push: &Push, start: Timestamp) -> bool {
    push.at.as_second() < start.as_second()
}

/// Where the branch stood when this operation began.
pub(super) fn stood_at(operation: &Operation, pushes: &[Push]) -> Option<CommitSha> {
    let started = operation.started?;
    pushes.iter().find(|push| is_before(push, started)).map(|push| push.commit)
}

/// Good commits that the operations tell, newest first: those that began after the last update,
/// because what branch was built before it is not told.
pub(super) fn good(operations: &Operations, pushes: &[Push]) -> Vec<CommitSha> {
    let since = operations.all().iter().take_while(|known| !known.is_update());
    let built = since.filter(|known| known.is_deploying() && known.status == Status::Succeeded);
    built.filter(|known| push_during(known, pushes).is_none()).filter_map(|known| stood_at(known, pushes)).collect()
}
