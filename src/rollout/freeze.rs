//! Times of the week when nothing is deployed, in the zone the policy names.
//!
//! A window is an interval of instants, not of wall-clock readings: it begins and ends once, also in
//! the night when clocks are set back, and an hour that does not exist is the next one that does.

use jiff::civil::{Date, DateTime, time};
use jiff::tz::TimeZone;
use jiff::{Span, Zoned};

use crate::config::spec::{Freeze, WeekTime};
use crate::types::Timestamp;

/// Whether a moment is frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frozen {
    /// It is not.
    No,
    /// Until then, by the clocks of that zone. Windows that touch or overlap count as one.
    Until(Timestamp, TimeZone),
    /// The windows leave no gap.
    Always,
    /// This build knows no such zone: nobody can say, so it counts as frozen.
    UnknownZone(String),
}

/// Whether `now` is in one of the windows. Total.
pub fn frozen(windows: &[Freeze], now: Timestamp) -> Frozen {
    let mut zones = Vec::with_capacity(windows.len());
    for window in windows {
        match TimeZone::get(&window.zone) {
            Ok(zone) => zones.push((window, zone)),
            Err(_) => return Frozen::UnknownZone(window.zone.clone()),
        }
    }
    let mut until: Option<(Timestamp, TimeZone)> = None;
    // Every step leaves one window; a chain longer than two weeks comes round again.
    loop {
        let at = until.as_ref().map_or(now, |(end, _)| *end);
        if at.as_second() - now.as_second() > 14 * 86_400 {
            return Frozen::Always;
        }
        let next = zones.iter().filter_map(|(window, zone)| Some((end(window, zone, at)?, zone.clone())));
        match next.max_by_key(|(end, _)| *end) {
            Some(later) => until = Some(later),
            None => return until.map_or(Frozen::No, |(end, zone)| Frozen::Until(end, zone)),
        }
    }
}

/// When the window that `now` is in ends; nothing outside of it.
fn end(window: &Freeze, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let today = now.to_zoned(zone.clone()).date();
    let monday = plus(today, -i64::from(today.weekday().to_monday_zero_offset()))?;
    // A window that began last week may still last.
    [-7, 0].into_iter().find_map(|shift| {
        let week = plus(monday, shift)?;
        let begins = instant(week, window.from, zone)?;
        let same =
            (window.to.day, window.to.hour, window.to.minute) > (window.from.day, window.from.hour, window.from.minute);
        let ends = instant(if same { week } else { plus(week, 7)? }, window.to, zone)?;
        (begins <= now && now < ends).then_some(ends)
    })
}

fn plus(date: Date, days: i64) -> Option<Date> {
    date.checked_add(Span::new().try_days(days).ok()?).ok()
}

fn instant(monday: Date, at: WeekTime, zone: &TimeZone) -> Option<Timestamp> {
    let date = plus(monday, i64::from(at.day))?;
    let civil = DateTime::from_parts(date, time(i8::try_from(at.hour).ok()?, i8::try_from(at.minute).ok()?, 0, 0));
    zone.to_zoned(civil).ok().as_ref().map(Zoned::timestamp)
}
