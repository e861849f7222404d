use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::config::spec::{Approval, HttpCheck, OnFailure, Steered, Steering, Strategy as Moves};

mod gates;

use crate::types::{ServiceName, Span, Timestamp};

fn name(text: &str) -> ServiceName {
    text.parse().unwrap()
}

fn revision(id: &str) -> Revision {
    Revision {
        id: id.to_owned(),
        name: id.to_owned(),
        image: None,
        image_text: format!("registry.test/{id}"),
        commit: None,
        facts: json!({ "id": id }),
    }
}

fn shift(to: &str, direction: Direction) -> Shift {
    Shift {
        id: Some(format!("{to}-1")),
        revision: revision(to),
        direction,
        started: Timestamp::UNIX_EPOCH,
        facts: json!({}),
    }
}

fn cause() -> Box<Cause> {
    Box::new(Cause::new(CauseCode::ContainerExited, "container `app` exited with code 1", "Mend it."))
}

/// `waves` of services; a name that ends in `=` has nothing to change.
fn plan(waves: &[&[&str]], on_failure: OnFailure, checks: usize) -> Plan {
    let mut services = BTreeMap::new();
    let mut ordered = Vec::new();
    for wave in waves {
        let mut names = Vec::new();
        for text in *wave {
            let same = text.ends_with('=');
            let service = name(text.trim_end_matches('='));
            let change = if same { Change::Nothing } else { Change::Move { fields: vec![], wish: json!({}) } };
            let place = TargetPlace {
                kind: TargetKind::Ecs,
                name: format!("c/{service}"),
                region: "us-east-1".into(),
                console: None,
                url: None,
            };
            let part = ServicePlan { place, image: None, previous: revision("old"), change, notices: vec![] };
            services.insert(service.clone(), part);
            names.push(service);
        }
        ordered.push(names);
    }
    let check = HttpCheck {
        url: "http://127.0.0.1/".into(),
        expect: 200,
        body: None,
        headers: BTreeMap::new(),
        latency_ms: None,
        within: Span::seconds(1),
    };
    Plan {
        environment: "staging".parse().unwrap(),
        release: Release { commit: None, images: BTreeMap::new() },
        services,
        waves: ordered,
        checks: vec![check; checks],
        before: Vec::new(),
        after: Vec::new(),
        alarms: Vec::new(),
        analysis: Vec::new(),
        steering: None,
        on_failure,
        within: Span::minutes(30),
    }
    .checked()
    .unwrap()
}

fn hook(undo: bool) -> Hook {
    Hook {
        role: HookRole::Step,
        service: name("a"),
        run: vec!["migrate".into(), "up".into()],
        undo: if undo { vec!["migrate".into(), "down".into()] } else { vec![] },
        within: Span::minutes(10),
        facts: json!({}),
    }
}

fn task() -> Task {
    Task { id: "task-1".into(), started: Timestamp::UNIX_EPOCH, facts: json!({}) }
}

fn hook_started(hook: usize) -> Event {
    Event::HookStarted { hook, task: task() }
}
fn hook_ended(hook: usize) -> Event {
    Event::HookEnded { hook, log: None }
}
fn hook_failed(hook: usize) -> Event {
    Event::HookFailed { hook, cause: cause() }
}

fn applied(service: &str) -> Event {
    Event::Applied { service: name(service), shift: shift("new", Direction::Forward) }
}
fn served(service: &str) -> Event {
    Event::Served { service: name(service) }
}
fn broke(service: &str) -> Event {
    Event::Broke { service: name(service), cause: cause() }
}
fn reverted(service: &str) -> Event {
    Event::Reverted { service: name(service), shift: shift("old", Direction::Back) }
}
fn not_applied(service: &str, touched: Touched) -> Event {
    Event::ApplyFailed { service: name(service), cause: cause(), touched }
}

fn run(plan: &Plan, events: &[Event]) -> Phase {
    events.iter().fold(Phase::first(plan), |phase, event| phase.apply(event.clone(), plan).expect("the event fits"))
}

fn word(phase: &Phase) -> &'static str {
    phase.outcome().map_or(phase.word(), Outcome::word)
}

