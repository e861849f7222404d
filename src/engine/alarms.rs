//! Alarms: who says that something is wrong while traffic moves.

use async_trait::async_trait;

use super::target::ProviderFailure;

/// An alarm that fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firing {
    /// Its name.
    pub name: String,
    /// What the provider says: the values against the threshold.
    pub reason: String,
    /// Its page.
    pub url: Option<String>,
}

/// What an alarm that is asked for may be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Alarmed {
    /// Those that fire.
    pub firing: Vec<Firing>,
    /// Those that do not exist.
    pub missing: Vec<String>,
}

/// A place that keeps alarms.
#[async_trait]
pub trait Alarms: Send + Sync {
    /// How these alarms stand now. One without data does not fire.
    async fn look(&self, names: &[String]) -> Result<Alarmed, ProviderFailure>;
}
