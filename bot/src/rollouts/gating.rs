//! A plan that waits until people have said yes.
//!
//! The question is a row in the store and a comment; while it waits nobody holds the deployment. An
//! answer wakes it, so do a push and a lock; otherwise it is looked at for its reminder, its end, and
//! now and then in case a wake was missed. Invariants: nothing of the provider changes before the gate
//! is approved; when it is, everything is decided anew, the plan is made anew, and must be the one
//! that was approved, under the same rules, by people who still may.

use std::time::Duration;

use serde_json::json;
use shipline::cli::deploy::planned;
use shipline::config::spec::{ApprovalsSpec, EnvironmentSpec};
use shipline::engine::clock;
use shipline::report::view;
use shipline::rollout::Phase;
use tracing::{info, warn};

use super::halt::Halt;
use super::keeper::until;
use super::prepare::{self, Ready};
use super::rolling;
use super::teller::{Check, Standing};
use super::wanted::Waits;
use super::worker::Worker;
use crate::approvals;
use crate::decision::{Denied, ReasonCode, approving, recheck};
use crate::messages;
use crate::store::{DeploymentKind, Gate, GateKind, GateName, GateState, NewGate, Stage, WaitingGate};
use crate::types::Actor;

/// How often a deployment that waits is looked at without anything having happened.
const LOOKS: Duration = Duration::from_mins(15);

/// How long a look waits until GitHub shows the question.
const SHOWN: Duration = Duration::from_secs(20);

/// The pause before GitHub is asked or told again.
const AGAIN: Duration = Duration::from_secs(15);

/// Begins a prepared rollout, or asks the people whom the policy names first.
pub(super) async fn begin_or_ask(worker: &Worker, ready: Ready) -> Result<(), Halt> {
    match asks(worker, &ready) {
        Some(rule) => ask(worker, &ready, &rule, None).await,
        None => rolling::begin(worker, ready).await,
    }
}

/// Going back waits for nobody, and nothing to change needs no yes.
fn asks(worker: &Worker, ready: &Ready) -> Option<ApprovalsSpec> {
    let deploys = matches!(worker.deployment.asked.kind, DeploymentKind::Deploy { .. });
    if !deploys || ready.plan.changes_nothing() {
        return None;
    }
    ready.spec.policy.approvals.clone()
}

async fn ask(worker: &Worker, ready: &Ready, rule: &ApprovalsSpec, again: Option<String>) -> Result<(), Halt> {
    let (store, asked, now) = (&worker.kept.store, &worker.deployment.asked, clock::now());
    let (id, hash) = (worker.kept.id(), ready.plan.hash().to_string());
    let earlier = store.gates_of(id).await?;
    let number = match earlier.iter().rfind(|gate| gate.asked.name.kind() == GateKind::Plan) {
        // A worker before this one opened it and got no further.
        Some(last) if last.state == GateState::Waiting && last.asked.hash == hash => last.asked.name.number(),
        Some(last) => last.asked.name.number() + 1,
        None => 1,
    };
    let name = GateName::Deployment { deployment: id, kind: GateKind::Plan, number };
    let new = NewGate {
        name,
        repository: asked.repository.clone(),
        key: asked.key.clone(),
        hash: hash.clone(),
        commit: ready.plan.release.commit,
        issue: Some(asked.issue),
        requester: Some(asked.actor.clone()),
        need: rule.count,
        expires: until(now, rule.expires.duration()),
        facts: json!({
            "services": ready.plan.services.keys().collect::<Vec<_>>(),
            "requester": approving::word(rule.requester),
        }),
    };
    let gate = store.open_gate(&worker.kept.lease, &new, now).await?;
    let mut input = ready.input.clone();
    input.commits = worker.signals.before_changes(rolling::commits_between(worker, &ready.plan)).await?;
    let view = planned(view(&ready.plan, &Phase::first(&ready.plan), input, gate.opened, now));
    let waiting = WaitingGate {
        id: gate.id,
        number,
        hash,
        since: gate.opened,
        expires: gate.asked.expires,
        remind: Some(until(gate.opened, rule.remind.duration())),
        rules: approving::held_under(&ready.spec),
        view: Box::new(view),
        people: rule.from.iter().map(approving::mention).collect(),
        need: rule.count,
        again,
        told: None,
    };
    let short: String = waiting.hash.chars().take(6).collect();
    worker
        .kept
        .change(|state| {
            state.stage = Stage::Gating { gate: waiting.clone() };
            state.before.push((now, format!("plan {short} waits for approval")));
        })
        .await?;
    info!(gate = %gate.id, plan = short, "the plan waits for approval");
    worker.bot.metrics.phase("gating");
    worker.bot.metrics.gate(GateKind::Plan.word(), "opened");
    wait(worker, waiting, &gate).await
}

