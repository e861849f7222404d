//! A target in memory, for the engine's own tests: a service that moves, fails, is taken over, and a
//! process that dies at any chosen call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::target::*;
use super::{Cancel, TaskSight, Tasks, clock};
use crate::rollout::*;
use crate::types::ServiceName;

/// What becomes of a change to the new revision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fate {
    Serves,
    Breaks,
    Refused,
    AnswerLost,
    TakenOver,
    BreaksAndCannotGoBack,
    NeverReady,
    /// Something stands in the way once on each way.
    Waits,
    /// Stops before each of two steps of traffic, then bakes.
    Steps,
    /// The same, and goes back by itself at the second one.
    StepsAndGivesUp,
}

/// The provider's side of one service.
#[derive(Debug, Clone)]
pub(super) struct Remote {
    pub(super) live: String,
    pub(super) moving: Option<(String, u32)>,
    /// Times the provider really began a move, by revision.
    pub(super) begun: Vec<String>,
    pub(super) fate: Fate,
    lost_once: bool,
    /// Of a service that waits: what still stands in the way, forward 2, back 1.
    in_the_way: u8,
    /// Of a service that moves step by step: stops that were let through, by what was asked.
    pub(super) let_through: Vec<String>,
    baked: u8,
}

/// The provider's side of one task. Its command says what becomes of it: `exit`, `hang`, `lost`, `refused`,
/// anything else ends well.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct RemoteTask {
    pub(super) command: String,
    pub(super) run: RunState,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum RunState {
    /// For that many looks.
    Runs(u32),
    Exited(i32),
    Stopped,
}

/// When the process dies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Crash {
    Never,
    /// Before the n-th mutating call takes effect, from 0.
    Before(usize),
    /// After it took effect, before its answer.
    After(usize),
}

/// Everything the services of a test share.
pub(super) struct World {
    pub(super) remotes: Mutex<BTreeMap<ServiceName, Remote>>,
    pub(super) mutating_calls: Mutex<usize>,
    pub(super) crash: Mutex<Crash>,
    pub(super) died: Cancel,
    pub(super) repeat_everything: bool,
    /// Tasks by their key.
    pub(super) tasks: Mutex<BTreeMap<String, RemoteTask>>,
    /// What really began, in order: moves and tasks.
    pub(super) order: Mutex<Vec<String>>,
    /// What must never happen and did.
    pub(super) wrong: Mutex<Vec<String>>,
}

impl Remote {
    /// What a service that moves step by step shows.
    fn stepwise(&mut self) -> Option<Sight> {
        let moving = self.moving.as_ref().is_some_and(|(to, _)| to == "new");
        if !moving || !matches!(self.fate, Fate::Steps | Fate::StepsAndGivesUp) {
            return None;
        }
        let stops = [("first", "0"), ("second", "10")];
        if let Some((id, traffic)) = stops.get(self.let_through.len()) {
            if *id == "second" && self.fate == Fate::StepsAndGivesUp {
                self.moving = None;
                return Some(Sight::Broke(Box::new(cause("nobody told it to go on"))));
            }
            let traffic = traffic.parse().unwrap();
            let pause = Pause { id: (*id).into(), traffic, at: clock::now(), expires: None };
            return Some(Sight::Paused(pause, Progress::default()));
        }
        self.baked += 1;
        (self.baked < 4).then(|| Sight::Baking(Progress::default()))
    }
}

impl World {
    pub(super) fn new(services: &[(&str, Fate)], crash: Crash, repeat_everything: bool) -> Arc<Self> {
        let remote = |fate| Remote {
            live: "old".into(),
            moving: None,
            begun: vec![],
            fate,
            lost_once: false,
            in_the_way: 2,
            let_through: vec![],
            baked: 0,
        };
        Arc::new(Self {
            remotes: Mutex::new(services.iter().map(|(n, fate)| (n.parse().unwrap(), remote(*fate))).collect()),
            mutating_calls: Mutex::new(0),
            crash: Mutex::new(crash),
            died: Cancel::new(),
            repeat_everything,
            tasks: Mutex::default(),
            order: Mutex::default(),
            wrong: Mutex::default(),
        })
    }

    pub(super) fn remote(&self, service: &str) -> Remote {
        self.remotes.lock().unwrap()[&service.parse::<ServiceName>().unwrap()].clone()
    }

    pub(super) fn targets(self: &Arc<Self>) -> super::Targets {
        let names: Vec<ServiceName> = self.remotes.lock().unwrap().keys().cloned().collect();
        names
            .into_iter()
            .map(|name| (name.clone(), Arc::new(Simulated { name, world: self.clone() }) as Arc<dyn Target>))
            .collect()
    }

    /// Dies here if this is the call to die at: the task never comes back.
    async fn maybe_die(&self, here: impl Fn(usize) -> Crash, call: usize) {
        let dies = *self.crash.lock().unwrap() == here(call);
        if dies {
            self.died.cancel();
            std::future::pending::<()>().await;
        }
    }

