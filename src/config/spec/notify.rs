//! Who is told about deployments, and of what.

use std::collections::BTreeSet;

/// Somebody who is told about deployments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// By which way.
    pub way: Way,
    /// Of what. Never empty.
    pub on: BTreeSet<Occasion>,
}

/// How somebody is told. Secrets stand here by name alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// A Slack webhook; its address is in the secret of this name.
    Slack(String),
    /// A webhook of the user's own.
    Webhook {
        /// The secret that holds its address.
        address: String,
        /// The secret that calls are signed with.
        signed_with: Option<String>,
    },
    /// An SNS topic, by ARN.
    Sns(String),
}

impl Way {
    /// The names of the secrets it needs.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let (first, second) = match self {
            Self::Slack(address) => (Some(address), None),
            Self::Webhook { address, signed_with } => (Some(address), signed_with.as_ref()),
            Self::Sns(_) => (None, None),
        };
        first.into_iter().chain(second).map(String::as_str)
    }
}

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occasion {
    /// The first change is about to be made.
    Start,
    /// The release serves.
    Success,
    /// Anything else.
    Failure,
}

impl Occasion {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}
