//! Builds an image and pushes it under one tag.
//!
//! With buildx when the Docker client has it, otherwise with the BuildKit inside `docker build`.
//! Secret values travel in the environment or as files, never as arguments. Nothing is decided
//! here about whether to build or what else the image is called.

use std::ffi::OsString;
use std::path::Path;

use tokio::sync::OnceCell;

use super::login::{DockerConfig, Mask};
use super::source;
use crate::config::spec::{BuildCache, BuildSpec, Provenance, SecretSource};
use crate::engine::Cancel;
use crate::problem::Problem;
use crate::process::{Environment, Finished, ProcessError, Program, Stream};
use crate::types::{ImageDigest, ImageRef};

mod arguments;
mod failed;

pub(super) use failed::TAG_TAKEN;

const INSTALL: &str = "the Docker command line (with its buildx plugin)";

/// What builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Buildx,
    /// `docker build` of a client without the plugin.
    BuildKit,
}

/// What the builder behind buildx can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Store {
    /// The engine's classic store: one platform, no cache of its own to export.
    Classic,
    /// A builder in a container or elsewhere, or the engine with containerd's store.
    Full,
}

/// One image to build.
#[derive(Debug)]
pub(super) struct Job<'a> {
    pub spec: &'a BuildSpec,
    /// Folder the paths of the spec are relative to.
    pub root: &'a Path,
    /// Repository and the one tag to push.
    pub image: &'a ImageRef,
    pub labels: &'a [(String, String)],
    /// Keeps the caches of several services apart.
    pub scope: &'a str,
}

/// An image that was pushed.
#[derive(Debug)]
pub(super) struct Pushed {
    pub digest: ImageDigest,
    pub warnings: Vec<String>,
}

/// Where lines of a build go.
pub(super) type Line<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// The machine's means to build, looked at once.
#[derive(Debug)]
pub(super) struct Builder {
    environment: Environment,
    cancel: Cancel,
    tool: OnceCell<Tool>,
    store: OnceCell<Store>,
}

impl Builder {
    pub(super) fn new(environment: Environment, cancel: Cancel) -> Self {
        Self { environment, cancel, tool: OnceCell::new(), store: OnceCell::new() }
    }

    /// Builds and pushes; the digest is what the push reported.
    pub(super) async fn build(
        &self,
        job: &Job<'_>,
        docker: &DockerConfig,
        mask: &Mask,
        line: Line<'_>,
    ) -> Result<Pushed, Problem> {
        let environment = docker.environment(&self.environment);
        self.check(job, mask)?;
        let tool = *self.tool.get_or_try_init(|| self.find_tool(&environment)).await?;
        let mut warnings = Vec::new();
        let cache = self.cache(job, tool, &environment, &mut warnings).await?;
        let digest = match tool {
            Tool::Buildx => self.with_buildx(job, cache, docker, &environment, line).await?,
            Tool::BuildKit => self.with_docker(job, &environment, line).await?,
        };
        Ok(Pushed { digest, warnings })
    }

    /// Builds and leaves the image with the machine's own engine.
    pub(super) async fn build_here(
        &self,
        job: &Job<'_>,
        docker: &DockerConfig,
        mask: &Mask,
        line: Line<'_>,
    ) -> Result<(), Problem> {
        let mut environment = docker.environment(&self.environment);
        self.check(job, mask)?;
        if job.spec.platforms.len() > 1 {
            return Err(Problem::mistake(
                "several-platforms",
                "This machine's engine keeps an image for one platform.",
                "Name one platform, or give the image a registry.",
            ));
        }
        let arguments = match *self.tool.get_or_try_init(|| self.find_tool(&environment)).await? {
            Tool::Buildx => arguments::load(job),
            Tool::BuildKit => {
                environment.insert("DOCKER_BUILDKIT".to_owned(), "1".to_owned());
                arguments::docker(job)
            }
        };
        self.run(job, &environment, arguments, line).await.map(drop)
    }

    /// Everything that can be known to be wrong before minutes are spent on building.
    fn check(&self, job: &Job<'_>, mask: &Mask) -> Result<(), Problem> {
        let dockerfile = source::dockerfile(job.spec);
        if !job.root.join(&dockerfile).is_file() {
            return Err(Problem::mistake(
                "dockerfile-missing",
                format!("There is no Dockerfile at {}.", dockerfile.display()),
                "Set `dockerfile` of the service's image to its path from the repository's root, or add the file.",
            ));
        }
        for secret in &job.spec.secrets {
            let value = match &secret.source {
                SecretSource::Env(name) => {
                    self.environment.get(name).cloned().ok_or_else(|| format!("${name} is not set"))
                }
                SecretSource::File(path) => std::fs::read(job.root.join(path))
                    .map_err(|error| format!("{}: {error}", path.display()))
                    .map(|bytes| String::from_utf8(bytes).unwrap_or_default()),
            };
            let value = value.map_err(|cause| {
                Problem::mistake(
                    "build-secret-missing",
                    format!("The build secret {} has no value: {cause}.", secret.id),
                    "Give the value to the step (`env:` with `${{ secrets.… }}` in a workflow), or remove the secret from `secrets`.",
                )
            })?;
            for part in std::iter::once(value.trim()).chain(value.lines().map(str::trim)).filter(|part| part.len() > 3)
            {
                mask(part);
            }
        }
        Ok(())
    }

