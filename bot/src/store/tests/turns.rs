//! Random sequences of lease operations by workers whose clocks agree, crash and come back: the
//! journal shows who wrote; never is a write of an older fence found after one of a newer.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Claim(usize),
    Renew(usize),
    Save(usize),
    Append(usize),
    Release(usize),
    Close(usize),
    Enqueue,
    Cancel,
    Wait(i64),
    Forget(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let worker = 0..3_usize;
    prop_oneof![
        4 => worker.clone().prop_map(Step::Claim),
        2 => worker.clone().prop_map(Step::Renew),
        2 => worker.clone().prop_map(Step::Save),
        5 => worker.clone().prop_map(Step::Append),
        1 => worker.clone().prop_map(Step::Release),
        1 => worker.clone().prop_map(Step::Close),
        2 => Just(Step::Enqueue),
        1 => Just(Step::Cancel),
        3 => (1..60_i64).prop_map(Step::Wait),
        1 => worker.prop_map(Step::Forget),
    ]
}

const LEASE: i64 = 50;

/// What must be true, kept beside the store: who holds the only lease, and until when.
#[derive(Default)]
struct Model {
    now: i64,
    holder: Option<(usize, u64, i64)>,
    fence: u64,
    comments: u64,
}

impl Model {
    fn may_write(&self, worker: usize, lease: &EnvironmentLease) -> bool {
        self.holder.is_some_and(|(who, fence, until)| who == worker && fence == lease.fence() && self.now < until)
    }
}

/// Whether a guarded write did what the model says it must.
fn expected(may: bool, result: &Result<(), StoreFailed>) {
    match result {
        Ok(()) => assert!(may, "somebody wrote without the lease"),
        Err(StoreFailed::LeaseLost(_)) => assert!(!may, "the holder could not write"),
        Err(other) => panic!("{other}"),
    }
}

async fn play(store: &Store, environment: &EnvironmentKey, first_comment: u64, steps: Vec<Step>) {
    let names = workers(3);
    let mut leases: [Vec<EnvironmentLease>; 3] = Default::default();
    let mut model = Model { comments: first_comment, ..Model::default() };
    for step in steps {
        let now = at(model.now);
        match step {
            Step::Claim(worker) => {
                let until = at(model.now + LEASE);
                if let Some((_, lease)) = store.claim_deployment(&names[worker], now, until).await.unwrap() {
                    assert!(model.holder.is_none_or(|(_, _, until)| until <= model.now), "two hold one environment");
                    assert!(lease.fence() > model.fence, "the fence did not grow");
                    model.fence = lease.fence();
                    model.holder = Some((worker, lease.fence(), model.now + LEASE));
                    leases[worker].push(lease);
                }
            }
            Step::Renew(worker) => {
                for lease in &leases[worker] {
                    let may = model.may_write(worker, lease);
                    expected(may, &store.renew(lease, now, at(model.now + LEASE)).await);
                    if may {
                        model.holder = Some((worker, lease.fence(), model.now + LEASE));
                    }
                }
            }
            Step::Save(worker) => {
                for lease in &leases[worker] {
                    expected(model.may_write(worker, lease), &store.save(lease, &State::fresh(), now).await);
                }
            }
            Step::Append(worker) => {
                for lease in &leases[worker] {
                    let next = store.entries(lease.deployment()).await.unwrap().len() as u64;
                    let entry = entry(next, model.now);
                    expected(model.may_write(worker, lease), &store.append_entry(lease, &entry).await);
                }
            }
            Step::Release(worker) => {
                for lease in &leases[worker] {
                    let may = model.may_write(worker, lease);
                    expected(may, &store.release(lease, &State::fresh(), now, now).await);
                    model.holder = if may { None } else { model.holder };
                }
            }
            Step::Close(worker) => {
                for lease in &leases[worker] {
                    let may = model.may_write(worker, lease);
                    let closed = closed(&format!("{environment}/{}", lease.fence()), "failed");
                    expected(may, &store.close(lease, &State::fresh(), &closed, now).await);
                    model.holder = if may { None } else { model.holder };
                }
            }
            Step::Enqueue => {
                model.comments += 1;
                let new = deploy(environment, model.comments, model.comments);
                store.enqueue(&new, QueueRule::One, now).await.unwrap();
            }
            Step::Cancel => {
                if let Some(open) = store.open_deployments(environment).await.unwrap().first() {
                    assert!(store.request_cancel(open.id, &actor(1), now).await.unwrap());
                }
            }
            Step::Wait(millis) => model.now += millis,
            Step::Forget(worker) => leases[worker].clear(),
        }
    }
    // Whatever happened: nothing is stuck.
    model.now += 10 * LEASE;
    while let Some((_, lease)) = store.claim_deployment(&names[0], at(model.now), at(model.now + LEASE)).await.unwrap()
    {
        let closed = closed(&format!("{environment}/{}", lease.fence()), "failed");
        store.close(&lease, &State::fresh(), &closed, at(model.now)).await.unwrap();
    }
    assert_eq!(store.open_deployments(environment).await.unwrap(), []);
}

fn no_two_workers_ever_write(home: &Home, cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let store = runtime.block_on(home.open());
    let round = std::cell::Cell::new(0_u64);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let result = runner.run(&prop::collection::vec(step(), 1..60), |steps| {
        round.set(round.get() + 1);
        let environment = key(&format!("e{}", round.get()));
        runtime.block_on(play(&store, &environment, round.get() * 1_000, steps));
        Ok(())
    });
    result.unwrap();
}

#[test]
fn in_sqlite_no_two_workers_ever_write() {
    no_two_workers_ever_write(&Home::sqlite(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_postgres_no_two_workers_ever_write() {
    Home::postgres()
        .await
        .run(async |home: Arc<Home>| {
            tokio::task::spawn_blocking(move || no_two_workers_ever_write(&home, 40)).await.unwrap();
        })
        .await;
}
