use std::collections::{BTreeMap, HashSet};

use super::Accepted::{Known, New};
use super::*;

contract! {
    a_delivery_that_comes_again_is_known,
    deliveries_are_claimed_oldest_first_and_one_of_a_lane,
    one_that_is_tried_again_holds_back_its_lane_and_no_other,
    a_parked_delivery_frees_its_lane_and_stays_visible,
    a_claim_that_ran_out_is_free_and_its_late_end_does_nothing,
    deliveries_whose_process_died_are_counted_and_claimed_one_at_a_time,
    a_known_delivery_before_a_new_one_of_its_lane_does_not_hold_it_up,
    workers_that_race_never_share_a_delivery_and_keep_the_order_of_a_lane,
    batches_that_race_store_everything_once_and_leave_no_lane_without_a_turn,
    heads_are_learnt_in_the_order_of_github_and_bound_by_the_order_of_storing,
    forgetting_leaves_what_waits_what_is_parked_and_the_newest_head,
    the_backlog_counts_what_waits,
    a_delivery_that_cannot_be_read_is_parked_and_holds_up_nobody,
    what_was_accepted_survives_a_crash,
}

async fn claim(store: &Store, now: i64, most: usize) -> Vec<Claimed> {
    store.claim_deliveries(&WorkerId::new(), at(now), at(now + 1_000), most).await.unwrap()
}

fn ids(claims: &[Claimed]) -> Vec<&str> {
    claims.iter().map(|claim| claim.delivery.id.as_str()).collect()
}

async fn a_delivery_that_comes_again_is_known(home: Arc<Home>) {
    let store = home.open().await;
    assert_eq!(store.accept(&[], at(0)).await.unwrap(), []);
    let first = [comment("a", 1, 10), comment("a", 1, 11), comment("b", 1, 10), comment("c", 2, 12)];
    assert_eq!(store.accept(&first, at(0)).await.unwrap(), [New, Known, Known, New]);
    let again = [comment("c", 2, 12), comment("new id", 2, 12), comment("c", 9, 99), comment("d", 2, 13)];
    assert_eq!(store.accept(&again, at(1)).await.unwrap(), [Known, Known, Known, New]);
    let known = store.known_deliveries(&["x".to_owned(), "d".to_owned(), "a".to_owned()]).await.unwrap();
    assert_eq!(known, ["d", "a"]);
    assert_eq!(store.known_deliveries(&[]).await.unwrap(), Vec::<String>::new());
    // The stored ones are as they came, and nothing else was stored.
    let claims = claim(&store, 5, 10).await;
    assert_eq!(claims.iter().map(|claim| &claim.delivery).collect::<Vec<_>>(), [&first[0], &first[3]]);
    assert_eq!(claims[0].received, at(0));
}

async fn deliveries_are_claimed_oldest_first_and_one_of_a_lane(home: Arc<Home>) {
    let store = home.open().await;
    let batch =
        [comment("a1", 1, 1), comment("a2", 1, 2), comment("b1", 2, 3), comment("c1", 3, 4), comment("a3", 1, 5)];
    store.accept(&batch, at(0)).await.unwrap();
    assert!(claim(&store, -1, 10).await.is_empty(), "nothing is due before it came");
    assert!(claim(&store, 0, 0).await.is_empty());
    let two = claim(&store, 0, 2).await;
    assert_eq!(ids(&two), ["a1", "b1"]);
    let rest = claim(&store, 0, 10).await;
    assert_eq!(ids(&rest), ["c1"]);
    assert!(claim(&store, 1, 10).await.is_empty(), "lane 1 is being worked on");
    store.finish_delivery(&two[0], &DeliveryEnd::Done, at(1)).await.unwrap();
    let next = claim(&store, 1, 10).await;
    assert_eq!(ids(&next), ["a2"]);
    assert!(two[0].sequence < next[0].sequence && next[0].sequence < rest[0].sequence);
    store.finish_delivery(&next[0], &DeliveryEnd::Done, at(1)).await.unwrap();
    assert_eq!(ids(&claim(&store, 1, 10).await), ["a3"]);
}

