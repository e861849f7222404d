//! What an operation answers: a document, or an error with the code, status
//! and message the provider documents.

use serde_json::Value;

/// An error answer of the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ApiError {
    /// HTTP status.
    pub(crate) status: u16,
    /// `__type` in JSON, `Code` in XML.
    pub(crate) code: String,
    /// Text for people.
    pub(crate) message: String,
}

impl ApiError {
    /// A fault of the caller: 400, as the JSON protocols answer nearly all.
    pub(crate) fn bad(code: &str, message: impl Into<String>) -> Self {
        Self::with(400, code, message)
    }

    /// An error with its own status.
    pub(crate) fn with(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }
}

/// The answer of a JSON operation.
pub(crate) type Answer = Result<Value, ApiError>;

/// Milliseconds since the epoch.
pub(crate) type Millis = u64;

/// An instant as the JSON protocols write it: seconds with a fraction.
pub(crate) fn seconds(at: Millis) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "instants stay far below 2^53 ms")]
    let seconds = at as f64 / 1000.0;
    Value::from(seconds)
}

/// An instant as the XML protocols and GitHub write it (RFC 3339, UTC, whole
/// seconds rounded down).
pub(crate) fn rfc3339(at: Millis) -> String {
    let at = i64::try_from(at / 1000).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(at).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// A text member of a request, absent and empty being the same.
pub(crate) fn text<'a>(body: &'a Value, member: &str) -> Option<&'a str> {
    body.get(member).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The texts of a list member of a request.
pub(crate) fn texts(body: &Value, member: &str) -> Vec<String> {
    let list = body.get(member).and_then(Value::as_array).cloned().unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A whole number member of a request.
pub(crate) fn number(body: &Value, member: &str) -> Option<i64> {
    body.get(member).and_then(Value::as_i64)
}

/// One page of a list and the token of the next: tokens are offsets.
pub(crate) fn page<T>(all: Vec<T>, token: Option<&str>, size: usize) -> (Vec<T>, Option<String>) {
    let from = token.and_then(|token| token.parse().ok()).unwrap_or(0_usize);
    let next = from + size;
    let more = (next < all.len()).then(|| next.to_string());
    (all.into_iter().skip(from).take(size).collect(), more)
}

/// Adds a member when there is a value for it.
pub(crate) fn put<V: Into<Value>>(document: &mut Value, member: &str, value: Option<V>) {
    if let (Some(document), Some(value)) = (document.as_object_mut(), value) {
        document.insert(member.to_owned(), value.into());
    }
}
