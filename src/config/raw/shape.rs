//! How raw types are declared: one table gives the struct, its reading, its schema and its page.

use serde_json::{Map, Value as Json, json};

use super::super::read::{Raw, Reader, Slot, choose, entries};
use super::super::tree::{Entry, Node, Scalar, Sort, Value, shown};

/// What a value is: for machines, for the reference page, and by example.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// JSON Schema.
    pub(crate) schema: Json,
    /// In the reference: `text`, `list, each …`.
    pub(crate) called: String,
    /// One value as it stands in YAML.
    pub(crate) example: String,
    /// What its words mean; may be empty.
    pub(crate) note: String,
}

/// The mappings a configuration is made of, in the order they are met.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Finished and begun pages.
    pub(crate) pages: Vec<Page>,
}

/// One mapping: its keys and what they mean.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// The type's name.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) about: String,
    /// Example of the whole.
    pub(crate) example: &'static str,
    /// Its keys.
    pub(crate) fields: Vec<Field>,
    /// Keys of which exactly one stands.
    pub(crate) one_of: &'static [&'static str],
}

/// One key.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) key: &'static str,
    pub(crate) need: Need,
    pub(crate) about: String,
    pub(crate) default: Option<&'static str>,
    pub(crate) shape: Shape,
}

/// Whether a key must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// It must.
    Required,
    /// It may be left out.
    Optional,
    /// It is known, refused with its own words, and not advertised.
    Hidden,
}

impl Field {
    pub(crate) fn of<T: Raw>(
        book: &mut Book,
        key: &'static str,
        need: Need,
        about: &str,
        default: Option<&'static str>,
        example: Option<&'static str>,
    ) -> Self {
        let mut shape = T::shape(book);
        if let Some(example) = example {
            example.clone_into(&mut shape.example);
        }
        Self { key, need, about: about.trim().to_owned(), default, shape }
    }

    fn schema(&self) -> Json {
        let mut schema = match &self.shape.schema {
            Json::Object(schema) => schema.clone(),
            _ => Map::new(),
        };
        schema.insert("description".to_owned(), json!(self.meaning()));
        Json::Object(schema)
    }

    /// What the key means, with its words and its default.
    pub(crate) fn meaning(&self) -> String {
        let mut meaning = self.about.clone();
        if !self.shape.note.is_empty() {
            meaning.push(' ');
            meaning.push_str(&self.shape.note);
        }
        if let Some(default) = self.default {
            meaning.push_str(&format!(" Default: {default}."));
        }
        meaning
    }
}

impl Page {
    /// The mapping as JSON Schema.
    pub(crate) fn schema(&self) -> Json {
        let properties: Map<String, Json> = self.fields.iter().map(|f| (f.key.to_owned(), f.schema())).collect();
        let required: Vec<&str> = self.fields.iter().filter(|f| f.need == Need::Required).map(|f| f.key).collect();
        let mut schema = Map::new();
        schema.insert("type".to_owned(), json!("object"));
        schema.insert("description".to_owned(), json!(self.about));
        schema.insert("properties".to_owned(), Json::Object(properties));
        schema.insert("additionalProperties".to_owned(), json!(false));
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
        if !self.one_of.is_empty() {
            let one: Vec<Json> = self.one_of.iter().map(|key| json!({ "required": [key] })).collect();
            schema.insert("oneOf".to_owned(), json!(one));
        }
        Json::Object(schema)
    }
}

impl Book {
    /// The shape of a mapping, entered once.
    pub(crate) fn enter(
        &mut self,
        name: &'static str,
        about: &str,
        example: &'static str,
        one_of: &'static [&'static str],
        fields: impl FnOnce(&mut Self) -> Vec<Field>,
    ) -> Shape {
        if !self.pages.iter().any(|page| page.name == name) {
            let index = self.pages.len();
            let about = about.trim().to_owned();
            self.pages.push(Page { name, about, example, fields: Vec::new(), one_of });
            let fields = fields(self);
            self.pages[index].fields = fields.into_iter().filter(|field| field.need != Need::Hidden).collect();
        }
        Shape {
            schema: json!({ "$ref": format!("#/$defs/{name}") }),
            called: format!("[{name}](#{})", name.to_lowercase()),
            example: example.to_owned(),
            note: String::new(),
        }
    }
}

/// The keys of one mapping while it is read.
pub(crate) struct Found<'n> {
    entries: Vec<&'n Entry>,
}

