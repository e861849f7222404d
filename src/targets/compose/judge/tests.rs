use serde_json::json;

use super::*;
use crate::config::spec::ComposeHost;
use crate::targets::compose::record::{nothing, revision};

fn image(letter: char) -> Revision {
    revision(&format!("r/app@sha256:{}", letter.to_string().repeat(64)), None, None, "")
}

fn spec(check: Option<HttpCheck>) -> ComposeSpec {
    ComposeSpec {
        project: "shop".to_owned(),
        service: "api".to_owned(),
        file: "compose.yml".into(),
        host: ComposeHost::Local,
        check,
        backups: Vec::new(),
    }
}

/// A container of an image, started `age` seconds ago.
fn container(letter: char, status: &str, health: Option<&str>, restarts: u32, age: i64) -> Container {
    let started = Timestamp::from_second(1_000 - age).unwrap();
    let health =
        health.map(|word| json!({ "Status": word, "Log": [{ "ExitCode": 1, "Output": "Trace\nHTTP 500\n" }] }));
    let state = json!({ "Status": status, "ExitCode": 3, "OOMKilled": false, "Error": "", "StartedAt": started, "Health": health });
    let id = image(letter).id;
    serde_json::from_value(json!({ "id": "0123456789abcdef", "image": id, "image_id": "sha256:x", "state": state, "restarts": restarts, "hash": null })).unwrap()
}

fn answer(state: State, containers: Vec<Container>) -> Answer {
    let now = Some(Timestamp::from_second(1_000).unwrap());
    Answer { now, job: Some("j".to_owned()), state: Some(state), containers, ..Answer::default() }
}

fn done() -> State {
    State::Ended { code: 0, step: "up".to_owned() }
}

#[test]
fn a_container_without_a_health_check_must_run_for_a_while() {
    let young = answer(done(), vec![container('b', "running", None, 0, 2)]);
    assert!(matches!(change(&young, "j", &image('b'), &spec(None)), Sight::Moving(_)));
    let steady = answer(done(), vec![container('b', "running", None, 0, 6)]);
    assert_eq!(change(&steady, "j", &image('b'), &spec(None)), Sight::Serving);
    let restless = answer(done(), vec![container('b', "running", None, 1, 30)]);
    assert!(matches!(change(&restless, "j", &image('b'), &spec(None)), Sight::Moving(_)));
}

#[test]
fn a_container_that_ends_again_and_again_is_told_before_compose_gives_up() {
    let once = answer(State::Running, vec![container('b', "restarting", None, 1, 1)]);
    assert!(matches!(change(&once, "j", &image('b'), &spec(None)), Sight::Moving(_)));
    let twice = answer(State::Running, vec![container('b', "restarting", None, 2, 1)]);
    let Sight::Broke(cause) = change(&twice, "j", &image('b'), &spec(None)) else { panic!() };
    assert_eq!((cause.code, cause.exit.map(|exit| exit.code)), (CauseCode::ContainerExited, Some(3)));
}

#[test]
fn a_container_that_compose_takes_away_is_not_the_new_ones_failure() {
    let mut seen = answer(State::Running, vec![container('b', "exited", None, 0, 100)]);
    seen.since = Some(Timestamp::from_second(990).unwrap());
    assert!(matches!(change(&seen, "j", &image('b'), &spec(None)), Sight::Moving(_)));
}

#[test]
fn every_container_counts_and_an_unhealthy_one_says_why() {
    let half = answer(
        done(),
        vec![container('b', "running", Some("healthy"), 0, 9), container('b', "running", Some("starting"), 0, 1)],
    );
    let Sight::Moving(progress) = change(&half, "j", &image('b'), &spec(None)) else { panic!() };
    assert_eq!((progress.healthy, progress.wanted), (1, 2));
    let sick = answer(done(), vec![container('b', "running", Some("unhealthy"), 0, 9)]);
    let Sight::Broke(cause) = change(&sick, "j", &image('b'), &spec(None)) else { panic!() };
    assert_eq!(cause.provider_says.as_deref(), Some("exit code 1: HTTP 500"));
}

#[test]
fn somebody_elses_image_or_change_is_left_alone() {
    let theirs = answer(done(), vec![container('c', "running", Some("healthy"), 0, 9)]);
    assert!(matches!(change(&theirs, "j", &image('b'), &spec(None)), Sight::Superseded { .. }));
    let later = Answer { job: Some("other".to_owned()), ..answer(done(), vec![container('b', "running", None, 0, 9)]) };
    assert!(matches!(change(&later, "j", &image('b'), &spec(None)), Sight::Superseded { .. }));
}

#[test]
fn what_failed_on_the_way_is_named_by_its_step() {
    for (step, code) in [
        ("pull", CauseCode::ImageNotPulled),
        ("backup", CauseCode::ResourcesNotReady),
        ("over", CauseCode::Stopped),
        ("up", CauseCode::ProviderGaveUp),
    ] {
        let failed =
            answer(State::Ended { code: 1, step: step.to_owned() }, vec![container('a', "running", None, 0, 99)]);
        let Sight::Broke(cause) = change(&failed, "j", &image('b'), &spec(None)) else { panic!("{step}") };
        assert_eq!(cause.code, code);
        assert!(!cause.next.is_empty());
    }
}

#[test]
fn where_nothing_ran_nothing_is_what_serves() {
    assert!(serves(&answer(done(), Vec::new()), &nothing()));
    assert!(!serves(&answer(done(), vec![container('a', "running", None, 0, 9)]), &nothing()));
    assert_eq!(change(&answer(done(), Vec::new()), "j", &nothing(), &spec(None)), Sight::Serving);
}

#[test]
fn an_address_that_does_not_answer_breaks_when_its_time_is_over() {
    let (url, within) = ("http://127.0.0.1/".to_owned(), "30s".parse().unwrap());
    let (body, headers, latency_ms) = (None, std::collections::BTreeMap::new(), None);
    let check = HttpCheck { url, expect: 200, body, headers, latency_ms, within };
    let seen = |age: i64, got: &str| {
        let answer = Answer {
            http: Some(got.to_owned()),
            ..answer(done(), vec![container('b', "running", Some("healthy"), 0, age)])
        };
        change(&answer, "j", &image('b'), &spec(Some(check.clone())))
    };
    assert_eq!(seen(20, "200"), Sight::Serving);
    assert!(matches!(seen(20, "502"), Sight::Moving(_)));
    let Sight::Broke(cause) = seen(31, "502") else { panic!() };
    assert_eq!((cause.code, cause.facts.as_slice()), (CauseCode::CheckFailed, ["last: 502".to_owned()].as_slice()));
}
