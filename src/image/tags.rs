//! Which tags an image gets. Pure.
//!
//! The full commit id always. All other tags follow the rules of the configuration and may move
//! from image to image; they are names for people, nothing is ever deployed by them.

use crate::config::spec::TagRule;
use crate::process::Environment;
use crate::types::{CommitSha, Tag};

/// Where a commit comes from, as far as tags care.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// The branch that is checked out.
    pub branch: Option<String>,
    /// The repository's default branch; `main` or `master` counts when it is not known.
    pub default_branch: Option<String>,
    /// The pull request it belongs to.
    pub pull_request: Option<u64>,
    /// Git tags on the commit.
    pub git_tags: Vec<String>,
}

impl Origin {
    /// Takes over what a workflow run says in `GITHUB_REF`, `GITHUB_HEAD_REF` and
    /// `GITHUB_DEFAULT_BRANCH` (GitHub "Default environment variables"; the last one is ours, set by
    /// the action from the event, because GitHub has no such variable).
    pub(super) fn read_workflow(&mut self, environment: &Environment) {
        let get = |name: &str| environment.get(name).filter(|value| !value.is_empty());
        if let Some(default) = get("GITHUB_DEFAULT_BRANCH") {
            self.default_branch = Some(default.clone());
        }
        let Some(reference) = get("GITHUB_REF") else { return };
        if let Some(branch) = reference.strip_prefix("refs/heads/") {
            self.branch = Some(branch.to_owned());
        } else if let Some(tag) = reference.strip_prefix("refs/tags/") {
            self.branch = None;
            if !self.git_tags.iter().any(|known| known == tag) {
                self.git_tags.push(tag.to_owned());
            }
        } else if let Some(rest) = reference.strip_prefix("refs/pull/") {
            self.pull_request = rest.split('/').next().and_then(|number| number.parse().ok());
            self.branch = get("GITHUB_HEAD_REF").cloned();
        }
    }

    fn is_default_branch(&self) -> bool {
        let Some(branch) = self.branch.as_deref() else { return false };
        match self.default_branch.as_deref() {
            _ if self.pull_request.is_some() => false,
            Some(default) => branch == default,
            None => matches!(branch, "main" | "master"),
        }
    }

    /// The highest semantic version among the git tags, as it was written.
    pub fn version(&self) -> Option<&str> {
        let mut versions: Vec<(Version, &str)> =
            self.git_tags.iter().filter_map(|tag| Some((Version::parse(tag)?, tag.as_str()))).collect();
        // A release is above its own pre-releases.
        versions.sort_by_key(|(version, _)| (version.numbers, version.pre.is_empty()));
        versions.last().map(|(_, tag)| *tag)
    }
}

/// The tags of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    /// The full commit id; absent when the commit is not known.
    pub commit: Option<Tag>,
    /// The others, each once, in the order of the rules.
    pub others: Vec<Tag>,
    /// What the reader should know.
    pub warnings: Vec<String>,
}

/// The tags for a commit by these rules.
pub fn tags(commit: Option<CommitSha>, rules: &[TagRule], origin: &Origin) -> Tags {
    let commit = commit.map(Tag::from);
    let mut others: Vec<Tag> = Vec::new();
    let mut warnings = Vec::new();
    for rule in rules {
        for text in wanted(rule, origin) {
            match text.parse::<Tag>() {
                Ok(tag) if Some(&tag) != commit.as_ref() && !others.contains(&tag) => others.push(tag),
                Ok(_) => {}
                Err(error) => warnings.push(format!("no tag {text:?}: {error}")),
            }
        }
    }
    if commit.is_none() {
        warnings.push(
            "the commit is not known, so the image only has tags that move: it cannot be found again by what it was built from"
                .to_owned(),
        );
    }
    Tags { commit, others, warnings }
}

fn wanted(rule: &TagRule, origin: &Origin) -> Vec<String> {
    match rule {
        TagRule::Latest if origin.is_default_branch() => vec!["latest".to_owned()],
        TagRule::Latest => Vec::new(),
        TagRule::Branch => origin.branch.as_deref().and_then(branch_tag).into_iter().collect(),
        TagRule::PullRequest => origin.pull_request.map(|number| format!("pr-{number}")).into_iter().collect(),
        TagRule::SemanticVersion => {
            origin.git_tags.iter().filter_map(|tag| Version::parse(tag)).flat_map(|v| v.tags()).collect()
        }
        TagRule::Fixed(tag) => vec![tag.as_str().to_owned()],
    }
}

/// A branch as a tag: what a tag cannot have becomes `-`. Nothing when nothing is left.
fn branch_tag(branch: &str) -> Option<String> {
    let mut text: String =
        branch.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect();
    text.truncate(128);
    let text = text.trim_start_matches(['.', '-']).trim_end_matches(['.', '-']);
    (!text.is_empty()).then(|| text.to_owned())
}

/// A semantic version (semver.org 2.0) with an optional `v` before it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    prefix: &'static str,
    numbers: (u64, u64, u64),
    pre: String,
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let (prefix, rest) = text.strip_prefix('v').map_or(("", text), |rest| ("v", rest));
        // Build metadata names the build, not the version, and `+` cannot stand in a tag.
        let rest = rest.split('+').next()?;
        let (numbers, pre) = rest.split_once('-').map_or((rest, None), |(numbers, pre)| (numbers, Some(pre)));
        let number = |text: &str| {
            let plain =
                !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
            plain.then(|| text.parse::<u64>().ok()).flatten()
        };
        let mut parts = numbers.split('.');
        let numbers = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
        let identifier = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let pre_ok = pre.is_none_or(|pre| pre.split('.').all(identifier));
        (parts.next().is_none() && pre_ok).then(|| Self { prefix, numbers, pre: pre.unwrap_or_default().to_owned() })
    }

    /// `v1.2.3`, `v1.2`, `v1`; a pre-release moves none of the short ones.
    fn tags(&self) -> Vec<String> {
        let (prefix, (major, minor, patch)) = (self.prefix, self.numbers);
        if !self.pre.is_empty() {
            return vec![format!("{prefix}{major}.{minor}.{patch}-{}", self.pre)];
        }
        let mut tags = vec![format!("{prefix}{major}.{minor}.{patch}"), format!("{prefix}{major}.{minor}")];
        // 0.x promises nothing across minor versions, so there is no `v0`.
        if major > 0 {
            tags.push(format!("{prefix}{major}"));
        }
        tags
    }
}

#[cfg(test)]
mod tests;
