//! Service and environment names.
//!
//! One rule for both, `^[a-z0-9][a-z0-9_-]{0,62}$`: a name can stand in a log field, a tag, a URL
//! and a comment without quoting, and can never be a path or an option.

use std::fmt;
use std::str::FromStr;

use super::text_form;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing was given.
    #[error("a name cannot be empty")]
    Empty,
    /// More than 63 characters.
    #[error("a name has at most 63 characters, this one has {0}")]
    TooLong(usize),
    /// A character outside `a-z 0-9 _ -`, or a first character that is `_` or `-`.
    #[error("a name is made of a-z, 0-9, '-' and '_' and starts with a letter or digit; {0:?} is not allowed here")]
    Character(char),
}

fn check(text: &str) -> Result<(), InvalidName> {
    let first = text.chars().next().ok_or(InvalidName::Empty)?;
    if !(first.is_ascii_lowercase() || first.is_ascii_digit()) {
        return Err(InvalidName::Character(first));
    }
    let wrong = |c: &char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-' || *c == '_');
    if let Some(c) = text.chars().find(wrong) {
        return Err(InvalidName::Character(c));
    }
    if text.len() > 63 {
        return Err(InvalidName::TooLong(text.len()));
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $type {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                check(text)?;
                Ok(Self(text.to_owned()))
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        text_form!($type);
    };
}

name! {
    /// One deployable thing: `api`, `worker`, `web`.
    ServiceName
}
name! {
    /// Where services run, with its rules: `staging`, `production`.
    EnvironmentName
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_words_of_at_most_63_characters() {
        for good in ["a", "api", "web-2", "a_b", "0x", &"a".repeat(63)] {
            assert_eq!(good.parse::<ServiceName>().unwrap().to_string(), good);
        }
        for bad in ["", "-a", "_a", "A", "a b", "../x", "a/b", "ä", "a\n", &"a".repeat(64)] {
            assert!(bad.parse::<ServiceName>().is_err(), "{bad:?} was accepted");
        }
    }
}
