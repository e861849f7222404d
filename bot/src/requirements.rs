//! What the App may do and hears of: the one table that set-up asks GitHub for, doctor compares with,
//! and the documentation shows.
//!
//! Invariant: never the right to write contents. Who has the bot's key must not be able to change code.

use std::fmt::Write as _;

/// How far a permission goes, in GitHub's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Look.
    Read,
    /// Look and change.
    Write,
}

impl Level {
    /// As GitHub's API writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }

    /// Nothing for a level that GitHub's API does not know for these permissions; `admin` includes
    /// writing.
    fn of(word: &str) -> Option<Self> {
        match word {
            "read" => Some(Self::Read),
            "write" | "admin" => Some(Self::Write),
            _ => None,
        }
    }
}

/// A permission of the App.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// As GitHub's API names it.
    pub key: &'static str,
    /// As GitHub's settings page names it.
    pub title: &'static str,
    /// How far.
    pub level: Level,
    /// What for.
    pub why: &'static str,
}

/// An event that the App hears of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// As GitHub's API names it.
    pub key: &'static str,
    /// What for.
    pub why: &'static str,
}

/// Everything the App may do.
pub const PERMISSIONS: &[Permission] = &[
    read("metadata", "Metadata", "who may do what in a repository; every App has it"),
    read("contents", "Contents", "the policy on the default branch, and the commits between two releases"),
    read("members", "Members", "whether a person is in a team that the policy names"),
    read("statuses", "Commit statuses", "checks that are reported as commit statuses"),
    write("pull_requests", "Pull requests", "state and head of a pull request; comments and reactions there"),
    write("issues", "Issues", "comments and reactions"),
    write("deployments", "Deployments", "the Deployment on GitHub's page and its statuses"),
    write("checks", "Checks", "checks of a commit; the check run of a deployment"),
    write("actions", "Actions", "start the build workflow when an image is missing, and follow its run"),
];

/// Everything the App hears of. Installations and their end are told to every App unasked.
pub const EVENTS: &[Heard] = &[
    Heard { key: "issue_comment", why: "commands" },
    Heard { key: "pull_request", why: "which commit was the head when a comment was written" },
    Heard { key: "workflow_run", why: "the build workflow has ended" },
    Heard { key: "check_run", why: "somebody pressed the button of a check run that waits for approval" },
    Heard { key: "deployment_protection_rule", why: "a job of a workflow waits for approval of its environment" },
];

const fn read(key: &'static str, title: &'static str, why: &'static str) -> Permission {
    Permission { key, title, level: Level::Read, why }
}

const fn write(key: &'static str, title: &'static str, why: &'static str) -> Permission {
    Permission { key, title, level: Level::Write, why }
}

/// A difference between what an App has and what it should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// It may not do enough.
    TooLittle {
        /// What is asked for.
        permission: Permission,
        /// What it has, in GitHub's words; absent for nothing.
        has: Option<String>,
    },
    /// It may do more than is needed.
    TooMuch {
        /// As GitHub's API names it.
        key: String,
        /// What it has.
        has: String,
    },
    /// It may change code: refused.
    MayChangeCode {
        /// As GitHub's API names it.
        key: String,
    },
    /// It does not hear of something.
    Deaf(Heard),
    /// It hears of something that nobody here acts on.
    Chatter(String),
}

/// Permissions that would let whoever has the key change code or the workflows that run it.
const OF_CODE: [&str; 3] = ["contents", "workflows", "administration"];

/// What differs, in the order of the tables.
pub fn permissions(has: &[(String, String)]) -> Vec<Difference> {
    let level = |key: &str| has.iter().find(|(name, _)| name == key).map(|(_, level)| level.as_str());
    let missing = PERMISSIONS.iter().filter_map(|permission| {
        let found = level(permission.key);
        let enough = found.and_then(Level::of).is_some_and(|found| found >= permission.level);
        (!enough).then(|| Difference::TooLittle { permission: *permission, has: found.map(str::to_owned) })
    });
    let extra = has.iter().filter_map(|(key, found)| {
        let wanted = PERMISSIONS.iter().find(|permission| permission.key == key).map(|permission| permission.level);
        let given = Level::of(found);
        if OF_CODE.contains(&key.as_str()) && given == Some(Level::Write) {
            return Some(Difference::MayChangeCode { key: key.clone() });
        }
        (given.is_some() && given > wanted).then(|| Difference::TooMuch { key: key.clone(), has: found.clone() })
    });
    missing.chain(extra).collect()
}