    fn began(&self, what: String) {
        let runs = |task: &RemoteTask| matches!(task.run, RunState::Runs(_));
        let busy = self.tasks.lock().unwrap().values().find(|task| runs(task)).map(|task| task.command.clone());
        if let Some(busy) = busy {
            self.wrong.lock().unwrap().push(format!("{what} began while {busy} ran"));
        }
        let new = |remote: &Remote| remote.live == "new" || remote.moving.is_some();
        if what.starts_with("undo") && self.remotes.lock().unwrap().values().any(new) {
            self.wrong.lock().unwrap().push(format!("{what} began while the new revision served"));
        }
        self.order.lock().unwrap().push(what);
    }

    fn next_call(&self) -> usize {
        let mut calls = self.mutating_calls.lock().unwrap();
        *calls += 1;
        *calls - 1
    }
}

pub(super) fn revision(id: &str) -> Revision {
    Revision { id: id.into(), name: id.into(), image: None, image_text: id.into(), commit: None, facts: json!({}) }
}

struct Simulated {
    name: ServiceName,
    world: Arc<World>,
}

impl Simulated {
    fn with<T>(&self, act: impl FnOnce(&mut Remote) -> T) -> T {
        act(self.world.remotes.lock().unwrap().get_mut(&self.name).expect("the test's own service"))
    }

    fn begin(&self, to: &str) {
        let before = self.with(|remote| remote.begun.len());
        self.with(|remote| {
            let under_way = remote.moving.as_ref().is_some_and(|(moving, _)| moving == to);
            if remote.live != to && !under_way {
                remote.moving = Some((to.to_owned(), 2));
                remote.begun.push(to.to_owned());
            } else if remote.live == to && remote.moving.is_some() && !under_way {
                remote.moving = None;
                remote.begun.push(to.to_owned());
            }
        });
        if self.with(|remote| remote.begun.len()) > before {
            self.world.began(format!("{} to {to}", self.name));
        }
    }

    fn run_task(&self, command: &[String], key: &str) -> Task {
        let known = self.world.tasks.lock().unwrap().contains_key(key);
        if !known {
            let command = command.join(" ");
            self.world.began(command.clone());
            self.world.tasks.lock().unwrap().insert(key.into(), RemoteTask { command, run: RunState::Runs(2) });
        }
        Task { id: key.into(), started: clock::now(), facts: json!({}) }
    }

    fn shift(to: &str, direction: Direction) -> Shift {
        Shift { id: None, revision: revision(to), direction, started: clock::now(), facts: json!({}) }
    }
}

fn cause(text: &str) -> Cause {
    Cause::new(CauseCode::ContainerExited, text, "Mend it.")
}

#[async_trait]
impl Target for Simulated {
    fn place(&self) -> TargetPlace {
        TargetPlace {
            kind: TargetKind::Ecs,
            name: self.name.to_string(),
            region: "here".into(),
            console: None,
            url: None,
        }
    }

    async fn prepare(&self, _wish: &Wish) -> Result<Preparation, TargetError> {
        let live = self.with(|remote| remote.live.clone());
        let change = if live == "new" { Change::Nothing } else { Change::Move { fields: vec![], wish: json!({}) } };
        let service =
            ServicePlan { place: self.place(), image: None, previous: revision(&live), change, notices: vec![] };
        Ok(Preparation { service })
    }

    async fn apply(&self, _plan: &ServicePlan) -> Result<Shift, NotApplied> {
        let call = self.world.next_call();
        self.world.maybe_die(Crash::Before, call).await;
        let fate = self.with(|remote| remote.fate);
        if fate == Fate::Refused {
            return Err(NotApplied { cause: cause("refused"), touched: Touched::No });
        }
        if fate == Fate::Waits && self.with(|remote| remote.in_the_way) == 2 {
            return Ok(Shift { id: Some("behind".into()), ..Self::shift("new", Direction::Forward) });
        }
        self.begin("new");
        if self.world.repeat_everything {
            self.begin("new");
        }
        self.world.maybe_die(Crash::After, call).await;
        if fate == Fate::AnswerLost && !self.with(|remote| std::mem::replace(&mut remote.lost_once, true)) {
            return Err(NotApplied { cause: cause("no answer"), touched: Touched::Perhaps });
        }
        Ok(Self::shift("new", Direction::Forward))
    }

    async fn observe(&self, _plan: &ServicePlan, shift: &Shift) -> Result<Sight, TargetError> {
        tokio::task::yield_now().await;
        Ok(self.with(|remote| {
            let forward = shift.direction == Direction::Forward;
            if shift.id.as_deref() == Some("behind") {
                remote.in_the_way = u8::from(forward);
                return Sight::AskAgain;
            }
            if forward && let Some(sight) = remote.stepwise() {
                return sight;
            }
            if let Some((to, left)) = remote.moving.as_mut()
                && *left > 0
            {
                let stays = forward && to == "new" && remote.fate == Fate::NeverReady;
                *left -= u32::from(!stays);
                return Sight::Moving(Progress::default());
            }
            match (remote.fate, forward) {
                (Fate::Breaks | Fate::BreaksAndCannotGoBack, true) => {
                    return Sight::Broke(Box::new(cause("it exited")));
                }
                (Fate::TakenOver, true) => {
                    remote.moving = None;
                    remote.live = "theirs".into();
                    return Sight::Superseded { by: "theirs".into() };
                }
                _ => {}
            }
            if let Some((to, _)) = remote.moving.take() {
                remote.live = to;
            }
            if remote.live == shift.revision.id {
                Sight::Serving
            } else {
                Sight::Superseded { by: remote.live.clone() }
            }
        }))
    }

