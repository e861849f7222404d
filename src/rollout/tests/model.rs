//! Two processes, one provider, people: every order in which things can happen, up to some crashes and
//! lost leases. What is explored is the machine itself, with effects that land late and answers that
//! are lost.

use std::collections::{BTreeSet, VecDeque};

use super::gates::{continued, decided, judged};
use super::*;
use crate::types::Percent;

/// What the provider does with the one service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
enum Provider {
    /// The old revision serves; nothing was asked for.
    Old,
    /// New tasks start.
    Starting,
    /// It stops before the first step: no traffic has moved.
    StopsAtZero,
    /// A tenth is moving.
    ToTenth,
    /// It stops before the second step: a tenth has moved.
    StopsAtTenth,
    /// The rest is moving.
    ToAll,
    /// The new revision serves.
    New,
    /// The old revision serves again.
    BackAgain,
}

/// A process that works on the rollout.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
struct Process {
    fence: u8,
    phase: Phase,
    /// A change that passed the lease and has not landed.
    in_flight: Option<String>,
    /// What a change answered, not yet written down.
    answered: Option<Event>,
}

#[derive(Debug, Clone, PartialEq, serde::Serialize)]
struct Scene {
    provider: Provider,
    /// The lease's fence, and whether somebody holds it.
    fence: u8,
    held: bool,
    journal: Phase,
    processes: [Option<Process>; 2],
    approved: bool,
    rejected: bool,
    crashes: u8,
    expiries: u8,
    last: Option<Event>,
}

const CRASHES: u8 = 2;
const EXPIRIES: u8 = 2;

fn plan_of_one() -> Plan {
    let strategy = Moves::Canary {
        percent: "10".parse().unwrap(),
        bake: Span::minutes(10),
        approval: Approval::Asked,
        stays: Span::minutes(5),
    };
    let steering = Steering { strategy, by: Steered::Rollout, patience: Span::minutes(60) };
    Plan { steering: Some(steering), ..plan(&[&["a"]], OnFailure::RollBackAll, 0) }
}

/// What one look at the provider says to a service that is followed.
fn seen(provider: Provider, state: &ServiceState) -> Option<Event> {
    let stop = |id: &str, traffic: Percent| {
        let pause = Pause { id: id.into(), traffic, at: Timestamp::UNIX_EPOCH, expires: None };
        Event::Paused { service: name("a"), pause }
    };
    let passed = |id: &str| state.passed().is_some_and(|passed| passed.pause == id);
    let stands = |id: &str| matches!(state, ServiceState::Paused { pause, .. } if pause.id == id);
    let back = matches!(state, ServiceState::Returning { .. });
    Some(match provider {
        Provider::New | Provider::BackAgain | Provider::Old if back => match provider {
            Provider::New => return None,
            _ => served("a"),
        },
        Provider::StopsAtZero if !passed("first") && !stands("first") => stop("first", Percent::ZERO),
        Provider::StopsAtTenth if !passed("second") && !stands("second") => stop("second", Percent::of(1, 10)),
        Provider::ToTenth if stands("first") => continued("a"),
        Provider::ToAll if stands("second") => continued("a"),
        Provider::New => served("a"),
        Provider::BackAgain => broke("a"),
        _ => return None,
    })
}

/// A change lands: it looks first, and what it finds done is done. `None`: the provider says no.
fn lands(provider: &mut Provider, what: &str) -> Event {
    match what {
        "apply" => {
            if *provider == Provider::Old {
                *provider = Provider::Starting;
            }
            applied("a")
        }
        "continue first" => {
            if *provider == Provider::StopsAtZero {
                *provider = Provider::ToTenth;
            }
            continued("a")
        }
        "continue second" => {
            if *provider == Provider::StopsAtTenth {
                *provider = Provider::ToAll;
            }
            continued("a")
        }
        "revert" => {
            let already = matches!(provider, Provider::Old | Provider::BackAgain);
            *provider = if *provider == Provider::Old { Provider::Old } else { Provider::BackAgain };
            if already { served("a") } else { reverted("a") }
        }
        other => panic!("{other}"),
    }
}

fn change(effect: &Effect, phase: &Phase) -> Option<String> {
    Some(match effect {
        Effect::Apply(_) => "apply".to_owned(),
        Effect::Revert(_) => "revert".to_owned(),
        Effect::Continue(service) => match &phase.services()[service] {
            ServiceState::Continuing { pause, .. } => format!("continue {}", pause.id),
            other => panic!("{other:?}"),
        },
        _ => return None,
    })
}

impl Scene {
    fn first(plan: &Plan) -> Self {
        Self {
            provider: Provider::Old,
            fence: 0,
            held: false,
            journal: Phase::first(plan),
            processes: [None, None],
            approved: false,
            rejected: false,
            crashes: 0,
            expiries: 0,
            last: None,
        }
    }

    /// A process writes an event down, if it still holds the lease; else it is out.
    fn writes(mut self, index: usize, event: Event, plan: &Plan) -> Self {
        let Some(process) = self.processes[index].as_mut() else { return self };
        if !self.held || process.fence != self.fence {
            self.processes[index] = None;
            return self;
        }
        process.answered = None;
        if let Ok(next) = process.phase.clone().apply(event.clone(), plan) {
            process.phase = next.clone();
            self.journal = next;
            self.last = Some(event);
        }
        self
    }

