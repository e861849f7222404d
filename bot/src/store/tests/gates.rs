//! Gates: opened once, decided once, whoever asks in the same moment.

use std::sync::Arc;

use futures_util::future::join_all;

use super::*;
use crate::types::GateId;

contract!(
    an_answer_counts_once_and_enough_of_them_approve,
    a_no_ends_it_whoever_said_yes_before,
    the_same_asking_twice_gets_the_same_answer,
    another_plan_a_late_answer_and_an_unknown_gate_are_told_apart,
    of_a_yes_a_no_and_the_end_in_one_moment_one_wins,
    an_answer_wakes_whoever_waits,
    a_gate_is_opened_once_and_another_plan_voids_it,
    a_withdrawn_yes_makes_it_wait_again,
    the_end_of_a_deployment_voids_what_waits,
    a_comment_before_the_question_is_known_to_be_older,
);

const HASH: &str = "3f9a1c00";

fn new_gate(deployment: DeploymentId, number: u32, hash: &str, need: u32) -> NewGate {
    NewGate {
        name: GateName::Deployment { deployment, kind: GateKind::Plan, number },
        repository: repository(1),
        key: key("production"),
        hash: hash.to_owned(),
        commit: Some(sha(1)),
        issue: Some(3),
        requester: Some(actor(1)),
        need,
        expires: at(60_000),
        facts: json!({}),
    }
}

fn word(who: u64, decision: Decision, token: &str) -> NewApproval {
    let reason = Some("because \u{0} ü".to_owned());
    NewApproval { actor: actor(who), decision, via: Via::Comment, reason, token: token.to_owned() }
}

/// A deployment that is held, with a gate that needs so many.
async fn open(store: &Store, need: u32) -> (EnvironmentLease, Gate) {
    let id = next(store.enqueue(&deploy(&key("production"), 1, 1), QueueRule::One, at(0)).await.unwrap());
    let (_, lease) = store.claim_deployment(&WorkerId::new(), at(1), at(100_000)).await.unwrap().unwrap();
    let gate = store.open_gate(&lease, &new_gate(id, 1, HASH, need), at(2)).await.unwrap();
    (lease, gate)
}

async fn decide(store: &Store, id: GateId, hash: &str, new: NewApproval, need: u32, moment: i64) -> Decided {
    store.decide(id, hash, &new, need, new_audit(""), at(moment)).await.unwrap()
}

async fn actions(store: &Store) -> Vec<String> {
    store.audit_after(0, 1_000).await.unwrap().into_iter().map(|entry| entry.entry.action).collect()
}

async fn an_answer_counts_once_and_enough_of_them_approve(home: Arc<Home>) {
    let store = home.open().await;
    let (_, gate) = open(&store, 2).await;
    let yes = |who, token| word(who, Decision::Approve, token);
    assert_eq!(decide(&store, gate.id, HASH, yes(2, "a"), 2, 10).await, Decided::Counted { have: 1, need: 2 });
    assert_eq!(decide(&store, gate.id, HASH, yes(2, "b"), 2, 11).await, Decided::Twice);
    assert_eq!(decide(&store, gate.id, HASH, yes(3, "c"), 2, 12).await, Decided::Approved);
    assert_eq!(decide(&store, gate.id, HASH, yes(4, "d"), 2, 13).await, Decided::NotWaiting(GateState::Approved));
    let gate = store.gate(gate.id).await.unwrap().unwrap();
    assert_eq!((gate.state, gate.have(), gate.decided), (GateState::Approved, 2, Some(at(12))));
    let who: Vec<u64> = gate.approvals.iter().map(|one| one.actor.id.get()).collect();
    assert_eq!(who, [2, 3]);
    assert_eq!(actions(&store).await, ["approval.created", "approval.decided", "approval.decided"]);
    assert_eq!(store.waiting_gates(RepositoryId::new(1)).await.unwrap(), []);
}

async fn a_no_ends_it_whoever_said_yes_before(home: Arc<Home>) {
    let store = home.open().await;
    let (_, gate) = open(&store, 2).await;
    decide(&store, gate.id, HASH, word(2, Decision::Approve, "a"), 2, 10).await;
    // The same person may think better of it.
    assert_eq!(decide(&store, gate.id, HASH, word(2, Decision::Reject, "b"), 2, 11).await, Decided::Rejected);
    let gate = store.gate(gate.id).await.unwrap().unwrap();
    assert_eq!((gate.state, gate.have()), (GateState::Rejected, 0));
    assert_eq!(gate.rejection().unwrap().reason.as_deref(), Some("because \u{fffd} ü"));
}

