//! What the bot answers over HTTP: webhooks, whether it lives, whether it is ready, its metrics; and the
//! interface for scripts ([`crate::api`]).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use shipline::engine::{Cancel, clock};

use crate::context::Bot;
use crate::webhook::receive::{self, Intake};

/// How long the store may take to answer for `/readyz` and `/metrics`.
const STORE: Duration = Duration::from_secs(3);

const NOT_SET_UP: &str = "not set up: SHIPLINE_GITHUB_APP_ID, SHIPLINE_GITHUB_PRIVATE_KEY and \
                          SHIPLINE_WEBHOOK_SECRET are missing (shipline-bot --help)\n";

#[derive(Clone)]
struct Shared {
    bot: Arc<Bot>,
    stop: Cancel,
}

/// The routes of a bot that was set up.
pub fn routes(bot: Arc<Bot>, intake: Intake, stop: Cancel) -> Router {
    let webhooks = Router::new().route("/webhooks/github", post(receive::receive)).with_state(intake);
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Shared { bot: Arc::clone(&bot), stop })
        .merge(webhooks)
        .merge(crate::api::routes(bot))
}

/// The routes before the bot was set up: it lives, and says what is missing.
pub fn not_set_up() -> Router {
    let missing = async || (StatusCode::SERVICE_UNAVAILABLE, NOT_SET_UP);
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(missing))
        .route("/webhooks/github", post(missing))
}

/// Alive as long as it can answer at all.
async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(Shared { bot, stop }): State<Shared>) -> Response {
    let not_ready = |why: String| (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response();
    if stop.is_cancelled() {
        return not_ready("the bot stops".to_owned());
    }
    match tokio::time::timeout(STORE, bot.store.ping()).await {
        Ok(Ok(())) => "ready\n".into_response(),
        Ok(Err(failure)) => not_ready(bot.redactor.clean(&failure.to_string())),
        Err(_) => not_ready(format!("the database does not answer within {} s", STORE.as_secs())),
    }
}

async fn metrics(State(Shared { bot, .. }): State<Shared>) -> Response {
    let now = clock::now();
    let backlog = match tokio::time::timeout(STORE, bot.store.backlog(now)).await {
        Ok(Ok(backlog)) => Some(backlog),
        Ok(Err(_)) | Err(_) => None,
    };
    let text = bot.metrics.render(backlog, bot.app.budget(), now);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
