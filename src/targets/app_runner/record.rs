//! What Shipline remembers on the service itself, as resource tags: App Runner keeps no revisions.
//!
//! A help, never the truth: a record is believed only as far as it fits what is live, and a role
//! that may not read or write tags costs the memory, not the deployment.

use std::collections::BTreeMap;

use aws_sdk_apprunner::Client;
use aws_sdk_apprunner::types::Tag;

use super::service::Configuration;
use crate::aws::failure;
use crate::engine::ProviderFailure;
use crate::engine::target::FailureKind;
use crate::rollout::Revision;

pub(super) const OPERATION: &str = "shipline:operation";
const IMAGE: &str = "shipline:image";
pub(super) const COMMIT: &str = "shipline:commit";
const PREVIOUS_IMAGE: &str = "shipline:previous-image";
const PREVIOUS_COMMIT: &str = "shipline:previous-commit";
const EARLIER_IMAGE: &str = "shipline:earlier-image";
const EARLIER_COMMIT: &str = "shipline:earlier-commit";
/// Those before, each with its commit behind a space. With the two above they are ten.
const OLDER: [&str; 8] = [
    "shipline:good-03",
    "shipline:good-04",
    "shipline:good-05",
    "shipline:good-06",
    "shipline:good-07",
    "shipline:good-08",
    "shipline:good-09",
    "shipline:good-10",
];

/// The recorded tags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record(pub(super) BTreeMap<String, String>);

impl Record {
    pub(super) async fn read(client: &Client, arn: &str) -> Result<Self, ProviderFailure> {
        let sent = client.list_tags_for_resource().resource_arn(arn).send().await;
        let tags = sent.map_err(|error| failure("apprunner:ListTagsForResource", &error))?.tags.unwrap_or_default();
        let ours = tags.into_iter().filter_map(|tag| Some((tag.key?, tag.value?)));
        Ok(Self(ours.filter(|(key, _)| key.starts_with("shipline:")).collect()))
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The operation of the last change we asked for, and its image.
    pub(super) fn last(&self) -> Option<(&str, &str)> {
        Some((self.get(OPERATION)?, self.get(IMAGE)?))
    }

    /// The revision of a configuration, with the commit recorded for its image.
    pub(super) fn revision(&self, of: &Configuration) -> Revision {
        let live = self.get(IMAGE).map(|image| (image, self.get(COMMIT).unwrap_or("")));
        let mut known = live.into_iter().chain(self.earlier());
        let own = known.find(|(image, _)| *image == of.image());
        of.revision(own.and_then(|(_, commit)| commit.parse().ok()))
    }

    /// The configuration before the last change we asked for, as far as it can be known: the
    /// present one with the image of then.
    pub(super) fn previous(&self, live: &Configuration) -> Option<Configuration> {
        Some(live.with_image(self.get(PREVIOUS_IMAGE)?))
    }

    /// Good revisions before the live one, newest first. Never the image of a change that was
    /// asked for and is not live: it did not last.
    pub(super) fn good(&self, live: &Configuration) -> Vec<Revision> {
        let failed = self.get(IMAGE).filter(|image| *image != live.image());
        let mut seen: Vec<&str> = [live.image()].into_iter().chain(failed).collect();
        let mut good = Vec::new();
        for (image, _) in self.earlier() {
            if !seen.contains(&image) {
                seen.push(image);
                good.push(self.revision(&live.with_image(image)));
            }
        }
        good
    }

    /// Images that served before the last change that was asked for, newest first, with their commits.
    fn earlier(&self) -> Vec<(&str, &str)> {
        let near = [(PREVIOUS_IMAGE, PREVIOUS_COMMIT), (EARLIER_IMAGE, EARLIER_COMMIT)];
        let near = near.iter().filter_map(|(image, commit)| Some((self.get(image)?, self.get(commit).unwrap_or(""))));
        let older = OLDER.iter().filter_map(|key| self.get(key)).map(|both| both.split_once(' ').unwrap_or((both, "")));
        near.chain(older).collect()
    }

    /// The record after this change was accepted.
    pub(super) fn next(&self, operation: &str, new: &Revision, previous: &Revision) -> Self {
        let commit = |revision: &Revision| revision.commit.map_or_else(String::new, |commit| commit.to_string());
        let mut tags = BTreeMap::from([
            (OPERATION, operation.to_owned()),
            (IMAGE, new.image_text.clone()),
            (COMMIT, commit(new)),
            (PREVIOUS_IMAGE, previous.image_text.clone()),
            (PREVIOUS_COMMIT, commit(previous)),
        ]);
        // Whatever was good before the previous one stays remembered, also past a change that failed.
        let mut kept: Vec<(&str, &str)> = Vec::new();
        for (image, commit) in self.earlier() {
            let known = kept.iter().any(|(other, _)| *other == image);
            if image != previous.image_text && image != new.image_text && !known {
                kept.push((image, commit));
            }
        }
        let mut kept = kept.into_iter();
        let (image, commit) = kept.next().unwrap_or_default();
        tags.insert(EARLIER_IMAGE, image.to_owned());
        tags.insert(EARLIER_COMMIT, commit.to_owned());
        for key in OLDER {
            let both = kept.next().map(|(image, commit)| format!("{image} {commit}").trim_end().to_owned());
            // A tag that is not written stays as it was, so that one of before is emptied.
            if both.is_some() || self.get(key).is_some() {
                tags.insert(key, both.unwrap_or_default());
            }
        }
        Self(tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// Writes it. Where the service has no room for so many tags, beside those of its owner, it
    /// remembers two images.
    pub(super) async fn write(&self, client: &Client, arn: &str) -> Result<(), ProviderFailure> {
        match self.send(client, arn, &[]).await {
            Err(failure) if failure.kind == FailureKind::Rejected => self.send(client, arn, &OLDER).await,
            other => other,
        }
    }

    /// A value longer than a tag may be (256 characters) is left out.
    async fn send(&self, client: &Client, arn: &str, without: &[&str]) -> Result<(), ProviderFailure> {
        let fits = self.0.iter().filter(|(key, value)| value.len() <= 256 && !without.contains(&key.as_str()));
        let tags = fits.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
        let sent = client.tag_resource().resource_arn(arn).set_tags(Some(tags)).send().await;
        sent.map(drop).map_err(|error| failure("apprunner:TagResource", &error))
    }
}

#[cfg(test)]
mod tests;
