//! The image pipeline: from a commit to a digest in a registry.
//!
//! [`Pipeline`] is all that others use: [`Pipeline::ensure`] (find or build the image of a commit),
//! [`Pipeline::resolve_existing`] (bind a reference to a digest), [`Pipeline::promote`] (the same
//! digest elsewhere), [`Pipeline::scanned`] (what is known to be wrong with it). What it is not: it never decides what is deployed where.
//!
//! Invariants: what is returned is pinned by a digest the registry itself confirmed; a password is
//! masked before its first use and never an argument of a program; the user's own Docker
//! configuration is never written; an image is built at most once for the same source.

mod build;
mod engine;
mod ensure;
mod existing;
mod identity;
mod labels;
mod login;
mod pipeline;
mod platforms;
mod promote;
mod registry;
mod scan;
#[cfg(test)]
mod served;
mod source;
mod tags;

pub use ensure::{Built, How};
pub use existing::Ask;
pub use identity::SourceIdentity;
pub use login::Mask;
pub use pipeline::{Lines, Options, Pipeline};
pub use promote::Promoted;
pub use scan::{Finding, Scanned};
pub use source::{Context, Source, dockerfile, dockerignore};
pub use tags::{Origin, Tags, tags};
