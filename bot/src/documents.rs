//! Parts of the documentation that are made from the program: tests hold them equal.
//!
//! `UPDATE=1 cargo nextest run -p shipline-bot` rewrites them.

use std::fs;
use std::path::PathBuf;

/// The part of a page between `<!-- name:begin -->` and `<!-- name:end -->` is this text.
pub(crate) fn holds(page: &str, name: &str, text: &str) {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(page);
    let found = fs::read_to_string(&path).unwrap_or_else(|why| panic!("{page}: {why}"));
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let parts = found.split_once(&begin).and_then(|(head, rest)| Some((head, rest.split_once(&end)?.1)));
    let (head, tail) = parts.unwrap_or_else(|| panic!("{page} has no part {name}"));
    compare(page, &path, &found, &format!("{head}{begin}\n{}\n{end}{tail}", text.trim_end()));
}

/// The whole page is this text.
pub(crate) fn is(page: &str, text: &str) {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(page);
    compare(page, &path, &fs::read_to_string(&path).unwrap_or_default(), text);
}

#[expect(clippy::disallowed_methods, reason = "whether to rewrite is asked for with a variable")]
fn compare(page: &str, path: &PathBuf, found: &str, wanted: &str) {
    if found == wanted {
        return;
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, wanted).unwrap();
        return;
    }
    panic!("{page} is not what the program says; UPDATE=1 rewrites it");
}
