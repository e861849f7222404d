//! Private ECR through its API.
//!
//! One client per region; the account of a repository goes into every call, so that registries of
//! other accounts work with the same credentials when their policies allow it.

mod scan;

use aws_sdk_ecr::error::ProvideErrorMetadata;
use aws_sdk_ecr::types::{Image, ImageIdentifier, ImageTagMutability};
use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

use super::manifest::MEDIA_TYPES;
use super::{Descriptor, Manifest, Name, Oci, RegistryError, Tagged, TagsMove, is_missing};
use crate::aws::failure;
use crate::types::{AccountId, ImageDigest, ImageRef, Region, Tag};

/// The private registry of an account in a region.
#[derive(Debug)]
pub(in crate::image) struct Ecr {
    client: aws_sdk_ecr::Client,
    account: AccountId,
    distribution: Oci,
}

/// The client of a region with these credentials and endpoint settings.
pub(in crate::image) fn client(sdk: &SdkConfig, region: &Region) -> aws_sdk_ecr::Client {
    let config = aws_sdk_ecr::config::Builder::from(sdk)
        .region(aws_sdk_ecr::config::Region::new(region.as_str().to_owned()))
        .build();
    aws_sdk_ecr::Client::from_conf(config)
}

/// The host of an overridden ECR endpoint, by the same settings the SDK reads.
pub(in crate::image) fn endpoint_host(sdk: &SdkConfig) -> Option<String> {
    let key =
        ServiceConfigKey::builder().service_id("ECR").env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok()?;
    let special = sdk.service_config().and_then(|settings| settings.load_config(key));
    let url = special.or_else(|| sdk.endpoint_url().map(str::to_owned))?;
    let url = reqwest::Url::parse(&url).ok()?;
    url.host_str().map(str::to_owned)
}

impl Ecr {
    pub(in crate::image) fn new(sdk: &SdkConfig, account: AccountId, region: &Region, distribution: Oci) -> Self {
        Self { client: client(sdk, region), account, distribution }
    }

    pub(super) fn distribution(&self) -> &Oci {
        &self.distribution
    }

    pub(super) async fn find(
        &self,
        repository: &ImageRef,
        names: &[Name],
    ) -> Result<Vec<Option<Manifest>>, RegistryError> {
        let found = self.batch(repository, names).await?;
        if let Some(found) = assigned(names, &found) {
            return Ok(found);
        }
        // The answer does not say which image has which tag: ask for each alone.
        let alone = names.iter().map(async |name| {
            let found = self.batch(repository, std::slice::from_ref(name)).await?;
            Ok::<_, RegistryError>(found.images.into_iter().next())
        });
        futures_util::future::try_join_all(alone).await
    }

    async fn batch(&self, repository: &ImageRef, names: &[Name]) -> Result<Batch, RegistryError> {
        let ids = names.iter().map(|name| match name {
            Name::Tag(tag) => ImageIdentifier::builder().image_tag(tag.as_str()).build(),
            Name::Digest(digest) => ImageIdentifier::builder().image_digest(digest.to_string()).build(),
        });
        let answer = self
            .client
            .batch_get_image()
            .registry_id(self.account.as_str())
            .repository_name(repository.repository().as_str())
            .set_image_ids(Some(ids.collect()))
            .set_accepted_media_types(Some(MEDIA_TYPES.iter().map(|&kind| kind.to_owned()).collect()))
            .send()
            .await
            .map_err(|error| Self::wrong(repository, failure("ecr:BatchGetImage", &error)))?;
        let mut batch = Batch::default();
        for image in answer.images() {
            batch.tags.push(image.image_id().and_then(ImageIdentifier::image_tag).map(str::to_owned));
            batch.images.push(manifest(image)?);
        }
        for missing in answer.failures() {
            // Absent is an answer; anything else (a key of KMS, an upstream registry) is a failure.
            let code = missing.failure_code().map_or("", |code| code.as_str());
            let id = missing.image_id();
            if code != "ImageNotFound" && code != "ImageTagDoesNotMatchDigest" {
                let reason = missing.failure_reason().unwrap_or_default();
                return Err(RegistryError::Wrong(format!("ECR cannot read the image ({code}): {reason}")));
            }
            batch.missing.extend(id.and_then(ImageIdentifier::image_tag).map(str::to_owned));
            batch.missing.extend(id.and_then(ImageIdentifier::image_digest).map(str::to_owned));
        }
        Ok(batch)
    }

