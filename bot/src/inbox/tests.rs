//! The inbox over a real store, with handlers that fail in every way.
#![expect(clippy::disallowed_methods, reason = "tests watch a real clock")]
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Instant;

use shipline::types::Timestamp;

use super::*;
use crate::types::{Actor, CommentId, InstallationId, RepositoryId, RepositoryRef, UserId};
use crate::webhook::{Delivery, Event, NewComment};

struct Stage {
    store: Store,
    wake: Arc<Notify>,
    stop: Cancel,
    inbox: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

fn quick() -> Pace {
    Pace {
        lanes: 4,
        claim: Duration::from_millis(600),
        within: Duration::from_secs(20),
        look: Duration::from_millis(50),
        last: Duration::from_secs(2),
    }
}

fn delivery(id: u64, issue: u64) -> Delivery {
    let repository = RepositoryRef {
        id: RepositoryId::new(1),
        name: "octo-org/hello".parse().unwrap(),
        installation: InstallationId::new(2),
        public: false,
    };
    let author = Actor { id: UserId::new(7), login: "mona".to_owned() };
    let comment = NewComment {
        repository,
        issue,
        is_pull: true,
        comment: CommentId::new(id),
        author,
        body: "/deploy staging".to_owned(),
        created: Timestamp::from_second(1_795_000_000).unwrap(),
    };
    Delivery { id: format!("delivery-{id}"), event: Event::Comment(comment) }
}

fn comment_of(claimed: &Claimed) -> u64 {
    match &claimed.delivery.event {
        Event::Comment(comment) => comment.comment.get(),
        other => panic!("{other:?}"),
    }
}

impl Stage {
    async fn with<F>(pace: Pace, handler: impl Fn(Arc<Claimed>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), HandlerFailed>> + Send + 'static,
    {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite://{}/bot.db", folder.path().display())).await.unwrap();
        let (wake, stop) = (Arc::new(Notify::new()), Cancel::new());
        let handler: Handler = Arc::new(move |claimed| handler(claimed).boxed_local());
        let inbox = Inbox::new(store.clone(), WorkerId::new(), Metrics::new(), Arc::clone(&wake), pace, handler);
        let inbox = inbox.start(stop.clone());
        Self { store, wake, stop, inbox: Some(inbox), _folder: folder }
    }

    async fn send(&self, deliveries: &[Delivery]) {
        self.store.accept(deliveries, clock::now()).await.unwrap();
        self.wake.notify_one();
    }

    /// Waits until so many are waiting and parked.
    async fn until(&self, waiting: u64, parked: u64) {
        let begun = Instant::now();
        loop {
            let backlog = self.store.backlog(clock::now()).await.unwrap();
            if (backlog.waiting, backlog.parked) == (waiting, parked) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{backlog:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn end(mut self) -> Store {
        self.stop.cancel();
        self.inbox.take().unwrap().await.unwrap();
        self.store.clone()
    }
}

#[tokio::test]
async fn a_delivery_is_handled_once() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let stage = Stage::with(quick(), move |claimed| {
        noted.lock().unwrap().push((comment_of(&claimed), claimed.attempts));
        async { Ok(()) }
    })
    .await;
    stage.send(&[delivery(1, 1)]).await;
    stage.until(0, 0).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.end().await;
    assert_eq!(*seen.lock().unwrap(), [(1, 0)]);
}

#[tokio::test]
async fn what_fails_is_tried_again_and_what_came_after_it_in_its_lane_waits() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let stage = Stage::with(quick(), move |claimed| {
        let failed = comment_of(&claimed) == 1 && claimed.attempts == 0;
        noted.lock().unwrap().push(comment_of(&claimed));
        async move { if failed { Err(HandlerFailed::passes("GitHub answered 502", None)) } else { Ok(()) } }
    })
    .await;
    stage.send(&[delivery(1, 1), delivery(2, 1), delivery(3, 2)]).await;
    stage.until(0, 0).await;
    stage.end().await;
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.iter().filter(|id| **id != 3).collect::<Vec<_>>(), [&1, &1, &2]);
    let position = |id| seen.iter().position(|seen| *seen == id).unwrap();
    assert!(position(3) < position(2), "another lane waited: {seen:?}");
}

#[tokio::test]
async fn a_panic_is_the_failure_of_one_delivery_only() {
    let stage = Stage::with(quick(), |claimed| async move {
        assert!(comment_of(&claimed) != 1 || claimed.attempts > 0, "as if something was broken");
        Ok(())
    })
    .await;
    stage.send(&[delivery(1, 1), delivery(2, 2)]).await;
    stage.until(0, 0).await;
    stage.end().await;
}

#[tokio::test]
async fn what_cannot_pass_is_put_aside_at_once_and_its_lane_goes_on() {
    let stage = Stage::with(quick(), |claimed| async move {
        if comment_of(&claimed) == 1 { Err(HandlerFailed::lasts("no such repository")) } else { Ok(()) }
    })
    .await;
    stage.send(&[delivery(1, 1), delivery(2, 1)]).await;
    stage.until(0, 1).await;
    stage.end().await;
}

#[tokio::test]
async fn work_that_takes_longer_than_a_claim_keeps_it() {
    let (seen, started) = (Arc::new(Mutex::new(0_u32)), Arc::new(Notify::new()));
    let (noted, said) = (Arc::clone(&seen), Arc::clone(&started));
    let stage = Stage::with(quick(), move |_| {
        *noted.lock().unwrap() += 1;
        said.notify_one();
        async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Ok(())
        }
    })
    .await;
    stage.send(&[delivery(1, 1)]).await;
    started.notified().await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1800) {
        let now = clock::now();
        let other = stage.store.claim_deliveries(&WorkerId::new(), now, now + Duration::from_secs(1), 1).await.unwrap();
        assert!(other.is_empty(), "somebody else got it");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    stage.until(0, 0).await;
    stage.end().await;
    assert_eq!(*seen.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_dead_workers_delivery_is_taken_over_when_its_claim_has_run_out() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let stage = Stage::with(Pace { lanes: 0, ..quick() }, |_| async { Ok(()) }).await;
    stage.send(&[delivery(1, 1)]).await;
    let now = clock::now();
    let dead = stage.store.claim_deliveries(&WorkerId::new(), now, now + Duration::from_millis(500), 1).await.unwrap();
    assert_eq!(dead.len(), 1);
    let handler: Handler = Arc::new(move |claimed| {
        noted.lock().unwrap().push(claimed.attempts);
        async { Ok(()) }.boxed_local()
    });
    let alive =
        Inbox::new(stage.store.clone(), WorkerId::new(), Metrics::new(), Arc::clone(&stage.wake), quick(), handler);
    let alive = alive.start(stage.stop.clone());
    stage.until(0, 0).await;
    assert_eq!(stage.store.renew_delivery(&dead[0], now).await.unwrap(), crate::store::Renewed::Lost);
    stage.end().await;
    alive.await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [1]);
}

#[tokio::test]
async fn a_delivery_whose_process_died_three_times_is_put_aside_untried_and_the_others_go_on() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let stage = Stage::with(Pace { lanes: 0, ..quick() }, |_| async { Ok(()) }).await;
    stage.send(&[delivery(1, 1)]).await;
    for _ in 0..3 {
        let now = clock::now();
        let dead =
            stage.store.claim_deliveries(&WorkerId::new(), now, now + Duration::from_millis(1), 1).await.unwrap();
        assert_eq!(dead.len(), 1);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stage.send(&[delivery(2, 2)]).await;
    let noted = Arc::clone(&seen);
    let handler: Handler = Arc::new(move |claimed| {
        noted.lock().unwrap().push(comment_of(&claimed));
        async { Ok(()) }.boxed_local()
    });
    let alive =
        Inbox::new(stage.store.clone(), WorkerId::new(), Metrics::new(), Arc::clone(&stage.wake), quick(), handler);
    let alive = alive.start(stage.stop.clone());
    stage.until(0, 1).await;
    stage.end().await;
    alive.await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [2]);
}

