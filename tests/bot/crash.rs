//! The bot is killed at every effect, twice, on both databases: it goes on where it was, and nothing
//! is done a second time.
//!
//! An undisturbed run tells which effects there are. Then each of them is withheld on the wire, once
//! before it happens (the call gets no answer and changes nothing) and once after it happened (only
//! the answer is missing); while the bot waits for the answer every replica is killed.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use shipline_test_support::{Behaviour, Call, Fault, FaultKind, Pull, Rule};

use crate::stage::{Database, POLICY, Stage, policy_with};
use crate::told::policy;

/// So many stages at once: nearly all of their time is waiting for leases.
const AT_ONCE: usize = 6;

/// How long a call is withheld: longer than any story.
const WITHHELD: u64 = 300_000;

const MIGRATION: &str = "before: [{ run: [alembic, upgrade, head], in: api, undo: [alembic, downgrade, \"-1\"] }]";
const MIGRATED: &[&str] = &["alembic upgrade head", "alembic downgrade -1"];

/// What somebody asks for.
#[derive(Debug, Clone, Copy)]
enum Story {
    Deploys,
    Breaks,
    /// It breaks after its migration, which is undone.
    Migrates,
    GoesBack,
    Builds,
    Waits,
}

/// What serves at the end, as far as it is known before.
enum Serves {
    Exactly(String),
    /// Only the build makes what will serve.
    AnythingBut(String),
}

/// A stage just before the command, and how it has to end.
struct Scene {
    issue: u64,
    command: &'static str,
    /// The words in the comment at the end.
    told: &'static str,
    /// What serves at the end.
    serves: Serves,
    /// The last state of the Deployment.
    state: &'static str,
    /// The commit whose check run is concluded at the end.
    checked: Option<Pull>,
    /// What somebody answers when the plan waits.
    answer: Cell<Option<&'static str>>,
    /// The one-off tasks there were.
    commands: &'static [&'static str],
}

impl Story {
    async fn begun(self, database: Database) -> (Stage, Scene) {
        let mut stage = Stage::new(database).await;
        stage.start();
        if database == Database::Postgres {
            stage.start();
        }
        let deploys = |issue, pull: Pull, serves| Scene {
            issue,
            command: "/deploy staging",
            told: "serves after",
            serves,
            state: "success",
            checked: Some(pull),
            answer: Cell::new(None),
            commands: &[],
        };
        let scene = match self {
            Self::Deploys => {
                let pull = stage.pull("Say hello");
                let serves = stage.built(&pull.sha);
                // Long enough that it is told how it goes, not only how it ends.
                stage.goes(&serves, Behaviour::slow(1_500, 50));
                deploys(pull.number, pull, Serves::Exactly(serves))
            }
            Self::Breaks => {
                let before = stage.serving("api-staging").unwrap();
                let pull = stage.pull("Forget the address");
                stage.breaks(&stage.built(&pull.sha));
                let scene = deploys(pull.number, pull, Serves::Exactly(before));
                Scene { told: "serves again", state: "failure", ..scene }
            }
            Self::Migrates => {
                stage.shop.file(".github/shipline.yml", &policy_with(MIGRATION));
                let before = stage.serving("api-staging").unwrap();
                let pull = stage.pull("Forget the address");
                stage.breaks(&stage.built(&pull.sha));
                stage.world.rule(Rule::command("alembic", Behaviour::healthy()));
                let scene = deploys(pull.number, pull, Serves::Exactly(before));
                Scene { told: "serves again", state: "failure", commands: MIGRATED, ..scene }
            }
            Self::GoesBack => {
                let mut good = None;
                for title in ["First", "Second"] {
                    good = stage.serving("api-staging");
                    let pull = stage.pull(title);
                    stage.says("dev", pull.number, "/deploy staging");
                    stage.answer(pull.number, "serves after");
                    stage.until("its end", || (ended(&stage) == stage.shop.deployments().len()).then_some(()));
                }
                let issue = stage.shop.issue("dev", "Something is wrong");
                Scene {
                    issue,
                    command: "/rollback staging",
                    told: "locked",
                    serves: Serves::Exactly(good.unwrap()),
                    state: "success",
                    checked: None,
                    answer: Cell::new(None),
                    commands: &[],
                }
            }
            Self::Waits => {
                stage.policy(&policy("    approvals: { count: 1, from: [\"@mona\"] }\n"));
                let pull = stage.pull("Ask first");
                let serves = stage.built(&pull.sha);
                let scene = deploys(pull.number, pull, Serves::Exactly(serves));
                Scene { answer: Cell::new(Some("/approve staging")), ..scene }
            }
            Self::Builds => {
                stage.shop.file(".github/shipline.yml", &format!("{POLICY}build: {{ workflow: build.yml }}\n"));
                stage.shop.building_workflow("build.yml", "sha", &["pmis/api"], Duration::from_millis(300));
                let pull = stage.shop.pull("dev", "Not built yet");
                deploys(pull.number, pull, Serves::AnythingBut(stage.serving("api-staging").unwrap()))
            }
        };
        stage.world.forget_calls();
        (stage, scene)
    }
}

