//! Takes an image from one repository to another: the digest stays, nothing is built.
//!
//! Layers the destination lacks are mounted where both repositories belong to one registry and
//! copied otherwise, streamed through this machine. The order is parts before whole, so that an
//! interrupted run leaves nothing that looks complete, and a repeated one goes on where it stopped.

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::engine;
use super::pipeline::Pipeline;
use super::registry::{Descriptor, Manifest, Name, Oci, Registry, RegistryError, Tagged, Upload};
use crate::problem::Problem;
use crate::types::{ImageDigest, ImageRef, PinnedImage, Tag};

/// Layers on their way at once.
const COPIES_AT_ONCE: usize = 4;

/// An image where it was wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Promoted {
    /// The same digest in the new repository.
    pub image: PinnedImage,
    /// What the reader should know.
    pub warnings: Vec<String>,
}

/// Both ends of a promotion.
struct Way<'a> {
    from: &'a Registry,
    from_repository: &'a ImageRef,
    to: &'a Registry,
    to_repository: &'a ImageRef,
}

impl Pipeline {
    /// Puts `image`, read with the credentials of `from`, into `repository` with these tags. The
    /// first tag is the one named in the result.
    pub async fn promote(
        &self,
        from: &Self,
        image: &PinnedImage,
        repository: &ImageRef,
        tags: &[Tag],
    ) -> Result<Promoted, Problem> {
        if let Some(kept) = [image.reference(), repository].into_iter().find(|known| known.registry().is_engine()) {
            return Err(engine::not_copied(kept));
        }
        let source = from.registry(image.reference().registry());
        let destination = self.registry(repository.registry());
        let way =
            Way { from: &source, from_repository: image.reference(), to: &destination, to_repository: repository };
        let manifest = match destination.find_one(repository, Name::Digest(image.digest())).await? {
            Some(there) => there,
            None => way.bring(image.digest()).await?,
        };
        let mut warnings = Vec::new();
        for tag in tags {
            if destination.tag(repository, &manifest, tag).await? == Tagged::Taken {
                warnings.push(format!("the tag {tag} was left where it is: tags of {repository} cannot be moved"));
            }
        }
        let there = destination.find_one(repository, Name::Digest(image.digest())).await?;
        if there.is_none_or(|there| there.digest != image.digest()) {
            return Err(Problem::provider(
                "promotion-not-there",
                format!("{} was copied to {repository}, which does not have it.", image.by_digest()),
                "Run again. If it stays, look for a lifecycle rule that removes new images at once.",
            ));
        }
        let named = tags.first().map_or_else(|| repository.clone(), |tag| repository.with_tag(tag.clone()));
        Ok(Promoted { image: named.pinned(image.digest()), warnings })
    }
}

impl Way<'_> {
    /// Brings an image with all it is made of.
    async fn bring(&self, digest: ImageDigest) -> Result<Manifest, Problem> {
        let manifest = self.from.find_one(self.from_repository, Name::Digest(digest)).await?.ok_or_else(|| {
            Problem::mistake(
                "image-missing",
                format!("There is no image {digest} in {}.", self.from_repository),
                "Promote an image that is still there; a lifecycle rule may have removed this one.",
            )
        })?;
        for child in manifest.children() {
            let child: ImageDigest = child
                .digest
                .parse()
                .map_err(|error| RegistryError::Wrong(format!("{digest} lists {}: {error}", child.digest)))?;
            // An index of indexes is allowed by the specification, so this goes as deep as they do.
            Box::pin(self.bring(child)).await?;
        }
        futures_util::stream::iter(manifest.blobs())
            .map(|blob| async move { self.bring_blob(&blob).await })
            .buffer_unordered(COPIES_AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        self.to.put(self.to_repository, &manifest).await?;
        Ok(manifest)
    }

    async fn bring_blob(&self, blob: &Descriptor) -> Result<(), RegistryError> {
        let (from, to): (&Oci, &Oci) = (self.from.distribution(), self.to.distribution());
        if to.has_blob(self.to_repository, blob).await?.is_some() {
            return Ok(());
        }
        let neighbour = self.from_repository.registry() == self.to_repository.registry();
        let mount = neighbour.then_some(self.from_repository);
        match to.begin_upload(self.to_repository, blob, mount).await? {
            Upload::Mounted => Ok(()),
            Upload::To(place) => {
                let layer = from.blob(self.from_repository, blob).await?;
                let body = reqwest::Body::wrap_stream(layer.bytes_stream());
                to.upload(self.to_repository, place, blob, body).await
            }
        }
    }
}
