//! The one table of commands: what is written, what it does, who may, where it works.
//!
//! The parser reads by it, `/help` and `docs/bot-commands.md` are made from it, the decision asks it
//! for the right. A verb that is not here does not exist. No text from outside comes in here.

use std::fmt::Write as _;

use shipline::types::EnvironmentName;

use super::Command;

/// A line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// The verb.
    pub verb: Verb,
    /// The word after `/`.
    pub word: &'static str,
    /// What may follow, in the order it is shown.
    pub arguments: &'static [Argument],
    /// What it does, one sentence without its full stop.
    pub does: &'static str,
    /// Which right it needs.
    pub right: Right,
    /// Where it works.
    pub place: Place,
}

/// One thing that may follow a verb. Options stand in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// An environment that must be named.
    Environment,
    /// An environment that may be left out.
    MaybeEnvironment,
    /// Services; all when none is named.
    Services,
    /// `--sha` and a full commit id.
    Sha,
    /// `--reason` and a text in quotes.
    QuotedReason,
    /// The rest of the line, as a reason.
    Reason,
    /// `to` and what to go back to.
    To,
    /// `--no-lock`.
    NoLock,
    /// `--until` and a length of time.
    Until,
    /// `--force` and the rest of the line, as a reason.
    Force,
    /// Words that change nothing.
    Anything,
}

impl Argument {
    /// As the usage line shows it.
    pub fn shown(self) -> &'static str {
        match self {
            Self::Environment => "<env>",
            Self::MaybeEnvironment => "[env]",
            Self::Services => "[service…]",
            Self::Sha => "[--sha <sha>]",
            Self::QuotedReason => "[--reason \"…\"]",
            Self::Reason => "[reason]",
            Self::To => "[to <sha|release|N>]",
            Self::NoLock => "[--no-lock]",
            Self::Until => "[--until 2h]",
            Self::Force => "[--force reason]",
            Self::Anything => "",
        }
    }

    /// The option's name, for those that are options.
    pub fn option(self) -> Option<&'static str> {
        match self {
            Self::Sha => Some("--sha"),
            Self::QuotedReason => Some("--reason"),
            Self::NoLock => Some("--no-lock"),
            Self::Until => Some("--until"),
            Self::Force => Some("--force"),
            Self::Environment | Self::MaybeEnvironment | Self::Services | Self::Reason | Self::To | Self::Anything => {
                None
            }
        }
    }
}

/// What a person must be allowed to do: the keys of `access` in the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// To read the repository.
    Read,
    /// `access.deploy`.
    Deploy,
    /// `access.rollback`.
    Rollback,
    /// `access.approve`.
    Approve,
    /// `access.lock`.
    Lock,
}

impl Right {
    /// The key of `access`; `read` for reading.
    pub fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Deploy => "deploy",
            Self::Rollback => "rollback",
            Self::Approve => "approve",
            Self::Lock => "lock",
        }
    }
}

/// Where a command works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In every issue and pull request.
    Anywhere,
    /// In pull requests, and in issues with `--sha`.
    PullOrSha,
}

macro_rules! verbs {
    ($($verb:ident = $word:literal [$($argument:ident),*] $right:ident $place:ident: $does:literal;)+) => {
        /// The first word of a command.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Verb {
            $(#[doc = $does] $verb,)+
        }

        /// The table, in the order people read it.
        pub const USAGES: &[Usage] = &[$(Usage {
            verb: Verb::$verb,
            word: $word,
            arguments: &[$(Argument::$argument),*],
            does: $does,
            right: Right::$right,
            place: Place::$place,
        },)+];

        impl Verb {
            /// Its line of the table.
            pub fn usage(self) -> &'static Usage {
                &USAGES[self as usize]
            }
        }

        impl Command {
            /// Its verb.
            pub fn verb(&self) -> Verb {
                match self {
                    $(Self::$verb { .. } => Verb::$verb,)+
                }
            }
        }
    };
}

verbs! {
    Deploy = "deploy" [Environment, Services, Sha, QuotedReason] Deploy PullOrSha:
        "Put the pull request's head, or that commit, on the environment";
    Plan = "plan" [Environment, Services, Sha] Deploy PullOrSha:
        "Show what `/deploy` would change and what it would wait for";
    Approve = "approve" [MaybeEnvironment, Sha] Approve Anywhere:
        "Say yes to the deployment that waits for approval";
    Reject = "reject" [MaybeEnvironment, Reason] Approve Anywhere:
        "Say no to it";
    Promote = "promote" [MaybeEnvironment] Approve Anywhere:
        "Finish a canary now";
    Pause = "pause" [MaybeEnvironment] Approve Anywhere:
        "Hold a canary where it is";
    Resume = "resume" [MaybeEnvironment] Approve Anywhere:
        "Go on with a canary";
    Cancel = "cancel" [MaybeEnvironment] Deploy Anywhere:
        "Stop the running or waiting deployment and take traffic back";
    Rollback = "rollback" [Environment, Services, To, NoLock] Rollback Anywhere:
        "Go back to the last good release, or to one that was good there; locks the environment unless `--no-lock`";
    Lock = "lock" [Environment, Until, Reason] Lock Anywhere:
        "Hold the environment: nobody deploys there";
    Unlock = "unlock" [Environment, Force] Lock Anywhere:
        "Let the environment go; `--force` for somebody else's lock";
    Status = "status" [MaybeEnvironment] Read Anywhere:
        "Show what runs where and who put it there";
    History = "history" [Environment] Read Anywhere:
        "Show the last ten deployments";
    Help = "help" [Anything] Read Anywhere:
        "Show this table";
}

