//! Makes sure the image of a commit is in its repository, by the cheapest way that is safe.
//!
//! In this order: it is there (the commit's tag, and its `revision` label says the commit, or it is
//! the image of the identical source); an image of the identical source is there and only gets the
//! commit's tag; it is built. An image found by its source keeps the label of the commit it was
//! built for: the tag made from git's tree id is what proves it for this commit.

use std::time::Duration;

use super::build::{Job, TAG_TAKEN};
use super::labels;
use super::pipeline::Pipeline;
use super::registry::{Manifest, Name, Registry, RegistryError, Tagged, TagsMove};
use super::source::{Context, Source, few};
use super::tags::{Tags, tags};
use crate::config::spec::{BuildSpec, ImageSpec};
use crate::engine::clock;
use crate::problem::Problem;
use crate::types::{CommitSha, ImageRef, PinnedImage, ServiceName, Tag};

/// How an image came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It was built and pushed.
    Built,
    /// The commit's tag was there.
    FoundByCommit,
    /// An image of the identical source was there and got the commit's tag.
    FoundBySource,
}

/// The image of a commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// Repository, commit tag and digest.
    pub image: PinnedImage,
    /// How it came to be there.
    pub how: How,
    /// The tags it has now, of those the rules ask for.
    pub tags: Vec<Tag>,
    /// What the reader should know.
    pub warnings: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// What is asked for, as far as one service goes.
struct Wanted<'a> {
    service: &'a ServiceName,
    repository: &'a ImageRef,
    source: &'a Source,
    commit: Tag,
    identity: Option<Tag>,
    others: Vec<Tag>,
}

/// What the registry has of it.
struct Found {
    commit: Option<Manifest>,
    identity: Option<Manifest>,
    others: Vec<(Tag, Option<Manifest>)>,
}

impl Pipeline {
    /// The image of `source` in `repository`, built only when it must be. Safe to call for several
    /// services at once.
    pub async fn ensure(
        &self,
        service: &ServiceName,
        spec: &ImageSpec,
        repository: &ImageRef,
        source: &Source,
    ) -> Result<Built, Problem> {
        if repository.registry().is_engine() {
            return self.ensure_on_engine(service, spec, repository, source).await;
        }
        let begun = clock::instant();
        let Tags { others, mut warnings, .. } = tags(Some(source.commit), &spec.tags, &source.origin);
        let registry = self.registry(repository.registry());
        let context = match &spec.build {
            Some(build) => Some(source.context(build, &self.options.cancel).await?),
            None => None,
        };
        let identity = match context {
            Some(Context::Exact(identity)) => Some(identity.tag()),
            Some(Context::WithExtras(paths)) => {
                warnings.push(format!(
                    "the build context has files git does not keep ({}): the image cannot be shared with commits of the same source",
                    few(&paths)
                ));
                None
            }
            None => None,
        };
        let wanted = Wanted { service, repository, source, commit: source.commit.into(), identity, others };
        let found = found(&registry, &wanted).await?;
        let (how, manifest) = if let Some(existing) = self.existing(&registry, &wanted, &found, &mut warnings).await? {
            existing
        } else {
            let build = spec.build.as_ref().ok_or_else(|| not_there(&wanted))?;
            (How::Built, self.build(&registry, &wanted, build, &mut warnings).await?)
        };
        let tags = name(&registry, &wanted, &found, how, &manifest, &mut warnings).await?;
        let image = repository.with_tag(wanted.commit.clone()).pinned(manifest.digest);
        self.say(service, &format!("{} {}", said(how), image.by_digest()));
        Ok(Built { image, how, tags, warnings, took: begun.elapsed() })
    }

    /// An image that is there and is this commit's.
    async fn existing(
        &self,
        registry: &Registry,
        wanted: &Wanted<'_>,
        found: &Found,
        warnings: &mut Vec<String>,
    ) -> Result<Option<(How, Manifest)>, Problem> {
        let by_source = found.identity.as_ref().map(|manifest| (How::FoundBySource, manifest.clone()));
        let Some(by_commit) = &found.commit else { return Ok(by_source) };
        let same_source = found.identity.as_ref().is_some_and(|other| other.digest == by_commit.digest);
        if same_source {
            return Ok(Some((How::FoundByCommit, by_commit.clone())));
        }
        let revision = revision(registry, wanted.repository, by_commit).await?;
        if revision == Some(wanted.source.commit) {
            return Ok(Some((How::FoundByCommit, by_commit.clone())));
        }
        let says = revision
            .map_or_else(|| "has no revision label".to_owned(), |other| format!("says it is of {}", other.short()));
        let image = wanted.repository.with_tag(wanted.commit.clone());
        if registry.tags_move(wanted.repository).await? == Some(TagsMove::No) {
            return Err(Problem::refused(
                "commit-tag-taken",
                format!(
                    "{image} is not the image of this commit: it {says}, and tags of this repository cannot be moved."
                ),
                "Remove that tag if nothing uses it (`aws ecr batch-delete-image`), or deploy another commit.",
            ));
        }
        warnings.push(format!("{image} {says}: it was replaced by an image of this commit"));
        Ok(by_source)
    }

