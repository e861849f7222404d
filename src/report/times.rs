//! Times and lengths of time, for people.

use jiff::tz::TimeZone;

use crate::types::Timestamp;

/// A length of time with its two largest units: `2 d 3 h`, `15 h 20 min`, `40 s`. Rounded up, so
/// that whoever waits that long has waited long enough.
pub fn length(seconds: i64) -> String {
    let seconds = seconds.max(0);
    if seconds < 60 {
        return format!("{seconds} s");
    }
    let minutes = seconds.div_euclid(60) + i64::from(seconds % 60 != 0);
    let (days, hours, rest) = (minutes / 1440, minutes % 1440 / 60, minutes % 60);
    let parts = match (days, hours, rest) {
        (0, 0, m) => [(m, "min"), (0, "")],
        (0, h, m) => [(h, "h"), (m, "min")],
        (d, h, _) => [(d, "d"), (h, "h")],
    };
    let shown: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n} {unit}")).collect();
    shown.join(" ")
}

/// The time between two moments, for people.
pub fn between(from: Timestamp, to: Timestamp) -> String {
    length(to.as_second() - from.as_second())
}

/// A moment on the clocks of a zone: `Mon 2026-03-30 08:00 Europe/Berlin`.
pub fn moment(at: Timestamp, zone: &TimeZone) -> String {
    let name = zone.iana_name().unwrap_or("UTC");
    format!("{} {name}", at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_two_units_and_are_never_too_short() {
        let shown: Vec<String> = [0, 40, 60, 61, 3600, 55_200, 90_000, 200_000].map(length).into();
        assert_eq!(shown, ["0 s", "40 s", "1 min", "2 min", "1 h", "15 h 20 min", "1 d 1 h", "2 d 7 h"]);
    }
}
