//! Asking before the first change.

use std::io::{self, IsTerminal as _, Write as _};

use super::host::Host;
use crate::problem::Problem;
use crate::report::{self, View};

/// Whether somebody is asked before the first change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirm {
    /// If a person sits at the terminal.
    Person,
    /// Nobody (`--yes`, workflows, scripts).
    Nobody,
}

/// Shows the plan and, where a person is to be asked, asks.
pub(super) async fn ask(confirm: Confirm, plan: &View, host: &Host) -> Result<(), Problem> {
    host.console.line(report::text(plan).trim_end());
    if confirm == Confirm::Nobody || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(());
    }
    let question = format!("Do this on {}? [y/N] ", plan.environment);
    let asked = tokio::task::spawn_blocking(move || {
        let mut answer = String::new();
        let mut terminal = io::stderr();
        terminal.write_all(question.as_bytes()).and_then(|()| terminal.flush())?;
        io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = tokio::select! {
        answer = asked => answer.ok().and_then(Result::ok).unwrap_or_default(),
        () = host.cancel.cancelled() => String::new(),
    };
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(Problem::refused("not-confirmed", "not confirmed, nothing was changed", "Answer `y`, or give `--yes`."))
    }
}
