use std::collections::BTreeMap;

use serde_json::json;

use super::super::operations::{Operation, Operations, Status};
use super::super::record::Record;
use super::record::Asked;
use super::served::{builds, good, serving, stood_at};
use crate::engine::Push;
use crate::types::{CommitSha, Timestamp};

fn commit(letter: char) -> CommitSha {
    letter.to_string().repeat(40).parse().unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn operation(id: &str, kind: &str, status: Status, from: i64, to: Option<i64>) -> Operation {
    Operation {
        id: id.to_owned(),
        kind: kind.to_owned(),
        status,
        word: String::new(),
        started: Some(at(from)),
        ended: to.map(at),
    }
}

fn push(letter: char, second: i64) -> Push {
    Push { commit: commit(letter), at: at(second) }
}

fn asked(letter: char) -> Asked<'static> {
    Asked { commit: commit(letter), branch: "main", previous_branch: "main" }
}

#[test]
fn what_serves_is_where_the_branch_stood_when_the_newest_good_operation_began() {
    let all = Operations::of(vec![
        operation("3", "START_DEPLOYMENT", Status::Failed, 60, Some(70)),
        operation("2", "START_DEPLOYMENT", Status::Succeeded, 30, Some(40)),
        operation("1", "CREATE_SERVICE", Status::Succeeded, 10, Some(20)),
    ]);
    let pushes = [push('c', 55), push('b', 29), push('a', 5)];
    assert_eq!(serving(&all, &Record::default(), &pushes), Some(commit('b')));
    assert_eq!(good(&all, &Record::default(), &pushes), [commit('b'), commit('a')]);
    // A push while it was built leaves open which of the two it took.
    assert_eq!(serving(&all, &Record::default(), &[push('d', 35), push('b', 29)]), None);
    // Without the pushes only our own record tells.
    assert_eq!(serving(&all, &Record::default(), &[]), None);
    let record = Record::default().asked_for("2", asked('b'), None);
    assert_eq!(serving(&all, &record, &[]), Some(commit('b')));
    // What is recorded comes in its own order, after what came since.
    let record = Record::default().asked_for("1", asked('e'), Some(commit('f')));
    assert_eq!(good(&all, &record, &pushes), [commit('b'), commit('e'), commit('f')]);
    assert_eq!(stood_at(&all.all()[0], &pushes), Some(commit('c')));
    // In the same second it is not known which came first.
    assert_eq!(stood_at(&all.all()[0], &[push('c', 60), push('b', 29)]), None);
}

#[test]
fn an_operation_is_joined_only_where_the_branch_stood_at_the_commit_before_it_began() {
    let running = operation("2", "START_DEPLOYMENT", Status::Running, 30, None);
    let none = Record::default();
    assert!(builds(&running, commit('b'), &none, &[push('b', 29), push('a', 5)]));
    assert!(!builds(&running, commit('b'), &none, &[push('b', 31), push('a', 5)]));
    assert!(!builds(&running, commit('a'), &none, &[push('b', 29), push('a', 5)]));
    assert!(!builds(&running, commit('b'), &none, &[]));
    let record = none.asked_for("2", asked('b'), None);
    assert!(builds(&running, commit('b'), &record, &[]));
    assert!(!builds(&running, commit('b'), &record, &[push('c', 35), push('b', 31)]));
}

#[test]
fn the_last_ten_good_commits_fit_into_tags_and_what_was_taken_back_is_not_one_of_them() {
    let letters = "0123456789abcdef".chars().collect::<Vec<_>>();
    let mut record = Record::default();
    for pair in letters.windows(2) {
        record = record.asked_for("1", asked(pair[1]), Some(commit(pair[0])));
    }
    let good: Vec<CommitSha> = letters[5..15].iter().rev().map(|letter| commit(*letter)).collect();
    assert_eq!(record.good_commits(), good);
    let values: BTreeMap<&str, usize> = record.0.iter().map(|(key, value)| (key.as_str(), value.len())).collect();
    assert!(values.values().all(|length| *length <= 256), "{values:?}");

    let back = record.gone_back("2", asked('e'));
    assert_eq!(back.asked(), Some(("2", commit('e'))));
    assert_eq!(back.good_commits()[0], commit('d'));
    assert!(!back.good_commits().contains(&commit('f')));
}

#[test]
fn a_revision_is_the_commit_and_the_configuration() {
    let live = super::Configuration(json!({
        "ServiceArn": "arn", "SourceConfiguration": {"CodeRepository": {
            "RepositoryUrl": "https://github.com/acme/farm", "SourceCodeVersion": {"Type": "BRANCH", "Value": "main"}}},
    }));
    let one = live.built(Some(commit('a')));
    assert_eq!((one.name.as_str(), one.image_text.split(' ').count()), ("aaaaaaa", 2));
    assert_ne!(one.id, live.built(Some(commit('b'))).id);
    assert_ne!(one.id, live.with_branch("back").built(Some(commit('a'))).id);
    assert_eq!(live.built(None).name, "main, commit not known");
}
