//! `.github/shipline.yml`: read, checked as a whole, and turned into a [`spec::Config`].
//!
//! Three steps: `tree` reads YAML and keeps the lines; `raw` mirrors the file and says for every
//! key what it is; `check` sees how it fits together. Each goes on after a problem, so that *all*
//! are reported at once, with line, path and fix. Nothing else in the program reads configuration
//! text.
//!
//! The same tables make the JSON Schema ([`json_schema`]) and the reference page ([`reference()`]).

mod check;
mod document;
mod publish;
mod raw;
mod read;
pub mod spec;
mod tree;

pub use document::{Content, Line, document};
pub use publish::{json_schema, reference};

use self::raw::Configuration;
use self::read::{Raw as _, Reader};
use self::spec::Config;
use crate::problem::{Place, Problem, Problems};

/// The path of the file in a repository.
pub const FILE: &str = ".github/shipline.yml";

/// Reads and checks a configuration. `file_name` is what the user calls the file; it is only told.
///
/// The problems are in the order of the file. Text that is not YAML gives one problem, because
/// nothing after it can be understood.
pub fn parse(file_name: &str, text: &str) -> Result<Config, Problems> {
    let stop = |line: usize, problem: Problem| {
        let place = Place { file: file_name.to_owned(), line: Some(line), path: String::new() };
        Problems::from(problem.at(place).see("docs/configuration.md"))
    };
    let root = tree::read(text)
        .map_err(|found| stop(found.line, Problem::mistake(found.code, found.what, found.next)))?
        .ok_or_else(|| {
            let next = "Write `version: 1`, `services` and `environments`, or let `shipline init` write them.";
            stop(1, Problem::mistake("empty-file", "The configuration is empty.", next))
        })?;
    let mut reader = Reader::new(file_name);
    let raw = Configuration::read(&root, &mut reader);
    if let Some(newer) = raw.as_ref().and_then(check::newer_version) {
        // Its other keys are probably newer as well: only this one is worth telling.
        return Err(newer.into());
    }
    let config = raw.map(|raw| check::configuration(&raw, &mut reader));
    let problems = reader.into_problems();
    let nothing = Problem::defect("unread-configuration", "The configuration was neither read nor refused.");
    match config {
        Some(config) => Problems::or(problems, config),
        None if problems.is_empty() => Err(nothing.into()),
        None => Err(Problems::or(problems, ()).err().unwrap_or_else(|| nothing.into())),
    }
}

#[cfg(test)]
mod tests;
