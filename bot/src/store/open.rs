//! Opening: whose database it is, its tables, its connections.
//!
//! A database that another program filled, or a newer version of this one, is left as it was found.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use shipline::engine::wait::pause;
use shipline::engine::{Cancel, clock};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AnyPool, ConnectOptions, Connection, Executor, PgConnection, SqliteConnection};

use super::database::{Database, Kind};
use super::{Store, StoreFailed};

/// 'SHIP', as `application_id` in the header of our files.
const APPLICATION: i64 = 0x5348_4950;
/// Where the applied migrations are noted.
const MIGRATIONS: &str = "shipline_migrations";
/// Connections that read SQLite beside the one that writes.
const READERS: u32 = 4;
/// Connections to PostgreSQL of one replica.
const CONNECTIONS: u32 = 10;
/// Pages in memory of the connection that writes: a full batch touches some thousand, and those that
/// find no room are written twice.
const WRITERS_CACHE: &str = "PRAGMA cache_size = -5000";
/// Pages in memory of each connection that reads.
const READERS_CACHE: &str = "PRAGMA cache_size = -1000";
/// The pause before a file that others are opening is tried again.
const AGAIN: Duration = Duration::from_millis(20);
/// How long a connection may be waited for.
const PATIENCE: Duration = Duration::from_secs(10);

impl Store {
    /// Opens `sqlite://<file>` (created when missing) or `postgres://…` and brings its tables up to date.
    pub async fn open(url: &str) -> Result<Self, StoreFailed> {
        install_default_drivers();
        let database = match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => open_sqlite(url).await?,
            Some("postgres" | "postgresql") => open_postgres(url).await?,
            _ => return failed("its address must begin with sqlite:// or postgres://"),
        };
        Ok(Self { database })
    }

    /// Whether it answers; for `/readyz`.
    pub async fn ping(&self) -> Result<(), StoreFailed> {
        sqlx::query("SELECT 1").execute(self.reader()).await?;
        Ok(())
    }

    /// Ends all connections, after the work they do now.
    pub async fn close_connections(&self) {
        self.database.reader.close().await;
        self.database.writer.close().await;
    }
}

fn failed<T>(why: impl Into<String>) -> Result<T, StoreFailed> {
    Err(StoreFailed::Database(why.into()))
}

async fn open_sqlite(url: &str) -> Result<Database, StoreFailed> {
    if url.contains(":memory:") || url.contains("mode=memory") {
        return failed("a database in memory would forget everything: give it a file, sqlite://shipline.db");
    }
    let options = SqliteConnectOptions::from_str(url)
        .or_else(|why| failed(format!("its address cannot be read: {why}; write sqlite://<file>")))?;
    let file = absolute(&options)?;
    let options = options
        .filename(&file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(PATIENCE)
        .foreign_keys(true)
        .disable_statement_logging();
    let mut connection = match connected(&options).await {
        Ok(connection) => connection,
        Err(why) => return cannot_open(&file, &why),
    };
    migrate_sqlite(&mut connection, &file).await?;
    connection.close().await?;
    let url = AnyConnectOptions::from_url(&options.to_url_lossy())?.disable_statement_logging();
    let writer = sqlite_pool(1, [WRITERS_CACHE, "PRAGMA query_only = OFF"], url.clone()).await?;
    let reader = sqlite_pool(READERS, [READERS_CACHE, "PRAGMA query_only = ON"], url).await?;
    Ok(Database { kind: Kind::Sqlite, writer, reader })
}

/// Opens the file. Giving a new one its write-ahead log does not wait for others who do the same at that
/// moment: SQLite says at once that it is busy.
async fn connected(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let deadline = clock::instant() + PATIENCE;
    loop {
        match options.connect().await {
            Err(why) if code(&why).as_deref() == Some("5") && clock::instant() < deadline => {
                pause(AGAIN, &Cancel::new()).await;
            }
            answer => return answer,
        }
    }
}

/// SQLite's own code of an error.
fn code(why: &sqlx::Error) -> Option<std::borrow::Cow<'_, str>> {
    why.as_database_error().and_then(sqlx::error::DatabaseError::code)
}

