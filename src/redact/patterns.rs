//! Credentials that are known by their looks.
//!
//! Fixed beginnings are found in one pass; at each the rest is looked at by hand. A look either
//! takes what it has read, or gives up after a bounded or separately delimited piece: no text makes
//! it read the same characters again and again.
//!
//! A secret access key alone is forty letters like many others; it is found where its name stands
//! beside it.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// What a beginning may be the beginning of.
#[derive(Debug, Clone, Copy)]
enum Look {
    /// `AKIA…`, `ASIA…` (IAM user guide, "unique identifiers").
    AccessKeyId,
    /// A token with a prefix of its own: this many more characters at least.
    Token(usize),
    /// A JSON Web Token.
    Jwt,
    /// A PEM block with a private key.
    Pem,
    /// User and password of a URL.
    Url,
    /// The value of an `Authorization` header.
    Header,
    /// The value of something that is called a secret.
    Assigned,
}

const BEGINNINGS: &[(&str, Look)] = &[
    ("AKIA", Look::AccessKeyId),
    ("ASIA", Look::AccessKeyId),
    ("ghp_", Look::Token(20)),
    ("gho_", Look::Token(20)),
    ("ghu_", Look::Token(20)),
    ("ghs_", Look::Token(20)),
    ("ghr_", Look::Token(20)),
    ("github_pat_", Look::Token(20)),
    // `{"payload":"` and `AWS:eyJ` in base64: ECR's password, and its authorization token.
    ("eyJwYXlsb2FkIjoi", Look::Token(20)),
    ("QVdTOmV5S", Look::Token(20)),
    // How temporary credentials of AWS begin.
    ("IQoJb3JpZ2lu", Look::Token(40)),
    ("FwoGZXIvYXdz", Look::Token(40)),
    ("FQoGZXIvYXdz", Look::Token(40)),
    ("eyJ", Look::Jwt),
    ("-----BEGIN ", Look::Pem),
    ("://", Look::Url),
    ("authorization", Look::Header),
    ("secret_access_key", Look::Assigned),
    ("secretaccesskey", Look::Assigned),
    ("session_token", Look::Assigned),
    ("sessiontoken", Look::Assigned),
    ("security-token", Look::Assigned),
    ("x-amz-signature", Look::Assigned),
    ("authorizationtoken", Look::Assigned),
    ("password", Look::Assigned),
];

static SEARCH: LazyLock<AhoCorasick> = LazyLock::new(|| {
    let beginnings = BEGINNINGS.iter().map(|(beginning, _)| beginning);
    // Names of headers and settings come in every case; what must be exact is looked at again.
    let search = AhoCorasick::builder().ascii_case_insensitive(true).build(beginnings);
    search.expect("a few short beginnings make a small automaton")
});

/// Where credentials stand. Ranges may overlap.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    // How far each look has taken the text: it does not begin again inside of what it took.
    let mut taken = [0; BEGINNINGS.len()];
    for hit in SEARCH.find_overlapping_iter(text) {
        let which = hit.pattern().as_usize();
        let (beginning, look) = BEGINNINGS[which];
        if hit.start() < taken[which] {
            continue;
        }
        let exact = &text[hit.range()] == beginning;
        let range = match look {
            Look::AccessKeyId if exact => access_key_id(text, hit.start()),
            Look::Token(least) if exact => token(text, hit.start(), hit.end(), least),
            Look::Jwt if exact => jwt(text, hit.start()),
            Look::Pem if exact => pem(text, hit.start(), hit.end()),
            Look::Url => user_information(text, hit.end()),
            Look::Header => header(text, hit.start(), hit.end()),
            Look::Assigned => assigned(text, hit.end()),
            Look::AccessKeyId | Look::Token(_) | Look::Jwt | Look::Pem => None,
        };
        if let Some(range) = range {
            taken[which] = range.end;
            found.push(range);
        }
    }
    found
}

/// Whether a word may begin here.
fn begins(text: &str, start: usize) -> bool {
    !text[..start].ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// The end of the run of characters that pass.
fn run(text: &str, from: usize, pass: impl Fn(u8) -> bool) -> usize {
    from + text.as_bytes()[from..].iter().take_while(|byte| pass(**byte)).count()
}

fn access_key_id(text: &str, start: usize) -> Option<Range<usize>> {
    let most = (start + 128).min(text.len());
    let upper = |b: &&u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    let length = text.as_bytes()[start..most].iter().take_while(upper).count();
    (begins(text, start) && length >= 16).then(|| start..start + length)
}

fn token(text: &str, start: usize, after: usize, least: usize) -> Option<Range<usize>> {
    let end = run(text, after, |b| b.is_ascii_alphanumeric() || b"_-+/=.%".contains(&b));
    (begins(text, start) && end - after >= least).then_some(start..end)
}

fn jwt(text: &str, start: usize) -> Option<Range<usize>> {
    let segment = |from: usize| run(text, from, |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    // Inside of a segment it is no beginning, and every segment is read at most three times.
    if text[..start].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        return None;
    }
    let header = segment(start);
    let claims = segment(text[header..].strip_prefix('.').map(|_| header + 1)?);
    let signature = segment(text[claims..].strip_prefix('.').map(|_| claims + 1)?);
    (header - start >= 10 && claims - header >= 10).then_some(start..signature)
}

fn pem(text: &str, start: usize, after: usize) -> Option<Range<usize>> {
    let label = run(text, after, |b| b.is_ascii_uppercase() || b == b' ' || b.is_ascii_digit());
    if !text[after..label].ends_with("PRIVATE KEY") {
        return None;
    }
    // A block that was cut off is taken to the end: its key is as good as a whole one.
    let end = text[label..].find("-----END ").map_or(text.len(), |at| {
        let name = label + at + "-----END ".len();
        let name = run(text, name, |b| b.is_ascii_uppercase() || b == b' ' || b.is_ascii_digit());
        run(text, name, |b| b == b'-')
    });
    Some(start..end)
}

fn user_information(text: &str, after: usize) -> Option<Range<usize>> {
    let end = run(text, after, |b| !b.is_ascii_whitespace() && !b"/?#\"'<>`\\".contains(&b));
    let at = text[after..end].rfind('@')?;
    (at > 0).then(|| after..after + at)
}

/// Quotes and white space between a name and its value, as in `"name": "value"`. Bounded.
fn value_after(text: &str, mut at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let most = (at + 16).min(bytes.len());
    let skip = |mut at: usize| {
        while at < most && b" \t\"'\\".contains(&bytes[at]) {
            at += 1;
        }
        at
    };
    at = skip(at);
    if at >= most || !b":=>".contains(&bytes[at]) {
        return None;
    }
    Some(skip(at + 1))
}

fn header(text: &str, start: usize, after: usize) -> Option<Range<usize>> {
    let value = value_after(text, after)?;
    let quoted = |at: usize| text[..at].ends_with(['"', '\'']);
    let in_quotes = quoted(start) || quoted(value);
    let end = run(text, value, |b| b != b'\n' && b != b'\r' && !(in_quotes && (b == b'"' || b == b'\'')));
    (end > value).then_some(value..end)
}

fn assigned(text: &str, after: usize) -> Option<Range<usize>> {
    let value = value_after(text, after)?;
    let end = run(text, value, |b| !b.is_ascii_whitespace() && !b"\"'<>,;&`\\".contains(&b));
    (end - value >= 6).then_some(value..end)
}
