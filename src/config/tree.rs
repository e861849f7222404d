//! YAML text into a tree that remembers its lines.
//!
//! It reads YAML 1.2 and keeps every scalar as it is written: a number that is not a number to the
//! reader (`1.10`, `0123`) is not rounded on the way. What cannot mean one thing is refused here: a
//! key that stands twice, a second document, tags, merge keys, and anchors that multiply.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput};

/// The largest text that is read, in bytes.
pub(crate) const MOST_BYTES: usize = 1024 * 1024;
/// The most nodes a text may become, counting a repeated anchor each time.
const MOST_NODES: usize = 100_000;
/// The deepest nesting.
const MOST_DEEP: usize = 48;
/// The longest key, in bytes. Paths are made of keys, so this bounds them too.
const LONGEST_KEY: usize = 256;

/// What stops the reading as a whole. Everything found later is found beside other problems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unreadable {
    /// Code of the problem.
    pub(crate) code: &'static str,
    /// Line, from 1.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) what: String,
    /// What to do.
    pub(crate) next: String,
}

/// A value and the line it starts on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// From 1.
    pub(crate) line: usize,
    /// What stands there. Shared, so that a repeated anchor costs nothing.
    pub(crate) value: Rc<Value>,
}

/// What stands in a place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// A scalar, as written.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order it is written.
    Map(Vec<Entry>),
}

/// A scalar and what YAML 1.2 takes it for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scalar {
    /// As written, without quotes.
    pub(crate) text: String,
    /// What it is.
    pub(crate) sort: Sort,
}

/// What YAML 1.2 (core schema) takes a scalar for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Nothing, `null`, `~`.
    Null,
    /// `true`, `false`.
    Bool,
    /// A whole or broken number.
    Number,
    /// Everything else, and everything in quotes.
    Text,
}

/// One key of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: String,
    /// The key's line.
    pub(crate) line: usize,
    /// Its value.
    pub(crate) value: Node,
    /// The line of the first one, when the key has stood in this mapping before.
    pub(crate) first: Option<usize>,
}

enum Open {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, seen: HashMap<String, usize>, key: Option<(String, usize)> },
}

struct Builder {
    open: Vec<(Open, usize, usize)>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    root: Option<Node>,
}

/// Reads one document. `None` when there is none (nothing but comments).
pub(crate) fn read(text: &str) -> Result<Option<Node>, Unreadable> {
    if text.len() > MOST_BYTES {
        return Err(Unreadable {
            code: "too-large",
            line: 1,
            what: format!("The file has {} bytes; at most {MOST_BYTES} are read.", text.len()),
            next: "Check that this is the configuration and not something generated.".to_owned(),
        });
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder { open: Vec::new(), anchors: HashMap::new(), nodes: 0, root: None };
    let mut documents = 0_usize;
    for event in Parser::<StrInput>::new_from_str(text) {
        let (event, span) = event.map_err(|error| not_yaml(&error, text))?;
        let line = span.start.line().max(1);
        match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return Err(refuse(
                        "second-document",
                        line,
                        "A second document starts here.",
                        "Keep one document: remove this `---` and what follows.",
                    ));
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::Scalar(_, _, _, Some(tag))
            | Event::SequenceStart(_, Some(tag))
            | Event::MappingStart(_, Some(tag)) => {
                return Err(refuse(
                    "tag",
                    line,
                    format!("The tag `{}{}` has no meaning here.", shown(&tag.handle), shown(&tag.suffix)),
                    "Remove the tag.",
                ));
            }
            Event::Scalar(text, style, anchor, None) => builder.scalar(&text, style, anchor, line)?,
            Event::SequenceStart(anchor, None) => builder.enter(Open::List(Vec::new()), anchor, line)?,
            Event::MappingStart(anchor, None) => {
                builder.enter(Open::Map { entries: Vec::new(), seen: HashMap::new(), key: None }, anchor, line)?;
            }
            Event::SequenceEnd | Event::MappingEnd => builder.leave()?,
            Event::Alias(anchor) => builder.alias(anchor, line)?,
        }
    }
    Ok(builder.root)
}

