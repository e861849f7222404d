//! The allow-list's text: strict, with all mistakes and their lines.

use std::str::FromStr;

use shipline::config::{Content, Line, document};
use shipline::github::Repository;
use shipline::problem::{Place, Problem, Problems};

use super::{Entry, Pattern};
use crate::types::RepositoryId;

/// What the file is called in messages.
const FILE: &str = "allow-list";

/// The keys of an entry.
const KEYS: [&str; 6] = ["id", "roles", "accounts", "regions", "external-id", "notify"];

const EXAMPLE: &str = "Write it like this:\n  repositories:\n    acme/shop: { roles: [arn:aws:iam::111122223333:role/shop], regions: [us-east-1] }";

/// All entries, or all mistakes.
pub(super) fn entries(text: &str) -> Result<Vec<Entry>, Problems> {
    let mut found = Mistakes::default();
    let mut entries: Vec<Entry> = Vec::new();
    for (key, line) in found.repositories(document(FILE, text)?) {
        let path = format!("repositories.{key}");
        let Some(who) = found.pattern(&key, &path, line.number) else { continue };
        if entries.iter().any(|entry| entry.who == who) {
            let next = "Keep one entry; upper and lower case are the same on GitHub.";
            found.add("twice", line.number, &path, format!("{key} stands twice"), next);
            continue;
        }
        let entry = found.entry(who, &path, line);
        entries.push(entry);
    }
    Problems::or(found.0, entries)
}

#[derive(Default)]
struct Mistakes(Vec<Problem>);

impl Mistakes {
    fn add(&mut self, code: &str, line: usize, path: &str, what: impl Into<String>, next: impl Into<String>) {
        let place = Place { file: FILE.to_owned(), line: Some(line), path: path.to_owned() };
        self.0.push(Problem::mistake(code, what, next).at(place).see("docs/bot-security.md#the-allow-list"));
    }

    fn repositories(&mut self, document: Option<Line>) -> Vec<(String, Line)> {
        let line = document.as_ref().map_or(1, |line| line.number);
        let mut repositories = None;
        if let Some(Content::Map(entries)) = document.map(|line| line.content) {
            for (key, line) in entries {
                if key == "repositories" {
                    repositories = Some(line);
                } else {
                    let next = "The only key at the top is `repositories`.";
                    self.add("unknown-key", line.number, &key, format!("there is no key {key:?}"), next);
                }
            }
        } else {
            self.add("not-a-list", line, "", "the allow-list is empty or not a mapping", EXAMPLE);
            return Vec::new();
        }
        match repositories {
            Some(Line { content: Content::Map(entries), .. }) => entries,
            // An empty list is a list: nobody may deploy.
            Some(Line { content: Content::Nothing, .. }) => Vec::new(),
            Some(other) => {
                self.add("wrong-type", other.number, "repositories", "`repositories` is not a mapping", EXAMPLE);
                Vec::new()
            }
            None => {
                self.add("missing-key", line, "", "`repositories` is missing", EXAMPLE);
                Vec::new()
            }
        }
    }

    fn pattern(&mut self, key: &str, path: &str, line: usize) -> Option<Pattern> {
        let lower = key.to_lowercase();
        // Checked by putting a name that is good in the star's place.
        let owner = lower.strip_suffix("/*").filter(|owner| Repository::from_str(&format!("{owner}/x")).is_ok());
        if let Some(owner) = owner {
            return Some(Pattern::Owner(owner.to_owned()));
        }
        if Repository::from_str(&lower).is_ok() {
            return Some(Pattern::Repository(lower));
        }
        let next = "Write `owner/name`, or `\"owner/*\"` in quotes for all of an owner.";
        self.add("repository", line, path, format!("{key:?} names no repository"), next);
        None
    }

    fn entry(&mut self, who: Pattern, path: &str, line: Line) -> Entry {
        let mut entry =
            Entry { who, id: None, roles: None, accounts: None, regions: None, external_id: None, notify: None };
        let values = match line.content {
            Content::Map(values) => values,
            Content::Nothing => Vec::new(),
            Content::Text(_) | Content::List(_) => {
                self.add("wrong-type", line.number, path, "an entry is a mapping", EXAMPLE);
                return entry;
            }
        };
        for (key, value) in values {
            let path = format!("{path}.{key}");
            match key.as_str() {
                "id" => entry.id = self.one::<u64>(&path, &value, "4711").map(RepositoryId::new),
                "roles" => entry.roles = self.several(&path, &value, "arn:aws:iam::111122223333:role/shop"),
                "accounts" => entry.accounts = self.several(&path, &value, "\"111122223333\""),
                "regions" => entry.regions = self.several(&path, &value, "us-east-1"),
                "notify" => entry.notify = self.several(&path, &value, "SLACK_WEBHOOK"),
                "external-id" => entry.external_id = self.external_id(&path, &value),
                other => {
                    let next = format!("Keys of an entry are: {}.", KEYS.join(", "));
                    self.add("unknown-key", value.number, &path, format!("there is no key {other:?}"), next);
                }
            }
        }
        entry
    }

    fn one<T: FromStr<Err: std::fmt::Display>>(&mut self, path: &str, line: &Line, example: &str) -> Option<T> {
        let Content::Text(text) = &line.content else {
            self.add("wrong-type", line.number, path, "one value is wanted here", format!("Write it like {example}."));
            return None;
        };
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let what = format!("{text:?} is not what it should be: {error}");
                self.add("wrong-value", line.number, path, what, format!("Write it like {example}."));
                None
            }
        }
    }

    /// A list, or one value for a list of one. An empty one would allow nothing, which nobody means.
    fn several<T: FromStr<Err: std::fmt::Display>>(
        &mut self,
        path: &str,
        line: &Line,
        example: &str,
    ) -> Option<Vec<T>> {
        let items = match &line.content {
            Content::List(items) if !items.is_empty() => items.clone(),
            Content::Text(_) => vec![line.clone()],
            Content::List(_) | Content::Nothing | Content::Map(_) => {
                let next = format!("Name at least one, like [{example}], or remove the key to allow all.");
                self.add("wrong-type", line.number, path, "a list with at least one value is wanted here", next);
                return None;
            }
        };
        Some(items.iter().filter_map(|item| self.one(path, item, example)).collect())
    }

    /// As STS takes it (API, `ExternalId`).
    fn external_id(&mut self, path: &str, line: &Line) -> Option<String> {
        let text: String = self.one(path, line, "shop-7f3a")?;
        let good = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
        if (2..=1224).contains(&text.len()) && text.chars().all(good) {
            return Some(text);
        }
        let next = "Write 2 to 1224 letters, digits and _+=,.@:/-";
        self.add("external-id", line.number, path, "AWS takes no such external id", next);
        None
    }
}
