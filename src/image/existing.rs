//! Images somebody else made: what a reference means now.

use super::ensure::revision;
use super::pipeline::Pipeline;
use super::registry::Name;
use crate::problem::Problem;
use crate::types::{CommitSha, ImageRef, PinnedImage};

/// How much is asked about an existing image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Its digest alone: no call at all for a reference that has one.
    Digest,
    /// Also the commit its `revision` label names: two calls more.
    Commit,
}

impl Pipeline {
    /// Binds a reference to its digest. A reference by tag costs one call (and one more or two for
    /// the commit); the tag stays in the result for people. No tag means `latest`, as for Docker.
    pub async fn resolve_existing(
        &self,
        image: &ImageRef,
        ask: Ask,
    ) -> Result<(PinnedImage, Option<CommitSha>), Problem> {
        if let (Some(digest), Ask::Digest) = (image.digest(), ask) {
            return Ok((image.pinned(digest), None));
        }
        let name = match (image.digest(), image.tag()) {
            (Some(digest), _) => Name::Digest(digest),
            (None, Some(tag)) => Name::Tag(tag.clone()),
            (None, None) => Name::Tag("latest".parse().expect("a constant tag")),
        };
        let registry = self.registry(image.registry());
        let Some(manifest) = registry.find_one(image, name).await? else {
            return Err(Problem::mistake(
                "image-missing",
                format!("There is no image {image}."),
                "Correct the tag or digest, or push the image; `aws ecr list-images` shows what is there.",
            ));
        };
        let commit = match ask {
            Ask::Digest => None,
            Ask::Commit => revision(&registry, image, &manifest).await?,
        };
        Ok((image.pinned(manifest.digest), commit))
    }
}
