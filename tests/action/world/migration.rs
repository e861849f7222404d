//! A real PostgreSQL migrated by one-off tasks in real containers: it works, it fails, it is undone.

use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::team::Team;

/// A database of the world's PostgreSQL that containers reach, gone with the story.
struct Database {
    name: String,
    /// Of the world's own server, database `postgres`.
    server: String,
    /// Where containers find it.
    inside: String,
}

impl Database {
    #[expect(clippy::disallowed_methods, reason = "the world is described by the environment")]
    fn new(team: &Team) -> Self {
        let server =
            std::env::var("SHIPLINE_POSTGRES").expect("`eval \"$(scripts/world env)\"` sets SHIPLINE_POSTGRES");
        let unique = team.path("").file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let unique: String = unique.chars().filter(char::is_ascii_alphanumeric).collect();
        let name = format!("story_{}_{unique}", std::process::id());
        // The server listens on this machine's own address alone; containers come in by their bridge.
        let gateway = output("docker", &["network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Gateway}}"]);
        let listener = TcpListener::bind((gateway.as_str(), 0)).unwrap();
        let door = listener.local_addr().unwrap();
        let inside = format!("postgres://shipline@{door}/{name}");
        let address = server.rsplit_once('@').unwrap().1.split('/').next().unwrap().to_owned();
        // Ends with the test's process; one thread a direction.
        std::thread::spawn(move || {
            for from in listener.incoming() {
                let (from, to) = (from.unwrap(), TcpStream::connect(&address).unwrap());
                through(from.try_clone().unwrap(), to.try_clone().unwrap());
                through(to, from);
            }
        });
        let made = Self { name, server, inside };
        made.ask_server(&format!("CREATE DATABASE {}", made.name));
        made
    }

