//! The OCI labels that say what an image was made from (image specification, "Pre-Defined Annotation Keys"). Pure.

use serde_json::Value;

use crate::types::CommitSha;

use super::source::Source;

const REVISION: &str = "org.opencontainers.image.revision";

/// Labels for an image of this commit. `created` is the commit's time, not the clock's, so that
/// equal source gives equal labels.
pub(super) fn labels(source: &Source) -> Vec<(String, String)> {
    let version = source.origin.version().or(source.origin.branch.as_deref());
    let version = version.map_or_else(|| source.commit.short(), str::to_owned);
    let mut labels = vec![
        (REVISION, source.commit.to_string()),
        ("org.opencontainers.image.created", source.committed.to_string()),
        ("org.opencontainers.image.version", version),
    ];
    if let Some(remote) = &source.remote {
        labels.push(("org.opencontainers.image.source", remote.clone()));
    }
    labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The commit an image's configuration says it was built from.
pub(super) fn revision(config: &[u8]) -> Option<CommitSha> {
    let config: Value = serde_json::from_slice(config).ok()?;
    config.get("config")?.get("Labels")?.get(REVISION)?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_revision_is_read_from_the_labels_and_nowhere_else() {
        let sha = "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678";
        let with = |labels: Value| serde_json::json!({"config": {"Labels": labels}}).to_string();
        assert_eq!(revision(with(serde_json::json!({REVISION: sha})).as_bytes()).unwrap().to_string(), sha);
        for none in [with(Value::Null), with(serde_json::json!({REVISION: "main"})), "{}".into(), "no".into()] {
            assert_eq!(revision(none.as_bytes()), None, "{none}");
        }
    }
}
