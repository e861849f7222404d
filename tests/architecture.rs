//! The rules of this repository that a machine can check: layers, purity, sizes, generated files.
//!
//! `UPDATE=1 cargo test --test architecture` rewrites what is generated.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a broken rule ends the test")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use shipline::action::inputs::INPUTS;
use shipline::action::outputs::OUTPUTS;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else { return found };
    for entry in entries.map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files_below(&entry, extension));
        } else if entry.extension().is_some_and(|found| found == extension) {
            found.push(entry);
        }
    }
    found.sort();
    found
}

/// A source file with its path from the root and its text without tests.
struct Source {
    path: String,
    text: String,
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/") || path.ends_with("/simulated.rs")
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let mut all = Vec::new();
    for folder in folders {
        for file in files_below(&root().join(folder), "rs") {
            let path = file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            if is_test_file(&path) {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap().to_owned();
            all.push(Source { path, text: code });
        }
    }
    assert!(!all.is_empty());
    all
}

/// The module of the library a file belongs to: `targets` for `src/targets/ecs/mod.rs`.
fn module(path: &str) -> &str {
    let rest = path.strip_prefix("src/").unwrap();
    rest.split('/').next().unwrap().trim_end_matches(".rs")
}

/// A higher number may import a lower one, never the other way round.
fn layer(module: &str) -> usize {
    match module {
        "types" | "problem" | "redact" => 0,
        "rollout" | "config" | "report" => 1,
        "engine" => 2,
        "aws" | "process" => 3,
        "targets" | "metrics" | "image" | "github" | "notify" => 4,
        "cli" => 5,
        "action" => 6,
        "lib" | "main" => 7,
        other => panic!("the module {other} has no layer: give it one here and in ARCHITECTURE.md"),
    }
}

fn imports(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.split("//").next().unwrap())
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect())
        .collect()
}