    fn ask_server(&self, statement: &str) -> String {
        output(psql().to_str().unwrap(), &["-X", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", statement, &self.server])
    }

    fn ask(&self, statement: &str) -> String {
        let (server, _) = self.server.rsplit_once('/').unwrap();
        let address = format!("{server}/{}", self.name);
        output(psql().to_str().unwrap(), &["-X", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", statement, &address])
    }

    /// The columns of the table of orders, none when there is no table.
    fn columns(&self) -> String {
        self.ask(
            "SELECT coalesce(string_agg(column_name, ',' ORDER BY ordinal_position), '') \
             FROM information_schema.columns WHERE table_name = 'orders'",
        )
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.ask_server(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

/// Copies one direction to its end.
fn through(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let _ended = std::io::copy(&mut from, &mut to);
        let _gone = to.shutdown(Shutdown::Write);
    });
}

/// The program itself: what is in the PATH is a script that looks for it.
fn psql() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed by `scripts/world up`");
    let mut found: Vec<PathBuf> = versions.map(|version| version.unwrap().path().join("bin/psql")).collect();
    found.retain(|path| path.exists());
    found.sort();
    found.pop().expect("PostgreSQL is installed by `scripts/world up`")
}

#[expect(clippy::disallowed_methods, reason = "the world is looked at with its own programs")]
fn output(program: &str, arguments: &[&str]) -> String {
    let ran = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() || std::thread::panicking(), "{program} {arguments:?}: {said}");
    String::from_utf8(ran.stdout).unwrap().trim_end().to_owned()
}

/// What the application's image has beside its web server: PostgreSQL's client and the migrations.
const MIGRATE: &str = r#"#!/bin/sh
# migrate up|down: one transaction, and the exit code of psql.
echo "migrating $1 to $(cat /app/VERSION)"
exec /psql/ld.so --library-path /psql /psql/psql -X -1 -v ON_ERROR_STOP=1 -f "/app/$1.sql" "$SHOP_DATABASE"
"#;

fn prepare(team: &Team, database: &Database) {
    let program = psql();
    let listed = output("ldd", &[program.to_str().unwrap()]);
    let folder = team.path("work/app/psql");
    std::fs::create_dir_all(&folder).unwrap();
    let copy = |from: &Path, name: &str| {
        std::fs::copy(from, folder.join(name)).unwrap();
    };
    copy(&program, "psql");
    for path in listed.split_whitespace().filter(|word| word.starts_with('/')) {
        let name = Path::new(path).file_name().unwrap().to_str().unwrap();
        copy(Path::new(path), if name.starts_with("ld-linux") { "ld.so" } else { name });
    }
    team.write("app/migrate", MIGRATE);
    let dockerfile = std::fs::read_to_string(team.path("work/app/Dockerfile")).unwrap();
    let more = "COPY psql /psql/\nCOPY migrate up.sql down.sql /app/\nRUN chmod +x /app/migrate /psql/*\nCMD";
    team.write("app/Dockerfile", &dockerfile.replacen("CMD", more, 1));
    let file = team.path("work/.github/shipline.yml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace(
        "container: app }",
        &format!("container: app, environment: {{ SHOP_DATABASE: \"{}\" }} }}", database.inside),
    );
    let hooks = "    before:\n      - { run: [/app/migrate, up], in: app, undo: [/app/migrate, down], within: 1m }\n";
    team.write(".github/shipline.yml", &format!("{text}{hooks}"));
}

async fn release(team: &Team, version: &str, up: &str, down: &str) {
    team.write("app/up.sql", up);
    team.write("app/down.sql", down);
    team.commit(&[("app", version)]).await;
}

#[tokio::test]
async fn a_database_is_migrated_before_the_shift_and_back_when_the_release_fails() {
    let team = Team::new(&["app"]).await;
    let database = Database::new(&team);
    prepare(&team, &database);

    let create = "CREATE TABLE orders (id int PRIMARY KEY);\nINSERT INTO orders VALUES (1);\n";
    release(&team, "v1", create, "DROP TABLE orders;\n").await;
    let ran = team.shipline(&["deploy", "staging", "--json"]).end().must(0);
    team.assert_serves("app", "v1");
    assert_eq!(ran.document()["hooks"][0]["state"], "done", "{:#}", ran.document());
    assert_eq!(database.columns(), "id");
    let (served, revisions) = (team.asked_for("app").await, team.revisions("app").await);

    // A migration that fails in its middle: nothing of it stays, and no traffic moves.
    let wrong = "ALTER TABLE orders ADD COLUMN total int;\nINSERT INTO nowhere VALUES (1);\n";
    release(&team, "v2", wrong, "SELECT 1;\n").await;
    let ran = team.shipline(&["deploy", "staging", "--json"]).end().must(1);
    let report = ran.document();
    println!("{} s\n{}", ran.took.as_secs_f32(), ran.stderr);
    assert_eq!(report["result"], "not-shifted", "{report:#}");
    let cause = &report["hooks"][0]["cause"];
    assert_eq!(cause["exit"]["code"], 3, "{cause:#}");
    let lines = cause["log"]["lines"].to_string();
    assert!(
        lines.contains("migrating up to v2") && lines.contains("relation \\\"nowhere\\\" does not exist"),
        "{lines}"
    );
    team.assert_serves("app", "v1");
    assert_eq!(team.asked_for("app").await, served);
    assert_eq!(database.columns(), "id");

    // A release whose migration works and that dies at start: the old one serves, the migration is undone.
    let add = "ALTER TABLE orders ADD COLUMN total int;\nUPDATE orders SET total = 12;\n";
    release(&team, "v3", add, "ALTER TABLE orders DROP COLUMN total;\n").await;
    let ran = team.shipline(&["deploy", "staging", "--json"]).end().must(1);
    let report = ran.document();
    assert_eq!(report["result"], "rolled-back", "{report:#}");
    assert_eq!(report["hooks"][0]["state"], "undone", "{report:#}");
    team.assert_serves("app", "v1");
    assert_eq!(team.asked_for("app").await, served);
    assert_eq!(database.columns(), "id");
    assert_eq!(database.ask("SELECT id FROM orders"), "1");

    // And one that works, with one more revision for each of the three.
    release(&team, "v4", add, "ALTER TABLE orders DROP COLUMN total;\n").await;
    team.deploy().must(0);
    team.assert_serves("app", "v4");
    assert_eq!(database.columns(), "id,total");
    assert_eq!(team.revisions("app").await, revisions + 3);
}
