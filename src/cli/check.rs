//! `shipline check`: is the configuration right? Asks nobody but the file.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::host::Host;
use crate::config::{self, spec::Config};
use crate::problem::{Problem, Problems};

/// Where the configuration is looked for.
pub const DEFAULT_FILE: &str = ".github/shipline.yml";

/// Reads and checks a configuration file.
pub fn read(host: &Host, file: Option<&str>) -> Result<Arc<Config>, Problems> {
    let name = file.unwrap_or(DEFAULT_FILE);
    let text = std::fs::read(host.path(Path::new(name))).map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let what = if missing { format!("there is no file {name}") } else { format!("{name} cannot be read: {error}") };
        Problem::mistake(
            "no-configuration",
            what,
            "Write one (docs/configuration.md has a first example), or name another with `--config`; the action also takes `cluster` and `service` without a file.",
        )
    })?;
    let text = String::from_utf8(text)
        .map_err(|_| Problem::mistake("not-text", format!("{name} is not UTF-8 text"), "Save it as UTF-8."))?;
    let mut config = config::parse(name, &text)?;
    for spec in config.environments.values_mut() {
        spec.steering = spec.steering.in_a_run();
    }
    Ok(Arc::new(config))
}

/// Says what the configuration holds.
pub(super) fn check(host: &Host, config: &Config) {
    let mut text = String::from("the configuration is right\n");
    let mut document = Vec::new();
    for (name, environment) in &config.environments {
        let waves: Vec<String> = environment
            .waves
            .iter()
            .map(|wave| wave.iter().map(ToString::to_string).collect::<Vec<_>>().join(" + "))
            .collect();
        let _ = writeln!(text, "  {name}: {}", waves.join(", then "));
        for rule in &environment.deferred {
            let _ = writeln!(
                text,
                "    note: `{}` at {} is held by shipline-bot; a run without it does not ask for it",
                rule.key, rule.place
            );
        }
        document.push(json!({
            "environment": name,
            "waves": environment.waves,
            "not_carried_out": environment.deferred.iter().map(|rule| &rule.key).collect::<Vec<_>>(),
        }));
    }
    host.console.answer(&text);
    host.console
        .document(&json!({ "schema_version": 1, "command": "check", "problems": [], "environments": document }));
}
