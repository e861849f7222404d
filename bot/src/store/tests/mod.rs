//! The contract of the store: every test runs on SQLite and on PostgreSQL, each in a database of its own.

mod audit;
mod chain;
mod gates;
mod inbox;
mod jobs;
mod lease;
mod ledger;
mod load;
mod opening;
mod queue;
mod turns;

use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use shipline::rollout::{Entry, Outcome, Phase, Revision};
use shipline::types::{CommitSha, Timestamp};
use sqlx::any::AnyRow;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AnyConnection, AssertSqlSafe, ConnectOptions, Connection, Executor};

use super::*;
use crate::types::{
    Actor, CommentId, DeploymentId, EnvironmentKey, InstallationId, RepositoryId, RepositoryRef, RunId, UserId,
    WorkerId,
};
use crate::webhook::{Delivery, Event, NewComment, PullChanged};

/// Runs each named test on both databases.
macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                crate::store::tests::Home::sqlite().run(super::$name).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                crate::store::tests::Home::postgres().await.run(super::$name).await;
            })*
        }
    };
}
use contract;

/// Longer than any test needs: one that waits for what never comes ends with a word.
const PATIENCE: Duration = Duration::from_secs(90);

/// A database for one test.
pub(super) struct Home {
    pub(super) url: String,
    place: Place,
}

enum Place {
    Folder(tempfile::TempDir),
    Server { admin: PgConnectOptions, database: String },
}

impl Home {
    pub(super) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("with a space.db").display());
        Self { url, place: Place::Folder(folder) }
    }

    #[expect(clippy::disallowed_methods, reason = "where the tests' PostgreSQL is")]
    fn server() -> PgConnectOptions {
        let server = std::env::var("SHIPLINE_POSTGRES").unwrap_or_else(|_| {
            panic!(
                "this test needs PostgreSQL: run `scripts/world up`, then `eval \"$(scripts/world env)\"` \
                 (it sets SHIPLINE_POSTGRES)"
            )
        });
        PgConnectOptions::from_str(&server).unwrap()
    }

    pub(super) async fn postgres() -> Self {
        let admin = Self::server();
        let database = format!("store_{}", uuid::Uuid::new_v4().simple());
        let mut connection = admin.connect().await.unwrap();
        connection.execute(AssertSqlSafe(format!("CREATE DATABASE {database}"))).await.unwrap();
        connection.close().await.unwrap();
        let url = admin.clone().database(&database).to_url_lossy().to_string();
        Self { url, place: Place::Server { admin, database } }
    }

    /// Runs a test and removes the database, whatever became of the test.
    pub(super) async fn run<F, T>(self, test: F)
    where
        F: FnOnce(Arc<Self>) -> T,
        T: Future<Output = ()> + Send + 'static,
    {
        let home = Arc::new(self);
        let test = tokio::time::timeout(PATIENCE, test(home.clone()));
        let result = tokio::spawn(async move { test.await.expect("the test should have ended long ago") }).await;
        if let Place::Server { admin, database } = &home.place {
            let mut connection = admin.connect().await.unwrap();
            connection.execute(AssertSqlSafe(format!("DROP DATABASE {database} WITH (FORCE)"))).await.unwrap();
        }
        if let Err(failed) = result {
            std::panic::resume_unwind(failed.into_panic());
        }
    }

    pub(super) async fn open(&self) -> Store {
        Store::open(&self.url).await.unwrap()
    }

    pub(super) fn is_sqlite(&self) -> bool {
        matches!(self.place, Place::Folder(_))
    }

    pub(super) fn folder(&self) -> &std::path::Path {
        match &self.place {
            Place::Folder(folder) => folder.path(),
            Place::Server { .. } => panic!("not a file"),
        }
    }

    /// Whatever somebody with a database client can do.
    pub(super) async fn raw(&self, sql: &str) -> Result<Vec<AnyRow>, sqlx::Error> {
        sqlx::any::install_default_drivers();
        let url =
            if self.is_sqlite() { format!("{}?mode=rwc", self.url.replace(' ', "%20")) } else { self.url.clone() };
        let mut connection = AnyConnection::connect(&url).await?;
        sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await
    }
}

/// Milliseconds after some moment.
pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap()
}

pub(super) fn sha(number: u64) -> CommitSha {
    format!("{number:040x}").parse().unwrap()
}

