//! The images of a release: found, or brought along from the environment that comes before. Never
//! built here, and never rebuilt: what ran there is what runs here, to the digest.

use std::collections::BTreeMap;

use futures_util::future::{join_all, try_join_all};
use shipline::aws::Session;
use shipline::cli::release::repository;
use shipline::config::spec::{BuildSpec, Config, EnvironmentSpec, ImageSpec};
use shipline::engine::Cancel;
use shipline::image::{Ask, Pipeline, dockerfile, dockerignore};
use shipline::problem::Problem;
use shipline::report::ImageOrigin;
use shipline::types::{CommitSha, EnvironmentName, ImageRef, PinnedImage, ServiceName, Tag};

use super::opened;
use crate::context::Bot;
use crate::decision::{Denied, ReasonCode};
use crate::github::{Hub, Sources};
use crate::policy;
use crate::types::{EnvironmentKey, RepositoryRef};

/// How many releases of the environment before are looked through for this commit.
const LEDGER: u32 = 50;

/// An image and how it came to be there.
pub(super) type Origin = (PinnedImage, ImageOrigin);

/// The images of a release.
#[derive(Debug)]
pub(super) enum Found {
    /// All of them.
    All(BTreeMap<ServiceName, Origin>, Vec<String>),
    /// These services have none.
    Missing(Vec<ServiceName>),
}

/// What is looked for, where.
pub(super) struct Search<'a> {
    pub(super) bot: &'a Bot,
    pub(super) hub: &'a Hub,
    pub(super) repository: &'a RepositoryRef,
    pub(super) config: &'a Config,
    pub(super) spec: &'a EnvironmentSpec,
    pub(super) services: &'a [ServiceName],
    pub(super) session: &'a Session,
    pub(super) commit: CommitSha,
    pub(super) cancel: &'a Cancel,
    /// Whether an image may be brought from another repository, which writes into ours.
    pub(super) bring: Bring,
}

/// What an environment that comes before ran of the commit.
struct Given {
    from: EnvironmentName,
    image: PinnedImage,
    said: Said,
}

/// Where it is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// The bot's own ledger.
    ByUs,
    /// A GitHub Deployment, which everybody who can write there can make: the image's label must
    /// name the commit as well.
    OnGitHub,
}

/// Whether an image may be brought along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bring {
    /// It is.
    Yes,
    /// It is only looked for: nothing is written anywhere.
    Look,
}

