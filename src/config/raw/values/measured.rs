//! Values about measurements: names, shares, addresses with variables.

use std::str::FromStr;

use super::super::super::read::{Bare, Written};
use super::super::super::tree::shown;
use super::{Malformed, Text, is_http_url, line, word};

text! {
    /// The name an expression has for a metric (CloudWatch API reference, `MetricDataQuery`).
    MetricId = "a metric's name in an expression", like "errors", Some("^[a-z][A-Za-z0-9_]{0,63}$"), Text,
    |text| word(text, 64, b"_") && text.as_bytes()[0].is_ascii_lowercase(),
    else format!(
        "a name in an expression has A-Z a-z 0-9 _ and begins with a small letter; `{}` is not one", shown(text)
    )
}
text! {
    /// What is written behind a value.
    Unit = "a unit", like "ms", Some("^\\S{1,16}$"), Any,
    |text| line(text, 64) && text.chars().count() <= 16 && !text.contains(char::is_whitespace),
    else format!("a unit has 1 to 16 characters and no space; `{}` is not one", shown(text))
}
text! {
    /// An address that may hold variables.
    ProbeUrl = "a URL, perhaps with variables", like "https://api.example.com/health", Some("^https?://[^@\\s]+$"), Text,
    |text| is_http_url(&text.replace(['{', '}'], "")),
    // The text may hold a password before the `@`: it is not repeated.
    else "a URL starts with http:// or https://, names a host, and has no user, password or space".to_owned()
}
text! {
    /// In which share of pairs one side is worse.
    ShareOfPairs = "a share from 0.5 to 1", like "0.7", Some("^(0?\\.[5-9][0-9]{0,3}|1(\\.0{1,4})?)$"), Number,
    |text| share(text).is_some_and(|share| (0.5..=1.0).contains(&share)),
    else format!("this is a share from 0.5 (no difference) to 1 (every pair); `{}` is not", shown(text))
}
text! {
    /// How improbable something must be.
    Probability = "a probability from 0.0001 to 0.2", like "0.01", Some("^0?\\.[0-2][0-9]{0,5}$"), Number,
    |text| share(text).is_some_and(|share| (0.0001..=0.2).contains(&share)),
    else format!("this is a probability from 0.0001 to 0.2; `{}` is not", shown(text))
}

/// A decimal number without sign and exponent.
pub(crate) fn share(text: &str) -> Option<f64> {
    let plain = text.len() <= 8 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    plain.then(|| text.parse().ok()).flatten()
}
