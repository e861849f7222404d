//! The bot is killed at every effect, twice, on both databases: it goes on where it was, and nothing
//! is done a second time.

use std::collections::BTreeMap;

use shipline_test_support::{Call, Fault, FaultKind};

use crate::stage::{Database, Stage};

/// An effect of a deployment: the call, and how many of its kind came before it.
#[derive(Debug, Clone)]
struct EffectCall {
    service: String,
    operation: String,
    earlier: u32,
}

/// Whether a call changes something outside of the bot.
fn changes(call: &Call) -> bool {
    match call.service.as_str() {
        // An access token is no change, and GraphQL only asks here.
        "github" => {
            !call.operation.starts_with("GET")
                && !call.operation.ends_with("/access_tokens")
                && call.operation != "POST /graphql"
        }
        "ecs" => ["RegisterTaskDefinition", "UpdateService"].contains(&call.operation.as_str()),
        _ => false,
    }
}

/// Every effect of one undisturbed deployment, in order.
async fn effects() -> Vec<EffectCall> {
    let stage = Stage::with_bot(Database::Sqlite).await;
    let pull = stage.pull("Say hello");
    stage.world.forget_calls();
    stage.says("dev", pull.number, "/deploy staging");
    stage.answer(pull.number, "serves after");
    let mut seen: BTreeMap<(String, String), u32> = BTreeMap::new();
    let mut effects = Vec::new();
    for call in stage.world.calls().iter().filter(|call| changes(call)) {
        let count = seen.entry((call.service.clone(), call.operation.clone())).or_default();
        effects.push(EffectCall { service: call.service.clone(), operation: call.operation.clone(), earlier: *count });
        *count += 1;
    }
    // Edits of the comment are as many as time allows; two of them are enough to be killed at.
    effects.retain(|effect| !effect.operation.starts_with("PATCH") || effect.earlier < 2);
    effects
}

/// Kills the bot twice when it makes this call, and demands the same end as without.
async fn killed_at(effect: &EffectCall, kind: FaultKind, database: Database) {
    let mut stage = Stage::with_bot(database).await;
    if database == Database::Postgres {
        stage.start();
    }
    let pull = stage.pull("Say hello");
    let image = stage.image(&pull.sha, Some(&pull.sha));
    stage.world.forget_calls();
    let fault = Fault::on(&effect.service, &effect.operation, kind.clone()).after(effect.earlier).times(2);
    stage.world.fault(fault);
    let made = |stage: &Stage| {
        let calls = stage.world.calls_of(&effect.service, &effect.operation).len();
        u32::try_from(calls).unwrap().saturating_sub(effect.earlier)
    };
    stage.says("dev", pull.number, "/deploy staging");
    for time in 1..=2 {
        // After a crash the same effect may have nothing left to do: then there is no second call.
        let reached = stage.until("the call, or the end", || {
            let over = stage.answers(pull.number).iter().any(|comment| comment.body.contains("serves after"));
            if made(&stage) >= time { Some(true) } else { over.then_some(false) }
        });
        if !reached {
            break;
        }
        // Nobody knows which replica it was: all die, and as many start.
        let running: Vec<usize> = (0..stage.bots.len()).filter(|index| stage.bots[*index].is_some()).collect();
        for index in &running {
            stage.kill(*index);
        }
        for _ in &running {
            stage.start();
        }
    }
    stage.answer(pull.number, "serves after");
    stage.assert_serves("api-staging", &image);
    let about = format!("killed at {effect:?} ({kind:?})\n{}", stage.everything());
    assert_eq!(stage.answers(pull.number).len(), 1, "one comment; {about}");
    let deployments = stage.until("the end is told", || {
        let states = stage.states("staging");
        states.last()?.last().filter(|state| *state == "success").map(|_| states.clone())
    });
    assert_eq!(deployments.len(), 1, "one Deployment; {about}");
    let updates = stage.world.calls_of("ecs", "UpdateService");
    let hung = |call: &&Call| call.status.is_none() && matches!(kind, FaultKind::Hang { .. });
    assert_eq!(updates.iter().filter(|call| !hung(call)).count(), 1, "one UpdateService; {about}");
}

async fn killed_at_every_effect(database: Database) {
    let effects = effects().await;
    assert!(effects.len() >= 7, "{effects:#?}");
    for effect in &effects {
        // Before it happens, and after it happened but before the answer came.
        for kind in [FaultKind::Hang { ms: 120_000 }, FaultKind::Delay { ms: 120_000 }] {
            killed_at(effect, kind, database).await;
        }
    }
}

#[tokio::test]
async fn on_sqlite_a_killed_bot_goes_on_at_every_effect() {
    killed_at_every_effect(Database::Sqlite).await;
}

#[tokio::test]
async fn on_postgresql_two_killed_replicas_go_on_at_every_effect() {
    killed_at_every_effect(Database::Postgres).await;
}
