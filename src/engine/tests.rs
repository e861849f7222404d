use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::simulated::{Crash, Fate, World};
use super::*;
use crate::config::spec::{Approval, OnFailure, Steered, Steering, Strategy};
use crate::rollout::*;
use crate::types::{ServiceName, Span};

fn parts(targets: &Targets) -> Parts<'_> {
    Parts { targets, alarms: None, metrics: None, gates: Some(&Willing), run: "run" }
}

/// Says yes whenever it is asked.
struct Willing;

#[async_trait::async_trait]
impl Gates for Willing {
    async fn forbids(&self, _gate: &Gate) -> Option<String> {
        None
    }

    async fn decision(&self, gate: &Gate) -> Decision {
        match gate.needs() {
            Awaited::Word => Decision::Approved { by: vec!["octo".into()] },
            Awaited::Nothing => std::future::pending().await,
        }
    }
}

/// Keeps every line it is told.
#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl Reporter for Lines {
    fn tell(&self, news: &News<'_>) {
        let line = match news {
            News::Began { phase, .. } => format!("began {}", phase.word()),
            News::Moved { phase, .. } => format!("moved {}", phase.word()),
            News::Progress { service, .. } => format!("progress {service}"),
            News::Measured { judged } => format!("measured {}", judged.verdict.word()),
            News::Hook { command, doing, .. } => format!("hook {}: {doing}", command.join(" ")),
            News::Notice { text, .. } => format!("notice {text}"),
        };
        self.0.lock().unwrap().push(line);
    }
}

async fn plan_for(world: &Arc<World>, waves: &[&[&str]], on_failure: OnFailure) -> Plan {
    let mut services = BTreeMap::new();
    for (name, target) in world.targets() {
        let wish = Wish::Revision(simulated::revision("new"));
        services.insert(name, target.prepare(&wish).await.unwrap().service);
    }
    let waves = waves.iter().map(|wave| wave.iter().map(|n| n.parse::<ServiceName>().unwrap()).collect()).collect();
    Plan {
        environment: "staging".parse().unwrap(),
        release: Release { commit: None, images: BTreeMap::new() },
        services,
        waves,
        checks: vec![],
        before: Vec::new(),
        after: Vec::new(),
        alarms: Vec::new(),
        steering: Some(Steering {
            strategy: Strategy::Canary {
                percent: "10".parse().unwrap(),
                bake: Span::minutes(10),
                approval: Approval::Asked,
                stays: Span::minutes(5),
            },
            by: Steered::Rollout,
            patience: Span::minutes(60),
        }),
        analysis: Vec::new(),
        on_failure,
        within: Span::minutes(5),
    }
    .checked()
    .unwrap()
}

/// Drives to the end; when the process dies, a new one goes on with the same journal.
async fn drive_through_crashes(world: &Arc<World>, plan: &Plan) -> (Phase, Vec<Entry>) {
    let journal = MemoryJournal::default();
    for _ in 0..3 {
        let targets = world.targets();
        let lines = Lines::default();
        let cancel = Cancel::new();
        let run = drive(plan, parts(&targets), &journal, &lines, &cancel, Limits::default());
        tokio::select! {
            driven = run => {
                let Driven::Finished(phase) = driven.unwrap() else { panic!("nobody cancelled") };
                return (phase, journal.entries());
            }
            () = world.died.cancelled(), if *world.crash.lock().unwrap() != Crash::Never => {
                *world.crash.lock().unwrap() = Crash::Never;
            }
        }
    }
    panic!("still not done after two restarts");
}

/// Services with their fates, the waves, and how it ends.
type Story = (&'static [(&'static str, Fate)], &'static [&'static [&'static str]], &'static str);

