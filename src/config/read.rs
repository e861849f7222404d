//! From the marked tree to raw values, noting every problem on the way and going on.
//!
//! [`Raw`] is implemented by everything a configuration is made of. One implementation says three
//! things: how it is read, which JSON Schema describes it, and how the reference page calls it;
//! so the three cannot drift apart.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde_json::{Value as Json, json};

use super::raw::shape::{Book, Shape};
use super::tree::{Node, Scalar, Sort, Value, shown};
use crate::problem::{Place, Problem};

/// A value with its place in the file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct At<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it stands.
    pub(crate) place: Place,
}

/// A value, where it stands, or nothing: absent, or already reported as wrong.
pub(crate) type Slot<T> = Option<At<T>>;

/// Something that can stand in a configuration.
pub(crate) trait Raw: Sized {
    /// Reads it. `None` when it is wrong, which has been reported.
    fn read(node: &Node, reader: &mut Reader) -> Option<Self>;
    /// What it is, for the schema and the reference.
    fn shape(book: &mut Book) -> Shape;
}

/// A scalar with a form of its own.
pub(crate) trait Written: FromStr<Err: Display> {
    /// What it is, in two or three words: `a length of time`.
    const WHAT: &'static str;
    /// An example of it, without quotes.
    const EXAMPLE: &'static str;
    /// A regular expression (ECMA 262) that every value matches; the parser may know more.
    const PATTERN: Option<&'static str>;
    /// What may stand there without quotes beside text.
    const BARE: Bare = Bare::Text;

    /// The next step for a wrong text that is wrong in a known way.
    fn hint(_text: &str) -> Option<String> {
        None
    }
}

/// Which unquoted scalars are taken as they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bare {
    /// Text only.
    Text,
    /// Text and numbers.
    Number,
    /// Text, numbers, `true` and `false`.
    Any,
}

/// Collects problems and knows the path it is at.
#[derive(Debug)]
pub(crate) struct Reader {
    file: String,
    path: String,
    problems: Vec<Problem>,
}

impl Reader {
    /// A reader of a file of this name.
    pub(crate) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), path: String::new(), problems: Vec::new() }
    }

    /// All problems, in the order of the file.
    pub(crate) fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| problem.place.as_ref().and_then(|place| place.line));
        self.problems
    }

    /// Notes a problem at a place.
    pub(crate) fn note(&mut self, place: &Place, problem: Problem) {
        self.problems.push(problem.at(place.clone()).see("docs/configuration.md"));
    }

    /// The place of a node at the current path.
    pub(crate) fn place(&self, line: usize) -> Place {
        Place { file: self.file.clone(), line: Some(line), path: self.path.clone() }
    }

    /// Notes a problem at a line of the current path.
    pub(crate) fn mistake(&mut self, line: usize, code: &str, what: impl Into<String>, next: impl Into<String>) {
        let place = self.place(line);
        self.note(&place, Problem::mistake(code, what, next));
    }

    /// Reads what stands under a key.
    pub(crate) fn within<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        if length > 0 && !key.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(&shown(key));
        let value = read(self);
        self.path.truncate(length);
        value
    }

    /// The value of a node, with its place.
    pub(crate) fn at<T: Raw>(&mut self, node: &Node) -> Slot<T> {
        let place = self.place(node.line);
        T::read(node, self).map(|value| At { value, place })
    }

    /// Says what was found instead of what was wanted.
    pub(crate) fn wrong_type(&mut self, node: &Node, wanted: &str, example: &str) {
        let (what, next) = match &*node.value {
            Value::Scalar(Scalar { sort: Sort::Null, .. }) => (
                format!("There is no value here; {wanted} is needed."),
                format!("Write a value, as in `{example}`, or remove the key."),
            ),
            found => (format!("Here is {}; {wanted} is needed.", name(found)), format!("Write it as in `{example}`.")),
        };
        self.mistake(node.line, "wrong-type", what, next);
    }
}

/// What a value is called in a sentence.
fn name(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "a list",
        Value::Map(_) => "a mapping",
        Value::Scalar(scalar) => match scalar.sort {
            Sort::Null => "nothing",
            Sort::Bool => "true or false",
            Sort::Number => "a number",
            Sort::Text => "a text",
        },
    }
}

