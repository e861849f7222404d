//! Compose projects on this machine: stories about the target with a real Docker Engine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use shipline::config::spec::{ComposeHost, ComposeSpec, HttpCheck, SqliteBackup, Strategy};
use shipline::engine::{NotApplied, Sight, Target, TargetError, TaskSight, Tasks as _, Wish};
use shipline::process::Environment;
use shipline::rollout::{CauseCode, Change, ServicePlan, Task};
use shipline::targets::compose::ComposeTarget;
use shipline::types::{ImageRef, PinnedImage, ServiceName};

use crate::app_runner::settle;
use crate::stage::pause;

/// A project in a folder of its own, with its containers and volumes until the story ends.
pub(crate) struct Project {
    pub(crate) name: String,
    folder: tempfile::TempDir,
}

impl Project {
    /// With this compose file and nothing started.
    pub(crate) fn new(file: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let unique = folder.path().file_name().unwrap().to_string_lossy().to_lowercase();
        let name = format!("sl{}{}", std::process::id(), unique.replace(|c: char| !c.is_ascii_alphanumeric(), ""));
        let project = Self { name, folder };
        project.write("compose.yml", file);
        project
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Compose by hand, as somebody else would run it.
    pub(crate) fn compose(&self, arguments: &[&str]) -> String {
        let folder = self.folder.path().to_str().unwrap();
        let common = ["compose", "-p", &self.name, "--project-directory", folder];
        let (more, rest) = match arguments {
            ["-f", file, rest @ ..] => (Some(self.path(file)), rest),
            all => (None, all),
        };
        let base = self.path("compose.yml");
        let mut all: Vec<&str> = common.to_vec();
        all.extend(["-f", base.to_str().unwrap()]);
        if let Some(more) = &more {
            all.extend(["-f", more.to_str().unwrap()]);
        }
        all.extend(rest);
        docker(&all)
    }

    /// Ids of a service's containers.
    pub(crate) fn containers(&self, service: &str) -> Vec<String> {
        let project = format!("label=com.docker.compose.project={}", self.name);
        let service = format!("label=com.docker.compose.service={service}");
        let oneoff = "label=com.docker.compose.oneoff=False";
        let ids = docker(&["ps", "-aq", "--filter", &project, "--filter", &service, "--filter", oneoff]);
        ids.split_whitespace().map(str::to_owned).collect()
    }

    pub(crate) fn spec(&self, service: &str) -> ComposeSpec {
        ComposeSpec {
            project: self.name.clone(),
            service: service.to_owned(),
            file: self.path("compose.yml"),
            host: ComposeHost::Local,
            check: None,
            backups: Vec::new(),
        }
    }

    pub(crate) fn target(&self, service: &ServiceName, strategy: Strategy) -> ComposeTarget {
        self.target_with(&self.spec(service.as_str()), strategy)
    }

    pub(crate) fn target_with(&self, spec: &ComposeSpec, strategy: Strategy) -> ComposeTarget {
        ComposeTarget::on_this_machine(&service_name(&spec.service), spec, strategy, self.folder.path(), &environment())
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let label = format!("label=com.docker.compose.project={}", self.name);
        for (list, remove) in [
            (vec!["ps", "-aq"], vec!["rm", "-f"]),
            (vec!["network", "ls", "-q"], vec!["network", "rm"]),
            (vec!["volume", "ls", "-q"], vec!["volume", "rm", "-f"]),
        ] {
            let found = run(&[&list[..], &["--filter", &label]].concat()).unwrap_or_default();
            for id in found.split_whitespace() {
                let _ = run(&[&remove[..], &[id]].concat());
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test reads the environment it was started with")]
fn environment() -> Environment {
    std::env::vars().filter(|(name, _)| ["PATH", "HOME", "DOCKER_HOST"].contains(&name.as_str())).collect()
}

#[expect(clippy::disallowed_methods, reason = "a test starts programs itself")]
fn run(arguments: &[&str]) -> Result<String, String> {
    let ran = std::process::Command::new("docker").args(arguments).output().unwrap();
    let out = String::from_utf8_lossy(&ran.stdout).trim().to_owned();
    if ran.status.success() { Ok(out) } else { Err(String::from_utf8_lossy(&ran.stderr).into_owned()) }
}

/// The Docker client, which must succeed.
pub(crate) fn docker(arguments: &[&str]) -> String {
    run(arguments).unwrap_or_else(|error| panic!("docker {arguments:?}: {error}"))
}

pub(crate) fn service_name(name: &str) -> ServiceName {
    name.parse().unwrap()
}

/// Id of the image of a version, made when it is not there: `$VERSION` says which it is.
pub(crate) fn image_of(app: &str, version: &str) -> String {
    let tag = format!("shipline-story-{app}:{version}");
    let known = || run(&["image", "inspect", "--format", "{{.Id}}", &tag]);
    if let Ok(id) = known() {
        return id;
    }
    // Two that build it at once would make two of it, and the tag would move under the first.
    let lock = std::fs::File::create(std::env::temp_dir().join("shipline-story-images.lock")).unwrap();
    lock.lock().unwrap();
    if let Ok(id) = known() {
        return id;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = format!("FROM busybox:local\nENV VERSION={version}\nCMD [\"sh\"]\n");
    std::fs::write(folder.path().join("Dockerfile"), file).unwrap();
    docker(&["build", "--quiet", "--tag", &tag, folder.path().to_str().unwrap()]);
    docker(&["image", "inspect", "--format", "{{.Id}}", &tag])
}

/// The same as a release has it.
pub(crate) fn pinned(app: &str, version: &str) -> PinnedImage {
    let reference: ImageRef = format!("local/shipline-story-{app}:{version}").parse().unwrap();
    reference.pinned(image_of(app, version).parse().unwrap())
}

fn wish(version: &str) -> Wish {
    Wish::Image { image: pinned("plain", version), commit: None }
}

/// A service that serves its version on a port of this machine, without a health check of its own.
fn serving(port: u16, more: &str) -> String {
    let command = "mkdir -p /www && echo $$VERSION >/www/index.html && exec httpd -f -p 8080 -h /www";
    format!(
        "services:\n  web:\n    image: nothing:here\n    command: [sh, -c, \"{command}\"]\n    stop_grace_period: 1s\n    \
         ports: [\"127.0.0.1:{port}:8080\"]\n{more}"
    )
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn plan(target: &ComposeTarget, wish: &Wish) -> ServicePlan {
    target.prepare(wish).await.unwrap().service
}

async fn deployed(target: &ComposeTarget, version: &str) -> Sight {
    let plan = plan(target, &wish(version)).await;
    let shift = target.apply(&plan).await.unwrap();
    settle(target, &plan, &shift).await
}

async fn refusal(target: &ComposeTarget, wish: &Wish) -> String {
    match target.prepare(wish).await {
        Err(TargetError::Refused(problem)) => problem.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn the_first_release_starts_where_nothing_ran_and_going_back_removes_it_again() {
    let project = Project::new(&serving(free_port(), ""));
    let target = project.target(&service_name("web"), Strategy::Rolling);
    let first = plan(&target, &wish("v1")).await;
    assert_eq!(first.previous.name, "nothing");
    let shift = target.apply(&first).await.unwrap();
    assert_eq!(settle(&target, &first, &shift).await, Sight::Serving);
    assert_eq!(project.containers("web").len(), 1);

    let shipline::engine::Back::Began(back) = target.revert(&first, Some(&shift)).await.unwrap() else { panic!() };
    assert_eq!(settle(&target, &first, &back).await, Sight::Serving);
    assert_eq!(project.containers("web"), Vec::<String>::new());
}

#[tokio::test]
async fn an_address_that_answers_otherwise_breaks_the_release_when_its_time_is_over() {
    let port = free_port();
    let project = Project::new(&serving(port, ""));
    let check = |path: &str| {
        let url = format!("http://127.0.0.1:{port}/{path}");
        {
            let (body, headers, latency_ms) = (None, std::collections::BTreeMap::new(), None);
            Some(HttpCheck { url, expect: 200, body, headers, latency_ms, within: "7s".parse().unwrap() })
        }
    };
    let good = project.target_with(&ComposeSpec { check: check(""), ..project.spec("web") }, Strategy::Rolling);
    assert_eq!(deployed(&good, "v1").await, Sight::Serving);
    let bad = project.target_with(&ComposeSpec { check: check("nope"), ..project.spec("web") }, Strategy::Rolling);
    let Sight::Broke(cause) = deployed(&bad, "v2").await else { panic!("it did not break") };
    assert_eq!(cause.code, CauseCode::CheckFailed);
    assert!(cause.facts.iter().any(|fact| fact.contains("404")), "{cause:?}");
}

#[tokio::test]
async fn what_cannot_be_done_on_the_host_is_refused_with_a_next_step_and_changes_nothing() {
    let project = Project::new(&serving(free_port(), ""));
    let spec = |change: &dyn Fn(&mut ComposeSpec)| {
        let mut spec = project.spec("web");
        change(&mut spec);
        project.target_with(&spec, Strategy::Rolling)
    };
    let missing = refusal(&spec(&|spec| spec.file = "/nowhere/compose.yml".into()), &wish("v1")).await;
    assert!(missing.contains("there is no compose file /nowhere/compose.yml"), "{missing}");
    let unknown = refusal(&spec(&|spec| spec.service = "wbe".to_owned()), &wish("v1")).await;
    assert!(unknown.contains("has no service `wbe`") && unknown.contains("there are: web"), "{unknown}");
    assert!(!project.path(".shipline").exists());

    project.write("compose.yml", "services: [");
    let wrong = refusal(&spec(&|_| {}), &wish("v1")).await;
    assert!(wrong.contains("compose cannot read"), "{wrong}");
    assert!(!project.path(".shipline").exists());
}

#[tokio::test]
async fn the_compose_file_is_never_written_and_other_services_are_left_alone() {
    let other = "  db:\n    image: busybox:local\n    command: [sleep, \"1000\"]\n    stop_grace_period: 1s\n";
    let project = Project::new(&serving(free_port(), other));
    project.compose(&["up", "--detach", "db"]);
    let before = (std::fs::read(project.path("compose.yml")).unwrap(), project.containers("db"));
    let target = project.target(&service_name("web"), Strategy::Rolling);
    for version in ["v1", "v2"] {
        assert_eq!(deployed(&target, version).await, Sight::Serving);
    }
    assert_eq!((std::fs::read(project.path("compose.yml")).unwrap(), project.containers("db")), before);
}

#[tokio::test]
async fn a_changed_compose_file_is_told_and_brought_along_with_the_same_image() {
    let file = serving(free_port(), "");
    let project = Project::new(&file);
    let target = project.target(&service_name("web"), Strategy::Rolling);
    assert_eq!(deployed(&target, "v1").await, Sight::Serving);
    assert_eq!(plan(&target, &wish("v1")).await.change, Change::Nothing);
    project.write("compose.yml", &format!("{file}    environment: {{ LOG_LEVEL: debug }}\n"));
    let changed = plan(&target, &wish("v1")).await;
    assert!(
        matches!(changed.change, Change::Move { .. }) && changed.notices[0].contains("compose file"),
        "{changed:?}"
    );
    let shift = target.apply(&changed).await.unwrap();
    assert_eq!(settle(&target, &changed, &shift).await, Sight::Serving);
    assert_eq!(plan(&target, &wish("v1")).await.change, Change::Nothing);
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_changes_nothing_and_says_what_to_do() {
    let project = Project::new(&serving(free_port(), ""));
    let target = project.target(&service_name("web"), Strategy::Rolling);
    assert_eq!(deployed(&target, "v1").await, Sight::Serving);
    let before = project.containers("web");
    let nowhere: PinnedImage = format!("127.0.0.1:9/x/y@sha256:{}", "0".repeat(64)).parse().unwrap();
    let plan = plan(&target, &Wish::Image { image: nowhere, commit: None }).await;
    let shift = target.apply(&plan).await.unwrap();
    let Sight::Broke(cause) = settle(&target, &plan, &shift).await else { panic!("it did not break") };
    assert_eq!(cause.code, CauseCode::ImageNotPulled);
    assert!(cause.log.is_some_and(|log| log.lines.iter().any(|line| line.contains("127.0.0.1:9"))));
    assert_eq!(target.revert(&plan, Some(&shift)).await.unwrap(), shipline::engine::Back::Already);
    assert_eq!(project.containers("web"), before);
}

async fn task_ends(target: &ComposeTarget, task: &Task, facts: &serde_json::Value) -> TaskSight {
    for _ in 0..200 {
        match target.observe_task(task, facts).await.unwrap() {
            TaskSight::Running { .. } => pause(Duration::from_millis(50)),
            sight => return sight,
        }
    }
    panic!("the task did not end")
}

#[tokio::test]
async fn a_task_runs_once_with_the_new_image_and_its_words_as_they_are() {
    let project = Project::new(&serving(free_port(), ""));
    let target = project.target(&service_name("web"), Strategy::Rolling);
    let plan = plan(&target, &wish("v2")).await;
    let words = ["sh", "-c", "echo \"$VERSION <$1> <$2>\"; exit 7", "x", "two  words; $(touch /tmp/x)", "last\nline"];
    let command: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let facts = target.prepare_task(&command, &plan).await.unwrap();
    let task = target.start_task(&command, &facts, "0123456789abcdef").await.unwrap();
    // Asked again, as after a lost answer: the same one.
    let again = target.start_task(&command, &facts, "0123456789abcdef").await.unwrap();
    assert_eq!((&again.id, again.started), (&task.id, task.started));
    let TaskSight::Failed(cause) = task_ends(&target, &task, &facts).await else { panic!("it did not fail") };
    assert_eq!((cause.code, cause.exit.as_ref().map(|exit| exit.code)), (CauseCode::CommandFailed, Some(7)));
    assert_eq!(cause.log.unwrap().lines, ["v2 <two  words; $(touch /tmp/x)> <last", "line>"]);
    assert_eq!(project.containers("web"), Vec::<String>::new(), "no service was started for it");
}

#[tokio::test]
async fn a_task_that_is_stopped_is_gone_when_stopping_returns() {
    let project = Project::new(&serving(free_port(), ""));
    let target = project.target(&service_name("web"), Strategy::Rolling);
    let plan = plan(&target, &wish("v1")).await;
    let command = vec!["sleep".to_owned(), "1000".to_owned()];
    let facts = target.prepare_task(&command, &plan).await.unwrap();
    let key = format!("{:032x}", std::process::id());
    target.start_task(&command, &facts, &key).await.unwrap();
    let name = format!("name=shipline-{key}");
    for _ in 0..100 {
        if !docker(&["ps", "-q", "--filter", &name]).is_empty() {
            break;
        }
        pause(Duration::from_millis(50));
    }
    // As after a lost answer: only the key is known.
    target.stop_task(None, &facts, &key).await.unwrap();
    assert_eq!(docker(&["ps", "-aq", "--filter", &name]), "");
    // And again, when there is nothing to stop.
    target.stop_task(None, &facts, &key).await.unwrap();
}

#[tokio::test]
async fn a_database_nobody_can_copy_is_refused_before_anything_changes() {
    let more = "    volumes: [data:/data]\nvolumes: { data: {} }\n";
    let project = Project::new(&serving(free_port(), more));
    let plain = project.target(&service_name("web"), Strategy::Rolling);
    assert_eq!(deployed(&plain, "v1").await, Sight::Serving);
    let before = project.containers("web");
    let backups = vec![SqliteBackup { path: "/nowhere/app.db".to_owned(), keep: 2 }];
    let target = project.target_with(&ComposeSpec { backups, ..project.spec("web") }, Strategy::Rolling);
    // No volume holds it, and busybox has neither sqlite3 nor python3.
    let said = refusal(&target, &wish("v2")).await;
    assert!(said.contains("/nowhere/app.db cannot be copied") && said.contains("sqlite3"), "{said}");
    assert_eq!(project.containers("web"), before);
}

#[tokio::test]
async fn a_plan_that_was_overtaken_is_not_carried_out() {
    let project = Project::new(&serving(free_port(), ""));
    let target = project.target(&service_name("web"), Strategy::Rolling);
    assert_eq!(deployed(&target, "v1").await, Sight::Serving);
    let old = plan(&target, &wish("v2")).await;
    assert_eq!(deployed(&target, "v3").await, Sight::Serving);
    let before = project.containers("web");
    let Err(NotApplied { cause, .. }) = target.apply(&old).await else { panic!("it was carried out") };
    assert!(cause.summary.contains("changed after"), "{cause:?}");
    assert_eq!(project.containers("web"), before);
}
