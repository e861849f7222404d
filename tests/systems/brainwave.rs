//! brainwave-backend: one host with Docker Compose, a registry, a named volume with an SQLite database.

mod instance;

use std::path::Path;

use crate::host::{System, python_image};

/// The host's compose file: the service with its health check and its volume.
pub(crate) fn compose_file(system: &System) -> String {
    let test = "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/api/health', timeout=4)";
    format!(
        "services:\n  backend:\n    image: brainwave/backend\n    container_name: {name}-prod\n    restart: unless-stopped\n    \
         stop_grace_period: 2s\n    ports: [\"127.0.0.1:{port}:8000\"]\n    volumes: [\"data:/app/data\"]\n    \
         healthcheck: {{ test: [CMD, python3, -c, \"{test}\"], interval: 1s, timeout: 5s, retries: 3, start_period: 30s }}\n\
         volumes: {{ data: {{}} }}\n",
        name = system.name,
        port = system.port
    )
}

/// The repository: the backend, how it is built, and where it runs.
pub(crate) fn repository(system: &System, registry: &str, file: &str, host: &str, check: &str) {
    let backend = include_str!("brainwave/backend.py");
    system.write("repository/app/backend.py", backend);
    let dockerfile = format!(
        "FROM {}\nCOPY backend.py VERSION /app/\nCMD [\"python3\", \"-u\", \"/app/backend.py\"]\n",
        python_image()
    );
    system.write("repository/app/Dockerfile", &dockerfile);
    let name = &system.name;
    let lines = [
        "version: 1".to_owned(),
        format!(
            "services: {{ backend: {{ image: {{ registry: \"{registry}\", repository: {name}, context: app }} }} }}"
        ),
        "environments:\n  production:\n    services:\n      backend:\n        compose:".to_owned(),
        format!(
            "          project: {name}\n          service: backend\n          file: {file}\n          host: {host}"
        ),
        format!("          backups: [{{ sqlite: /app/data/brainwave.db, keep: 3 }}]\n{check}"),
    ];
    system.write("repository/.github/shipline.yml", &lines.join("\n"));
}

fn on_this_machine() -> System {
    let system = System::new();
    system.write("host/compose.yml", &compose_file(&system));
    let url = format!("http://127.0.0.1:{}/api/health", system.port);
    let check = format!("          check: {{ http: \"{url}\", within: 20s }}\n");
    repository(&system, "local", system.path("host/compose.yml").to_str().unwrap(), "local", &check);
    system
}

fn copies(system: &System) -> Vec<std::path::PathBuf> {
    let folder = system.path(&format!("host/.shipline/{}/backend/backups/app_data_brainwave.db", system.name));
    let mut found: Vec<_> =
        std::fs::read_dir(folder).map(|all| all.map(|file| file.unwrap().path()).collect()).unwrap_or_default();
    found.sort();
    found
}

fn starts_in(database: &Path) -> String {
    let program = "import sqlite3, sys; print(*[r[0] for r in sqlite3.connect(sys.argv[1]).execute('select version from starts')])";
    crate::programs::run(Path::new("/"), "/usr/bin/python3", &["-c", program, database.to_str().unwrap()])
}

#[test]
fn the_database_outlives_ten_deployments_and_rollbacks() {
    let system = on_this_machine();
    system.commit("v1");
    system.deploy().must(0);
    system.assert_serves("v1");
    let volume = system.volume();
    let mut expected = vec!["v1".to_owned()];
    for round in 2..=6 {
        let version = format!("v{round}");
        system.commit(&version);
        system.deploy().must(0);
        system.assert_serves(&version);
        let back = system.shipline(&["rollback", "production", "--yes"]).must(0);
        println!("round {round}: rolled back in {:?}", back.took);
        let before = if round == 2 { "v1".to_owned() } else { format!("v{}", round - 1) };
        system.assert_serves(&before);
        expected.extend([version.clone(), before]);
        // And on to the next one from the newest.
        system.deploy().must(0);
        system.assert_serves(&version);
        expected.push(version);
    }
    assert_eq!(system.volume(), volume, "the volume is the one of the first deployment");
    let starts: Vec<String> = serde_json::from_value(system.answer("/starts")).unwrap();
    assert_eq!(starts, expected);
    // Three copies are kept; the newest has all that was there before the last deployment.
    let copies = copies(&system);
    assert_eq!(copies.len(), 3, "{copies:?}");
    assert_eq!(starts_in(copies.last().unwrap()), expected[..expected.len() - 1].join(" "));
}

#[test]
fn a_release_that_ends_at_start_goes_back_by_itself_with_its_reason() {
    let system = on_this_machine();
    system.commit("v1");
    system.deploy().must(0);
    system.commit("v2");
    system.deploy().must(0);
    let (volume, image) = (system.volume(), system.images());
    system.commit("broken-3");
    let ran = system.deploy().must(1);
    println!("{} s\n{}", ran.took.as_secs_f32(), ran.said());
    ran.says("exited with code 1").says("KeyError: 'OPENAI_API_KEY'").says("serves again");
    system.assert_serves("v2");
    assert_eq!((system.volume(), system.images()), (volume, image));
    // What failed is not offered to go back to.
    system.shipline(&["rollback", "production", "--yes"]).must(0);
    system.assert_serves("v1");
    let status = system.shipline(&["status", "--json"]).must(0).document();
    assert!(status["services"][0]["live"]["commit"].is_string(), "{status:#}");
}

#[test]
fn a_release_whose_health_fails_goes_back_with_what_the_check_said() {
    let system = on_this_machine();
    system.commit("v1");
    system.deploy().must(0);
    system.commit("sick-2");
    let ran = system.deploy().must(1);
    println!("{} s\n{}", ran.took.as_secs_f32(), ran.said());
    ran.says("health check fails").says("500").says("serves again");
    system.assert_serves("v1");
}

#[test]
fn the_same_commit_again_changes_nothing() {
    let system = on_this_machine();
    system.commit("v1");
    system.deploy().must(0);
    let starts = system.answer("/starts");
    system.deploy().must(0).says("already serves, nothing to do");
    assert_eq!(system.answer("/starts"), starts);
}

#[test]
fn without_anything_on_aws_no_credentials_are_asked_for() {
    let system = on_this_machine();
    system.commit("v1");
    let none: Vec<(String, String)> = std::env::vars().filter(|(name, _)| name.starts_with("AWS_")).collect();
    let empty: Vec<(&str, &str)> = none.iter().map(|(name, _)| (name.as_str(), "")).collect();
    let ran = crate::programs::shipline(&system.path("repository"), &["deploy", "production", "--yes"], &empty).must(0);
    println!("{}", ran.said());
    system.assert_serves("v1");
}