async fn one_that_is_tried_again_holds_back_its_lane_and_no_other(home: Arc<Home>) {
    let store = home.open().await;
    store.accept(&[comment("a1", 1, 1), comment("a2", 1, 2), comment("b1", 2, 3)], at(0)).await.unwrap();
    let claims = claim(&store, 0, 1).await;
    let again = DeliveryEnd::Retry { at: at(500), why: "GitHub \u{0} answered 502".to_owned() };
    store.finish_delivery(&claims[0], &again, at(1)).await.unwrap();
    assert_eq!(ids(&claim(&store, 499, 10).await), ["b1"]);
    let again = claim(&store, 500, 10).await;
    assert_eq!(ids(&again), ["a1"]);
    assert_eq!((again[0].attempts, claims[0].attempts), (1, 0));
    store.finish_delivery(&again[0], &DeliveryEnd::Done, at(501)).await.unwrap();
    assert_eq!(ids(&claim(&store, 501, 10).await), ["a2"]);
}

async fn a_parked_delivery_frees_its_lane_and_stays_visible(home: Arc<Home>) {
    let store = home.open().await;
    store.accept(&[comment("a1", 1, 1), comment("a2", 1, 2)], at(0)).await.unwrap();
    let claims = claim(&store, 0, 1).await;
    store.finish_delivery(&claims[0], &DeliveryEnd::Parked { why: "defect \u{0}".to_owned() }, at(1)).await.unwrap();
    assert_eq!(ids(&claim(&store, 2, 10).await), ["a2"]);
    let backlog = store.backlog(at(2)).await.unwrap();
    assert_eq!((backlog.parked, backlog.waiting), (1, 1));
    let why = home.raw("SELECT why FROM deliveries WHERE state = 'parked'").await.unwrap();
    assert_eq!(sqlx::Row::get::<String, _>(&why[0], 0), "defect \u{fffd}");
}

async fn a_claim_that_ran_out_is_free_and_its_late_end_does_nothing(home: Arc<Home>) {
    let store = home.open().await;
    store.accept(&[comment("a1", 1, 1), comment("a2", 1, 2)], at(0)).await.unwrap();
    let lost = claim(&store, 0, 10).await;
    assert!(claim(&store, 999, 10).await.is_empty());
    let taken = claim(&store, 1_000, 10).await;
    assert_eq!(ids(&taken), ["a1"]);
    assert!(taken[0].claim > lost[0].claim);
    for end in [
        DeliveryEnd::Done,
        DeliveryEnd::Parked { why: String::new() },
        DeliveryEnd::Retry { at: at(1_001), why: String::new() },
    ] {
        store.finish_delivery(&lost[0], &end, at(1_001)).await.unwrap();
        assert!(claim(&store, 1_500, 10).await.is_empty(), "{end:?} of a lost claim changed something");
    }
    store.finish_delivery(&taken[0], &DeliveryEnd::Done, at(1_600)).await.unwrap();
    // Twice is as good as once.
    store
        .finish_delivery(&taken[0], &DeliveryEnd::Retry { at: at(1_601), why: String::new() }, at(1_601))
        .await
        .unwrap();
    let next = claim(&store, 1_700, 10).await;
    assert_eq!(ids(&next), ["a2"]);
    store.finish_delivery(&next[0], &DeliveryEnd::Done, at(1_700)).await.unwrap();
    assert!(claim(&store, 9_000, 10).await.is_empty());
}