    /// `PutImage` with what the registry already has: only the tag is new.
    pub(super) async fn tag(
        &self,
        repository: &ImageRef,
        manifest: &Manifest,
        tag: &Tag,
    ) -> Result<Tagged, RegistryError> {
        let text = String::from_utf8(manifest.bytes.clone())
            .map_err(|_| RegistryError::Wrong("the image's manifest is not text".to_owned()))?;
        let answer = self
            .client
            .put_image()
            .registry_id(self.account.as_str())
            .repository_name(repository.repository().as_str())
            .image_manifest(text)
            .image_manifest_media_type(&manifest.media_type)
            .image_digest(manifest.digest.to_string())
            .image_tag(tag.as_str())
            .send()
            .await;
        match answer {
            Ok(_) => Ok(Tagged::Done),
            Err(error) => match error.code() {
                // The very same image with the very same tag.
                Some("ImageAlreadyExistsException") => Ok(Tagged::Done),
                Some("ImageTagAlreadyExistsException") => self.taken(repository, manifest, tag).await,
                _ => Err(Self::wrong(repository, failure("ecr:PutImage", &error))),
            },
        }
    }

    /// A taken tag is only a loss when another image has it.
    async fn taken(&self, repository: &ImageRef, manifest: &Manifest, tag: &Tag) -> Result<Tagged, RegistryError> {
        let holder = self.batch(repository, &[Name::Tag(tag.clone())]).await?.images.pop();
        let same = holder.is_some_and(|holder| holder.digest == manifest.digest);
        Ok(if same { Tagged::Done } else { Tagged::Taken })
    }

    pub(super) async fn small_blob(&self, repository: &ImageRef, blob: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        let answer = self
            .client
            .get_download_url_for_layer()
            .registry_id(self.account.as_str())
            .repository_name(repository.repository().as_str())
            .layer_digest(&blob.digest)
            .send()
            .await
            .map_err(|error| Self::wrong(repository, failure("ecr:GetDownloadUrlForLayer", &error)))?;
        let url = answer.download_url().unwrap_or_default();
        self.distribution.download(url, blob).await
    }

    pub(super) async fn tags_move(&self, repository: &ImageRef) -> Result<TagsMove, RegistryError> {
        let answer = self
            .client
            .describe_repositories()
            .registry_id(self.account.as_str())
            .repository_names(repository.repository().as_str())
            .send()
            .await
            .map_err(|error| Self::wrong(repository, failure("ecr:DescribeRepositories", &error)))?;
        let setting = answer.repositories().first().and_then(|found| found.image_tag_mutability());
        // `*_WITH_EXCLUSION` settings depend on the tag; the push itself then tells.
        Ok(if setting == Some(&ImageTagMutability::Immutable) { TagsMove::No } else { TagsMove::Yes })
    }

    fn wrong(repository: &ImageRef, failure: crate::engine::ProviderFailure) -> RegistryError {
        if is_missing(&failure) && failure.code.as_deref() == Some("RepositoryNotFoundException") {
            return RegistryError::NoRepository(repository.clone());
        }
        RegistryError::Aws(failure)
    }
}

/// One answer of `BatchGetImage`.
#[derive(Default)]
struct Batch {
    images: Vec<Manifest>,
    /// The tag each image of `images` was answered for, if the answer says.
    tags: Vec<Option<String>>,
    /// Tags and digests there is no image for.
    missing: Vec<String>,
}

/// The images in the order of the names, or nothing when the answer leaves open which is which.
fn assigned(names: &[Name], batch: &Batch) -> Option<Vec<Option<Manifest>>> {
    let one = |name: &Name| {
        let text = name.to_string();
        if batch.missing.contains(&text) {
            return Some(None);
        }
        if let Name::Digest(digest) = name {
            return Some(batch.images.iter().find(|image| image.digest == *digest).cloned());
        }
        let tagged = batch.tags.iter().position(|tag| tag.as_ref() == Some(&text));
        let all_same = batch.images.windows(2).all(|two| two[0].digest == two[1].digest);
        let index = tagged.or_else(|| (all_same && !batch.images.is_empty()).then_some(0))?;
        batch.images.get(index).cloned().map(Some)
    };
    names.iter().map(one).collect()
}

fn manifest(image: &Image) -> Result<Manifest, RegistryError> {
    let text = image.image_manifest().unwrap_or_default();
    let manifest = Manifest::new(text.as_bytes().to_vec(), image.image_manifest_media_type());
    let said = image.image_id().and_then(ImageIdentifier::image_digest);
    match said.map(str::parse::<ImageDigest>) {
        Some(Ok(digest)) if digest == manifest.digest => Ok(manifest),
        _ => Err(RegistryError::Wrong(format!(
            "ECR answered with a manifest whose SHA-256 is {}, and calls it {}",
            manifest.digest,
            said.unwrap_or("nothing")
        ))),
    }
}

#[cfg(test)]
mod tests;
