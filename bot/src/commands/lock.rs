//! `/lock`: holds an environment. What a lock stops is in [`crate::decision::lock`].

use shipline::engine::clock;
use shipline::types::{EnvironmentName, Span};

use super::ask::{Answer, Ask, Halted};
use crate::decision::access::Right;
use crate::decision::{Denied, ReasonCode};
use crate::messages;
use crate::store::{GatesOf, Lock, LockAnswer};

pub(super) async fn run(
    ask: &Ask<'_>,
    environment: &EnvironmentName,
    until: Option<Span>,
    reason: Option<&String>,
) -> Result<Answer, Halted> {
    let scene = ask.scene(environment)?;
    ask.allow(Right::Lock, environment, &scene.spec.policy.access).await?;
    let now = clock::now();
    let lock = Lock {
        key: scene.key,
        holder: ask.comment.author.clone(),
        reason: reason.cloned().unwrap_or_default(),
        since: now,
        until: until.map(|until| now + until.duration()),
    };
    match ask.bot.store.lock(&lock, now).await? {
        LockAnswer::Locked | LockAnswer::Renewed => {
            // What waits for approval there ends with it.
            if ask.bot.store.wake_gates(lock.key.repository, GatesOf::Environment(environment), now).await? > 0 {
                ask.bot.deployments_due.notify_one();
            }
            Ok(Answer::said(ReasonCode::Done, messages::locked(&lock, now)).noting("until", lock.until))
        }
        LockAnswer::HeldBy(other) => Err(held(&other).into()),
    }
}

/// Somebody else holds it.
pub(super) fn held(lock: &Lock) -> Denied {
    let (environment, holder) = (&lock.key.environment, &lock.holder.login);
    let what = format!("`{holder}` holds the lock of `{environment}`.");
    let next = format!(
        "Ask `{holder}` to `/unlock {environment}`, or take it away with `/unlock {environment} --force <reason>`."
    );
    let denied = Denied::new(ReasonCode::LockOfAnother, what, next);
    if lock.reason.is_empty() { denied } else { denied.because(format!("The reason given: {}", lock.reason)) }
}
