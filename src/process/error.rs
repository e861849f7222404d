//! Why a program did not finish well, and what the user does about it.

use std::io;
use std::time::Duration;

use crate::problem::Problem;

/// How a program that failed ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With this code, not 0.
    Code(i32),
    /// By this signal's number.
    Signal(i32),
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "ended with exit code {code}"),
            Self::Signal(9) => f.write_str("was killed (signal 9), often for want of memory"),
            Self::Signal(signal) => write!(f, "was ended by signal {signal}"),
        }
    }
}

/// Why a program did not finish well.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It is not installed, or not on `PATH`.
    #[error("{program} was not found")]
    NotFound {
        /// Its name.
        program: String,
        /// What to install.
        install: &'static str,
    },
    /// It could not be started or spoken to.
    #[error("{program} could not be run: {cause}")]
    Unrunnable {
        /// Its name.
        program: String,
        /// The system's reason.
        cause: io::Error,
    },
    /// It ended, and not with 0.
    #[error("{program} {ending}")]
    Failed {
        /// Its name.
        program: String,
        /// How it ended.
        ending: Ending,
        /// Its last lines, of both streams as they came.
        tail: Vec<String>,
    },
    /// It took too long and was ended.
    #[error("{program} did not finish within {} s", .after.as_secs())]
    TimedOut {
        /// Its name.
        program: String,
        /// The time it had.
        after: Duration,
        /// Its last lines.
        tail: Vec<String>,
    },
    /// The caller cancelled; the program has ended.
    #[error("{program} was cancelled")]
    Cancelled {
        /// Its name.
        program: String,
    },
}

impl ProcessError {
    /// The last lines, if it got as far as writing any.
    pub fn tail(&self) -> &[String] {
        match self {
            Self::Failed { tail, .. } | Self::TimedOut { tail, .. } => tail,
            Self::NotFound { .. } | Self::Unrunnable { .. } | Self::Cancelled { .. } => &[],
        }
    }
}

impl From<ProcessError> for Problem {
    fn from(error: ProcessError) -> Self {
        let what = error.to_string();
        let lines = error.tail().join("\n");
        let problem = match error {
            ProcessError::NotFound { install, .. } => {
                Self::mistake("program-missing", what, format!("Install {install}, or put it on PATH."))
            }
            ProcessError::Unrunnable { .. } => {
                Self::provider("program-unrunnable", what, "Check that the program may be executed here.")
            }
            ProcessError::Failed { .. } => {
                Self::provider("program-failed", what, "Mend what its last lines name, then run again.")
            }
            ProcessError::TimedOut { .. } => Self::provider(
                "program-timed-out",
                what,
                "Look at its last lines for what it waited for, then run again.",
            ),
            ProcessError::Cancelled { .. } => Self::refused("cancelled", what, "Run again to continue."),
        };
        if lines.is_empty() { problem } else { problem.because(lines) }
    }
}
