//! The identity of what an image is built from: equal identity, equal build.
//!
//! Pure. What goes in: the git tree of the context, Dockerfile and ignore file if they lie outside
//! of it, stage, platforms, build arguments, secret ids and attestation. What stays out: the commit
//! and its labels, the values of secrets, and whatever the Dockerfile fetches by a name that moves
//! (base images by tag): who wants a fresh base makes a commit.

use sha2::Digest as _;

use crate::config::spec::{BuildSpec, Provenance};
use crate::types::Tag;

/// Git's ids for what the build reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inputs {
    /// Tree id of the context.
    pub tree: String,
    /// Path of the Dockerfile.
    pub dockerfile: String,
    /// Blob id of the Dockerfile when it is outside the context.
    pub dockerfile_blob: Option<String>,
    /// Blob id of its ignore file when that is outside the context.
    pub ignore_blob: Option<String>,
}

/// Equal for equal source and build settings, whatever the commit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceIdentity([u8; 20]);

impl SourceIdentity {
    pub(super) fn of(inputs: &Inputs, build: &BuildSpec) -> Self {
        let provenance = match build.provenance {
            Provenance::Off => "off",
            Provenance::Min => "min",
        };
        // Without named platforms the builder's own counts, so that an arm64 laptop never lends its
        // image to an amd64 service.
        let platforms: Vec<&str> = if build.platforms.is_empty() {
            vec![std::env::consts::ARCH]
        } else {
            build.platforms.iter().map(String::as_str).collect()
        };
        let secrets: Vec<&str> = build.secrets.iter().map(|secret| secret.id.as_str()).collect();
        // JSON, because it delimits: no two different inputs have the same text.
        let text = serde_json::json!([
            "shipline-source-1",
            inputs.tree,
            inputs.dockerfile,
            inputs.dockerfile_blob,
            inputs.ignore_blob,
            build.target,
            platforms,
            build.args,
            secrets,
            provenance,
        ])
        .to_string();
        let hash: [u8; 32] = sha2::Sha256::digest(text.as_bytes()).into();
        let mut short = [0; 20];
        short.copy_from_slice(&hash[..20]);
        Self(short)
    }

    /// The tag under which an image of this source is found again: `tree-` and 40 characters.
    pub fn tag(&self) -> Tag {
        self.to_string().parse().expect("tree- and hexadecimal characters make a tag")
    }
}

impl std::fmt::Display for SourceIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "tree-{}", hex::encode(self.0))
    }
}

impl std::fmt::Debug for SourceIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SourceIdentity({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::spec::{BuildCache, BuildSecret, SecretSource};

    fn build() -> BuildSpec {
        BuildSpec {
            context: "apps/api".into(),
            dockerfile: None,
            target: None,
            platforms: vec!["linux/amd64".into()],
            args: [("A".into(), "1".into())].into(),
            secrets: Vec::new(),
            cache: BuildCache::Off,
            provenance: Provenance::Off,
        }
    }

    fn inputs() -> Inputs {
        Inputs {
            tree: "a".repeat(40),
            dockerfile: "apps/api/Dockerfile".into(),
            dockerfile_blob: None,
            ignore_blob: None,
        }
    }

    #[test]
    fn everything_that_changes_the_build_changes_the_identity() {
        let same = SourceIdentity::of(&inputs(), &build());
        let b = build();
        let secret = BuildSecret { id: "npm".into(), source: SecretSource::Env("NPM".into()) };
        let builds = [
            BuildSpec { target: Some("slim".into()), ..b.clone() },
            BuildSpec { platforms: vec!["linux/arm64".into()], ..b.clone() },
            BuildSpec { platforms: Vec::new(), ..b.clone() },
            BuildSpec { args: [("A".into(), "2".into())].into(), ..b.clone() },
            BuildSpec { args: [("B".into(), "1".into())].into(), ..b.clone() },
            BuildSpec { secrets: vec![secret], ..b.clone() },
            BuildSpec { provenance: Provenance::Min, ..b.clone() },
        ];
        for other in builds {
            assert_ne!(SourceIdentity::of(&inputs(), &other), same, "{other:?}");
        }
        let i = inputs();
        for other in [
            Inputs { tree: "b".repeat(40), ..i.clone() },
            Inputs { dockerfile: "apps/api/Dockerfile.slim".into(), ..i.clone() },
            Inputs { dockerfile_blob: Some("c".repeat(40)), ..i.clone() },
            Inputs { ignore_blob: Some("c".repeat(40)), ..i.clone() },
        ] {
            assert_ne!(SourceIdentity::of(&other, &build()), same, "{other:?}");
        }
    }

    #[test]
    fn what_does_not_change_the_image_does_not_change_the_identity() {
        let same = SourceIdentity::of(&inputs(), &build());
        assert_eq!(SourceIdentity::of(&inputs(), &BuildSpec { cache: BuildCache::Registry, ..build() }), same);
        assert_eq!(same.tag().as_str().len(), "tree-".len() + 40);
    }
}
