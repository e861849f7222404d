use super::*;

contract! {
    only_the_oldest_due_deployment_of_a_free_environment_is_claimed,
    the_one_that_is_due_for_longest_goes_first,
    a_lease_that_ran_out_lets_nothing_be_written,
    a_lease_that_another_has_lets_nothing_be_written,
    the_fence_only_grows,
    a_renewed_lease_holds_longer,
    workers_that_race_never_share_an_environment,
    a_journal_takes_the_next_entry_only,
    a_killed_workers_rollout_is_continued_by_another,
    a_deployment_that_cannot_be_read_holds_up_no_other_environment,
}

async fn claim(store: &Store, now: i64) -> Option<(Deployment, EnvironmentLease)> {
    store.claim_deployment(&WorkerId::new(), at(now), at(now + 1_000)).await.unwrap()
}

async fn add(store: &Store, environment: &str, comment: u64, now: i64) -> DeploymentId {
    match store.enqueue(&deploy(&key(environment), comment, comment), QueueRule::One, at(now)).await.unwrap() {
        Enqueued::Next(id) | Enqueued::Behind { id, .. } => id,
        other => panic!("{other:?}"),
    }
}

/// Every write that a lease guards must refuse, and change nothing.
async fn assert_powerless(store: &Store, lease: &EnvironmentLease, now: i64) {
    let before = store.deployment(lease.deployment()).await.unwrap();
    let entries = store.entries(lease.deployment()).await.unwrap();
    let mut state = State::fresh();
    state.notices.push("written without the right to".to_owned());
    assert_lost(&store.renew(lease, at(now), at(now + 1_000)).await);
    assert_lost(&store.save(lease, &state, at(now)).await);
    assert_lost(&store.release(lease, &state, at(now), at(now)).await);
    assert_lost(&store.close(lease, &state, &closed("stolen", "succeeded"), at(now)).await);
    assert_lost(&store.append_entry(lease, &entry(entries.len() as u64, now)).await);
    assert_eq!(store.deployment(lease.deployment()).await.unwrap(), before);
    assert_eq!(store.entries(lease.deployment()).await.unwrap(), entries);
    assert!(store.audit_after(0, 10).await.unwrap().iter().all(|entry| entry.entry.key != "stolen"));
}

async fn only_the_oldest_due_deployment_of_a_free_environment_is_claimed(home: Arc<Home>) {
    let store = home.open().await;
    assert!(claim(&store, 0).await.is_none());
    let first = add(&store, "staging", 1, 10).await;
    let second = add(&store, "staging", 2, 20).await;
    assert!(claim(&store, 9).await.is_none(), "not due yet");
    let (deployment, lease) = claim(&store, 30).await.unwrap();
    assert_eq!((deployment.id, lease.deployment(), lease.key()), (first, first, &key("staging")));
    assert!(claim(&store, 31).await.is_none(), "the second waits for the first");
    let mut state = State::fresh();
    state.notices.push("waits".to_owned());
    store.release(&lease, &state, at(500), at(40)).await.unwrap();
    assert!(claim(&store, 499).await.is_none(), "the first sleeps, and the second still waits for it");
    let (deployment, lease) = claim(&store, 500).await.unwrap();
    assert_eq!((deployment.id, deployment.state), (first, state.clone()));
    store.close(&lease, &state, &closed("x", "failed"), at(501)).await.unwrap();
    assert_eq!(claim(&store, 501).await.unwrap().0.id, second, "at once");
}

async fn the_one_that_is_due_for_longest_goes_first(home: Arc<Home>) {
    let store = home.open().await;
    let late = add(&store, "late", 1, 30).await;
    let early = add(&store, "early", 2, 10).await;
    assert_eq!(claim(&store, 40).await.unwrap().0.id, early);
    assert_eq!(claim(&store, 40).await.unwrap().0.id, late);
}

async fn a_lease_that_ran_out_lets_nothing_be_written(home: Arc<Home>) {
    let store = home.open().await;
    add(&store, "staging", 1, 0).await;
    let (_, lease) = claim(&store, 0).await.unwrap();
    store.append_entry(&lease, &entry(0, 999)).await.unwrap();
    store.save(&lease, &building(5), at(999)).await.unwrap();
    assert_powerless(&store, &lease, 1_000).await;
    // It stays lost, even for a worker whose clock is behind, once another has it…
    let (_, other) = claim(&store, 1_000).await.unwrap();
    assert_powerless(&store, &lease, 500).await;
    // …and the other one is not disturbed.
    store.save(&other, &State::fresh(), at(1_001)).await.unwrap();
}

async fn a_lease_that_another_has_lets_nothing_be_written(home: Arc<Home>) {
    let store = home.open().await;
    add(&store, "staging", 1, 0).await;
    let worker = WorkerId::new();
    let (_, old) = store.claim_deployment(&worker, at(0), at(100)).await.unwrap().unwrap();
    // The same worker twice is two different leases.
    let (_, new) = store.claim_deployment(&worker, at(100), at(200)).await.unwrap().unwrap();
    assert_powerless(&store, &old, 150).await;
    // Neither a guessed name nor a guessed number is enough.
    for forged in [
        EnvironmentLease { worker: WorkerId::new(), key: new.key.clone(), ..new },
        EnvironmentLease { fence: new.fence + 1, key: new.key.clone(), worker: worker.clone(), ..new },
        EnvironmentLease { key: key("production"), worker: worker.clone(), ..new },
    ] {
        assert_powerless(&store, &forged, 150).await;
    }
    store.release(&new, &State::fresh(), at(900), at(150)).await.unwrap();
    assert_powerless(&store, &new, 151).await;
    let (_, last) = store.claim_deployment(&worker, at(900), at(1_000)).await.unwrap().unwrap();
    store.close(&last, &State::fresh(), &closed("x", "failed"), at(901)).await.unwrap();
    assert_powerless(&store, &last, 902).await;
}

