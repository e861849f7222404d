//! From the text of a comment to commands, by the table in [`super::usage`]. Pure and total: whatever
//! is written, each line that is ours becomes a command or a reason why it is none, in time that
//! grows with the length of the text. Whether names exist is not known here.

use shipline::types::{CommitSha, EnvironmentName, ServiceName, Span};

use super::lines;
use super::text::{Cursor, Odd, Opening, Unquotable, may_hold_commands, opening, shown};
use super::usage::{Argument, Usage, Verb};
use super::{AfterRollback, Command, NotACommand, NotACommandCode, Parsed};

/// The most commands of one comment.
pub const MOST_COMMANDS: usize = 10;

/// The longest reason, in characters.
pub const LONGEST_REASON: usize = 500;

/// The commands of a comment, with their numbers from 0.
///
/// A comment with more than [`MOST_COMMANDS`] is one answer: none of it runs.
pub fn commands(body: &str) -> Vec<(u32, Parsed)> {
    if !may_hold_commands(body) {
        return Vec::new();
    }
    let mut found: Vec<Parsed> = lines::plain(body).into_iter().filter_map(line).take(MOST_COMMANDS + 1).collect();
    if found.len() > MOST_COMMANDS {
        found = vec![Err(too_many(&found))];
    }
    (0..).zip(found).collect()
}

fn too_many(found: &[Parsed]) -> NotACommand {
    let ours = |parsed: &Parsed| !matches!(parsed, Err(no) if no.code == NotACommandCode::UnknownVerb);
    NotACommand {
        line: String::new(),
        what: format!("The comment holds more than {MOST_COMMANDS} commands; none of them was carried out."),
        next: format!("Write at most {MOST_COMMANDS} commands into one comment."),
        code: if found.iter().any(ours) { NotACommandCode::Usage } else { NotACommandCode::UnknownVerb },
    }
}

/// One line, if it is ours or nearly.
fn line(line: &str) -> Option<Parsed> {
    match opening(line) {
        Opening::Other => None,
        Opening::Word(word) => {
            if let Some(verb) = Verb::of(word) {
                return Some(Reading::new(verb, line, 1 + word.len()).command());
            }
            let near = Verb::near(word)?;
            Some(Err(NotACommand {
                line: shortened(line),
                what: format!("There is no command {}.", shown(&format!("/{word}"))),
                next: format!("Did you mean `/{}`? It is written `{}`.", near.word(), near.usage().line()),
                code: NotACommandCode::UnknownVerb,
            }))
        }
        Opening::Disguised(word, odd) => {
            Verb::of(&word).or_else(|| Verb::near(&word))?;
            Some(Err(confusable(line, odd)))
        }
    }
}

fn confusable(line: &str, odd: Odd) -> NotACommand {
    let (what, next) = (odd.what(), odd.next().to_owned());
    NotACommand { line: shortened(line), what, next, code: NotACommandCode::Confusable }
}

/// The line for the answer, of bearable length.
fn shortened(line: &str) -> String {
    let mut characters = line.chars();
    let mut text: String = characters.by_ref().take(200).collect();
    if characters.next().is_some() {
        text.push('…');
    }
    text
}

/// Why a line cannot be read.
enum Wrong {
    /// It is not as the usage says: what, and what to do if there is more to say than the usage line.
    Usage(String, Option<String>),
    /// A character.
    Odd(Odd),
}

impl From<Odd> for Wrong {
    fn from(odd: Odd) -> Self {
        Self::Odd(odd)
    }
}

fn wrong(what: impl Into<String>) -> Wrong {
    Wrong::Usage(what.into(), None)
}

/// A line of ours while it is read.
struct Reading<'l> {
    line: &'l str,
    usage: &'static Usage,
    cursor: Cursor<'l>,
    given: Given,
}