/// The entries of a mapping, each key once.
pub(crate) fn entries<'n>(
    node: &'n Node,
    reader: &mut Reader,
    wanted: &str,
    example: &str,
) -> Option<Vec<&'n super::tree::Entry>> {
    let Value::Map(entries) = &*node.value else {
        reader.wrong_type(node, wanted, example);
        return None;
    };
    let mut once = Vec::with_capacity(entries.len());
    for entry in entries {
        match entry.first {
            None => once.push(entry),
            Some(first) => reader.within(&entry.key, |reader| {
                reader.mistake(
                    entry.line,
                    "duplicate-key",
                    format!("`{}` stands here a second time; the first is on line {first}.", shown(&entry.key)),
                    "Keep one of them.",
                );
            }),
        }
    }
    Some(once)
}

/// The nearest of the allowed words, if one is near.
pub(crate) fn nearest<'w>(wrong: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    if wrong.len() > 80 {
        return None;
    }
    let plain = |text: &str| text.to_lowercase().replace(['_', '-', ' '], "");
    let wrong = plain(wrong);
    let most = (wrong.chars().count() / 3).max(1);
    let distance = |word: &str| strsim::damerau_levenshtein(&wrong, &plain(word));
    let near = words.into_iter().map(|word| (distance(word), word)).filter(|(distance, word)| {
        *distance <= most || (wrong.len() >= 4 && (plain(word).starts_with(&wrong) || wrong.starts_with(&plain(word))))
    });
    near.min_by_key(|(distance, _)| *distance).map(|(_, word)| word)
}

/// `Did you mean …?` or the list to choose from.
pub(crate) fn choose<'w>(wrong: &str, words: impl IntoIterator<Item = &'w str> + Clone) -> String {
    if let Some(word) = nearest(wrong, words.clone()) {
        return format!("Did you mean `{word}`?");
    }
    let all: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match all.as_slice() {
        [] => "Nothing can stand here; remove it.".to_owned(),
        [one] => format!("Only {one} can stand here."),
        all => format!("One of these can stand here: {}.", all.join(", ")),
    }
}

impl<T: Written> Raw for T {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::Scalar(scalar) = &*node.value else {
            reader.wrong_type(node, T::WHAT, T::EXAMPLE);
            return None;
        };
        let bare = match scalar.sort {
            Sort::Text => true,
            Sort::Number => T::BARE != Bare::Text,
            Sort::Bool => T::BARE == Bare::Any,
            Sort::Null if T::BARE == Bare::Any => {
                reader.mistake(
                    node.line,
                    "no-value",
                    "There is no value here.",
                    "Write \"\" for an empty value, or remove the key.",
                );
                return None;
            }
            Sort::Null => false,
        };
        if !bare {
            return unquoted::<T>(node, scalar, reader);
        }
        match scalar.text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                invalid::<T>(node, &scalar.text, &error, reader);
                None
            }
        }
    }

    fn shape(_: &mut Book) -> Shape {
        let sorts = match T::BARE {
            Bare::Text => json!("string"),
            Bare::Number => json!(["string", "number"]),
            Bare::Any => json!(["string", "number", "boolean"]),
        };
        let mut schema = json!({ "type": sorts });
        if let (Some(pattern), Json::Object(schema)) = (T::PATTERN, &mut schema) {
            schema.insert("pattern".to_owned(), json!(pattern));
        }
        Shape { schema, called: T::WHAT.to_owned(), example: T::EXAMPLE.to_owned(), note: String::new() }
    }
}

/// A text that is not what it has to be. The error says what it is, and repeats the text only where
/// it cannot be a secret in the wrong place.
fn invalid<T: Written>(node: &Node, text: &str, error: &T::Err, reader: &mut Reader) {
    let next = T::hint(text).unwrap_or_else(|| format!("Write it as in `{}`.", T::EXAMPLE));
    reader.mistake(node.line, "invalid-value", as_sentence(error), next);
}

/// An error's text as a sentence of bearable length.
fn as_sentence(error: &impl Display) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first: String = letters.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    let mut sentence: String = first.chars().chain(letters.by_ref().take(250)).collect();
    sentence.push(if letters.next().is_some() { '…' } else { '.' });
    sentence
}

