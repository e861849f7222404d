//! This machine as a Compose host.

use std::time::Duration;

use super::host::{PROGRAM, failed};
use crate::engine::target::FailureKind;
use crate::engine::{Cancel, ProviderFailure};
use crate::process::{Environment, ProcessError, Program};

/// No verb waits for a container to come up; what takes long runs in a session of its own. Going back
/// waits up to a minute for a change that is being made.
const LIMIT: Duration = Duration::from_mins(2);

/// This machine, with the variables its programs get.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) environment: Environment,
}

impl Local {
    pub(super) async fn run(&self, words: &[String]) -> Result<String, ProviderFailure> {
        let program = Program::new("sh", &self.environment, "a POSIX shell")
            .args(["-c", PROGRAM, "shipline"])
            .args(words)
            .env("SHIPLINE_SCRIPT", PROGRAM)
            .within(LIMIT);
        let ran = program.run(&Cancel::new(), &|_, _| {}).await;
        ran.map(|finished| finished.out).map_err(|error| {
            let said = match &error {
                ProcessError::Failed { tail, .. } | ProcessError::TimedOut { tail, .. } => tail.join("; "),
                ProcessError::NotFound { .. } | ProcessError::Unrunnable { .. } | ProcessError::Cancelled { .. } => {
                    String::new()
                }
            };
            let said = if said.is_empty() { error.to_string() } else { format!("{error}: {said}") };
            failed(FailureKind::Unavailable, said)
        })
    }
}
