//! Reads single inputs as values: text to numbers, lists, pairs and paths, problems collected.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use super::inputs::{Given, place};
use crate::problem::Problem;

/// Reads values and collects problems.
pub(super) struct Reader<'a> {
    pub(super) given: &'a Given,
    pub(super) problems: Vec<Problem>,
}

impl Reader<'_> {
    pub(super) fn wrong(&mut self, name: &str, what: impl Into<String>, next: impl Into<String>) {
        self.problems.push(Problem::mistake("invalid-input", what, next).at(place(name)));
    }

    pub(super) fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.given.get(name)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.wrong(name, format!("{error}"), format!("Correct `{name}`."));
                None
            }
        }
    }

    pub(super) fn number(&mut self, name: &str, from: u32, to: u32) -> Option<u32> {
        let text = self.given.get(name)?;
        let number = text.parse().ok().filter(|number| (from..=to).contains(number));
        if number.is_none() {
            self.wrong(
                name,
                format!("{text:?} is not a whole number from {from} to {to}"),
                format!("Correct `{name}`."),
            );
        }
        number
    }

    pub(super) fn flag(&mut self, name: &str) -> Option<Flag> {
        match self.given.get(name) {
            Some("true") => Some(Flag::Yes),
            None | Some("false") => Some(Flag::No),
            Some(other) => {
                self.wrong(name, format!("{other:?} is neither true nor false"), "Write true or false.");
                None
            }
        }
    }

    pub(super) fn one_of<T: Copy>(&mut self, name: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.given.get(name)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(name, format!("{text:?} is not one of {}", known.join(", ")), "Write one of them.");
        }
        found
    }

    pub(super) fn pairs(&mut self, name: &str) -> BTreeMap<String, String> {
        let text = self.given.get(name).unwrap_or_default();
        if text.starts_with('[') {
            return self.listed_pairs(name, text);
        }
        let mut pairs = BTreeMap::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            // Only the first `=` separates: values may hold more of them.
            match line.split_once('=') {
                Some((key, value)) if !key.trim().is_empty() => {
                    if pairs.insert(key.trim().to_owned(), value.to_owned()).is_some() {
                        self.wrong(name, format!("{:?} is given twice", key.trim()), "Keep one of them.");
                    }
                }
                _ => self.wrong(name, format!("{line:?} has no name before `=`"), "Write one NAME=value a line."),
            }
        }
        pairs
    }

    /// `[{"name": …, "value": …}]`, as ECS itself writes variables and secrets (`valueFrom`).
    fn listed_pairs(&mut self, name: &str, text: &str) -> BTreeMap<String, String> {
        let entries: Vec<serde_json::Value> = match serde_json::from_str(text) {
            Ok(entries) => entries,
            Err(error) => {
                // Never the text itself: it may hold a password.
                let what = format!("the list is not JSON: {error}");
                self.wrong(name, what, "Write one NAME=value a line, or a JSON list of name and value.");
                return BTreeMap::new();
            }
        };
        let mut pairs = BTreeMap::new();
        for (place, entry) in entries.iter().enumerate() {
            let member = |member: &str| entry.get(member).and_then(serde_json::Value::as_str);
            let (Some(key), Some(value)) = (member("name"), member("value").or_else(|| member("valueFrom"))) else {
                let what = format!("entry {} of the list has no `name` with a `value` or `valueFrom`", place + 1);
                self.wrong(name, what, "Write each as {\"name\": \"LOG_LEVEL\", \"value\": \"info\"}.");
                continue;
            };
            if pairs.insert(key.to_owned(), value.to_owned()).is_some() {
                self.wrong(name, format!("{key:?} is given twice"), "Keep one of them.");
            }
        }
        pairs
    }

    pub(super) fn path(&mut self, name: &str) -> Option<PathBuf> {
        let text = self.given.get(name)?;
        let path = Path::new(text);
        let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !inside {
            self.wrong(
                name,
                format!("{text:?} is not a path inside the repository"),
                "Write a path relative to the repository, without `..`.",
            );
            return None;
        }
        Some(path.to_owned())
    }

    pub(super) fn words(&self, name: &str) -> Vec<String> {
        words(self.given.get(name).unwrap_or_default())
    }
}

pub(super) enum Flag {
    Yes,
    No,
}

/// Splits at spaces, commas and lines.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split([' ', ',', '\n', '\t', '\r']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}
