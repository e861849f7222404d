//! Image manifests and indexes (OCI image specification 1.1, Docker schema 2) as far as they are read here.

use serde::Deserialize;

use crate::types::ImageDigest;

/// A manifest or index exactly as the registry keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::image) struct Manifest {
    /// The SHA-256 of `bytes`.
    pub digest: ImageDigest,
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A part an image is made of.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::image) struct Descriptor {
    /// Its digest, of any algorithm the registry knows.
    pub digest: String,
    /// Bytes.
    #[serde(default)]
    pub size: u64,
    /// Media type.
    #[serde(default)]
    pub media_type: String,
    /// Attestations mark what they belong to (`vnd.docker.reference.type`).
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

impl Descriptor {
    /// A descriptor of a blob known by digest alone.
    #[cfg(test)]
    pub(in crate::image) fn of(digest: &str) -> Self {
        Self {
            digest: digest.to_owned(),
            size: 0,
            media_type: String::new(),
            annotations: std::collections::BTreeMap::new(),
        }
    }

    /// Whether this is an image, not a statement about one.
    fn is_image(&self) -> bool {
        !self.annotations.contains_key("vnd.docker.reference.type")
    }

    /// Whether the registry does not keep this layer itself (`nondistributable`, `foreign`).
    pub(in crate::image) fn is_foreign(&self) -> bool {
        self.media_type.contains("nondistributable") || self.media_type.contains("foreign")
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parts {
    media_type: Option<String>,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

/// Media types asked for, so that a registry never converts what it has.
pub(super) const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

impl Manifest {
    /// A manifest of these bytes. `media_type` is what the registry says; the manifest's own word
    /// wins, because some answers carry a default.
    pub(in crate::image) fn new(bytes: Vec<u8>, media_type: Option<&str>) -> Self {
        let own = serde_json::from_slice::<Parts>(&bytes).ok().and_then(|parts| parts.media_type);
        let media_type = own.or_else(|| media_type.map(str::to_owned)).unwrap_or_else(|| MEDIA_TYPES[2].to_owned());
        Self { digest: ImageDigest::of(&bytes), media_type, bytes }
    }

    fn parts(&self) -> Parts {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// The image configuration; none for an index.
    pub(in crate::image) fn config(&self) -> Option<Descriptor> {
        self.parts().config
    }

    /// Configuration and layers that must be in a repository before the manifest can be.
    pub(in crate::image) fn blobs(&self) -> Vec<Descriptor> {
        let parts = self.parts();
        parts.config.into_iter().chain(parts.layers).filter(|blob| !blob.is_foreign()).collect()
    }

    /// Every manifest an index lists, attestations included; none for a plain manifest.
    pub(in crate::image) fn children(&self) -> Vec<Descriptor> {
        self.parts().manifests
    }

    /// The images of an index, without statements about them; none for a plain manifest.
    pub(in crate::image) fn images(&self) -> Vec<ImageDigest> {
        self.children().iter().filter(|child| child.is_image()).filter_map(|image| image.digest.parse().ok()).collect()
    }

    /// The first image of an index: every platform of one build carries the same labels.
    pub(in crate::image) fn first_image(&self) -> Option<ImageDigest> {
        self.parts().manifests.into_iter().find(Descriptor::is_image).and_then(|image| image.digest.parse().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_lists_its_images_and_attestations_apart() {
        let image = format!("sha256:{}", "a".repeat(64));
        let statement = format!("sha256:{}", "b".repeat(64));
        let index = serde_json::json!({
            "mediaType": MEDIA_TYPES[0],
            "manifests": [
                {"digest": statement, "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
                {"digest": image, "platform": {"os": "linux", "architecture": "amd64"}},
            ],
        });
        let index = Manifest::new(index.to_string().into_bytes(), Some("text/plain"));
        assert_eq!(index.media_type, MEDIA_TYPES[0]);
        assert_eq!(index.first_image().unwrap().to_string(), image);
        assert_eq!(index.children().len(), 2);
        assert!(index.config().is_none() && index.blobs().is_empty());
    }

    #[test]
    fn the_digest_is_that_of_the_bytes_as_they_came() {
        let bytes = b"{ \"layers\" : [ ] }".to_vec();
        let manifest = Manifest::new(bytes.clone(), Some("x/y"));
        assert_eq!(manifest.digest, ImageDigest::of(&bytes));
        assert_eq!(manifest.media_type, "x/y");
        assert_eq!(Descriptor::of("sha256:00").digest, "sha256:00");
    }
}
