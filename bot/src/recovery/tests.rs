//! Which deliveries are asked for again.

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

fn attempt(id: u64, guid: &str, second: i64, arrived: bool) -> PastDelivery {
    PastDelivery { id, guid: guid.to_owned(), at: at(second), arrived, event: "issue_comment.created".to_owned() }
}

fn asked(past: &[PastDelivery], now: i64) -> Vec<u64> {
    missed(past, at(now)).into_iter().map(|delivery| delivery.id).collect()
}

#[test]
fn only_the_first_look_of_all_goes_back_as_far_as_github_remembers() {
    let (now, days) = (at(0), |days: i64| at(-days * 24 * 60 * 60));
    assert_eq!(since(None, now), days(3));
    assert_eq!(since(Some(at(-60)), now), at(-60 - 30 * 60));
    assert_eq!(since(Some(days(5)), now), days(3));
}

#[test]
fn what_no_attempt_of_which_arrived_is_asked_for_oldest_first() {
    let past = [attempt(3, "c", 300, false), attempt(2, "b", 200, true), attempt(1, "a", 100, false)];
    assert_eq!(asked(&past, 1000), [1, 3]);
}

#[test]
fn a_delivery_that_arrived_later_or_earlier_is_not_asked_for() {
    let later = [attempt(2, "a", 200, true), attempt(1, "a", 100, false)];
    let earlier = [attempt(2, "a", 200, false), attempt(1, "a", 100, true)];
    assert!(asked(&later, 1000).is_empty());
    assert!(asked(&earlier, 1000).is_empty());
}

#[test]
fn of_several_failed_attempts_the_last_is_asked_for_once() {
    let past = [attempt(2, "a", 200, false), attempt(1, "a", 100, false)];
    assert_eq!(asked(&past, 1000), [2]);
}

#[test]
fn what_was_sent_a_moment_ago_is_given_time_to_arrive() {
    let past = [attempt(1, "a", 100, false)];
    assert!(asked(&past, 129).is_empty());
    assert_eq!(asked(&past, 130), [1]);
}

#[test]
fn what_failed_again_and_again_is_left_alone() {
    let past: Vec<_> = (0..6).map(|n| attempt(n, "a", 100 + i64::try_from(n).unwrap(), false)).collect();
    assert!(asked(&past, 1000).is_empty());
    assert_eq!(asked(&past[..5], 1000), [4]);
}

#[test]
fn events_that_would_not_be_stored_are_not_asked_for() {
    let mut ping = attempt(1, "a", 100, false);
    ping.event = "ping".to_owned();
    let mut push = attempt(2, "b", 100, false);
    push.event = "push".to_owned();
    let mut run = attempt(3, "c", 100, false);
    run.event = "workflow_run".to_owned();
    assert_eq!(asked(&[ping, push, run], 1000), [3]);
}

#[test]
fn looks_overlap_and_never_go_back_further_than_github_keeps() {
    let now = at(1_000_000);
    assert_eq!(since(None, now), now - KEPT);
    assert_eq!(since(Some(at(999_000)), now), at(999_000) - OVERLAP);
    assert_eq!(since(Some(at(0)), now), now - KEPT);
}
