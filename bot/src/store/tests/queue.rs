use super::*;

contract! {
    the_same_command_is_one_deployment,
    the_same_command_in_the_same_moment_is_one_deployment,
    two_people_in_the_same_millisecond_get_different_answers,
    with_refuse_exactly_one_of_many_is_let_in,
    the_same_release_on_its_way_is_not_queued_twice,
    the_newest_waiting_one_replaces_the_older_but_never_the_one_whose_turn_it_is,
    a_waiting_rollback_is_not_replaced_by_a_deployment,
    a_rollback_overtakes_whatever_is_open,
    a_wish_to_cancel_keeps_the_first_name_and_wakes_the_deployment,
    a_wish_to_cancel_during_the_work_is_not_slept_over,
    the_end_of_a_run_wakes_who_waits_for_it,
    history_and_open_ones_are_told_in_order,
}

async fn claim(store: &Store, now: i64) -> Option<(Deployment, EnvironmentLease)> {
    store.claim_deployment(&WorkerId::new(), at(now), at(now + 1_000)).await.unwrap()
}

async fn open_ids(store: &Store, key: &EnvironmentKey) -> Vec<DeploymentId> {
    store.open_deployments(key).await.unwrap().iter().map(|deployment| deployment.id).collect()
}

async fn the_same_command_is_one_deployment(home: Arc<Home>) {
    let store = home.open().await;
    let new = deploy(&key("staging"), 1, 1);
    let id = next(store.enqueue(&new, QueueRule::One, at(0)).await.unwrap());
    for rule in [QueueRule::One, QueueRule::Refuse, QueueRule::Overtake] {
        assert_eq!(store.enqueue(&new, rule, at(1)).await.unwrap(), Enqueued::Known(id));
    }
    let stored = store.deployment(id).await.unwrap().unwrap();
    assert_eq!(stored.asked, new.asked, "everything that was asked comes back");
    assert_eq!((stored.state, stored.created, stored.cancel), (State::fresh(), at(0), None));
    // Over or not: a delivery that comes again an hour later is still the same command.
    let (_, lease) = claim(&store, 1).await.unwrap();
    store.close(&lease, &State::fresh(), &closed("x", "succeeded"), at(2)).await.unwrap();
    assert_eq!(store.enqueue(&new, QueueRule::One, at(3_600_000)).await.unwrap(), Enqueued::Known(id));
    // The second command of that comment is another one.
    let mut second = new.clone();
    second.asked.command = 1;
    assert!(matches!(store.enqueue(&second, QueueRule::One, at(4)).await.unwrap(), Enqueued::Next(_)));
    assert_eq!(store.deployment(DeploymentId::new(9_999)).await.unwrap(), None);
}

async fn race(home: &Home, all: Vec<NewDeployment>, rule: QueueRule) -> Vec<Enqueued> {
    let replicas = [home.open().await, home.open().await];
    let tasks = all.into_iter().enumerate().map(|(index, new)| {
        let store = replicas[index % 2].clone();
        tokio::spawn(async move { store.enqueue(&new, rule, at(0)).await.unwrap() })
    });
    let mut answers = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        answers.push(task.await.unwrap());
    }
    answers
}

fn count(answers: &[Enqueued], what: fn(&Enqueued) -> bool) -> usize {
    answers.iter().filter(|answer| what(answer)).count()
}

async fn the_same_command_in_the_same_moment_is_one_deployment(home: Arc<Home>) {
    // Even if one replica has read another environment out of it.
    let all = (0..16).map(|n| deploy(&key(if n % 4 == 0 { "production" } else { "staging" }), 1, 1)).collect();
    let answers = race(&home, all, QueueRule::One).await;
    assert_eq!(count(&answers, |answer| matches!(answer, Enqueued::Next(_))), 1, "{answers:?}");
    assert_eq!(count(&answers, |answer| matches!(answer, Enqueued::Known(_))), 15, "{answers:?}");
}

