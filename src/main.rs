//! The program: reads the process environment once, then hands over.
use std::process::ExitCode;

use anyhow::Context as _;
use shipline::action;
use shipline::cli::{self, Asked};

fn main() -> anyhow::Result<ExitCode> {
    let asked = cli::asked();
    if let Asked::Answered(code) = asked {
        return Ok(ExitCode::from(code));
    }
    let variables = environment();
    let folder = std::env::current_dir().context("the current folder cannot be read")?;
    // One thread is enough for waiting, and keeps the action small.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")?;
    let code = runtime.block_on(async {
        let cancel = action::signals::cancel_on_signal();
        match asked {
            Asked::Verb(cli) => cli::run(*cli, variables, &folder, cancel).await,
            Asked::Action => action::run(variables, &folder, cancel).await,
            Asked::Answered(code) => code,
        }
    });
    // Name look-ups and other blocking work that still hangs must not hold the exit up.
    runtime.shutdown_background();
    Ok(ExitCode::from(code))
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the process environment")]
fn environment() -> std::collections::BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
