//! An App's key pair, and whether a JSON web token was made with it.

use std::sync::OnceLock;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::reply::Millis;

/// The private key as GitHub hands it out, and the public one.
#[derive(Debug, Clone)]
pub(crate) struct AppKey {
    pub(crate) pem: String,
    public: Vec<u8>,
}

/// In PKCS #8 an RSA key of this size stands behind so many bytes that say what it is.
const PKCS8_PREFIX: usize = 26;

impl AppKey {
    /// A fresh pair; `None` only when the machine has no randomness.
    pub(crate) fn generate() -> Option<Self> {
        let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
        let der = pair.as_der().ok()?;
        let encoded = STANDARD.encode(der.as_ref().get(PKCS8_PREFIX..)?);
        let mut pem = "-----BEGIN RSA PRIVATE KEY-----\n".to_owned();
        for line in encoded.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END RSA PRIVATE KEY-----\n");
        Some(Self { pem, public: pair.public_key().as_ref().to_vec() })
    }

    /// The pair of every App that asks for no other: making one takes a while.
    pub(crate) fn shared() -> Option<Self> {
        static SHARED: OnceLock<Option<AppKey>> = OnceLock::new();
        SHARED.get_or_init(Self::generate).clone()
    }

    fn signed(&self, message: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.public).verify(message.as_bytes(), signature).is_ok()
    }
}

/// A token before anything in it is believed.
pub(crate) struct Jwt<'a> {
    message: &'a str,
    signature: Vec<u8>,
    algorithm: String,
    claims: Value,
}

/// Why a token is refused, in GitHub's words.
pub(crate) type Refusal = &'static str;

/// When it cannot be read, or is signed with another key.
pub(crate) const UNDECODABLE: Refusal = "A JSON web token could not be decoded";
const NO_EXPIRY: Refusal = "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires";
const TOO_LONG: Refusal = "'Expiration time' claim ('exp') is too far in the future";
const NOT_ISSUED: Refusal =
    "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued";

/// Clocks may differ by that much.
const LEEWAY: i64 = 60;
const LONGEST: i64 = 600;

impl<'a> Jwt<'a> {
    pub(crate) fn read(text: &'a str) -> Option<Self> {
        let (message, signature) = text.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let part = |text: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(text).ok()?).ok();
        Some(Self {
            message,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
            algorithm: part(header)?.get("alg")?.as_str()?.to_owned(),
            claims: part(claims)?,
        })
    }

    /// The App it claims to be from: its id or client id, as number or text.
    pub(crate) fn issuer(&self) -> Option<String> {
        match self.claims.get("iss")? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Whether this key signed it and its times are good now.
    pub(crate) fn check(&self, key: &AppKey, now: Millis) -> Result<(), Refusal> {
        if self.algorithm != "RS256" || !key.signed(self.message, &self.signature) {
            return Err(UNDECODABLE);
        }
        let now = i64::try_from(now / 1000).unwrap_or(i64::MAX);
        let claim = |name: &str| self.claims.get(name).and_then(Value::as_i64);
        let expires = claim("exp").ok_or(NO_EXPIRY)?;
        let issued = claim("iat").ok_or(NOT_ISSUED)?;
        if expires <= now {
            return Err(NO_EXPIRY);
        }
        if issued > now + LEEWAY {
            return Err(NOT_ISSUED);
        }
        if expires - now > LONGEST + LEEWAY || expires - issued > LONGEST + LEEWAY {
            return Err(TOO_LONG);
        }
        Ok(())
    }
}