/// Deployments that the audit trail says are over.
fn ended(stage: &Stage) -> usize {
    // A program is started for it.
    std::thread::sleep(Duration::from_millis(100));
    stage.program(&["audit", "export"]).lines().filter(|line| line.contains("\"deployment-ended\"")).count()
}

impl Scene {
    /// Whether everybody was told the end.
    fn is_told(&self, stage: &Stage) -> bool {
        if let Some(answer) = self.answer.get()
            && stage.answers(self.issue).iter().any(|comment| comment.body.contains("**Your turn, "))
        {
            stage.says("mona", self.issue, answer);
            self.answer.set(None);
        }
        stage.answers(self.issue).iter().any(|comment| comment.body.contains(self.told))
            && stage.states("staging").last().and_then(|states| states.last()).is_some_and(|state| state == self.state)
            && self.checked.as_ref().is_none_or(|pull| {
                let checks = stage.shop.checks(&pull.sha);
                checks.iter().any(|check| check["conclusion"] == self.state)
            })
    }

    /// Demands what has to be true however often the bot died.
    fn assert_all_is_well(&self, stage: &Stage, before: usize, about: &str) {
        stage.until("the end is told", || self.is_told(stage).then_some(()));
        stage.until("the end is written down", || (ended(stage) > before).then_some(()));
        let everything = || format!("{about}\n{}", stage.everything());
        let serving = stage.serving("api-staging").unwrap_or_else(|| panic!("not steady; {}", everything()));
        match &self.serves {
            Serves::Exactly(image) => assert_eq!(&serving, image, "{}", everything()),
            Serves::AnythingBut(before) => assert_ne!(&serving, before, "{}", everything()),
        }
        assert_eq!(ended(stage), before + 1, "one end; {}", everything());
        stage.program(&["audit", "verify"]);
        let answers = stage.answers(self.issue);
        assert_eq!(answers.len(), 1, "one comment; {}", everything());
        assert!(answers[0].body.contains(self.told), "{}", everything());
        let ours = stage.states("staging").len();
        let asked = stage.shop.conversation(self.issue);
        let asked = asked.iter().find(|comment| comment.body == self.command).unwrap();
        assert!(asked.reactions.contains_key("eyes"), "👀; {}", everything());
        assert_eq!(ours, before + 1, "one Deployment; {}", everything());
        let mut made: BTreeMap<(String, String), u32> = BTreeMap::new();
        for call in stage.world.calls() {
            let what = match call.operation.as_str() {
                "UpdateService" => call.body["taskDefinition"].to_string(),
                "RegisterTaskDefinition" => call.body["family"].to_string(),
                "RunTask" => call.body["clientToken"].to_string(),
                operation if operation.ends_with("/dispatches") => String::new(),
                _ => continue,
            };
            // Without a status it was withheld: it never happened.
            if call.status.is_some_and(|status| status < 300) {
                *made.entry((call.operation, what)).or_default() += 1;
            }
        }
        assert!(made.values().all(|times| *times == 1), "nothing twice, but {made:?}; {}", everything());
        assert_eq!(stage.commands(), self.commands, "{}", everything());
        assert!(made.keys().any(|(operation, _)| operation == "UpdateService"), "{made:?}; {}", everything());
    }
}

