//! Amazon ECR's control API over images that a test planted: not a registry
//! (no push, no pull), but layers can be downloaded from `/blob`.

pub(crate) mod scan;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::env::Env;
use crate::ids::digest;
use crate::reply::{Answer, ApiError, Millis, put, seconds, text, texts};

/// One manifest in a repository.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) digest: String,
    pub(crate) tags: Vec<String>,
    pub(crate) manifest: String,
    pub(crate) media_type: String,
    pub(crate) pushed: Millis,
}

/// One repository.
#[derive(Debug, Default)]
pub(crate) struct Repository {
    pub(crate) immutable: bool,
    pub(crate) created: Millis,
    pub(crate) images: Vec<Image>,
    pub(crate) blobs: BTreeMap<String, Vec<u8>>,
}

/// The account's registry.
#[derive(Debug, Default)]
pub(crate) struct Ecr {
    pub(crate) repositories: BTreeMap<String, Repository>,
    /// The last of an image counts.
    pub(crate) scans: Vec<scan::Scan>,
}

/// The media type a manifest names, Docker's schema 2 by default.
pub(crate) fn media_type(manifest: &str) -> String {
    let document: Value = serde_json::from_str(manifest).unwrap_or(Value::Null);
    let default = "application/vnd.docker.distribution.manifest.v2+json";
    text(&document, "mediaType").unwrap_or(default).to_owned()
}

impl Ecr {
    /// Answers one operation. `endpoint` is this server's own address.
    pub(crate) fn answer(&mut self, op: &str, body: &Value, endpoint: &str, now: Millis, env: &Env) -> Answer {
        match op {
            "GetAuthorizationToken" => Ok(authorization(body, now, env)),
            "DescribeRepositories" => self.describe_repositories(body, env),
            "BatchGetImage" => self.batch_get_image(body, env),
            "DescribeImages" => self.describe_images(body, env),
            "PutImage" => self.put_image(body, now, env),
            "StartImageScan" => self.start_scan(body, now, env),
            "DescribeImageScanFindings" => self.scan_findings(body, now, env),
            "GetDownloadUrlForLayer" => self.download_url(body, endpoint),
            _ => Err(ApiError::bad("UnknownOperationException", "")),
        }
    }

    /// A planted or pushed blob.
    pub(crate) fn blob(&self, repository: &str, digest: &str) -> Option<Vec<u8>> {
        self.repositories.get(repository)?.blobs.get(digest).cloned()
    }

    fn repository(&mut self, body: &Value, env: &Env) -> Result<(String, &mut Repository), ApiError> {
        let name = text(body, "repositoryName").unwrap_or_default().to_owned();
        let known = self.repositories.get_mut(&name);
        known.map(|known| (name.clone(), known)).ok_or_else(|| {
            let message =
                format!("The repository with name '{name}' does not exist in the registry with id '{}'", env.account);
            ApiError::bad("RepositoryNotFoundException", message)
        })
    }

    fn describe_repositories(&self, body: &Value, env: &Env) -> Answer {
        let asked = texts(body, "repositoryNames");
        for name in &asked {
            if !self.repositories.contains_key(name) {
                let message = format!(
                    "The repository with name '{name}' does not exist in the registry with id '{}'",
                    env.account
                );
                return Err(ApiError::bad("RepositoryNotFoundException", message));
            }
        }
        let wanted = |name: &String| asked.is_empty() || asked.contains(name);
        let repositories: Vec<Value> = self
            .repositories
            .iter()
            .filter(|(name, _)| wanted(name))
            .map(|(name, known)| {
                json!({
                    "repositoryArn": env.arn("ecr", &format!("repository/{name}")),
                    "registryId": env.account,
                    "repositoryName": name,
                    "repositoryUri": format!("{}.dkr.ecr.{}.amazonaws.com/{name}", env.account, env.region),
                    "createdAt": seconds(known.created),
                    "imageTagMutability": if known.immutable { "IMMUTABLE" } else { "MUTABLE" },
                    "imageScanningConfiguration": {"scanOnPush": false},
                    "encryptionConfiguration": {"encryptionType": "AES256"},
                })
            })
            .collect();
        Ok(json!({ "repositories": repositories }))
    }