/// What was read so far.
#[derive(Default)]
struct Given {
    environment: Option<EnvironmentName>,
    services: Vec<ServiceName>,
    sha: Option<CommitSha>,
    reason: Option<String>,
    to: Option<String>,
    open: Option<()>,
    until: Option<Span>,
    force: Option<String>,
}

impl<'l> Reading<'l> {
    fn new(verb: Verb, line: &'l str, read: usize) -> Self {
        let mut cursor = Cursor::new(line);
        cursor.skip(read);
        Self { line, usage: verb.usage(), cursor, given: Given::default() }
    }

    fn command(mut self) -> Parsed {
        match self.arguments().and_then(|()| self.build()) {
            Ok(command) => Ok(command),
            Err(Wrong::Odd(odd)) => Err(confusable(self.line, odd)),
            Err(Wrong::Usage(what, next)) => {
                let written = format!("It is written `{}`.", self.usage.line());
                let next = next.map_or_else(|| written.clone(), |next| format!("{next} {written}"));
                Err(NotACommand { line: shortened(self.line), what, next, code: NotACommandCode::Usage })
            }
        }
    }

    fn arguments(&mut self) -> Result<(), Wrong> {
        if self.usage.takes(Argument::Anything) {
            return Ok(());
        }
        loop {
            let word = self.cursor.peek();
            if word.is_empty() {
                return Ok(());
            }
            if word.starts_with("--") && word != "--" {
                self.option()?;
            } else if self.reason_begins(word) {
                self.given.reason = Some(self.reason("the reason")?);
                return Ok(());
            } else {
                let word = self.cursor.word()?;
                self.positional(word)?;
            }
        }
    }

    /// Whether this word is the first of a reason that is the rest of the line.
    fn reason_begins(&self, word: &str) -> bool {
        let environment_next = self.given.environment.is_none()
            && (self.usage.takes(Argument::Environment) || word.parse::<EnvironmentName>().is_ok());
        self.usage.takes(Argument::Reason) && !environment_next
    }

    fn positional(&mut self, word: &str) -> Result<(), Wrong> {
        if word.starts_with('-') {
            return Err(self.unknown_option(word));
        }
        if word == "to" && self.usage.takes(Argument::To) {
            let value = self.cursor.word()?;
            self.given.to = Some(once(self.given.to.is_some(), "`to`", destination(value)?)?);
            return Ok(());
        }
        let named = self.usage.takes(Argument::Environment) || self.usage.takes(Argument::MaybeEnvironment);
        if named && self.given.environment.is_none() {
            let name = word.parse().map_err(|_| not_a_name(word, "an environment"))?;
            self.given.environment = Some(name);
            return Ok(());
        }
        if self.usage.takes(Argument::Services) {
            let name: ServiceName = word.parse().map_err(|_| not_a_name(word, "a service"))?;
            if self.given.services.contains(&name) {
                return Err(wrong(format!("The service `{name}` is named twice.")));
            }
            self.given.services.push(name);
            return Ok(());
        }
        let next = self.usage.takes(Argument::Force).then(|| "A reason follows `--force`.".to_owned());
        Err(Wrong::Usage(format!("`/{}` has no place for {}.", self.usage.word, shown(word)), next))
    }

