//! The images of a release: given, found, or built. A release is bound to digests here; everything
//! behind deploys exactly those.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use secrecy::SecretString;

use super::deploy::Request;
use super::environment;
use super::host::Host;
use super::planning::about;
use super::promotion::Giver;
use super::recorder::Recorder;
use crate::aws::{self, Session};
use crate::config::spec::{EnvironmentSpec, ImageRepository, ImageSpec, image_repository};
use crate::image::{Ask, How, Options, Pipeline, Source};
use crate::problem::{Problem, Problems};
use crate::report::ImageOrigin;
use crate::rollout::{Plan, Revision};
use crate::types::{AccountId, CommitSha, ImageDigest, ImageRef, PinnedImage, RegistryHost, ServiceName};

/// More registries to log in to before a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registries {
    /// Accounts whose private ECR registries base images come from.
    pub accounts: Vec<AccountId>,
    /// Other hosts, such as `public.ecr.aws`.
    pub hosts: Vec<RegistryHost>,
}

/// The images of a release.
#[derive(Debug, Clone, Default)]
pub struct Images {
    /// What is deployed, with the commit it was made from.
    pub pinned: BTreeMap<ServiceName, (PinnedImage, Option<CommitSha>)>,
    /// How each came to be there, with its tags.
    pub origins: BTreeMap<ServiceName, (ImageOrigin, Vec<String>)>,
    /// Short names of earlier revisions that are put back.
    pub put_back: BTreeMap<ServiceName, String>,
    /// The release's commit, when known.
    pub commit: Option<CommitSha>,
}

/// Refuses at once what cannot have an image, before anything is asked of anybody.
pub fn possible(request: &Request, services: &[ServiceName]) -> Result<(), Problems> {
    let mut problems = Vec::new();
    for name in services {
        let configured = request.config.services.get(name).is_some_and(|service| service.image.is_some());
        if !configured && request.from.is_none() && !request.images.contains_key(name) {
            problems.push(Problem::mistake(
                "no-image",
                format!("{name} has no image to deploy"),
                format!("Give `services.{name}.image` in the configuration, or an existing one with `--image {name}=<reference>`."),
            ));
        }
    }
    for name in request.images.keys().filter(|name| !services.contains(name)) {
        problems.push(Problem::mistake(
            "unknown-service",
            format!("an image is given for {name}, which is not deployed here"),
            "Correct the name before `=`.",
        ));
    }
    Problems::or(problems, ())
}

/// Reads the commit, unless every image is given.
async fn source(request: &Request, services: &[ServiceName], host: &Host) -> Result<Option<Source>, Problem> {
    if request.from.is_some() || services.iter().all(|name| request.images.contains_key(name)) {
        return Ok(None);
    }
    Box::pin(Source::read(&host.root, request.commit, &host.variables, &host.cancel)).await.map(Some)
}

/// A pipeline with this session's credentials, or with none where nothing of the run is on AWS.
pub fn pipeline(session: Option<&Session>, host: &Host) -> Pipeline {
    let (console, mask) = (host.console.clone(), host.console.clone());
    let options = Options {
        environment: host.variables.clone(),
        mask: Arc::new(move |secret| mask.mask(&SecretString::from(secret.to_owned()))),
        lines: Arc::new(move |service, line| console.line(&format!("  {service} | {line}"))),
        cancel: host.cancel.clone(),
    };
    match session {
        Some(session) => Pipeline::new(session.sdk(), options),
        None => Pipeline::new(&aws::without_credentials(), options),
    }
}