    async fn build(
        &self,
        registry: &Registry,
        wanted: &Wanted<'_>,
        build: &BuildSpec,
        warnings: &mut Vec<String>,
    ) -> Result<Manifest, Problem> {
        let source = wanted.source;
        if source.commit != source.checked_out {
            return Err(Problem::refused(
                "not-checked-out",
                format!(
                    "The image of {} is not in {} and cannot be built: {} is checked out.",
                    source.commit.short(),
                    wanted.repository,
                    source.checked_out.short()
                ),
                format!(
                    "Run `git checkout {}` (or check that commit out in the workflow), then run again.",
                    source.commit
                ),
            ));
        }
        let _turn = self.builds.acquire().await.expect("the semaphore is never closed");
        self.login(std::slice::from_ref(wanted.repository.registry())).await?;
        let image = wanted.repository.with_tag(wanted.commit.clone());
        let labels = labels::labels(source);
        let job =
            Job { spec: build, root: source.root(), image: &image, labels: &labels, scope: wanted.service.as_str() };
        self.say(wanted.service, &format!("building {image}"));
        let line = |text: &str| self.say(wanted.service, text);
        let pushed = match self.builder.build(&job, self.docker().await?, &self.options.mask, &line).await {
            Ok(pushed) => pushed,
            // Another run of the same commit was quicker.
            Err(problem) if problem.code == TAG_TAKEN => {
                let there = registry.find_one(wanted.repository, Name::Tag(wanted.commit.clone())).await?;
                let Some(there) = there else { return Err(problem) };
                let its = revision(registry, wanted.repository, &there).await?;
                return if its == Some(source.commit) { Ok(there) } else { Err(problem) };
            }
            Err(problem) => return Err(problem),
        };
        warnings.extend(pushed.warnings);
        // The registry's word, not the builder's, decides what is deployed.
        let names = [Name::Digest(pushed.digest), Name::Tag(wanted.commit.clone())];
        let mut answer = registry.find(wanted.repository, &names).await?;
        let (tagged, manifest) = (answer.pop().flatten(), answer.pop().flatten());
        if tagged.map(|tagged| tagged.digest) != Some(pushed.digest) {
            warnings.push(format!("{image} was moved by somebody else meanwhile; the image built here is used"));
        }
        manifest.ok_or_else(|| {
            Problem::provider(
                "push-not-there",
                format!("{} was pushed to {}, which does not have it.", pushed.digest, wanted.repository),
                "Run again. If it stays, look for a lifecycle rule that removes new images at once.",
            )
        })
    }
}

/// Gives the image every tag it should have and does not.
async fn name(
    registry: &Registry,
    wanted: &Wanted<'_>,
    found: &Found,
    how: How,
    manifest: &Manifest,
    warnings: &mut Vec<String>,
) -> Result<Vec<Tag>, Problem> {
    let holds = |holder: Option<&Manifest>| holder.is_some_and(|holder| holder.digest == manifest.digest);
    let commit = (&wanted.commit, found.commit.as_ref());
    // What was found by its commit alone may have been built with other settings, or with files git
    // does not keep: only what was built here and now is known to be the image of this source.
    let proven = how == How::Built || holds(found.identity.as_ref());
    let identity = wanted.identity.iter().filter(|_| proven).map(|tag| (tag, found.identity.as_ref()));
    let others = found.others.iter().map(|(tag, manifest)| (tag, manifest.as_ref()));
    let all = std::iter::once(commit).chain(identity).chain(others);
    let asked = all.map(async |(tag, holder)| {
        let done = if holds(holder) { Tagged::Done } else { registry.tag(wanted.repository, manifest, tag).await? };
        Ok::<_, RegistryError>((tag.clone(), done))
    });
    let mut have = Vec::new();
    for (tag, done) in futures_util::future::try_join_all(asked).await? {
        match done {
            Tagged::Done => have.push(tag),
            Tagged::Taken => warnings
                .push(format!("the tag {tag} was left where it is: tags of {} cannot be moved", wanted.repository)),
        }
    }
    Ok(have)
}

/// One question for everything that may be there.
async fn found(registry: &Registry, wanted: &Wanted<'_>) -> Result<Found, Problem> {
    let tags = std::iter::once(&wanted.commit).chain(&wanted.identity).chain(&wanted.others);
    let names: Vec<Name> = tags.map(|tag| Name::Tag(tag.clone())).collect();
    let mut answers = registry.find(wanted.repository, &names).await?.into_iter();
    let commit = answers.next().flatten();
    let identity = wanted.identity.as_ref().and_then(|_| answers.next().flatten());
    Ok(Found { commit, identity, others: wanted.others.iter().cloned().zip(answers).collect() })
}

/// The commit an image's label names.
pub(super) async fn revision(
    registry: &Registry,
    repository: &ImageRef,
    manifest: &Manifest,
) -> Result<Option<CommitSha>, RegistryError> {
    let image = match manifest.first_image() {
        Some(digest) => registry.find_one(repository, Name::Digest(digest)).await?,
        None => Some(manifest.clone()),
    };
    match image.and_then(|image| image.config()) {
        Some(config) => Ok(labels::revision(&registry.small_blob(repository, &config).await?)),
        None => Ok(None),
    }
}

fn not_there(wanted: &Wanted<'_>) -> Problem {
    Problem::mistake(
        "image-missing",
        format!("There is no image of {} in {}.", wanted.source.commit.short(), wanted.repository),
        format!(
            "Push it with the tag {} and the label org.opencontainers.image.revision, add `context` to the image of {}, or name an image with `--image {}=…`.",
            wanted.commit, wanted.service, wanted.service
        ),
    )
}

fn said(how: How) -> &'static str {
    match how {
        How::Built => "built",
        How::FoundByCommit => "already there:",
        How::FoundBySource => "same source as an earlier commit:",
    }
}