/// A scalar that YAML does not take for text, where text is needed.
fn unquoted<T: Written>(node: &Node, scalar: &Scalar, reader: &mut Reader) -> Option<T> {
    let text = shown(&scalar.text);
    let quoted_would_do = scalar.text.parse::<T>().is_ok();
    match scalar.sort {
        Sort::Number | Sort::Bool if quoted_would_do => {
            let found = if scalar.sort == Sort::Number { "a number" } else { "true or false" };
            reader.mistake(
                node.line,
                "not-quoted",
                format!("`{text}` without quotes is {found} in YAML, and {} is a text.", T::WHAT),
                format!("Write it in quotes: `\"{text}\"`."),
            );
        }
        Sort::Number => {
            if let Err(error) = scalar.text.parse::<T>() {
                invalid::<T>(node, &scalar.text, &error, reader);
            }
        }
        Sort::Bool | Sort::Null | Sort::Text => reader.wrong_type(node, T::WHAT, T::EXAMPLE),
    }
    None
}

impl Raw for bool {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &*node.value {
            Value::Scalar(Scalar { text, sort: Sort::Bool }) => Some(text.eq_ignore_ascii_case("true")),
            Value::Scalar(Scalar { text, sort: Sort::Text })
                if ["yes", "no", "on", "off", "y", "n", "true", "false"].contains(&text.to_lowercase().as_str()) =>
            {
                let yes = ["yes", "on", "y", "true"].contains(&text.to_lowercase().as_str());
                reader.mistake(
                    node.line,
                    "not-a-boolean",
                    format!("`{text}` is a text in YAML 1.2, not true or false."),
                    format!("Write `{yes}`, without quotes."),
                );
                None
            }
            _ => {
                reader.wrong_type(node, "true or false", "true");
                None
            }
        }
    }

    fn shape(_: &mut Book) -> Shape {
        Shape {
            schema: json!({ "type": "boolean" }),
            called: "true or false".to_owned(),
            example: "true".to_owned(),
            note: String::new(),
        }
    }
}

/// A wrong item is reported and leaves its place empty: what is right is still worth checking.
impl<T: Raw> Raw for Vec<Slot<T>> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::List(items) = &*node.value else {
            let example = T::shape(&mut Book::default()).example;
            reader.wrong_type(node, "a list", &format!("[{example}]"));
            return None;
        };
        let read = |(index, item): (usize, &Node)| reader.within(&format!("[{index}]"), |reader| reader.at(item));
        Some(items.iter().enumerate().map(read).collect())
    }

    fn shape(book: &mut Book) -> Shape {
        let item = T::shape(book);
        Shape {
            schema: json!({ "type": "array", "items": item.schema }),
            called: format!("list, each {}", item.called),
            example: format!("[{}]", item.example),
            note: item.note,
        }
    }
}

/// A wrong value is reported and leaves its key: others may refer to it.
impl<K: Written + Ord, T: Raw> Raw for BTreeMap<K, Slot<T>> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let example = format!("{}: …", K::EXAMPLE);
        let found = entries(node, reader, "a mapping", &example)?;
        let mut map = Self::new();
        for entry in found {
            reader.within(&entry.key, |reader| match entry.key.parse::<K>() {
                Ok(key) => {
                    let value = reader.at(&entry.value);
                    map.insert(key, value);
                }
                Err(error) => {
                    let next = format!("Rename it, as in `{}`.", K::EXAMPLE);
                    reader.mistake(entry.line, "invalid-name", as_sentence(&error), next);
                    // Whatever is wrong inside is told as well.
                    reader.at::<T>(&entry.value);
                }
            });
        }
        Some(map)
    }

    fn shape(book: &mut Book) -> Shape {
        let item = T::shape(book);
        let mut schema = json!({ "type": "object", "additionalProperties": item.schema });
        if let (Some(pattern), Json::Object(schema)) = (K::PATTERN, &mut schema) {
            schema.insert("propertyNames".to_owned(), json!({ "pattern": pattern }));
        }
        Shape {
            schema,
            called: format!("mapping of {} to {}", K::WHAT, item.called),
            example: format!("{{ {}: {} }}", K::EXAMPLE, item.example),
            note: item.note,
        }
    }
}
