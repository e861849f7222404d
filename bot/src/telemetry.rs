//! Logs: one line a happening on standard error, redacted, as text or as JSON.

use std::io::{self, Write};

use shipline::redact::Redactor;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::settings::LogFormat;

/// Writes log lines to standard error. A line is one write, so a secret is never cut in two.
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

/// Starts logging.
pub fn start(filter: EnvFilter, format: LogFormat, redactor: &Redactor) {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Redacted(redactor.clone()))
        .with_ansi(false)
        .with_target(false);
    // A second start in one process keeps the first subscriber; nothing is lost by that.
    let _ = match format {
        LogFormat::Text => tracing::subscriber::set_global_default(lines.finish()),
        LogFormat::Json => tracing::subscriber::set_global_default(lines.json().flatten_event(true).finish()),
    };
}
