//! Judging a new revision by what is measured of it.
//!
//! What it is: [`judge`] turns the values of one measurement into a [`Judgement`], [`combined`] turns
//! all judgements into one [`Verdict`], [`rank_test`] says whether new values are worse than old ones.
//! What it is not: it asks nobody and knows no clock.
//! Invariants: everything here is total, whatever the values are (none, one, all the same, NaN); the
//! same values give the same judgement, so that an analysis can be taken up after a crash; values
//! that are missing never count as good.

mod judge;
mod judgement;
mod rank;

pub use crate::config::spec::analysis::{
    Compare, Limit, LimitSide, Measure, Metric, MetricForm, MetricQuery, NoData, ProbeMeasure, ProbeQuery, Query,
    Weight,
};
pub use judge::{Samples, Window, judge, mean};
pub use judgement::{Judged, Judgement, Point, Stage, Verdict, combined};
pub use rank::{Alternative, Ranked, rank_test};

#[cfg(test)]
mod tests;
