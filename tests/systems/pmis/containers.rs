//! The story on real containers: three services a place, promoted by digest, their databases migrated.

use serde_json::Value;
use shipline_test_support::{CommitSeed, Seed};

use super::{TOKEN, in_a_run};
use crate::site::{Asked, Kind, Part, Place, Site, at};
use crate::stage::{Run, Stage, until};

const PLACES: &[Place] = &[
    Place { cluster: "pmis-staging", address: "https://staging.pmis.example.com" },
    Place { cluster: "pmis", address: "https://pmis.example.com" },
];
const PARTS: &[Part] = &[
    Part {
        name: "api",
        folder: "apps/api",
        kind: Kind::Interface,
        port: 8000,
        asked: Asked::At(&["/api/*", "/health"]),
    },
    Part { name: "worker", folder: "apps/api", kind: Kind::Worker, port: 8001, asked: Asked::Never },
    Part { name: "web", folder: "apps/web", kind: Kind::Pages, port: 3000, asked: Asked::Otherwise },
];
const ASKED: [&str; 2] = ["/api/version", "/"];

struct System {
    site: Site,
    /// GitHub alone is simulated.
    github: Stage,
}

impl System {
    async fn new() -> Self {
        let site = Site::new("pmis", PLACES, PARTS).await;
        let github = Stage::empty().await;
        // Both accounts are the world's; the roles are not there.
        site.configure(|file| {
            let file = in_a_run(&file).replace("arn:aws:iam::444455556666:", "arn:aws:iam::111122223333:");
            assert!(!file.contains("444455556666"), "{file}");
            file
        });
        site.alarms(&["target-5xx", "api-error-rate"]).await;
        Self { site, github }
    }

    fn release(&self, number: u8, web: &str, query: &str, migration: (&str, &str)) {
        let (up, down) = migration;
        self.site.write("apps/api/query.sql", query);
        self.site.write(&format!("apps/api/migrations/000{number}.up.sql"), up);
        self.site.write(&format!("apps/api/migrations/000{number}.down.sql"), down);
        let version = format!("v{number}");
        let sha = self.site.commit(&format!("v1.{number}.0"), &[("apps/api", &version), ("apps/web", web)]);
        let commit = CommitSeed {
            repository: "acme/pmis".to_owned(),
            sha,
            message: format!("Release {number}"),
            author: "octocat".to_owned(),
            reference: None,
        };
        self.github.world.seed(Seed { commits: vec![commit], ..Seed::default() });
    }

    fn run(&self, arguments: &[&str]) -> Run<'_> {
        let run = self.site.shipline(arguments).set("SHIPLINE_GITHUB_TOKEN", TOKEN);
        run.set("GITHUB_REPOSITORY", "acme/pmis").set("GITHUB_API_URL", &self.github.world.endpoint())
    }

    fn stage(&self) -> Run<'_> {
        self.run(&["deploy", "staging", "--yes", "--json"])
    }

    fn promote(&self) -> Run<'_> {
        self.run(&["deploy", "production", "--from", "staging", "--yes", "--json"])
    }

    #[track_caller]
    fn assert_serves(&self, cluster: &str, version: &str, web: &str) {
        assert_eq!(ASKED.map(|path| self.site.answer(cluster, path)), [version, web], "{cluster}");
        let database = self.site.database(cluster);
        database.ask("DELETE FROM marks");
        until("the worker works", || database.ask("SELECT count(*) > 1 FROM marks") == "t");
        assert_eq!(database.ask("SELECT DISTINCT worker FROM marks"), version, "{cluster}");
    }
}

#[tokio::test]
async fn a_release_is_promoted_fails_on_production_alone_and_takes_three_services_and_its_migration_back() {
    let system = System::new().await;
    let site = &system.site;
    let production = site.database("pmis");
    let tables =
        "CREATE TABLE tasks (name text);\nINSERT INTO tasks VALUES ('pour');\nCREATE TABLE marks (worker text);\n";
    system.release(1, "v1", "SELECT name FROM tasks", (tables, "DROP TABLE tasks;\nDROP TABLE marks;\n"));
    system.promote().end().must(3).says("staging");
    for run in [system.stage(), system.promote()] {
        let ran = run.end().must(0);
        println!("first: {} s", ran.took.as_secs_f32());
    }
    for cluster in ["pmis-staging", "pmis"] {
        site.settled(cluster).await;
        system.assert_serves(cluster, "v1", "v1");
    }

    let due = "ALTER TABLE tasks ADD COLUMN due date;\n";
    system.release(2, "v2", "SELECT name, due FROM tasks", (due, "ALTER TABLE tasks DROP COLUMN due;\n"));
    system.stage().end().must(0);
    let load = site.load("pmis", ASKED);
    let ran = system.promote().end().must(0);
    println!("second: {} s", ran.took.as_secs_f32());
    let two = site.settled("pmis").await;
    load.end([&["v2", "v1"], &["v2", "v1"]]);
    system.assert_serves("pmis", "v2", "v2");
    for part in ["api", "worker", "web"] {
        let there = site.image("pmis", part).await;
        assert_eq!(there, site.image("pmis-staging", part).await, "the digests that staging runs");
        assert!(there.contains("@sha256:"), "{there}");
    }

    // Good on staging; on production the web front lacks what only staging was given.
    let owner = "ALTER TABLE tasks ADD COLUMN owner text;\n";
    system.release(3, "v3", "SELECT name, owner FROM tasks", (owner, "ALTER TABLE tasks DROP COLUMN owner;\n"));
    system.stage().end().must(0);
    let load = site.load("pmis", ASKED);
    let ran = system.promote().end().must(1);
    println!("broken: {} s", ran.took.as_secs_f32());
    let back = site.settled("pmis").await;
    load.end([&["v2", "v3"], &["v2"]]);
    assert_eq!(back, two, "the very revisions that served");
    system.assert_serves("pmis", "v2", "v2");
    assert_eq!(production.columns("tasks"), "name,due");
    let report = ran.document();
    println!("{:#}", report["timeline"]);
    assert_eq!(report["result"], "rolled-back", "{report:#}");
    let web = report["services"].as_array().unwrap().iter().find(|service| service["name"] == "web").unwrap();
    let lines = web["cause"]["log"]["lines"].to_string();
    assert!(lines.contains("fatal: DATABASE_URL is not set"), "{lines}");
    let failed = at(&report, "web", "failed");
    for service in ["api", "worker"] {
        let (there, again) = (at(&report, service, "serves"), at(&report, service, "serves again"));
        assert!(there < failed && failed < again, "{:#}", report["timeline"]);
        assert!(again < at(&report, "", "the undo of hook 1 runs"), "{:#}", report["timeline"]);
    }
    assert_eq!(report["hooks"][0]["state"], "undone", "{report:#}");
    system.assert_serves("pmis-staging", "v3", "v3");

    let (load, staging) = (site.load("pmis", ASKED), site.settled("pmis-staging").await);
    system.run(&["rollback", "production", "--yes"]).end().must(0);
    site.settled("pmis").await;
    load.end([&["v2", "v1"], &["v2", "v1"]]);
    system.assert_serves("pmis", "v1", "v1");
    assert_eq!(production.columns("tasks"), "name,due", "a rollback by command runs no migration");
    assert_eq!(site.settled("pmis-staging").await, staging);
    let applied: Value =
        serde_json::from_str(&production.ask("SELECT json_agg(name ORDER BY name) FROM migrations")).unwrap();
    assert_eq!(applied, serde_json::json!(["0001", "0002"]));
}
