//! The forms in which a secret turns up when somebody else prints it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Base64 (at every alignment inside a longer text), hexadecimal, URL and JSON forms.
pub(super) fn of(value: &str) -> Vec<String> {
    let mut forms = base64(value.as_bytes());
    forms.push(hex::encode(value));
    forms.push(hex::encode_upper(value));
    for plain in ["-._~", "-._~!'()*", "-._*"] {
        for space in ["%20", "+"] {
            let upper = percent(value, plain, space);
            forms.push(lower_hex(&upper));
            forms.push(upper);
        }
    }
    let once = json(value);
    forms.push(json(&once));
    forms.push(once.replace('/', "\\/"));
    forms.push(ascii_json(&once, HexCase::Lower));
    forms.push(ascii_json(&once, HexCase::Upper));
    forms.push(once);
    forms
}

/// The characters of base64 that depend on this value alone, for each place it can have in a group
/// of three bytes: `Basic` credentials are the base64 of `user:password`.
fn base64(value: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for (before, skip) in [(0, 0), (1, 2), (2, 3)] {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(value);
        let own = bytes.len() * 8 / 6;
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let text = engine.encode(&bytes);
            if let Some(part) = text.get(skip..own) {
                forms.push(part.to_owned());
            }
        }
    }
    forms
}

/// Percent-encoding; encoders differ in what they leave plain and in how they write a space.
fn percent(value: &str, plain: &str, space: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        if byte == b' ' {
            text.push_str(space);
        } else if byte.is_ascii_alphanumeric() || plain.as_bytes().contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// The same percent-encoding with `%2f` for `%2F`.
fn lower_hex(text: &str) -> String {
    let mut digits = 0;
    text.chars()
        .map(|c| {
            if c == '%' {
                digits = 2;
                c
            } else if digits > 0 {
                digits -= 1;
                c.to_ascii_lowercase()
            } else {
                c
            }
        })
        .collect()
}

/// As inside of a JSON string.
fn json(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

#[derive(Clone, Copy)]
enum HexCase {
    Lower,
    Upper,
}

/// JSON of encoders that write everything beyond ASCII as `\uXXXX`.
fn ascii_json(json: &str, case: HexCase) -> String {
    let mut text = String::new();
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = match case {
                HexCase::Lower => write!(text, "\\u{unit:04x}"),
                HexCase::Upper => write!(text, "\\u{unit:04X}"),
            };
        }
    }
    text
}
