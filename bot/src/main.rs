//! The program: reads the process environment once, then hands over.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use shipline::engine::Cancel;
use shipline::problem::Problems;
use shipline::redact::Redactor;
use shipline_bot::settings::{CommandLine, Serve, Settings, Verb, table};
use shipline_bot::{serve, telemetry, wiring};

fn main() -> anyhow::Result<ExitCode> {
    let Verb::Serve(asked) = CommandLine::parse().verb;
    let redactor = Redactor::new();
    let settings = match settings(asked, &redactor) {
        Ok(settings) => settings,
        Err(problems) => return Ok(refused(&problems, &redactor)),
    };
    telemetry::start(settings.log.clone(), settings.log_format, &redactor);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let code = runtime.block_on(async {
        let stop = Cancel::new();
        let signalled = stop.clone();
        tokio::spawn(async move {
            serve::stop_signal().await;
            tracing::info!("asked to stop");
            signalled.cancel();
        });
        match wiring::run(settings, redactor.clone(), &stop).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(problems) => refused(&problems, &redactor),
        }
    });
    // Name look-ups and other blocking work that still hangs must not hold the exit up.
    runtime.shutdown_background();
    Ok(code)
}

fn settings(asked: Serve, redactor: &Redactor) -> Result<Settings, Problems> {
    let mut variables = environment();
    if let Some(listen) = asked.listen {
        variables.insert(table::LISTEN.to_owned(), listen);
    }
    Settings::read(variables, asked.source.config_file.as_deref(), redactor, &|path| std::fs::read_to_string(path))
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