#[test]
fn a_lower_layer_never_imports_a_higher_one() {
    let mut wrong = Vec::new();
    for source in sources(&["src"]) {
        let own = module(&source.path);
        for import in imports(&source.text).iter().filter(|import| !import.is_empty() && *import != own) {
            let adapters = layer(own) == 4 && layer(import) == 4;
            if layer(import) > layer(own) || adapters {
                wrong.push(format!("{} imports {import}", source.path));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_pure_core_has_no_clock_no_environment_no_async_and_no_sdk() {
    let banned = [
        "async fn",
        ".await",
        "tokio::",
        "std::env",
        "Instant::now",
        "Timestamp::now",
        "std::fs",
        "reqwest",
        "tracing::",
    ];
    for source in sources(&["src/rollout", "src/config", "src/report", "src/types"]) {
        for word in banned {
            assert!(!source.text.contains(word), "{} holds {word}", source.path);
        }
    }
}

#[test]
fn foreign_shapes_stop_at_the_door() {
    for source in sources(&["src/rollout", "src/config", "src/report", "src/types", "src/engine"]) {
        for word in ["aws_sdk", "aws_smithy", "octocrab", "sqlx"] {
            assert!(!source.text.contains(word), "{} holds {word}", source.path);
        }
    }
}

#[test]
fn foreign_shapes_of_the_bot_stop_at_its_own_doors() {
    for source in sources(&["bot/src"]) {
        for (word, door) in [("octocrab", "bot/src/github"), ("sqlx", "bot/src/store"), ("aws_sdk", "nowhere")] {
            let inside = source.path.starts_with(door) || source.path.starts_with("bot/src/setup");
            assert!(inside || !source.text.contains(&format!("{word}::")), "{} holds {word}", source.path);
        }
    }
}

#[test]
fn what_the_bot_says_parses_and_decides_is_pure() {
    let banned = ["async fn", ".await", "tokio::", "std::env", "Instant::now", "clock::", "std::fs", "reqwest"];
    let gathers = ["bot/src/decision/gather.rs", "bot/src/decision/recheck.rs"];
    let parser = ["parse", "parse/", "usage", "text", "lines", "written", "command."];
    let is_pure = |path: &str| {
        path.starts_with("bot/src/messages")
            || path.starts_with("bot/src/decision") && !gathers.contains(&path)
            || parser.iter().any(|name| path.starts_with(&format!("bot/src/commands/{name}")))
    };
    let pure: Vec<Source> = sources(&["bot/src"]).into_iter().filter(|source| is_pure(&source.path)).collect();
    assert!(pure.len() > 20, "{} files", pure.len());
    for source in pure {
        for word in banned {
            assert!(!source.text.contains(word), "{} holds {word}", source.path);
        }
    }
}

#[test]
fn a_handler_is_short() {
    for source in sources(&["bot/src/handlers"]) {
        let lines = source.text.lines().count();
        assert!(lines <= 80 || source.path.ends_with("mod.rs"), "{} has {lines} lines", source.path);
    }
}

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |database: &str| -> Vec<String> {
        let files = files_below(&root().join("bot/migrations").join(database), "sql");
        files.iter().map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    };
    assert!(!names("sqlite").is_empty());
    assert_eq!(names("sqlite"), names("postgres"));
}

#[test]
fn every_module_says_what_it_is_and_no_file_is_too_long() {
    let mut wrong = Vec::new();
    for source in sources(&["src", "bot/src"]) {
        if !source.text.starts_with("//!") {
            wrong.push(format!("{} does not open with //!", source.path));
        }
        let lines = source.text.lines().count();
        if lines > 400 {
            wrong.push(format!("{} has {lines} lines", source.path));
        }
        let name = Path::new(&source.path).file_stem().unwrap().to_str().unwrap();
        if ["util", "utils", "helper", "helpers", "common", "manager", "misc"].contains(&name) {
            wrong.push(format!("{} is named after nothing", source.path));
        }
    }
    let main = fs::read_to_string(root().join("src/main.rs")).unwrap();
    if main.lines().count() > 40 {
        wrong.push("src/main.rs has more than 40 lines".to_owned());
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_dependency_says_why_and_the_library_links_no_database() {
    for file in ["Cargo.toml", "bot/Cargo.toml", "tests/support/Cargo.toml"] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let mut inside = false;
        let mut previous = "";
        for line in text.lines() {
            if line.starts_with('[') {
                inside = line.contains("dependencies]");
            } else if inside && line.contains('=') && !line.starts_with('#') {
                assert!(previous.starts_with('#'), "{file}: no word why above {line}");
                if file == "Cargo.toml" {
                    for database in ["sqlx", "rusqlite", "postgres", "diesel"] {
                        assert!(!line.starts_with(database), "the library links {database}");
                    }
                }
            }
            previous = line;
        }
    }
}

#[test]
fn scripts_can_be_run() {
    use std::os::unix::fs::PermissionsExt as _;
    for script in ["scripts/demo", "scripts/test", "scripts/world", ".ci/run"] {
        let mode = fs::metadata(root().join(script)).unwrap().permissions().mode();
        assert_ne!(mode & 0o111, 0, "{script} has no run bit");
    }
}

/// Compares a file with what it should hold, or rewrites it with `UPDATE=1`.
fn current(file: &str, expected: &str) {
    let path = root().join(file);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, expected).unwrap();
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{file} is not current: run `UPDATE=1 cargo test --test architecture` and look at the change"
    );
}

/// The same for the part of a file between two marks.
fn current_part(file: &str, mark: &str, expected: &str) {
    let text = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let (begin, end) = (format!("<!-- {mark}:begin -->"), format!("<!-- {mark}:end -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{file} has no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{file} has no {end}"));
    current(file, &format!("{before}{begin}\n{expected}\n{end}{after}"));
}

/// A double-quoted YAML scalar.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[test]
fn action_yml_equals_the_tables_of_inputs_and_outputs() {
    let mut text = String::from(
        "# Generated from src/action/inputs.rs and src/action/outputs.rs; tests/architecture.rs keeps it current.\n\
         name: Shipline\n\
         description: Builds an image, puts it on ECS or App Runner, waits for the truth, rolls back by itself and says why.\n\
         author: The Shipline authors\n\
         branding:\n  icon: anchor\n  color: blue\n\
         inputs:\n",
    );
    for input in INPUTS {
        let _ =
            writeln!(text, "  {}:\n    description: {}\n    required: false", input.name, quoted(input.description));
        if let Some(default) = input.default {
            let _ = writeln!(text, "    default: {}", quoted(default));
        }
    }
    text.push_str("outputs:\n");
    for (name, description) in OUTPUTS {
        let _ = writeln!(text, "  {name}:\n    description: {}", quoted(description));
    }
    // The entry point of the image is the program itself: a shell would drop hyphenated INPUT_ names.
    text.push_str("runs:\n  using: docker\n  image: Dockerfile\n");
    current("action.yml", &text);
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[test]
fn the_tables_in_the_documentation_are_current() {
    let mut inputs = String::from("| input | default | |\n| --- | --- | --- |");
    for input in INPUTS {
        let default = input.default.map(|text| format!("`{}`", cell(text))).unwrap_or_default();
        let _ = write!(inputs, "\n| `{}` | {default} | {} |", input.name, cell(input.description));
    }
    current_part("docs/action.md", "inputs", &inputs);
    let mut outputs = String::from("| output | |\n| --- | --- |");
    for (name, description) in OUTPUTS {
        let _ = write!(outputs, "\n| `{name}` | {} |", cell(description));
    }
    current_part("docs/action.md", "outputs", &outputs);
    let help = shipline::cli::help();
    current_part("docs/commands.md", "help", &format!("```text\n{}\n```", help.trim_end()));
}
