//! Puts the bot together and runs its parts until the stop: intake, inbox, recovery, server.

use std::fs;
use std::sync::Arc;

use secrecy::ExposeSecret as _;
use shipline::engine::{Cancel, clock};
use shipline::problem::{Problem, Problems};
use shipline::redact::Redactor;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::allow::AllowList;
use crate::commands::desk::Desk;
use crate::context::Bot;
use crate::github::App;
use crate::metrics::Metrics;
use crate::settings::{AppSettings, Settings, table};
use crate::store::{Store, StoreFailed};
use crate::types::WorkerId;
use crate::webhook::group_commit::Writer;
use crate::webhook::receive::{self, Intake};
use crate::webhook::signature::Secrets;
use crate::{approvals, inbox, recovery, rollouts, routes, serve};

/// Serves until the stop.
pub async fn run(settings: Settings, redactor: Redactor, stop: &Cancel) -> Result<(), Problems> {
    let listener = TcpListener::bind(settings.listen).await.map_err(|why| {
        let what = format!("the bot cannot listen on {}", settings.listen);
        Problem::mistake("listen", what, format!("Choose another address with {}.", table::LISTEN))
            .because(why.to_string())
    })?;
    let Some(app) = settings.app.clone() else {
        tracing::warn!("the bot is not set up: it takes no deliveries; /readyz says what is missing");
        serve::serve(listener, routes::not_set_up(), serve::Limits::default(), stop).await;
        return Ok(());
    };
    let bot = Arc::new(build(settings, &app, redactor).await?);
    let secrets =
        Secrets::new(&app.webhook_secrets).map_err(|why| Problem::defect("webhook-secret", why.to_string()))?;
    let limits = receive::Limits::default();
    let writer = Writer::start(bot.store.clone(), Arc::clone(&bot.deliveries_due), limits.requests);
    let intake = Intake::new(secrets, writer, bot.metrics.clone(), limits);
    tracing::info!(listen = %listener.local_addr().map_or_else(|_| "?".to_owned(), |at| at.to_string()), "serving");
    let routes = routes::routes(Arc::clone(&bot), intake, stop.clone());
    let rollouts = rollouts::start(Arc::clone(&bot), stop.clone());
    let inbox = inbox::start(&bot, stop);
    let rules = approvals::start(Arc::clone(&bot), stop.clone());
    // The parts stop by themselves, each within its time; none waits for another.
    let ((), (), inbox, rollouts, rules) = tokio::join!(
        serve::serve(listener, routes, serve::Limits::default(), stop),
        recovery::run(&bot, stop),
        inbox,
        rollouts,
        rules,
    );
    for (part, ended) in [("inbox", inbox), ("rollouts", rollouts), ("rules", rules)] {
        if let Err(why) = ended {
            tracing::error!(part, %why, "a part of the bot ended by a defect");
        }
    }
    tracing::info!("stopped");
    Ok(())
}

/// Opens the store and GitHub.
async fn build(settings: Settings, app: &AppSettings, redactor: Redactor) -> Result<Bot, Problems> {
    let allow = allow_list(&settings)?;
    let metrics = Metrics::new();
    let github =
        App::new(&settings.api_url, app.id, &app.private_key)?.with_redactor(redactor.clone()).with_observer({
            let metrics = metrics.clone();
            move |doing, status| metrics.github(doing, status)
        });
    let store = Store::open(settings.database_url.expose_secret()).await.map_err(|why| not_opened(&why, &redactor))?;
    metrics.started(clock::now());
    Ok(Bot {
        store,
        app: github,
        allow,
        redactor,
        metrics,
        variables: settings.variables,
        notify: settings.notify,
        server_url: settings.server_url,
        worker: WorkerId::new(),
        times: settings.times,
        at_once: settings.at_once,
        desk: Desk::default(),
        deployments_due: Arc::new(Notify::new()),
        deliveries_due: Arc::new(Notify::new()),
    })
}

fn allow_list(settings: &Settings) -> Result<AllowList, Problems> {
    let Some(path) = &settings.allow_file else { return Ok(AllowList::default()) };
    let text = fs::read_to_string(path).map_err(|why| {
        let what = format!("{}, named by {}, cannot be read", path.display(), table::ALLOW_FILE);
        Problem::mistake("setting-file", what, "Make the file readable for the bot.").because(why.to_string())
    })?;
    AllowList::parse(&text)
}

fn not_opened(why: &StoreFailed, redactor: &Redactor) -> Problem {
    let next = format!("Correct {}, or make the database ready and start again.", table::DATABASE_URL);
    Problem::mistake("database", "the database cannot be opened", next).because(redactor.clean(&why.to_string()))
}
