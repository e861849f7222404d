//! Why something failed: the first cause, not the last symptom.

use serde::{Deserialize, Serialize};

/// The kind of a failure, for machines. New ones may be added; none changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CauseCode {
    /// A container ended by itself.
    ContainerExited,
    /// A container was killed for memory (exit 137 with the provider's word for it).
    OutOfMemory,
    /// The platform could not build the source code.
    BuildFailed,
    /// The image is missing, or may not or cannot be pulled.
    ImageNotPulled,
    /// A secret, a network interface, a volume or a log driver could not be prepared.
    ResourcesNotReady,
    /// A container's own health check failed.
    ContainerUnhealthy,
    /// A load balancer's health check failed.
    TargetUnhealthy,
    /// No room, no capacity, or no place that fits.
    NotPlaced,
    /// An alarm fired.
    AlarmFired,
    /// The provider gave up without telling more.
    ProviderGaveUp,
    /// Somebody stopped the deployment.
    Stopped,
    /// Not healthy within the time given.
    TimedOut,
    /// The provider refused a call.
    CallRefused,
    /// The provider could not be reached or did not answer.
    Unreachable,
    /// A check after the shift failed.
    CheckFailed,
    /// A command of a hook ended with another exit code than 0.
    CommandFailed,
    /// What was measured broke a limit.
    AnalysisFailed,
    /// Somebody said no.
    Rejected,
    /// Nobody decided in time.
    GateExpired,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// The exit code.
    pub code: i32,
    /// What that code usually means, in a few words.
    pub meaning: String,
}

impl Exit {
    /// The code with its meaning (128 + signal for a killed process, as shells and container engines count).
    pub fn of(code: i32) -> Self {
        let meaning = match code {
            0 => "ended normally, but a service must not end",
            1 => "the program reported an error",
            2 => "wrong use of a program or shell",
            125 => "the container engine could not start it",
            126 => "the command is not executable",
            127 => "the command was not found",
            130 => "interrupted (SIGINT)",
            134 => "aborted (SIGABRT)",
            137 => "killed (SIGKILL): out of memory, or did not stop in time",
            139 => "crashed (SIGSEGV)",
            143 => "asked to stop (SIGTERM)",
            _ => "the program's own code",
        };
        Self { code, meaning: meaning.to_owned() }
    }
}

/// The last lines of a log, with where they came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct LogLines {
    /// Log group and stream, or another name of the source.
    pub source: String,
    /// At most 20 lines, oldest first, redacted.
    pub lines: Vec<String>,
}

/// A page to open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// What it shows.
    pub title: String,
    /// Where it is.
    pub url: String,
}

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// For machines.
    pub code: CauseCode,
    /// One sentence for people: "container `app` exited with code 1 three times in a row".
    pub summary: String,
    /// Revision that failed, short form.
    pub revision: Option<String>,
    /// Task or instance id.
    pub task: Option<String>,
    /// The provider's own words (`stoppedReason`, `statusReason`), verbatim.
    pub provider_says: Option<String>,
    /// How the container ended.
    pub exit: Option<Exit>,
    /// More facts, one a line.
    pub facts: Vec<String>,
    /// The last log lines.
    pub log: Option<LogLines>,
    /// Pages to open.
    pub links: Vec<Link>,
    /// What the reader does next.
    pub next: String,
}

impl Cause {
    /// A cause with its sentence and the next step; the rest is filled in by who knows more.
    pub fn new(code: CauseCode, summary: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            code,
            summary: summary.into(),
            revision: None,
            task: None,
            provider_says: None,
            exit: None,
            facts: Vec::new(),
            log: None,
            links: Vec::new(),
            next: next.into(),
        }
    }
}