#[tokio::test]
async fn at_the_stop_work_under_way_is_finished_and_nothing_new_is_begun() {
    let begun = Arc::new(Notify::new());
    let said = Arc::clone(&begun);
    let stage = Stage::with(Pace { lanes: 1, ..quick() }, move |_| {
        said.notify_one();
        async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            Ok(())
        }
    })
    .await;
    stage.send(&[delivery(1, 1), delivery(2, 2)]).await;
    begun.notified().await;
    let store = stage.end().await;
    assert_eq!(store.backlog(clock::now()).await.unwrap().waiting, 1);
}

#[tokio::test]
async fn work_that_never_ends_is_a_failure_and_does_not_hold_up_the_stop() {
    let tries = Arc::new(Mutex::new(BTreeSet::new()));
    let noted = Arc::clone(&tries);
    let pace = Pace { within: Duration::from_millis(300), last: Duration::from_millis(300), ..quick() };
    let stage = Stage::with(pace, move |claimed| {
        noted.lock().unwrap().insert(claimed.attempts);
        std::future::pending()
    })
    .await;
    stage.send(&[delivery(1, 1)]).await;
    let began = Instant::now();
    while tries.lock().unwrap().len() < 2 {
        assert!(began.elapsed() < Duration::from_secs(10), "not tried again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let began = Instant::now();
    let store = stage.end().await;
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(store.backlog(clock::now()).await.unwrap().waiting, 1);
}
