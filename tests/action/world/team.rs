//! A team in the world of `scripts/world`: a repository with the demo's application, and services
//! that are deleted when the story ends, however it ends.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::load::Load;
use crate::image::world::{Checkout, World};
use crate::stage::{Ran, Run, now, pause};

pub(crate) struct Team {
    pub(crate) world: World,
    pub(crate) ecs: aws_sdk_ecs::Client,
    checkout: Checkout,
    folder: tempfile::TempDir,
    services: Vec<Service>,
}

struct Service {
    name: &'static str,
    /// Its name in the world: cluster, service, repository, load balancer.
    there: String,
}

impl Team {
    /// With these services in `staging`, one wave each, and nothing deployed yet.
    pub(crate) async fn new(names: &[&'static str]) -> Self {
        let world = World::here().await;
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "tmp", "work"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let unique = folder.path().file_name().unwrap().to_string_lossy().to_lowercase();
        let unique = format!("{}-{}", std::process::id(), unique.trim_start_matches(".tmp"));
        let services = names.iter().map(|name| Service { name, there: format!("story-{unique}-{name}") }).collect();
        let checkout = Checkout::at(&folder.path().join("work")).await;
        let ecs = aws_sdk_ecs::Client::new(&world.sdk);
        // Made before the services are: whatever fails from here on, they are deleted.
        let team = Self { world, ecs, checkout, folder, services };
        for service in &team.services {
            scripts_world(&["service", "create", &service.there]);
            for file in ["Dockerfile", "serve"] {
                let text = std::fs::read_to_string(root().join("scripts/demo-app").join(file)).unwrap();
                team.write(&format!("{}/{file}", service.name), &text);
            }
        }
        team.write(".github/shipline.yml", &team.configuration());
        team
    }

    fn configuration(&self) -> String {
        let lines = |line: &dyn Fn(&Service) -> String| self.services.iter().map(line).collect::<String>();
        let images = lines(&|service| {
            let repository = self.world.reference(&service.there);
            let (host, path, name) = (repository.registry(), repository.repository(), service.name);
            format!("  {name}:\n    image: {{ registry: \"{host}\", repository: {path}, context: {name} }}\n")
        });
        let targets = lines(&|service| {
            let there = &service.there;
            format!("      {}: {{ ecs: {{ cluster: {there}, service: {there}, container: app }} }}\n", service.name)
        });
        let waves: Vec<String> = self.services.iter().map(|service| format!("[{}]", service.name)).collect();
        let checks = lines(&|service| {
            format!("      - {{ http: \"{}health\", expect: 200, within: 30s }}\n", self.url(service.name))
        });
        format!(
            "version: 1\nservices:\n{images}environments:\n  staging:\n    services:\n{targets}    waves: [{}]\n    verify:\n{checks}",
            waves.join(", ")
        )
    }

    fn there(&self, name: &str) -> &str {
        &self.services.iter().find(|service| service.name == name).unwrap().there
    }

    /// The service's repository in the registry.
    pub(crate) fn repository(&self, name: &str) -> shipline::types::ImageRef {
        self.world.reference(self.there(name))
    }

    /// Where its load balancer answers.
    pub(crate) fn url(&self, name: &str) -> String {
        self.show(name)["url"].as_str().unwrap().to_owned()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        self.checkout.write(path, text);
    }

    /// Gives services a version and commits.
    pub(crate) async fn commit(&self, versions: &[(&str, &str)]) {
        for (service, version) in versions {
            self.write(&format!("{service}/VERSION"), &format!("{version}\n"));
        }
        self.checkout.commit().await;
    }

    pub(crate) async fn head(&self) -> String {
        self.checkout.source().await.commit.to_string()
    }

    /// The program in the repository, with nothing of the test's environment but the world.
    pub(crate) fn shipline(&self, arguments: &[&str]) -> Run<'_> {
        let passed = |name: &str| name == "PATH" || name == "DOCKER_HOST" || name.starts_with("AWS_");
        let environment = self.world.environment.iter().filter(|(name, _)| passed(name));
        let environment = environment.map(|(name, value)| (name.clone(), value.clone())).collect();
        let folder = |name: &str| self.path(name).to_str().unwrap().to_owned();
        Run::of(self.folder.path(), arguments, environment).set("HOME", &folder("home")).set("TMPDIR", &folder("tmp"))
    }

    /// Deploys what is checked out.
    pub(crate) fn deploy(&self) -> Ran {
        self.shipline(&["deploy", "staging"]).end()
    }

    /// The same where there is no docker: whatever it does, it does not build.
    pub(crate) fn deploy_without_docker(&self) -> Ran {
        let path = &self.world.environment_without_docker()["PATH"];
        self.shipline(&["deploy", "staging"]).set("PATH", path).end()
    }

    /// The service as `scripts/world service show` sees it.
    pub(crate) fn show(&self, name: &str) -> Value {
        serde_json::from_str(&scripts_world(&["service", "show", self.there(name)])).unwrap()
    }

    /// A version is what the load balancer answers, with every task and nothing else running.
    #[track_caller]
    pub(crate) fn assert_serves(&self, name: &str, version: &str) {
        let seen = self.settled(name);
        assert_eq!(seen["answers"]["body"], version, "{seen:#}");
        assert_eq!(seen["answers"]["status"], 200, "{seen:#}");
    }

    /// The service once the old tasks are gone.
    #[track_caller]
    pub(crate) fn settled(&self, name: &str) -> Value {
        let began = now();
        loop {
            let seen = self.show(name);
            if seen["running"] == seen["desired"] {
                return seen;
            }
            assert!(began.elapsed() < Duration::from_mins(1), "it does not settle: {seen:#}");
        }
    }

    /// The task definition that is asked for now.
    pub(crate) async fn asked_for(&self, name: &str) -> String {
        let there = self.there(name);
        let answer = self.ecs.describe_services().cluster(there).services(there).send().await.unwrap();
        answer.services()[0].task_definition().unwrap().to_owned()
    }

    /// How many revisions its task definition has.
    pub(crate) async fn revisions(&self, name: &str) -> usize {
        let listed = self.ecs.list_task_definitions().family_prefix(self.there(name)).send().await.unwrap();
        listed.task_definition_arns().len()
    }

    /// Begins to send requests.
    pub(crate) fn load(&self, name: &str) -> Load {
        Load::start(&self.world.environment["SHIPLINE_WORLD_PYTHON"], &self.url(name), &[])
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        for service in &self.services {
            scripts_world(&["service", "delete", &service.there]);
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[expect(clippy::disallowed_methods, reason = "the world is made by its own script")]
fn scripts_world(arguments: &[&str]) -> String {
    let world = Command::new(root().join("scripts/world")).args(arguments).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&world.stderr);
    // While a story fails, its services are still deleted: no second panic then.
    assert!(world.status.success() || std::thread::panicking(), "scripts/world {arguments:?}: {said}");
    String::from_utf8(world.stdout).unwrap()
}

/// Waits for something of the world that only an asynchronous call tells.
pub(crate) async fn until_async(what: &str, is: impl AsyncFn() -> bool) {
    let began = now();
    while !is().await {
        assert!(began.elapsed() < Duration::from_mins(1), "{what} did not happen");
        pause(Duration::from_millis(10));
    }
}