    async fn go_on(&self, _plan: &ServicePlan, _shift: &Shift, pause: &Pause) -> Result<(), NotApplied> {
        let call = self.world.next_call();
        self.world.maybe_die(Crash::Before, call).await;
        let times = if self.world.repeat_everything { 2 } else { 1 };
        for _ in 0..times {
            self.with(|remote| {
                // It looks first, as every effect.
                if !remote.let_through.contains(&pause.id) {
                    remote.let_through.push(pause.id.clone());
                }
            });
        }
        self.world.maybe_die(Crash::After, call).await;
        Ok(())
    }

    async fn explain(&self, _plan: &ServicePlan, _shift: &Shift, mut seen: Cause) -> Cause {
        seen.facts.push("explained".into());
        seen
    }

    async fn revert(&self, _plan: &ServicePlan, _shift: Option<&Shift>) -> Result<Back, Box<Cause>> {
        let call = self.world.next_call();
        self.world.maybe_die(Crash::Before, call).await;
        let (fate, live, still) = self.with(|remote| (remote.fate, remote.live.clone(), remote.moving.is_none()));
        if fate == Fate::BreaksAndCannotGoBack {
            return Err(Box::new(cause("it cannot go back")));
        }
        if live == "theirs" {
            return Ok(Back::Superseded { by: live });
        }
        if live == "old" && still {
            return Ok(Back::Already);
        }
        if fate == Fate::Waits && self.with(|remote| remote.in_the_way) > 0 {
            return Ok(Back::Began(Box::new(Shift {
                id: Some("behind".into()),
                ..Self::shift("old", Direction::Back)
            })));
        }
        self.begin("old");
        if self.world.repeat_everything {
            self.begin("old");
        }
        self.world.maybe_die(Crash::After, call).await;
        Ok(Back::Began(Box::new(Self::shift("old", Direction::Back))))
    }

    async fn past(&self) -> Result<Past, TargetError> {
        let live = self.with(|remote| remote.live.clone());
        Ok(Past { live: revision(&live), good: vec![], notices: vec![] })
    }

    fn tasks(&self) -> Option<&dyn Tasks> {
        Some(self)
    }
}

#[async_trait]
impl Tasks for Simulated {
    async fn prepare_task(&self, _command: &[String], _plan: &ServicePlan) -> Result<Value, TargetError> {
        Ok(json!({}))
    }

    async fn start_task(&self, command: &[String], _facts: &Value, key: &str) -> Result<Task, NotApplied> {
        let call = self.world.next_call();
        self.world.maybe_die(Crash::Before, call).await;
        if command[0] == "refused" {
            return Err(NotApplied { cause: cause("refused"), touched: Touched::No });
        }
        let mut task = self.run_task(command, key);
        if self.world.repeat_everything {
            task = self.run_task(command, key);
        }
        self.world.maybe_die(Crash::After, call).await;
        if command.last().is_some_and(|word| word == "lost") {
            return Err(NotApplied { cause: cause("no answer"), touched: Touched::Perhaps });
        }
        Ok(task)
    }

    async fn observe_task(&self, task: &Task, _facts: &Value) -> Result<TaskSight, TargetError> {
        tokio::task::yield_now().await;
        let mut tasks = self.world.tasks.lock().unwrap();
        let known = tasks.get_mut(&task.id).expect("a task that was started");
        let hangs = known.command.ends_with("hang") || known.command.ends_with("lost");
        known.run = match known.run {
            RunState::Runs(_) if hangs => known.run,
            RunState::Runs(0) => RunState::Exited(i32::from(known.command.contains("exit"))),
            RunState::Runs(left) => RunState::Runs(left - 1),
            ended @ (RunState::Exited(_) | RunState::Stopped) => ended,
        };
        Ok(match known.run {
            RunState::Runs(_) => TaskSight::Running { doing: "running".into() },
            RunState::Exited(0) => TaskSight::Ended { log: None },
            RunState::Exited(_) | RunState::Stopped => TaskSight::Failed(Box::new(cause("the command failed"))),
        })
    }

    async fn stop_task(&self, _task: Option<&Task>, _facts: &Value, key: &str) -> Result<(), TargetError> {
        let call = self.world.next_call();
        self.world.maybe_die(Crash::Before, call).await;
        if let Some(known) = self.world.tasks.lock().unwrap().get_mut(key)
            && matches!(known.run, RunState::Runs(_))
        {
            known.run = RunState::Stopped;
        }
        self.world.maybe_die(Crash::After, call).await;
        Ok(())
    }
}
