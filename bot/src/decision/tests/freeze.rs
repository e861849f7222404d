use jiff::tz::TimeZone;
use proptest::prelude::*;
use shipline::config::spec::{Freeze, WeekTime};
use shipline::types::Timestamp;

use super::super::freeze::{Frozen, frozen};
use super::{Scene, at, text};
use crate::decision::{ReasonCode, Wanted};

fn time(text: &str) -> WeekTime {
    let (day, clock) = text.split_once(' ').unwrap();
    let (hour, minute) = clock.split_once(':').unwrap();
    let day = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].iter().position(|name| *name == day).unwrap();
    WeekTime { day: day.try_into().unwrap(), hour: hour.parse().unwrap(), minute: minute.parse().unwrap() }
}

fn window(from: &str, to: &str, zone: &str) -> Freeze {
    Freeze { from: time(from), to: time(to), zone: zone.to_owned() }
}

fn until(windows: &[Freeze], now: &str) -> Option<String> {
    match frozen(windows, at(now)) {
        Frozen::No => None,
        Frozen::Until(end, _) => Some(end.to_string()),
        other => Some(format!("{other:?}")),
    }
}

#[test]
fn a_window_over_the_end_of_the_week_holds_on_both_sides_of_it() {
    let weekend = [window("Fri 16:00", "Mon 08:00", "Europe/Berlin")];
    let end = Some("2026-03-09T07:00:00Z".to_owned());
    assert_eq!(until(&weekend, "2026-03-06T14:59:59Z"), None);
    assert_eq!(until(&weekend, "2026-03-06T15:00:00Z"), end);
    assert_eq!(until(&weekend, "2026-03-08T12:00:00Z"), end);
    assert_eq!(until(&weekend, "2026-03-09T06:59:59Z"), end);
    assert_eq!(until(&weekend, "2026-03-09T07:00:00Z"), None);
}

#[test]
fn a_window_within_the_week_and_one_that_ends_when_it_began_a_week_before() {
    let noon = [window("Tue 12:00", "Tue 13:00", "UTC")];
    assert_eq!(until(&noon, "2026-03-03T12:30:00Z"), Some("2026-03-03T13:00:00Z".to_owned()));
    assert_eq!(until(&noon, "2026-03-04T12:30:00Z"), None);
    let nearly_all = [window("Tue 13:00", "Tue 12:00", "UTC")];
    assert_eq!(until(&nearly_all, "2026-03-03T12:30:00Z"), None);
    assert_eq!(until(&nearly_all, "2026-03-03T11:59:00Z"), Some("2026-03-03T12:00:00Z".to_owned()));
    assert_eq!(until(&nearly_all, "2026-03-03T13:00:00Z"), Some("2026-03-10T12:00:00Z".to_owned()));
}

#[test]
fn clocks_that_are_set_move_the_end_with_them() {
    // Berlin goes from +1 to +2 on Sunday 2026-03-29, and back on Sunday 2026-10-25.
    let weekend = [window("Fri 16:00", "Mon 08:00", "Europe/Berlin")];
    assert_eq!(until(&weekend, "2026-03-28T12:00:00Z"), Some("2026-03-30T06:00:00Z".to_owned()));
    assert_eq!(until(&weekend, "2026-10-24T12:00:00Z"), Some("2026-10-26T07:00:00Z".to_owned()));
    // 02:30 does not exist that night; 03:30 is meant.
    let gap = [window("Sun 01:00", "Sun 02:30", "Europe/Berlin")];
    assert_eq!(until(&gap, "2026-03-29T01:15:00Z"), Some("2026-03-29T01:30:00Z".to_owned()));
    // 02:30 comes twice; the window ends once, at the first.
    let fold = [window("Sun 01:00", "Sun 02:30", "Europe/Berlin")];
    assert_eq!(until(&fold, "2026-10-25T00:29:59Z"), Some("2026-10-25T00:30:00Z".to_owned()));
    assert_eq!(until(&fold, "2026-10-25T00:30:00Z"), None);
    assert_eq!(until(&fold, "2026-10-25T01:15:00Z"), None);
}

