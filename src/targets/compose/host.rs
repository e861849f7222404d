//! A Compose host: one fixed program (the parts in `host/`) that runs there, over either of two ways.
//!
//! Arguments travel as base64 words, answers as base64 text; so nothing of a name, a path or a
//! command is ever read by a shell, and no byte of an answer is lost on the way. An answer longer
//! than one call can bring (Systems Manager: 24,000 characters) is asked for in parts.

use std::fmt::Display;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::answer::Answer;
use super::instance::Instance;
use super::local::Local;
use crate::engine::ProviderFailure;
use crate::engine::target::FailureKind;

/// The program that runs on the host.
pub(super) const PROGRAM: &str = concat!(
    include_str!("host/base.sh"),
    include_str!("host/look.sh"),
    include_str!("host/discover.sh"),
    include_str!("host/examine.sh"),
    include_str!("host/backup.sh"),
    include_str!("host/change.sh"),
    include_str!("host/task.sh"),
    include_str!("host/verb.sh"),
);

/// How the host is reached.
#[derive(Debug)]
pub(super) enum Way {
    /// It is this machine.
    Local(Local),
    /// Through Systems Manager.
    Instance(Instance),
}

impl Way {
    /// How many characters of an answer one call brings; 0 for all.
    fn page(&self) -> usize {
        match self {
            Self::Local(_) => 0,
            Self::Instance(_) => Instance::PAGE,
        }
    }

    async fn run(&self, words: &[String]) -> Result<String, ProviderFailure> {
        match self {
            Self::Local(local) => local.run(words).await,
            Self::Instance(instance) => instance.run(words).await,
        }
    }
}

/// What the program is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// Everything a plan is made from.
    Survey,
    /// What the compose file names, and what of it runs.
    Discover,
    /// What a deployment would run into.
    Examine,
    /// What changes while a change is followed.
    Look,
    /// Begins a change.
    Start,
    /// The service's last lines, and how its containers ended.
    Logs,
    /// The service's lines since an instant.
    Lines,
    /// Begins a one-off task.
    StartTask,
    /// How a task stands.
    LookTask,
    /// Ends a task.
    StopTask,
}

impl Verb {
    fn word(self) -> &'static str {
        match self {
            Self::Survey => "survey",
            Self::Discover => "discover",
            Self::Examine => "examine",
            Self::Look => "look",
            Self::Start => "start",
            Self::Logs => "logs",
            Self::Lines => "lines",
            Self::StartTask => "start_task",
            Self::LookTask => "look_task",
            Self::StopTask => "stop_task",
        }
    }
}

/// A Compose project on its host.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) way: Way,
    pub(super) project: String,
    /// As the host sees it.
    pub(super) file: String,
}

impl Host {
    /// Runs a verb and reads its answer whole.
    pub(super) async fn ask(&self, verb: Verb, arguments: &[&str]) -> Result<Answer, ProviderFailure> {
        let mut text = String::new();
        let mut page = self.call(verb.word(), arguments).await?;
        loop {
            let (head, part) = page.split_once('\n').unwrap_or((page.as_str(), ""));
            let (total, name) = header(head).ok_or_else(|| unreadable(&page))?;
            let before = text.len();
            text.push_str(part.trim_end());
            if text.len() >= total {
                break;
            }
            if text.len() == before {
                return Err(unreadable(&"an answer of the host is not there any more"));
            }
            let (name, offset) = (name.to_owned(), text.len().to_string());
            page = self.call("more", &[&name, &offset]).await?;
        }
        let bytes = STANDARD.decode(&text).map_err(|error| unreadable(&error))?;
        Answer::read(&String::from_utf8_lossy(&bytes))
    }

    async fn call(&self, verb: &str, arguments: &[&str]) -> Result<String, ProviderFailure> {
        let page = self.way.page().to_string();
        let common = [verb, &page, &self.project, &self.file];
        let words: Vec<String> = common.iter().chain(arguments).map(|word| coded(word)).collect();
        self.way.run(&words).await
    }
}

/// A word that no shell sees anything in. The letter before it keeps an empty one from vanishing.
fn coded(word: &str) -> String {
    format!("b{}", STANDARD.encode(word))
}

/// `shipline-out <characters in all> <name of the rest>`.
fn header(line: &str) -> Option<(usize, &str)> {
    let (total, name) = line.strip_prefix("shipline-out ")?.trim_end().split_once(' ')?;
    Some((total.parse().ok()?, name))
}

fn unreadable(said: &dyn Display) -> ProviderFailure {
    let said: String = said.to_string().chars().take(300).collect();
    failed(FailureKind::Rejected, format!("the host did not answer as expected: {said}"))
}

/// A failure of the host, in its words.
pub(super) fn failed(kind: FailureKind, message: String) -> ProviderFailure {
    ProviderFailure { operation: "docker compose".to_owned(), code: None, message, request_id: None, kind }
}
