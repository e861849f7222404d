//! `shipline-bot doctor`: looks at everything the bot stands on and says what to change.
//!
//! It changes nothing but the tables of the database, which the bot would bring up to date, too. No
//! secret is shown. Each finding is a line with its verdict; what is wrong has its next step.

mod findings;
mod github;
mod ground;

use std::io::Write;

use clap::Args;
use shipline::engine::clock;
use shipline::problem::Problems;
use shipline::redact::Redactor;

use crate::github::App;
use crate::settings::{Settings, Source};
pub use findings::{Finding, Findings, Verdict};

/// What to look at.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Where settings come from.
    #[command(flatten)]
    pub source: Source,
    /// One JSON document instead of lines
    #[arg(long)]
    pub json: bool,
}

/// Examines the bot that these settings describe.
pub async fn examine(settings: Result<Settings, Problems>, redactor: &Redactor) -> Findings {
    let mut found = Findings::default();
    match settings {
        Ok(settings) => {
            examine_github_and_files(&settings, &mut found).await;
            ground::aws(&settings, redactor, &mut found).await;
        }
        Err(problems) => {
            for problem in problems.all() {
                found.problem("settings", problem);
            }
        }
    }
    found
}

async fn examine_github_and_files(settings: &Settings, found: &mut Findings) {
    found.ok("settings", "they can be read, and fit together");
    match &settings.app {
        None => found.fail(
            "app",
            "no App is set",
            "Run `shipline-bot setup`, or set SHIPLINE_GITHUB_APP_ID, SHIPLINE_GITHUB_PRIVATE_KEY_FILE and SHIPLINE_WEBHOOK_SECRET_FILE.",
        ),
        Some(app) => match App::new(&settings.api_url, app.id, &app.private_key) {
            Err(problem) => found.problem("app", &problem),
            Ok(hub) => github::examine(&hub, app, settings, clock::now(), found).await,
        },
    }
    ground::database(settings, found).await;
    ground::allow_list(settings, found);
}

/// Says what was found. Returns the process exit code: 0 all well, 1 something to look at, 2
/// something that must be changed.
pub fn tell(found: &Findings, args: &DoctorArgs, redactor: &Redactor, out: &mut dyn Write) -> std::io::Result<u8> {
    let text = if args.json { found.json() } else { found.text() };
    out.write_all(redactor.clean_for_terminal(&text).as_bytes())?;
    out.flush()?;
    Ok(found.worst().exit_code())
}

#[cfg(test)]
mod tests;