impl Search<'_> {
    /// Looks for every service's image, all at once.
    pub(super) async fn find(&self) -> Result<Found, Denied> {
        let pipeline = opened::pipeline(self.bot, self.session, self.cancel);
        let given = self.given().await?;
        let answers = join_all(self.services.iter().map(async |name| {
            let found = match given.get(name) {
                Some(given) => self.brought(name, given, &pipeline).await.map(Some),
                None => self.own(name, &pipeline).await,
            };
            (name, found)
        }))
        .await;
        let (mut images, mut missing, mut notices) = (BTreeMap::new(), Vec::new(), Vec::new());
        for (name, answer) in answers {
            match answer? {
                Some((image, origin, told)) => {
                    images.insert(name.clone(), (image, origin));
                    notices.extend(told.into_iter().map(|notice| format!("{name}: {notice}")));
                }
                None => missing.push(name.clone()),
            }
        }
        Ok(if missing.is_empty() { Found::All(images, notices) } else { Found::Missing(missing) })
    }

    /// The image of the commit in the service's own repository; its label must name the commit.
    async fn own(
        &self,
        name: &ServiceName,
        pipeline: &Pipeline,
    ) -> Result<Option<(PinnedImage, ImageOrigin, Vec<String>)>, Denied> {
        let tagged = self.repository_of(name).await?.with_tag(self.commit.into());
        let (image, label) = match pipeline.resolve_existing(&tagged, Ask::Commit).await {
            Ok(found) => found,
            Err(problem) if problem.code == "image-missing" => return Ok(None),
            Err(problem) => return Err(about(name, problem)),
        };
        if label == Some(self.commit) {
            return Ok(Some((image, ImageOrigin::FoundByCommit, Vec::new())));
        }
        if let Some(earlier) = label
            && self.is_built_alike(name, earlier).await?
        {
            // A commit that changes nothing of this service has the image of the one before it.
            return Ok(Some((image, ImageOrigin::FoundByTree, Vec::new())));
        }
        let says = label.map_or_else(
            || "it has no label `org.opencontainers.image.revision`".to_owned(),
            |other| format!("its label says `{}`", other.short()),
        );
        Err(Denied::new(
            ReasonCode::ImageOfAnotherCommit,
            format!("`{tagged}` is not the image of `{}`: {says}.", self.commit.short()),
            "Build and push the image of this commit with that label (`shipline build` and docs/bot.md do), then try again.",
        ))
    }

    /// Whether the image of another commit is that of ours as well: what its build reads and how it is
    /// built are the very same in both, by git's own ids and both commits' configuration.
    async fn is_built_alike(&self, name: &ServiceName, other: CommitSha) -> Result<bool, Denied> {
        let not_told = |problem: Problem| about(name, problem);
        let texts = [self.commit, other].map(|commit| self.hub.file(shipline::config::FILE, commit));
        let texts = try_join_all(texts).await.map_err(not_told)?;
        let builds: Vec<Option<BuildSpec>> = texts.iter().map(|text| build_of(text.as_deref(), name)).collect();
        let [Some(build), Some(before)] = builds.as_slice() else { return Ok(false) };
        if build != before {
            return Ok(false);
        }
        let dockerfile = dockerfile(build);
        let ignore = dockerignore(&dockerfile);
        let sources = Sources { context: &build.context, dockerfile: &dockerfile, ignore: &ignore };
        self.hub.same_source(sources, self.commit, other).await.map_err(not_told)
    }

    async fn repository_of(&self, name: &ServiceName) -> Result<ImageRef, Denied> {
        let spec = self.image_of(name)?;
        repository(spec, Some(self.session)).await.map_err(|problem| about(name, problem))
    }

    fn image_of(&self, name: &ServiceName) -> Result<&ImageSpec, Denied> {
        self.config.services.get(name).and_then(|service| service.image.as_ref()).ok_or_else(|| {
            Denied::new(
                ReasonCode::ImageMissing,
                format!("`{name}` has no image in the policy, so no commit can be found for it."),
                format!("Give `services.{name}.image` in `.github/shipline.yml`."),
            )
        })
    }

    /// What the environments that come before ran of this very commit, by service.
    async fn given(&self) -> Result<BTreeMap<ServiceName, Given>, Denied> {
        let mut given = BTreeMap::new();
        for before in &self.spec.policy.requires {
            let key = EnvironmentKey { repository: self.repository.id, environment: before.clone() };
            let good = self.bot.store.good(&key, LEDGER).await.map_err(|error| {
                let what = format!("What `{before}` ran is not known: {error}.");
                Denied::new(ReasonCode::ProviderFailed, what, "Try again.")
            })?;
            let same = good.iter().filter(|good| good.commit == Some(self.commit));
            for (name, revision) in same.flat_map(|good| &good.serves) {
                if let Some(image) = &revision.image
                    && self.services.contains(name)
                {
                    given.entry(name.clone()).or_insert_with(|| Given {
                        from: before.clone(),
                        image: image.clone(),
                        said: Said::ByUs,
                    });
                }
            }
            let lacking = self.services.iter().any(|name| !given.contains_key(name));
            if lacking && good.iter().all(|good| good.commit != Some(self.commit)) {
                self.given_by_the_action(before, &mut given).await;
            }
        }
        Ok(given)
    }

    /// What the action noted in GitHub's Deployments. What cannot be had is looked for by its tag.
    async fn given_by_the_action(&self, before: &EnvironmentName, given: &mut BTreeMap<ServiceName, Given>) {
        let Ok(situation) = self.hub.situation(None, Some(before)).await else { return };
        let good = situation
            .deployments
            .iter()
            .filter(|seen| seen.sha == self.commit && matches!(seen.state.as_deref(), Some("success" | "inactive")));
        for (name, image) in good.flat_map(super::back::noted) {
            if self.services.contains(&name) {
                given.entry(name).or_insert_with(|| Given { from: before.clone(), image, said: Said::OnGitHub });
            }
        }
    }

    /// The image, if it is there and what is known of it can be trusted.
    async fn proven(&self, name: &ServiceName, given: &Given, pipeline: &Pipeline) -> Result<PinnedImage, Denied> {
        let ask = match given.said {
            Said::ByUs => Ask::Digest,
            Said::OnGitHub => Ask::Commit,
        };
        let found = pipeline.resolve_existing(given.image.reference(), ask).await;
        let (image, label) = found.map_err(|problem| about(name, problem))?;
        if given.said == Said::OnGitHub && label != Some(self.commit) {
            return Err(Denied::new(
                ReasonCode::ImageOfAnotherCommit,
                format!(
                    "`{image}`, noted for `{}` on GitHub, is not the image of `{}`.",
                    given.from,
                    self.commit.short()
                ),
                format!("Deploy the commit to `{}` again, then here.", given.from),
            ));
        }
        Ok(image)
    }

    /// The digest that ran before, in the repository this environment pulls from.
    async fn brought(
        &self,
        name: &ServiceName,
        given: &Given,
        pipeline: &Pipeline,
    ) -> Result<(PinnedImage, ImageOrigin, Vec<String>), Denied> {
        let there = given.image.reference();
        let own = match self.config.services.get(name).and_then(|service| service.image.as_ref()) {
            Some(_) => Some(self.repository_of(name).await?),
            None => None,
        };
        let own = own.filter(|own| own.registry() != there.registry() || own.repository() != there.repository());
        let Some(own) = own.filter(|_| self.bring == Bring::Yes) else {
            let same = self.proven(name, given, pipeline).await?;
            return Ok((same, ImageOrigin::Promoted, Vec::new()));
        };
        let source = policy::environment(self.config, &given.from)?;
        let session = opened::session(self.bot, self.repository, &given.from, source).await?;
        let source = opened::pipeline(self.bot, &session, self.cancel);
        let image = self.proven(name, given, &source).await?;
        let tags = [Tag::from(self.commit)];
        let promoted = pipeline.promote(&source, &image, &own, &tags).await.map_err(|problem| about(name, problem))?;
        Ok((promoted.image, ImageOrigin::Promoted, promoted.warnings))
    }
}

/// How a configuration builds a service; nothing when it does not, or cannot be read.
fn build_of(text: Option<&str>, name: &ServiceName) -> Option<BuildSpec> {
    let config = shipline::config::parse(shipline::config::FILE, text?).ok()?;
    config.services.get(name)?.image.as_ref()?.build.clone()
}

fn about(name: &ServiceName, problem: Problem) -> Denied {
    policy::denied(&shipline::cli::planning::about(name, problem).into(), ReasonCode::ImageMissing)
}
