use super::*;
use crate::targets::compose::record::{Wanted, nothing, revision};

fn image(letter: char) -> Revision {
    revision(&format!("r/app@sha256:{}", letter.to_string().repeat(64)), None, None, "")
}

/// A deployment of `to`, where `from` ran.
fn entry(from: Revision, to: char, leaving: Leaving, was: Was) -> Entry {
    let wanted = Wanted { revision: image(to), baseline: String::new(), leaving };
    Entry { job: String::new(), wanted, previous: from, was }
}

fn letters(entries: &[Entry], live: char) -> String {
    good(entries, &image(live)).iter().filter_map(|known| known.id.chars().last()).collect()
}

#[test]
fn what_served_before_comes_newest_first_and_once() {
    let entries = [
        entry(nothing(), 'a', Leaving::Behind, Was::Good),
        entry(image('a'), 'b', Leaving::Behind, Was::Good),
        entry(image('b'), 'c', Leaving::Behind, Was::Good),
        entry(image('c'), 'd', Leaving::Behind, Was::Good),
    ];
    assert_eq!(letters(&entries, 'd'), "cba");
}

#[test]
fn what_failed_or_was_never_well_is_not_offered() {
    let entries = [
        entry(image('a'), 'b', Leaving::Behind, Was::Good),
        // b was tried, failed and was taken back by itself; c replaced an a that had become sick.
        entry(image('a'), 'c', Leaving::Behind, Was::Bad),
        entry(image('c'), 'd', Leaving::Behind, Was::Bad),
    ];
    assert_eq!(letters(&entries, 'd'), "a");
}

#[test]
fn what_somebody_went_away_from_comes_last() {
    let entries = [
        entry(image('a'), 'b', Leaving::Behind, Was::Good),
        entry(image('b'), 'c', Leaving::Behind, Was::Good),
        entry(image('c'), 'b', Leaving::Away, Was::Good),
    ];
    assert_eq!(letters(&entries, 'b'), "ac");
}
