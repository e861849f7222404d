//! Images somebody else made: what a reference means now.

use super::ensure::revision;
use super::pipeline::Pipeline;
use super::registry::{Name, Registry, RegistryError};
use crate::problem::Problem;
use crate::types::{CommitSha, ImageDigest, ImageRef, PinnedImage};

/// How much is asked about an existing image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Its digest alone. A reference that has one is only looked for where the answer is sure.
    Digest,
    /// Also the commit its `revision` label names: two calls more.
    Commit,
}

impl Pipeline {
    /// Binds a reference to its digest, at the price of one call (and one more or two for the
    /// commit); the tag stays in the result for people. No tag means `latest`, as for Docker.
    pub async fn resolve_existing(
        &self,
        image: &ImageRef,
        ask: Ask,
    ) -> Result<(PinnedImage, Option<CommitSha>), Problem> {
        if image.registry().is_engine() {
            return self.resolve_on_engine(image, ask).await;
        }
        if let (Some(digest), Ask::Digest) = (image.digest(), ask) {
            self.not_known_to_be_missing(image, digest).await?;
            return Ok((image.pinned(digest), None));
        }
        let name = match (image.digest(), image.tag()) {
            (Some(digest), _) => Name::Digest(digest),
            (None, Some(tag)) => Name::Tag(tag.clone()),
            (None, None) => Name::Tag("latest".parse().expect("a constant tag")),
        };
        let registry = self.registry(image.registry());
        let Some(manifest) = registry.find_one(image, name).await? else {
            return Err(missing(image));
        };
        let commit = match ask {
            Ask::Digest => None,
            Ask::Commit => revision(&registry, image, &manifest).await?,
        };
        Ok((image.pinned(manifest.digest), commit))
    }
    /// Refuses a digest that ECR says it does not have, before anything changes. Whoever deploys need
    /// not be allowed to read the image, and other registries hide what one is not logged in for: any
    /// other answer leaves it to the pull.
    async fn not_known_to_be_missing(&self, image: &ImageRef, digest: ImageDigest) -> Result<(), Problem> {
        let registry = self.registry(image.registry());
        if !matches!(*registry, Registry::Ecr(_)) {
            return Ok(());
        }
        match registry.find_one(image, Name::Digest(digest)).await {
            Ok(None) => Err(missing(image)),
            Err(error @ RegistryError::NoRepository(_)) => Err(error.into()),
            Ok(Some(_)) | Err(_) => Ok(()),
        }
    }
}

fn missing(image: &ImageRef) -> Problem {
    Problem::mistake(
        "image-missing",
        format!("There is no image {image}."),
        "Correct the tag or digest, or push the image; `aws ecr list-images` shows what is there.",
    )
}