async fn the_fence_only_grows(home: Arc<Home>) {
    let store = home.open().await;
    let mut highest = 0;
    for round in 0..6_u64 {
        let now = i64::try_from(round).unwrap() * 10_000;
        add(&store, "staging", round, now).await;
        let (_, lost) = claim(&store, now).await.unwrap();
        let (_, lease) = claim(&store, now + 1_000).await.unwrap();
        assert!(highest < lost.fence() && lost.fence() < lease.fence());
        highest = lease.fence();
        store.close(&lease, &State::fresh(), &closed(&format!("{round}"), "failed"), at(now + 1_001)).await.unwrap();
    }
    drop(store);
    let store = home.open().await;
    add(&store, "staging", 100, 90_000).await;
    assert!(claim(&store, 90_000).await.unwrap().1.fence() > highest);
}

async fn a_renewed_lease_holds_longer(home: Arc<Home>) {
    let store = home.open().await;
    add(&store, "staging", 1, 0).await;
    let (_, lease) = claim(&store, 0).await.unwrap();
    store.renew(&lease, at(900), at(1_900)).await.unwrap();
    assert!(claim(&store, 1_899).await.is_none());
    store.save(&lease, &State::fresh(), at(1_899)).await.unwrap();
    assert_lost(&store.renew(&lease, at(1_900), at(2_900)).await);
}

async fn workers_that_race_never_share_an_environment(home: Arc<Home>) {
    let store = home.open().await;
    for n in 0..30 {
        add(&store, &format!("e{}", n % 15), n, 0).await;
    }
    let replicas = [home.open().await, home.open().await];
    let tasks = workers(8).into_iter().enumerate().map(|(index, worker)| {
        let store = replicas[index % 2].clone();
        tokio::spawn(async move {
            let mut mine = Vec::new();
            let mut idle = 0;
            while idle < 3 {
                match store.claim_deployment(&worker, at(1), at(1_000)).await.unwrap() {
                    Some((deployment, lease)) => {
                        assert_eq!(lease.fence(), 1, "nobody else had it");
                        store.append_entry(&lease, &entry(0, 2)).await.unwrap();
                        mine.push(deployment.asked.key);
                    }
                    None => idle += 1,
                }
            }
            mine
        })
    });
    let mut all = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        all.extend(task.await.unwrap());
    }
    all.sort();
    let mut expected: Vec<_> = (0..15).map(|n| key(&format!("e{n}"))).collect();
    expected.sort();
    assert_eq!(all, expected, "each environment once");
}

async fn a_journal_takes_the_next_entry_only(home: Arc<Home>) {
    let store = home.open().await;
    let id = add(&store, "staging", 1, 0).await;
    let (_, lease) = claim(&store, 0).await.unwrap();
    assert_eq!(store.last_entry(id).await.unwrap(), None);
    let error = store.append_entry(&lease, &entry(1, 1)).await.unwrap_err();
    assert!(error.to_string().contains("entry 1 of deployment"), "{error}");
    assert!(error.to_string().contains("where 0 is next"), "{error}");
    for n in 0..3 {
        store.append_entry(&lease, &entry(n, 1)).await.unwrap();
        store.append_entry(&lease, &entry(n, 1)).await.unwrap_err();
    }
    store.append_entry(&lease, &entry(4, 1)).await.unwrap_err();
    let expected: Vec<_> = (0..3).map(|n| entry(n, 1)).collect();
    assert_eq!(store.entries(id).await.unwrap(), expected);
    assert_eq!(store.last_entry(id).await.unwrap().as_ref(), expected.last());
}

async fn a_killed_workers_rollout_is_continued_by_another(home: Arc<Home>) {
    let store = home.open().await;
    let id = add(&store, "staging", 1, 0).await;
    let (_, lease) = claim(&store, 0).await.unwrap();
    store.save(&lease, &building(70), at(1)).await.unwrap();
    store.append_entry(&lease, &entry(0, 2)).await.unwrap();
    let mut hanging = store.begin().await.unwrap();
    store.guard(&mut hanging, &lease, at(3)).await.unwrap();
    sqlx::query("UPDATE deployments SET state = 'half'").execute(&mut *hanging).await.unwrap();
    drop((hanging, store));
    let store = home.open().await;
    assert!(claim(&store, 999).await.is_none(), "it may still live");
    let (deployment, lease) = claim(&store, 1_000).await.unwrap();
    assert_eq!((deployment.id, deployment.state), (id, building(70)));
    assert_eq!(store.entries(id).await.unwrap(), [entry(0, 2)]);
    store.append_entry(&lease, &entry(1, 1_001)).await.unwrap();
}

async fn a_deployment_that_cannot_be_read_holds_up_no_other_environment(home: Arc<Home>) {
    let store = home.open().await;
    let damaged = add(&store, "staging", 1, 0).await;
    let other = add(&store, "production", 2, 1).await;
    home.raw(&format!("UPDATE deployments SET state = '{{\"stage\":\"of-tomorrow\"}}' WHERE id = {damaged}"))
        .await
        .unwrap();
    assert_eq!(claim(&store, 2).await.unwrap().0.id, other);
    let error = store.claim_deployment(&WorkerId::new(), at(2), at(3)).await.unwrap_err();
    assert!(matches!(error, StoreFailed::Unreadable { what: "deployment", .. }), "{error}");
    assert!(store.deployment(damaged).await.is_err());
}
