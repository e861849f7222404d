//! `--from`: what another environment serves, brought along by digest and never rebuilt.
//!
//! Where both environments share a repository nothing moves; otherwise layers are mounted or copied
//! into the one this environment pulls from, and the digest stays.

use super::deploy::Request;
use super::environment;
use super::host::Host;
use super::planning::about;
use super::recorder::Recorder;
use super::release::{self, Found};
use crate::engine::Targets;
use crate::image::{Ask, Pipeline};
use crate::problem::{Problem, Problems};
use crate::report::ImageOrigin;
use crate::types::{EnvironmentName, ImageRef, ServiceName, Tag};

/// The environment images come from.
pub(super) struct Giver<'a> {
    name: &'a EnvironmentName,
    targets: Targets,
    pipeline: Pipeline,
}

impl<'a> Giver<'a> {
    /// Opens the environment that `--from` names; nothing when it names none.
    pub(super) async fn open(
        request: &'a Request,
        services: &[ServiceName],
        host: &Host,
    ) -> Result<Option<Self>, Problems> {
        let Some(name) = &request.from else { return Ok(None) };
        if *name == request.environment {
            let next = "Name the environment whose images should come here.";
            return Err(Problem::mistake("from-itself", format!("{name} cannot give images to itself"), next).into());
        }
        let spec = environment::find(&request.config, name)?;
        let needed: Vec<ServiceName> =
            services.iter().filter(|service| !request.images.contains_key(*service)).cloned().collect();
        let needed = environment::chosen(name, spec, &needed)?;
        let dealt = environment::Images::Dealt;
        let (session, targets) = environment::places(request, name, spec, &needed, dealt, host).await?;
        Ok(Some(Self { name, targets, pipeline: release::pipeline(session.as_ref(), host) }))
    }

    /// The image that runs there, in `repository` (where it is when absent).
    pub(super) async fn bring(
        &self,
        service: &ServiceName,
        repository: Option<ImageRef>,
        own: &Pipeline,
        request: &Request,
        recorder: &Recorder,
    ) -> Result<Found, Problem> {
        let target = self
            .targets
            .get(service)
            .ok_or_else(|| Problem::defect("from", format!("{service} was not opened in {}", self.name)))?;
        let live = target.past().await.map_err(|error| about(service, error.into()))?.live;
        let reference: ImageRef = live.image_text.parse().map_err(|error| {
            let next = "Deploy an image with its registry there first.";
            Problem::refused(
                "from-image",
                format!("what {service} runs in {} cannot be brought: {error}", self.name),
                next,
            )
        })?;
        let (image, commit) = self.pipeline.resolve_existing(&reference, Ask::Commit).await?;
        if let Some(wanted) = request.commit
            && commit != Some(wanted)
        {
            let says = commit.map_or_else(|| "an image without a commit".to_owned(), |commit| commit.short());
            let what = format!("{} runs {says} of {service}, not {}", self.name, wanted.short());
            let next = format!("Deploy that commit to {} first, or leave the commit out.", self.name);
            return Err(Problem::refused("from-another-commit", what, next));
        }
        let tags: Vec<Tag> = commit.map(Tag::from).into_iter().collect();
        let there = |repository: &ImageRef| {
            repository.registry() == reference.registry() && repository.repository() == reference.repository()
        };
        let Some(repository) = repository.filter(|repository| !there(repository)) else {
            return Ok((image, commit, ImageOrigin::Promoted, Vec::new()));
        };
        let promoted = own.promote(&self.pipeline, &image, &repository, &tags).await?;
        for warning in &promoted.warnings {
            recorder.warning(&format!("{service}: {warning}"));
        }
        Ok((promoted.image, commit, ImageOrigin::Promoted, tags.iter().map(ToString::to_string).collect()))
    }
}
