use std::collections::BTreeMap;

use super::*;

contract! {
    closing_writes_everything_at_once,
    closing_that_fails_in_the_middle_leaves_everything_as_it_was,
    a_failed_deployment_is_not_in_the_ledger,
    the_ledger_is_told_newest_first_with_the_commit_where_it_is_known,
    the_lock_after_a_rollback_does_not_take_away_somebody_elses,
    a_lock_is_one_persons_until_it_ends,
    people_who_race_for_a_lock_are_told_who_has_it,
    a_place_belongs_to_the_first_repository,
    repositories_that_race_for_places_never_share_them,
    environments_are_those_of_deployments_and_locks,
}

async fn start(store: &Store, new: &NewDeployment, now: i64) -> EnvironmentLease {
    next(store.enqueue(new, QueueRule::One, at(now)).await.unwrap());
    store.claim_deployment(&WorkerId::new(), at(now), at(now + 1_000)).await.unwrap().unwrap().1
}

fn serves(id: &str) -> BTreeMap<shipline::types::ServiceName, Revision> {
    BTreeMap::from([("api".parse().unwrap(), revision(id))])
}

fn lock(holder: u64, reason: &str, since: i64, until: Option<i64>) -> Lock {
    let (since, until) = (at(since), until.map(at));
    Lock { key: key("staging"), holder: actor(holder), reason: reason.to_owned(), since, until }
}

async fn closing_writes_everything_at_once(home: Arc<Home>) {
    let store = home.open().await;
    let staging = key("staging");
    let lease = start(&store, &deploy(&staging, 1, 1), 0).await;
    let mut state = building(70);
    state.report = Some(CommentId::new(900));
    state.before.push((at(1), "image found".to_owned()));
    let closed = Closed { serves: Some(serves("api:2")), ..closed("deploy/1", "succeeded") };
    store.close(&lease, &state, &closed, at(5)).await.unwrap();
    let over = store.deployment(lease.deployment()).await.unwrap().unwrap();
    assert_eq!((over.outcome.as_deref(), over.ended), (Some("succeeded"), Some(at(5))));
    assert_eq!(over.state, State { stage: Stage::Over, ..state }, "over, whatever the caller's stage was");
    assert_eq!(store.open_deployments(&staging).await.unwrap(), []);
    let good = store.good(&staging, 5).await.unwrap();
    let expected = Good { id: over.id, commit: Some(sha(1)), serves: serves("api:2"), actor: actor(1), since: at(5) };
    assert_eq!(good, [expected]);
    let audit = store.audit_after(0, 10).await.unwrap();
    assert_eq!(audit.iter().map(|entry| &entry.entry).collect::<Vec<_>>(), [&closed.audit]);
    assert_eq!(store.wake_run(RunId::new(70), at(6)).await.unwrap(), 0);
    assert_eq!(store.claim_deployment(&WorkerId::new(), at(9_000), at(9_001)).await.unwrap(), None);
}

async fn closing_that_fails_in_the_middle_leaves_everything_as_it_was(home: Arc<Home>) {
    let store = home.open().await;
    let staging = key("staging");
    let lease = start(&store, &deploy(&staging, 1, 1), 0).await;
    let before = store.deployment(lease.deployment()).await.unwrap();
    let closed = Closed { serves: Some(serves("x")), ..closed("deploy/1", "succeeded") };
    // The last thing that closing does is what fails.
    home.raw("ALTER TABLE audit RENAME TO elsewhere").await.unwrap();
    let error = store.close(&lease, &State::fresh(), &closed, at(5)).await.unwrap_err();
    assert!(matches!(error, StoreFailed::Database(_)), "{error}");
    assert_eq!(store.deployment(lease.deployment()).await.unwrap(), before);
    assert_eq!(store.good(&staging, 5).await.unwrap(), []);
    home.raw("ALTER TABLE elsewhere RENAME TO audit").await.unwrap();
    // The lease still holds: it can be tried again.
    store.close(&lease, &State::fresh(), &closed, at(6)).await.unwrap();
    assert_eq!(store.good(&staging, 5).await.unwrap().len(), 1);
}

async fn a_failed_deployment_is_not_in_the_ledger(home: Arc<Home>) {
    let store = home.open().await;
    let lease = start(&store, &deploy(&key("staging"), 1, 1), 0).await;
    store.close(&lease, &State::fresh(), &closed("x", "rolled-back"), at(1)).await.unwrap();
    assert_eq!(store.good(&key("staging"), 5).await.unwrap(), []);
    assert_eq!(store.history(&key("staging"), 5).await.unwrap()[0].outcome.as_deref(), Some("rolled-back"));
}

