//! Headers and bodies against the signature: a body is taken exactly when the header is its HMAC under
//! one of the secrets, whatever else the header looks like.
#![no_main]

use std::sync::LazyLock;

use hmac::{Hmac, KeyInit as _, Mac as _};
use libfuzzer_sys::fuzz_target;
use secrecy::SecretString;
use shipline_bot::webhook::signature::Secrets;

const KEYS: [&str; 2] = ["the new secret", "the old secret"];

static SECRETS: LazyLock<Secrets> =
    LazyLock::new(|| Secrets::new(&KEYS.map(SecretString::from)).expect("two are given"));

fn signed(key: &str, body: &[u8]) -> String {
    let mac = Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).expect("every length is a key").chain_update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

// The first byte says where the header ends.
fuzz_target!(|input: &[u8]| {
    let Some((length, rest)) = input.split_first() else { return };
    let (header, body) = rest.split_at(usize::from(*length).min(rest.len()));
    let right = KEYS.map(|key| signed(key, body));
    let same = |right: &String| right.as_bytes().eq_ignore_ascii_case(header) && header.starts_with(b"sha256=");
    assert_eq!(SECRETS.verify(body, Some(header)).is_ok(), right.iter().any(same));
    assert!(SECRETS.verify(body, None).is_err());
    for right in &right {
        assert_eq!(SECRETS.verify(body, Some(right.as_bytes())).map(|body| body.bytes()), Ok(body));
        // One bit is enough to refuse it: of the header, and of the body.
        let mut wrong = right.clone().into_bytes();
        let at = usize::from(*length) % wrong.len();
        wrong[at] ^= 1;
        assert!(SECRETS.verify(body, Some(&wrong)).is_err());
        if let Some(first) = body.first() {
            let other = [&[first ^ 1], &body[1..]].concat();
            assert!(SECRETS.verify(&other, Some(right.as_bytes())).is_err());
        }
    }
});
