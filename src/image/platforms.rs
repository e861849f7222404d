//! For which platforms an image was made.

use serde::Deserialize;

use super::pipeline::Pipeline;
use super::registry::{Name, RegistryError};
use crate::problem::Problem;
use crate::types::ImageRef;

/// The members of an image configuration, or of an index entry, that say it (OCI image specification 1.1).
#[derive(Debug, Default, Deserialize)]
struct Made {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
}

#[derive(Debug, Default, Deserialize)]
struct Entry {
    platform: Option<Made>,
}

#[derive(Debug, Default, Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Entry>,
}

impl Made {
    /// `linux/amd64`; nothing for attestations, which say `unknown`.
    fn word(self) -> Option<String> {
        let known = !self.os.is_empty() && self.os != "unknown";
        known.then(|| format!("{}/{}", self.os, self.architecture))
    }
}

impl Pipeline {
    /// The platforms of an image (`linux/amd64`), none when it does not say; nothing when there is
    /// no such image. A repository that is not there is a problem.
    pub async fn platforms(&self, image: &ImageRef) -> Result<Option<Vec<String>>, Problem> {
        if image.registry().is_engine() {
            return self.platform_on_engine(image).await;
        }
        let name = match (image.digest(), image.tag()) {
            (Some(digest), _) => Name::Digest(digest),
            (None, Some(tag)) => Name::Tag(tag.clone()),
            (None, None) => Name::Tag("latest".parse().expect("a constant tag")),
        };
        let registry = self.registry(image.registry());
        let Some(manifest) = registry.find_one(image, name).await? else { return Ok(None) };
        if let Some(config) = manifest.config() {
            let bytes = registry.small_blob(image, &config).await?;
            let made: Made = serde_json::from_slice(&bytes)
                .map_err(|error| RegistryError::Wrong(format!("the image's configuration cannot be read: {error}")))?;
            return Ok(Some(made.word().into_iter().collect()));
        }
        let index: Index = serde_json::from_slice(&manifest.bytes)
            .map_err(|error| RegistryError::Wrong(format!("the image's index cannot be read: {error}")))?;
        Ok(Some(index.manifests.into_iter().filter_map(|entry| entry.platform?.word()).collect()))
    }
}
