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
    match record.asked() {
        // Where the branch stood was looked at right before it was asked for.
        Some((operation, commit)) if operation == good.id => {
            push_during(good, pushes).is_none_or(|push| push.commit == commit).then_some(commit)
        }
        _ => stood_at(good, pushes),
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

/// The newest push that came while this operation may still have been taking the source code.
pub(super) fn push_during<'a>(operation: &Operation, pushes: &'a [Push]) -> Option<&'a Push> {
    let from = operation.started?.as_second();
    let going_on = |second: i64| operation.ended.is_none_or(|to| second < to.as_second());
    let open = |push: &&Push| push.at.as_second() >= from && going_on(push.at.as_second());
    pushes.iter().find(open)
}

/// GitHub's times have seconds: the same second is not before.
fn is_before(push: &Push, start: Timestamp) -> bool {
    push.at.as_second() < start.as_second()
}

/// Where the branch stood when this operation began, and as long as it took. A push in the second of
/// its begin may be from before it, or not.
pub(super) fn stood_at(operation: &Operation, pushes: &[Push]) -> Option<CommitSha> {
    let started = operation.started?;
    let open = pushes.iter().any(|push| push.at.as_second() == started.as_second());
    if open || push_during(operation, pushes).is_some() {
        return None;
    }
    pushes.iter().find(|push| is_before(push, started)).map(|push| push.commit)
}

/// Good commits, newest first: what operations brought since the last one we asked for, then what
/// that one brought, then what was recorded. Of operations only those count that began after the last
/// update by somebody else, because what branch was built before it is not told.
pub(super) fn good(operations: &Operations, record: &Record, pushes: &[Push]) -> Vec<CommitSha> {
    let asked = record.asked();
    let newer = operations.after(asked.map(|(operation, _)| operation));
    let since = newer.iter().take_while(|known| !known.is_update());
    let built = since.filter(|known| known.is_deploying() && known.status == Status::Succeeded);
    let ours = asked.filter(|(id, _)| operations.find(id).is_some_and(|known| known.status == Status::Succeeded));
    let mut good: Vec<CommitSha> = Vec::new();
    let told = built.filter_map(|known| stood_at(known, pushes)).chain(ours.map(|(_, commit)| commit));
    for commit in told.chain(record.good_commits()) {
        if !good.contains(&commit) {
            good.push(commit);
        }
    }
    good
}
