//! Places that keep or make measurements: CloudWatch, and addresses that we ask ourselves.
//!
//! What it is: [`CloudWatchAlarms`] answers how named alarms stand now; [`CloudWatchMetrics`] and
//! [`HttpProbe`] answer questions of an analysis, [`Measurements`] is both of them. What it is not: it
//! decides nothing; what a firing alarm or a value means is the rollout's business.

mod cloudwatch;
mod cloudwatch_data;
mod http_probe;
mod sources;

pub use cloudwatch::CloudWatchAlarms;
pub use cloudwatch_data::CloudWatchMetrics;
pub use http_probe::HttpProbe;
pub use sources::Measurements;
