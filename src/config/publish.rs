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
    schema.insert("$defs".to_owned(), Json::Object(definitions));
    Json::Object(schema)
}

/// The reference page: `docs/configuration.md`.
pub fn reference() -> String {
    let mut text = String::from(INTRODUCTION);
    for page in &book().pages {
        let about = &page.about;
        let _ = write!(text, "\n## {}\n\n{about}\n\n", page.name);
        if !page.one_of.is_empty() {
            let keys: Vec<String> = page.one_of.iter().map(|key| format!("`{key}`")).collect();
            let _ = write!(text, "Exactly one of {} stands here.\n\n", keys.join(", "));
        }
        text.push_str("| key | type | meaning | example |\n| --- | --- | --- | --- |\n");
        for field in &page.fields {
            let need = if field.need == Need::Required { " **Required.**" } else { "" };
            let example = format!("{}: {}", field.key, field.shape.example);
            let _ = writeln!(
                text,
                "| `{}` | {} | {}{need} | `{}` |",
                field.key,
                cell(&field.shape.called),
                cell(&field.meaning()),
                cell(&example),
            );
        }
    }
    text
}

/// Text that stays inside its cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

const INTRODUCTION: &str = r#"# Configuration

`.github/shipline.yml` says what can be deployed, where it runs, and what must hold. A single service needs no file:
every value has an action input of the same name.

- The file is YAML 1.2, at most 1 MiB, one document. The first line names the schema, so that
  editors complete and check: `shipline.schema.json` of this repository, or its address.
- `shipline check` reports all problems at once, each with line, path and fix. Unknown keys are problems.
- Lengths of time are written `45s`, `30m`, `1h30m`, `2d`. Paths are relative to the repository and stay inside it.
- Texts that YAML takes for numbers need quotes: account ids and versions above all. The values of environment
  variables, labels, build arguments and log options do not: `PORT: 8080` means `"8080"`, exactly as it is written. An
  empty value is `""`.
- Anchors (`&name`, `*name`) work; merge keys (`<<`) are not part of YAML 1.2.
- Rules about people and comments (`checks`, `reviews`, `approvals`, `access`, `queue`, `pull-requests`) are held by
  the bot; a run without it says that it does not ask for them. No rule is ever ignored in silence.

```yaml
# yaml-language-server: $schema=../shipline.schema.json
version: 1
services:
  api:
    image: { repository: pmis/api, context: apps/api }
environments:
  staging:
    aws: { region: us-east-1, role: arn:aws:iam::111122223333:role/shipline-staging }
    deploy-on-push: main
    services:
      api: { ecs: { cluster: pmis-staging, service: api, container: api } }
    verify: [{ http: "https://staging.example.com/health" }]
```

This page is made from the tables the file is read with. To change it, change `src/config/raw` and run its test with
`UPDATE=1`.
"#;
