//! The text of a file as GitHub's contents API answers it. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::request::read;
use crate::problem::Problem;

#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: String,
    encoding: Option<String>,
    content: Option<String>,
}

/// The text of `path`, from the answer about it. Folders, links to other repositories, binary files
/// and files that GitHub does not show (more than a megabyte) are problems.
pub fn file_text(path: &str, body: &str) -> Result<String, Problem> {
    let not_a_file = |why: &str| {
        Problem::mistake(
            "github-file",
            format!("`{path}` cannot be read from the repository: {why}"),
            "Name a text file of less than a megabyte.",
        )
    };
    if body.trim_start().starts_with('[') {
        return Err(not_a_file("it is a folder"));
    }
    let file: File = read("read a file", body)?;
    if file.kind != "file" || file.encoding.as_deref() != Some("base64") {
        return Err(not_a_file("it is not a file, or too large"));
    }
    let content: String = file.content.unwrap_or_default().split_whitespace().collect();
    let bytes = STANDARD.decode(content).map_err(|_| not_a_file("GitHub's answer is damaged"))?;
    String::from_utf8(bytes).map_err(|_| not_a_file("it is not text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_and_what_is_none_is_refused() {
        let body = r#"{"type":"file","encoding":"base64","size":6,"content":"SGVs\nbG8K\n"}"#;
        assert_eq!(file_text("a.txt", body).unwrap(), "Hello\n");
        let bad = [
            "[]",
            r#"{"type":"submodule"}"#,
            r#"{"type":"file","encoding":"none","content":""}"#,
            r#"{"type":"file","encoding":"base64","content":"/w=="}"#,
        ];
        for body in bad {
            assert_eq!(file_text("a", body).unwrap_err().code, "github-file", "{body}");
        }
    }
}
