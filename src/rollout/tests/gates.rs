use super::*;
use crate::types::Percent;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn percent(text: &str) -> Percent {
    text.parse().unwrap()
}

fn steering(strategy: Moves) -> Steering {
    Steering { strategy, by: Steered::Rollout, patience: Span::minutes(60) }
}

fn canary(approval: Approval) -> Moves {
    Moves::Canary { percent: percent("10"), bake: Span::minutes(10), approval, stays: Span::minutes(5) }
}

fn steered(waves: &[&[&str]], strategy: Moves) -> Plan {
    Plan { steering: Some(steering(strategy)), ..plan(waves, OnFailure::RollBackAll, 0) }
}

/// A stop of a service: which one it is, and the share of traffic there.
fn stop(service: &str, id: &str, traffic: &str) -> Event {
    let pause = Pause { id: format!("{service}-{id}"), traffic: percent(traffic), at: at(100), expires: None };
    Event::Paused { service: name(service), pause }
}

pub(super) fn paused(service: &str, id: u32, share: u8) -> Event {
    stop(service, &id.to_string(), ["0", "10", "100"][usize::from(share) % 3])
}

pub(super) fn continued(service: &str) -> Event {
    Event::Continued { service: name(service), at: at(200) }
}

fn baking(service: &str) -> Event {
    Event::Baking { service: name(service) }
}

pub(super) fn judged(step: u32, how: u8) -> Event {
    let judged = match how {
        0 => Judged::Fail { cause: cause() },
        1 => Judged::Undecided { said: "too few samples".into() },
        2 => Judged::Held { by: "it is locked".into() },
        _ => Judged::Pass,
    };
    Event::Judged { step, at: at(300), judged }
}

pub(super) fn decided(step: u32, how: u8) -> Event {
    let by = "42 octo".to_owned();
    let decision = match how {
        0 => Decision::Rejected { by, said: Some("too slow".into()) },
        1 => Decision::Expired { said: None },
        2 => Decision::Paused { by },
        3 => Decision::Resumed { by },
        4 => Decision::Promoted { by },
        _ => Decision::Approved { by: vec![by] },
    };
    Event::Decided { step, at: at(400), decision }
}

/// A word that fits what the gate waits for.
pub(super) fn word(step: u32, awaited: Awaited, luck: u8) -> Event {
    match (awaited, luck) {
        (_, 0) => decided(step, 0),
        (Awaited::Nothing, 1) => decided(step, 2),
        (Awaited::Nothing, _) => decided(step, 4),
        (Awaited::Word, 1) => decided(step, 1),
        (Awaited::Word, luck) => decided(step, if luck == 4 { 4 } else { 5 }),
    }
}

/// What following a service may show beside good and bad ends.
pub(super) fn follows(state: &ServiceState, luck: u8) -> Option<fn(&str) -> Event> {
    match (state, luck) {
        (ServiceState::Moving { passed: None, .. }, 3) => Some(|service| paused(service, 1, 1)),
        (ServiceState::Moving { .. }, 4) => Some(baking),
        (ServiceState::Paused { .. }, 2) => Some(continued),
        (ServiceState::Paused { pause, .. }, 3) if !pause.id.ends_with('9') => Some(|service| paused(service, 9, 1)),
        (ServiceState::Baking { .. }, 2) => Some(served),
        _ => None,
    }
}

pub(super) fn any_steering() -> impl Strategy<Value = Steering> {
    let approval = || prop_oneof![Just(Approval::Asked), Just(Approval::NotAsked)];
    let strategy = prop_oneof![
        approval().prop_map(canary),
        approval().prop_map(|approval| Moves::BlueGreen { bake: Span::minutes(5), approval }),
        Just(Moves::Linear { percent: percent("25"), every: Span::minutes(1), bake: Span::minutes(5) }),
    ];
    (strategy, any::<bool>()).prop_map(|(strategy, ours)| Steering {
        by: if ours { Steered::Rollout } else { Steered::Platform },
        ..steering(strategy)
    })
}