async fn the_same_asking_twice_gets_the_same_answer(home: Arc<Home>) {
    let store = home.open().await;
    let (_, gate) = open(&store, 2).await;
    let first = word(2, Decision::Approve, "comment/7/0");
    for moment in [10, 11] {
        let told = decide(&store, gate.id, HASH, first.clone(), 2, moment).await;
        assert_eq!(told, Decided::Counted { have: 1, need: 2 });
    }
    let found = store.gate_answered_by("comment/7/0").await.unwrap().unwrap();
    assert_eq!(found.id, gate.id);
    assert_eq!(store.gate_answered_by("comment/8/0").await.unwrap(), None);
    decide(&store, gate.id, HASH, word(3, Decision::Approve, "x"), 2, 12).await;
    assert_eq!(decide(&store, gate.id, HASH, first, 2, 13).await, Decided::Approved, "by what became of it since");
    assert_eq!(actions(&store).await.len(), 3);
}

async fn another_plan_a_late_answer_and_an_unknown_gate_are_told_apart(home: Arc<Home>) {
    let store = home.open().await;
    let (_, gate) = open(&store, 1).await;
    let yes = || word(2, Decision::Approve, "a");
    assert_eq!(decide(&store, gate.id, "0000", yes(), 1, 10).await, Decided::OtherPlan);
    assert_eq!(decide(&store, GateId::new(99), HASH, yes(), 1, 10).await, Decided::Unknown);
    assert_eq!(decide(&store, gate.id, HASH, yes(), 1, 60_000).await, Decided::NotWaiting(GateState::Expired));
    assert!(store.end_gate(gate.id, GateState::Expired, at(60_000)).await.unwrap());
    assert!(!store.end_gate(gate.id, GateState::Expired, at(60_001)).await.unwrap());
    assert_eq!(actions(&store).await, ["approval.created", "approval.expired"]);
}

async fn of_a_yes_a_no_and_the_end_in_one_moment_one_wins(home: Arc<Home>) {
    let store = home.open().await;
    let mut seen = std::collections::BTreeSet::new();
    let (lease, _) = open(&store, 1).await;
    for round in 2..14 {
        let gate = store.open_gate(&lease, &new_gate(lease.deployment(), round, HASH, 1), at(5)).await.unwrap();
        let (yes, no) = (word(2, Decision::Approve, "y"), word(3, Decision::Reject, "n"));
        let answer = |new: NewApproval| {
            let store = store.clone();
            async move { decide(&store, gate.id, HASH, new, 1, 10).await }
        };
        let end = async { store.end_gate(gate.id, GateState::Void, at(10)).await.unwrap() };
        let (yes, no, end) = tokio::join!(tokio::spawn(answer(yes)), tokio::spawn(answer(no)), end);
        let wins = [yes.unwrap() == Decided::Approved, no.unwrap() == Decided::Rejected, end];
        assert_eq!(wins.iter().filter(|won| **won).count(), 1, "{wins:?}");
        let state = store.gate(gate.id).await.unwrap().unwrap().state;
        let expected = [GateState::Approved, GateState::Rejected, GateState::Void];
        assert_eq!(state, expected[wins.iter().position(|won| *won).unwrap()]);
        seen.insert(state.word());
    }
    println!("winners: {seen:?}");
    // Many at once who are all needed: each counts once.
    let gate = store.open_gate(&lease, &new_gate(lease.deployment(), 20, HASH, 8), at(20)).await.unwrap();
    let all = join_all((10..18).map(|who| {
        let store = store.clone();
        async move { decide(&store, gate.id, HASH, word(who, Decision::Approve, "t"), 8, 21).await }
    }))
    .await;
    assert_eq!(all.iter().filter(|decided| **decided == Decided::Approved).count(), 1, "{all:?}");
}

