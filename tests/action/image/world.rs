//! What the image stories need of the world: a repository, a checkout, a pipeline with ears.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shipline::engine::wait::{self, Backoff, Seen, Waited};
use shipline::engine::{Cancel, clock};
use shipline::image::{Options, Pipeline, Source};
use shipline::process::{Environment, Program, Stream};
use shipline::types::{ImageRef, ServiceName};

/// Whether tags of a new repository can be moved.
pub(crate) enum Repository {
    Mutable,
    Immutable,
}

/// The running world, as `scripts/world env` describes it.
pub(crate) struct World {
    pub(crate) environment: Environment,
    pub(crate) sdk: aws_config::SdkConfig,
    pub(crate) ecr: aws_sdk_ecr::Client,
    pub(crate) cancel: Cancel,
    home: tempfile::TempDir,
    lines: Arc<Mutex<Vec<String>>>,
    masked: Arc<Mutex<Vec<String>>>,
}

impl World {
    /// Fails, and says what to do, when the world is not up.
    #[expect(clippy::disallowed_methods, reason = "the world is described by the environment")]
    pub(crate) async fn here() -> Self {
        let mut environment: Environment = std::env::vars().collect();
        let up = "run `scripts/world up`, then `eval \"$(scripts/world env)\"`";
        let endpoint =
            environment.get("AWS_ENDPOINT_URL").unwrap_or_else(|| panic!("AWS_ENDPOINT_URL is not set: {up}"));
        let health = reqwest::get(format!("{endpoint}/_ministack/health")).await;
        assert!(health.is_ok_and(|answer| answer.status().is_success()), "{endpoint} does not answer: {up}");
        let home = tempfile::tempdir().unwrap();
        let own = home.path().join(".docker");
        std::fs::create_dir(&own).unwrap();
        std::fs::write(own.join("config.json"), r#"{"auths":{"ghcr.io":{"auth":"YTpi"}}}"#).unwrap();
        environment.insert("HOME".into(), home.path().to_str().unwrap().into());
        environment.insert("RUNNER_TEMP".into(), home.path().to_str().unwrap().into());
        for name in ["DOCKER_CONFIG", "GITHUB_REF", "GITHUB_REPOSITORY", "GITHUB_SERVER_URL"] {
            environment.remove(name);
        }
        let sdk = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
        let ecr = aws_sdk_ecr::Client::new(&sdk);
        Self { environment, sdk, ecr, cancel: Cancel::new(), home, lines: Arc::default(), masked: Arc::default() }
    }

    pub(crate) fn pipeline(&self) -> Pipeline {
        self.pipeline_in(self.environment.clone())
    }

    pub(crate) fn pipeline_in(&self, environment: Environment) -> Pipeline {
        let (lines, masked) = (Arc::clone(&self.lines), Arc::clone(&self.masked));
        let options = Options {
            environment,
            mask: Arc::new(move |secret: &str| masked.lock().unwrap().push(secret.to_owned())),
            lines: Arc::new(move |_: &ServiceName, line: &str| lines.lock().unwrap().push(line.to_owned())),
            cancel: self.cancel.clone(),
        };
        Pipeline::new(&self.sdk, options)
    }

    /// A pipeline that cannot start docker: whatever it does succeeds without building.
    pub(crate) fn pipeline_without_docker(&self) -> Pipeline {
        self.pipeline_in(self.environment_without_docker())
    }

    /// An environment whose PATH has git and nothing else.
    pub(crate) fn environment_without_docker(&self) -> Environment {
        let bin = self.home.path().join("only-git");
        if !bin.exists() {
            std::fs::create_dir(&bin).unwrap();
            std::os::unix::fs::symlink("/usr/bin/git", bin.join("git")).unwrap();
        }
        let mut environment = self.environment.clone();
        environment.insert("PATH".into(), bin.to_str().unwrap().into());
        environment
    }

    /// The user's home of this test, where nothing may be left.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    pub(crate) fn masked(&self) -> Vec<String> {
        self.masked.lock().unwrap().clone()
    }

    /// Everything in the user's own Docker folder.
    pub(crate) fn users_docker_config(&self) -> Vec<(PathBuf, Vec<u8>)> {
        files(&self.home.path().join(".docker"))
    }

    /// A repository of its own in ECR.
    pub(crate) async fn repository(&self, kind: Repository) -> ImageRef {
        let name = self.free_name();
        let create = self.ecr.create_repository().repository_name(&name);
        let create = match kind {
            Repository::Mutable => create,
            Repository::Immutable => create.image_tag_mutability(aws_sdk_ecr::types::ImageTagMutability::Immutable),
        };
        create.send().await.unwrap();
        self.reference(&name)
    }

