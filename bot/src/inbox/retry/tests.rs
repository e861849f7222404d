//! When it is tried again.

use super::*;

fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).unwrap()
}

/// The pause after try number `tries`, in seconds; nothing when it is parked.
fn pause(failed: &HandlerFailed, tries: u32) -> Option<i64> {
    match after(failed, tries, now()) {
        DeliveryEnd::Retry { at, .. } => Some(at.as_second() - now().as_second()),
        DeliveryEnd::Parked { .. } => None,
        DeliveryEnd::Done => panic!("a failure is not done"),
    }
}

#[test]
fn pauses_grow_to_five_minutes_and_end_after_hours() {
    let failed = HandlerFailed::passes("GitHub answered 502", None);
    let pauses: Vec<_> = (1..=11).map(|tries| pause(&failed, tries).unwrap()).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    let total: i64 = (1..PASSING).map(|tries| pause(&failed, tries).unwrap()).sum();
    assert!((3 * 3600..5 * 3600).contains(&total), "{total} s");
    assert_eq!(pause(&failed, PASSING), None);
}

#[test]
fn a_longer_pause_that_github_asks_for_is_kept_but_not_for_ever() {
    let asked = |seconds| HandlerFailed::passes("limit", Some(Duration::from_secs(seconds)));
    assert_eq!(pause(&asked(90), 1), Some(90));
    assert_eq!(pause(&asked(90), 9), Some(256));
    assert_eq!(pause(&asked(1_000_000), 1), Some(65 * 60));
}

#[test]
fn a_defect_is_tried_ten_times_and_what_lasts_once() {
    let defect = HandlerFailed::defect("index out of bounds");
    assert!(pause(&defect, 9).is_some());
    assert_eq!(
        after(&defect, 10, now()),
        DeliveryEnd::Parked { why: "given up after 10 tries: index out of bounds".to_owned() }
    );
    let lasts = HandlerFailed::lasts("no such repository");
    assert_eq!(after(&lasts, 1, now()), DeliveryEnd::Parked { why: "no such repository".to_owned() });
}

#[test]
fn what_ends_the_whole_process_every_time_is_put_aside_without_another_try() {
    assert_eq!(hopeless(0), None);
    assert_eq!(hopeless(2), None);
    assert!(matches!(hopeless(3), Some(DeliveryEnd::Parked { .. })));
}
