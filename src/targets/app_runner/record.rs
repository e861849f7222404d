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
use crate::rollout::Revision;

pub(super) const OPERATION: &str = "shipline:operation";
const IMAGE: &str = "shipline:image";
pub(super) const COMMIT: &str = "shipline:commit";
const PREVIOUS_IMAGE: &str = "shipline:previous-image";
const PREVIOUS_COMMIT: &str = "shipline:previous-commit";
const EARLIER_IMAGE: &str = "shipline:earlier-image";
const EARLIER_COMMIT: &str = "shipline:earlier-commit";

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
        let known = [(IMAGE, COMMIT), (PREVIOUS_IMAGE, PREVIOUS_COMMIT), (EARLIER_IMAGE, EARLIER_COMMIT)];
        let mut fits = known.iter().filter(|(image, _)| self.get(image) == Some(of.image()));
        of.revision(fits.find_map(|(_, commit)| self.get(commit)?.parse().ok()))
    }

    /// The configuration before the last change we asked for, as far as it can be known: the
    /// present one with the image of then.
    pub(super) fn previous(&self, live: &Configuration) -> Option<Configuration> {
        Some(live.with_image(self.get(PREVIOUS_IMAGE)?))
    }

    /// Good revisions before the live one, newest first. Never the image of a change that was
    /// asked for and is not live: it did not last.
    pub(super) fn good(&self, live: &Configuration) -> Vec<Revision> {
        let mut seen = vec![live.image().to_owned()];
        let failed = self.get(IMAGE).filter(|image| *image != live.image()).map(str::to_owned);
        seen.extend(failed);
        let mut good = Vec::new();
        for image in [PREVIOUS_IMAGE, EARLIER_IMAGE].into_iter().filter_map(|key| self.get(key)) {
            if !seen.iter().any(|known| known == image) {
                seen.push(image.to_owned());
                good.push(self.revision(&live.with_image(image)));
            }
        }
        good
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
        let before = [(PREVIOUS_IMAGE, PREVIOUS_COMMIT), (EARLIER_IMAGE, EARLIER_COMMIT)];
        let earlier = before.iter().find(|(image, _)| {
            self.get(image).is_some_and(|image| image != previous.image_text && image != new.image_text)
        });
        if let Some((image, commit)) = earlier {
            tags.insert(EARLIER_IMAGE, self.get(image).unwrap_or_default().to_owned());
            tags.insert(EARLIER_COMMIT, self.get(commit).unwrap_or_default().to_owned());
        }
        Self(tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// Writes it. A value longer than a tag may be (256 characters) is left out.
    pub(super) async fn write(&self, client: &Client, arn: &str) -> Result<(), ProviderFailure> {
        let fits = self.0.iter().filter(|(_, value)| value.len() <= 256);
        let tags = fits.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
        let sent = client.tag_resource().resource_arn(arn).set_tags(Some(tags)).send().await;
        sent.map(drop).map_err(|error| failure("apprunner:TagResource", &error))
    }
}

#[cfg(test)]
mod tests;
