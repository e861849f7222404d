//! The file of settings: `NAME=value` a line, `#` for remarks, quotes if one likes. Pure.

use shipline::problem::{Place, Problem};
use shipline::process::Environment;

use super::table::{NOTIFY, SETTINGS};

/// Reads a file's lines; what is wrong with them goes into `problems`.
pub(super) fn parse(name: &str, text: &str, problems: &mut Vec<Problem>) -> Environment {
    let mut settings = Environment::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = Place { file: name.to_owned(), line: Some(index + 1), path: String::new() };
        let Some((key, value)) = line.strip_prefix("export ").unwrap_or(line).split_once('=') else {
            // The line is not shown: it may be part of a secret.
            let problem = Problem::mistake("setting-line", "a line without `=`", "Write NAME=value.");
            problems.push(problem.at(place));
            continue;
        };
        let key = key.trim();
        let ours = key.starts_with("SHIPLINE_");
        if ours && !key.starts_with(NOTIFY) && !SETTINGS.iter().any(|setting| setting.name == key) {
            problems.push(unknown(key).at(place));
        } else if settings.insert(key.to_owned(), unquoted(value.trim()).to_owned()).is_some() {
            let what = format!("{key} is set twice");
            problems.push(Problem::mistake("setting-twice", what, "Keep one of the two lines.").at(place));
        }
    }
    settings
}

fn unknown(key: &str) -> Problem {
    let near = SETTINGS.iter().map(|setting| setting.name).min_by_key(|name| strsim::damerau_levenshtein(name, key));
    let near = near.filter(|name| strsim::damerau_levenshtein(name, key) <= 4);
    let next = near.map_or_else(
        || "Take the line out; `shipline-bot --help` lists the settings.".to_owned(),
        |name| format!("Did you mean {name}?"),
    );
    Problem::mistake("setting-unknown", format!("there is no setting {key}"), next)
}

fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    value
}
