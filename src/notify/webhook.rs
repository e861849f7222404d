//! A webhook of the user's own: the message as JSON, signed.
//!
//! `X-Shipline-Signature-256` is `sha256=` and the HMAC with SHA-256, in hexadecimal digits, of
//! `X-Shipline-Timestamp`, a full stop, and the body as it was sent. A receiver that refuses old
//! timestamps cannot be given a message twice; the id is the same for every try of one message.

use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use super::post::{Address, Post};
use super::{Message, NotTold};
use crate::engine::clock;

pub(super) async fn tell(
    post: &Post,
    to: &Address,
    key: Option<&SecretString>,
    message: &Message,
) -> Result<(), NotTold> {
    let body = message.document().to_string();
    let sent = clock::now().as_second().to_string();
    let mut said = vec![
        ("x-shipline-event", message.occasion.word().to_owned()),
        ("x-shipline-delivery", message.id.clone()),
        ("x-shipline-timestamp", sent.clone()),
    ];
    if let Some(key) = key {
        said.push(("x-shipline-signature-256", signature(key, &sent, &body)));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in said {
        let value = HeaderValue::from_str(&value).map_err(|error| NotTold::Certainly(error.to_string()))?;
        headers.insert(HeaderName::from_static(name), value);
    }
    post.send(to, headers, body.into_bytes()).await
}

fn signature(key: &SecretString, sent: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()).expect("HMAC takes keys of any length");
    let signed = mac.chain_update(sent).chain_update(".").chain_update(body).finalize();
    format!("sha256={}", hex::encode(signed.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '1700000000.{}' | openssl dgst -sha256 -hmac Jefe`.
    #[test]
    fn a_signature_is_what_openssl_says() {
        assert_eq!(
            signature(&SecretString::from("Jefe"), "1700000000", "{}"),
            "sha256=d3793e2b4103edfbd98cc19591832f5fad701d413db9fcae0ae7dab8184ed207"
        );
    }
}