    fn batch_get_image(&mut self, body: &Value, env: &Env) -> Answer {
        let accepted = texts(body, "acceptedMediaTypes");
        let asked = body["imageIds"].as_array().cloned().unwrap_or_default();
        let (name, repository) = self.repository(body, env)?;
        let (mut images, mut failures) = (Vec::new(), Vec::new());
        for id in asked {
            let (tag, wanted) = (text(&id, "imageTag"), text(&id, "imageDigest"));
            let found = repository.find(tag, wanted);
            let failure = match (tag, wanted, found) {
                (None, None, _) => Some((
                    "MissingDigestAndTag",
                    "Invalid request parameters: both tag and digest cannot be null".to_owned(),
                )),
                (Some(_), Some(_), None) if repository.find(None, wanted).is_some() => {
                    Some(("ImageTagDoesNotMatchDigest", "The tag does not belong to the digest".to_owned()))
                }
                (_, _, None) => Some(("ImageNotFound", "Requested image not found".to_owned())),
                _ => None,
            };
            match (failure, found) {
                (None, Some(image)) if accepted.is_empty() || accepted.contains(&image.media_type) => {
                    images.push(image.document(&name, tag, env));
                }
                (None, _) => failures.push(json!({"imageId": id, "failureCode": "ImageNotFound",
                    "failureReason": "Requested image not found in an accepted media type"})),
                (Some((code, reason)), _) => {
                    failures.push(json!({"imageId": id, "failureCode": code, "failureReason": reason}));
                }
            }
        }
        Ok(json!({"images": images, "failures": failures}))
    }

    fn describe_images(&mut self, body: &Value, env: &Env) -> Answer {
        let asked = body["imageIds"].as_array().cloned().unwrap_or_default();
        let filter = text(&body["filter"], "tagStatus").unwrap_or("ANY").to_owned();
        let (name, repository) = self.repository(body, env)?;
        let mut found = Vec::new();
        for id in &asked {
            let image = repository.find(text(id, "imageTag"), text(id, "imageDigest")).ok_or_else(|| {
                let message = format!("The image with imageId {id} does not exist within the repository with name '{name}' in the registry with id '{}'", env.account);
                ApiError::bad("ImageNotFoundException", message)
            })?;
            found.push(image.clone());
        }
        if asked.is_empty() {
            found.clone_from(&repository.images);
            found.retain(|image| match filter.as_str() {
                "TAGGED" => !image.tags.is_empty(),
                "UNTAGGED" => image.tags.is_empty(),
                _ => true,
            });
        }
        let details: Vec<Value> = found
            .iter()
            .map(|image| {
                let mut detail = json!({
                    "registryId": env.account, "repositoryName": name, "imageDigest": image.digest,
                    "imageSizeInBytes": image.manifest.len(), "imagePushedAt": seconds(image.pushed),
                    "imageManifestMediaType": image.media_type,
                });
                put(&mut detail, "imageTags", (!image.tags.is_empty()).then(|| image.tags.clone()));
                detail
            })
            .collect();
        Ok(json!({ "imageDetails": details }))
    }