#[test]
fn waves_run_in_order_and_the_services_of_a_wave_at_once() {
    let plan = plan(&[&["a", "b"], &["c"]], OnFailure::RollBackAll, 0);
    let first = Phase::first(&plan);
    assert_eq!(first.effects(&plan), [Effect::Apply(name("a")), Effect::Apply(name("b"))]);
    let phase = run(&plan, &[applied("a"), applied("b"), served("b")]);
    assert_eq!(phase.effects(&plan), [Effect::Follow(name("a"))]);
    let phase = run(&plan, &[applied("a"), applied("b"), served("b"), served("a")]);
    assert_eq!(phase.effects(&plan), [Effect::Apply(name("c"))]);
    let phase = phase.apply(applied("c"), &plan).unwrap().apply(served("c"), &plan).unwrap();
    assert_eq!(word(&phase), "succeeded");
}

#[test]
fn a_deployment_that_changes_nothing_is_done_at_once() {
    let plan = plan(&[&["a="], &["b="]], OnFailure::RollBackAll, 2);
    let phase = Phase::first(&plan);
    assert_eq!((word(&phase), phase.effects(&plan)), ("succeeded", vec![]));
}

#[test]
fn a_wave_without_work_is_passed_over() {
    let plan = plan(&[&["a="], &["b"]], OnFailure::RollBackAll, 0);
    assert_eq!(Phase::first(&plan).effects(&plan), [Effect::Apply(name("b"))]);
}

#[test]
fn one_failure_takes_back_everything_this_deployment_changed_and_nothing_else() {
    let plan = plan(&[&["a"], &["b", "c"], &["d"]], OnFailure::RollBackAll, 0);
    let phase = run(&plan, &[applied("a"), served("a"), applied("b"), applied("c"), broke("c")]);
    assert_eq!(phase.effects(&plan), [Effect::Revert(name("a")), Effect::Revert(name("b")), Effect::Revert(name("c"))]);
    let events = [reverted("a"), served("a"), served("b"), reverted("c"), served("c")];
    let phase = events.into_iter().fold(phase, |phase, event| phase.apply(event, &plan).unwrap());
    assert_eq!(word(&phase), "rolled-back");
    assert_eq!(phase.services()[&name("d")], ServiceState::Waiting);
    assert!(phase.services()[&name("c")].cause().is_some());
}

#[test]
fn with_roll_back_failed_the_rest_of_the_wave_goes_on() {
    let plan = plan(&[&["a", "b"], &["c"]], OnFailure::RollBackFailed, 0);
    let phase = run(&plan, &[applied("a"), applied("b"), broke("b")]);
    assert_eq!(phase.effects(&plan), [Effect::Follow(name("a")), Effect::Revert(name("b"))]);
    let phase = phase.apply(served("a"), &plan).unwrap().apply(served("b"), &plan).unwrap();
    assert_eq!(word(&phase), "rolled-back");
    assert_eq!(phase.services()[&name("a")].word(), "serving");
    assert_eq!(phase.services()[&name("c")], ServiceState::Waiting);
}

#[test]
fn with_hold_nothing_is_taken_back_and_no_further_wave_starts() {
    let plan = plan(&[&["a", "b"], &["c"]], OnFailure::Hold, 0);
    let phase = run(&plan, &[applied("a"), applied("b"), broke("b"), served("a")]);
    assert_eq!(word(&phase), "held");
    assert_eq!(phase.services()[&name("c")], ServiceState::Waiting);
}

#[test]
fn a_refusal_before_any_change_changes_nothing() {
    for on_failure in [OnFailure::RollBackAll, OnFailure::RollBackFailed, OnFailure::Hold] {
        let plan = plan(&[&["a"]], on_failure, 0);
        let phase = run(&plan, &[not_applied("a", Touched::No)]);
        assert_eq!((word(&phase), phase.outcome().unwrap().exit_code()), ("nothing-changed", 4));
    }
}

#[test]
fn a_lost_answer_is_looked_at_again_on_the_way_back() {
    let plan = plan(&[&["a"]], OnFailure::RollBackAll, 0);
    let phase = run(&plan, &[not_applied("a", Touched::Perhaps)]);
    assert_eq!(phase.effects(&plan), [Effect::Revert(name("a"))]);
    // With hold it is left, but never called untouched.
    let hold = self::plan(&[&["a"]], OnFailure::Hold, 0);
    assert_eq!(word(&run(&hold, &[not_applied("a", Touched::Perhaps)])), "held");
}

