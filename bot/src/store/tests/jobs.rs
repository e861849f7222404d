//! Gates of jobs: what they remember changes while they wait, and one end wins.

use super::*;
use crate::types::{GateId, RunId};

contract!(
    what_a_job_remembers_changes_and_what_people_said_stays,
    the_policy_ends_a_job_whatever_people_said_but_not_after_its_end,
    a_job_is_due_until_it_was_answered,
);

fn new_gate(deployment: Option<u64>) -> NewGate {
    NewGate {
        name: GateName::Run { run: RunId::new(7), environment: "production".parse().unwrap(), deployment },
        repository: repository(1),
        key: key("production"),
        hash: "3f9a1c00".to_owned(),
        commit: Some(sha(1)),
        issue: Some(3),
        requester: Some(actor(1)),
        need: 1,
        expires: at(60_000),
        facts: json!({}),
    }
}

async fn yes(store: &Store, id: GateId) -> Decided {
    let new = NewApproval {
        actor: actor(2),
        decision: Decision::Approve,
        via: Via::Comment,
        reason: None,
        token: "comment/1".to_owned(),
    };
    store.decide(id, "3f9a1c00", &new, 1, new_audit(""), at(3)).await.unwrap()
}

async fn actions(store: &Store) -> Vec<String> {
    store.audit_after(0, 1_000).await.unwrap().into_iter().map(|entry| entry.entry.action).collect()
}

async fn what_a_job_remembers_changes_and_what_people_said_stays(home: Arc<Home>) {
    let store = home.open().await;
    let gate = store.open_rule_gate(&new_gate(Some(1)), at(1)).await.unwrap();
    let other = store.open_rule_gate(&new_gate(Some(2)), at(1)).await.unwrap();
    assert_ne!(gate.id, other.id, "the same run started again is another job");
    assert_eq!(yes(&store, gate.id).await, Decided::Approved);
    let entry = NewAudit { action: "job".to_owned(), ..new_audit("gate/1/held/frozen") };
    for _ in 0..2 {
        store.note_job(gate.id, 2, &json!({"people": ["@ann"]}), Some(&entry), at(4)).await.unwrap();
    }
    let now = store.gate(gate.id).await.unwrap().unwrap();
    assert_eq!((now.state, now.have(), now.asked.need), (GateState::Approved, 1, 2));
    assert_eq!(now.asked.facts, json!({"people": ["@ann"]}));
    let told = actions(&store).await;
    assert_eq!(told.iter().filter(|action| *action == "job").count(), 1, "{told:?}");
}

async fn the_policy_ends_a_job_whatever_people_said_but_not_after_its_end(home: Arc<Home>) {
    let store = home.open().await;
    let gate = store.open_rule_gate(&new_gate(None), at(1)).await.unwrap();
    yes(&store, gate.id).await;
    let entry = NewAudit { action: "job".to_owned(), ..new_audit("gate/1/refused/locked") };
    let facts = json!({"refused": "why"});
    assert!(store.end_job(gate.id, GateState::Void, &facts, &entry, at(5)).await.unwrap());
    let now = store.gate(gate.id).await.unwrap().unwrap();
    assert_eq!((now.state, &now.asked.facts, now.decided), (GateState::Void, &facts, Some(at(5))));
    assert!(!store.end_job(gate.id, GateState::Approved, &json!({}), &entry, at(6)).await.unwrap());
    assert_eq!(store.gate(gate.id).await.unwrap().unwrap().asked.facts, facts);
    assert_eq!(yes(&store, GateId::new(4_711)).await, Decided::Unknown);
}

async fn a_job_is_due_until_it_was_answered(home: Arc<Home>) {
    let store = home.open().await;
    let gate = store.open_rule_gate(&new_gate(None), at(1)).await.unwrap();
    let claimed = store.claim_rule_gate(at(1), at(100)).await.unwrap().unwrap();
    assert_eq!(claimed.id, gate.id);
    assert!(store.claim_rule_gate(at(2), at(100)).await.unwrap().is_none(), "somebody looks at it");
    // An answer that comes during a look makes it due again, whatever the look wants.
    yes(&store, gate.id).await;
    store.release_rule_gate(gate.id, at(100), Some(at(50_000)), at(4)).await.unwrap();
    let again = store.claim_rule_gate(at(4), at(200)).await.unwrap().unwrap();
    assert_eq!((again.id, again.state), (gate.id, GateState::Approved));
    store.release_rule_gate(gate.id, at(200), None, at(5)).await.unwrap();
    assert!(store.claim_rule_gate(at(90_000), at(100_000)).await.unwrap().is_none());
}
