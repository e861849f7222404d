//! What a measurement says about a release, and what all of them say together.

use serde::{Deserialize, Serialize};

use super::{Limit, Measure, NoData};
use crate::types::{ServiceName, Timestamp};

/// A value with its time: the beginning of the time that it is about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When.
    pub at: Timestamp,
    /// What was measured; what is not a finite number is no value.
    pub value: f64,
}

/// What one measurement, or all of them, say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is good.
    Pass,
    /// It cannot be told: a person decides.
    Inconclusive,
    /// Nothing was measured: a person decides.
    NoData,
    /// It is bad: the release goes back.
    Fail,
}

/// What one measurement of one service says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The measurement.
    pub measure: String,
    /// The service; absent where the measurement is about all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    /// What it says.
    pub verdict: Verdict,
    /// The mean of the new revision's values; where a limit was broken, of the latest bad interval.
    pub value: Option<f64>,
    /// The mean of the old revision's values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// What values are held against.
    pub limit: Limit,
    /// In which share of pairs the new revision's value is worse than the old one's, margin included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<f64>,
    /// How probable that is where both are alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// How many values of the new revision counted.
    pub samples: usize,
    /// How many of the old one.
    #[serde(default)]
    pub old_samples: usize,
    /// How many intervals were beyond the limit.
    pub failed: u32,
    /// The means of the latest intervals, oldest first; nothing for one without a value.
    pub recent: Vec<Option<f64>>,
    /// Why, in a sentence without its full stop.
    pub text: String,
}

/// Whether more values can come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// They can.
    Underway,
    /// This is the end.
    Ended,
}

/// What all measurements say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// When.
    pub at: Timestamp,
    /// The verdict.
    pub verdict: Verdict,
    /// Each of them.
    pub judgements: Vec<Judgement>,
    /// Why, in a sentence without its full stop.
    pub why: String,
}

/// All judgements together: one that fails is enough to fail, and all must pass to pass. At the end
/// a measurement without values fails where its rule says so.
pub fn combined(measures: &[Measure], mut judgements: Vec<Judgement>, stage: Stage, at: Timestamp) -> Judged {
    if stage == Stage::Ended {
        for judgement in judgements.iter_mut().filter(|judgement| judgement.verdict == Verdict::NoData) {
            let rule = measures.iter().find(|measure| measure.name == judgement.measure).map(|measure| measure.no_data);
            if rule == Some(NoData::RollBack) {
                judgement.verdict = Verdict::Fail;
            }
        }
    }
    let verdict = judgements.iter().map(|judgement| judgement.verdict).max_by_key(|verdict| verdict.weight());
    let verdict = verdict.unwrap_or(Verdict::NoData);
    let why = if judgements.is_empty() {
        "nothing could be measured".to_owned()
    } else if verdict == Verdict::Pass {
        let count = judgements.len();
        format!("{count} {} good", if count == 1 { "measurement is" } else { "measurements are" })
    } else {
        let decisive = judgements.iter().filter(|judgement| judgement.verdict == verdict);
        decisive.map(|judgement| judgement.text.as_str()).collect::<Vec<_>>().join("; ")
    };
    Judged { at, verdict, judgements, why }
}

impl Verdict {
    /// What decides over what.
    fn weight(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Inconclusive => 1,
            Self::NoData => 2,
            Self::Fail => 3,
        }
    }

    /// The word for it in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::NoData => "no data",
            Self::Fail => "fail",
        }
    }
}