    async fn find_tool(&self, environment: &Environment) -> Result<Tool, Problem> {
        let asked = docker(environment).args(["buildx", "version"]).run(&self.cancel, &|_, _| {}).await;
        match asked {
            Ok(_) => Ok(Tool::Buildx),
            Err(ProcessError::Failed { .. }) => Ok(Tool::BuildKit),
            Err(other) => Err(other.into()),
        }
    }

    /// The cache that is really used; several platforms are refused here when they cannot work.
    async fn cache(
        &self,
        job: &Job<'_>,
        tool: Tool,
        environment: &Environment,
        warnings: &mut Vec<String>,
    ) -> Result<BuildCache, Problem> {
        let several = job.spec.platforms.len() > 1;
        if !several && job.spec.cache == BuildCache::Off {
            return Ok(BuildCache::Off);
        }
        let store = match tool {
            Tool::BuildKit => Store::Classic,
            Tool::Buildx => *self.store.get_or_init(|| self.find_store(environment)).await,
        };
        if several && store == Store::Classic {
            return Err(Problem::mistake(
                "several-platforms",
                format!("This builder makes images for one platform, {} are asked for.", job.spec.platforms.join(", ")),
                "Add `docker/setup-buildx-action` (and `docker/setup-qemu-action`) before this step, run `docker buildx create --use` on this machine, or name one platform.",
            ));
        }
        if job.spec.cache != BuildCache::Off && store == Store::Classic {
            warnings.push(
                "the layer cache is not used: this builder cannot export it; add `docker/setup-buildx-action` before this step, or run `docker buildx create --use`"
                    .to_owned(),
            );
            return Ok(BuildCache::Off);
        }
        let runner = ["ACTIONS_RUNTIME_TOKEN"].iter().all(|name| self.environment.contains_key(*name))
            && ["ACTIONS_CACHE_URL", "ACTIONS_RESULTS_URL"].iter().any(|name| self.environment.contains_key(*name));
        if job.spec.cache == BuildCache::Gha && !runner {
            warnings.push(
                "the layer cache is not used: ACTIONS_RUNTIME_TOKEN and ACTIONS_RESULTS_URL are only there in a step that `uses:` the action"
                    .to_owned(),
            );
            return Ok(BuildCache::Off);
        }
        Ok(job.spec.cache)
    }

    async fn find_store(&self, environment: &Environment) -> Store {
        let out = async |args: &[&str]| {
            let run = docker(environment).args(args);
            run.run(&self.cancel, &|_, _| {}).await.map(|finished| finished.out).unwrap_or_default()
        };
        let builder = out(&["buildx", "inspect"]).await;
        let driver = builder.lines().find_map(|line| line.strip_prefix("Driver:")).unwrap_or("docker").trim();
        if driver != "docker" {
            return Store::Full;
        }
        let engine = out(&["info", "--format", "{{json .DriverStatus}}"]).await;
        if engine.contains("io.containerd.snapshotter") { Store::Full } else { Store::Classic }
    }

    async fn with_buildx(
        &self,
        job: &Job<'_>,
        cache: BuildCache,
        docker: &DockerConfig,
        environment: &Environment,
        line: Line<'_>,
    ) -> Result<ImageDigest, Problem> {
        let metadata = tempfile::NamedTempFile::new_in(docker.folder())
            .map_err(|error| Problem::provider("temporary-folder", error.to_string(), "Make room on this machine."))?;
        let arguments = arguments::buildx(job, cache, metadata.path());
        self.run(job, environment, arguments, line).await?;
        let text = std::fs::read_to_string(metadata.path()).unwrap_or_default();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let digest = value.get("containerimage.digest").and_then(serde_json::Value::as_str);
        digest.and_then(|digest| digest.parse().ok()).ok_or_else(|| no_digest("buildx"))
    }

    async fn with_docker(
        &self,
        job: &Job<'_>,
        environment: &Environment,
        line: Line<'_>,
    ) -> Result<ImageDigest, Problem> {
        let mut environment = environment.clone();
        environment.insert("DOCKER_BUILDKIT".to_owned(), "1".to_owned());
        self.run(job, &environment, arguments::docker(job), line).await?;
        let push = [OsString::from("push"), job.image.to_string().into()];
        let pushed = self.run(job, &environment, push.to_vec(), line).await?;
        // The last line: `<tag>: digest: sha256:… size: 527`.
        let digest = pushed.out.lines().rev().find_map(|line| {
            let (_, rest) = line.split_once("digest: ")?;
            rest.split_whitespace().next()?.parse().ok()
        });
        digest.ok_or_else(|| no_digest("docker push"))
    }

    async fn run(
        &self,
        job: &Job<'_>,
        environment: &Environment,
        arguments: Vec<OsString>,
        line: Line<'_>,
    ) -> Result<Finished, Problem> {
        let program = docker(environment).args(arguments).in_directory(job.root);
        let run = program.run(&self.cancel, &|_: Stream, text: &str| line(text)).await;
        run.map_err(|error| failed::problem(error, job))
    }
}

fn docker(environment: &Environment) -> Program {
    Program::new("docker", environment, INSTALL)
}

fn no_digest(program: &str) -> Problem {
    Problem::provider(
        "digest-unknown",
        format!("{program} pushed the image and did not say its digest."),
        "Use buildx 0.10 or newer, or Docker 20.10 or newer.",
    )
}

fn provenance(spec: &BuildSpec) -> &'static str {
    match spec.provenance {
        Provenance::Off => "--provenance=false",
        Provenance::Min => "--provenance=mode=min",
    }
}
