//! `shipline-bot`: starts up and says that it is alive. Webhooks, commands and gates are not here yet.

mod serve;
mod settings;

use anyhow::Context as _;
use clap::Parser as _;

use crate::settings::{Settings, Verb};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Verb::Serve(serve) = Settings::parse().verb;
    let listener = tokio::net::TcpListener::bind(serve.listen)
        .await
        .with_context(|| format!("cannot listen on {}: choose another with SHIPLINE_LISTEN", serve.listen))?;
    serve::serve(listener, serve::stop_signal()).await.context("the server ended")
}