async fn two_people_in_the_same_millisecond_get_different_answers(home: Arc<Home>) {
    let staging = key("staging");
    let answers = race(&home, (1..=20).map(|n| deploy(&staging, n, n)).collect(), QueueRule::One).await;
    assert_eq!(count(&answers, |answer| matches!(answer, Enqueued::Next(_))), 1, "{answers:?}");
    let replaced: usize = answers
        .iter()
        .map(|answer| if let Enqueued::Behind { replaced, .. } = answer { replaced.len() } else { 0 })
        .sum();
    assert_eq!((count(&answers, |answer| matches!(answer, Enqueued::Behind { .. })), replaced), (19, 18));
    let store = home.open().await;
    let open = open_ids(&store, &staging).await;
    assert_eq!(open.len(), 2);
    let (first, lease) = claim(&store, 1).await.unwrap();
    assert_eq!(first.id, open[0]);
    assert!(answers.contains(&Enqueued::Next(first.id)));
    assert!(claim(&store, 1).await.is_none());
    store.close(&lease, &State::fresh(), &closed("x", "succeeded"), at(2)).await.unwrap();
    assert_eq!(claim(&store, 2).await.unwrap().0.id, open[1]);
}

async fn with_refuse_exactly_one_of_many_is_let_in(home: Arc<Home>) {
    let answers = race(&home, (1..=20).map(|n| deploy(&key("staging"), n, n)).collect(), QueueRule::Refuse).await;
    assert_eq!(count(&answers, |answer| matches!(answer, Enqueued::Next(_))), 1, "{answers:?}");
    assert_eq!(count(&answers, |answer| matches!(answer, Enqueued::Busy(_))), 19, "{answers:?}");
    let store = home.open().await;
    assert_eq!(open_ids(&store, &key("staging")).await.len(), 1, "a refused one leaves nothing behind");
    // Elsewhere there is room.
    next(store.enqueue(&deploy(&key("production"), 1, 77), QueueRule::Refuse, at(0)).await.unwrap());
}

async fn the_same_release_on_its_way_is_not_queued_twice(home: Arc<Home>) {
    let store = home.open().await;
    let staging = key("staging");
    let mut both = deploy(&staging, 1, 1);
    both.asked.services = vec!["web".parse().unwrap(), "api".parse().unwrap()];
    let id = next(store.enqueue(&both, QueueRule::One, at(0)).await.unwrap());
    let mut again = deploy(&staging, 1, 2);
    again.asked.services = vec!["api".parse().unwrap(), "web".parse().unwrap()];
    for rule in [QueueRule::One, QueueRule::Refuse, QueueRule::Overtake] {
        match store.enqueue(&again, rule, at(1)).await.unwrap() {
            Enqueued::Same(same) => assert_eq!((same.id, same.cancel), (id, None)),
            other => panic!("{rule:?}: {other:?}"),
        }
    }
    // Other services, another commit, another environment: something else.
    let mut one = deploy(&staging, 1, 3);
    one.asked.services = vec!["api".parse().unwrap()];
    assert!(matches!(store.enqueue(&one, QueueRule::One, at(1)).await.unwrap(), Enqueued::Behind { .. }));
    next(store.enqueue(&deploy(&key("production"), 1, 4), QueueRule::One, at(1)).await.unwrap());
    // One that is being cancelled is not on its way any more.
    store.request_cancel(id, &actor(9), at(2)).await.unwrap();
    assert!(matches!(store.enqueue(&again, QueueRule::One, at(3)).await.unwrap(), Enqueued::Behind { .. }));
}

