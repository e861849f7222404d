//! A Compose host: a project with its containers and volumes, gone when the story ends, and the
//! repository that is deployed to it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::programs::{Ran, docker, run, shipline};

pub(crate) struct System {
    /// The project's name, the repository's in the registry, the volume's beginning.
    pub(crate) name: String,
    pub(crate) port: u16,
    folder: tempfile::TempDir,
}

impl System {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let unique = folder.path().file_name().unwrap().to_string_lossy().to_lowercase();
        let name =
            format!("brainwave{}{}", std::process::id(), unique.replace(|c: char| !c.is_ascii_alphanumeric(), ""));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let system = Self { name, port, folder };
        for name in ["repository", "host"] {
            std::fs::create_dir(system.path(name)).unwrap();
        }
        let git = |arguments: &[&str]| run(&system.path("repository"), "git", arguments);
        git(&["init", "-q", "-b", "main"]);
        git(&["config", "user.name", "story"]);
        git(&["config", "user.email", "story@localhost"]);
        system
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Commits the repository as this version.
    pub(crate) fn commit(&self, version: &str) {
        self.write("repository/app/VERSION", version);
        let git = |arguments: &[&str]| run(&self.path("repository"), "git", arguments);
        git(&["add", "-A"]);
        git(&["commit", "-q", "-m", version]);
    }

    pub(crate) fn shipline(&self, arguments: &[&str]) -> Ran {
        shipline(&self.path("repository"), arguments, &[])
    }

    pub(crate) fn deploy(&self) -> Ran {
        self.shipline(&["deploy", "production", "--yes"])
    }

    /// What the service answers.
    pub(crate) fn answer(&self, path: &str) -> Value {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let text = run(Path::new("/"), "curl", &["-s", "-m", "5", &url]);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{url}: {error}: {text}"))
    }

    #[track_caller]
    pub(crate) fn assert_serves(&self, version: &str) {
        assert_eq!(self.answer("/api/health")["version"], version);
    }

    /// Which folder of the machine the volume is: another one if it was made anew.
    pub(crate) fn volume(&self) -> String {
        let mount = format!("{}_data:/volume", self.name);
        docker(&["run", "--rm", "--volume", &mount, "busybox:local", "stat", "-c", "%i %W", "/volume"]).unwrap()
    }

    /// The images its containers run.
    pub(crate) fn images(&self) -> Vec<String> {
        let label = format!("label=com.docker.compose.project={}", self.name);
        let ids = docker(&["ps", "-q", "--filter", &label]).unwrap();
        ids.split_whitespace().map(|id| docker(&["inspect", "--format", "{{.Config.Image}}", id]).unwrap()).collect()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        let label = format!("label=com.docker.compose.project={}", self.name);
        for (list, remove) in [
            (["ps", "-aq"].as_slice(), ["rm", "-f"].as_slice()),
            (&["network", "ls", "-q"], &["network", "rm"]),
            (&["volume", "ls", "-q"], &["volume", "rm", "-f"]),
        ] {
            let found = docker(&[list, &["--filter", &label]].concat()).unwrap_or_default();
            for id in found.split_whitespace() {
                let _ = docker(&[remove, &[id]].concat());
            }
        }
    }
}

/// An image with Python in it, made of this machine's own when it is not there.
pub(crate) fn python_image() -> &'static str {
    const NAME: &str = "shipline-story-python:1";
    if docker(&["image", "inspect", NAME]).is_err() {
        let folder = tempfile::tempdir().unwrap();
        let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/systems/brainwave");
        let root = folder.path().join("root");
        run(folder.path(), files.join("python-image").to_str().unwrap(), &[root.to_str().unwrap()]);
        std::fs::write(root.join("Dockerfile"), "FROM debian:bookworm-slim\nCOPY usr /usr\n").unwrap();
        docker(&["build", "--quiet", "--tag", NAME, root.to_str().unwrap()]).unwrap();
    }
    NAME
}
