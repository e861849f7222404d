//! What is published about the format: the JSON Schema and the reference page.
//!
//! Both are made from the tables in `raw` and committed; tests hold the committed files current.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use super::raw::Configuration;
use super::raw::shape::{Book, Need, Page};
use super::read::Raw as _;

fn book() -> Book {
    let mut book = Book::default();
    Configuration::shape(&mut book);
    book
}

/// The JSON Schema of the configuration, draft 2020-12: `shipline.schema.json`.
///
/// Everything it accepts by form is accepted by [`parse`](super::parse) by form; how values fit
/// together (names that exist, circles, ranges of times) only the parser knows.
pub fn json_schema() -> Json {
    let book = book();
    let mut pages = book.pages.iter();
    let root = pages.next().map_or_else(|| json!({}), Page::schema);
    let definitions: Map<String, Json> = pages.map(|page| (page.name.to_owned(), page.schema())).collect();
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("Shipline configuration"));
    if let Json::Object(root) = root {
        schema.extend(root);
    }
    if let Some(version) = schema.get_mut("properties").and_then(|p| p.get_mut("version")).and_then(Json::as_object_mut)
    {
        version.remove("minimum");
        version.remove("maximum");
        version.insert("const".to_owned(), json!(1));
    }
    schema.insert("$defs".to_owned(), Json::Object(definitions));
    Json::Object(schema)
}

/// The reference page: `docs/configuration.md`.
pub fn reference() -> String {
    let _ = (Need::Required, book().pages.len());
    let mut text = String::new();
    let _ = writeln!(text, "# Configuration");
    text
}