/// Opens the environment's session and reads the commit, both at once, then finds or builds the
/// images: what a deployment and a build begin with alike.
pub(super) async fn gather(
    request: &Request,
    spec: &EnvironmentSpec,
    services: &[ServiceName],
    host: &Host,
    recorder: &Recorder,
) -> Result<(Option<Session>, Images), Problems> {
    let given = request.images.values().map(|image| image.registry().clone());
    let accounts = request.registries.accounts.iter();
    let region = "us-east-1".parse().expect("a region");
    let registries: Vec<RegistryHost> = given
        .chain(request.registries.hosts.iter().cloned())
        .chain(accounts.map(|account| RegistryHost::of_ecr(account, &region)))
        .collect();
    // What is given is not looked for where the configuration says.
    let found: Vec<ServiceName> = services.iter().filter(|name| !request.images.contains_key(*name)).cloned().collect();
    let images = if found.is_empty() { environment::Images::Untouched } else { environment::Images::Dealt };
    let dealings = environment::Dealings { config: &request.config, spec, services, registries: &registries, images };
    let opening = environment::open(host, &request.environment, dealings, &request.login);
    let sourcing = source(request, services, host);
    let (session, source) = recorder.stage("credentials", async { futures_util::join!(opening, sourcing) }).await;
    let (session, source) = (session?, source?);
    let images = Box::pin(self::images(request, services, session.as_ref(), source.as_ref(), host, recorder)).await?;
    Ok((session, images))
}

/// The image of every service, found or built, several at once.
async fn images(
    request: &Request,
    services: &[ServiceName],
    session: Option<&Session>,
    source: Option<&Source>,
    host: &Host,
    recorder: &Recorder,
) -> Result<Images, Problems> {
    let pipeline = pipeline(session, host);
    let giver = Giver::open(request, services, host).await?;
    let building = services.iter().any(|name| !request.images.contains_key(name));
    if building {
        host.console.group("Images");
        let registries = login_hosts(&request.registries, session);
        if !registries.is_empty() {
            recorder.stage("login", pipeline.login(&registries)).await?;
        }
    }
    let answers = join_all(services.iter().map(async |name| {
        let found = match (request.images.get(name), &giver, source) {
            (Some(reference), _, _) => given(request, reference, &pipeline).await,
            (None, Some(giver), _) => {
                let work = brought(request, name, session, giver, &pipeline, recorder);
                recorder.stage(format!("image {name}"), work).await
            }
            (None, None, Some(source)) => {
                let work = built(request, name, session, source, &pipeline, recorder);
                recorder.stage(format!("image {name}"), work).await
            }
            (None, None, None) => Err(Problem::defect("source", format!("the commit of {name} was not read"))),
        };
        (name, found)
    }))
    .await;
    if building {
        host.console.end_group();
    }
    let mut images = Images { commit: source.map(|source| source.commit).or(request.commit), ..Images::default() };
    let mut problems = Vec::new();
    for (name, found) in answers {
        match found {
            Ok((image, commit, origin, tags)) => {
                images.pinned.insert(name.clone(), (image, commit));
                images.origins.insert(name.clone(), (origin, tags));
            }
            Err(problem) => problems.push(about(name, problem)),
        }
    }
    if images.commit.is_none() {
        // Images given by hand speak for one commit only if all agree.
        let mut commits = images.pinned.values().map(|(_, commit)| *commit);
        let first = commits.next().flatten();
        images.commit = first.filter(|first| commits.all(|other| other == Some(*first)));
    }
    Problems::or(problems, images)
}

/// An image with its commit, how it came to be there, and its tags.
pub(super) type Found = (PinnedImage, Option<CommitSha>, ImageOrigin, Vec<String>);

async fn given(request: &Request, reference: &ImageRef, pipeline: &Pipeline) -> Result<Found, Problem> {
    let ask = if request.commit.is_some() || request.github_token.is_some() { Ask::Commit } else { Ask::Digest };
    let (image, commit) = pipeline.resolve_existing(reference, ask).await?;
    if let Some(wanted) = request.commit
        && commit != Some(wanted)
    {
        let says = commit.map_or_else(|| "no commit at all".to_owned(), |commit| commit.to_string());
        return Err(Problem::refused(
            "image-of-another-commit",
            format!("{reference} is not an image of {wanted}: its label says {says}"),
            "Give the image that was built from that commit, or leave the commit out.",
        ));
    }
    let tags = reference.tag().map(|tag| vec![tag.to_string()]).unwrap_or_default();
    Ok((image, commit, ImageOrigin::Given, tags))
}

