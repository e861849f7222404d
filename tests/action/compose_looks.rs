//! `verify`, `logs` and `history` of Compose projects on this machine, with a real Docker Engine.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use shipline::config::spec::{ComposeSpec, Strategy};
use shipline::engine::{Examination, Target as _};
use shipline::types::Timestamp;

use super::compose::{Project, docker, image_of, service_name};
use super::stage::{Ran, Run, pause};

/// A service that says its version and a word a second, well by its own health check.
const FILE: &str = "services:
  web:
    image: nothing:here
    command: [sh, -c, \"echo $$VERSION begins; i=0; while true; do i=$$((i+1)); echo $$VERSION line $$i; sleep 1; done\"]
    stop_grace_period: 1s
    healthcheck: { test: [CMD, \"true\"], interval: 1s }
    volumes: [data:/data]
volumes: { data: {} }
";

/// A repository with a configuration for that project, in which the program runs as a person runs it.
struct Repository {
    project: Project,
}

impl Repository {
    fn new(file: &str) -> Self {
        let project = Project::new(file);
        for name in ["work", "home", "tmp"] {
            std::fs::create_dir(project.path(name)).unwrap();
        }
        let config = format!(
            "version: 1\nservices: {{ web: {{ image: {{ registry: local, repository: shipline-story-looks }} }} }}\n\
             environments:\n  local:\n    services:\n      web: {{ compose: {{ project: {}, service: web, file: {} }} }}\n",
            project.name,
            project.path("compose.yml").display()
        );
        project.write("work/.github/shipline.yml", &config);
        Self { project }
    }

    fn command(&self, arguments: &[&str]) -> Run<'_> {
        let text = |name: &str| self.project.path(name).to_str().unwrap().to_owned();
        #[expect(clippy::disallowed_methods, reason = "a test reads the environment it was started with")]
        let path = std::env::var("PATH").unwrap();
        let variables = [("PATH", path), ("HOME", text("home")), ("TMPDIR", text("tmp"))];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Run::of(self.project.folder(), arguments, variables)
    }

    fn deploy(&self, version: &str) -> Ran {
        let image = format!("--image=web=local/shipline-story-looks@{}", image_of("looks", version));
        self.command(&["deploy", "local", "--yes", &image]).end()
    }
}

fn codes(found: &Examination) -> Vec<(&'static str, String)> {
    found.findings.iter().map(|one| (one.weight.word(), one.problem.code.clone())).collect()
}

async fn examined(project: &Project, change: impl FnOnce(&mut ComposeSpec)) -> Examination {
    let mut spec = project.spec("web");
    change(&mut spec);
    project.target_with(&spec, Strategy::Rolling).examine().await
}

#[tokio::test]
async fn verify_says_what_it_looked_at_and_finds_each_planted_mistake() {
    let project = Project::new(FILE);
    let found = examined(&project, |_| {}).await;
    // How much room this machine has is no part of the story.
    let own = |found: &Examination| codes(found).into_iter().filter(|(_, code)| code != "disk-low").collect::<Vec<_>>();
    assert_eq!(own(&found), []);
    let good = found.good.join("\n");
    for part in
        ["which names the service", "does not run yet", "has a health check", "_data is made with the first start"]
    {
        assert!(good.contains(part), "{part} is not in {good}");
    }
    assert!(found.platform.as_deref().is_some_and(|platform| platform.starts_with("linux/")), "{found:?}");
    assert!(!project.path(".shipline").exists(), "nothing is written");

    let fails = |code: &str| vec![("fails", code.to_owned())];
    assert_eq!(
        own(&examined(&project, |spec| spec.service = "wbe".to_owned()).await),
        fails("unknown-compose-service")
    );
    let missing = examined(&project, |spec| spec.file = "/nowhere/compose.yml".into()).await;
    assert_eq!(own(&missing), fails("compose-file-missing"));
    project.write("compose.yml", "services: [");
    assert_eq!(own(&examined(&project, |_| {}).await), fails("compose-file-wrong"));
    project.write("compose.yml", &FILE.replace("data: {}", "data: { external: true, name: shipline-story-nobody }"));
    assert_eq!(own(&examined(&project, |_| {}).await), fails("volume-missing"));
    project.write("compose.yml", &FILE.replace("    healthcheck: { test: [CMD, \"true\"], interval: 1s }\n", ""));
    assert_eq!(own(&examined(&project, |_| {}).await), [("warns", "no-health-check".to_owned())]);
    project.write("compose.yml", &FILE.replace("nothing:here", "registry.invalid/web:1"));
    assert_eq!(own(&examined(&project, |_| {}).await), [("warns", "not-logged-in".to_owned())]);
    let strategy = project.target(&service_name("web"), crate::target_contract::canary()).examine().await;
    assert!(own(&strategy).contains(&("fails", "strategy-not-possible".to_owned())), "{strategy:?}");
}

#[tokio::test]
async fn verify_of_the_program_looks_at_the_host_the_image_and_what_runs() {
    let repository = Repository::new(FILE);
    let image = format!("--image=web=local/shipline-story-looks@{}", image_of("looks", "v1"));
    let verify = || repository.command(&["verify", "local", &image]).end();
    verify().must(0).says("does not run yet").says("is there");
    repository.deploy("v1").must(0);
    verify().must(0).says("web runs").says("_data is there");
    repository.command(&["verify", "local", "--image=web=local/shipline-story-looks:none"]).end().must(2).says("none");
}

#[tokio::test]
async fn history_names_good_releases_with_their_times_from_the_hosts_own_record() {
    let repository = Repository::new(FILE);
    let before = clock();
    for version in ["v1", "v2", "v3"] {
        repository.deploy(version).must(0);
    }
    let document = repository.command(&["history", "local", "--last", "3", "--json"]).end().must(0).document();
    let releases = document["services"][0]["releases"].as_array().unwrap();
    let ids: Vec<String> = releases.iter().map(ToString::to_string).collect();
    for (text, version) in ids.iter().zip(["v3", "v2", "v1"]) {
        let id = image_of("looks", version);
        assert!(text.contains(id.trim_start_matches("sha256:").get(..12).unwrap()), "{version}: {document:#}");
    }
    let times: Vec<Timestamp> = releases.iter().map(|one| text(&one["since"]).parse().unwrap()).collect();
    assert!(times.is_sorted_by(|one, other| one >= other) && times[2].as_second() >= before.as_second(), "{times:?}");
    repository.command(&["rollback", "local", "--yes"]).end().must(0);
    let document = repository.command(&["history", "local", "--json"]).end().must(0).document();
    let live = document["services"][0]["releases"][0].to_string();
    assert!(live.contains(image_of("looks", "v2").trim_start_matches("sha256:").get(..12).unwrap()), "{document:#}");
}

#[tokio::test]
async fn logs_are_those_of_the_containers_and_following_shows_every_line_once() {
    let repository = Repository::new(FILE);
    repository.deploy("v1").must(0);
    let first = repository.command(&["logs", "local"]).end().must(0);
    first.says("web web-1 v1 begins").says("v1 line 1");
    let last = repository.command(&["logs", "local", "--lines", "1"]).end().must(0);
    assert_eq!(last.stdout.lines().count(), 1, "{}", last.stdout);

    let running = repository.command(&["logs", "local", "--follow"]).start();
    pause(Duration::from_secs(6));
    running.signal(Signal::INT);
    let ran = running.end().must(0);
    let mut numbers: Vec<u32> = Vec::new();
    for line in ran.stdout.lines() {
        numbers.extend(line.split_once(" v1 line ").and_then(|(_, number)| number.parse::<u32>().ok()));
    }
    let expected: Vec<u32> = (1..=u32::try_from(numbers.len()).unwrap()).collect();
    assert_eq!(numbers, expected, "each once, in order, none left out");
    assert!(numbers.len() >= first.stdout.matches(" v1 line ").count() + 3, "new lines came: {}", ran.stdout);
}

#[tokio::test]
async fn a_log_that_nobody_keeps_is_told_and_not_silent() {
    let repository =
        Repository::new(&FILE.replace("    stop_grace_period", "    logging: { driver: none }\n    stop_grace_period"));
    repository.deploy("v1").must(0);
    repository.command(&["logs", "local"]).end().must(3).says("its driver is `none`");
}

#[tokio::test]
async fn a_compose_file_becomes_a_configuration_whose_plan_changes_nothing() {
    let repository = Repository::new("services: {}\n");
    let project = &repository.project;
    std::fs::remove_file(project.path("work/.github/shipline.yml")).unwrap();
    project.write(
        "work/deploy/compose.yml",
        "services:
  web:
    build: { context: ../app }
    command: [sleep, \"1000\"]
    stop_grace_period: 1s
    environment: { PASSWORD: hunter2 }
    healthcheck: { test: [CMD, \"true\"], interval: 1s }
  db:
    image: busybox:local
    command: [sleep, \"1000\"]
    stop_grace_period: 1s
",
    );
    project.write("work/app/Dockerfile", "FROM busybox:local\n");
    let (id, tag) = (image_of("looks", "v1"), format!("{}-web:latest", project.name));
    docker(&["tag", &id, &tag]);
    let file = project.path("work/deploy/compose.yml").display().to_string();
    docker(&["compose", "-p", &project.name, "-f", &file, "up", "--detach", "--no-build", "--wait"]);
    let before = (project.containers("web"), project.containers("db"));

    let ran = repository.command(&["init", "--compose", "deploy/compose.yml", "--environment", "local"]).end().must(0);
    ran.says("1 services of local").says("db: left out").says_not("hunter2");
    let written = std::fs::read_to_string(project.path("work/.github/shipline.yml")).unwrap();
    let name = &project.name;
    for part in [
        format!("repository: {name}-web\n      registry: local\n      context: app\n"),
        format!("web: {{ compose: {{ project: {name}, service: web, file: deploy/compose.yml }} }}"),
    ] {
        assert!(written.contains(&part), "{part} is not in {written}");
    }
    assert!(!written.contains("aws:") && !written.contains("hunter2"), "{written}");
    repository.command(&["check"]).end().must(0);
    let image = format!("--image=web=local/{name}-web@{id}");
    repository.command(&["deploy", "local", "--yes", &image]).end().must(0).says("nothing to do");
    assert_eq!((project.containers("web"), project.containers("db")), before, "the very containers");
    docker(&["rmi", &tag]);
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

#[expect(clippy::disallowed_methods, reason = "a test compares with the clock of its machine")]
fn clock() -> Timestamp {
    Timestamp::now()
}