    /// A tag of a mutable repository moves; an immutable one stays.
    fn put_image(&mut self, body: &Value, now: Millis, env: &Env) -> Answer {
        let manifest = text(body, "imageManifest").unwrap_or_default().to_owned();
        let found = digest(manifest.as_bytes());
        if text(body, "imageDigest").is_some_and(|asked| asked != found) {
            return Err(ApiError::bad(
                "ImageDigestDoesNotMatchException",
                "The specified image digest does not match the digest of the image manifest",
            ));
        }
        let tag = text(body, "imageTag").map(str::to_owned);
        let kind = text(body, "imageManifestMediaType").map_or_else(|| media_type(&manifest), str::to_owned);
        let document: Value = serde_json::from_str(&manifest).map_err(|_| {
            ApiError::bad(
                "InvalidParameterException",
                "Invalid parameter at 'imageManifest' failed to satisfy constraint: 'Invalid JSON syntax'",
            )
        })?;
        let (name, repository) = self.repository(body, env)?;
        let layers = document["layers"].as_array().into_iter().flatten().chain(document.get("config"));
        let missing: Vec<_> = layers
            .filter_map(|layer| text(layer, "digest"))
            .filter(|layer| !repository.blobs.contains_key(*layer))
            .collect();
        if !missing.is_empty() && repository.find(None, Some(&found)).is_none() {
            let message = format!("The image manifest references layers that do not exist: {missing:?}");
            return Err(ApiError::bad("LayersNotFoundException", message));
        }
        let holder = tag.as_deref().and_then(|tag| repository.find(Some(tag), None)).map(|image| image.digest.clone());
        match (&tag, &holder) {
            (Some(tag), Some(holder)) if *holder == found => {
                let message = format!(
                    "Image with digest '{found}' and tag '{tag}' already exists in the repository with name '{name}' in registry with id '{}'",
                    env.account
                );
                return Err(ApiError::bad("ImageAlreadyExistsException", message));
            }
            (None, _) if repository.find(None, Some(&found)).is_some() => {
                let message =
                    format!("Image with digest '{found}' already exists in the repository with name '{name}'");
                return Err(ApiError::bad("ImageAlreadyExistsException", message));
            }
            (Some(tag), Some(_)) if repository.immutable => {
                let message = format!(
                    "The image tag '{tag}' already exists in the '{name}' repository and cannot be overwritten because the tag is immutable."
                );
                return Err(ApiError::bad("ImageTagAlreadyExistsException", message));
            }
            _ => {}
        }
        for image in &mut repository.images {
            image.tags.retain(|known| Some(known) != tag.as_ref());
        }
        if repository.find(None, Some(&found)).is_none() {
            repository.images.push(Image {
                digest: found.clone(),
                tags: Vec::new(),
                manifest,
                media_type: kind,
                pushed: now,
            });
        }
        let image = repository
            .images
            .iter_mut()
            .find(|image| image.digest == found)
            .ok_or_else(|| ApiError::with(500, "ServerException", "lost"))?;
        image.tags.extend(tag.clone());
        Ok(json!({"image": image.document(&name, tag.as_deref(), env)}))
    }

    fn download_url(&self, body: &Value, endpoint: &str) -> Answer {
        let name = text(body, "repositoryName").unwrap_or_default();
        let layer = text(body, "layerDigest").unwrap_or_default();
        if !self.repositories.contains_key(name) {
            return Err(ApiError::bad(
                "RepositoryNotFoundException",
                format!("The repository with name '{name}' does not exist"),
            ));
        }
        if self.blob(name, layer).is_none() {
            return Err(ApiError::bad(
                "LayersNotFoundException",
                format!("The layer with digest '{layer}' does not exist"),
            ));
        }
        Ok(json!({"downloadUrl": format!("{endpoint}/blob/{name}/{layer}"), "layerDigest": layer}))
    }
}

impl Repository {
    pub(crate) fn find(&self, tag: Option<&str>, digest: Option<&str>) -> Option<&Image> {
        if tag.is_none() && digest.is_none() {
            return None;
        }
        self.images.iter().find(|image| {
            tag.is_none_or(|tag| image.tags.iter().any(|known| known == tag))
                && digest.is_none_or(|digest| image.digest == digest)
        })
    }
}

impl Image {
    fn document(&self, repository: &str, tag: Option<&str>, env: &Env) -> Value {
        let mut id = json!({"imageDigest": self.digest});
        put(&mut id, "imageTag", tag);
        json!({
            "registryId": env.account, "repositoryName": repository, "imageId": id,
            "imageManifest": self.manifest, "imageManifestMediaType": self.media_type,
        })
    }
}

fn authorization(body: &Value, now: Millis, env: &Env) -> Value {
    let mut accounts = texts(body, "registryIds");
    if accounts.is_empty() {
        accounts.push(env.account.clone());
    }
    let data: Vec<Value> = accounts
        .iter()
        .map(|account| {
            json!({
                "authorizationToken": STANDARD.encode(format!("AWS:registry-password-{account}-{now}")),
                "expiresAt": seconds(now + 12 * 3_600_000),
                "proxyEndpoint": format!("https://{account}.dkr.ecr.{}.amazonaws.com", env.region),
            })
        })
        .collect();
    json!({ "authorizationData": data })
}

/// Login to the public registry: one token for all of it.
pub(crate) fn public_authorization(now: Millis) -> Value {
    json!({"authorizationData": {
        "authorizationToken": STANDARD.encode(format!("AWS:public-password-{now}")),
        "expiresAt": seconds(now + 12 * 3_600_000),
    }})
}
