use shipline::types::{ServiceName, Span};

use super::super::gather::by_action;
use super::super::order::{Brought, held_since};
use super::{Scene, at, sha, text};
use crate::decision::{ReasonCode, SeenDeployment};

fn services(names: &[&str]) -> Vec<ServiceName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn brought(digit: char, names: &[&str], hour: u8) -> Brought {
    Brought { commit: Some(sha(digit)), services: services(names), since: at(&format!("2026-03-03T{hour:02}:00:00Z")) }
}

#[test]
fn a_release_is_held_when_it_came_last_for_every_service() {
    let both = services(&["api", "web"]);
    let held = |all: &[Brought]| held_since(all, &both, sha('a')).map(|since| since.to_string());
    let nine = Some("2026-03-03T09:00:00Z".to_owned());
    assert_eq!(held(&[brought('a', &["api", "web"], 9)]), nine);
    assert_eq!(held(&[brought('a', &["web"], 9), brought('a', &["api"], 8)]), nine);
    assert_eq!(held(&[brought('a', &["api"], 9)]), None, "web never came");
    assert_eq!(held(&[brought('a', &["api", "web"], 9), brought('b', &["web"], 10)]), None, "web was replaced");
    assert_eq!(held(&[]), None);
    let unknown = Brought { commit: None, ..brought('a', &["web"], 10) };
    assert_eq!(held(&[brought('a', &["api", "web"], 9), unknown]), None, "nobody knows what web is");
}

#[test]
fn bringing_the_same_release_again_does_not_begin_its_time_anew() {
    let api = services(&["api"]);
    let again = [brought('a', &["api"], 11), brought('a', &["api"], 9), brought('b', &["api"], 8)];
    assert_eq!(held_since(&again, &api, sha('a')), Some(at("2026-03-03T09:00:00Z")));
    let between = [brought('a', &["api"], 11), brought('b', &["api"], 10), brought('a', &["api"], 9)];
    assert_eq!(held_since(&between, &api, sha('a')), Some(at("2026-03-03T11:00:00Z")));
}

#[test]
fn a_deployment_of_the_action_counts_when_it_succeeded_and_somebody_elses_never() {
    let seen = |state: &str, shipline: Option<serde_json::Value>| SeenDeployment {
        id: 1,
        sha: sha('a'),
        environment: "staging".to_owned(),
        shipline,
        creator: None,
        created: at("2026-03-03T08:00:00Z"),
        state: Some(state.to_owned()),
        since: Some(at("2026-03-03T09:00:00Z")),
    };
    let noted = || Some(serde_json::json!({ "schema_version": 1, "services": { "api": {}, "web": {} } }));
    let staging = "staging".parse().unwrap();
    assert_eq!(by_action(&seen("success", noted()), &staging), Some(brought('a', &["api", "web"], 9)));
    assert_eq!(by_action(&seen("inactive", noted()), &staging), None);
    assert_eq!(by_action(&seen("success", None), &staging), None);
    assert_eq!(by_action(&seen("success", noted()), &"preview".parse().unwrap()), None);
}

fn production(since: Option<&str>) -> Scene {
    let mut scene = Scene::with(|scene| scene.environment = "production".parse().unwrap());
    let staging = "staging".parse().unwrap();
    scene.spec().policy.requires = vec!["staging".parse().unwrap()];
    scene.spec().policy.soak = Span::minutes(30);
    scene.facts.commit.good_since = vec![(staging, since.map(at))];
    scene
}

#[test]
fn a_release_that_is_not_where_it_must_be_first_is_told_where_to_go() {
    insta::assert_snapshot!(text(&production(None).denied()), @"
    [requires-missing] `production` takes what is good on `staging`, and `aaaaaaa` is not there.
    → `/deploy staging --sha aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` first; when it is good there, comment again.
    ");
    let mut forgotten = production(None);
    forgotten.facts.commit.good_since.clear();
    assert_eq!(forgotten.code(), ReasonCode::RequiresMissing, "what was not asked is not there");
}

#[test]
fn a_release_must_have_been_good_for_as_long_as_it_soaks() {
    insta::assert_snapshot!(text(&production(Some("2026-03-03T11:45:00Z")).denied()), @"
    [soaking] `aaaaaaa` has been good on `staging` for 16 min; `production` asks for 30m.
    → Comment again in 15 min.
    ");
    assert_eq!(production(Some("2026-03-03T11:30:02Z")).code(), ReasonCode::Allowed);
    assert_eq!(production(Some("2026-03-03T11:30:03Z")).code(), ReasonCode::Soaking);
}