#[test]
fn windows_that_touch_are_told_as_one_and_windows_without_a_gap_as_always() {
    let two = [window("Fri 16:00", "Sun 00:00", "UTC"), window("Sun 00:00", "Mon 08:00", "UTC")];
    assert_eq!(until(&two, "2026-03-06T17:00:00Z"), Some("2026-03-09T08:00:00Z".to_owned()));
    let always = [window("Mon 00:00", "Thu 00:00", "UTC"), window("Thu 00:00", "Mon 00:00", "UTC")];
    assert_eq!(frozen(&always, at("2026-03-03T12:00:00Z")), Frozen::Always);
}

#[test]
fn a_zone_that_nobody_knows_freezes() {
    let mut scene = Scene::new();
    scene.spec().policy.freeze = vec![window("Fri 16:00", "Mon 08:00", "Europe/Atlantis")];
    assert_eq!(scene.code(), ReasonCode::Frozen);
    scene.spec().policy.freeze = vec![window("Mon 00:00", "Thu 00:00", "UTC"), window("Thu 00:00", "Mon 00:00", "UTC")];
    assert_eq!(scene.code(), ReasonCode::Frozen);
}

#[test]
fn a_frozen_environment_says_until_when_and_lets_a_rollback_through() {
    let mut scene = Scene::with(|scene| scene.now = at("2026-03-07T12:00:02Z"));
    scene.spec().policy.freeze = vec![window("Fri 16:00", "Mon 08:00", "Europe/Berlin")];
    insta::assert_snapshot!(text(&scene.denied()), @"
    [frozen] `staging` is frozen until Mon 2026-03-09 08:00 Europe/Berlin, 1 d 19 h from now.
    → Comment again then. Going back is always possible: `/rollback staging`.
    ");
    scene.wanted = Wanted::Rollback;
    assert_eq!(scene.code(), ReasonCode::Allowed);
}

/// The same question put to the wall clock, minute by minute: right wherever no clock is set.
fn by_the_clock(window: &Freeze, now: Timestamp) -> bool {
    let local = now.to_zoned(TimeZone::get(&window.zone).unwrap());
    let minute = |day: u8, hour: u8, minute: u8| (u32::from(day) * 24 + u32::from(hour)) * 60 + u32::from(minute);
    let day = local.weekday().to_monday_zero_offset().try_into().unwrap();
    let now = minute(day, local.hour().try_into().unwrap(), local.minute().try_into().unwrap());
    let from = minute(window.from.day, window.from.hour, window.from.minute);
    let to = minute(window.to.day, window.to.hour, window.to.minute);
    if from < to { (from..to).contains(&now) } else { now >= from || now < to }
}

fn week_time() -> impl Strategy<Value = WeekTime> {
    (0..7u8, 0..24u8, 0..60u8).prop_map(|(day, hour, minute)| WeekTime { day, hour, minute })
}

proptest! {
    #[test]
    fn windows_agree_with_the_wall_clock_where_no_clock_is_set(
        from in week_time(),
        to in week_time(),
        seconds in 1_700_000_000i64..1_900_000_000,
        zone in prop::sample::select(vec!["UTC", "Asia/Kolkata", "Asia/Tokyo", "America/Phoenix"]),
    ) {
        prop_assume!(from != to);
        let now = Timestamp::from_second(seconds).unwrap();
        let window = Freeze { from, to, zone: zone.to_owned() };
        match frozen(std::slice::from_ref(&window), now) {
            Frozen::No => prop_assert!(!by_the_clock(&window, now)),
            Frozen::Until(end, _) => {
                prop_assert!(by_the_clock(&window, now));
                prop_assert!(end > now && !by_the_clock(&window, end));
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn whatever_the_windows_the_end_is_later_and_not_frozen(
        windows in prop::collection::vec((week_time(), week_time()), 0..5),
        seconds in 1_700_000_000i64..1_900_000_000,
        zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
    ) {
        let freeze = |(from, to)| Freeze { from, to, zone: zone.to_owned() };
        let windows: Vec<Freeze> = windows.into_iter().filter(|(from, to)| from != to).map(freeze).collect();
        let now = Timestamp::from_second(seconds).unwrap();
        if let Frozen::Until(end, _) = frozen(&windows, now) {
            prop_assert!(end > now);
            prop_assert_eq!(frozen(&windows, end), Frozen::No);
        }
    }
}
