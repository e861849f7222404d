//! All sources of measurements as one: each question goes to the source that can answer it.

use async_trait::async_trait;
use aws_types::SdkConfig;
use futures_util::future::join;

use super::{CloudWatchMetrics, HttpProbe};
use crate::engine::{MetricSource, ProviderFailure, Question, Series};
use crate::problem::Problem;
use crate::rollout::analysis::Query;

/// CloudWatch and our own probe.
#[derive(Debug)]
pub struct Measurements {
    cloudwatch: CloudWatchMetrics,
    probe: HttpProbe,
}

impl Measurements {
    /// What these credentials may read, and what is reachable from here.
    pub fn new(sdk: &SdkConfig) -> Result<Self, Problem> {
        Ok(Self { cloudwatch: CloudWatchMetrics::new(sdk), probe: HttpProbe::new()? })
    }
}

#[async_trait]
impl MetricSource for Measurements {
    async fn read(&self, asked: &[Question]) -> Result<Vec<Series>, ProviderFailure> {
        let is_metric = |question: &&Question| matches!(question.query, Query::CloudWatch(_));
        let (metrics, addresses): (Vec<&Question>, Vec<&Question>) = asked.iter().partition(is_metric);
        let owned = |questions: Vec<&Question>| questions.into_iter().cloned().collect::<Vec<_>>();
        let (metrics, addresses) = (owned(metrics), owned(addresses));
        // Addresses are asked even where CloudWatch fails: what they answer is kept.
        let (metrics, addresses) = join(self.cloudwatch.read(&metrics), self.probe.read(&addresses)).await;
        let (mut metrics, mut addresses) = (metrics?.into_iter(), addresses?.into_iter());
        let answer = |question: &Question| match question.query {
            Query::CloudWatch(_) => metrics.next(),
            Query::Http(_) => addresses.next(),
        };
        Ok(asked.iter().map(answer).map(Option::unwrap_or_default).collect())
    }
}