async fn the_newest_waiting_one_replaces_the_older_but_never_the_one_whose_turn_it_is(home: Arc<Home>) {
    let store = home.open().await;
    let staging = key("staging");
    let first = next(store.enqueue(&deploy(&staging, 1, 1), QueueRule::One, at(0)).await.unwrap());
    // Nobody works on the first one yet; it is next all the same.
    let Enqueued::Behind { id: second, running, replaced } =
        store.enqueue(&deploy(&staging, 2, 2), QueueRule::One, at(1)).await.unwrap()
    else {
        panic!("it waits")
    };
    assert_eq!((running.id, replaced), (first, Vec::new()));
    let Enqueued::Behind { id: third, running, replaced } =
        store.enqueue(&deploy(&staging, 3, 3), QueueRule::One, at(2)).await.unwrap()
    else {
        panic!("it waits")
    };
    assert_eq!(running.id, first);
    assert_eq!(replaced.len(), 1);
    assert_eq!(Some(&replaced[0]), store.deployment(second).await.unwrap().as_ref(), "as it is stored now");
    let old = &replaced[0];
    assert_eq!((old.id, old.outcome.as_deref(), old.ended), (second, Some("replaced"), Some(at(2))));
    assert_eq!((&old.state.stage, &old.cancel), (&Stage::Over, &None));
    assert_eq!(open_ids(&store, &staging).await, [first, third]);
    assert!(!store.request_cancel(second, &actor(1), at(3)).await.unwrap(), "it is over");
}

async fn a_waiting_rollback_is_not_replaced_by_a_deployment(home: Arc<Home>) {
    let store = home.open().await;
    let staging = key("staging");
    next(store.enqueue(&deploy(&staging, 1, 1), QueueRule::One, at(0)).await.unwrap());
    let Enqueued::Behind { id: back, .. } =
        store.enqueue(&rollback(&staging, 2), QueueRule::Overtake, at(1)).await.unwrap()
    else {
        panic!("it waits")
    };
    let Enqueued::Behind { replaced, .. } =
        store.enqueue(&deploy(&staging, 3, 3), QueueRule::One, at(2)).await.unwrap()
    else {
        panic!("it waits")
    };
    assert!(replaced.is_empty());
    assert_eq!(store.open_deployments(&staging).await.unwrap()[1].id, back);
}

async fn a_rollback_overtakes_whatever_is_open(home: Arc<Home>) {
    let store = home.open().await;
    let staging = key("staging");
    let first = next(store.enqueue(&deploy(&staging, 1, 1), QueueRule::One, at(0)).await.unwrap());
    let (_, lease) = claim(&store, 1).await.unwrap();
    store.enqueue(&deploy(&staging, 2, 2), QueueRule::One, at(2)).await.unwrap();
    let Enqueued::Behind { id: back, running, replaced } =
        store.enqueue(&rollback(&staging, 9), QueueRule::Overtake, at(3)).await.unwrap()
    else {
        panic!("it waits")
    };
    assert_eq!((running.id, running.cancel), (first, Some(actor(9))));
    assert_eq!(store.deployment(first).await.unwrap().unwrap().cancel, Some(actor(9)));
    assert_eq!(replaced.len(), 1);
    assert_eq!((replaced[0].outcome.as_deref(), &replaced[0].cancel), (Some("cancelled"), &Some(actor(9))));
    assert_eq!(open_ids(&store, &staging).await, [first, back]);
    assert!(claim(&store, 4).await.is_none(), "the running one must end first");
    store.close(&lease, &State::fresh(), &closed("x", "cancelled"), at(5)).await.unwrap();
    assert_eq!(claim(&store, 5).await.unwrap().0.id, back);
    // With nothing open it is next at once.
    next(store.enqueue(&rollback(&key("production"), 10), QueueRule::Overtake, at(6)).await.unwrap());
}

async fn a_wish_to_cancel_keeps_the_first_name_and_wakes_the_deployment(home: Arc<Home>) {
    let store = home.open().await;
    let id = next(store.enqueue(&deploy(&key("staging"), 1, 1), QueueRule::One, at(0)).await.unwrap());
    let (_, lease) = claim(&store, 1).await.unwrap();
    store.release(&lease, &State::fresh(), at(60_000), at(2)).await.unwrap();
    assert!(claim(&store, 59_999).await.is_none());
    assert!(store.request_cancel(id, &actor(5), at(100)).await.unwrap());
    assert!(store.request_cancel(id, &actor(6), at(101)).await.unwrap());
    let (woken, lease) = claim(&store, 100).await.unwrap();
    assert_eq!(woken.cancel, Some(actor(5)));
    store.close(&lease, &woken.state, &closed("x", "cancelled"), at(102)).await.unwrap();
    assert!(!store.request_cancel(id, &actor(6), at(103)).await.unwrap());
    assert!(!store.request_cancel(DeploymentId::new(404), &actor(6), at(103)).await.unwrap());
}