async fn an_answer_wakes_whoever_waits(home: Arc<Home>) {
    let store = home.open().await;
    let (lease, gate) = open(&store, 2).await;
    store.release(&lease, &State::fresh(), at(50_000), at(3)).await.unwrap();
    let worker = WorkerId::new();
    assert!(store.claim_deployment(&worker, at(10), at(20)).await.unwrap().is_none());
    decide(&store, gate.id, HASH, word(2, Decision::Approve, "a"), 2, 11).await;
    assert!(store.claim_deployment(&worker, at(12), at(100_000)).await.unwrap().is_some());
    assert_eq!(store.wake_gates(RepositoryId::new(1), GatesOf::Issue(4), at(13)).await.unwrap(), 0);
    assert_eq!(store.wake_gates(RepositoryId::new(1), GatesOf::Issue(3), at(13)).await.unwrap(), 1);
    let environment = "production".parse().unwrap();
    let about = GatesOf::Environment(&environment);
    assert_eq!(store.wake_gates(RepositoryId::new(1), about, at(13)).await.unwrap(), 1);
}

async fn a_gate_is_opened_once_and_another_plan_voids_it(home: Arc<Home>) {
    let store = home.open().await;
    let (lease, first) = open(&store, 1).await;
    let again = store.open_gate(&lease, &new_gate(lease.deployment(), 1, HASH, 1), at(3)).await.unwrap();
    assert_eq!((again.id, again.opened), (first.id, first.opened));
    let other = store.open_gate(&lease, &new_gate(lease.deployment(), 2, "77", 1), at(4)).await.unwrap();
    assert_eq!(store.gate(first.id).await.unwrap().unwrap().state, GateState::Void);
    assert_eq!(store.gate_named(&other.asked.name).await.unwrap().unwrap(), other);
    let all = store.gates_of(lease.deployment()).await.unwrap();
    assert_eq!(all.iter().map(|gate| gate.id).collect::<Vec<_>>(), [first.id, other.id]);
    assert_eq!(actions(&store).await, ["approval.created", "approval.voided", "approval.created"]);
    // Whoever has lost the lease opens nothing.
    let lost = store.open_gate(&lease, &new_gate(lease.deployment(), 3, "88", 1), at(100_001)).await;
    assert!(matches!(lost, Err(StoreFailed::LeaseLost(_))), "{lost:?}");
}

async fn a_withdrawn_yes_makes_it_wait_again(home: Arc<Home>) {
    let store = home.open().await;
    let (_, gate) = open(&store, 2).await;
    for (who, token) in [(2, "a"), (3, "b")] {
        decide(&store, gate.id, HASH, word(who, Decision::Approve, token), 2, 10).await;
    }
    let gone = [(actor(2), "no member any more".to_owned())];
    let left = store.withdraw(gate.id, &gone, 2, at(11)).await.unwrap().unwrap();
    assert_eq!((left.state, left.have(), left.decided), (GateState::Waiting, 1, None));
    let back = word(2, Decision::Approve, "c");
    assert_eq!(decide(&store, gate.id, HASH, back, 2, 12).await, Decided::Approved);
    assert!(actions(&store).await.contains(&"approval.withdrawn".to_owned()));
}

async fn the_end_of_a_deployment_voids_what_waits(home: Arc<Home>) {
    let store = home.open().await;
    let (lease, gate) = open(&store, 1).await;
    store.close(&lease, &State::fresh(), &closed("end", "cancelled"), at(5)).await.unwrap();
    assert_eq!(store.gate(gate.id).await.unwrap().unwrap().state, GateState::Void);
    let late = decide(&store, gate.id, HASH, word(2, Decision::Approve, "a"), 1, 6).await;
    assert_eq!(late, Decided::NotWaiting(GateState::Void));
    assert_eq!(actions(&store).await, ["approval.created", "approval.voided", "deploy"]);
}

async fn a_comment_before_the_question_is_known_to_be_older(home: Arc<Home>) {
    let store = home.open().await;
    store.accept(&[comment("one", 3, 70)], at(0)).await.unwrap();
    let (_, gate) = open(&store, 1).await;
    store.accept(&[comment("two", 4, 71)], at(3)).await.unwrap();
    let claimed = store.claim_deliveries(&WorkerId::new(), at(4), at(100), 2).await.unwrap();
    let before: Vec<bool> = claimed.iter().map(|claimed| claimed.sequence <= gate.sequence).collect();
    assert_eq!(before, [true, false]);
}
