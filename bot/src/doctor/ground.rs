//! What the bot stands on beside GitHub: database, administrator's list, AWS credentials.

use secrecy::ExposeSecret as _;
use shipline::aws::{Mask, Sources, Start, connect};
use shipline::config::spec::AwsSpec;
use shipline::engine::clock;
use shipline::problem::Problem;
use shipline::redact::Redactor;
use shipline::types::{Region, Timestamp};

use super::Findings;
use crate::allow::AllowList;
use crate::settings::Settings;
use crate::store::{Store, StoreFailed};

/// The database opens, is up to date and can be written.
pub(super) async fn database(settings: &Settings, found: &mut Findings) {
    let url = settings.database_url.expose_secret();
    let kind = if url.starts_with("sqlite:") { "SQLite, for one process" } else { "PostgreSQL, for several replicas" };
    let store = match Store::open(url).await {
        Ok(store) => store,
        Err(why) => {
            return found.fail(
                "database",
                format!("cannot be opened: {why}"),
                "Correct SHIPLINE_DATABASE_URL; the file's folder must be writable, the server reachable.",
            );
        }
    };
    if let Err(why) = writes(&store).await {
        return found.fail(
            "database",
            format!("cannot be written: {why}"),
            "Give the bot's user the right to write, and make room.",
        );
    }
    found.ok("database", format!("opens, is up to date and can be written ({kind})"));
    match store.backlog(clock::now()).await {
        Ok(backlog) if backlog.parked > 0 => found.warn(
            "inbox",
            format!("{} deliveries were put aside because they kept failing", backlog.parked),
            "The log says why; they are kept.",
        ),
        Ok(backlog) => {
            found.ok(
                "inbox",
                format!("{} deliveries wait, {} deployments are open", backlog.waiting, backlog.deployments),
            );
        }
        Err(why) => found.fail("inbox", format!("cannot be read: {why}"), "Look at the database."),
    }
}

/// Deletes what is older than everything: a write that changes nothing.
async fn writes(store: &Store) -> Result<(), StoreFailed> {
    store.forget_deliveries(Timestamp::UNIX_EPOCH).await.map(|_| ())
}

/// The administrator's list, if there is one.
pub(super) fn allow_list(settings: &Settings, found: &mut Findings) {
    let Some(path) = &settings.allow_file else {
        return found.warn(
            "allow-list",
            "there is none: every repository with the App may deploy where its roles let it",
            "Name the repositories, accounts and regions in a file and set SHIPLINE_ALLOW_FILE (docs/bot.md).",
        );
    };
    match std::fs::read_to_string(path) {
        Err(why) => found.fail(
            "allow-list",
            format!("{} cannot be read: {why}", path.display()),
            "Correct SHIPLINE_ALLOW_FILE, or make the file readable for the bot.",
        ),
        Ok(text) => match AllowList::parse(&text) {
            Ok(_) => found.ok("allow-list", format!("{} can be read", path.display())),
            Err(problems) => {
                for problem in problems.all() {
                    found.problem("allow-list", problem);
                }
            }
        },
    }
}

/// Credentials that AWS accepts, and whose they are.
pub(super) async fn aws(settings: &Settings, redactor: &Redactor, found: &mut Findings) {
    match account(settings, redactor).await {
        Ok((account, region)) => found.ok("aws", format!("credentials of account {account} ({region})")),
        Err(problem) => found.problem("aws", &problem),
    }
}

async fn account(settings: &Settings, redactor: &Redactor) -> Result<(String, Region), Problem> {
    let spec = AwsSpec {
        // Who we are is the same everywhere.
        region: settings.variables.get("AWS_REGION").is_none().then(|| "us-east-1".parse()).and_then(Result::ok),
        role: None,
        external_id: None,
        session_name: None,
        session: None,
        allowed_accounts: Vec::new(),
    };
    let redactor = redactor.clone();
    let variable = |name: &str| settings.variables.get(name).cloned();
    let sources = Sources {
        environment: None,
        start: Start::Ambient,
        through: Vec::new(),
        mask: Mask::new(move |secret| redactor.add(secret.expose_secret().to_owned())),
        variable: &variable,
    };
    let session = connect(&spec, &sources).await?;
    Ok((session.account().await?.to_string(), session.region().clone()))
}
