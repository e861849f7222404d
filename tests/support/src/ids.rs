//! Identifiers that look like the provider's, from a counter: the same calls
//! give the same identifiers in every run.

use sha2::{Digest, Sha256};

/// Hands out identifiers; never the same twice.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    given: u64,
}

impl Ids {
    fn hash(&mut self) -> [u8; 32] {
        self.given += 1;
        Sha256::digest(self.given.to_be_bytes()).into()
    }

    /// 32 hexadecimal digits: ECS task ids, App Runner service ids.
    pub(crate) fn hex(&mut self) -> String {
        hex(&self.hash()[..16])
    }

    /// 19 decimal digits: legacy deployment ids, service revision ids.
    pub(crate) fn digits(&mut self) -> String {
        let bytes: [u8; 8] = self.hash()[..8].try_into().unwrap_or_default();
        format!("{:019}", u64::from_be_bytes(bytes) % 10_000_000_000_000_000_000)
    }

    /// 21 characters of `[A-Za-z0-9_-]`: service deployment ids.
    pub(crate) fn slug(&mut self) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
        self.hash()[..21].iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect()
    }

    /// A version 4 UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let raw = hex(&self.hash()[..16]);
        format!("{}-{}-4{}-a{}-{}", &raw[..8], &raw[8..12], &raw[13..16], &raw[17..20], &raw[20..])
    }

    /// A small number, counting up: GitHub ids.
    pub(crate) fn number(&mut self) -> u64 {
        self.given += 1;
        1_000_000 + self.given
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// `sha256:…` of some bytes, as registries name content.
pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(bytes)))
}
