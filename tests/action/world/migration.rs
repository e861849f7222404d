//! A real PostgreSQL migrated by one-off tasks in real containers: it works, it fails, it is undone.

use super::database::{Database, copy_client};
use super::team::Team;

/// What the application's image has beside its web server: PostgreSQL's client and the migrations.
const MIGRATE: &str = r#"#!/bin/sh
# migrate up|down: one transaction, and the exit code of psql.
echo "migrating $1 to $(cat /app/VERSION)"
exec /psql/ld.so --library-path /psql /psql/psql -X -1 -v ON_ERROR_STOP=1 -f "/app/$1.sql" "$SHOP_DATABASE"
"#;

fn prepare(team: &Team, database: &Database) {
    copy_client(&team.path("work/app/psql"));
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
    let database = Database::new(&team.path(""));
    prepare(&team, &database);

    let create = "CREATE TABLE orders (id int PRIMARY KEY);\nINSERT INTO orders VALUES (1);\n";
    release(&team, "v1", create, "DROP TABLE orders;\n").await;
    let ran = team.shipline(&["deploy", "staging", "--json"]).end().must(0);
    team.assert_serves("app", "v1");
    assert_eq!(ran.document()["hooks"][0]["state"], "done", "{:#}", ran.document());
    assert_eq!(database.columns("orders"), "id");
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
    assert_eq!(database.columns("orders"), "id");

    // A release whose migration works and that dies at start: the old one serves, the migration is undone.
    let add = "ALTER TABLE orders ADD COLUMN total int;\nUPDATE orders SET total = 12;\n";
    release(&team, "v3", add, "ALTER TABLE orders DROP COLUMN total;\n").await;
    let ran = team.shipline(&["deploy", "staging", "--json"]).end().must(1);
    let report = ran.document();
    assert_eq!(report["result"], "rolled-back", "{report:#}");
    assert_eq!(report["hooks"][0]["state"], "undone", "{report:#}");
    team.assert_serves("app", "v1");
    assert_eq!(team.asked_for("app").await, served);
    assert_eq!(database.columns("orders"), "id");
    assert_eq!(database.ask("SELECT id FROM orders"), "1");

    // And one that works, with one more revision for each of the three.
    release(&team, "v4", add, "ALTER TABLE orders DROP COLUMN total;\n").await;
    team.deploy().must(0);
    team.assert_serves("app", "v4");
    assert_eq!(database.columns("orders"), "id,total");
    assert_eq!(team.revisions("app").await, revisions + 3);
}
