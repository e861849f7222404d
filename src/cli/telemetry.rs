//! Diagnostic logs, off unless asked for, and redacted like everything else.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::process::Environment;
use crate::redact::Redactor;

/// Writes log lines to standard error, redacted.
#[derive(Clone)]
struct Redacted(Redactor);

impl Write for Redacted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(self.0.clean(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for Redacted {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Starts logging when `SHIPLINE_LOG` holds a filter (`debug`, `shipline=trace`) or a workflow runs
/// in debug mode (`RUNNER_DEBUG`).
pub fn start(variables: &Environment, redactor: &Redactor) {
    let debug = variables.get("RUNNER_DEBUG").is_some_and(|value| value == "1");
    let filter = match variables.get("SHIPLINE_LOG") {
        Some(filter) if !filter.is_empty() => EnvFilter::new(filter),
        _ if debug => EnvFilter::new("shipline=debug"),
        _ => return,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Redacted(redactor.clone()))
        .with_ansi(false)
        .finish();
    // A second start in one process keeps the first subscriber; nothing is lost by that.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