const STORIES: &[Story] = &[
    (&[("a", Fate::Serves), ("b", Fate::Serves)], &[&["a", "b"]], "succeeded"),
    (&[("a", Fate::Serves), ("b", Fate::Serves)], &[&["a"], &["b"]], "succeeded"),
    (&[("a", Fate::Serves), ("b", Fate::Breaks)], &[&["a"], &["b"]], "rolled-back"),
    (&[("a", Fate::Breaks), ("b", Fate::Serves), ("c", Fate::Serves)], &[&["a", "b"], &["c"]], "rolled-back"),
    (&[("a", Fate::Refused)], &[&["a"]], "nothing-changed"),
    (&[("a", Fate::Serves), ("b", Fate::Refused)], &[&["a"], &["b"]], "rolled-back"),
    (&[("a", Fate::TakenOver), ("b", Fate::Serves)], &[&["a", "b"]], "superseded"),
    (&[("a", Fate::Waits), ("b", Fate::Serves)], &[&["a", "b"]], "succeeded"),
    (&[("a", Fate::Waits), ("b", Fate::Breaks)], &[&["a"], &["b"]], "rolled-back"),
    (&[("a", Fate::Steps)], &[&["a"]], "succeeded"),
    (&[("a", Fate::Steps), ("b", Fate::Steps)], &[&["a", "b"]], "succeeded"),
    (&[("a", Fate::Steps), ("b", Fate::Breaks)], &[&["a"], &["b"]], "rolled-back"),
    (&[("a", Fate::StepsAndGivesUp), ("b", Fate::Steps)], &[&["a", "b"]], "rolled-back"),
    (&[("a", Fate::BreaksAndCannotGoBack), ("b", Fate::Serves)], &[&["b"], &["a"]], "needs-attention"),
];

#[tokio::test(start_paused = true)]
async fn a_crash_or_a_repeat_at_every_effect_ends_like_no_crash_at_all() {
    for (services, waves, expected) in STORIES {
        let calm = World::new(services, Crash::Never, false);
        let plan = plan_for(&calm, waves, OnFailure::RollBackAll).await;
        let (phase, _) = drive_through_crashes(&calm, &plan).await;
        assert_eq!(phase.outcome().unwrap().word(), *expected, "{services:?}");
        let calls = *calm.mutating_calls.lock().unwrap();

        let mut crashes = vec![(Crash::Never, true)];
        for call in 0..calls {
            for repeat in [false, true] {
                crashes.push((Crash::Before(call), repeat));
                crashes.push((Crash::After(call), repeat));
            }
        }
        for (crash, repeat) in crashes {
            let world = World::new(services, crash, repeat);
            let (phase, entries) = drive_through_crashes(&world, &plan).await;
            let told = format!("{services:?} {crash:?} repeat {repeat}");
            assert_eq!(phase.outcome().unwrap().word(), *expected, "{told}");
            for (name, _) in *services {
                let (remote, calm) = (world.remote(name), calm.remote(name));
                assert_eq!(remote.live, calm.live, "{told}: {name} runs something else");
                assert_eq!(remote.moving, calm.moving, "{told}: {name} moves differently");
                let updates = remote.begun.iter().filter(|to| *to == "new").count();
                assert!(updates <= 1, "{told}: {name} was updated {updates} times");
                let mut stops = remote.let_through.clone();
                stops.dedup();
                assert_eq!(stops, remote.let_through, "{told}: a stop was let through twice");
            }
            let sequence: Vec<u64> = entries.iter().map(|entry| entry.sequence).collect();
            assert_eq!(sequence, (0..entries.len() as u64).collect::<Vec<_>>(), "{told}");
        }
    }
}

fn hook(run: &str, undo: &str, within: u32) -> Hook {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let within = Span::seconds(within);
    let (role, service) = (HookRole::Step, "a".parse().unwrap());
    Hook { role, service, run: words(run), undo: words(undo), within, facts: serde_json::json!({}) }
}

/// A story with commands: those before, those after, what really begins, and how it ends.
struct Commands {
    services: &'static [(&'static str, Fate)],
    before: Vec<Hook>,
    after: Vec<Hook>,
    begins: &'static [&'static str],
    ends: &'static str,
}