    /// Everything that can happen next.
    fn next(&self, plan: &Plan) -> Vec<Self> {
        let mut all = Vec::new();
        let mut add = |scene: Self| all.push(scene);
        // The provider goes on by itself, and goes back when nobody tells it to go on.
        let provider = match self.provider {
            Provider::Starting => vec![Provider::StopsAtZero],
            Provider::ToTenth => vec![Provider::StopsAtTenth],
            Provider::ToAll => vec![Provider::New],
            Provider::StopsAtZero | Provider::StopsAtTenth => vec![Provider::BackAgain],
            Provider::Old | Provider::New | Provider::BackAgain => vec![],
        };
        for provider in provider {
            add(Self { provider, ..self.clone() });
        }
        let asked = matches!(&self.journal, Phase::Gating { gate, .. } if gate.needs() == Awaited::Word);
        if asked && !self.approved && !self.rejected {
            add(Self { approved: true, ..self.clone() });
            add(Self { rejected: true, ..self.clone() });
        }
        if self.held && self.expiries < EXPIRIES {
            add(Self { held: false, expiries: self.expiries + 1, ..self.clone() });
        }
        for index in 0..2 {
            let Some(process) = &self.processes[index] else {
                if !self.held {
                    let mut scene = Self { held: true, fence: self.fence + 1, ..self.clone() };
                    let (fence, phase) = (scene.fence, self.journal.clone());
                    scene.processes[index] = Some(Process { fence, phase, in_flight: None, answered: None });
                    add(scene);
                }
                continue;
            };
            if self.crashes < CRASHES {
                // What is on its way may land all the same, or never.
                let mut scene = Self { crashes: self.crashes + 1, ..self.clone() };
                scene.processes[index] = None;
                if let Some(what) = &process.in_flight {
                    let mut landed = scene.clone();
                    lands(&mut landed.provider, what);
                    add(landed);
                }
                add(scene);
            }
            if let Some(what) = &process.in_flight {
                let mut scene = self.clone();
                let event = lands(&mut scene.provider, what);
                let own = scene.processes[index].as_mut().unwrap();
                (own.in_flight, own.answered) = (None, Some(event));
                add(scene);
                continue;
            }
            if let Some(event) = &process.answered {
                add(self.clone().writes(index, event.clone(), plan));
                continue;
            }
            for effect in process.phase.effects(plan) {
                let event = match &effect {
                    Effect::Follow(service) => seen(self.provider, &process.phase.services()[service]),
                    Effect::Bake(step) => Some(judged(*step, 3)),
                    Effect::Listen(step, Awaited::Word) if self.approved => Some(decided(*step, 5)),
                    Effect::Listen(step, Awaited::Word) if self.rejected => Some(decided(*step, 0)),
                    _ => None,
                };
                if let Some(event) = event {
                    add(self.clone().writes(index, event, plan));
                }
                if let Some(what) = change(&effect, &process.phase) {
                    let mut scene = self.clone();
                    if self.held && process.fence == self.fence {
                        scene.processes[index].as_mut().unwrap().in_flight = Some(what);
                    } else {
                        scene.processes[index] = None;
                    }
                    add(scene);
                }
            }
            // What was said once is said again.
            if let Some(last) = &self.last {
                add(self.clone().writes(index, last.clone(), plan));
            }
        }
        all
    }

    /// What must never be.
    fn wrong(&self) -> Option<&'static str> {
        let all_traffic = matches!(self.provider, Provider::ToAll | Provider::New);
        if all_traffic && !self.approved {
            return Some("past the gate without its approval");
        }
        let writers = self.processes.iter().flatten().filter(|process| self.held && process.fence == self.fence);
        if writers.count() > 1 {
            return Some("two writers");
        }
        match self.journal.outcome() {
            Some(Outcome::Succeeded) if self.provider != Provider::New => Some("success that is none"),
            Some(Outcome::RolledBack { .. }) if !matches!(self.provider, Provider::Old | Provider::BackAgain) => {
                Some("said to be back, and is not")
            }
            _ => None,
        }
    }
}

#[test]
fn two_processes_crashes_and_late_answers_never_pass_a_gate_nor_leave_traffic_split() {
    let plan = plan_of_one();
    let first = Scene::first(&plan);
    let key = |scene: &Scene| serde_json::to_string(scene).unwrap();
    let mut known = BTreeSet::from([key(&first)]);
    let mut open = VecDeque::from([first]);
    let (mut ends, mut succeeded, mut back) = (0_u32, 0_u32, 0_u32);
    while let Some(scene) = open.pop_front() {
        assert_eq!(scene.wrong(), None, "{scene:#?}");
        let next = scene.next(&plan);
        // A share of traffic always has somebody who changes it: a process, or the provider's own time.
        let split = matches!(scene.provider, Provider::ToTenth | Provider::StopsAtTenth);
        assert!(!split || next.iter().any(|next| next.provider != scene.provider), "split for ever: {scene:#?}");
        match scene.journal.outcome() {
            Some(Outcome::Succeeded) => succeeded += 1,
            Some(Outcome::RolledBack { .. }) => back += 1,
            _ => {}
        }
        ends += u32::from(scene.journal.outcome().is_some());
        for scene in next {
            if known.insert(key(&scene)) {
                open.push_back(scene);
            }
        }
    }
    assert!(succeeded > 0 && back > 0 && ends >= succeeded + back);
    assert!(known.len() > 10_000, "only {} scenes: the model has become too small to say anything", known.len());
}