async fn built(
    request: &Request,
    name: &ServiceName,
    session: Option<&Session>,
    source: &Source,
    pipeline: &Pipeline,
    recorder: &Recorder,
) -> Result<Found, Problem> {
    let spec = request.config.services.get(name).and_then(|service| service.image.as_ref());
    let spec = spec.ok_or_else(|| Problem::defect("no-image", format!("{name} has no image")))?;
    let repository = repository(spec, session).await?;
    let built = pipeline.ensure(name, spec, &repository, source).await?;
    for warning in &built.warnings {
        recorder.warning(&format!("{name}: {warning}"));
    }
    let origin = match built.how {
        How::Built => ImageOrigin::Built,
        How::FoundByCommit => ImageOrigin::FoundByCommit,
        How::FoundBySource => ImageOrigin::FoundByTree,
    };
    let tags = built.tags.iter().map(ToString::to_string).collect();
    Ok((built.image, Some(source.commit), origin, tags))
}

async fn brought(
    request: &Request,
    name: &ServiceName,
    session: Option<&Session>,
    giver: &Giver<'_>,
    pipeline: &Pipeline,
    recorder: &Recorder,
) -> Result<Found, Problem> {
    let repository = match request.config.services.get(name).and_then(|service| service.image.as_ref()) {
        Some(spec) => Some(repository(spec, session).await?),
        None => None,
    };
    giver.bring(name, repository, pipeline, request, recorder).await
}

/// Where a service's images live for this account and region.
pub async fn repository(spec: &ImageSpec, session: Option<&Session>) -> Result<ImageRef, Problem> {
    Ok(match &spec.repository {
        own @ ImageRepository::OwnEcr(path) => {
            let session = session.ok_or_else(|| {
                Problem::defect("no-session", format!("the repository {path} is in ECR, and there is no AWS session"))
            })?;
            image_repository(own, &session.account().await?, session.region())
        }
        ImageRepository::At(host, path) => ImageRef::repository_of(host.clone(), path.clone()),
    })
}

fn login_hosts(registries: &Registries, session: Option<&Session>) -> Vec<RegistryHost> {
    let region = session.map(Session::region);
    let accounts = registries.accounts.iter().zip(std::iter::repeat(region));
    let own = accounts.filter_map(|(account, region)| Some(RegistryHost::of_ecr(account, region?)));
    own.chain(registries.hosts.iter().cloned()).collect()
}

/// The digest that a commit's tag has in the repository of what is live; nothing when there is none.
pub async fn digest_of(
    commit: CommitSha,
    live: &Revision,
    session: Option<&Session>,
    host: &Host,
) -> Result<Option<ImageDigest>, Problem> {
    let Ok(reference) = live.image_text.parse::<ImageRef>() else { return Ok(None) };
    if !readable(&reference, session) {
        return Ok(None);
    }
    match pipeline(session, host).resolve_existing(&reference.with_tag(commit.into()), Ask::Digest).await {
        Ok((image, _)) => Ok(Some(image.digest())),
        Err(problem) if problem.code == "image-missing" => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// Whether there are credentials for the registry of an image.
fn readable(image: &ImageRef, session: Option<&Session>) -> bool {
    session.is_some() || image.registry().ecr().is_none()
}

/// Fills in the commits of what served before, from the images' labels. Best effort: they are for
/// people, and nothing is decided by them.
pub async fn previous_commits(plan: &mut Plan, session: Option<&Session>, host: &Host) {
    let pipeline = pipeline(session, host);
    let asked = plan.services.iter().filter(|(_, part)| part.previous.commit.is_none()).filter_map(|(name, part)| {
        let reference: ImageRef = part.previous.image_text.parse().ok()?;
        readable(&reference, session).then(|| (name.clone(), reference))
    });
    let found = join_all(asked.map(async |(name, reference)| {
        let commit = pipeline.resolve_existing(&reference, Ask::Commit).await.ok().and_then(|(_, commit)| commit);
        (name, commit)
    }))
    .await;
    for (name, commit) in found {
        if let Some(part) = plan.services.get_mut(&name) {
            part.previous.commit = commit;
        }
    }
}
