//! Image digests, tags and references.
//!
//! Form follows the OCI distribution specification and the reference grammar of the Docker
//! command line. A reference here always names its registry: `docker.io` is never assumed, because
//! what is deployed must be the same wherever it is read.

use std::fmt;
use std::str::FromStr;

use super::{AccountId, CommitSha, Region, text_form};

/// Why a text is not a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDigest {
    /// Another algorithm, or none.
    #[error("an image digest starts with sha256:")]
    NotSha256,
    /// Not 64 lower-case hexadecimal characters.
    #[error("an image digest has 64 characters of 0-9 and a-f after sha256:")]
    NotHex,
}

/// A text that is not a tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a tag has at most 128 characters of A-Z a-z 0-9 _ . - and does not start with . or -; {0:?} is not one")]
pub struct InvalidTag(String);

/// Why a text is not an image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidImageRef {
    /// No registry host before the first `/`.
    #[error(
        "an image reference names its registry, as in 111122223333.dkr.ecr.us-east-1.amazonaws.com/app:tag; {0:?} does not"
    )]
    NoRegistry(String),
    /// The host has a character it cannot have.
    #[error("{0:?} is not a registry host")]
    Registry(String),
    /// The path has a character it cannot have.
    #[error("a repository is lower-case words joined by . _ - and /; {0:?} is not one")]
    Repository(String),
    /// The tag is wrong.
    #[error(transparent)]
    Tag(#[from] InvalidTag),
    /// The digest is wrong.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
}

/// The SHA-256 of an image manifest: what an image is, whatever it is called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageDigest([u8; 32]);

impl ImageDigest {
    /// The digest of these bytes (a manifest as the registry serves it).
    pub fn of(manifest: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(manifest).into())
    }

    /// `sha256:` and the first twelve characters, for tables.
    pub fn short(&self) -> String {
        self.to_string().chars().take(19).collect()
    }
}

/// A tag: a movable name of an image in its repository.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

