//! A command as it is written: so that an answer can show what to comment, and it is read the same.

use std::fmt;

use shipline::types::ServiceName;

use super::{AfterRollback, Command};

/// As it can be written in a comment, and be read again.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.verb().word())?;
        if let Some(environment) = self.environment() {
            write!(f, " {environment}")?;
        }
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        match self {
            Self::Deploy { services, sha, reason, .. } => {
                words(f, services)?;
                option(f, "--sha ", sha.as_ref())?;
                option(f, "--reason ", reason.as_deref().map(quoted))
            }
            Self::Plan { services, sha, .. } => {
                words(f, services)?;
                option(f, "--sha ", sha.as_ref())
            }
            Self::Approve { sha, .. } => option(f, "--sha ", sha.as_ref()),
            Self::Rollback { services, to, lock, .. } => {
                words(f, services)?;
                option(f, "to ", to.as_ref())?;
                option(f, "--no-lock", (*lock == AfterRollback::Open).then_some(""))
            }
            Self::Lock { until, reason, .. } => {
                option(f, "--until ", until.as_ref())?;
                option(f, "", reason.as_deref().map(quoted))
            }
            Self::Reject { reason, .. } => option(f, "", reason.as_deref().map(quoted)),
            Self::Unlock { force, .. } => option(f, "--force ", force.as_deref().map(quoted)),
            Self::Promote { .. }
            | Self::Pause { .. }
            | Self::Resume { .. }
            | Self::Cancel { .. }
            | Self::Status { .. }
            | Self::History { .. }
            | Self::Help => Ok(()),
        }
    }
}

fn words(f: &mut fmt::Formatter<'_>, services: &[ServiceName]) -> fmt::Result {
    services.iter().try_for_each(|service| write!(f, " {service}"))
}

fn option(f: &mut fmt::Formatter<'_>, before: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, " {before}{value}"))
}
