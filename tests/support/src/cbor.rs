//! The part of CBOR (RFC 8949) that Smithy's RPC v2 protocol uses, to and from JSON documents.
//!
//! Requests may carry definite and indefinite lengths; answers carry definite ones. An instant is
//! tag 1 over a number of seconds; which members are instants is the writer's to say.

use serde_json::{Map, Number, Value};

/// Reads one document; nothing when it is broken.
pub(crate) fn read(bytes: &[u8]) -> Option<Value> {
    let mut reader = Reader { bytes, at: 0 };
    let value = reader.value(0)?;
    (reader.at == bytes.len()).then_some(value)
}

/// Writes one document. Members whose name ends in `Timestamp`, and the items of those whose name
/// ends in `Timestamps`, are instants in seconds.
pub(crate) fn write(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    put(value, &mut out);
    out
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The argument of an item's head: a number or a length.
#[derive(Debug, Clone, Copy)]
enum Argument {
    Given(u64),
    Indefinite,
}

/// The break that ends an indefinite length.
const BREAK: u8 = 0xff;

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn take(&mut self, count: u64) -> Option<&[u8]> {
        let end = self.at.checked_add(usize::try_from(count).ok()?)?;
        let found = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(found)
    }

    /// The argument of an item's head.
    fn argument(&mut self, info: u8) -> Option<Argument> {
        let count = match info {
            0..=23 => return Some(Argument::Given(u64::from(info))),
            24..=27 => 1_u64 << (info - 24),
            31 => return Some(Argument::Indefinite),
            _ => return None,
        };
        let bytes = self.take(count)?;
        Some(Argument::Given(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))))
    }

    /// Whether a list or mapping of which so many were read has more.
    fn goes_on(&mut self, count: Argument, read: usize) -> bool {
        match count {
            Argument::Given(count) => (read as u64) < count,
            Argument::Indefinite => !self.ends(),
        }
    }

    fn ends(&mut self) -> bool {
        let ends = self.bytes.get(self.at) == Some(&BREAK);
        if ends {
            self.at += 1;
        }
        ends
    }

    fn value(&mut self, depth: u8) -> Option<Value> {
        if depth > 32 {
            return None;
        }
        let head = self.byte()?;
        let (major, info) = (head >> 5, head & 0x1f);
        if major == 7 {
            return self.simple(info);
        }
        let argument = self.argument(info)?;
        match (major, argument) {
            (0, Argument::Given(number)) => Some(Value::from(number)),
            (1, Argument::Given(number)) => Some(Value::from(-1 - i64::try_from(number).ok()?)),
            (2, Argument::Given(length)) => Some(Value::from(String::from_utf8_lossy(self.take(length)?).into_owned())),
            (3, Argument::Given(length)) => Some(Value::from(std::str::from_utf8(self.take(length)?).ok()?)),
            (2 | 3, Argument::Indefinite) => {
                let mut text = String::new();
                while !self.ends() {
                    text.push_str(self.value(depth + 1)?.as_str()?);
                }
                Some(Value::from(text))
            }
            (4, count) => {
                let mut items = Vec::new();
                while self.goes_on(count, items.len()) {
                    items.push(self.value(depth + 1)?);
                }
                Some(Value::from(items))
            }
            (5, count) => {
                let mut members = Map::new();
                while self.goes_on(count, members.len()) {
                    let Value::String(name) = self.value(depth + 1)? else { return None };
                    let value = self.value(depth + 1)?;
                    if members.insert(name, value).is_some() {
                        return None;
                    }
                }
                Some(Value::from(members))
            }
            (6, Argument::Given(_)) => self.value(depth + 1),
            _ => None,
        }
    }

    fn simple(&mut self, info: u8) -> Option<Value> {
        match info {
            20 => Some(Value::from(false)),
            21 => Some(Value::from(true)),
            22 | 23 => Some(Value::Null),
            26 => {
                let bytes: [u8; 4] = self.take(4)?.try_into().ok()?;
                Number::from_f64(f32::from_be_bytes(bytes).into()).map(Value::from)
            }
            27 => {
                let bytes: [u8; 8] = self.take(8)?.try_into().ok()?;
                Number::from_f64(f64::from_be_bytes(bytes)).map(Value::from)
            }
            _ => None,
        }
    }
}

fn head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    match u8::try_from(argument) {
        Ok(small @ 0..=23) => out.push(major | small),
        Ok(byte) => out.extend([major | 0x18, byte]),
        Err(_) => {
            out.push(major | 0x1b);
            out.extend(argument.to_be_bytes());
        }
    }
}

fn put_instant(seconds: &Value, out: &mut Vec<u8>) {
    head(6, 1, out);
    put(seconds, out);
}

fn put(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(value) => out.push(if *value { 0xf5 } else { 0xf4 }),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => head(0, number, out),
            (None, Some(number)) => head(1, number.unsigned_abs() - 1, out),
            (None, None) => {
                out.push(0xfb);
                out.extend(number.as_f64().unwrap_or_default().to_be_bytes());
            }
        },
        Value::String(text) => {
            head(3, text.len() as u64, out);
            out.extend(text.as_bytes());
        }
        Value::Array(items) => {
            head(4, items.len() as u64, out);
            for item in items {
                put(item, out);
            }
        }
        Value::Object(members) => {
            head(5, members.len() as u64, out);
            for (name, value) in members {
                put(&Value::from(name.as_str()), out);
                if let (true, Value::Array(instants)) = (name.ends_with("Timestamps"), value) {
                    head(4, instants.len() as u64, out);
                    for instant in instants {
                        put_instant(instant, out);
                    }
                } else if name.ends_with("Timestamp") {
                    put_instant(value, out);
                } else {
                    put(value, out);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Examples of RFC 8949, appendix A.
    #[test]
    fn the_examples_of_the_standard_are_read() {
        for (hex_text, value) in [
            ("1864", json!(100)),
            ("3903e7", json!(-1000)),
            ("fb3ff199999999999a", json!(1.1)),
            ("c1fb41d452d9ec200000", json!(1_363_896_240.5)),
            ("6449455446", json!("IETF")),
            ("8301820203820405", json!([1, [2, 3], [4, 5]])),
            ("bf61610161629f0203ffff", json!({"a": 1, "b": [2, 3]})),
            ("7f657374726561646d696e67ff", json!("streaming")),
        ] {
            assert_eq!(read(&hex::decode(hex_text).unwrap()), Some(value), "{hex_text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let document = json!({
            "Name": "a", "Count": 300, "Less": -7, "Value": 0.5, "On": true, "None": null,
            "StateUpdatedTimestamp": 1_700_000_000.25, "Timestamps": [1_700_000_000.5, 1_700_000_060], "List": [{"x": "y".repeat(300)}],
        });
        assert_eq!(read(&write(&document)), Some(document));
    }

    #[test]
    fn what_is_broken_is_nothing() {
        for text in ["", "61", "a161", "9f01", "ff", "0101", "1c"] {
            assert_eq!(read(&hex::decode(text).unwrap()), None, "{text}");
        }
    }
}