fn effects_at(plan: &Plan, events: &[Event]) -> (Phase, Vec<Effect>) {
    let phase = run(plan, events);
    let effects = phase.effects(plan);
    (phase, effects)
}

fn follow(service: &str) -> Effect {
    Effect::Follow(name(service))
}

#[test]
fn an_approved_canary_bakes_asks_and_moves_the_rest() {
    let plan = steered(&[&["a"]], canary(Approval::Asked));
    let (_, first) = effects_at(&plan, &[applied("a"), stop("a", "0", "0")]);
    assert_eq!(first, [Effect::Continue(name("a"))], "no traffic yet: nothing to decide");
    let mut events = vec![applied("a"), stop("a", "0", "0"), continued("a"), stop("a", "1", "10")];
    let (phase, due) = effects_at(&plan, &events);
    assert_eq!(super::word(&phase), "gating");
    assert_eq!(due, [follow("a"), Effect::Bake(2), Effect::Listen(2, Awaited::Nothing)]);
    events.push(judged(2, 3));
    let (_, due) = effects_at(&plan, &events);
    assert_eq!(due, [follow("a"), Effect::Listen(2, Awaited::Word)], "the bake is over: somebody has to say yes");
    events.push(decided(2, 5));
    let (_, due) = effects_at(&plan, &events);
    assert_eq!(due, [Effect::Continue(name("a"))]);
    events.extend([continued("a"), baking("a"), served("a")]);
    assert_eq!(super::word(&run(&plan, &events)), "succeeded");
}

#[test]
fn a_canary_that_nobody_has_to_approve_passes_when_it_is_judged_good_and_only_then() {
    let plan = steered(&[&["a"]], canary(Approval::NotAsked));
    let at_ten = [applied("a"), stop("a", "1", "10")];
    let next = |event: Event| {
        let phase = run(&plan, &at_ten).apply(event, &plan).unwrap();
        (super::word(&phase).to_owned(), phase.effects(&plan))
    };
    assert_eq!(next(judged(1, 3)), ("shifting".to_owned(), vec![Effect::Continue(name("a"))]));
    assert_eq!(next(judged(1, 0)).1, [Effect::Revert(name("a"))], "bad goes back");
    for undecided in [1, 2] {
        let (word, due) = next(judged(1, undecided));
        assert_eq!((word.as_str(), due), ("gating", vec![follow("a"), Effect::Listen(1, Awaited::Word)]));
    }
}

#[test]
fn what_is_rejected_or_decided_by_nobody_goes_back() {
    let plan = steered(&[&["a"]], canary(Approval::Asked));
    let asks = [applied("a"), stop("a", "1", "10"), judged(1, 3)];
    for (how, code) in [(0, "rejected"), (1, "gate-expired")] {
        let phase = run(&plan, &asks).apply(decided(1, how), &plan).unwrap();
        assert_eq!(phase.effects(&plan), [Effect::Revert(name("a"))]);
        let phase = phase.apply(served("a"), &plan).unwrap();
        assert_eq!(super::word(&phase), "rolled-back");
        assert_eq!(serde_json::to_value(phase.outcome().unwrap().why()).unwrap()["reason"], code);
    }
    let early = run(&plan, &asks[..2]);
    assert!(early.clone().apply(decided(1, 5), &plan).is_err(), "an approval before the bake is over is none");
    assert!(early.apply(decided(2, 0), &plan).is_err(), "nor a word for another step");
}

#[test]
fn services_of_a_wave_pass_a_step_together() {
    let plan = steered(&[&["a", "b"]], canary(Approval::NotAsked));
    let events = [applied("a"), applied("b"), stop("a", "0", "0")];
    let (phase, due) = effects_at(&plan, &events);
    assert_eq!(
        (super::word(&phase), due),
        ("shifting", vec![follow("a"), follow("b")]),
        "the other one is not there yet"
    );
    let (_, due) = effects_at(&plan, &[&events[..], &[stop("b", "0", "0")]].concat());
    assert_eq!(due, [Effect::Continue(name("a")), Effect::Continue(name("b"))]);
    let phase = run(&plan, &[&events[..], &[broke("b")]].concat());
    assert_eq!(phase.effects(&plan), [Effect::Revert(name("a")), Effect::Revert(name("b"))]);
}