#[test]
fn somebody_elses_deployment_is_left_alone_and_named() {
    let plan = plan(&[&["a", "b"]], OnFailure::RollBackAll, 0);
    let by = "ecs-svc/9".to_owned();
    let phase = run(&plan, &[applied("a"), applied("b"), Event::Superseded { service: name("a"), by }]);
    assert_eq!(phase.effects(&plan), [Effect::Revert(name("b"))]);
    let phase = phase.apply(served("b"), &plan).unwrap();
    assert_eq!((word(&phase), phase.outcome().unwrap().exit_code()), ("superseded", 1));
}

#[test]
fn a_rollback_that_fails_needs_attention() {
    let plan = plan(&[&["a"]], OnFailure::RollBackAll, 0);
    let stuck = Event::RevertFailed { service: name("a"), cause: cause() };
    let phase = run(&plan, &[applied("a"), broke("a"), stuck]);
    assert_eq!((word(&phase), phase.outcome().unwrap().exit_code()), ("needs-attention", 5));
    let phase = run(&plan, &[applied("a"), broke("a"), reverted("a"), broke("a")]);
    assert_eq!(word(&phase), "needs-attention");
}

#[test]
fn checks_run_one_after_another_and_a_failed_one_takes_everything_back() {
    let plan = plan(&[&["a"]], OnFailure::RollBackAll, 2);
    let phase = run(&plan, &[applied("a"), served("a"), Event::CheckPassed { check: 0 }]);
    assert_eq!(phase.effects(&plan), [Effect::Check(1)]);
    let late = phase.clone().apply(Event::CheckPassed { check: 0 }, &plan).unwrap_err();
    assert_eq!(*late.phase, phase);
    let phase = phase.apply(Event::CheckFailed { check: 1, cause: cause() }, &plan).unwrap();
    assert_eq!(phase.effects(&plan), [Effect::Revert(name("a"))]);
    assert_eq!(word(&phase.apply(served("a"), &plan).unwrap()), "rolled-back");
}

#[test]
fn a_cancel_takes_back_whatever_on_failure_says() {
    let plan = plan(&[&["a", "b"]], OnFailure::Hold, 0);
    let phase = run(&plan, &[applied("a"), Event::CancelRequested]);
    assert_eq!(phase.effects(&plan), [Effect::Revert(name("a")), Effect::Revert(name("b"))]);
    // The answer to a request that was on its way is kept: the revert then knows what to take back.
    let phase = phase.apply(applied("b"), &plan).unwrap();
    let phase = phase.apply(served("a"), &plan).unwrap().apply(served("b"), &plan).unwrap();
    assert_eq!((word(&phase), phase.outcome().unwrap().exit_code()), ("cancelled", 130));
}

#[test]
fn what_waited_is_asked_for_again_on_either_way() {
    let plan = plan(&[&["a"]], OnFailure::RollBackAll, 0);
    let again = || Event::AskAgain { service: name("a") };
    let phase = run(&plan, &[applied("a"), again()]);
    assert_eq!(phase.effects(&plan), [Effect::Apply(name("a"))]);
    let phase = [applied("a"), broke("a"), reverted("a"), again()]
        .into_iter()
        .fold(phase, |phase, event| phase.apply(event, &plan).unwrap());
    assert_eq!(phase.effects(&plan), [Effect::Revert(name("a"))]);
    let ServiceState::Reverting { cause: Some(_), shift: Some(back) } = &phase.services()[&name("a")] else {
        panic!("{phase:?}")
    };
    assert_eq!(back.direction, Direction::Back);
    assert_eq!(word(&phase.apply(served("a"), &plan).unwrap()), "rolled-back");
}

#[test]
fn a_plan_is_named_by_its_content_and_not_by_the_order_of_its_keys() {
    let one = plan(&[&["a"], &["b"]], OnFailure::RollBackAll, 0);
    let mut other = one.clone();
    assert_eq!(one.hash(), other.hash());
    let part = other.services.get_mut(&name("a")).unwrap();
    part.change = Change::Move { fields: vec![], wish: json!({ "x": 1, "y": [1, 2] }) };
    let with = other.hash();
    assert_ne!(one.hash(), with);
    other.services.get_mut(&name("a")).unwrap().change =
        Change::Move { fields: vec![], wish: json!({ "y": [1, 2], "x": 1 }) };
    assert_eq!(other.hash(), with);
    assert_eq!(with.to_string().len(), 64);
}

