//! Gates: where a platform stops before a step of traffic, and what has to be said before it goes on.

use serde::{Deserialize, Serialize};

use super::Cause;
use crate::types::{Percent, Timestamp};

/// A stop of the platform before a step of traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// The platform's name for it: a hook id.
    pub id: String,
    /// The share of traffic that the new revision has.
    pub traffic: Percent,
    /// When it was first seen; waiting is counted from here.
    pub at: Timestamp,
    /// When the platform goes back by itself, if it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// Whether the steps after one that was let through are stops as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rest {
    /// They are.
    #[default]
    Stops,
    /// Somebody has promoted the release: no further step is held.
    Promoted,
}

/// The last stop that was let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// The platform's name for the stop: nobody lets it through twice.
    pub pause: String,
    /// Which step of the wave it was, from 1.
    pub step: u32,
    /// When; what follows is counted from here.
    pub at: Timestamp,
    /// What becomes of the steps after it.
    #[serde(default)]
    pub rest: Rest,
}

/// One stop of all services of a wave that are under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Which step of the wave, from 1.
    pub step: u32,
    /// The largest share of traffic that a new revision has.
    pub traffic: Percent,
    /// Since when it waits for what it waits for.
    pub since: Timestamp,
    /// What it waits for.
    pub waits: Waits,
}

/// What a gate waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "for")]
pub enum Waits {
    /// The bake, and what is measured meanwhile.
    Bake,
    /// A person.
    Person {
        /// Why.
        asks: Asks,
    },
}

/// Why a person has to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "asks")]
pub enum Asks {
    /// The configuration wants somebody to say yes.
    Approval,
    /// What was measured decides nothing.
    Undecided {
        /// What it says, one sentence.
        said: String,
    },
    /// It is held.
    Held {
        /// By whom or by what, one sentence.
        by: String,
    },
}

/// What a bake has shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "judged")]
pub enum Judged {
    /// Good.
    Pass,
    /// Bad.
    Fail {
        /// What, against which limit.
        cause: Box<Cause>,
    },
    /// Neither.
    Undecided {
        /// Why, one sentence.
        said: String,
    },
    /// Good, and something forbids to go on now.
    Held {
        /// What, one sentence.
        by: String,
    },
}

/// What was decided at a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "decision")]
pub enum Decision {
    /// It may go on.
    Approved {
        /// Who said so.
        by: Vec<String>,
    },
    /// It goes back.
    Rejected {
        /// Who said so.
        by: String,
        /// Why, in their words.
        said: Option<String>,
    },
    /// It goes on to the end without a further stop.
    Promoted {
        /// Who said so.
        by: String,
    },
    /// It stays where it is until somebody says otherwise.
    Paused {
        /// Who said so.
        by: String,
    },
    /// It is watched again.
    Resumed {
        /// Who said so.
        by: String,
    },
    /// Its time is over.
    Expired {
        /// What kept it, one sentence, where somebody had said yes; absent when nobody decided.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        said: Option<String>,
    },
}

/// What kind of word a gate waits for, for whoever listens for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Awaited {
    /// Nobody has to say anything; somebody may.
    Nothing,
    /// Somebody has to decide.
    Word,
}

impl Gate {
    /// Whether old and new revision share the traffic.
    pub fn is_shared(&self) -> bool {
        self.traffic > Percent::ZERO && self.traffic < Percent::ALL
    }

    /// What kind of word it waits for.
    pub fn needs(&self) -> Awaited {
        match self.waits {
            Waits::Bake => Awaited::Nothing,
            Waits::Person { .. } => Awaited::Word,
        }
    }
}
