//! The image pipeline: login, build, tags, push, promote by digest.

mod identity;
mod login;
mod registry;
mod source;
mod tags;

pub use identity::SourceIdentity;
pub use source::{Context, Source};
pub use tags::{Origin, Tags, tags};
