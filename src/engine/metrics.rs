//! Where values come from by which a release is judged.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::target::ProviderFailure;
use crate::rollout::analysis::{Point, Query};
use crate::types::Timestamp;

/// What stands for the variables of queries about one service: the name without braces, and its value
/// as the provider's dimensions and addresses have it (`targetgroup/api/1f2e3d` for `target-group`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sides {
    /// For the new revision.
    pub new: BTreeMap<String, String>,
    /// For the old one.
    pub old: BTreeMap<String, String>,
}

/// One question: a query without variables, and a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub query: Query,
    /// From when on, inclusive.
    pub from: Timestamp,
    /// Until when, exclusive.
    pub to: Timestamp,
}

/// The answer to one question.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// Every value that is final, in the order of time. A value that may still change is left out: it
    /// comes with a later answer.
    pub points: Vec<Point>,
    /// Why there may be fewer values than there should be, in the provider's words.
    pub trouble: Option<String>,
}

/// A place that keeps or makes measurements.
#[async_trait]
pub trait MetricSource: Send + Sync {
    /// Answers all questions, in their order and with as few calls as there can be. The same question
    /// may be asked again; whatever the source still knows of its time is answered again.
    async fn read(&self, asked: &[Question]) -> Result<Vec<Series>, ProviderFailure>;
}
