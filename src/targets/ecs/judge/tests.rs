use super::*;
use crate::targets::ecs::live::Event;

const OLD: &str = "arn:aws:ecs:us-east-1:111122223333:task-definition/api:41";
const NEW: &str = "arn:aws:ecs:us-east-1:111122223333:task-definition/api:42";
const OTHER: &str = "arn:aws:ecs:us-east-1:111122223333:task-definition/api:43";

fn rollout(id: &str, definition: &str, state: RolloutState) -> Rollout {
    Rollout {
        id: id.to_owned(),
        status: "ACTIVE".to_owned(),
        definition: definition.to_owned(),
        state,
        reason: String::new(),
        desired: 2,
        running: 2,
        pending: 0,
        failed: 0,
        created: 100.0,
    }
}

/// The first one is the primary.
fn live(mut rollouts: Vec<Rollout>) -> Live {
    if let Some(first) = rollouts.first_mut() {
        "PRIMARY".clone_into(&mut first.status);
    }
    Live {
        arn: "service".to_owned(),
        status: "ACTIVE".to_owned(),
        controller: None,
        managed_by: None,
        definition: rollouts.first().map(|first| first.definition.clone()).unwrap_or_default(),
        desired: 2,
        rollouts,
        events: Vec::<Event>::new(),
        target_groups: Vec::new(),
    }
}

fn truth(state: State) -> Deployment {
    Deployment {
        arn: "deployment".to_owned(),
        created: 100.0,
        state,
        reason: Some("said ECS".to_owned()),
        breaker_tripped: false,
        breaker_count: (3, 3),
        alarms: Vec::new(),
    }
}

fn facts(way: Way) -> ShiftFacts {
    ShiftFacts { way, primary: Some("ours".to_owned()), created: Some(100.0), left: None, revision: None }
}

fn forward(live: &Live, truth: Option<&Deployment>) -> Sight {
    let facts = facts(Way::Update);
    let direction = Direction::Forward;
    judge(&Scene { live, truth, stopped: &[], wanted: NEW, left: OLD, facts: &facts, direction })
}

fn back(live: &Live, truth: Option<&Deployment>, way: Way) -> Sight {
    let facts = facts(way);
    let direction = Direction::Back;
    judge(&Scene { live, truth, stopped: &[], wanted: OLD, left: NEW, facts: &facts, direction })
}

fn word(sight: &Sight) -> &'static str {
    match sight {
        Sight::Moving(_) => "moving",
        Sight::Paused(..) => "paused",
        Sight::Baking(_) => "baking",
        Sight::Serving => "serving",
        Sight::Broke(_) => "broke",
        Sight::Superseded { .. } => "superseded",
        Sight::AskAgain => "ask again",
    }
}

#[test]
fn the_service_deployment_decides_and_not_the_counts() {
    use RolloutState::{Completed, Failed, InProgress};
    let ours = |state| live(vec![rollout("ours", NEW, state), rollout("old", OLD, Completed)]);
    let taken = live(vec![rollout("theirs", OTHER, InProgress), rollout("ours", NEW, InProgress)]);
    let rolled = live(vec![rollout("again", OLD, InProgress), rollout("ours", NEW, Failed)]);
    for (name, live, truth, expected) in [
        ("all tasks run but ECS is not done", ours(InProgress), truth(State::Going), "moving"),
        ("ECS is done", ours(Completed), truth(State::Successful), "serving"),
        ("done, and then replaced", taken.clone(), truth(State::Successful), "superseded"),
        ("stopped for another one", taken.clone(), truth(State::Stopping), "superseded"),
        ("stopped for another one, later", taken.clone(), truth(State::Stopped), "superseded"),
        ("replaced before ECS says so", taken, truth(State::Going), "superseded"),
        ("stopped by nobody knows whom", ours(InProgress), truth(State::Stopped), "broke"),
        ("being taken back", ours(InProgress), truth(State::RollingBack), "broke"),
        ("taken back", rolled.clone(), truth(State::RolledBack), "broke"),
        ("not even that", rolled, truth(State::RollbackFailed), "broke"),
        ("a state of tomorrow", ours(InProgress), truth(State::Unknown), "moving"),
    ] {
        assert_eq!(word(&forward(&live, Some(&truth))), expected, "{name}");
    }
}

#[test]
fn a_tripped_breaker_is_the_end_whatever_the_state_and_whoever_is_primary() {
    let primary_ours = live(vec![rollout("ours", NEW, RolloutState::InProgress)]);
    let primary_old = live(vec![rollout("old", OLD, RolloutState::InProgress)]);
    for live in [primary_ours, primary_old] {
        for state in [State::Going, State::Stopping, State::Stopped, State::RollingBack] {
            let tripped = Deployment { breaker_tripped: true, ..truth(state) };
            let Sight::Broke(cause) = forward(&live, Some(&tripped)) else { panic!("{state:?}") };
            assert_eq!(cause.summary, "the service's circuit breaker tripped after 3 failed tasks (it allows 3)");
        }
    }
}

#[test]
fn an_alarm_is_named() {
    let live = live(vec![rollout("ours", NEW, RolloutState::InProgress)]);
    let alarmed = Deployment { alarms: vec!["5xx".to_owned()], ..truth(State::RollingBack) };
    let Sight::Broke(cause) = forward(&live, Some(&alarmed)) else { panic!("not broken") };
    assert_eq!(cause.code, CauseCode::AlarmFired);
    assert!(cause.summary.contains("5xx"));
}