/// What differs in what the App hears of.
pub fn events(has: &[String]) -> Vec<Difference> {
    let deaf = EVENTS.iter().filter(|event| !has.iter().any(|name| name == event.key)).copied().map(Difference::Deaf);
    let known = |name: &&String| EVENTS.iter().any(|event| event.key == name.as_str());
    let chatter = has.iter().filter(|name| !known(name)).cloned().map(Difference::Chatter);
    deaf.chain(chatter).collect()
}

/// Both tables, for the documentation.
pub fn markdown() -> String {
    let mut text = String::from("| permission | level | what for |\n| --- | --- | --- |\n");
    for Permission { title, level, why, .. } in PERMISSIONS {
        let _ = writeln!(text, "| {title} | {} | {why} |", level.word());
    }
    text.push_str("\n| event | what for |\n| --- | --- |\n");
    for Heard { key, why } in EVENTS {
        let _ = writeln!(text, "| `{key}` | {why} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact() -> Vec<(String, String)> {
        PERMISSIONS.iter().map(|p| (p.key.to_owned(), p.level.word().to_owned())).collect()
    }

    #[test]
    fn the_table_itself_has_no_difference() {
        assert_eq!(permissions(&exact()), []);
        assert_eq!(events(&EVENTS.iter().map(|event| event.key.to_owned()).collect::<Vec<_>>()), []);
    }

    #[test]
    fn the_app_is_never_asked_to_change_code() {
        for permission in PERMISSIONS {
            assert!(!(OF_CODE.contains(&permission.key) && permission.level == Level::Write), "{}", permission.key);
        }
        for key in OF_CODE {
            let mut has: Vec<_> = exact().into_iter().filter(|(name, _)| name != key).collect();
            has.push((key.to_owned(), "write".to_owned()));
            assert_eq!(permissions(&has), [Difference::MayChangeCode { key: key.to_owned() }]);
        }
    }

    #[test]
    fn too_little_and_too_much_are_both_differences() {
        let mut has = exact();
        has.retain(|(name, _)| name != "members");
        has.iter_mut().find(|(name, _)| name == "deployments").unwrap().1 = "read".to_owned();
        has.iter_mut().find(|(name, _)| name == "statuses").unwrap().1 = "write".to_owned();
        has.push(("secrets".to_owned(), "read".to_owned()));
        let of = |key: &str| *PERMISSIONS.iter().find(|permission| permission.key == key).unwrap();
        assert_eq!(
            permissions(&has),
            [
                Difference::TooLittle { permission: of("members"), has: None },
                Difference::TooLittle { permission: of("deployments"), has: Some("read".to_owned()) },
                Difference::TooMuch { key: "statuses".to_owned(), has: "write".to_owned() },
                Difference::TooMuch { key: "secrets".to_owned(), has: "read".to_owned() },
            ]
        );
    }

    #[test]
    fn an_event_that_is_missing_and_one_that_nobody_needs_are_told() {
        let has = ["issue_comment".to_owned(), "workflow_run".to_owned(), "push".to_owned()];
        let told: Vec<String> = events(&has)
            .into_iter()
            .map(|difference| match difference {
                Difference::Deaf(heard) => format!("deaf to {}", heard.key),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(
            told,
            ["deaf to pull_request", "deaf to check_run", "deaf to deployment_protection_rule", "Chatter(\"push\")",]
        );
    }

    #[test]
    fn the_documentation_shows_the_tables() {
        crate::documents::holds("docs/bot.md", "requirements", &markdown());
    }
}