#[test]
fn a_plan_whose_waves_do_not_fit_is_refused() {
    let good = plan(&[&["a"], &["b"]], OnFailure::RollBackAll, 0);
    let with = |waves: Vec<Vec<ServiceName>>| Plan { waves, ..good.clone() }.checked().unwrap_err();
    assert_eq!(with(vec![vec![name("a")]]), PlanRefused::NotInOneWave(name("b")));
    assert_eq!(with(vec![vec![name("a"), name("b")], vec![name("a")]]), PlanRefused::NotInOneWave(name("a")));
    let unknown = PlanRefused::UnknownService { wave: 1, service: name("z") };
    assert_eq!(with(vec![vec![name("z")]]), unknown);
    assert_eq!(Plan { services: BTreeMap::new(), ..good }.checked().unwrap_err(), PlanRefused::Empty);
}

#[test]
fn a_record_reads_back_and_a_newer_one_is_refused() {
    let plan = plan(&[&["a"]], OnFailure::RollBackAll, 1);
    let record = Record::new(plan.clone(), Timestamp::UNIX_EPOCH);
    let mut value = serde_json::to_value(&record).unwrap();
    assert_eq!(Record::read(value.clone()).unwrap(), record);
    value["schema_version"] = json!(2);
    assert!(matches!(Record::read(value), Err(UnreadableRecord::Newer { found: 2 })));
    let phase = run(&plan, &[applied("a"), broke("a")]);
    let entry = Entry { sequence: 3, at: Timestamp::UNIX_EPOCH, event: Some(broke("a")), phase };
    let text = serde_json::to_string(&entry).unwrap();
    assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry);
}

fn any_service() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("a"), Just("b"), Just("c"), Just("stranger")]
}

#[test]
fn hooks_run_one_after_another_before_the_shift_and_after_the_checks() {
    let mut plan = plan(&[&["a"]], OnFailure::RollBackAll, 1);
    plan.before = vec![hook(true), hook(false)];
    plan.after = vec![hook(false)];
    assert_eq!(Phase::first(&plan).effects(&plan), [Effect::StartHook(0)]);
    let phase = run(&plan, &[hook_started(0)]);
    assert_eq!((word(&phase), phase.effects(&plan)), ("preparing", vec![Effect::FollowHook(0)]));
    let phase = run(&plan, &[hook_started(0), hook_ended(0)]);
    assert_eq!(phase.effects(&plan), [Effect::StartHook(1)]);
    let events = [hook_started(0), hook_ended(0), hook_started(1), hook_ended(1)];
    let phase = run(&plan, &events);
    assert_eq!(phase.effects(&plan), [Effect::Apply(name("a"))]);
    let rest = [applied("a"), served("a"), Event::CheckPassed { check: 0 }];
    let phase = rest.into_iter().fold(phase, |phase, event| phase.apply(event, &plan).unwrap());
    assert_eq!((word(&phase), phase.effects(&plan)), ("finishing", vec![Effect::StartHook(2)]));
    let phase = phase.apply(hook_started(2), &plan).unwrap().apply(hook_ended(2), &plan).unwrap();
    assert_eq!(word(&phase), "succeeded");
}

#[test]
fn a_failed_hook_before_the_shift_moves_no_traffic_and_undoes_those_before_it() {
    let mut plan = plan(&[&["a"]], OnFailure::RollBackAll, 0);
    plan.before = vec![hook(true), hook(false), hook(true)];
    let events = [hook_started(0), hook_ended(0), hook_started(1), hook_ended(1), hook_started(2), hook_failed(2)];
    let phase = run(&plan, &events);
    assert_eq!((word(&phase), phase.effects(&plan)), ("undoing", vec![Effect::StartHook(0)]));
    let phase = phase.apply(hook_started(0), &plan).unwrap();
    let failed = phase.clone().apply(hook_failed(0), &plan).unwrap();
    assert_eq!(word(&failed), "needs-attention");
    let phase = phase.apply(hook_ended(0), &plan).unwrap();
    assert_eq!((word(&phase), phase.outcome().unwrap().exit_code()), ("not-shifted", 1));
    assert_eq!(phase.services()[&name("a")], ServiceState::Waiting);
    let words: Vec<&str> = phase.hooks().iter().map(HookState::word).collect();
    assert_eq!(words, ["undone", "done", "failed"]);
}