/// One look at a deployment that waits.
pub(super) async fn look(worker: &Worker, waiting: WaitingGate) -> Result<(), Halt> {
    let (store, now) = (&worker.kept.store, clock::now());
    let Some(gate) = store.gate(waiting.id).await? else {
        let next = "Ask again, and report this, please.";
        return Err(Denied::new(ReasonCode::Defect, "What it waited for is not known any more.", next).into());
    };
    match gate.state {
        GateState::Waiting => {}
        GateState::Approved => return Box::pin(approved(worker, waiting, &gate)).await,
        GateState::Rejected => return Err(rejected(worker, &gate).into()),
        GateState::Expired => return Err(expired(worker, &gate).into()),
        GateState::Void => {
            let next = format!("`/deploy {}` asks anew.", gate.asked.key.environment);
            return Err(Denied::new(ReasonCode::GateOver, "What it waited for is void.", next).into());
        }
    }
    if gate.asked.expires <= now {
        if !store.end_gate(gate.id, GateState::Expired, now).await? {
            // Somebody answered in that moment.
            return Err(Halt::Later(Duration::ZERO));
        }
        worker.bot.metrics.gate(GateKind::Plan.word(), "expired");
        return Err(expired(worker, &gate).into());
    }
    let asked = &worker.deployment.asked;
    recheck::is_open(&worker.bot, asked).await??;
    if recheck::is_overtaken(&worker.bot, asked).await? {
        return Err(overtaken(worker).into());
    }
    wait(worker, waiting, &gate).await
}

/// Shows what is new, reminds when it is time, and comes back later.
async fn wait(worker: &Worker, mut waiting: WaitingGate, gate: &Gate) -> Result<(), Halt> {
    let now = clock::now();
    let mut next = until(now, LOOKS).min(waiting.expires);
    if waiting.told != Some(gate.approvals.len()) {
        worker.teller.show(|wanted| {
            wanted.standing = Standing::Gating(Box::new(Waits { waiting: waiting.clone(), gate: gate.clone() }));
            wanted.check = check(worker, &waiting, gate);
        });
        let shown = worker.signals.before_changes(worker.teller.settled(SHOWN)).await?;
        if !shown {
            return Err(Halt::Later(AGAIN));
        }
        waiting.told = Some(gate.approvals.len());
        worker.kept.change(|state| state.stage = Stage::Gating { gate: waiting.clone() }).await?;
    }
    if let Some(at) = waiting.remind {
        if at > now {
            next = next.min(at);
        } else if worker.signals.before_changes(remind(worker, &waiting, gate)).await? {
            waiting.remind = None;
            worker.kept.change(|state| state.stage = Stage::Gating { gate: waiting.clone() }).await?;
        } else {
            next = next.min(until(now, AGAIN));
        }
    }
    Err(Halt::Later(Duration::try_from(next.duration_since(clock::now())).unwrap_or_default()))
}

/// The check run on the commit, with its buttons.
fn check(worker: &Worker, waiting: &WaitingGate, gate: &Gate) -> Option<Check> {
    let DeploymentKind::Deploy { sha } = worker.deployment.asked.kind else { return None };
    let environment = &worker.deployment.asked.key.environment;
    let title = format!("{environment}: waits for approval, {} of {}", gate.have(), waiting.need);
    Some(Check { sha, conclusion: Some("action_required".to_owned()), title, buttons: approvals::buttons(gate) })
}

/// Calls people once more, in a comment of its own: an edit calls nobody. False when GitHub did not take it.
async fn remind(worker: &Worker, waiting: &WaitingGate, gate: &Gate) -> bool {
    let asked = &worker.deployment.asked;
    let marker = messages::reminder_marker(gate.id);
    let told = async {
        if worker.hub.find_comment(asked.issue, &marker, gate.opened).await?.is_none() {
            worker.kept.still_ours(worker.bot.times.lease).await?;
            worker.hub.comment(asked.issue, &messages::reminder(&worker.deployment, waiting, gate)).await?;
        }
        Ok::<(), shipline::problem::Problem>(())
    };
    match told.await {
        Ok(()) => {
            worker.bot.metrics.gate(GateKind::Plan.word(), "reminded");
            true
        }
        Err(problem) => {
            warn!(problem = %problem.what, "people were not reminded, trying again");
            false
        }
    }
}