impl Tag {
    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<CommitSha> for Tag {
    fn from(commit: CommitSha) -> Self {
        Self(commit.to_string())
    }
}

/// A registry's host, with its port if it has one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistryHost(String);

impl RegistryHost {
    /// The host as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Account and region when this is a private ECR registry
    /// (`<account>.dkr.ecr[-fips].<region>.amazonaws.com[.cn]`, AWS ECR user guide "Private registry").
    pub fn ecr(&self) -> Option<(AccountId, Region)> {
        let host = self.0.split(':').next()?;
        let rest = host.strip_suffix(".cn").unwrap_or(host).strip_suffix(".amazonaws.com")?;
        let mut parts = rest.split('.');
        let account = parts.next()?.parse().ok()?;
        let (Some("dkr"), Some("ecr" | "ecr-fips"), Some(region), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        Some((account, region.parse().ok()?))
    }

    /// The Docker Engine of this machine, in place of a registry.
    pub const ENGINE: &str = "local";

    /// Whether this is no registry but the Docker Engine of this machine: `local`. Its images were never
    /// pushed; their digest is the id the engine gives them.
    pub fn is_engine(&self) -> bool {
        self.0 == Self::ENGINE
    }

    /// The private ECR registry of an account in a region of the standard or China partition.
    pub fn of_ecr(account: &AccountId, region: &Region) -> Self {
        let suffix = if region.as_str().starts_with("cn-") { ".cn" } else { "" };
        Self(format!("{account}.dkr.ecr.{region}.amazonaws.com{suffix}"))
    }
}

/// A repository's path inside its registry: `pmis/api`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryPath(String);

impl RepositoryPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `host/path[:tag][@digest]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    registry: RegistryHost,
    repository: RepositoryPath,
    tag: Option<Tag>,
    digest: Option<ImageDigest>,
}

impl ImageRef {
    /// A repository without tag or digest.
    pub fn repository_of(registry: RegistryHost, repository: RepositoryPath) -> Self {
        Self { registry, repository, tag: None, digest: None }
    }

    /// The registry's host.
    pub fn registry(&self) -> &RegistryHost {
        &self.registry
    }

    /// The repository's path.
    pub fn repository(&self) -> &RepositoryPath {
        &self.repository
    }

    /// The tag, if one is written.
    pub fn tag(&self) -> Option<&Tag> {
        self.tag.as_ref()
    }

    /// The digest, if one is written.
    pub fn digest(&self) -> Option<ImageDigest> {
        self.digest
    }

    /// The same repository with this tag and no digest.
    #[must_use]
    pub fn with_tag(&self, tag: Tag) -> Self {
        Self { tag: Some(tag), digest: None, ..self.clone() }
    }

    /// The same reference bound to a digest; the tag stays for people.
    pub fn pinned(&self, digest: ImageDigest) -> PinnedImage {
        PinnedImage(Self { digest: Some(digest), ..self.clone() })
    }
}

/// A reference with a digest: the only thing that is ever deployed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PinnedImage(ImageRef);

impl PinnedImage {
    /// The digest.
    pub fn digest(&self) -> ImageDigest {
        self.0.digest.expect("a pinned image is only made with a digest")
    }

    /// The whole reference, tag included.
    pub fn reference(&self) -> &ImageRef {
        &self.0
    }

    /// What Docker finds the image by on its host: `host/path@digest`, or the id of an image that only
    /// this machine's engine has.
    pub fn for_docker(&self) -> String {
        if self.0.registry.is_engine() { self.digest().to_string() } else { self.by_digest() }
    }

    /// `host/path@digest`: the form written into task definitions, where a tag beside the digest
    /// would only look like it mattered.
    pub fn by_digest(&self) -> String {
        format!("{}/{}@{}", self.0.registry, self.0.repository, self.digest())
    }
}

/// A reference without a digest where one is needed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPinnedImage {
    /// Not a reference at all.
    #[error(transparent)]
    Reference(#[from] InvalidImageRef),
    /// A reference by tag.
    #[error("{0:?} has no digest")]
    NoDigest(String),
}

impl FromStr for ImageDigest {
    type Err = InvalidDigest;
    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        let text = text.strip_prefix("sha256:").ok_or(InvalidDigest::NotSha256)?;
        let lower = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let mut bytes = [0; 32];
        if lower && hex::decode_to_slice(text, &mut bytes).is_ok() {
            Ok(Self(bytes))
        } else {
            Err(InvalidDigest::NotHex)
        }
    }
}

impl FromStr for Tag {
    type Err = InvalidTag;
    fn from_str(text: &str) -> Result<Self, InvalidTag> {
        let first = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let rest = |b: u8| first(b) || b == b'.' || b == b'-';
        let ok = text.len() <= 128 && text.bytes().next().is_some_and(first) && text.bytes().all(rest);
        if ok { Ok(Self(text.to_owned())) } else { Err(InvalidTag(text.to_owned())) }
    }
}

impl FromStr for RegistryHost {
    type Err = InvalidImageRef;
    fn from_str(text: &str) -> Result<Self, InvalidImageRef> {
        let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
        let label = |l: &str| {
            !l.is_empty()
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !l.starts_with('-')
                && !l.ends_with('-')
        };
        let port_ok = port.is_none_or(|p| p.parse::<u16>().is_ok());
        if host.split('.').all(label) && port_ok {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(InvalidImageRef::Registry(text.to_owned()))
        }
    }
}

impl FromStr for RepositoryPath {
    type Err = InvalidImageRef;
    fn from_str(text: &str) -> Result<Self, InvalidImageRef> {
        let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let part = |p: &str| {
            p.bytes().next().is_some_and(alnum)
                && p.bytes().last().is_some_and(alnum)
                && p.bytes().all(|b| alnum(b) || b"._-".contains(&b))
        };
        if text.len() <= 255 && text.split('/').all(part) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidImageRef::Repository(text.to_owned()))
        }
    }
}

impl FromStr for ImageRef {
    type Err = InvalidImageRef;
    fn from_str(text: &str) -> Result<Self, InvalidImageRef> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse()?)),
            None => (text, None),
        };
        let (host, rest) = name.split_once('/').ok_or_else(|| InvalidImageRef::NoRegistry(text.to_owned()))?;
        // Docker's own rule for what is a host rather than a path on docker.io, and our word for no registry.
        if !(host.contains('.') || host.contains(':') || ["localhost", "local"].contains(&host)) {
            return Err(InvalidImageRef::NoRegistry(text.to_owned()));
        }
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag.parse()?)),
            None => (rest, None),
        };
        Ok(Self { registry: host.parse()?, repository: path.parse()?, tag, digest })
    }
}

impl FromStr for PinnedImage {
    type Err = InvalidPinnedImage;
    fn from_str(text: &str) -> Result<Self, InvalidPinnedImage> {
        let reference: ImageRef = text.parse()?;
        if reference.digest.is_some() {
            Ok(Self(reference))
        } else {
            Err(InvalidPinnedImage::NoDigest(text.to_owned()))
        }
    }
}

impl fmt::Display for ImageDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

macro_rules! plain_text {
    ($($type:ty),*) => { $(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )* };
}
plain_text!(Tag, RegistryHost, RepositoryPath);

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl fmt::Display for PinnedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text_form!(ImageDigest);
text_form!(Tag);
text_form!(RegistryHost);
text_form!(RepositoryPath);
text_form!(ImageRef);
text_form!(PinnedImage);

#[cfg(test)]
mod tests;