#[test]
fn what_a_hook_did_is_taken_back_after_the_traffic_and_only_if_nothing_new_serves() {
    let mut plan = plan(&[&["a"]], OnFailure::RollBackAll, 0);
    plan.before = vec![hook(true)];
    let phase = run(&plan, &[hook_started(0), hook_ended(0), applied("a"), broke("a"), reverted("a")]);
    assert_eq!(phase.effects(&plan), [Effect::Follow(name("a"))], "the traffic first");
    let back = phase.clone().apply(served("a"), &plan).unwrap();
    assert_eq!(back.effects(&plan), [Effect::StartHook(0)]);
    let back = back.apply(hook_started(0), &plan).unwrap().apply(hook_ended(0), &plan).unwrap();
    assert_eq!(word(&back), "rolled-back");
    let stuck = phase.apply(Event::RevertFailed { service: name("a"), cause: cause() }, &plan).unwrap();
    assert_eq!(word(&stuck), "needs-attention");
    assert_eq!(stuck.hooks()[0].word(), "done", "the new revision may still need it");
}

#[test]
fn a_cancel_stops_the_hook_that_runs_before_anything_else() {
    let mut plan = plan(&[&["a"]], OnFailure::Hold, 0);
    plan.before = vec![hook(true), hook(true)];
    let phase = run(&plan, &[hook_started(0), hook_ended(0), Event::CancelRequested]);
    assert_eq!(phase.effects(&plan), [Effect::StopHook(1)], "a start may be on its way");
    let phase = phase.apply(hook_started(1), &plan).unwrap();
    assert_eq!(phase.effects(&plan), [Effect::StopHook(1)]);
    let phase = phase.apply(Event::HookStopped { hook: 1 }, &plan).unwrap();
    assert_eq!(phase.effects(&plan), [Effect::StartHook(0)], "what the first did is taken back");
    let phase = phase.apply(hook_started(0), &plan).unwrap().apply(hook_ended(0), &plan).unwrap();
    assert_eq!(word(&phase), "cancelled");
}

#[test]
fn a_hook_that_takes_too_long_is_stopped_before_the_way_back() {
    let mut plan = plan(&[&["a"]], OnFailure::RollBackAll, 0);
    plan.after = vec![hook(false)];
    let overdue = Event::HookOverdue { hook: 0, cause: cause() };
    let phase = run(&plan, &[applied("a"), served("a"), hook_started(0), overdue]);
    assert_eq!(phase.effects(&plan), [Effect::StopHook(0)]);
    let phase = phase.apply(Event::HookStopped { hook: 0 }, &plan).unwrap();
    assert_eq!((word(&phase), phase.effects(&plan)), ("rolling-back", vec![Effect::Revert(name("a"))]));
    let phase = phase.apply(served("a"), &plan).unwrap();
    assert_eq!((word(&phase), phase.hooks()[0].word()), ("rolled-back", "failed"));
}

#[test]
fn an_alarm_takes_everything_back_while_traffic_moves_and_until_the_end() {
    let mut plan = plan(&[&["a"], &["b"]], OnFailure::RollBackFailed, 0);
    plan.alarms = vec!["shop-5xx".to_owned()];
    plan.after = vec![hook(false)];
    assert!(Phase::first(&plan).effects(&plan).contains(&Effect::WatchAlarms));
    let fired = || Event::AlarmFired { cause: cause() };
    let phase = run(&plan, &[applied("a"), served("a"), applied("b"), fired()]);
    assert_eq!(phase.effects(&plan), [Effect::Revert(name("a")), Effect::Revert(name("b"))]);
    let late = run(&plan, &[applied("a"), served("a"), applied("b"), served("b"), hook_started(0), fired()]);
    assert_eq!(late.effects(&plan), [Effect::StopHook(0), Effect::WatchAlarms]);
    let late = late.apply(Event::HookStopped { hook: 0 }, &plan).unwrap();
    assert_eq!(late.effects(&plan), [Effect::Revert(name("a")), Effect::Revert(name("b"))]);
}

