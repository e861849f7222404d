use super::*;

contract! {
    opening_again_finds_everything,
    several_that_open_at_once_all_succeed,
    a_database_of_another_program_is_left_alone,
    a_database_of_a_newer_version_is_left_alone,
    it_answers,
    how_far_back_deliveries_were_looked_for_never_goes_back,
}

async fn how_far_back_deliveries_were_looked_for_never_goes_back(home: Arc<Home>) {
    let store = home.open().await;
    assert_eq!(store.recovered().await.unwrap(), None);
    store.note_recovered(at(20)).await.unwrap();
    // A replica that began to read before, and was slower.
    store.note_recovered(at(10)).await.unwrap();
    assert_eq!(store.recovered().await.unwrap(), Some(at(20)));
    store.note_recovered(at(30)).await.unwrap();
    store.close_connections().await;
    assert_eq!(home.open().await.recovered().await.unwrap(), Some(at(30)));
}

async fn opening_again_finds_everything(home: Arc<Home>) {
    let store = home.open().await;
    store.accept(&[comment("a", 1, 1)], at(0)).await.unwrap();
    store.close_connections().await;
    assert!(store.ping().await.is_err());
    assert_eq!(home.open().await.known_deliveries(&["a".to_owned()]).await.unwrap(), ["a"]);
}

async fn several_that_open_at_once_all_succeed(home: Arc<Home>) {
    let tasks = (0..6).map(|n: u64| {
        let home = home.clone();
        tokio::spawn(async move {
            let store = home.open().await;
            store.accept(&[comment(&format!("d{n}"), n, n)], at(0)).await.unwrap();
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(home.open().await.backlog(at(1)).await.unwrap().waiting, 6);
}

async fn refused(url: &str) -> String {
    match Store::open(url).await {
        Err(StoreFailed::Database(why)) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("{url} was opened"),
    }
}

async fn a_database_of_another_program_is_left_alone(home: Arc<Home>) {
    home.raw("CREATE TABLE invoices (id BIGINT)").await.unwrap();
    assert!(refused(&home.url).await.contains("another program"));
    home.raw("SELECT id FROM invoices").await.unwrap();
    assert!(home.raw("SELECT * FROM deliveries").await.is_err(), "nothing of ours was made");
}

async fn a_database_of_a_newer_version_is_left_alone(home: Arc<Home>) {
    drop(home.open().await);
    let blob = if home.is_sqlite() { "x'00'" } else { "'\\x00'" };
    home.raw(&format!(
        "INSERT INTO shipline_migrations (version, description, success, checksum, execution_time)
         VALUES (9000, 'of tomorrow', true, {blob}, 0)"
    ))
    .await
    .unwrap();
    let why = refused(&home.url).await;
    assert_eq!(why, "a newer shipline-bot has used it (its tables have version 9000); run that version or a newer one");
}

async fn it_answers(home: Arc<Home>) {
    home.open().await.ping().await.unwrap();
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_named() {
    let home = Home::sqlite();
    let missing = home.folder().join("no/such/folder/bot.db");
    let why = refused(&format!("sqlite://{}", missing.display())).await;
    assert!(why.starts_with(&missing.display().to_string()), "{why}");
    assert!(why.ends_with("its folder must exist and be writable"), "{why}");
    let text = home.folder().join("notes.txt");
    std::fs::write(&text, "buy milk ".repeat(2_000)).unwrap();
    let why = refused(&format!("sqlite://{}", text.display())).await;
    assert_eq!(why, format!("{} is not a SQLite database; name another file", text.display()));
    assert!(std::fs::read_to_string(&text).unwrap().starts_with("buy milk"));
}

#[tokio::test]
async fn an_address_that_means_nothing_is_refused() {
    assert_eq!(refused("mysql://x").await, "its address must begin with sqlite:// or postgres://");
    assert_eq!(refused("shipline.db").await, "its address must begin with sqlite:// or postgres://");
    assert!(refused("sqlite::memory:").await.contains("would forget everything"));
    assert!(refused("sqlite://x?mode=memory").await.contains("would forget everything"));
    assert!(refused("sqlite://").await.contains("names no file"));
    assert!(refused("sqlite://x?mode=strange").await.contains("cannot be read"));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let why = refused(&format!("postgres://shipline:secret@127.0.0.1:{port}/x")).await;
    assert!(why.starts_with("PostgreSQL does not let us in: "), "{why}");
    assert!(!why.contains("secret"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_durable_and_many_can_read_while_one_writes() {
    let home = Home::sqlite();
    let store = home.open().await;
    let one = async |pool: &sqlx::AnyPool, what: &'static str| {
        sqlx::Row::get::<i64, _>(&sqlx::query(what).fetch_one(pool).await.unwrap(), 0)
    };
    for pool in [&store.database.writer, &store.database.reader] {
        assert_eq!(one(pool, "PRAGMA synchronous").await, 2, "FULL");
        assert_eq!(one(pool, "PRAGMA foreign_keys").await, 1);
    }
    let mode = sqlx::query("PRAGMA journal_mode").fetch_one(store.reader()).await.unwrap();
    assert_eq!(sqlx::Row::get::<String, _>(&mode, 0), "wal");
    let writing = store.begin().await.unwrap();
    store.ping().await.unwrap();
    assert_eq!(store.backlog(at(0)).await.unwrap(), Backlog::default());
    drop(writing);
    let error = sqlx::query("DELETE FROM deliveries").execute(store.reader()).await.unwrap_err();
    assert!(error.to_string().contains("readonly"), "{error}");
}
