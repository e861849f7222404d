//! Who is told while a rollout runs.

use crate::engine::Progress;
use crate::rollout::analysis::Judged;
use crate::rollout::{Event, Phase, Plan};
use crate::types::{ServiceName, Timestamp};

/// Something worth telling.
#[derive(Debug, Clone)]
pub enum News<'a> {
    /// The rollout begins, or goes on after a crash.
    Began {
        /// What it does.
        plan: &'a Plan,
        /// Where it stands.
        phase: &'a Phase,
    },
    /// An event moved it.
    Moved {
        /// When.
        at: Timestamp,
        /// What happened.
        event: &'a Event,
        /// Where it stands now.
        phase: &'a Phase,
    },
    /// One service's change got on.
    Progress {
        /// Which.
        service: &'a ServiceName,
        /// How far.
        progress: &'a Progress,
    },
    /// An interval of the analysis is over.
    Measured {
        /// What the measurements say so far.
        judged: &'a Judged,
    },
    /// One hook's task got on.
    Hook {
        /// The service it runs for.
        service: &'a ServiceName,
        /// The command that runs: the hook's own, or the one that takes it back.
        command: &'a [String],
        /// What it is doing, in a few words, for people: `pulling the image`.
        doing: &'a str,
    },
    /// Something people should know that changes nothing: a fallback, a slow drain.
    Notice {
        /// About which service, if about one.
        service: Option<&'a ServiceName>,
        /// One sentence.
        text: &'a str,
    },
}

/// Is told. Must return at once: who has to talk to a network queues and returns.
pub trait Reporter: Send + Sync {
    /// Takes note of news.
    fn tell(&self, news: &News<'_>);
}