impl<'n> Found<'n> {
    /// Opens a mapping: unknown keys, missing keys and too many of "exactly one" are reported here.
    pub(crate) fn open(
        node: &'n Node,
        reader: &mut Reader,
        about: &str,
        example: &str,
        keys: &[(&'static str, Need)],
        one_of: &[&'static str],
    ) -> Option<Self> {
        let entries = entries(node, reader, &format!("a mapping ({})", sentence(about)), example)?;
        for entry in &entries {
            if !keys.iter().any(|(key, _)| *key == entry.key) {
                let next =
                    choose(&entry.key, keys.iter().filter(|(_, need)| *need != Need::Hidden).map(|(key, _)| *key));
                let what = format!("`{}` is not a key that is known here.", shown(&entry.key));
                reader.within(&entry.key, |reader| reader.mistake(entry.line, "unknown-key", what, next));
            }
        }
        let has = |key: &str| entries.iter().any(|entry| entry.key == key);
        for (key, need) in keys {
            if *need == Need::Required && !has(key) {
                let next = format!("Add it, as in `{example}`.");
                reader.within(key, |reader| {
                    reader.mistake(node.line, "missing-key", format!("`{key}` is missing."), next);
                });
            }
        }
        let refused = keys.iter().any(|(key, need)| *need == Need::Hidden && has(key));
        let present: Vec<&str> = one_of.iter().copied().filter(|key| has(key)).collect();
        if !one_of.is_empty() && present.len() != 1 && !refused {
            let all: Vec<String> = one_of.iter().map(|key| format!("`{key}`")).collect();
            let (code, what) = if present.is_empty() {
                ("missing-key", format!("One of {} is missing.", all.join(", ")))
            } else {
                ("too-many-keys", format!("Only one of {} can stand here.", all.join(", ")))
            };
            reader.mistake(node.line, code, what, format!("Keep exactly one, as in `{example}`."));
        }
        Some(Self { entries })
    }

    /// The value of a key, if it is there and right.
    pub(crate) fn take<T: Raw>(&self, reader: &mut Reader, key: &str) -> Slot<T> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        reader.within(key, |reader| reader.at(&entry.value))
    }
}

/// The first sentence of a description, without its full stop.
fn sentence(about: &str) -> &str {
    let about = about.trim();
    let end = about.find(['.', ':', ';']).unwrap_or(about.len());
    &about[..end]
}

/// A word out of a list.
pub(crate) fn word<'w>(
    node: &Node,
    reader: &mut Reader,
    what: &str,
    words: &'w [&'static str],
) -> Option<&'w &'static str> {
    let Value::Scalar(scalar) = &*node.value else {
        reader.wrong_type(node, what, words.first().unwrap_or(&""));
        return None;
    };
    if scalar.sort == Sort::Null {
        reader.wrong_type(node, what, words.first().unwrap_or(&""));
        return None;
    }
    let found = words.iter().find(|word| **word == scalar.text);
    if found.is_none() {
        let what = format!("`{}` is not {what}.", shown(&scalar.text));
        reader.mistake(node.line, "invalid-value", what, choose(&scalar.text, words.iter().copied()));
    }
    found
}

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
        let to = if MAX == u32::MAX { String::new() } else { format!(" to {MAX}") };
        Shape { schema, called: format!("whole number, {MIN}{to}"), example: MIN.to_string(), note: String::new() }
    }
}

/// Declares a mapping: `required` and `optional` keys with their types and documentation.
macro_rules! record {
    (
        $(#[doc = $about:literal])+
        $name:ident = $whole:literal $(, one of [$($one:literal),+])? {
            $(
                $(#[doc = $doc:literal])+
                $need:ident $key:literal $field:ident: $type:ty
                    $(, default $default:literal)? $(, example $example:literal)?;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) struct $name {
            $( $(#[doc = $doc])+ pub(crate) $field: $crate::config::read::Slot<$type>, )+
        }

        impl $crate::config::read::Raw for $name {
            fn read(
                node: &$crate::config::tree::Node,
                reader: &mut $crate::config::read::Reader,
            ) -> Option<Self> {
                let keys = [$(($key, $crate::config::raw::shape::need!($need)),)+];
                let one_of: &[&'static str] = &[$($($one),+)?];
                let about = concat!($($about),+);
                let found = $crate::config::raw::shape::Found::open(node, reader, about, $whole, &keys, one_of)?;
                Some(Self { $( $field: found.take(reader, $key), )+ })
            }

            fn shape(
                book: &mut $crate::config::raw::shape::Book,
            ) -> $crate::config::raw::shape::Shape {
                let about = concat!($($about),+);
                book.enter(stringify!($name), about, $whole, &[$($($one),+)?], |book| vec![$(
                    $crate::config::raw::shape::Field::of::<$type>(
                        book,
                        $key,
                        $crate::config::raw::shape::need!($need),
                        concat!($($doc),+),
                        $crate::config::raw::shape::maybe!($($default)?),
                        $crate::config::raw::shape::maybe!($($example)?),
                    ),
                )+])
            }
        }
    };
}

/// Declares a choice of words.
macro_rules! words {
    (
        $(#[doc = $about:literal])+
        $name:ident = $what:literal {
            $( $(#[doc = $doc:literal])+ $variant:ident = $word:literal, )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name {
            $( $(#[doc = $doc])+ $variant, )+
        }

        impl $crate::config::read::Raw for $name {
            fn read(
                node: &$crate::config::tree::Node,
                reader: &mut $crate::config::read::Reader,
            ) -> Option<Self> {
                match *$crate::config::raw::shape::word(node, reader, $what, &[$($word),+])? {
                    $( $word => Some(Self::$variant), )+
                    _ => None,
                }
            }

            fn shape(
                _: &mut $crate::config::raw::shape::Book,
            ) -> $crate::config::raw::shape::Shape {
                let words = [$($word),+];
                let meanings = [$(($word, concat!($($doc),+).trim())),+];
                $crate::config::raw::shape::words_shape(&words, &meanings)
            }
        }
    };
}

macro_rules! need {
    (required) => {
        $crate::config::raw::shape::Need::Required
    };
    (optional) => {
        $crate::config::raw::shape::Need::Optional
    };
    (hidden) => {
        $crate::config::raw::shape::Need::Hidden
    };
}

macro_rules! maybe {
    () => {
        None
    };
    ($value:literal) => {
        Some($value)
    };
}

/// The shape of a choice of words.
pub(crate) fn words_shape(words: &[&str], meanings: &[(&str, &str)]) -> Shape {
    let told: Vec<String> =
        meanings.iter().map(|(word, meaning)| format!("`{word}`: {}", meaning.trim_end_matches('.'))).collect();
    Shape {
        schema: json!({ "enum": words }),
        note: format!("{}.", told.join("; ")),
        called: words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or "),
        example: words.first().copied().unwrap_or_default().to_owned(),
    }
}

pub(crate) use {maybe, need, record, words};