async fn the_ledger_is_told_newest_first_with_the_commit_where_it_is_known(home: Arc<Home>) {
    let store = home.open().await;
    let staging = key("staging");
    let known = State { commit: Some(sha(0xc)), ..State::fresh() };
    let all = [
        (deploy(&staging, 0xa, 1), State::fresh(), Some(sha(0xa))),
        (rollback(&staging, 2), State::fresh(), None),
        (rollback(&staging, 3), known, Some(sha(0xc))),
        (deploy(&key("production"), 0xf, 4), State::fresh(), Some(sha(0xf))),
    ];
    for (index, (new, state, _)) in all.iter().enumerate() {
        let now = i64::try_from(index).unwrap() * 10;
        let lease = start(&store, new, now).await;
        let closed =
            Closed { serves: Some(serves(&format!("api:{index}"))), ..closed(&format!("{index}"), "succeeded") };
        store.close(&lease, state, &closed, at(now + 1)).await.unwrap();
    }
    let good = store.good(&staging, 10).await.unwrap();
    assert_eq!(good.iter().map(|one| one.commit).collect::<Vec<_>>(), [all[2].2, all[1].2, all[0].2]);
    assert_eq!(good.iter().map(|one| one.since).collect::<Vec<_>>(), [at(21), at(11), at(1)]);
    assert_eq!(good[0].serves, serves("api:2"));
    assert_eq!(store.good(&staging, 1).await.unwrap(), good[..1]);
}

async fn the_lock_after_a_rollback_does_not_take_away_somebody_elses(home: Arc<Home>) {
    let store = home.open().await;
    let staging = key("staging");
    let theirs = lock(7, "investigating", 0, Some(10_000));
    store.lock(&theirs, at(0)).await.unwrap();
    let lease = start(&store, &rollback(&staging, 1), 0).await;
    let mine = lock(1, "rolled back", 5, None);
    assert_eq!(store.lock_under(&lease, &mine, at(5)).await.unwrap(), LockAnswer::HeldBy(theirs.clone()));
    assert_eq!(store.lock_of(&staging, at(6)).await.unwrap(), Some(theirs));
    store.close(&lease, &State::fresh(), &closed("x", "succeeded"), at(6)).await.unwrap();
    // One of theirs that has run out does not count.
    let lease = start(&store, &rollback(&staging, 2), 10_000).await;
    let mine = lock(1, "rolled back", 10_001, None);
    assert_eq!(store.lock_under(&lease, &mine, at(10_001)).await.unwrap(), LockAnswer::Locked);
    // Whoever goes on after a crash locks once more, and the first time stays.
    let again = lock(1, "rolled back", 10_002, None);
    assert_eq!(store.lock_under(&lease, &again, at(10_002)).await.unwrap(), LockAnswer::Renewed);
    assert_eq!(store.lock_of(&staging, at(10_003)).await.unwrap(), Some(mine));
    // Whoever has lost the deployment locks nothing, when people have unlocked meanwhile.
    store.close(&lease, &State::fresh(), &closed("y", "succeeded"), at(10_003)).await.unwrap();
    store.unlock(&staging, at(10_004)).await.unwrap();
    let late = store.lock_under(&lease, &again, at(10_005)).await;
    assert!(matches!(late, Err(StoreFailed::LeaseLost(_))), "{late:?}");
    assert_eq!(store.lock_of(&staging, at(10_006)).await.unwrap(), None);
}

async fn a_lock_is_one_persons_until_it_ends(home: Arc<Home>) {
    let store = home.open().await;
    let staging = key("staging");
    assert_eq!(store.lock_of(&staging, at(0)).await.unwrap(), None);
    assert_eq!(store.unlock(&staging, at(0)).await.unwrap(), None);
    let first = lock(1, "release day", 0, Some(100));
    assert_eq!(store.lock(&first, at(0)).await.unwrap(), LockAnswer::Locked);
    assert_eq!(store.lock(&lock(2, "me too", 1, None), at(1)).await.unwrap(), LockAnswer::HeldBy(first.clone()));
    assert_eq!(store.lock_of(&staging, at(99)).await.unwrap(), Some(first));
    // Its holder may change why and until when, not since when; even under a new login.
    let mut longer = lock(1, "longer", 50, Some(200));
    longer.holder.login = "renamed".to_owned();
    assert_eq!(store.lock(&longer, at(50)).await.unwrap(), LockAnswer::Renewed);
    longer.since = at(0);
    assert_eq!(store.lock_of(&staging, at(199)).await.unwrap(), Some(longer));
    assert_eq!(store.lock_of(&staging, at(200)).await.unwrap(), None, "it has ended");
    assert_eq!(store.unlock(&staging, at(200)).await.unwrap(), None);
    let second = lock(2, "", 200, None);
    assert_eq!(store.lock(&second, at(200)).await.unwrap(), LockAnswer::Locked);
    assert_eq!(store.lock_of(&key("production"), at(200)).await.unwrap(), None);
    assert_eq!(store.unlock(&staging, at(201)).await.unwrap(), Some(second));
    assert_eq!(store.lock_of(&staging, at(201)).await.unwrap(), None);
}