    /// An option, which begins here: `--name value` or `--name=value`.
    fn option(&mut self) -> Result<(), Wrong> {
        let word = self.cursor.peek();
        let name = &word[..word.find('=').unwrap_or(word.len())];
        self.cursor.plain(name.len())?;
        let known = |argument: &&Argument| argument.option().is_some_and(|option| option.eq_ignore_ascii_case(name));
        let Some(argument) = self.usage.arguments.iter().find(known).copied() else {
            return Err(self.unknown_option(name));
        };
        let option = argument.option().unwrap_or_default();
        let told = format!("`{option}`");
        self.cursor.skip(name.len());
        let assigned = word.len() > name.len();
        if assigned {
            self.cursor.skip(1);
        } else {
            self.cursor.left();
        }
        let given = &self.given;
        match argument {
            Argument::NoLock if assigned => return Err(wrong(format!("{told} takes no value."))),
            Argument::NoLock => self.given.open = Some(once(given.open.is_some(), &told, ())?),
            Argument::Sha => {
                let (again, value) = (given.sha.is_some(), self.value(option)?);
                self.given.sha = Some(once(again, &told, sha(&value)?)?);
            }
            Argument::Until => {
                let (again, value) = (given.until.is_some(), self.value(option)?);
                self.given.until = Some(once(again, &told, until(&value)?)?);
            }
            Argument::QuotedReason => {
                let (again, value) = (given.reason.is_some(), self.value(option)?);
                let value = checked_reason(value, &told)?;
                self.given.reason = Some(once(again, &told, value)?);
            }
            Argument::Force => {
                let reason = self.reason(&told)?;
                self.given.force = Some(reason);
            }
            Argument::Environment
            | Argument::MaybeEnvironment
            | Argument::Services
            | Argument::Reason
            | Argument::To
            | Argument::Anything => {}
        }
        Ok(())
    }

    fn unknown_option(&self, name: &str) -> Wrong {
        let options = self.usage.arguments.iter().filter_map(|argument| argument.option());
        let near = options.map(|option| (strsim::osa_distance(&name.to_ascii_lowercase(), option), option));
        let near = near.filter(|(distance, _)| *distance <= 2).min_by_key(|(distance, _)| *distance);
        let mut next = near.map(|(_, option)| format!("Did you mean `{option}`?"));
        if name.eq_ignore_ascii_case("--reason") && self.usage.takes(Argument::Reason) {
            next = Some("The reason is the rest of the line, without an option.".to_owned());
        }
        Wrong::Usage(format!("`/{}` has no option {}.", self.usage.word, shown(name)), next)
    }

    /// The value of an option: in quotes, or one word.
    fn value(&mut self, option: &str) -> Result<String, Wrong> {
        if let Some(quoted) = self.cursor.quoted() {
            return quoted.map_err(|why| unquotable(why, option));
        }
        let word = self.cursor.word()?;
        if word.is_empty() || word.starts_with("--") {
            return Err(wrong(format!("There is no value after `{option}`.")));
        }
        let follows = self.cursor.peek();
        if option == "--reason" && !follows.is_empty() && !follows.starts_with("--") {
            // The words after it would be taken for services.
            return Err(wrong("A reason of more than one word stands in quotes."));
        }
        Ok(word.to_owned())
    }

    /// A reason that is the rest of the line; options of the verb are still options in it.
    fn reason(&mut self, whose: &str) -> Result<String, Wrong> {
        self.cursor.left();
        let mut words: Vec<String> = Vec::new();
        // A quote that is not closed is a character of the reason.
        if let Some(Ok(text)) = self.cursor.quoted() {
            words.push(text);
        }
        loop {
            let word = self.cursor.peek();
            if word.is_empty() {
                break;
            }
            if self.meant_as_option(word) {
                self.option()?;
                continue;
            }
            words.push(self.cursor.text()?.to_owned());
        }
        checked_reason(words.join(" "), whose)
    }

    /// Whether a word of a reason is an option of this verb, or nearly. `--force` takes all that
    /// follows and is none inside of it.
    fn meant_as_option(&self, word: &str) -> bool {
        let name = &word[..word.find('=').unwrap_or(word.len())];
        let options = self.usage.arguments.iter().filter(|argument| **argument != Argument::Force);
        name.len() > 3
            && name.len() < 20
            && name.starts_with("--")
            && options.filter_map(|argument| argument.option()).any(|option| strsim::osa_distance(name, option) <= 2)
    }

