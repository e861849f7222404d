//! Many rows: the figures are printed (`--no-capture`), the limits are wide because machines differ.

use std::time::{Duration, Instant};

use sqlx::Row;

use super::*;

contract! {
    a_backlog_makes_neither_storing_nor_claiming_slow,
    asking_for_work_among_thousands_that_sleep_costs_nothing,
    the_plans_of_the_hot_statements_read_no_whole_table,
}

const BACKLOG: u64 = 6_000;

#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn start() -> Instant {
    Instant::now()
}

/// A comment of almost 1 kB.
fn long(number: u64) -> Delivery {
    let mut delivery = comment(&format!("01234567-89ab-cdef-0123-{number:012}"), number % 5_000, number);
    if let Event::Comment(comment) = &mut delivery.event {
        comment.body = format!("/deploy staging\n\n{}", "why not \"now\"\n".repeat(45));
    }
    delivery
}

async fn fill(store: &Store, from: u64, count: u64) -> Duration {
    let mut took = Duration::ZERO;
    let mut number = from;
    while number < from + count {
        let batch: Vec<_> = (number..from + count).take(512).map(long).collect();
        number += batch.len() as u64;
        let began = start();
        let answers = store.accept(&batch, at(0)).await.unwrap();
        took += began.elapsed();
        assert!(answers.iter().all(|answer| *answer == Accepted::New));
    }
    took
}

fn per_second(count: u64, took: Duration) -> u64 {
    u64::try_from(u128::from(count) * 1_000_000 / took.as_micros().max(1)).unwrap()
}

async fn a_backlog_makes_neither_storing_nor_claiming_slow(home: Arc<Home>) {
    let store = home.open().await;
    let empty = fill(&store, 0, BACKLOG).await;
    let full = fill(&store, BACKLOG, BACKLOG / 4).await;
    let (worker, rounds) = (WorkerId::new(), 20_u32);
    let mut claiming = Duration::ZERO;
    let mut ending = Duration::ZERO;
    for _ in 0..rounds {
        let began = start();
        let claims = store.claim_deliveries(&worker, at(1), at(2), 4).await.unwrap();
        claiming += began.elapsed();
        assert_eq!(claims.len(), 4);
        let began = start();
        for claim in &claims {
            store.finish_delivery(claim, &DeliveryEnd::Done, at(1)).await.unwrap();
        }
        ending += began.elapsed();
    }
    println!(
        "stored {}/s, behind a backlog {}/s; a claim of 4 takes {:?}, an end {:?}",
        per_second(BACKLOG, empty),
        per_second(BACKLOG / 4, full),
        claiming / rounds,
        ending / (rounds * 4)
    );
    assert!(per_second(BACKLOG / 4, full) > 50, "storing is slow behind a backlog");
    assert!(claiming / rounds < Duration::from_secs(1), "claiming is slow");
}

async fn asking_for_work_among_thousands_that_sleep_costs_nothing(home: Arc<Home>) {
    let store = home.open().await;
    store.enqueue(&deploy(&key("staging"), 1, 1), QueueRule::One, at(0)).await.unwrap();
    let copy = "INSERT INTO deployments
            (repository, environment, comment, command, release, asked, state, turn, due, woken, created)
        WITH RECURSIVE numbers (n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10099)
        SELECT 1, 'e' || n, n, 0, release, asked, state, 1, due + 1000000, 0, created FROM deployments, numbers";
    home.raw(copy).await.unwrap();
    let worker = WorkerId::new();
    assert!(store.claim_deployment(&worker, at(1), at(900_000)).await.unwrap().is_some());
    let began = start();
    for _ in 0..50 {
        assert_eq!(store.claim_deployment(&worker, at(2), at(3)).await.unwrap(), None);
        assert_eq!(store.claim_deliveries(&worker, at(2), at(3), 4).await.unwrap(), []);
    }
    let asking = began.elapsed() / 50;
    println!("asking for work in vain takes {asking:?} among 10,000 deployments that sleep");
    assert!(asking < Duration::from_millis(500), "{asking:?}");
}

async fn the_plans_of_the_hot_statements_read_no_whole_table(home: Arc<Home>) {
    let store = home.open().await;
    fill(&store, 0, 2_000).await;
    store.enqueue(&deploy(&key("staging"), 1, 1), QueueRule::One, at(0)).await.unwrap();
    home.raw(
        "INSERT INTO deployments
            (repository, environment, comment, command, release, asked, state, turn, due, woken, created, ended)
        WITH RECURSIVE numbers (n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM numbers WHERE n < 3000)
        SELECT 1, environment, n, 0, release, asked, state, 0, due, 0, created, due FROM deployments, numbers",
    )
    .await
    .unwrap();
    home.raw("ANALYZE").await.unwrap();
    let statements = [
        ("SELECT sequence FROM deliveries WHERE turn = 1 AND due <= 1 ORDER BY sequence LIMIT 4", "deliveries_turn"),
        ("SELECT min(sequence) FROM deliveries WHERE lane = 'x' AND state = 'waiting'", "deliveries_lane"),
        ("SELECT sequence FROM deliveries WHERE state = 'done' AND received < 1 LIMIT 1000", "deliveries_done"),
        ("SELECT id FROM deployments WHERE turn = 1 AND due <= 1 ORDER BY due, id LIMIT 8", "deployments_due"),
        (
            "SELECT id FROM deployments WHERE repository = 1 AND environment = 'staging' AND ended IS NULL",
            "deployments_open",
        ),
        ("SELECT id FROM deployments WHERE run = 1 AND ended IS NULL", "deployments_run"),
    ];
    for (statement, index) in statements {
        // PostgreSQL reads a small table as a whole because that is quicker: not here.
        let explain = if home.is_sqlite() { "EXPLAIN QUERY PLAN" } else { "EXPLAIN" };
        let plan = if home.is_sqlite() {
            let rows = home.raw(&format!("{explain} {statement}")).await.unwrap();
            rows.iter().map(|row| row.get::<String, _>("detail")).collect::<Vec<_>>().join("\n")
        } else {
            let mut tx = store.begin().await.unwrap();
            sqlx::query("SET LOCAL enable_seqscan = off").execute(&mut *tx).await.unwrap();
            let rows = sqlx::query(AssertSqlSafe(format!("{explain} {statement}"))).fetch_all(&mut *tx).await.unwrap();
            rows.iter().map(|row| row.get::<String, _>(0)).collect::<Vec<_>>().join("\n")
        };
        assert!(plan.contains(index), "{statement}\n{plan}");
    }
}