#[test]
fn a_stop_is_let_through_once_however_often_it_is_seen() {
    let plan = steered(&[&["a"]], canary(Approval::NotAsked));
    let phase = run(&plan, &[applied("a"), stop("a", "0", "0"), continued("a")]);
    assert!(phase.clone().apply(stop("a", "0", "0"), &plan).is_err(), "a late answer still shows it");
    assert_eq!(phase.effects(&plan), [follow("a")]);
}

#[test]
fn a_promoted_release_stops_at_no_further_step() {
    let strategy = Moves::Linear { percent: percent("25"), every: Span::minutes(5), bake: Span::minutes(5) };
    let plan = steered(&[&["a"]], strategy);
    let promoted = [applied("a"), stop("a", "1", "25"), decided(1, 4), continued("a"), stop("a", "2", "50")];
    let (_, due) = effects_at(&plan, &promoted);
    assert_eq!(due, [Effect::Continue(name("a"))]);
    let resumed = [applied("a"), stop("a", "1", "25"), decided(1, 2), decided(1, 3), judged(1, 3), continued("a")];
    let (phase, _) = effects_at(&plan, &[&resumed[..], &[stop("a", "2", "50")]].concat());
    assert_eq!(super::word(&phase), "gating", "a release that was only held stops again");
}

#[test]
fn a_blue_green_rollout_asks_before_any_traffic_moves() {
    let strategy = Moves::BlueGreen { bake: Span::minutes(5), approval: Approval::Asked };
    let plan = steered(&[&["a"]], strategy);
    let (_, due) = effects_at(&plan, &[applied("a"), stop("a", "0", "0")]);
    assert_eq!(due, [follow("a"), Effect::Listen(1, Awaited::Word)]);
}

#[test]
fn what_the_provider_or_somebody_does_at_a_stop_is_followed() {
    let plan = steered(&[&["a"]], canary(Approval::Asked));
    let asks = [applied("a"), stop("a", "1", "10"), judged(1, 3)];
    let after = |event: Event| run(&plan, &asks).apply(event, &plan).unwrap();
    assert_eq!(after(continued("a")).effects(&plan), [follow("a")], "let through in the console");
    assert_eq!(after(broke("a")).effects(&plan), [Effect::Revert(name("a"))], "its time at the provider was over");
    assert_eq!(after(Event::AlarmFired { cause: cause() }).effects(&plan), [Effect::Revert(name("a"))]);
    assert_eq!(after(Event::CancelRequested).effects(&plan), [Effect::Revert(name("a"))]);
    assert_eq!(after(Event::AnalysisFailed { cause: cause() }).effects(&plan), [Effect::Revert(name("a"))]);
}

#[test]
fn a_stop_that_nobody_planned_is_for_a_person() {
    let plan = plan(&[&["a"]], OnFailure::RollBackAll, 0);
    let (_, due) = effects_at(&plan, &[applied("a"), stop("a", "0", "0")]);
    assert_eq!(due, [follow("a"), Effect::Listen(1, Awaited::Word)]);
}

#[test]
fn a_plan_of_an_older_version_is_read_and_keeps_its_hash() {
    let plan = plan(&[&["a"]], OnFailure::RollBackAll, 0);
    let value = serde_json::to_value(&plan).unwrap();
    assert!(value.get("steering").is_none());
    let state = json!({ "state": "moving", "shift": shift("new", Direction::Forward) });
    let moving = ServiceState::Moving { shift: shift("new", Direction::Forward), passed: None };
    assert_eq!(serde_json::from_value::<ServiceState>(state.clone()).unwrap(), moving);
    assert_eq!(serde_json::to_value(moving).unwrap(), state);
}