    fn build(&mut self) -> Result<Command, Wrong> {
        let given = std::mem::take(&mut self.given);
        let required = || {
            let what = format!("`/{}` needs the environment's name.", self.usage.word);
            given.environment.clone().ok_or_else(|| wrong(what))
        };
        Ok(match self.usage.verb {
            Verb::Deploy => Command::Deploy {
                environment: required()?,
                services: given.services,
                sha: given.sha,
                reason: given.reason,
            },
            Verb::Plan => Command::Plan { environment: required()?, services: given.services, sha: given.sha },
            Verb::Approve => Command::Approve { environment: given.environment, sha: given.sha },
            Verb::Reject => Command::Reject { environment: given.environment, reason: given.reason },
            Verb::Promote => Command::Promote { environment: given.environment },
            Verb::Pause => Command::Pause { environment: given.environment },
            Verb::Resume => Command::Resume { environment: given.environment },
            Verb::Cancel => Command::Cancel { environment: given.environment },
            Verb::Rollback => {
                let lock = if given.open.is_some() { AfterRollback::Open } else { AfterRollback::Locked };
                Command::Rollback { environment: required()?, services: given.services, to: given.to, lock }
            }
            Verb::Lock => Command::Lock { environment: required()?, until: given.until, reason: given.reason },
            Verb::Unlock => Command::Unlock { environment: required()?, force: given.force },
            Verb::Status => Command::Status { environment: given.environment },
            Verb::History => Command::History { environment: required()? },
            Verb::Help => Command::Help,
        })
    }
}

fn once<T>(again: bool, told: &str, value: T) -> Result<T, Wrong> {
    if again { Err(wrong(format!("{told} stands there twice."))) } else { Ok(value) }
}

fn not_a_name(word: &str, of: &str) -> Wrong {
    let lower = word.to_ascii_lowercase();
    let next = (lower != word && lower.parse::<EnvironmentName>().is_ok()).then(|| format!("Write `{lower}`."));
    let rule = "at most 63 characters of a-z, 0-9, `-` and `_`, the first a letter or digit";
    Wrong::Usage(format!("{} is not the name of {of}: that has {rule}.", shown(word)), next)
}

fn sha(text: &str) -> Result<CommitSha, Wrong> {
    text.to_ascii_lowercase().parse().map_err(|_| {
        let short = text.len() < 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let why = if short { "a short one can be made to fit another commit" } else { "this is none" };
        let what = format!("`--sha` takes the full id of a commit, 40 characters; {why}: {}.", shown(text));
        Wrong::Usage(what, Some("Copy the id from the page of the commit.".to_owned()))
    })
}

fn until(text: &str) -> Result<Span, Wrong> {
    match text.parse::<Span>() {
        Ok(span) if span > Span::seconds(0) => Ok(span),
        _ => Err(wrong(format!("`--until` takes a length of time like 45m, 2h or 1d12h; {} is none.", shown(text)))),
    }
}

/// What a rollback goes to: a commit, a revision or release, a number of steps. Only its form is known here.
fn destination(text: &str) -> Result<String, Wrong> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/@-".contains(&byte);
    let starts = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let nowhere = !text.is_empty() && text.bytes().all(|byte| byte == b'0');
    if starts && text.len() <= 255 && text.bytes().all(allowed) && !nowhere {
        return Ok(text.to_owned());
    }
    let found = if text.is_empty() { "nothing follows".to_owned() } else { format!("{} is none", shown(text)) };
    Err(wrong(format!("`to` takes a commit, a release's name or a number of steps from 1; {found}.")))
}

fn unquotable(why: Unquotable, option: &str) -> Wrong {
    match why {
        Unquotable::NotClosed => wrong(format!("The quote after `{option}` is not closed.")),
        Unquotable::NotSeparated => wrong(format!("There must be a space after the closing quote of `{option}`.")),
    }
}

fn checked_reason(text: String, whose: &str) -> Result<String, Wrong> {
    if text.trim().is_empty() {
        return Err(wrong(format!("There is no text after {whose}.")));
    }
    if text.chars().count() > LONGEST_REASON {
        return Err(wrong(format!("A reason has at most {LONGEST_REASON} characters.")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
