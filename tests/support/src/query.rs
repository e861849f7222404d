//! The Query protocol's request form: `a=b&c=d`, percent-encoded.

use std::collections::BTreeMap;

/// Decoded form fields, in name order.
pub(crate) type Form = BTreeMap<String, String>;

/// Decodes a form or a query string; broken escapes stay as they are.
pub(crate) fn parse(text: &str) -> Form {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// Decodes one name or value.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (escaped, first) {
            (Some(byte), _) => {
                bytes.push(byte);
                rest = &tail[2..];
                continue;
            }
            (None, b'+') => bytes.push(b' '),
            (None, other) => bytes.push(other),
        }
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Escapes text for XML.
pub(crate) fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_and_plus_signs_are_decoded() {
        let form = parse("Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam&x=a+b&y=100%&z");
        assert_eq!(form["RoleArn"], "arn:aws:iam");
        assert_eq!(form["x"], "a b");
        assert_eq!(form["y"], "100%");
        assert_eq!(form["z"], "");
    }
}