/// An effect: the call (numbers in its path are `*`), and how many of its kind came before it.
#[derive(Debug, Clone)]
struct EffectCall {
    service: String,
    operation: String,
    earlier: u32,
}

/// The operation, whichever comment, Deployment or run it is about.
fn kind_of(call: &Call) -> String {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = call.operation.split('/').map(|part| if is_number(part) { "*" } else { part }).collect();
    parts.join("/")
}

impl EffectCall {
    /// How it is withheld: before it happens, and after it happened. What may be done twice without
    /// harm is withheld in the second way only where a database was shown to stand the first.
    fn ways(&self, database: Database) -> Vec<FaultKind> {
        let (before, after) = (FaultKind::Hang { ms: WITHHELD }, FaultKind::Delay { ms: WITHHELD });
        let harmless = ["PATCH ", "/statuses", "/reactions", "/check-runs"];
        let is_harmless = harmless.iter().any(|part| self.operation.contains(part));
        if is_harmless && database == Database::Postgres { vec![after] } else { vec![before, after] }
    }

    /// How often it was called, from the one meant on.
    fn reached(&self, stage: &Stage) -> u32 {
        let calls = stage.world.calls();
        let same = calls.iter().filter(|call| call.service == self.service && kind_of(call) == self.operation);
        u32::try_from(same.count()).unwrap().saturating_sub(self.earlier)
    }
}

/// Whether a call changes something outside of the bot.
fn changes(call: &Call) -> bool {
    match call.service.as_str() {
        // An access token is no change, and GraphQL only asks here.
        "github" => {
            !call.operation.starts_with("GET")
                && !call.operation.ends_with("/access_tokens")
                && call.operation != "POST /graphql"
        }
        "ecs" => !["Describe", "List"].iter().any(|reads| call.operation.starts_with(reads)),
        _ => false,
    }
}

/// Every effect of one undisturbed run, in order.
async fn effects(story: Story) -> Vec<EffectCall> {
    let (stage, scene) = story.begun(Database::Sqlite).await;
    let before = ended(&stage);
    stage.says("dev", scene.issue, scene.command);
    scene.assert_all_is_well(&stage, before, "undisturbed");
    let mut seen: BTreeMap<(String, String), u32> = BTreeMap::new();
    let mut effects = Vec::new();
    for call in stage.world.calls().iter().filter(|call| changes(call)) {
        let count = seen.entry((call.service.clone(), kind_of(call))).or_default();
        effects.push(EffectCall { service: call.service.clone(), operation: kind_of(call), earlier: *count });
        *count += 1;
    }
    // Edits of the comment are as many as time allows; two of them are enough to be killed at.
    effects.retain(|effect| !effect.operation.starts_with("PATCH") || effect.earlier < 2);
    effects
}

/// Kills the bot twice when it makes this call, and demands the same end as without. Says how often
/// it died.
async fn killed_at(story: Story, effect: &EffectCall, kind: &FaultKind, database: Database) -> u32 {
    let (mut stage, scene) = story.begun(database).await;
    let before = ended(&stage);
    stage.world.fault(Fault::on(&effect.service, &effect.operation, kind.clone()).after(effect.earlier).times(2));
    stage.says("dev", scene.issue, scene.command);
    let mut died = 0;
    while died < 2 {
        // After a crash the same effect may have nothing left to do: then there is no second call.
        let called = stage.until("the call, or the end", || {
            // It waits for its answer: there is no hurry.
            std::thread::sleep(Duration::from_millis(50));
            if effect.reached(&stage) > died { Some(true) } else { scene.is_told(&stage).then_some(false) }
        });
        if !called {
            break;
        }
        // Nobody knows which replica it was: all die, and as many start.
        let running: Vec<usize> = (0..stage.bots.len()).filter(|index| stage.bots[*index].is_some()).collect();
        for index in &running {
            stage.kill(*index);
        }
        for _ in &running {
            stage.start();
        }
        died += 1;
    }
    // All that is left is what is true already; nothing more is withheld.
    stage.world.no_faults();
    scene.assert_all_is_well(&stage, before, &format!("killed {died} times at {effect:?} ({kind:?})"));
    died
}

