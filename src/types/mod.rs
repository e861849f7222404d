//! Names, ids and references that cannot be wrong once they exist.
//!
//! Every type here has a private field, one fallible constructor (`FromStr`), a `Display` that is
//! its inverse, and serde through both. Nothing here knows a provider, a file or a clock.

mod arn;
mod commit;
mod image;
mod name;
mod percent;
mod span;

pub use arn::{AccountId, InvalidAccountId, InvalidRegion, InvalidRoleArn, Region, RoleArn};
pub use commit::{CommitSha, InvalidCommitSha, InvalidTreeId, TreeId};
pub use image::{
    ImageDigest, ImageRef, InvalidDigest, InvalidImageRef, InvalidTag, PinnedImage, RegistryHost, RepositoryPath, Tag,
};
pub use jiff::Timestamp;
pub use name::{EnvironmentName, InvalidName, ServiceName};
pub use percent::{InvalidPercent, Percent};
pub use span::{InvalidSpan, Span};

/// Serde, `Debug` and conversions for a type whose text form is `Display` and `FromStr`.
macro_rules! text_form {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({})", stringify!($type), self)
            }
        }
    };
}
pub(crate) use text_form;
