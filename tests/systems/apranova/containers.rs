//! The story on real containers: pushed images, one load balancer, PostgreSQL migrated by a one-off task.

use serde_json::Value;

use crate::answering::Answering;
use crate::site::{Asked, Kind, Part, Place, Site, at};
use crate::stage::until;

const PLACES: &[Place] = &[Place { cluster: "apranova", address: "https://apranova.example.com" }];
const PARTS: &[Part] = &[
    Part {
        name: "backend",
        folder: "backend",
        kind: Kind::Interface,
        port: 8000,
        asked: Asked::At(&["/api/*", "/admin/*"]),
    },
    Part { name: "frontend", folder: "frontend", kind: Kind::Pages, port: 3000, asked: Asked::Otherwise },
];

/// Its topic, with somebody who hears.
async fn people(site: &Site) -> Answering {
    let people = Answering::with(200, &[], "").await;
    let sns = aws_sdk_sns::Client::new(site.sdk());
    let topic = site.topic("deployments").await;
    sns.subscribe().topic_arn(&topic).protocol("http").endpoint(people.address()).send().await.unwrap();
    until("the question whether to subscribe", || people.asked() > 0);
    let asked: Value = serde_json::from_slice(&people.requests()[0].body).unwrap();
    sns.confirm_subscription().topic_arn(&topic).token(asked["Token"].as_str().unwrap()).send().await.unwrap();
    people
}

fn release(site: &Site, version: &str, query: &str, migration: Option<(&str, &str)>) {
    site.write("backend/query.sql", query);
    if let Some((name, up)) = migration {
        site.write(&format!("backend/migrations/{name}.up.sql"), up);
    }
    // The pages of a broken release are good: they move, and must come back.
    let pages = version.trim_end_matches("-broken");
    site.commit(version, &[("backend", version), ("frontend", pages)]);
}

const ASKED: [&str; 2] = ["/api/version", "/"];

#[tokio::test]
async fn both_services_move_and_go_back_together_while_every_request_is_answered() {
    let site = Site::new("apranova", PLACES, PARTS).await;
    site.alarms(&super::ALARMS.map(|name| name.trim_start_matches("apranova-"))).await;
    let people = people(&site).await;
    let serve = |version: &str| {
        for path in ASKED {
            assert_eq!(site.answer("apranova", path), version, "{path}");
        }
    };
    let deploy = || site.shipline(&["deploy", "production", "--yes", "--json"]).end();
    let (database, query) = (site.database("apranova"), "SELECT name FROM users");

    release(&site, "v1", query, Some(("0001", "CREATE TABLE users (name text);\nINSERT INTO users VALUES ('ada');\n")));
    let ran = deploy().must(0);
    println!("first: {} s", ran.took.as_secs_f32());
    assert_eq!(ran.document()["hooks"][0]["state"], "done", "{:#}", ran.document());
    assert_eq!(database.columns("users"), "name");
    site.settled("apranova").await;
    serve("v1");

    // The second release: the old one answers on the new table.
    let add = "ALTER TABLE users ADD COLUMN email text;\n";
    release(&site, "v2", "SELECT name, email FROM users", Some(("0002", add)));
    let load = site.load("apranova", ASKED);
    let ran = deploy().must(0);
    println!("second: {} s", ran.took.as_secs_f32());
    let two = site.settled("apranova").await;
    load.end([&["v2", "v1"], &["v2", "v1"]]);
    assert_eq!(database.columns("users"), "name,email");
    serve("v2");

    // One that fails takes both back, in the order that the report shows.
    release(&site, "v4-broken", "SELECT name, email FROM users", None);
    let load = site.load("apranova", ASKED);
    let ran = deploy().must(1);
    println!("broken: {} s\n{}", ran.took.as_secs_f32(), ran.stderr);
    let back = site.settled("apranova").await;
    load.end([&["v2"], &["v2", "v4"]]);
    assert_eq!(back, two, "the very revisions that served");
    serve("v2");
    let report = ran.document();
    println!("{:#}", report["timeline"]);
    assert_eq!(report["result"], "rolled-back", "{report:#}");
    let [backend, frontend] = [&report["services"][0], &report["services"][1]];
    assert_eq!(backend["cause"]["exit"]["code"], 1, "{backend:#}");
    let lines = backend["cause"]["log"]["lines"].to_string();
    assert!(lines.contains("ImproperlyConfigured: SECRET_KEY must not be empty"), "{lines}");
    assert_eq!((&frontend["state"], &frontend["cause"]), (&"restored".into(), &Value::Null), "{frontend:#}");
    let failed = at(&report, "backend", "failed");
    for service in ["backend", "frontend"] {
        assert!(at(&report, service, "serves again") > failed, "{:#}", report["timeline"]);
    }
    assert_eq!(database.columns("users"), "name,email");

    let load = site.load("apranova", ASKED);
    site.shipline(&["rollback", "production", "--yes"]).end().must(0);
    site.settled("apranova").await;
    load.end([&["v2", "v1"], &["v2", "v1"]]);
    serve("v1");

    // Three deployments and a rollback were told to the topic, after its question.
    until("four messages", || people.asked() == 5);
    let said: Vec<String> = people.requests()[1..]
        .iter()
        .map(|request| serde_json::from_slice::<Value>(&request.body).unwrap()["Subject"].as_str().unwrap().to_owned())
        .collect();
    println!("{said:#?}");
    assert!(said[2].contains("failed"), "{said:#?}");
}