pub(super) fn actor(id: u64) -> Actor {
    Actor { id: UserId::new(id), login: format!("user-{id}") }
}

pub(super) fn repository(id: u64) -> RepositoryRef {
    RepositoryRef {
        id: RepositoryId::new(id),
        name: "acme/shop".parse().unwrap(),
        installation: InstallationId::new(7),
        public: false,
    }
}

pub(super) fn key(environment: &str) -> EnvironmentKey {
    EnvironmentKey { repository: RepositoryId::new(1), environment: environment.parse().unwrap() }
}

pub(super) fn comment(id: &str, issue: u64, comment: u64) -> Delivery {
    let event = Event::Comment(NewComment {
        repository: repository(1),
        issue,
        is_pull: true,
        comment: CommentId::new(comment),
        author: actor(5),
        body: "/deploy staging".to_owned(),
        created: at(0),
    });
    Delivery { id: id.to_owned(), event }
}

pub(super) fn pull(id: &str, number: u64, action: &str, head: u64, moment: i64) -> Delivery {
    let event = Event::Pull(PullChanged {
        repository: repository(1),
        number,
        action: action.to_owned(),
        head: sha(head),
        head_repository: None,
        at: at(moment),
    });
    Delivery { id: id.to_owned(), event }
}

/// `/deploy` of a commit, asked in a comment.
pub(super) fn deploy(key: &EnvironmentKey, commit: u64, comment: u64) -> NewDeployment {
    asked(key, DeploymentKind::Deploy { sha: sha(commit) }, comment)
}

pub(super) fn rollback(key: &EnvironmentKey, comment: u64) -> NewDeployment {
    asked(key, DeploymentKind::Rollback { to: None, lock: true }, comment)
}

fn asked(key: &EnvironmentKey, kind: DeploymentKind, comment: u64) -> NewDeployment {
    NewDeployment {
        asked: Asked {
            key: key.clone(),
            repository: repository(key.repository.get()),
            kind,
            services: Vec::new(),
            actor: actor(comment),
            issue: 3,
            is_pull: true,
            comment: CommentId::new(comment),
            command: 0,
            reason: Some("because \u{0} 'quotes' and ü".to_owned()),
            policy_commit: sha(0xabc),
            decided: at(0),
        },
    }
}

pub(super) fn next(enqueued: Enqueued) -> DeploymentId {
    match enqueued {
        Enqueued::Next(id) => id,
        other => panic!("not next: {other:?}"),
    }
}

pub(super) fn new_audit(key: &str) -> NewAudit {
    NewAudit {
        key: key.to_owned(),
        repository: Some(RepositoryId::new(1)),
        repository_name: Some("acme/shop".to_owned()),
        environment: Some("staging".to_owned()),
        actor: Some(actor(5)),
        action: "deploy".to_owned(),
        outcome: "succeeded".to_owned(),
        details: json!({ "z": 1, "a": { "y": [1.5, null, "\u{0}ü"], "b": true } }),
    }
}

pub(super) fn closed(key: &str, outcome: &str) -> Closed {
    Closed {
        outcome: outcome.to_owned(),
        serves: None,
        audit: new_audit(key),
        details: json!({ "link": "https://example.test" }),
    }
}

pub(super) fn revision(id: &str) -> Revision {
    Revision {
        id: id.to_owned(),
        name: id.to_owned(),
        image: None,
        image_text: format!("registry.test/{id}"),
        commit: None,
        facts: json!({ "id": id }),
    }
}

pub(super) fn entry(sequence: u64, moment: i64) -> Entry {
    let phase =
        Phase::Done { outcome: Outcome::Succeeded, services: std::collections::BTreeMap::new(), hooks: Vec::new() };
    Entry { sequence, at: at(moment), event: None, phase }
}

pub(super) fn building(run: u64) -> State {
    State { stage: Stage::Building { run: Some(RunId::new(run)), since: at(0) }, ..State::fresh() }
}

#[track_caller]
pub(super) fn assert_lost(result: &Result<(), StoreFailed>) {
    assert!(matches!(result, Err(StoreFailed::LeaseLost(_))), "the lease should be lost: {result:?}");
}

/// Names of workers that differ.
pub(super) fn workers(count: usize) -> Vec<WorkerId> {
    (0..count).map(|_| WorkerId::new()).collect()
}
