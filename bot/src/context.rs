//! What everybody in the bot is given: store, GitHub, settings, secrets to hide, metrics, wake-ups.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use shipline::process::Environment;
use shipline::redact::Redactor;
use tokio::sync::Notify;

use crate::allow::AllowList;
use crate::commands::desk::Desk;
use crate::github::App;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::types::WorkerId;

/// The bot. One a process; shared.
pub struct Bot {
    /// What must not be forgotten.
    pub store: Store,
    /// GitHub.
    pub app: App,
    /// What the administrator lets repositories use.
    pub allow: AllowList,
    /// Secrets of this process; every outbound text goes through it.
    pub redactor: Redactor,
    /// What Prometheus reads.
    pub metrics: Metrics,
    /// The process environment, read once: AWS endpoints and credentials are found in it.
    pub variables: Environment,
    /// Secrets that policies may name in `notify`.
    pub notify: BTreeMap<String, SecretString>,
    /// The server people look at: `https://github.com`.
    pub server_url: String,
    /// This process among the replicas.
    pub worker: WorkerId,
    /// How long things may take.
    pub times: Times,
    /// How many deployments this process works on at once. Those that wait for people do not count.
    pub at_once: usize,
    /// What is kept between two comments.
    pub desk: Desk,
    /// Fires when a deployment may be due.
    pub deployments_due: Arc<Notify>,
    /// Fires when a delivery may be due.
    pub deliveries_due: Arc<Notify>,
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// How long a lease holds without being renewed: after that another replica continues.
    pub lease: Duration,
    /// The shortest time between two edits of one comment.
    pub edits: Duration,
    /// How often missed deliveries are looked for.
    pub recovery: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self { lease: Duration::from_secs(15), edits: Duration::from_secs(2), recovery: Duration::from_mins(5) }
    }
}