fn absolute(options: &SqliteConnectOptions) -> Result<PathBuf, StoreFailed> {
    let file = options.get_filename();
    if file.as_os_str().is_empty() {
        return failed("its address names no file; write sqlite://shipline.db");
    }
    std::path::absolute(file).or_else(|why| failed(format!("{} cannot be opened: {why}", file.display())))
}

fn cannot_open<T>(file: &std::path::Path, why: &sqlx::Error) -> Result<T, StoreFailed> {
    let file = file.display();
    failed(match code(why).as_deref() {
        Some("26") => format!("{file} is not a SQLite database; name another file"),
        _ => format!("{file} cannot be opened: {why}; its folder must exist and be writable"),
    })
}

async fn sqlite_pool(most: u32, settings: [&'static str; 2], url: AnyConnectOptions) -> Result<AnyPool, StoreFailed> {
    let pool = AnyPoolOptions::new()
        .min_connections(1)
        .max_connections(most)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                connection.execute("PRAGMA busy_timeout = 10000").await?;
                connection.execute("PRAGMA synchronous = FULL").await?;
                connection.execute("PRAGMA foreign_keys = ON").await?;
                // Pages that many batches change are then copied into the file once.
                connection.execute("PRAGMA wal_autocheckpoint = 8192").await?;
                for setting in settings {
                    connection.execute(setting).await?;
                }
                Ok(())
            })
        });
    Ok(pool.connect_with(url).await?)
}

/// All in one transaction that has the file for itself: of several processes one migrates, the
/// others find it done.
async fn migrate_sqlite(connection: &mut SqliteConnection, file: &std::path::Path) -> Result<(), StoreFailed> {
    let mut tx = match connection.begin_with("BEGIN IMMEDIATE").await {
        Ok(tx) => tx,
        Err(why) => return cannot_open(file, &why),
    };
    let application: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *tx).await?;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master").fetch_one(&mut *tx).await?;
    if application != APPLICATION && (application != 0 || tables > 0) {
        return failed(format!("{} belongs to another program; name another file", file.display()));
    }
    let mut migrator = sqlx::migrate!("migrations/sqlite");
    named(&mut migrator);
    migrator.run_direct(None, &mut *tx, false).await.map_err(not_migrated)?;
    tx.commit().await?;
    Ok(())
}

async fn open_postgres(url: &str) -> Result<Database, StoreFailed> {
    let options = PgConnectOptions::from_str(url)
        .or_else(|why| failed(format!("its address cannot be read: {why}; write postgres://user@host/database")))?
        .disable_statement_logging();
    let connect = tokio::time::timeout(PATIENCE, options.connect()).await;
    let mut connection = match connect {
        Ok(Ok(connection)) => connection,
        Ok(Err(why)) => return failed(format!("PostgreSQL does not let us in: {why}")),
        Err(_) => return failed(format!("PostgreSQL did not answer within {} s", PATIENCE.as_secs())),
    };
    migrate_postgres(&mut connection).await?;
    connection.close().await?;
    let url = AnyConnectOptions::from_str(url)?.disable_statement_logging();
    let pool = AnyPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(PATIENCE).connect_with(url).await?;
    Ok(Database { kind: Kind::Postgres, writer: pool.clone(), reader: pool })
}

async fn migrate_postgres(connection: &mut PgConnection) -> Result<(), StoreFailed> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.tables
         WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'",
    )
    .fetch_all(&mut *connection)
    .await?;
    if !tables.is_empty() && !tables.iter().any(|table| table == MIGRATIONS) {
        return failed("it holds tables of another program; give the bot a database of its own");
    }
    let mut migrator = sqlx::migrate!("migrations/postgres");
    named(&mut migrator);
    // Takes a lock of the database for as long as it runs.
    migrator.run_direct(None, connection, false).await.map_err(not_migrated)
}

fn named(migrator: &mut Migrator) {
    migrator.dangerous_set_table_name(MIGRATIONS);
}

fn not_migrated(why: MigrateError) -> StoreFailed {
    StoreFailed::Database(match why {
        MigrateError::VersionMissing(version) => format!(
            "a newer shipline-bot has used it (its tables have version {version}); run that version or a newer one"
        ),
        MigrateError::VersionMismatch(version) => {
            format!(
                "its tables were made by another build of version {version}; restore a backup or use a new database"
            )
        }
        other => format!("its tables cannot be brought up to date: {other}"),
    })
}
