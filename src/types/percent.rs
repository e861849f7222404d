//! A share of traffic.

use std::fmt;
use std::str::FromStr;

use super::text_form;

/// A text or number that is not a share of traffic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a percentage is a number from 0 to 100 with at most one decimal; {0:?} is not")]
pub struct InvalidPercent(String);

/// 0.0 to 100.0 percent in steps of a tenth (what ECS accepts for a canary).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u16);

impl Percent {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// Everything.
    pub const ALL: Self = Self(1000);

    /// The value, 0.0 to 100.0.
    pub fn value(self) -> f64 {
        f64::from(self.0) / 10.0
    }

    /// The share that `part` is of `whole`, rounded down; everything when `whole` is 0.
    pub fn of(part: u32, whole: u32) -> Self {
        if whole == 0 {
            return Self::ALL;
        }
        let tenths = u64::from(part.min(whole)) * 1000 / u64::from(whole);
        Self(u16::try_from(tenths).unwrap_or(1000))
    }
}

impl FromStr for Percent {
    type Err = InvalidPercent;
    fn from_str(text: &str) -> Result<Self, InvalidPercent> {
        let wrong = || InvalidPercent(text.to_owned());
        let number = text.strip_suffix('%').unwrap_or(text).trim_end();
        let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |t: &str| !t.is_empty() && t.len() <= 3 && t.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(tenth) || tenth.len() > 1 {
            return Err(wrong());
        }
        let tenths = whole.parse::<u16>().map_err(|_| wrong())? * 10 + tenth.parse::<u16>().map_err(|_| wrong())?;
        if tenths > 1000 { Err(wrong()) } else { Ok(Self(tenths)) }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(10) {
            write!(f, "{}", self.0 / 10)
        } else {
            write!(f, "{}.{}", self.0 / 10, self.0 % 10)
        }
    }
}

text_form!(Percent);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_have_at_most_one_decimal_and_end_at_100() {
        for (text, shown) in [("0", "0"), ("10", "10"), ("10%", "10"), ("0.1", "0.1"), ("100.0", "100")] {
            assert_eq!(text.parse::<Percent>().unwrap().to_string(), shown);
        }
        for bad in ["", "101", "100.1", "-1", "1.23", "ten", "1e1", "."] {
            assert!(bad.parse::<Percent>().is_err(), "{bad:?} was accepted");
        }
        assert_eq!(Percent::of(1, 3).to_string(), "33.3");
        assert_eq!(Percent::of(0, 0), Percent::ALL);
    }
}
