//! What is known to be wrong with an image.
//!
//! What it is: the findings of the registry's own scans, by digest. What it is not: a scanner, nor a
//! judge: which findings matter is the environment's rule.

use super::pipeline::Pipeline;
use super::registry::{Name, Registry};
use crate::config::spec::Severity;
use crate::problem::Problem;
use crate::types::PinnedImage;

/// Something a scan found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// How grave it is.
    pub severity: Severity,
    /// Its name: `CVE-2026-0001`.
    pub name: String,
    /// The package it is in; may be empty.
    pub package: String,
    /// The package's version; may be empty.
    pub version: String,
    /// The version that does not have it, if one is known.
    pub fixed_in: Option<String>,
    /// Its page.
    pub url: Option<String>,
}

/// What is known of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scanned {
    /// All that was found.
    Done(Vec<Finding>),
    /// A scan has not ended.
    UnderWay,
    /// Nobody scanned it; a scan may begin a moment after a push.
    Never,
    /// It was not, or cannot be, scanned.
    Without {
        /// Why, in the registry's words.
        why: String,
    },
}

impl Scanned {
    /// Both together: an image of several platforms is known when all of them are.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Done(mut one), Self::Done(other)) => {
                one.extend(other);
                Self::Done(one)
            }
            (worse @ Self::Without { .. }, _) | (_, worse @ Self::Without { .. }) => worse,
            (Self::Never, _) | (_, Self::Never) => Self::Never,
            (Self::UnderWay, _) | (_, Self::UnderWay) => Self::UnderWay,
        }
    }
}

impl Pipeline {
    /// What is known of an image now. Does not wait. Of an index, what is known of its images.
    pub async fn scanned(&self, image: &PinnedImage) -> Result<Scanned, Problem> {
        let reference = image.reference();
        let registry = self.registry(reference.registry());
        let Registry::Ecr(ecr) = registry.as_ref() else {
            let why = format!("{} is no private ECR registry, and its scans are not known", reference.registry());
            return Ok(Scanned::Without { why });
        };
        let manifest = registry.find_one(reference, Name::Digest(image.digest())).await?;
        let parts = manifest.map(|manifest| manifest.images()).unwrap_or_default();
        let digests = if parts.is_empty() { vec![image.digest()] } else { parts };
        let mut all: Option<Scanned> = None;
        for digest in digests {
            let one = ecr.scanned(reference, digest).await?;
            all = Some(match all {
                Some(others) => others.and(one),
                None => one,
            });
        }
        let all = all.unwrap_or(Scanned::Never);
        Ok(match all {
            Scanned::Done(mut findings) => {
                findings.sort_by(|one, other| other.severity.cmp(&one.severity).then_with(|| one.cmp(other)));
                findings.dedup();
                Scanned::Done(findings)
            }
            other => other,
        })
    }
}
