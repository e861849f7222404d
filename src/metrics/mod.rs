//! Places that keep measurements: CloudWatch.
//!
//! What it is: [`CloudWatchAlarms`] answers how named alarms stand now. What it is not: it decides
//! nothing; what a firing alarm means is the rollout's business.

mod cloudwatch;

pub use cloudwatch::CloudWatchAlarms;