fn stories_with_commands() -> Vec<Commands> {
    let migrate = || hook("migrate", "undo migrate", 60);
    let services: &'static [(&'static str, Fate)] = &[("a", Fate::Serves), ("b", Fate::Serves)];
    let broken: &'static [(&'static str, Fate)] = &[("a", Fate::Serves), ("b", Fate::Breaks)];
    let stuck: &'static [(&'static str, Fate)] = &[("a", Fate::BreaksAndCannotGoBack)];
    vec![
        Commands {
            services,
            before: vec![migrate(), hook("seed", "", 60)],
            after: vec![hook("warm", "", 60)],
            begins: &["migrate", "seed", "a to new", "b to new", "warm"],
            ends: "succeeded",
        },
        Commands {
            services,
            before: vec![migrate(), hook("exit 7", "undo exit", 60)],
            after: vec![hook("warm", "", 60)],
            begins: &["migrate", "exit 7", "undo migrate"],
            ends: "not-shifted",
        },
        Commands {
            services,
            before: vec![hook("hang", "undo hang", 0)],
            after: vec![],
            begins: &["hang"],
            ends: "not-shifted",
        },
        Commands {
            services,
            before: vec![migrate(), hook("refused", "", 60)],
            after: vec![],
            begins: &["migrate", "undo migrate"],
            ends: "not-shifted",
        },
        Commands {
            services: broken,
            before: vec![migrate(), hook("seed", "undo seed", 60)],
            after: vec![hook("warm", "", 60)],
            begins: &["migrate", "seed", "a to new", "b to new", "a to old", "b to old", "undo seed", "undo migrate"],
            ends: "rolled-back",
        },
        Commands {
            services,
            before: vec![migrate()],
            after: vec![hook("exit 1", "", 60)],
            begins: &["migrate", "a to new", "b to new", "exit 1", "a to old", "b to old", "undo migrate"],
            ends: "rolled-back",
        },
        Commands {
            services,
            before: vec![],
            after: vec![hook("hang", "", 0)],
            begins: &["a to new", "b to new", "hang", "a to old", "b to old"],
            ends: "rolled-back",
        },
        Commands {
            services: broken,
            before: vec![hook("migrate", "undo exit", 60)],
            after: vec![],
            begins: &["migrate", "a to new", "b to new", "a to old", "b to old", "undo exit"],
            ends: "needs-attention",
        },
        Commands {
            services: broken,
            before: vec![hook("migrate", "undo hang", 1)],
            after: vec![],
            begins: &["migrate", "a to new", "b to new", "a to old", "b to old", "undo hang"],
            ends: "needs-attention",
        },
        Commands {
            services: broken,
            before: vec![migrate(), hook("seed", "undo lost", 60)],
            after: vec![],
            begins: &["migrate", "seed", "a to new", "b to new", "a to old", "b to old", "undo lost"],
            ends: "needs-attention",
        },
        // What still serves may need what the command did.
        Commands {
            services: stuck,
            before: vec![migrate()],
            after: vec![],
            begins: &["migrate", "a to new"],
            ends: "needs-attention",
        },
    ]
}

