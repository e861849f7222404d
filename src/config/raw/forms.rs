//! Values of more than one form, and numbers with limits.

use serde_json::{Value as Json, json};

use super::super::read::{Raw, Reader};
use super::super::tree::{Node, Scalar, Sort, Value, shown};
use super::shape::{Book, Shape};

/// A scalar that is `A`, or something larger that is `B`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Either<A, B> {
    /// The short form.
    Short(A),
    /// The long form.
    Long(B),
}

impl<A: Raw, B: Raw> Raw for Either<A, B> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &*node.value {
            Value::Scalar(_) => A::read(node, reader).map(Self::Short),
            Value::List(_) | Value::Map(_) => B::read(node, reader).map(Self::Long),
        }
    }

    fn shape(book: &mut Book) -> Shape {
        let (short, long) = (A::shape(book), B::shape(book));
        Shape {
            schema: json!({ "anyOf": [short.schema, long.schema] }),
            called: format!("{}, or {}", short.called, long.called),
            example: short.example,
            note: [short.note, long.note].join(" ").trim().to_owned(),
        }
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole<const MIN: u32, const MAX: u32>(pub(crate) u32);

impl<const MIN: u32, const MAX: u32> Raw for Whole<MIN, MAX> {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let wanted = format!("a whole number from {MIN} to {MAX}");
        let Value::Scalar(Scalar { text, sort }) = &*node.value else {
            reader.wrong_type(node, &wanted, &MIN.to_string());
            return None;
        };
        match text.parse::<u32>() {
            Ok(number) if *sort == Sort::Number && (MIN..=MAX).contains(&number) => Some(Self(number)),
            Ok(number) if *sort == Sort::Text && (MIN..=MAX).contains(&number) => {
                let next = format!("Write `{number}`, without quotes.");
                reader.mistake(node.line, "wrong-type", format!("`{number}` in quotes is a text in YAML."), next);
                None
            }
            _ if *sort == Sort::Number => {
                let what = format!("`{}` is not {wanted}.", shown(text));
                reader.mistake(node.line, "invalid-value", what, format!("Write {wanted}."));
                None
            }
            _ => {
                reader.wrong_type(node, &wanted, &MIN.to_string());
                None
            }
        }
    }

    fn shape(_: &mut Book) -> Shape {
        let mut schema = json!({ "type": "integer", "minimum": MIN });
        if let (true, Json::Object(schema)) = (MAX != u32::MAX, &mut schema) {
            schema.insert("maximum".to_owned(), json!(MAX));
        }
        let to = if MAX == u32::MAX { " or more".to_owned() } else { format!(" to {MAX}") };
        Shape { schema, called: format!("whole number, {MIN}{to}"), example: MIN.to_string(), note: String::new() }
    }
}

/// The version of the format. Every number is read, so that a newer one can be told from a wrong one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version(pub(crate) u32);

impl Raw for Version {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        Whole::<0, { u32::MAX }>::read(node, reader).map(|number| Self(number.0))
    }

    fn shape(_: &mut Book) -> Shape {
        let example = "1".to_owned();
        Shape { schema: json!({ "const": 1 }), called: "`1`".to_owned(), example, note: String::new() }
    }
}