fn any_event() -> impl Strategy<Value = Event> {
    let touched = prop_oneof![Just(Touched::No), Just(Touched::Perhaps)];
    prop_oneof![
        any_service().prop_map(applied),
        any_service().prop_map(served),
        any_service().prop_map(broke),
        any_service().prop_map(reverted),
        (any_service(), touched).prop_map(|(service, touched)| not_applied(service, touched)),
        any_service().prop_map(|s| Event::Superseded { service: name(s), by: "other".into() }),
        any_service().prop_map(|s| Event::AskAgain { service: name(s) }),
        any_service().prop_map(|s| Event::RevertFailed { service: name(s), cause: cause() }),
        (0_usize..3).prop_map(|hook| Event::HookStarted { hook, task: task() }),
        (0_usize..3).prop_map(|hook| Event::HookEnded { hook, log: None }),
        (0_usize..3).prop_map(|hook| Event::HookFailed { hook, cause: cause() }),
        (0_usize..3).prop_map(|hook| Event::HookOverdue { hook, cause: cause() }),
        (0_usize..3).prop_map(|hook| Event::HookStopped { hook }),
        (0_usize..3, any::<bool>()).prop_map(|(hook, no)| {
            let touched = if no { Touched::No } else { Touched::Perhaps };
            Event::HookNotStarted { hook, cause: cause(), touched }
        }),
        Just(Event::AlarmFired { cause: cause() }),
        Just(Event::AnalysisFailed { cause: cause() }),
        (any_service(), 0_u32..4, 0_u8..3).prop_map(|(service, stop, share)| gates::paused(service, stop, share)),
        any_service().prop_map(gates::continued),
        any_service().prop_map(|s| Event::NotContinued { service: name(s), cause: cause() }),
        any_service().prop_map(|s| Event::Baking { service: name(s) }),
        (1_u32..4, 0_u8..4).prop_map(|(step, how)| gates::judged(step, how)),
        (1_u32..4, 0_u8..6).prop_map(|(step, how)| gates::decided(step, how)),
        (0_usize..3).prop_map(|check| Event::CheckPassed { check }),
        (0_usize..3).prop_map(|check| Event::CheckFailed { check, cause: cause() }),
        Just(Event::CancelRequested),
    ]
}

fn any_plan() -> impl Strategy<Value = Plan> {
    let on_failure = prop_oneof![Just(OnFailure::RollBackAll), Just(OnFailure::RollBackFailed), Just(OnFailure::Hold)];
    let waves = prop_oneof![
        Just(vec![vec!["a", "b", "c"]]),
        Just(vec![vec!["a"], vec!["b"], vec!["c"]]),
        Just(vec![vec!["a", "b="], vec!["c"]]),
        Just(vec![vec!["a="], vec!["b="], vec!["c="]]),
    ];
    let parts = (0_usize..3, 0_usize..3, 0_usize..2, any::<bool>(), prop::option::of(gates::any_steering()));
    (waves, on_failure, parts).prop_map(|(waves, on_failure, (checks, before, after, alarms, steering))| {
        let waves: Vec<&[&str]> = waves.iter().map(Vec::as_slice).collect();
        let mut plan = plan(&waves, on_failure, checks);
        plan.before = (0..before).map(|number| hook(number % 2 == 0)).collect();
        plan.after = (0..after).map(|_| hook(true)).collect();
        plan.alarms = if alarms { vec!["shop-5xx".to_owned()] } else { vec![] };
        plan.steering = steering;
        plan
    })
}