#[tokio::test(start_paused = true)]
async fn commands_run_once_and_in_their_place_whatever_call_the_process_dies_at() {
    for story in stories_with_commands() {
        let names: Vec<&str> = story.services.iter().map(|(name, _)| *name).collect();
        let calm = World::new(story.services, Crash::Never, false);
        let mut plan = plan_for(&calm, &[&names], OnFailure::RollBackAll).await;
        (plan.before, plan.after) = (story.before, story.after);
        let mut sorted = story.begins.to_vec();
        sorted.sort_unstable();
        let (phase, _) = drive_through_crashes(&calm, &plan).await;
        assert_eq!(phase.outcome().unwrap().word(), story.ends, "{:?}", story.begins);

        let mut crashes = vec![(Crash::Never, false), (Crash::Never, true)];
        for call in 0..*calm.mutating_calls.lock().unwrap() {
            for repeat in [false, true] {
                crashes.push((Crash::Before(call), repeat));
                crashes.push((Crash::After(call), repeat));
            }
        }
        for (crash, repeat) in crashes {
            let world = World::new(story.services, crash, repeat);
            let (phase, _) = drive_through_crashes(&world, &plan).await;
            let told = format!("{:?} {crash:?} repeat {repeat}", story.begins);
            assert_eq!(phase.outcome().unwrap().word(), story.ends, "{told}");
            let order = world.order.lock().unwrap().clone();
            // Services of a wave may move in any order; commands may not.
            let commands = |list: &[&str]| -> Vec<String> {
                list.iter().filter(|what| !what.contains(" to ")).map(|what| (*what).to_owned()).collect()
            };
            let begun: Vec<&str> = order.iter().map(String::as_str).collect();
            assert_eq!(commands(&begun), commands(story.begins), "{told}");
            let mut begun = begun;
            begun.sort_unstable();
            assert_eq!(begun, sorted, "{told}");
            assert_eq!(*world.wrong.lock().unwrap(), Vec::<String>::new(), "{told}");
            let still =
                world.tasks.lock().unwrap().values().any(|task| matches!(task.run, simulated::RunState::Runs(_)));
            assert!(!still, "{told}: a command still runs");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn how_a_command_and_its_undo_get_on_is_told_once_a_step_with_the_command_that_runs() {
    let world = World::new(&[("a", Fate::Breaks)], Crash::Never, false);
    let mut plan = plan_for(&world, &[&["a"]], OnFailure::RollBackAll).await;
    plan.before = vec![hook("migrate", "undo migrate", 60)];
    let (journal, lines, targets) = (MemoryJournal::default(), Lines::default(), world.targets());
    let cancel = Cancel::new();
    drive(&plan, parts(&targets), &journal, &lines, &cancel, Limits::default()).await.unwrap();
    let told = lines.0.lock().unwrap().clone();
    let hooks: Vec<&str> = told.iter().filter(|line| line.contains("migrate")).map(String::as_str).collect();
    assert_eq!(hooks, ["hook migrate: running", "hook undo migrate: running"], "{told:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_start_was_lost_is_stopped_before_the_rollout_ends() {
    let world = World::new(&[("a", Fate::Serves)], Crash::Never, false);
    let mut plan = plan_for(&world, &[&["a"]], OnFailure::RollBackAll).await;
    plan.before = vec![hook("lost", "undo lost", 60)];
    let (phase, _) = drive_through_crashes(&world, &plan).await;
    assert_eq!(phase.outcome().unwrap().word(), "not-shifted");
    assert_eq!(*world.order.lock().unwrap(), ["lost"]);
    let tasks = world.tasks.lock().unwrap();
    assert!(tasks.values().all(|task| task.run == simulated::RunState::Stopped), "{tasks:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cancel_during_a_command_stops_it_and_moves_nothing() {
    for crash in [Crash::Never, Crash::Before(1), Crash::After(1)] {
        let world = World::new(&[("a", Fate::Serves)], crash, false);
        let mut plan = plan_for(&world, &[&["a"]], OnFailure::RollBackAll).await;
        plan.before = vec![hook("hang", "undo hang", 600)];
        let (journal, lines, cancel) = (MemoryJournal::default(), Lines::default(), Cancel::new());
        let targets = world.targets();
        let run = drive(&plan, parts(&targets), &journal, &lines, &cancel, Limits::default());
        let stop = async {
            wait::until(None, wait::Backoff::DEPLOYMENT, &Cancel::new(), async || {
                if world.tasks.lock().unwrap().is_empty() { wait::Seen::NotYet } else { wait::Seen::Ready(()) }
            })
            .await;
            cancel.cancel();
            std::future::pending::<()>().await;
        };
        let driven = tokio::select! {
            driven = run => Some(driven.unwrap()),
            () = stop => None,
            () = world.died.cancelled(), if crash != Crash::Never => None,
        };
        let outcome = if let Some(driven) = driven {
            driven.phase().outcome().cloned()
        } else {
            // The next process goes on with the journal, which knows of the cancel.
            *world.crash.lock().unwrap() = Crash::Never;
            let calm = Cancel::new();
            let run = drive(&plan, parts(&targets), &journal, &lines, &calm, Limits::default());
            run.await.unwrap().phase().outcome().cloned()
        };
        assert_eq!(outcome, Some(Outcome::Cancelled), "{crash:?}");
        assert_eq!(*world.order.lock().unwrap(), ["hang"], "{crash:?}");
        let tasks = world.tasks.lock().unwrap().values().cloned().collect::<Vec<_>>();
        assert!(tasks.iter().all(|task| task.run == simulated::RunState::Stopped), "{crash:?}: {tasks:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_cause_is_explained_before_the_way_back() {
    let world = World::new(&[("a", Fate::Breaks)], Crash::Never, false);
    let plan = plan_for(&world, &[&["a"]], OnFailure::RollBackAll).await;
    let (phase, _) = drive_through_crashes(&world, &plan).await;
    let Some(Outcome::RolledBack { why: Reason::ServiceFailed { cause, .. } }) = phase.outcome() else {
        panic!("{phase:?}")
    };
    assert_eq!((cause.summary.as_str(), cause.facts.as_slice()), ("it exited", ["explained".to_owned()].as_slice()));
    assert_eq!(world.remote("a").live, "old");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_got_lost_is_not_asked_twice_and_what_it_did_is_taken_back() {
    let world = World::new(&[("a", Fate::AnswerLost)], Crash::Never, false);
    let plan = plan_for(&world, &[&["a"]], OnFailure::RollBackAll).await;
    let (phase, _) = drive_through_crashes(&world, &plan).await;
    assert_eq!(phase.outcome().unwrap().word(), "rolled-back");
    assert_eq!((world.remote("a").live.as_str(), world.remote("a").moving), ("old", None));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_never_gets_ready_is_taken_back_when_its_time_is_over() {
    let world = World::new(&[("a", Fate::NeverReady)], Crash::Never, false);
    let mut plan = plan_for(&world, &[&["a"]], OnFailure::RollBackAll).await;
    plan.within = Span::seconds(0);
    let (phase, _) = drive_through_crashes(&world, &plan).await;
    let cause = phase.services()[&"a".parse::<ServiceName>().unwrap()].cause().unwrap().clone();
    assert_eq!(cause.code, CauseCode::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_takes_back_what_was_begun_and_says_so() {
    let world = World::new(&[("a", Fate::NeverReady)], Crash::Never, false);
    let plan = plan_for(&world, &[&["a"]], OnFailure::RollBackAll).await;
    let (journal, lines, cancel) = (MemoryJournal::default(), Lines::default(), Cancel::new());
    let targets = world.targets();
    let run = drive(&plan, parts(&targets), &journal, &lines, &cancel, Limits::default());
    let stop = async {
        // Only once it is moving: a cancel before that has nothing to take back.
        wait::until(None, wait::Backoff::DEPLOYMENT, &Cancel::new(), async || match world.remote("a").moving {
            Some(_) => wait::Seen::Ready(()),
            None => wait::Seen::NotYet,
        })
        .await;
        cancel.cancel();
    };
    let (driven, ()) = tokio::join!(run, stop);
    assert_eq!(driven.unwrap().phase().outcome(), Some(&Outcome::Cancelled));
    assert_eq!(world.remote("a").live, "old");
    assert_eq!(world.remote("a").moving, None);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_whose_way_back_takes_too_long_ends_in_time() {
    let world = World::new(&[("a", Fate::NeverReady)], Crash::After(1), false);
    let plan = plan_for(&world, &[&["a"]], OnFailure::RollBackAll).await;
    let (journal, lines, cancel) = (MemoryJournal::default(), Lines::default(), Cancel::new());
    cancel.cancel();
    let limits = Limits { after_cancel: Duration::from_millis(50), ..Limits::default() };
    // The second mutating call (the revert) never answers.
    let targets = world.targets();
    let driven = drive(&plan, parts(&targets), &journal, &lines, &cancel, limits).await.unwrap();
    assert!(matches!(driven, Driven::Interrupted(Phase::RollingBack { .. })), "{driven:?}");
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_cannot_be_written_stops_the_rollout() {
    struct Full;
    #[async_trait::async_trait]
    impl Journal for Full {
        async fn append(&self, entry: Entry) -> Result<(), JournalFailed> {
            if entry.sequence < 1 { Ok(()) } else { Err(JournalFailed("disk full".into())) }
        }
        async fn last(&self) -> Result<Option<Entry>, JournalFailed> {
            Ok(None)
        }
    }
    let world = World::new(&[("a", Fate::Serves), ("b", Fate::Serves)], Crash::Never, false);
    let plan = plan_for(&world, &[&["a"], &["b"]], OnFailure::RollBackAll).await;
    let lines = Lines::default();
    let targets = world.targets();
    let error = drive(&plan, parts(&targets), &Full, &lines, &Cancel::new(), Limits::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "the rollout's journal could not be written: disk full");
    assert!(world.remote("b").begun.is_empty(), "the second wave began without a journal");
}

#[tokio::test(start_paused = true)]
async fn a_journal_written_by_somebody_else_is_refused() {
    let journal = MemoryJournal::default();
    let world = World::new(&[("a", Fate::Serves)], Crash::Never, false);
    let plan = plan_for(&world, &[&["a"]], OnFailure::RollBackAll).await;
    let entry = |sequence| Entry { sequence, at: clock::now(), event: None, phase: Phase::first(&plan) };
    journal.append(entry(0)).await.unwrap();
    assert!(journal.append(entry(0)).await.is_err());
    assert!(journal.append(entry(2)).await.is_err());
    journal.append(entry(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn waiting_looks_at_once_and_never_beyond_its_deadline() {
    let mut looks = 0;
    let deadline = Some(clock::instant() + Duration::from_millis(30));
    let waited = wait::until(deadline, wait::Backoff::DEPLOYMENT, &Cancel::new(), async || {
        looks += 1;
        if looks == 1 { wait::Seen::<()>::NotYet } else { wait::Seen::Ready(()) }
    })
    .await;
    assert_eq!(waited, wait::Waited::Ready(()));
    let cancelled = Cancel::new();
    cancelled.cancel();
    let waited = wait::until(None, wait::Backoff::DEPLOYMENT, &cancelled, async || wait::Seen::Ready(())).await;
    assert_eq!(waited, wait::Waited::Cancelled);
}