    /// A repository name nobody has.
    pub(crate) fn free_name(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = self.home.path().file_name().unwrap().to_string_lossy().to_lowercase();
        let unique: String = folder.chars().filter(char::is_ascii_alphanumeric).collect();
        format!("image-{}-{}-{unique}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// The reference of a repository in the world's registry.
    pub(crate) fn reference(&self, name: &str) -> ImageRef {
        let registry = self.environment.get("SHIPLINE_WORLD_REGISTRY").cloned();
        let registry = registry.unwrap_or_else(|| "111122223333.dkr.ecr.us-east-1.amazonaws.com".to_owned());
        format!("{registry}/{name}").parse().unwrap()
    }

    /// The same repository in the same registry, called by address and port instead of ECR's name.
    pub(crate) fn by_port(&self, repository: &ImageRef) -> ImageRef {
        let endpoint = &self.environment["AWS_ENDPOINT_URL"];
        let host = endpoint.trim_start_matches("http://").trim_end_matches('/');
        let host = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
        format!("{host}/{}", repository.repository()).parse().unwrap()
    }

    /// An environment whose docker says it knows no buildx.
    pub(crate) fn environment_without_buildx(&self) -> Environment {
        use std::os::unix::fs::PermissionsExt as _;
        let bin = self.home.path().join("without-buildx");
        std::fs::create_dir(&bin).unwrap();
        // The distribution's client comes first: an old one has BuildKit inside, without any plugin.
        let path = self.environment["PATH"].split(':');
        let docker = std::iter::once("/usr/bin").chain(path).map(|folder| Path::new(folder).join("docker"));
        let docker = docker.into_iter().find(|docker| docker.exists()).unwrap();
        let script = format!("#!/bin/sh\n[ \"$1\" = buildx ] && exit 1\nexec {} \"$@\"\n", docker.display());
        std::fs::write(bin.join("docker"), script).unwrap();
        std::fs::set_permissions(bin.join("docker"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut environment = self.environment.clone();
        environment.insert("PATH".into(), format!("{}:{}", bin.display(), self.environment["PATH"]));
        environment
    }

    /// Whether a line of progress with this text comes within the time.
    pub(crate) async fn seen(&self, text: &str, within: Duration) -> bool {
        self.look(within, || self.lines().iter().any(|line| line.contains(text))).await
    }

    /// Whether within a few seconds no process has this text in its arguments.
    pub(crate) async fn nobody_runs(&self, text: &str) -> bool {
        let running = || {
            std::fs::read_dir("/proc").unwrap().flatten().any(|process| {
                let arguments = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&arguments).contains(&format!("sleep\0{text}"))
            })
        };
        self.look(Duration::from_secs(10), || !running()).await
    }

    async fn look(&self, within: Duration, done: impl Fn() -> bool) -> bool {
        let often = Duration::from_millis(50);
        let backoff = Backoff { first: often, most: often, throttled: often };
        let look = async || if done() { Seen::Ready(()) } else { Seen::NotYet };
        wait::until(Some(clock::instant() + within), backoff, &Cancel::new(), look).await == Waited::Ready(())
    }

    /// The digest the registry has for a tag, by an API the pipeline does not use.
    pub(crate) async fn digest(&self, repository: &ImageRef, tag: &str) -> Option<String> {
        let id = aws_sdk_ecr::types::ImageIdentifier::builder().image_tag(tag).build();
        let answer = self.ecr.describe_images().repository_name(repository.repository().as_str()).image_ids(id).send();
        answer.await.unwrap().image_details().first().and_then(|image| image.image_digest()).map(str::to_owned)
    }

    /// Runs a program of the machine and returns what it prints.
    pub(crate) async fn run(&self, program: &str, arguments: &[&str]) -> String {
        let program = Program::new(program, &self.environment, "it").args(arguments);
        program.run(&Cancel::new(), &|_: Stream, _: &str| {}).await.unwrap().out
    }
}

/// Every file below a folder with its content.
pub(crate) fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() {
                open.push(path);
            } else if let Ok(content) = std::fs::read(&path) {
                found.push((path, content));
            }
        }
    }
    found.sort();
    found
}

/// A git repository.
pub(crate) struct Checkout {
    folder: PathBuf,
    environment: Environment,
    /// Deleted at the end, if it is its own.
    temporary: Option<tempfile::TempDir>,
}

impl Checkout {
    /// With one service in `app/`.
    pub(crate) async fn new(dockerfile: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut checkout = Self::at(folder.path()).await;
        checkout.temporary = Some(folder);
        checkout.write("app/Dockerfile", dockerfile);
        // Unique content: an image of another test is never mistaken for ours.
        checkout.write("app/unique", &checkout.folder.display().to_string());
        checkout.commit().await;
        checkout
    }

    /// An empty one in a folder that is there.
    #[expect(clippy::disallowed_methods, reason = "git is found by PATH")]
    pub(crate) async fn at(folder: &Path) -> Self {
        let mut environment: Environment = [("PATH".to_owned(), std::env::var("PATH").unwrap())].into();
        for (name, value) in [("NAME", "A"), ("EMAIL", "a@example.com")] {
            environment.insert(format!("GIT_AUTHOR_{name}"), value.into());
            environment.insert(format!("GIT_COMMITTER_{name}"), value.into());
        }
        environment.insert("HOME".into(), folder.to_str().unwrap().into());
        let checkout = Self { folder: folder.to_owned(), environment, temporary: None };
        checkout.git(&["init", "-q", "-b", "main"]).await;
        checkout
    }

    pub(crate) async fn git(&self, arguments: &[&str]) {
        let git = Program::new("git", &self.environment, "git").args(arguments).in_directory(&self.folder);
        git.run(&Cancel::new(), &|_: Stream, _: &str| {}).await.unwrap();
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn remove(&self, path: &str) {
        std::fs::remove_file(self.folder.join(path)).unwrap();
    }

    pub(crate) async fn commit(&self) {
        self.git(&["add", "-A"]).await;
        self.git(&["commit", "-q", "-m", "change"]).await;
    }

    pub(crate) async fn source(&self) -> Source {
        Source::read(&self.folder, None, &self.environment, &Cancel::new()).await.unwrap()
    }
}