/// The event a well-behaved world answers an effect with: good or bad by `luck`.
fn answer(effect: &Effect, phase: &Phase, luck: u8) -> Event {
    let state = |service: &ServiceName| phase.services()[service].clone();
    match effect {
        Effect::Apply(service) if luck == 0 => not_applied(service.as_str(), Touched::No),
        Effect::Apply(service) => applied(service.as_str()),
        Effect::Revert(service) if luck == 0 => Event::RevertFailed { service: service.clone(), cause: cause() },
        Effect::Revert(service) if luck == 1 => served(service.as_str()),
        Effect::Revert(service) => reverted(service.as_str()),
        Effect::Continue(service) if luck == 0 => Event::NotContinued { service: service.clone(), cause: cause() },
        Effect::Continue(service) => gates::continued(service.as_str()),
        Effect::Bake(step) => gates::judged(*step, luck),
        Effect::Listen(step, awaited) => gates::word(*step, *awaited, luck),
        Effect::Follow(service) if luck == 0 => broke(service.as_str()),
        Effect::Follow(service) if luck > 1 && gates::follows(&state(service), luck).is_some() => {
            gates::follows(&state(service), luck).unwrap()(service.as_str())
        }
        Effect::Follow(service) if luck == 1 && !matches!(state(service), ServiceState::Returning { .. }) => {
            Event::Superseded { service: service.clone(), by: "other".into() }
        }
        Effect::Follow(service) if luck == 2 => Event::AskAgain { service: service.clone() },
        Effect::Follow(service) => served(service.as_str()),
        Effect::Check(check) if luck == 0 => Event::CheckFailed { check: *check, cause: cause() },
        Effect::Check(check) => Event::CheckPassed { check: *check },
        Effect::StartHook(hook) if luck < 2 => {
            let touched = if luck == 0 { Touched::No } else { Touched::Perhaps };
            Event::HookNotStarted { hook: *hook, cause: cause(), touched }
        }
        Effect::StartHook(hook) => Event::HookStarted { hook: *hook, task: task() },
        Effect::FollowHook(hook) if luck == 0 => Event::HookFailed { hook: *hook, cause: cause() },
        Effect::FollowHook(hook) if luck == 1 => Event::HookOverdue { hook: *hook, cause: cause() },
        Effect::FollowHook(hook) => Event::HookEnded { hook: *hook, log: None },
        Effect::StopHook(hook) => Event::HookStopped { hook: *hook },
        Effect::WatchAlarms => Event::AlarmFired { cause: cause() },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_sequence_of_events_panics_and_done_absorbs(plan in any_plan(), events in prop::collection::vec(any_event(), 0..40)) {
        let mut phase = Phase::first(&plan);
        for event in events {
            let before = phase.clone();
            let done = before.outcome().is_some();
            phase = match phase.apply(event, &plan) {
                Ok(next) => next,
                Err(unexpected) => {
                    prop_assert_eq!(&*unexpected.phase, &before);
                    before.clone()
                }
            };
            if done {
                prop_assert_eq!(&phase, &before);
            }
            // Not done means something is due: nothing ever waits for nobody.
            prop_assert_eq!(phase.outcome().is_none(), !phase.effects(&plan).is_empty());
        }
    }

    #[test]
    fn every_phase_reaches_done_when_its_effects_are_answered(
        plan in any_plan(),
        noise in prop::collection::vec(any_event(), 0..20),
        luck in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..6), 192),
    ) {
        let mut phase = noise.into_iter().fold(Phase::first(&plan), |phase, event| {
            phase.apply(event, &plan).unwrap_or_else(|unexpected| *unexpected.phase)
        });
        for (pick, luck) in luck {
            let mut effects = phase.effects(&plan);
            // Alarms are quiet most of the time.
            if effects.len() > 1 && luck > 0 {
                effects.retain(|effect| *effect != Effect::WatchAlarms);
            }

            if effects.is_empty() {
                break;
            }
            let event = answer(pick.get(&effects), &phase, luck);
            phase = phase.apply(event, &plan).expect("an answer to a due effect fits");
        }
        prop_assert!(phase.outcome().is_some(), "still {:?}", phase);
    }

    #[test]
    fn what_was_not_this_deployments_is_never_reverted(plan in any_plan(), events in prop::collection::vec(any_event(), 0..40)) {
        let mut phase = Phase::first(&plan);
        let mut asked = std::collections::BTreeSet::new();
        for event in events {
            for effect in phase.effects(&plan) {
                match effect {
                    Effect::Apply(service) => { asked.insert(service); }
                    Effect::Revert(service) => prop_assert!(asked.contains(&service), "{service} was never asked to change"),
                    Effect::Continue(service) => prop_assert!(asked.contains(&service), "{service} was never asked to change"),
                    Effect::Follow(_)
                    | Effect::Bake(_)
                    | Effect::Listen(..)
                    | Effect::Check(_)
                    | Effect::StartHook(_)
                    | Effect::FollowHook(_)
                    | Effect::StopHook(_)
                    | Effect::WatchAlarms => {}
                }
            }
            phase = phase.apply(event, &plan).unwrap_or_else(|unexpected| *unexpected.phase);
        }
    }
}
