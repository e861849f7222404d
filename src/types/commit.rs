//! Git object ids: the commit a release is made of, and the tree an image was built from.

use std::fmt;
use std::str::FromStr;

use super::text_form;

/// A text that is not a full commit id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a commit is its full id, 40 characters of 0-9 and a-f; {0:?} is not")]
pub struct InvalidCommitSha(String);

/// A text that is not a full tree id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a tree is its full id, 40 characters of 0-9 and a-f; {0:?} is not")]
pub struct InvalidTreeId(String);

/// A full commit id (SHA-1, 40 lower-case hexadecimal characters).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitSha([u8; 20]);

impl CommitSha {
    /// The first seven characters, as git and GitHub show it.
    pub fn short(&self) -> String {
        hex::encode(self.0).chars().take(7).collect()
    }
}

/// The id of a source tree: equal content has an equal id, whatever the commit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeId([u8; 20]);

fn twenty(text: &str) -> Option<[u8; 20]> {
    let lower = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let mut bytes = [0; 20];
    (lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

impl FromStr for CommitSha {
    type Err = InvalidCommitSha;
    fn from_str(text: &str) -> Result<Self, InvalidCommitSha> {
        twenty(text).map(Self).ok_or_else(|| InvalidCommitSha(text.to_owned()))
    }
}

impl FromStr for TreeId {
    type Err = InvalidTreeId;
    fn from_str(text: &str) -> Result<Self, InvalidTreeId> {
        twenty(text).map(Self).ok_or_else(|| InvalidTreeId(text.to_owned()))
    }
}

impl fmt::Display for CommitSha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Display for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

text_form!(CommitSha);
text_form!(TreeId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_forty_lower_case_hexadecimal_characters() {
        let text = "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678";
        let sha: CommitSha = text.parse().unwrap();
        assert_eq!(sha.to_string(), text);
        assert_eq!(sha.short(), "a1b2c3d");
        for bad in ["", "a1b2c3d", "A1B2C3D4E5F60718293A4B5C6D7E8F9012345678", "main", &"g".repeat(40)] {
            assert!(bad.parse::<CommitSha>().is_err(), "{bad:?} was accepted");
        }
    }
}
