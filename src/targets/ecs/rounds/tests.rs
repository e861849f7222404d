use std::sync::Arc;

use futures_util::future::join;

use super::*;
use crate::engine::clock;

const PACE: Pace = Pace { gather: Duration::from_millis(50), apart: Duration::from_millis(500) };

/// A provider that knows everything but `nothing`, refuses `secret`, and takes its time.
#[derive(Debug, Default)]
struct Provider {
    /// When each call began, and what it asked for.
    calls: Mutex<Vec<(Instant, Vec<String>)>>,
    /// Calls whose answer was given.
    ended: AtomicUsize,
    /// How many calls are asked to come later.
    busy: AtomicUsize,
}

const TAKES: Duration = Duration::from_millis(100);

fn refused(kind: FailureKind) -> ProviderFailure {
    ProviderFailure {
        operation: "ecs:DescribeServices".to_owned(),
        code: None,
        message: "no".to_owned(),
        request_id: None,
        kind,
    }
}

impl Provider {
    async fn answer(&self, asked: Vec<String>) -> Found<Instant> {
        let began = Instant::now();
        self.calls.lock().unwrap().push((began, asked.clone()));
        pause(TAKES, &Cancel::new()).await;
        self.ended.fetch_add(1, Ordering::Relaxed);
        if self.busy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |busy| busy.checked_sub(1)).is_ok() {
            return Err(refused(FailureKind::Throttled));
        }
        if asked.iter().any(|key| key == "secret") {
            return Err(refused(FailureKind::Denied));
        }
        Ok(asked.into_iter().filter(|key| key != "nothing").map(|key| (key, began)).collect())
    }

    fn calls(&self) -> Vec<Vec<String>> {
        self.calls.lock().unwrap().iter().map(|(_, asked)| asked.clone()).collect()
    }
}

/// Rounds of at most three, of that many who may ask.
fn rounds(members: usize) -> (Arc<Provider>, Arc<Rounds<Instant>>) {
    let provider = Arc::new(Provider::default());
    let asked = Arc::clone(&provider);
    let rounds = Rounds::new(3, PACE, move |keys| {
        let provider = Arc::clone(&asked);
        async move { provider.answer(keys).await }.boxed()
    });
    (0..members).for_each(|_| rounds.expect());
    (provider, Arc::new(rounds))
}

async fn ask_all(rounds: &Rounds<Instant>, keys: &[&str]) -> Vec<Answer<Instant>> {
    join_all(keys.iter().map(|key| rounds.ask(key))).await
}

#[tokio::test(start_paused = true)]
async fn all_who_ask_at_once_are_answered_by_one_call_that_waits_for_nobody() {
    let (provider, rounds) = rounds(3);
    let began = Instant::now();
    let answers = ask_all(&rounds, &["a", "b", "c"]).await;
    assert_eq!(answers, vec![Ok(Some(began)); 3]);
    assert_eq!(provider.calls(), [["a", "b", "c"]]);
    assert_eq!(began.elapsed(), TAKES);
}

