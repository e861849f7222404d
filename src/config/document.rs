//! Other YAML files than the configuration, read as strictly: every value with its line, every
//! scalar as it is written, duplicates and alias bombs refused. What the values mean is the
//! caller's matter.

use super::tree::{self, Node, Scalar, Sort, Value};
use crate::problem::{Place, Problem};

/// A value and the line it begins on.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// From 1.
    pub number: usize,
    /// What stands there.
    pub content: Content,
}

/// What stands in a place.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Nothing, `null`, `~`.
    Nothing,
    /// A scalar, as written and without quotes.
    Text(String),
    /// A list.
    List(Vec<Line>),
    /// A mapping in the order it is written; no key stands twice.
    Map(Vec<(String, Line)>),
}

/// Reads a document. `file_name` is what the user calls the file; it is only told. Nothing when
/// the text holds nothing.
pub fn document(file_name: &str, text: &str) -> Result<Option<Line>, Problem> {
    let read = tree::read(text).map_err(|found| {
        let place = Place { file: file_name.to_owned(), line: Some(found.line), path: String::new() };
        Problem::mistake(found.code, found.what, found.next).at(place)
    })?;
    Ok(read.map(|node| line(&node)))
}

fn line(node: &Node) -> Line {
    let content = match &*node.value {
        Value::Scalar(Scalar { sort: Sort::Null, .. }) => Content::Nothing,
        Value::Scalar(Scalar { text, .. }) => Content::Text(text.clone()),
        Value::List(items) => Content::List(items.iter().map(line).collect()),
        Value::Map(entries) => {
            Content::Map(entries.iter().map(|entry| (entry.key.clone(), line(&entry.value))).collect())
        }
    };
    Line { number: node.line, content }
}
