//! A length of time as people write it: `60s`, `30m`, `1h30m`, `2d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::text_form;

/// A text that is not a length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a length of time is written like 45s, 30m, 1h30m or 2d; {0:?} is not")]
pub struct InvalidSpan(String);

/// A length of time in whole seconds, at most ten years.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(u32);

const MOST: u64 = 10 * 366 * 24 * 3600;

impl Span {
    /// That many seconds.
    pub const fn seconds(seconds: u32) -> Self {
        Self(seconds)
    }

    /// That many minutes.
    pub const fn minutes(minutes: u16) -> Self {
        Self(minutes as u32 * 60)
    }

    /// As the standard library's type.
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(self.0))
    }

    /// The whole seconds.
    pub fn as_seconds(self) -> u32 {
        self.0
    }
}

impl FromStr for Span {
    type Err = InvalidSpan;
    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        let wrong = || InvalidSpan(text.to_owned());
        let mut total: u64 = 0;
        let mut rest = text.trim();
        let mut smallest = u64::MAX;
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let number: u64 = rest[..end].parse().map_err(|_| wrong())?;
            let unit = rest[end..].chars().next().ok_or_else(wrong)?;
            let size = match unit {
                's' => 1,
                'm' => 60,
                'h' => 3600,
                'd' => 86400,
                _ => return Err(wrong()),
            };
            // `1m1h` is more likely a mistake than a wish.
            if size >= smallest {
                return Err(wrong());
            }
            smallest = size;
            total = number.checked_mul(size).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
            rest = &rest[end + 1..];
        }
        if total > MOST {
            return Err(wrong());
        }
        u32::try_from(total).map(Self).map_err(|_| wrong())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (size, unit) in [(86400, 'd'), (3600, 'h'), (60, 'm'), (1, 's')] {
            if rest >= size {
                write!(f, "{}{unit}", rest / size)?;
                rest %= size;
            }
        }
        Ok(())
    }
}

text_form!(Span);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_read_back_as_written() {
        for text in ["0s", "45s", "30m", "1h30m", "2d", "1d2h3m4s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("90s".parse::<Span>().unwrap().to_string(), "1m30s");
        for bad in ["", "30", "m", "1m1h", "1.5h", "-1s", "1w", "99999999999999999999d", "4000d"] {
            assert!(bad.parse::<Span>().is_err(), "{bad:?} was accepted");
        }
    }
}