async fn deliveries_whose_process_died_are_counted_and_claimed_one_at_a_time(home: Arc<Home>) {
    let store = home.open().await;
    store.accept(&[comment("a", 1, 1), comment("b", 2, 2), comment("c", 3, 3)], at(0)).await.unwrap();
    assert_eq!(ids(&claim(&store, 0, 10).await), ["a", "b", "c"]);
    // Whoever had them died. One that did nothing yet is claimed beside one that may have killed.
    store.accept(&[comment("d", 4, 4)], at(1_000)).await.unwrap();
    let (first, none) = (claim(&store, 1_000, 10).await, claim(&store, 1_000, 10).await);
    assert_eq!(ids(&first), ["a", "d"]);
    assert_eq!((first[0].deaths, first[1].deaths), (1, 0));
    assert!(none.is_empty(), "another one that may have killed is claimed beside the first");
    // It was not that one, and the next is alone, too; the third kills.
    store.finish_delivery(&first[0], &DeliveryEnd::Done, at(1_100)).await.unwrap();
    let second = claim(&store, 1_100, 10).await;
    assert_eq!(ids(&second), ["b"]);
    let told = DeliveryEnd::Retry { at: at(1_200), why: "GitHub answered 502".to_owned() };
    store.finish_delivery(&second[0], &told, at(1_150)).await.unwrap();
    assert_eq!(ids(&claim(&store, 1_150, 10).await), ["c"]);
    // What was told is no death: it is claimed beside again, and not counted.
    let again = claim(&store, 1_200, 10).await;
    assert_eq!((ids(&again), again[0].deaths), (vec!["b"], 0));
    let later = claim(&store, 9_000, 1).await;
    assert_eq!(later[0].deaths, 1, "the least suspicious goes first: {later:?}");
}

async fn a_known_delivery_before_a_new_one_of_its_lane_does_not_hold_it_up(home: Arc<Home>) {
    let store = home.open().await;
    store.accept(&[comment("a1", 1, 1)], at(0)).await.unwrap();
    store.finish_delivery(&claim(&store, 0, 1).await[0], &DeliveryEnd::Done, at(0)).await.unwrap();
    store.accept(&[comment("again", 1, 1), comment("a2", 1, 2), comment("a3", 1, 3)], at(1)).await.unwrap();
    let two = claim(&store, 1, 10).await;
    assert_eq!(ids(&two), ["a2"]);
    store.finish_delivery(&two[0], &DeliveryEnd::Done, at(1)).await.unwrap();
    assert_eq!(ids(&claim(&store, 1, 10).await), ["a3"]);
}

