//! `shipline-bot setup`: makes the GitHub App in one visit, with GitHub's manifest flow.
//!
//! A page on this machine sends the person's browser to GitHub with everything the App needs; GitHub
//! sends the browser back with a code, and the code is changed for the App's secrets, once.
//!
//! Invariants: nothing is asked of GitHub before the files can be written; secrets go into files that
//! only their owner reads, never to a terminal, a page or a log; an answer counts only with the state
//! that this run made, and the page that holds it is shown only to who has this run's address.

mod exchange;
mod files;
mod manifest;
mod page;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use clap::Args;
use serde::Deserialize;
use shipline::engine::Cancel;
use shipline::problem::Problem;
use shipline::types::Span;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::serve;
use exchange::Credentials;
use files::Files;
use manifest::Place;

/// How to make the App.
#[derive(Debug, Clone, Args)]
pub struct SetupArgs {
    /// Address on which this bot will be reached: `https://deploy.example.com`
    #[arg(long, env = "SHIPLINE_PUBLIC_URL", value_name = "URL")]
    pub public_url: String,
    /// Organization that the App will belong to; your own account when not given
    #[arg(long, value_name = "LOGIN")]
    pub organization: Option<String>,
    /// Name of the App, at most 34 characters; you can change it on GitHub's page
    #[arg(long)]
    pub name: Option<String>,
    /// File for the settings; key and webhook secret are written beside it
    #[arg(long, value_name = "FILE", default_value = "shipline.env")]
    pub output: PathBuf,
    /// Address of the page to open in a browser; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// GitHub as people open it; the address of your GitHub Enterprise Server
    #[arg(long, env = "SHIPLINE_SERVER_URL", value_name = "URL", default_value = "https://github.com")]
    pub server_url: String,
    /// GitHub's API, if it is not where the server's address says
    #[arg(long, env = "SHIPLINE_GITHUB_API_URL", value_name = "URL")]
    pub api_url: Option<String>,
    /// How long to wait for the browser
    #[arg(long, default_value = "30m")]
    pub within: Span,
}

/// One run of the set-up.
struct Run {
    place: Place,
    /// In the page's address: who does not have it sees nothing.
    key: String,
    /// GitHub brings it back; an answer without it is somebody else's.
    state: String,
    files: Files,
    made: Mutex<Option<Made>>,
    done: Cancel,
}

/// What is told at the end.
#[derive(Debug, Clone)]
struct Made {
    name: String,
    install: String,
}

/// Serves the page until the App is made, the time is over or the stop. What to do is said to `out`.
pub async fn run(
    args: &SetupArgs,
    listener: TcpListener,
    stop: &Cancel,
    out: &mut (dyn Write + Send),
) -> Result<(), Problem> {
    let place = Place::of(args)?;
    let files = Files::prepare(&args.output)?;
    let address = listener.local_addr().map_err(|why| not_said(&why))?;
    let key = uuid::Uuid::new_v4().simple().to_string();
    let state = uuid::Uuid::new_v4().simple().to_string();
    let run = Arc::new(Run { place, key, state, files, made: Mutex::new(None), done: Cancel::new() });
    let host =
        if address.ip().is_unspecified() { format!("127.0.0.1:{}", address.port()) } else { address.to_string() };
    writeln!(out, "Open this page in a browser on this machine:\n\n    http://{host}/{}\n", run.key)
        .map_err(|why| not_said(&why))?;
    let routes = Router::new().route("/created", get(created)).route("/{key}", get(start)).with_state(Arc::clone(&run));
    let server = serve::serve(listener, routes, serve::Limits::default(), &run.done);
    let end = async {
        let ended = tokio::select! {
            () = run.done.cancelled() => Ok(()),
            () = stop.cancelled() => Err(stopped()),
            () = too_late(args.within) => Err(nobody_came(args.within)),
        };
        run.done.cancel();
        ended
    };
    let ((), ended) = tokio::join!(server, end);
    ended?;
    let made = run.made.lock().await.clone().ok_or_else(stopped)?;
    writeln!(out, "{}", farewell(&made, &run.files)).map_err(|why| not_said(&why))
}

async fn too_late(within: Span) {
    let never = Cancel::new();
    let _elapsed = tokio::time::timeout(within.duration(), never.cancelled()).await;
}

/// The page with the button.
async fn start(State(run): State<Arc<Run>>, Path(key): Path<String>, headers: HeaderMap) -> Response {
    if key != run.key {
        return StatusCode::NOT_FOUND.into_response();
    }
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()).filter(|host| is_host(host)) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let manifest = run.place.manifest(&format!("http://{host}/created"));
    shown(StatusCode::OK, page::start(&run.place, &run.place.form(&run.state), &manifest))
}

#[derive(Deserialize)]
struct Back {
    code: Option<String>,
    state: Option<String>,
}

/// Where GitHub sends the browser.
async fn created(State(run): State<Arc<Run>>, Query(back): Query<Back>) -> Response {
    if back.state.as_deref() != Some(run.state.as_str()) {
        let problem = Problem::refused(
            "state",
            "This answer does not belong to this set-up.",
            "Open the page whose address the terminal shows, and press the button there.",
        );
        return shown(StatusCode::FORBIDDEN, page::failed(&problem));
    }
    // One at a time: a browser that asks twice must not change the code twice.
    let mut made = run.made.lock().await;
    if let Some(made) = made.as_ref() {
        return shown(StatusCode::OK, page::done(&made.name, &made.install));
    }
    match finish(&run, back.code.as_deref().unwrap_or_default()).await {
        Ok(new) => {
            let answer = shown(StatusCode::OK, page::done(&new.name, &new.install));
            *made = Some(new);
            run.done.cancel();
            answer
        }
        Err(problem) => shown(StatusCode::BAD_GATEWAY, page::failed(&problem)),
    }
}

async fn finish(run: &Run, code: &str) -> Result<Made, Problem> {
    let credentials: Credentials = exchange::exchange(&run.place, code).await?;
    run.files.write(&credentials, &run.place)?;
    tracing::info!(app = credentials.id, name = %credentials.name, "the App is made");
    Ok(Made { install: format!("{}/installations/new", credentials.html_url), name: credentials.name })
}

/// A page that loads nothing from elsewhere, is kept nowhere and tells nobody its address.
fn shown(status: StatusCode, html: String) -> Response {
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    let policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn is_host(host: &str) -> bool {
    host.len() <= 255 && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b))
}

fn farewell(made: &Made, files: &Files) -> String {
    let settings = files.settings.display();
    format!(
        "The App {:?} is made. Its settings are in {settings}; its key and secret are in files beside it\n\
         that only you can read.\n\n\
         Next:\n\
         1. Install it where it shall deploy: {}\n\
         2. Start the bot:  shipline-bot serve --config-file {settings}\n\
         3. See that all is well:  shipline-bot doctor --config-file {settings}",
        made.name, made.install
    )
}

fn stopped() -> Problem {
    Problem::mistake("stopped", "The set-up was stopped before the App was made.", "Start it again when you are ready.")
}

fn nobody_came(within: Span) -> Problem {
    let what = format!("Nobody came back from GitHub within {within}.");
    Problem::mistake("timed-out", what, "Start it again, open the page and press the button; --within gives more time.")
}

fn not_said(why: &std::io::Error) -> Problem {
    Problem::mistake("output", "The set-up cannot say what to do.", "Check where standard output goes.")
        .because(why.to_string())
}

#[cfg(test)]
mod tests;