/// A thread and a runtime for each stage: stages wait by blocking.
fn on_its_own<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn killed_at_every_effect(story: Story, database: Database) {
    let begun = Instant::now();
    let effects = on_its_own(effects(story));
    assert!(effects.len() >= 6, "{effects:#?}");
    let ways =
        |effect: &EffectCall| effect.ways(database).into_iter().map(|kind| (effect.clone(), kind)).collect::<Vec<_>>();
    let all: VecDeque<_> = effects.iter().flat_map(ways).collect();
    let stages = all.len();
    let left = Mutex::new(all);
    let next = || left.lock().unwrap().pop_front();
    let died = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((effect, kind)) = next() {
                    let times = on_its_own(killed_at(story, &effect, &kind, database));
                    died.lock().unwrap().push((times, effect, kind));
                }
            });
        }
    });
    let died = died.into_inner().unwrap();
    println!("{story:?} on {database:?}: {stages} stages in {:?}", begun.elapsed());
    // Otherwise it would have been shown of nothing.
    let always = |effect: &EffectCall| effect.earlier == 0 && !effect.operation.starts_with("PATCH");
    let never: Vec<_> = died.iter().filter(|(times, effect, _)| *times == 0 && always(effect)).collect();
    assert!(never.is_empty(), "never reached: {never:#?}");
}

#[test]
fn on_sqlite_a_killed_bot_goes_on_with_a_deployment_at_every_effect() {
    killed_at_every_effect(Story::Deploys, Database::Sqlite);
}

#[test]
fn on_sqlite_a_killed_bot_goes_on_with_the_way_back_of_a_release_that_breaks_at_every_effect() {
    killed_at_every_effect(Story::Breaks, Database::Sqlite);
}

#[test]
fn on_sqlite_a_killed_bot_goes_on_with_a_migration_and_its_undo_at_every_effect() {
    killed_at_every_effect(Story::Migrates, Database::Sqlite);
}

#[test]
fn on_sqlite_a_killed_bot_goes_on_with_a_rollback_at_every_effect() {
    killed_at_every_effect(Story::GoesBack, Database::Sqlite);
}

#[test]
fn on_sqlite_a_killed_bot_goes_on_with_a_release_to_be_built_at_every_effect() {
    killed_at_every_effect(Story::Builds, Database::Sqlite);
}

#[test]
fn on_postgresql_two_killed_replicas_go_on_with_a_deployment_at_every_effect() {
    killed_at_every_effect(Story::Deploys, Database::Postgres);
}

#[test]
fn on_postgresql_two_killed_replicas_go_on_with_the_way_back_of_a_release_that_breaks_at_every_effect() {
    killed_at_every_effect(Story::Breaks, Database::Postgres);
}

#[test]
fn on_postgresql_two_killed_replicas_go_on_with_a_rollback_at_every_effect() {
    killed_at_every_effect(Story::GoesBack, Database::Postgres);
}

#[test]
fn on_postgresql_two_killed_replicas_go_on_with_a_release_to_be_built_at_every_effect() {
    killed_at_every_effect(Story::Builds, Database::Postgres);
}

#[test]
fn on_sqlite_a_killed_bot_goes_on_with_a_plan_that_waits_for_approval_at_every_effect() {
    killed_at_every_effect(Story::Waits, Database::Sqlite);
}

#[test]
fn on_postgresql_two_killed_replicas_go_on_with_a_plan_that_waits_for_approval_at_every_effect() {
    killed_at_every_effect(Story::Waits, Database::Postgres);
}