/// Works everything off and notes what came in which order, by lane.
async fn drain(home: &Home, workers: usize) -> BTreeMap<String, Vec<u64>> {
    let seen = Arc::new(std::sync::Mutex::new((BTreeMap::<String, Vec<u64>>::new(), HashSet::<String>::new())));
    let store = home.open().await;
    let tasks = (0..workers).map(|_| {
        let (store, seen) = (store.clone(), seen.clone());
        tokio::spawn(async move {
            while store.backlog(at(0)).await.unwrap().waiting > 0 {
                for claim in claim(&store, 10, 3).await {
                    let lane = claim.delivery.event.lane();
                    assert!(seen.lock().unwrap().1.insert(lane.clone()), "two at once in {lane}");
                    tokio::task::yield_now().await;
                    {
                        let mut now = seen.lock().unwrap();
                        now.1.remove(&lane);
                        now.0.entry(lane).or_default().push(claim.sequence);
                    }
                    store.finish_delivery(&claim, &DeliveryEnd::Done, at(11)).await.unwrap();
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let (lanes, working) = Arc::into_inner(seen).unwrap().into_inner().unwrap();
    assert!(working.is_empty());
    lanes
}

async fn workers_that_race_never_share_a_delivery_and_keep_the_order_of_a_lane(home: Arc<Home>) {
    let batch: Vec<_> = (0..150).map(|n| comment(&format!("d{n}"), n % 20, n)).collect();
    home.open().await.accept(&batch, at(0)).await.unwrap();
    let lanes = drain(&home, 6).await;
    assert_eq!(lanes.len(), 20);
    assert_eq!(lanes.values().map(Vec::len).sum::<usize>(), 150);
    assert!(lanes.values().all(|lane| lane.is_sorted()), "{lanes:?}");
}

async fn batches_that_race_store_everything_once_and_leave_no_lane_without_a_turn(home: Arc<Home>) {
    let store = home.open().await;
    let replica = home.open().await;
    let writers = (0..8_u64).map(|writer| {
        let store = if writer % 2 == 0 { store.clone() } else { replica.clone() };
        tokio::spawn(async move {
            let mut new = 0;
            for round in 0..5 {
                // Every batch overlaps with those of the others, in another order.
                let mut batch: Vec<_> =
                    (0..40).map(|n| comment(&format!("{writer}/{round}/{n}"), n % 7, (round * 20 + n) * 10)).collect();
                if writer % 3 == 0 {
                    batch.reverse();
                }
                let answers = store.accept(&batch, at(0)).await.unwrap();
                new += answers.iter().filter(|answer| **answer == New).count();
            }
            new
        })
    });
    let writers: Vec<_> = writers.collect();
    let drained = tokio::spawn({
        let home = home.clone();
        async move { drain(&home, 2).await }
    });
    let mut new = 0;
    for writer in writers {
        new += writer.await.unwrap();
    }
    assert_eq!(new, 120, "as many as there are comments, whoever was first");
    let early: usize = drained.await.unwrap().values().map(Vec::len).sum();
    let late: usize = drain(&home, 3).await.values().map(Vec::len).sum();
    assert_eq!(early + late, 120);
}

async fn heads_are_learnt_in_the_order_of_github_and_bound_by_the_order_of_storing(home: Arc<Home>) {
    let store = home.open().await;
    let repository = RepositoryId::new(1);
    let batch = [pull("1", 8, "opened", 0xa, 1_000), comment("2", 8, 1), pull("3", 8, "synchronize", 0xc, 3_000)];
    store.accept(&batch, at(5_000)).await.unwrap();
    // The push before that one arrives late; a closed pull request teaches nothing; nor does a replay.
    let late = [
        pull("4", 8, "synchronize", 0xb, 2_000),
        pull("5", 8, "closed", 0xd, 4_000),
        pull("6", 9, "opened", 0xe, 4_000),
        pull("7", 8, "opened", 0xa, 1_000),
    ];
    store.accept(&late, at(6_000)).await.unwrap();
    let numbers = home.raw("SELECT sequence FROM deliveries ORDER BY sequence").await.unwrap();
    let numbers: Vec<u64> =
        numbers.iter().map(|row| u64::try_from(sqlx::Row::get::<i64, _>(row, 0)).unwrap()).collect();
    assert_eq!(numbers.len(), 6);
    let head = async |pull, before| store.head_before(repository, pull, before).await.unwrap().map(|head| head.sha);
    assert_eq!(head(8, numbers[0]).await, None);
    assert_eq!(head(8, numbers[1]).await, Some(sha(0xa)));
    assert_eq!(head(8, numbers[3]).await, Some(sha(0xc)));
    assert_eq!(head(8, u64::try_from(i64::MAX).unwrap()).await, Some(sha(0xc)));
    assert_eq!(head(9, numbers[5]).await, None);
    assert_eq!(head(9, numbers[5] + 1).await, Some(sha(0xe)));
    assert_eq!(store.head_before(RepositoryId::new(2), 8, 1_000).await.unwrap(), None);
    let learnt = store.head_before(repository, 8, numbers[1]).await.unwrap().unwrap();
    assert_eq!(learnt, Head { sha: sha(0xa), at: at(1_000), sequence: numbers[0] });
    let was = async |sha, before| store.was_head(repository, 8, sha, at(before)).await.unwrap();
    assert!(was(sha(0xa), 3_000).await && was(sha(0xb), 3_000).await);
    assert!(!was(sha(0xc), 3_000).await, "not before its own moment");
    assert!(!was(sha(0xe), 9_000).await, "of another pull request");
}

async fn forgetting_leaves_what_waits_what_is_parked_and_the_newest_head(home: Arc<Home>) {
    let store = home.open().await;
    let batch = [
        pull("old", 1, "opened", 0xa, 0),
        pull("newer", 1, "synchronize", 0xb, 1_000),
        comment("parked", 2, 1),
        comment("waits", 3, 2),
    ];
    store.accept(&batch, at(0)).await.unwrap();
    for _ in 0..2 {
        for claim in claim(&store, 0, 3).await {
            let parked = claim.delivery.id == "parked";
            let end = if parked { DeliveryEnd::Parked { why: "x".into() } } else { DeliveryEnd::Done };
            if claim.delivery.id != "waits" {
                store.finish_delivery(&claim, &end, at(1)).await.unwrap();
            }
        }
    }
    store.accept(&[pull("young", 1, "edited", 0xb, 2_000)], at(100)).await.unwrap();
    store.finish_delivery(&claim(&store, 100, 1).await[0], &DeliveryEnd::Done, at(100)).await.unwrap();
    assert_eq!(store.forget_deliveries(at(0)).await.unwrap(), 0, "not older than that");
    assert_eq!(store.forget_deliveries(at(50)).await.unwrap(), 2);
    let all = ["old", "newer", "parked", "waits", "young"].map(str::to_owned);
    assert_eq!(store.known_deliveries(&all).await.unwrap(), ["parked", "waits", "young"]);
    let heads = home.raw("SELECT sha FROM heads ORDER BY sequence").await.unwrap();
    let heads: Vec<String> = heads.iter().map(|row| sqlx::Row::get(row, 0)).collect();
    assert_eq!(heads, [sha(0xb).to_string(), sha(0xb).to_string()], "the newest before that day, and what came later");
    // A number is never given twice.
    store.accept(&[comment("after", 4, 9)], at(200)).await.unwrap();
    let top = home.raw("SELECT max(sequence) FROM deliveries WHERE delivery <> 'after'").await.unwrap();
    let after = claim(&store, 200, 1).await;
    assert!(i64::try_from(after[0].sequence).unwrap() > sqlx::Row::get::<i64, _>(&top[0], 0));
}

async fn the_backlog_counts_what_waits(home: Arc<Home>) {
    let store = home.open().await;
    assert_eq!(store.backlog(at(0)).await.unwrap(), Backlog::default());
    store.accept(&[comment("a", 1, 1), comment("b", 2, 2)], at(10)).await.unwrap();
    store.accept(&[comment("c", 1, 3)], at(20)).await.unwrap();
    store.enqueue(&deploy(&key("staging"), 1, 1), QueueRule::One, at(30)).await.unwrap();
    let expected = Backlog { waiting: 3, oldest: Some(at(10)), parked: 0, deployments: 1 };
    assert_eq!(store.backlog(at(40)).await.unwrap(), expected);
    for claim in claim(&store, 40, 10).await {
        store.finish_delivery(&claim, &DeliveryEnd::Done, at(40)).await.unwrap();
    }
    let expected = Backlog { waiting: 1, oldest: Some(at(20)), parked: 0, deployments: 1 };
    assert_eq!(store.backlog(at(40)).await.unwrap(), expected);
}

async fn a_delivery_that_cannot_be_read_is_parked_and_holds_up_nobody(home: Arc<Home>) {
    let store = home.open().await;
    store.accept(&[comment("a1", 1, 1), comment("a2", 1, 2), comment("b", 2, 3)], at(0)).await.unwrap();
    home.raw("UPDATE deliveries SET event = '{\"event\":\"of-tomorrow\"}' WHERE delivery = 'a1'").await.unwrap();
    assert_eq!(ids(&claim(&store, 0, 10).await), ["b"]);
    assert_eq!(ids(&claim(&store, 0, 10).await), ["a2"]);
    assert_eq!(store.backlog(at(0)).await.unwrap().parked, 1);
}

async fn what_was_accepted_survives_a_crash(home: Arc<Home>) {
    let store = home.open().await;
    let mut hanging = store.begin().await.unwrap();
    sqlx::query("UPDATE deliveries SET turn = 0").execute(&mut *hanging).await.unwrap();
    drop(hanging);
    store.accept(&[comment("a", 1, 1), comment("b", 2, 2)], at(0)).await.unwrap();
    let lost = claim(&store, 0, 1).await;
    // A transaction that never ended, then nothing of the process is left.
    let mut hanging = store.begin().await.unwrap();
    sqlx::query("DELETE FROM deliveries").execute(&mut *hanging).await.unwrap();
    drop(hanging);
    drop(store);
    let store = home.open().await;
    assert_eq!(ids(&claim(&store, 1, 10).await), ["b"]);
    assert_eq!(ids(&claim(&store, 1_000, 10).await), ["a"]);
    assert_eq!(lost[0].delivery.id, "a");
}