#[tokio::test(start_paused = true)]
async fn a_lone_one_never_waits() {
    let (provider, rounds) = rounds(1);
    for _ in 0..3 {
        let began = Instant::now();
        rounds.ask("a").await.unwrap();
        assert_eq!(began.elapsed(), TAKES);
    }
    assert_eq!(provider.calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn more_than_one_call_takes_are_asked_by_several_at_once() {
    let (provider, rounds) = rounds(7);
    let began = Instant::now();
    let answers = ask_all(&rounds, &["a", "b", "c", "d", "e", "f", "g"]).await;
    assert!(answers.iter().all(|answer| matches!(answer, Ok(Some(_)))), "{answers:?}");
    assert_eq!(provider.calls(), [vec!["a", "b", "c"], vec!["d", "e", "f"], vec!["g"]]);
    assert_eq!(began.elapsed(), TAKES);
}

#[tokio::test(start_paused = true)]
async fn who_asks_while_a_call_is_under_way_is_answered_by_a_later_one() {
    let (provider, rounds) = rounds(1);
    let late = async {
        pause(TAKES / 2, &Cancel::new()).await;
        let asked = Instant::now();
        (asked, rounds.ask("a").await.unwrap().unwrap())
    };
    let (_, (asked, began)) = join(rounds.ask("a"), late).await;
    assert!(began >= asked);
    assert_eq!(provider.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_ever_older_than_its_question() {
    let (provider, rounds) = rounds(9);
    // Nine who ask forty times, each at moments of its own.
    let asking = (0..9_u64).map(|who| {
        let rounds = Arc::clone(&rounds);
        async move {
            let mut random = who + 1;
            for _ in 0..40 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                pause(Duration::from_millis((random >> 33) % 700), &Cancel::new()).await;
                let asked = Instant::now();
                let began = rounds.ask(&format!("service-{who}")).await.unwrap().unwrap();
                assert!(began >= asked, "{who} was told what was {:?} before it asked", asked - began);
                // Somewhere in the queue: a gathering, or the distance to the call before.
                assert!(began - asked <= PACE.apart, "{who} waited {:?}", began - asked);
            }
        }
    });
    join_all(asking).await;
    assert!(provider.calls().len() < 200, "{} calls for 360 questions", provider.calls().len());
}

#[tokio::test(start_paused = true)]
async fn while_only_some_ask_calls_keep_their_distance() {
    let (provider, rounds) = rounds(3);
    let began = Instant::now();
    let polling = |key: &'static str, every: Duration| {
        let rounds = &rounds;
        async move {
            while began.elapsed() < Duration::from_secs(10) {
                rounds.ask(key).await.unwrap();
                pause(every, &Cancel::new()).await;
            }
        }
    };
    join(polling("a", Duration::from_millis(90)), polling("b", Duration::from_millis(210))).await;
    let calls = provider.calls.lock().unwrap().clone();
    assert!(calls.len() <= 21, "{} calls in 10 s", calls.len());
    for pair in calls.windows(2) {
        assert!(pair[1].0 - pair[0].0 >= PACE.apart, "{calls:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_absent_for_who_asked_for_it_alone() {
    let (_, rounds) = rounds(3);
    let answers = ask_all(&rounds, &["a", "nothing", "c"]).await;
    assert!(matches!(answers[..], [Ok(Some(_)), Ok(None), Ok(Some(_))]), "{answers:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_reaches_the_one_it_is_about_and_no_other() {
    let (provider, rounds) = rounds(3);
    let answers = ask_all(&rounds, &["a", "secret", "c"]).await;
    assert!(matches!(&answers[..], [Ok(Some(_)), Err(failure), Ok(Some(_))] if failure.kind == FailureKind::Denied));
    assert_eq!(provider.calls(), [vec!["a", "c", "secret"], vec!["a"], vec!["c"], vec!["secret"]]);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_holds_everybody_back_longer_each_time() {
    let (provider, rounds) = rounds(3);
    provider.busy.store(5, Ordering::Relaxed);
    let mut gaps = Vec::new();
    let mut last = None;
    for _ in 0..6 {
        let answers = ask_all(&rounds, &["a", "b", "c"]).await;
        let kinds: BTreeSet<bool> = answers.iter().map(Result::is_ok).collect();
        assert_eq!(kinds.len(), 1, "all are told the same: {answers:?}");
        let began = provider.calls.lock().unwrap().last().unwrap().0;
        gaps.extend(last.map(|last: Instant| began.duration_since(last + TAKES).as_secs()));
        last = Some(began);
    }
    assert_eq!(gaps, [1, 2, 4, 8, 8]);
    // It answered: nothing holds anybody back.
    let again = Instant::now();
    ask_all(&rounds, &["a", "b", "c"]).await;
    assert_eq!(again.elapsed(), TAKES);
    assert_eq!(provider.calls().len(), 7);
}

#[tokio::test(start_paused = true)]
async fn who_goes_takes_no_round_along_and_the_last_one_ends_the_call() {
    let (provider, rounds) = rounds(4);
    let limit = |length: u64, key: &'static str| {
        let rounds = Arc::clone(&rounds);
        async move { tokio::time::timeout(Duration::from_millis(length), rounds.ask(key)).await }
    };
    // One goes while the others are awaited, one during the call; the third is answered.
    let (first, (second, third)) = join(limit(10, "a"), join(limit(100, "b"), limit(1000, "c"))).await;
    assert!(first.is_err() && second.is_err());
    assert!(matches!(third, Ok(Ok(Some(_)))));
    assert_eq!(provider.calls(), [["a", "b", "c"]]);

    // All go: during the call, and before it left.
    pause(Duration::from_secs(1), &Cancel::new()).await;
    let (first, second) = join(limit(70, "a"), limit(80, "b")).await;
    assert!(first.is_err() && second.is_err());
    pause(Duration::from_secs(1), &Cancel::new()).await;
    assert_eq!((provider.calls().len(), provider.ended.load(Ordering::Relaxed)), (2, 1));
    assert!(limit(10, "a").await.is_err());
    assert_eq!(provider.calls().len(), 2);
    // And the next is answered as if nobody had been there.
    let asked = Instant::now();
    let began = rounds.ask("b").await.unwrap().unwrap();
    assert!(began >= asked);
    assert_eq!(provider.calls()[2..], [["b"]]);
}

#[tokio::test]
async fn those_on_other_threads_are_answered_too() {
    let (provider, rounds) = rounds(4);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    let began = clock::instant();
    let asking = (0..4).map(|who| {
        let rounds = Arc::clone(&rounds);
        runtime.spawn(async move {
            for _ in 0..3 {
                let asked = Instant::now();
                assert!(rounds.ask(&who.to_string()).await.unwrap().unwrap() >= asked);
            }
        })
    });
    for ended in join_all(asking.collect::<Vec<_>>()).await {
        ended.unwrap();
    }
    runtime.shutdown_background();
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(provider.calls().len() <= 12, "{:?}", provider.calls());
}