/// Enough people said yes: everything is decided and planned once more, and must be the same.
async fn approved(worker: &Worker, waiting: WaitingGate, gate: &Gate) -> Result<(), Halt> {
    let ready = worker.signals.before_changes(Box::pin(prepare::prepare(worker))).await??;
    let Some(rule) = asks(worker, &ready) else { return rolling::begin(worker, ready).await };
    let hash = ready.plan.hash().to_string();
    let short = |hash: &str| hash.chars().take(6).collect::<String>();
    if hash != waiting.hash {
        let why = format!(
            "Plan `{}` was approved, but what would change is another plan now: `{}`. What was said before counts no more.",
            short(&waiting.hash),
            short(&hash)
        );
        return ask(worker, &ready, &rule, Some(why)).await;
    }
    if approving::held_under(&ready.spec) != waiting.rules {
        let why = format!(
            "Plan `{}` was approved under other rules: the policy of `{}` was changed since. What was said before counts no more.",
            short(&hash),
            gate.asked.key.environment
        );
        return ask(worker, &ready, &rule, Some(why)).await;
    }
    let gone = worker.signals.before_changes(without_right(worker, &ready.spec, &rule, gate)).await??;
    if !gone.is_empty() {
        let now = clock::now();
        let left = worker.kept.store.withdraw(gate.id, &gone, rule.count, now).await?;
        let Some(left) = left.filter(|left| left.state == GateState::Waiting) else {
            return Err(Halt::Later(Duration::ZERO));
        };
        return wait(worker, WaitingGate { told: None, ..waiting }, &left).await;
    }
    let who: Vec<&str> = gate.approvers().map(|actor| actor.login.as_str()).collect();
    let told = format!("approved by {}", who.join(", "));
    let known = worker.kept.state().await.before.iter().any(|(_, what)| *what == told);
    if !known {
        worker.kept.change(|state| state.before.push((gate.decided.unwrap_or_else(clock::now), told))).await?;
    }
    rolling::begin(worker, ready).await
}

/// Those who said yes and may not any more, each with why.
async fn without_right(
    worker: &Worker,
    spec: &EnvironmentSpec,
    rule: &ApprovalsSpec,
    gate: &Gate,
) -> Result<Vec<(Actor, String)>, Halt> {
    match approvals::without_right(&worker.hub, rule, &spec.policy.access, gate).await {
        Ok(gone) => Ok(gone),
        Err((_, problem)) if gate.asked.expires > clock::now() => {
            warn!(problem = %problem.what, "whether an approval still counts is not known, asking again");
            Err(Halt::Later(AGAIN))
        }
        Err((actor, problem)) => Err(crate::decision::access::unknown(&actor, &problem.what).into()),
    }
}

fn rejected(worker: &Worker, gate: &Gate) -> Denied {
    let environment = &worker.deployment.asked.key.environment;
    let next = format!("Mend what stands against it, then `/deploy {environment}` again.");
    let Some(no) = gate.rejection() else {
        return Denied::new(ReasonCode::Rejected, "Rejected.", next);
    };
    let denied = Denied::new(ReasonCode::Rejected, format!("`{}` rejected it.", no.actor.login), next);
    match &no.reason {
        Some(reason) => denied.because(format!("The reason given: {reason}")),
        None => denied,
    }
}

fn expired(worker: &Worker, gate: &Gate) -> Denied {
    let environment = &worker.deployment.asked.key.environment;
    let what = format!("It was approved by {} of {} in time, so it is not deployed.", gate.have(), gate.asked.need);
    Denied::new(ReasonCode::GateExpired, what, format!("If it is still wanted: `/deploy {environment}` asks again."))
        .because("How long it waits says `approvals: { expires: … }` in the policy.")
}

fn overtaken(worker: &Worker) -> Denied {
    let environment = &worker.deployment.asked.key.environment;
    let next = format!("`/deploy {environment}` asks for what is there now.");
    Denied::new(ReasonCode::HeadMoved, "Somebody pushed to the pull request while it waited for approval.", next)
        .because("What was said about the commit before counts no more.")
}