impl Verb {
    /// The word after `/`.
    pub fn word(self) -> &'static str {
        self.usage().word
    }

    /// The verb of a word, whatever its case.
    pub fn of(word: &str) -> Option<Self> {
        USAGES.iter().find(|usage| usage.word.eq_ignore_ascii_case(word)).map(|usage| usage.verb)
    }

    /// The verb that was probably meant by a word that is none.
    ///
    /// Short verbs forgive one slip and long ones two, so that the verbs of other bots (`/retest`,
    /// `/assign`) are left alone.
    pub fn near(word: &str) -> Option<Self> {
        if word.contains('/') || !word.starts_with(char::is_alphabetic) {
            return None;
        }
        let word = word.to_lowercase();
        let length = word.chars().count();
        let distance = |usage: &&Usage| {
            let most = if usage.word.len() < 7 { 1 } else { 2 };
            if length.abs_diff(usage.word.len()) > most {
                return None;
            }
            let distance = strsim::osa_distance(&word, usage.word);
            let same_start = word.as_bytes().first() == usage.word.as_bytes().first();
            (distance <= most && (distance <= 1 || same_start)).then_some(distance)
        };
        let near = USAGES.iter().filter_map(|usage| distance(&usage).map(|distance| (distance, usage.verb)));
        near.min_by_key(|(distance, _)| *distance).map(|(_, verb)| verb)
    }
}

impl Usage {
    /// How it is written: `/deploy <env> [service…] [--sha <sha>] [--reason "…"]`.
    pub fn line(&self) -> String {
        let mut line = format!("/{}", self.word);
        for argument in self.arguments.iter().map(|argument| argument.shown()).filter(|shown| !shown.is_empty()) {
            line.push(' ');
            line.push_str(argument);
        }
        line
    }

    /// Whether this may follow the verb.
    pub fn takes(&self, argument: Argument) -> bool {
        self.arguments.contains(&argument)
    }
}

impl Command {
    /// Its line of the table.
    pub fn usage(&self) -> &'static Usage {
        self.verb().usage()
    }

    /// The environment it names.
    pub fn environment(&self) -> Option<&EnvironmentName> {
        match self {
            Self::Deploy { environment, .. }
            | Self::Plan { environment, .. }
            | Self::Rollback { environment, .. }
            | Self::Lock { environment, .. }
            | Self::Unlock { environment, .. }
            | Self::History { environment } => Some(environment),
            Self::Approve { environment, .. }
            | Self::Reject { environment, .. }
            | Self::Promote { environment }
            | Self::Pause { environment }
            | Self::Resume { environment }
            | Self::Cancel { environment }
            | Self::Status { environment } => environment.as_ref(),
            Self::Help => None,
        }
    }
}

/// The table as `/help` shows it, in Markdown.
pub fn table() -> String {
    let mut text = String::from("| command | does | who |\n| --- | --- | --- |\n");
    for usage in USAGES {
        let who = match usage.right {
            Right::Read => "whoever can read the repository".to_owned(),
            right => format!("`access.{}`", right.word()),
        };
        let _ = writeln!(text, "| `{}` | {} | {who} |", usage.line().replace('|', "\\|"), usage.does);
    }
    text
}

/// The page `docs/bot-commands.md`.
pub fn reference() -> String {
    let needs_pull: Vec<String> = USAGES
        .iter()
        .filter(|usage| usage.place == Place::PullOrSha)
        .map(|usage| format!("`/{}`", usage.word))
        .collect();
    format!("{OPENING}\n{}\n{RULES}", table()).replace("{needs-pull}", &needs_pull.join(" and "))
}

const OPENING: &str = "# Commands of the bot

A command is a line of a new comment that starts with `/` and one of these verbs.
";

const RULES: &str = "`access.…` are keys of the environment's `access` in [the configuration](configuration.md).

## How a comment is read

- Several lines are several commands, carried out in order; at most ten. A comment with more is answered once and none of
  its commands runs.
- Edited comments never run. Write a new one.
- A line counts where it stands as plain text: not in a code block or code span, a quote, a list, a heading, a table, a
  footnote, a link or an HTML comment. It counts between other lines of a paragraph.
- Verbs may be written in capitals; names of environments and services are lower case, as in the configuration.
- Options stand anywhere in the line, as `--sha <sha>` or `--sha=<sha>`, each once.
- {needs-pull} work in pull requests, elsewhere with `--sha`. All others work in every issue and pull request.
- A verb that is nearly one of these is answered with the right one, if the writer is known here. Other words after `/`
  are left to other bots.

## Values

- `<sha>` is a full commit id, 40 characters: a short one can be made to fit another commit.
- `--reason` takes a text in quotes, `--reason \"fix the login\"`, or one word. In the quotes `\\\"` is a quote and `\\\\` is a
  backslash. The reasons of `/lock`, `/reject` and `--force` are the rest of the line; quotes are not needed. A reason
  has at most 500 characters.
- `to` takes a commit, the name of a revision or release, or a number of steps: `to 1` is the last
  good release, `to 2` the one before it.
- `--until` takes a length of time: `45s`, `30m`, `1h30m`, `2d`.

## Characters that deceive

A command holds plain ASCII, except in reasons. A letter of another alphabet that looks the same, an invisible or
direction-changing character, a no-break space, curly quotes or a long dash make it refused, with the character named
(`U+0435`) and its place in the line. Reasons may be in any language; outside of quotes they hold no invisible characters.

This page is made from `bot/src/commands/usage.rs`; the test there rewrites it with `UPDATE=1`.
";

#[cfg(test)]
mod tests;
