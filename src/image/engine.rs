//! Images that only the Docker Engine of this machine has: the registry `local`.
//!
//! For a Compose project on this machine, and to try Shipline out: nothing is pushed and no account is
//! needed. What is deployed is the id the engine gives an image; it is as fixed as a digest. The order
//! is that of `ensure`: found by the commit, found by its source, built.

use super::build::Job;
use super::ensure::{Built, How};
use super::existing::Ask;
use super::labels;
use super::pipeline::Pipeline;
use super::source::{Context, Source};
use super::tags::{Tags, tags};
use crate::config::spec::ImageSpec;
use crate::engine::clock;
use crate::problem::Problem;
use crate::process::{ProcessError, Program};
use crate::types::{CommitSha, ImageDigest, ImageRef, PinnedImage, ServiceName, Tag};

/// An image of the engine.
struct Kept {
    id: ImageDigest,
    commit: Option<CommitSha>,
}

impl Pipeline {
    /// The image of `source` on this machine's engine, built only when it must be.
    pub(super) async fn ensure_on_engine(
        &self,
        service: &ServiceName,
        spec: &ImageSpec,
        repository: &ImageRef,
        source: &Source,
    ) -> Result<Built, Problem> {
        let begun = clock::instant();
        let Tags { others, warnings, .. } = tags(Some(source.commit), &spec.tags, &source.origin);
        let commit: Tag = source.commit.into();
        let image = repository.with_tag(commit.clone());
        let identity = match &spec.build {
            Some(build) => match source.context(build, &self.options.cancel).await? {
                Context::Exact(identity) => Some(identity.tag()),
                Context::WithExtras(_) => None,
            },
            None => None,
        };
        let by_commit = self.kept(&image).await?.filter(|kept| kept.commit == Some(source.commit));
        let by_source = match &identity {
            Some(tag) => self.kept(&repository.with_tag(tag.clone())).await?,
            None => None,
        };
        let (how, id) = if let Some(kept) = by_commit {
            (How::FoundByCommit, kept.id)
        } else if let Some(kept) = by_source {
            (How::FoundBySource, kept.id)
        } else {
            let build = spec.build.as_ref().ok_or_else(|| missing(&image))?;
            if source.commit != source.checked_out {
                let what = format!(
                    "The image of {} is not on this machine and another commit is checked out.",
                    source.commit.short()
                );
                let next = format!("Run `git checkout {}`, then run again.", source.commit);
                return Err(Problem::refused("not-checked-out", what, next));
            }
            let _turn = self.builds.acquire().await.expect("the semaphore is never closed");
            let labels = labels::labels(source);
            let job = Job { spec: build, root: source.root(), image: &image, labels: &labels, scope: service.as_str() };
            self.say(service, &format!("building {image}"));
            let line = |text: &str| self.say(service, text);
            self.builder.build_here(&job, self.docker().await?, &self.options.mask, &line).await?;
            (How::Built, self.kept(&image).await?.ok_or_else(|| missing(&image))?.id)
        };
        let proven = identity.filter(|_| how != How::FoundByCommit);
        for tag in std::iter::once(&commit).chain(&others).chain(&proven) {
            let name = repository.with_tag(tag.clone()).to_string();
            self.docker_program().args(["tag", &id.to_string(), &name]).run(&self.options.cancel, &|_, _| {}).await?;
        }
        self.say(service, &format!("{} {id}", if how == How::Built { "built" } else { "found" }));
        let tags = std::iter::once(commit).chain(others).collect();
        Ok(Built { image: image.pinned(id), how, tags, warnings, took: begun.elapsed() })
    }

    /// What a reference to an image of the engine means now.
    pub(super) async fn resolve_on_engine(
        &self,
        image: &ImageRef,
        ask: Ask,
    ) -> Result<(PinnedImage, Option<CommitSha>), Problem> {
        let kept = self.kept(image).await?.ok_or_else(|| missing(image))?;
        Ok((image.pinned(kept.id), if ask == Ask::Commit { kept.commit } else { None }))
    }

    /// The platform of an image of the engine; nothing when there is no such image.
    pub(super) async fn platform_on_engine(&self, image: &ImageRef) -> Result<Option<Vec<String>>, Problem> {
        let Some(kept) = self.kept(image).await? else { return Ok(None) };
        let id = kept.id.to_string();
        let asked = self.docker_program().args(["image", "inspect", "--format", "{{.Os}}/{{.Architecture}}", &id]);
        let finished = asked.run(&self.options.cancel, &|_, _| {}).await?;
        Ok(Some(vec![finished.out.trim().to_owned()]))
    }

    async fn kept(&self, image: &ImageRef) -> Result<Option<Kept>, Problem> {
        let name = match image.digest() {
            Some(id) => id.to_string(),
            None => image.to_string(),
        };
        let format =
            "{{.Id}} {{if .Config.Labels}}{{index .Config.Labels \"org.opencontainers.image.revision\"}}{{end}}";
        let asked = self.docker_program().args(["image", "inspect", "--format", format, &name]);
        let out = match asked.run(&self.options.cancel, &|_, _| {}).await {
            Ok(finished) => finished.out,
            Err(ProcessError::Failed { tail, .. }) if tail.iter().any(|line| line.contains("No such image")) => {
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let (id, label) = out.trim().split_once(' ').unwrap_or((out.trim(), ""));
        let id = id.parse().map_err(|error| {
            let next = "Check that `docker` on this machine talks to a Docker Engine.";
            Problem::provider("image-id", format!("Docker's answer about {name} cannot be read: {error}"), next)
        })?;
        Ok(Some(Kept { id, commit: label.parse().ok() }))
    }

    fn docker_program(&self) -> Program {
        Program::new("docker", &self.options.environment, "Docker")
    }
}

/// The problem of an image that was to be copied from or to an engine.
pub(super) fn not_copied(image: &ImageRef) -> Problem {
    let what = format!("{image} is on a machine's own Docker Engine: there is no registry to copy it from or to");
    let next = "Give the image a registry in the configuration, or deploy to both environments from this machine.";
    Problem::refused("image-on-engine", what, next)
}

fn missing(image: &ImageRef) -> Problem {
    let next = "Build it on this machine under that name, or add `context` to the service's image.";
    Problem::mistake("image-missing", format!("There is no image {image} on this machine."), next)
}