#[test]
fn without_service_deployments_the_own_entry_decides() {
    use RolloutState::{Completed, Failed, InProgress, Unknown};
    let mut rolling = rollout("old", OLD, InProgress);
    rolling.reason = "ECS deployment circuit breaker: rolling back to deploymentId ecs-svc/1.".to_owned();
    let fewer = Rollout { running: 1, ..rollout("ours", NEW, Completed) };
    let stale = rollout("stale", OTHER, Failed);
    for (name, live, expected) in [
        ("under way", live(vec![rollout("ours", NEW, InProgress), rollout("old", OLD, Completed)]), "moving"),
        ("done", live(vec![rollout("ours", NEW, Completed)]), "serving"),
        ("done, beside one that failed long ago", live(vec![rollout("ours", NEW, Completed), stale]), "serving"),
        ("said to be done, but a task is missing", live(vec![fewer]), "moving"),
        ("no state is told, the counts are right", live(vec![rollout("ours", NEW, Unknown)]), "serving"),
        ("given up", live(vec![rollout("ours", NEW, Failed), rollout("old", OLD, Completed)]), "broke"),
        ("taken back by ECS", live(vec![rolling]), "broke"),
        ("replaced by somebody", live(vec![rollout("theirs", OTHER, InProgress)]), "superseded"),
    ] {
        assert_eq!(word(&forward(&live, None)), expected, "{name}");
    }
}

#[test]
fn the_way_back_is_done_when_the_old_revision_really_runs() {
    use RolloutState::{Completed, Failed, InProgress};
    let old = |state| live(vec![rollout("old", OLD, state)]);
    let fewer = live(vec![Rollout { running: 1, ..rollout("old", OLD, Completed) }]);
    let ours = live(vec![rollout("ours", NEW, InProgress)]);
    let theirs = live(vec![rollout("theirs", OTHER, Completed)]);
    for (name, live, truth, expected) in [
        ("asked for", ours.clone(), truth(State::RollingBack), "moving"),
        ("told done, and it is", old(Completed), truth(State::RolledBack), "serving"),
        ("told done, but a task is missing", fewer, truth(State::RolledBack), "moving"),
        ("told done, but the new one is still there", ours, truth(State::RolledBack), "broke"),
        ("told done, but the old one fails", old(Failed), truth(State::RolledBack), "broke"),
        ("failed", old(Failed), truth(State::RollbackFailed), "broke"),
        ("too late", old(Completed), truth(State::Successful), "broke"),
        ("somebody else was there first", theirs, truth(State::Stopped), "superseded"),
    ] {
        assert_eq!(word(&back(&live, Some(&truth), Way::Stop)), expected, "{name}");
    }
    assert_eq!(word(&back(&old(Completed), None, Way::Stop)), "serving");
}

#[test]
fn progress_tells_counts_and_what_is_waited_for() {
    let mut own = rollout("ours", NEW, RolloutState::InProgress);
    (own.running, own.pending) = (1, 1);
    let live = live(vec![own, rollout("old", OLD, RolloutState::Completed)]);
    let Sight::Moving(progress) = forward(&live, Some(&truth(State::Going))) else { panic!("not moving") };
    assert_eq!((progress.healthy, progress.wanted), (1, 2));
    assert_eq!(progress.doing, "starting tasks (1 pending)");
    assert_eq!(progress.traffic, None);
}

/// A change whose service revision is known and whose primary deployment is not listed.
fn unlisted(live: &Live, truth: Option<&Deployment>) -> Sight {
    let facts = ShiftFacts { primary: None, revision: Some("revision".to_owned()), ..facts(Way::Update) };
    let direction = Direction::Forward;
    judge(&Scene { live, truth, stopped: &[], wanted: NEW, left: OLD, facts: &facts, direction })
}

#[test]
fn a_deployment_that_is_not_listed_yet_is_waited_for_and_never_called_replaced() {
    use RolloutState::{Completed, InProgress};
    let before = live(vec![rollout("old", OLD, Completed)]);
    let arrived = live(vec![rollout("ours", NEW, Completed)]);
    let theirs = live(vec![rollout("theirs", OTHER, InProgress)]);
    for state in [State::Going, State::Stopping, State::Unknown] {
        assert_eq!(word(&unlisted(&before, Some(&truth(state)))), "moving", "{state:?}");
        let tripped = Deployment { breaker_tripped: true, ..truth(state) };
        assert_eq!(word(&unlisted(&before, Some(&tripped))), "broke", "{state:?}");
    }
    for state in [State::RollingBack, State::RolledBack, State::RollbackFailed, State::Stopped] {
        assert_eq!(word(&unlisted(&before, Some(&truth(state)))), "broke", "{state:?}");
    }
    assert_eq!(word(&unlisted(&arrived, Some(&truth(State::Successful)))), "serving");
    assert_eq!(word(&unlisted(&theirs, Some(&truth(State::Successful)))), "superseded");
    assert_eq!(word(&unlisted(&theirs, Some(&truth(State::Stopped)))), "superseded");
    assert_eq!(word(&unlisted(&before, None)), "moving");
    assert_eq!(word(&unlisted(&theirs, None)), "superseded");
}