async fn people_who_race_for_a_lock_are_told_who_has_it(home: Arc<Home>) {
    let replicas = [home.open().await, home.open().await];
    let tasks = (0..16_u64).map(|n| {
        let store = replicas[usize::try_from(n % 2).unwrap()].clone();
        tokio::spawn(async move { store.lock(&lock(n, "mine", 0, None), at(0)).await.unwrap() })
    });
    let mut answers = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        answers.push(task.await.unwrap());
    }
    let held = replicas[0].lock_of(&key("staging"), at(1)).await.unwrap().unwrap();
    assert_eq!(answers.iter().filter(|answer| **answer == LockAnswer::Locked).count(), 1);
    assert_eq!(answers.iter().filter(|answer| **answer == LockAnswer::HeldBy(held.clone())).count(), 15);
}

fn places(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("ecs/us-east-1/111122223333/main/{name}")).collect()
}

async fn a_place_belongs_to_the_first_repository(home: Arc<Home>) {
    let store = home.open().await;
    let (one, two) = (RepositoryId::new(1), RepositoryId::new(2));
    assert_eq!(store.claim_places(one, &places(&["api", "web", "api"]), at(0)).await.unwrap(), []);
    assert_eq!(store.claim_places(one, &places(&["web", "worker"]), at(1)).await.unwrap(), []);
    assert_eq!(store.claim_places(one, &[], at(1)).await.unwrap(), []);
    let taken = store.claim_places(two, &places(&["worker", "free", "api"]), at(2)).await.unwrap();
    let expected: Vec<_> =
        places(&["api", "worker"]).into_iter().map(|place| Taken { place, repository: one }).collect();
    assert_eq!(taken, expected);
    // Nothing of the refused wish was claimed.
    assert_eq!(store.claim_places(one, &places(&["free"]), at(3)).await.unwrap(), []);
}

async fn repositories_that_race_for_places_never_share_them(home: Arc<Home>) {
    let replicas = [home.open().await, home.open().await];
    let tasks = (1..=12_u64).map(|n| {
        let store = replicas[usize::try_from(n % 2).unwrap()].clone();
        let mut wanted = places(&["a", "b", "c"]);
        if n % 3 == 0 {
            wanted.reverse();
        }
        tokio::spawn(async move { (n, store.claim_places(RepositoryId::new(n), &wanted, at(0)).await.unwrap()) })
    });
    let mut all = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        all.push(task.await.unwrap());
    }
    let winners: Vec<u64> = all.iter().filter(|(_, taken)| taken.is_empty()).map(|(n, _)| *n).collect();
    assert_eq!(winners.len(), 1, "{all:?}");
    let of_winner = |taken: &Taken| taken.repository == RepositoryId::new(winners[0]);
    assert!(all.iter().all(|(_, taken)| taken.iter().all(of_winner) && (taken.len() == 3 || taken.is_empty())));
}

async fn environments_are_those_of_deployments_and_locks(home: Arc<Home>) {
    let store = home.open().await;
    assert_eq!(store.environments(RepositoryId::new(1)).await.unwrap(), []);
    store.lock(&lock(1, "", 0, None), at(0)).await.unwrap();
    start(&store, &deploy(&key("staging"), 1, 1), 0).await;
    start(&store, &deploy(&key("production"), 1, 2), 0).await;
    let elsewhere = EnvironmentKey { repository: RepositoryId::new(2), ..key("other") };
    start(&store, &deploy(&elsewhere, 1, 3), 0).await;
    assert_eq!(store.environments(RepositoryId::new(1)).await.unwrap(), [key("production"), key("staging")]);
    assert_eq!(store.environments(RepositoryId::new(2)).await.unwrap(), [elsewhere]);
}
