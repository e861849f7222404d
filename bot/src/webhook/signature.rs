//! Whether a body was signed with one of our secrets: HMAC with SHA-256 over the raw bytes, as
//! `X-Hub-Signature-256` carries it. The older SHA-1 header is not looked at.
//!
//! Invariants: nothing is interpreted that is not [`Verified`], and only [`Secrets::verify`] makes
//! one; comparison takes the same time whatever the guess; every secret is tried every time, so the
//! time does not tell which one was right.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// The header that carries the signature.
pub const HEADER: &str = "x-hub-signature-256";

/// The secrets that GitHub may sign with: one, or several while it is rotated. Never empty.
#[derive(Clone)]
pub struct Secrets(Vec<Hmac<Sha256>>);

/// The bytes of a body that GitHub signed.
#[derive(Debug, Clone, Copy)]
pub struct Verified<'a>(&'a [u8]);

/// The body is not from GitHub, or not whole. Says nothing more on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is missing or wrong")]
pub struct Unverified;

/// There was no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no webhook secret")]
pub struct NoSecret;

impl Secrets {
    /// Makes the keys ready.
    pub fn new(secrets: &[SecretString]) -> Result<Self, NoSecret> {
        let keyed: Result<Vec<_>, _> =
            secrets.iter().map(|secret| Hmac::new_from_slice(secret.expose_secret().as_bytes())).collect();
        match keyed {
            Ok(keyed) if !keyed.is_empty() && secrets.iter().all(|s| !s.expose_secret().is_empty()) => Ok(Self(keyed)),
            _ => Err(NoSecret),
        }
    }

    /// The body, if the header's value (`sha256=` and 64 hexadecimal digits) is its signature.
    pub fn verify<'a>(&self, body: &'a [u8], header: Option<&[u8]>) -> Result<Verified<'a>, Unverified> {
        let claimed = header.and_then(claimed).ok_or(Unverified)?;
        let mut right = 0_u8;
        for keyed in &self.0 {
            let signed = keyed.clone().chain_update(body).verify_slice(&claimed);
            right |= u8::from(signed.is_ok());
        }
        if right == 1 { Ok(Verified(body)) } else { Err(Unverified) }
    }
}

/// Counts only.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl<'a> Verified<'a> {
    /// The bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }
}

fn claimed(header: &[u8]) -> Option<[u8; 32]> {
    let mut claimed = [0; 32];
    hex::decode_to_slice(header.strip_prefix(b"sha256=")?, &mut claimed).ok()?;
    Some(claimed)
}

#[cfg(test)]
mod tests;