impl Builder {
    fn count(&mut self, nodes: usize, line: usize) -> Result<(), Unreadable> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MOST_NODES {
            return Err(refuse(
                "too-many-values",
                line,
                format!("The file holds more than {MOST_NODES} values, repeated anchors counted."),
                "Write fewer, or fewer anchors inside anchors.",
            ));
        }
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, anchor: usize, line: usize) -> Result<(), Unreadable> {
        self.count(1, line)?;
        let sort = if style == ScalarStyle::Plain { sort(text) } else { Sort::Text };
        let node = Node { line, value: Rc::new(Value::Scalar(Scalar { text: text.to_owned(), sort })) };
        self.place(node, anchor, 1)
    }

    fn enter(&mut self, open: Open, anchor: usize, line: usize) -> Result<(), Unreadable> {
        self.count(1, line)?;
        if self.open.len() >= MOST_DEEP {
            return Err(refuse(
                "too-deep",
                line,
                format!("Values are nested more than {MOST_DEEP} deep here."),
                "Nothing in the configuration is that deep: check the brackets.",
            ));
        }
        if let Some((Open::Map { key: None, .. }, _, _)) = self.open.last() {
            return Err(not_text_key(line));
        }
        self.open.push((open, line, anchor));
        Ok(())
    }

    fn leave(&mut self) -> Result<(), Unreadable> {
        let (open, line, anchor) = self.open.pop().expect("the parser closes only what it opened");
        let value = match open {
            Open::List(items) => Value::List(items),
            Open::Map { entries, .. } => Value::Map(entries),
        };
        let node = Node { line, value: Rc::new(value) };
        // Only anchored values can come again, so only they are measured.
        let size = if anchor > 0 { size(&node) } else { 0 };
        self.place(node, anchor, size)
    }

    fn alias(&mut self, anchor: usize, line: usize) -> Result<(), Unreadable> {
        let (node, size) = self
            .anchors
            .get(&anchor)
            .cloned()
            .ok_or_else(|| refuse("anchor", line, "This anchor is used inside itself.", "Write the value out."))?;
        self.count(size, line)?;
        // The place of a repeated value is where it is used; what is inside keeps its own lines.
        self.place(Node { line, ..node }, 0, 0)
    }

    fn place(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), Unreadable> {
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some((Open::List(items), _, _)) => items.push(node),
            Some((Open::Map { entries, seen, key }, _, _)) => match key.take() {
                None => *key = Some((key_text(&node)?, node.line)),
                Some((key, line)) => {
                    let first = seen.get(&key).copied();
                    if first.is_none() {
                        seen.insert(key.clone(), line);
                    }
                    // The parser puts an absent value on the line after; it belongs to its key.
                    let node = if is_null(&node) { Node { line, ..node } } else { node };
                    entries.push(Entry { key, line, value: node, first });
                }
            },
        }
        Ok(())
    }
}

fn is_null(node: &Node) -> bool {
    matches!(&*node.value, Value::Scalar(scalar) if scalar.sort == Sort::Null)
}

fn key_text(node: &Node) -> Result<String, Unreadable> {
    let Value::Scalar(scalar) = &*node.value else { return Err(not_text_key(node.line)) };
    if scalar.text == "<<" && scalar.sort == Sort::Text {
        return Err(refuse(
            "merge-key",
            node.line,
            "The merge key `<<` is not part of YAML 1.2 and is not read.",
            "Repeat the whole value with an anchor (`&name`, `*name`), or write it out.",
        ));
    }
    if scalar.text.len() > LONGEST_KEY {
        return Err(refuse(
            "long-key",
            node.line,
            format!("A key has at most {LONGEST_KEY} bytes; this one has {}.", scalar.text.len()),
            "Check the quotes and colons of this line.",
        ));
    }
    Ok(scalar.text.clone())
}

fn not_text_key(line: usize) -> Unreadable {
    refuse(
        "key-not-text",
        line,
        "A key is a text, not a list or a mapping.",
        "Quote it if it begins with `[`, `{`, `*` or `?`.",
    )
}

fn size(node: &Node) -> usize {
    1 + match &*node.value {
        Value::Scalar(_) => 0,
        Value::List(items) => items.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|entry| size(&entry.value)).sum(),
    }
}

/// The YAML 1.2 core schema, section 10.3.2.
fn sort(text: &str) -> Sort {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Sort::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Sort::Bool,
        _ if is_number(text) => Sort::Number,
        _ => Sort::Text,
    }
}

fn is_number(text: &str) -> bool {
    let based = |digits: &str, radix: u32| !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    if let Some(digits) = text.strip_prefix("0o") {
        return based(digits, 8);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return based(digits, 16);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let (whole, broken) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let exponent_ok = exponent.is_none_or(|e| based(e.strip_prefix(['-', '+']).unwrap_or(e), 10));
    digits(whole) && digits(broken) && !(whole.is_empty() && broken.is_empty()) && exponent_ok
}

fn refuse(code: &'static str, line: usize, what: impl Into<String>, next: impl Into<String>) -> Unreadable {
    Unreadable { code, line, what: what.into(), next: next.into() }
}

fn not_yaml(error: &ScanError, text: &str) -> Unreadable {
    let lines = text.lines().count().max(1);
    let line = error.marker().line().clamp(1, lines);
    // The scanner often stops on the line after the one it dislikes.
    let tab = [line, line.saturating_sub(1)].into_iter().find(|number| {
        let content = text.lines().nth(number.wrapping_sub(1)).unwrap_or_default();
        content[..content.len() - content.trim_start().len()].contains('\t')
    });
    if let Some(line) = tab {
        return refuse("tab", line, "This line is indented with a tab, which YAML forbids.", "Indent with spaces.");
    }
    refuse(
        "not-yaml",
        line,
        format!("This is not YAML: {}.", shown(error.info()).trim_end_matches('.')),
        "Check the indentation, quotes and brackets of this line and the one before.",
    )
}

/// A piece of the input, short and without control characters, for a sentence.
pub(crate) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(60).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    short
}
