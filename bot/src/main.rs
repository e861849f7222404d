//! The program: reads the process environment once, then hands over.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use shipline::engine::Cancel;
use shipline::problem::Problems;
use shipline::redact::Redactor;
use shipline_bot::settings::{CommandLine, Settings, Source, Verb, table};
use shipline_bot::{serve, telemetry, verbs, wiring};

fn main() -> anyhow::Result<ExitCode> {
    let verb = CommandLine::parse().verb;
    let redactor = Redactor::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let code = runtime.block_on(async {
        let stop = Cancel::new();
        let signalled = stop.clone();
        tokio::spawn(async move {
            serve::stop_signal().await;
            tracing::info!("asked to stop");
            signalled.cancel();
        });
        match run(verb, &redactor, &stop).await {
            Ok(code) => ExitCode::from(code),
            Err(problems) => refused(&problems, &redactor),
        }
    });
    // Name look-ups and other blocking work that still hangs must not hold the exit up.
    runtime.shutdown_background();
    Ok(code)
}

async fn run(verb: Verb, redactor: &Redactor, stop: &Cancel) -> Result<u8, Problems> {
    let out = &mut std::io::stdout();
    match verb {
        Verb::Serve(asked) => {
            let settings = settings(&asked.source, asked.listen, redactor)?;
            telemetry::start(settings.log.clone(), settings.log_format, redactor);
            wiring::run(settings, redactor.clone(), stop).await.map(|()| 0)
        }
        Verb::Setup(args) => verbs::setup(&args, stop, out).await,
        Verb::Doctor(args) => {
            let settings = settings(&args.source, None, redactor);
            until_stopped(stop, verbs::doctor(&args, settings, redactor, out)).await
        }
        Verb::Audit(asked) => {
            let settings = settings(&asked.source, None, redactor)?;
            until_stopped(stop, verbs::audit(&asked.args, &settings, out)).await
        }
    }
}

/// What only looks may be left in its middle.
async fn until_stopped(stop: &Cancel, work: impl Future<Output = Result<u8, Problems>>) -> Result<u8, Problems> {
    tokio::select! {
        ended = work => ended,
        () = stop.cancelled() => Ok(130),
    }
}

fn settings(source: &Source, listen: Option<String>, redactor: &Redactor) -> Result<Settings, Problems> {
    let mut variables = environment();
    if let Some(listen) = listen {
        variables.insert(table::LISTEN.to_owned(), listen);
    }
    Settings::read(variables, source.config_file.as_deref(), redactor, &|path| std::fs::read_to_string(path))
}

#[expect(clippy::print_stderr, reason = "why the program ends is said here, once")]
fn refused(problems: &Problems, redactor: &Redactor) -> ExitCode {
    eprintln!("{}", redactor.clean_for_terminal(&problems.to_string()));
    ExitCode::from(problems.exit_code())
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the process environment")]
fn environment() -> shipline::process::Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
