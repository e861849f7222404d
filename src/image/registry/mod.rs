//! Registries: find an image by tag or digest, name it, read and copy what it is made of.
//!
//! Private ECR answers through its API (one call finds several tags with their manifests); every
//! other registry, ECR Public included, through the OCI distribution API. Manifests are bytes and
//! never re-serialised: their digest is who they are.

mod ecr;
mod http;
mod manifest;
mod oci;

use crate::engine::ProviderFailure;
use crate::engine::target::FailureKind;
use crate::problem::Problem;
use crate::types::{ImageDigest, ImageRef, RegistryHost, Tag};

pub(super) use ecr::{Ecr, client, endpoint_host};
pub(super) use http::Http;
pub(super) use manifest::{Descriptor, Manifest};
pub(super) use oci::{Oci, Scheme, Upload};

/// Why a registry did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// There is no such repository.
    #[error("the repository {}/{} does not exist", .0.registry(), .0.repository())]
    NoRepository(ImageRef),
    /// The AWS API failed.
    #[error(transparent)]
    Aws(#[from] ProviderFailure),
    /// The registry wants other credentials, or none of ours may do this.
    #[error("{host} refuses to {what}: {message}")]
    Denied {
        /// The registry.
        host: RegistryHost,
        /// What was asked.
        what: String,
        /// Its answer.
        message: String,
    },
    /// The registry or the network failed.
    #[error("{host} did not {what}: {message}")]
    Failed {
        /// The registry.
        host: RegistryHost,
        /// What was asked.
        what: String,
        /// What came back.
        message: String,
    },
    /// What came is not what it says it is.
    #[error("{0}")]
    Wrong(String),
    /// Credentials could not be had.
    #[error("{0}")]
    Login(Box<Problem>),
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        let what = error.to_string();
        match error {
            RegistryError::NoRepository(image) => no_repository(what, &image),
            RegistryError::Aws(failure) => failure.problem(),
            RegistryError::Denied { host, .. } => Self::provider(
                "registry-denied",
                what,
                format!("Log in with `docker login {host}` as somebody who may, or check the account's rights there."),
            ),
            RegistryError::Failed { .. } => Self::provider(
                "registry-failed",
                what,
                "Run again; if it stays, check the registry's host name, the network and its status page.",
            ),
            RegistryError::Wrong(_) => Self::provider(
                "registry-wrong-answer",
                what,
                "Check that the host is a container registry and that no proxy rewrites its answers.",
            ),
            RegistryError::Login(problem) => *problem,
        }
    }
}

/// The problem of a repository that is not there.
pub(super) fn no_repository(what: String, image: &ImageRef) -> Problem {
    let next = match image.registry().ecr() {
        Some((account, region)) => format!(
            "Create it once in account {account}: `aws ecr create-repository --repository-name {} --region {region} --image-tag-mutability IMMUTABLE` (needs ecr:CreateRepository), or correct `image.repository`.",
            image.repository()
        ),
        None => format!("Create {} at {}, or correct `image.repository`.", image.repository(), image.registry()),
    };
    Problem::provider("repository-missing", what, next)
}

/// What became of asking for a tag on an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tagged {
    /// The tag points at the image now.
    Done,
    /// Tags are immutable and this one is taken by another image; it stays.
    Taken,
}

/// A name of an image in its repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    Tag(Tag),
    Digest(ImageDigest),
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// One registry, by the best way to speak to it.
#[derive(Debug)]
pub(super) enum Registry {
    /// Private ECR.
    Ecr(Ecr),
    /// Any other.
    Oci(Oci),
}

impl Registry {
    /// The images of these names, in their order; `None` where there is none.
    pub(super) async fn find(
        &self,
        repository: &ImageRef,
        names: &[Name],
    ) -> Result<Vec<Option<Manifest>>, RegistryError> {
        match self {
            Self::Ecr(ecr) => ecr.find(repository, names).await,
            Self::Oci(oci) => {
                futures_util::future::try_join_all(names.iter().map(|name| oci.manifest(repository, name))).await
            }
        }
    }

    /// The image of one name.
    pub(super) async fn find_one(&self, repository: &ImageRef, name: Name) -> Result<Option<Manifest>, RegistryError> {
        Ok(self.find(repository, &[name]).await?.pop().flatten())
    }

    /// Points a tag at an image whose layers the repository has. No layer moves.
    pub(super) async fn tag(
        &self,
        repository: &ImageRef,
        manifest: &Manifest,
        tag: &Tag,
    ) -> Result<Tagged, RegistryError> {
        match self {
            Self::Ecr(ecr) => ecr.tag(repository, manifest, tag).await,
            Self::Oci(oci) => oci.put_manifest(repository, manifest, &Name::Tag(tag.clone())).await,
        }
    }

    /// Makes an image whose parts are there known by its digest.
    pub(super) async fn put(&self, repository: &ImageRef, manifest: &Manifest) -> Result<(), RegistryError> {
        self.distribution().put_manifest(repository, manifest, &Name::Digest(manifest.digest)).await.map(|_| ())
    }

    /// A small blob, whole: an image's configuration.
    pub(super) async fn small_blob(&self, repository: &ImageRef, blob: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        match self {
            Self::Ecr(ecr) => ecr.small_blob(repository, blob).await,
            Self::Oci(oci) => oci.small_blob(repository, blob).await,
        }
    }

    /// Whether tags can be moved, where that can be known.
    pub(super) async fn tags_move(&self, repository: &ImageRef) -> Result<Option<TagsMove>, RegistryError> {
        match self {
            Self::Ecr(ecr) => ecr.tags_move(repository).await.map(Some),
            Self::Oci(_) => Ok(None),
        }
    }

    /// The distribution API of the same registry, for layers.
    pub(super) fn distribution(&self) -> &Oci {
        match self {
            Self::Ecr(ecr) => ecr.distribution(),
            Self::Oci(oci) => oci,
        }
    }
}

/// Whether a repository's tags can be moved to another image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TagsMove {
    Yes,
    No,
}

/// Whether a failure says that there is nothing of that name.
fn is_missing(failure: &ProviderFailure) -> bool {
    failure.kind == FailureKind::Missing
}