async fn a_wish_to_cancel_during_the_work_is_not_slept_over(home: Arc<Home>) {
    let store = home.open().await;
    let id = next(store.enqueue(&deploy(&key("staging"), 1, 1), QueueRule::One, at(0)).await.unwrap());
    let (seen, lease) = claim(&store, 1).await.unwrap();
    assert_eq!(seen.cancel, None);
    store.request_cancel(id, &actor(5), at(2)).await.unwrap();
    assert!(claim(&store, 3).await.is_none(), "somebody works on it");
    // Its worker has not looked since and would sleep for an hour.
    store.release(&lease, &State::fresh(), at(3_600_000), at(4)).await.unwrap();
    let (seen, lease) = claim(&store, 4).await.unwrap();
    assert_eq!(seen.cancel, Some(actor(5)));
    // Now it has seen it: its wish to wait counts.
    store.release(&lease, &State::fresh(), at(3_600_000), at(5)).await.unwrap();
    assert!(claim(&store, 6).await.is_none());
}

async fn the_end_of_a_run_wakes_who_waits_for_it(home: Arc<Home>) {
    let store = home.open().await;
    for (comment, environment, run) in [(1, "staging", 70), (2, "production", 70), (3, "other", 71)] {
        next(store.enqueue(&deploy(&key(environment), 1, comment), QueueRule::One, at(0)).await.unwrap());
        let (_, lease) = claim(&store, 1).await.unwrap();
        store.release(&lease, &building(run), at(60_000), at(2)).await.unwrap();
    }
    assert!(claim(&store, 3).await.is_none());
    assert_eq!(store.wake_run(RunId::new(69), at(4)).await.unwrap(), 0);
    assert_eq!(store.wake_run(RunId::new(70), at(4)).await.unwrap(), 2);
    let (a, lease) = claim(&store, 5).await.unwrap();
    let (b, _) = claim(&store, 5).await.unwrap();
    assert_eq!(a.state, building(70));
    assert_eq!((a.asked.key, b.asked.key), (key("staging"), key("production")));
    assert!(claim(&store, 5).await.is_none(), "the other run has not ended");
    // Whoever has gone on does not wait for the run any more.
    store.release(&lease, &State::fresh(), at(60_000), at(6)).await.unwrap();
    assert_eq!(store.wake_run(RunId::new(70), at(7)).await.unwrap(), 1);
}

async fn history_and_open_ones_are_told_in_order(home: Arc<Home>) {
    let store = home.open().await;
    let staging = key("staging");
    let elsewhere = EnvironmentKey { repository: RepositoryId::new(2), ..staging.clone() };
    next(store.enqueue(&deploy(&elsewhere, 1, 50), QueueRule::One, at(0)).await.unwrap());
    for n in 1..=4 {
        store.enqueue(&deploy(&staging, n, n), QueueRule::One, at(i64::try_from(n).unwrap())).await.unwrap();
    }
    let comments = |all: &[Deployment]| all.iter().map(|one| one.asked.comment.get()).collect::<Vec<_>>();
    assert_eq!(comments(&store.history(&staging, 3).await.unwrap()), [4, 3, 2]);
    assert_eq!(comments(&store.history(&staging, 100).await.unwrap()), [4, 3, 2, 1]);
    assert_eq!(comments(&store.open_deployments(&staging).await.unwrap()), [1, 4]);
    assert_eq!(store.history(&key("nowhere"), 3).await.unwrap(), []);
}
