use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::*;
use crate::store::NewAudit;

struct Trail {
    store: Store,
    url: String,
    _folder: tempfile::TempDir,
}

async fn trail(entries: u32) -> Trail {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("audit.db").display());
    let store = Store::open(&url).await.unwrap();
    for number in 1..=entries {
        let entry = NewAudit {
            key: format!("k{number}"),
            repository: None,
            repository_name: Some("acme/shop".into()),
            environment: Some("staging".into()),
            actor: None,
            action: "deploy".into(),
            outcome: "allowed".into(),
            details: json!({ "number": number }),
        };
        store.audit(&entry, at(number)).await.unwrap();
    }
    Trail { store, url, _folder: folder }
}

fn at(second: u32) -> Timestamp {
    Timestamp::from_second(1_795_262_400 + i64::from(second)).unwrap()
}

impl Trail {
    async fn run(&self, verb: AuditVerb) -> (u8, String) {
        let mut out = Vec::new();
        let code = run(&AuditArgs { verb }, &self.store, &mut out).await.unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    /// What somebody with the database's password could do.
    async fn tamper(&self, statement: &str) {
        let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
        let triggers: Vec<(String,)> = sqlx::query_as("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            .fetch_all(&mut connection)
            .await
            .unwrap();
        for (name,) in triggers {
            sqlx::query(AssertSqlSafe(format!("DROP TRIGGER {name}"))).execute(&mut connection).await.unwrap();
        }
        let done = sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
        assert!(done.rows_affected() > 0, "{statement}");
    }
}

#[tokio::test]
async fn a_whole_trail_is_proven_and_its_last_hash_is_told() {
    let trail = trail(3).await;
    let (code, said) = trail.run(AuditVerb::Verify).await;
    assert_eq!(code, 0);
    let last = trail.store.audit_after(2, 1).await.unwrap().remove(0).hash;
    assert!(said.starts_with("The audit trail is whole: 3 entries.\n"), "{said}");
    assert!(said.contains(&last), "{said}");
    assert_eq!(trail_of_none().await, (0, "The audit trail is empty.\n".to_owned()));
}

async fn trail_of_none() -> (u8, String) {
    trail(0).await.run(AuditVerb::Verify).await
}

#[tokio::test]
async fn the_first_entry_that_was_changed_is_named() {
    let trail = trail(4).await;
    trail.tamper("UPDATE audit SET entry = replace(entry, 'allowed', 'done') WHERE sequence >= 2").await;
    let (code, said) = trail.run(AuditVerb::Verify).await;
    assert_eq!(code, 1);
    assert!(said.starts_with("Broken at entry 2: its content has hash "), "{said}");
}

#[tokio::test]
async fn an_entry_that_was_removed_leaves_a_gap_that_is_named() {
    let trail = trail(4).await;
    trail.tamper("DELETE FROM audit WHERE sequence = 3").await;
    assert_eq!(trail.run(AuditVerb::Verify).await.1.lines().next(), Some("Broken at entry 3: entry 4 stands there."));
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_named_with_what_was_broken_before_it() {
    let trail = trail(4).await;
    trail.tamper("UPDATE audit SET entry = 'x' WHERE sequence = 3").await;
    let (code, said) = trail.run(AuditVerb::Verify).await;
    assert_eq!(code, 1);
    assert!(said.starts_with("Broken at entry 3: it cannot be read: "), "{said}");
    trail.tamper("UPDATE audit SET entry = replace(entry, 'allowed', 'done') WHERE sequence = 1").await;
    let (_, said) = trail.run(AuditVerb::Verify).await;
    assert!(said.starts_with("Broken at entry 1: its content has hash "), "{said}");
}

#[tokio::test]
async fn an_export_has_a_version_on_every_line_and_begins_where_it_is_asked_to() {
    let trail = trail(3).await;
    let export = |since| AuditVerb::Export(ExportArgs { since, format: Format::Jsonl });
    let (code, all) = trail.run(export(None)).await;
    assert_eq!(code, 0);
    let lines: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line["schema_version"], json!(1));
        assert_eq!(line["sequence"], json!(index + 1));
        assert_eq!(line["details"]["number"], json!(index + 1));
        for field in ["at", "key", "action", "outcome", "previous", "hash", "repository_name", "environment"] {
            assert!(line.get(field).is_some_and(|value| !value.is_null()), "{field} in {line}");
        }
    }
    let (_, late) = trail.run(export(Some(at(3)))).await;
    assert_eq!(late.lines().collect::<Vec<_>>(), all.lines().skip(2).collect::<Vec<_>>());
    assert!(trail.run(export(Some(at(9)))).await.1.is_empty());
}

#[tokio::test]
async fn a_reader_that_went_away_is_told_as_such() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::from(io::ErrorKind::BrokenPipe))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let trail = trail(1).await;
    let args = AuditArgs { verb: AuditVerb::Export(ExportArgs { since: None, format: Format::Jsonl }) };
    let failed = run(&args, &trail.store, &mut Gone).await.unwrap_err();
    assert_eq!(Problem::from(failed).code, "output");
}
