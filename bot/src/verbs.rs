//! The verbs beside `serve`, from their arguments to their exit code. They answer on standard output.

use std::io::{self, Write};

use secrecy::ExposeSecret as _;
use shipline::engine::Cancel;
use shipline::problem::{Problem, Problems};
use shipline::redact::Redactor;
use tokio::net::TcpListener;

use crate::audit::{self, AuditArgs};
use crate::doctor::{self, DoctorArgs};
use crate::settings::{Settings, table};
use crate::setup::{self, SetupArgs};
use crate::store::Store;

/// Makes the App.
pub async fn setup(args: &SetupArgs, stop: &Cancel, out: &mut (dyn Write + Send)) -> Result<u8, Problems> {
    let listener = TcpListener::bind(args.listen).await.map_err(|why| {
        let what = format!("the page cannot be served at {}", args.listen);
        Problem::mistake("listen", what, "Choose another address with --listen.").because(why.to_string())
    })?;
    setup::run(args, listener, stop, out).await?;
    Ok(0)
}

/// Looks at everything.
pub async fn doctor(
    args: &DoctorArgs,
    settings: Result<Settings, Problems>,
    redactor: &Redactor,
    out: &mut dyn Write,
) -> Result<u8, Problems> {
    let found = doctor::examine(settings, redactor).await;
    Ok(doctor::tell(&found, args, redactor, out).map_err(|why| unsaid(&why))?)
}

/// Proves or exports the audit trail.
pub async fn audit(args: &AuditArgs, settings: &Settings, out: &mut dyn Write) -> Result<u8, Problems> {
    let store = Store::open(settings.database_url.expose_secret()).await.map_err(|why| {
        let next = format!("Correct {}.", table::DATABASE_URL);
        Problem::mistake("database", "the database cannot be opened", next).because(why.to_string())
    })?;
    Ok(audit::run(args, &store, out).await.map_err(Problem::from)?)
}

fn unsaid(why: &io::Error) -> Problem {
    Problem::mistake("output", "nothing can be written", "Check where standard output goes.").because(why.to_string())
}
