//! The whole way in over real HTTP with narrow limits: what is stored, what is refused, and how.
#![expect(clippy::disallowed_methods, reason = "tests watch a real clock")]

use std::net::SocketAddr;
use std::time::Instant;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::SecretString;
use shipline::engine::Cancel;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::*;
use crate::serve;
use crate::store::Store;

struct Stage {
    at: SocketAddr,
    store: Store,
    stop: Cancel,
    folder: tempfile::TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn stage(limits: Limits, connections: serve::Limits) -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("sqlite://{}/bot.db", folder.path().display())).await.unwrap();
    let secrets = Secrets::new(&[SecretString::from("new"), SecretString::from("old")]).unwrap();
    let writer = Writer::start(store.clone(), Arc::new(Notify::new()), limits.requests);
    let intake = Intake::new(secrets, writer, Metrics::new(), limits);
    let routes = axum::Router::new().route("/webhooks/github", axum::routing::post(receive)).with_state(intake);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, stop) = (listener.local_addr().unwrap(), Cancel::new());
    let stopped = stop.clone();
    tokio::spawn(async move { serve::serve(listener, routes, connections, &stopped).await });
    Stage { at, store, stop, folder }
}

async fn usual() -> Stage {
    stage(Limits::default(), serve::Limits::default()).await
}

fn signature(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

fn comment(id: u64) -> String {
    let person = r#"{"login":"mona","id":7,"type":"User"}"#;
    format!(
        r#"{{"action":"created","issue":{{"number":42}},"comment":{{"id":{id},"body":"/deploy staging","user":{person},
        "created_at":"2026-11-21T09:00:00Z","performed_via_github_app":null}},"sender":{person},"installation":{{"id":5}},
        "repository":{{"id":1,"full_name":"octo-org/hello","private":false}}}}"#
    )
}

fn head(delivery: &str, signature: &str, length: &str) -> String {
    format!(
        "POST /webhooks/github HTTP/1.1\r\nHost: bot\r\nContent-Type: application/json\r\nX-GitHub-Event: issue_comment\r\n\
         X-GitHub-Delivery: {delivery}\r\nX-Hub-Signature-256: {signature}\r\n{length}\r\nConnection: close\r\n\r\n"
    )
}

impl Stage {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.at).await.unwrap()
    }

    /// What is answered to these bytes.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The bot may refuse before it has read everything.
        let _ = stream.write_all(bytes).await;
        answer(&mut stream).await
    }

    async fn send(&self, delivery: &str, body: &str) -> String {
        let length = format!("Content-Length: {}", body.len());
        self.raw((head(delivery, &signature("new", body.as_bytes()), &length) + body).as_bytes()).await
    }

    async fn stored(&self) -> u64 {
        self.store.backlog(clock::now()).await.unwrap().waiting
    }
}

async fn answer(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    String::from_utf8(said).unwrap()
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

#[tokio::test]
async fn a_signed_command_is_stored_before_it_is_acknowledged() {
    let stage = usual().await;
    let said = stage.send("d-1", &comment(1)).await;
    assert_eq!((status(&said), said.ends_with("accepted\n")), ("202", true), "{said}");
    assert_eq!(stage.store.known_deliveries(&["d-1".to_owned()]).await.unwrap(), ["d-1"]);
}

#[tokio::test]
async fn the_same_delivery_and_the_same_comment_under_another_id_are_known() {
    let stage = usual().await;
    stage.send("d-1", &comment(1)).await;
    for id in ["d-1", "d-2"] {
        let said = stage.send(id, &comment(1)).await;
        assert_eq!((status(&said), said.ends_with("known\n")), ("202", true), "{said}");
    }
    assert_eq!(stage.stored().await, 1);
}

#[tokio::test]
async fn while_the_secret_is_rotated_both_are_good() {
    let stage = usual().await;
    for (secret, expected) in [("new", "202"), ("old", "202"), ("other", "401")] {
        let body = comment(1);
        let length = format!("Content-Length: {}", body.len());
        let said = stage.raw((head("d-1", &signature(secret, body.as_bytes()), &length) + &body).as_bytes()).await;
        assert_eq!(status(&said), expected, "{secret}");
    }
}

#[tokio::test]
async fn every_forgery_gets_the_same_answer_and_nothing_is_stored() {
    let stage = usual().await;
    let body = comment(1);
    let length = format!("Content-Length: {}", body.len());
    let good = signature("new", body.as_bytes());
    let sha1 = "X-Hub-Signature: sha1=0000000000000000000000000000000000000000\r\nX-Hub-Signature-256";
    let whole = head("d-1", &good, &length) + &body;
    let forged = [
        whole.replace(&good, &good.replace("sha256=", "sha256=0")),
        whole.replace(&good, &good.replace("sha256=", "sha1=")),
        whole.replace(&good, "sha256="),
        whole.replace(&format!("X-Hub-Signature-256: {good}\r\n"), ""),
        whole.replace(&format!("X-Hub-Signature-256: {good}"), &format!("{sha1}: sha256=00")),
        whole.replace("/deploy staging", "/deploy product"),
        // Nothing else is looked at before: not even a missing event or a broken content type.
        whole.replace(&good, "sha256=00").replace("X-GitHub-Event: issue_comment\r\n", ""),
        whole.replace(&good, "sha256=00").replace("application/json", "text/plain"),
    ];
    let mut answers = Vec::new();
    for forged in forged {
        let said = stage.raw(forged.as_bytes()).await;
        assert_eq!(status(&said), "401", "{forged}");
        answers.push(said.lines().filter(|line| !line.starts_with("date:")).collect::<Vec<_>>().join("\n"));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    assert_eq!(stage.stored().await, 0);
}

#[tokio::test]
async fn what_is_signed_but_malformed_is_refused_with_a_sentence() {
    let stage = usual().await;
    let body = comment(1);
    let length = format!("Content-Length: {}", body.len());
    let whole = head("d-1", &signature("new", body.as_bytes()), &length) + &body;
    let table = [
        (whole.replace("application/json", "application/x-www-form-urlencoded"), "415", "must be application/json"),
        (whole.replace("X-GitHub-Event: issue_comment\r\n", ""), "400", "X-GitHub-Event is missing"),
        (whole.replace("issue_comment\r\n", "issue comment!\r\n"), "400", "X-GitHub-Event is missing or is not"),
        (whole.replace("X-GitHub-Delivery: d-1\r\n", ""), "400", "X-GitHub-Delivery is missing"),
        (whole.replace(": d-1", ": d'; --"), "400", "X-GitHub-Delivery is missing or is not"),
        (whole.replace(": d-1", &format!(": {}", "d".repeat(65))), "400", "X-GitHub-Delivery is missing or is not"),
    ];
    for (request, expected, sentence) in table {
        let said = stage.raw(request.as_bytes()).await;
        assert_eq!((status(&said), said.contains(sentence)), (expected, true), "{said}");
    }
    for garbage in ["", "{", "null", "\u{0}", "[[[[", "{\"action\":\"created\"}"] {
        let said = stage.send("d-1", garbage).await;
        assert_eq!(status(&said), "400", "{said}");
        assert!(said.contains("this is not issue_comment as GitHub documents it"), "{said}");
    }
    assert_eq!(stage.stored().await, 0);
}

#[tokio::test]
async fn what_nobody_acts_on_is_acknowledged_and_not_stored() {
    let stage = usual().await;
    let said = stage.send("d-1", &comment(1).replace("created\"", "edited\"")).await;
    assert_eq!((status(&said), said.ends_with("ignored: not one of our actions\n")), ("202", true), "{said}");
    let said = stage.send("d-2", &comment(2).replace("/deploy staging", "well done")).await;
    assert_eq!((status(&said), said.ends_with("ignored: no line begins with a slash\n")), ("202", true), "{said}");
    assert_eq!(stage.stored().await, 0);
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_before_it_is_read() {
    let stage = usual().await;
    let length = format!("Content-Length: {}", body::LARGEST + 1);
    let began = Instant::now();
    let said = stage.raw(head("d-1", "sha256=00", &length).as_bytes()).await;
    assert_eq!(status(&said), "413");
    assert!(began.elapsed() < Duration::from_secs(2), "it was waited for");
}

#[tokio::test]
async fn a_body_that_announces_nothing_is_cut_off_at_the_limit() {
    let limits = Limits { largest: 100_000, ..Limits::default() };
    let stage = stage(limits, serve::Limits::default()).await;
    let chunk = format!("{:x}\r\n{}\r\n", 10_000, "x".repeat(10_000));
    let eleven = head("d-1", "sha256=00", "Transfer-Encoding: chunked") + &chunk.repeat(11) + "0\r\n\r\n";
    assert_eq!(status(&stage.raw(eleven.as_bytes()).await), "413");
    let ten = head("d-1", "sha256=00", "Transfer-Encoding: chunked") + &chunk.repeat(10) + "0\r\n\r\n";
    assert_eq!(status(&stage.raw(ten.as_bytes()).await), "401");
}

#[tokio::test]
async fn a_delivery_in_pieces_is_put_together() {
    let stage = usual().await;
    let body = comment(1);
    let (first, second) = body.split_at(100);
    let chunks = format!("{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", first.len(), second.len());
    let request = head("d-1", &signature("new", body.as_bytes()), "Transfer-Encoding: chunked") + &chunks;
    assert_eq!(status(&stage.raw(request.as_bytes()).await), "202");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let limits = Limits { body: Duration::from_millis(300), ..Limits::default() };
    let stage = stage(limits, serve::Limits::default()).await;
    let said = stage.raw((head("d-1", "sha256=00", "Content-Length: 100") + "{").as_bytes()).await;
    assert_eq!(status(&said), "408");
}

#[tokio::test]
async fn a_head_that_does_not_come_closes_the_connection() {
    let connections = serve::Limits { head: Duration::from_millis(300), ..serve::Limits::default() };
    let stage = stage(Limits::default(), connections).await;
    let mut stream = stage.connect().await;
    stream.write_all(b"POST /webhooks/github HTTP/1.1\r\nHost:").await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), answer(&mut stream)).await;
    assert!(ended.is_ok(), "the connection stays open");
}

#[tokio::test]
async fn requests_beyond_the_limit_are_told_to_come_again() {
    let limits = Limits { requests: 1, ..Limits::default() };
    let stage = stage(limits, serve::Limits::default()).await;
    let mut slow = stage.connect().await;
    slow.write_all((head("d-0", "sha256=00", "Content-Length: 100") + "{").as_bytes()).await.unwrap();
    let began = Instant::now();
    let said = loop {
        let said = stage.send("d-1", &comment(1)).await;
        if status(&said) == "503" {
            break said;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{said}");
    };
    assert!(said.contains("retry-after: 5"), "{said}");
    drop(slow);
    while status(&stage.send("d-2", &comment(2)).await) != "202" {
        assert!(began.elapsed() < Duration::from_secs(10), "its place is not free again");
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_are_told_so_and_closed() {
    let connections = serve::Limits { connections: 1, ..serve::Limits::default() };
    let stage = stage(Limits::default(), connections).await;
    let kept = stage.connect().await;
    let said = stage.send("d-1", &comment(1)).await;
    assert_eq!(status(&said), "503");
    assert!(said.contains("Retry-After: 5") && said.ends_with("too many connections at once: again\n"), "{said}");
    drop(kept);
    let began = Instant::now();
    while status(&stage.send("d-1", &comment(1)).await) != "202" {
        assert!(began.elapsed() < Duration::from_secs(5), "its place is not free again");
    }
}

#[tokio::test]
async fn all_bodies_together_hold_a_bounded_amount_of_memory() {
    let limits = Limits { memory: 64 * 1024, ..Limits::default() };
    let stage = stage(limits, serve::Limits::default()).await;
    let large = "x".repeat(200_000);
    let length = format!("Content-Length: {}", large.len());
    let said = stage.raw((head("d-1", "sha256=00", &length) + &large).as_bytes()).await;
    assert_eq!(status(&said), "503", "more than there is room for was held");
    assert_eq!(status(&stage.send("d-2", &comment(2)).await), "202", "the room is not free again");
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_told_to_github_which_keeps_the_delivery() {
    let limits = Limits { store: Duration::from_millis(500), ..Limits::default() };
    let stage = stage(limits, serve::Limits::default()).await;
    let url = format!("sqlite://{}/bot.db", stage.folder.path().display());
    let mut other = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let said = stage.send("d-1", &comment(1)).await;
    assert_eq!(status(&said), "503", "{said}");
    assert!(said.contains("the delivery is not stored"), "{said}");
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    let began = Instant::now();
    while status(&stage.send("d-1", &comment(1)).await) != "202" {
        assert!(began.elapsed() < Duration::from_secs(10));
    }
    assert_eq!(stage.stored().await, 1);
}

#[tokio::test]
async fn many_at_once_share_commits_and_every_one_is_stored() {
    let stage = Arc::new(usual().await);
    let mut sending = tokio::task::JoinSet::new();
    for id in 0..200 {
        let stage = Arc::clone(&stage);
        sending.spawn(async move { status(&stage.send(&format!("d-{id}"), &comment(id)).await).to_owned() });
    }
    while let Some(said) = sending.join_next().await {
        assert_eq!(said.unwrap(), "202");
    }
    assert_eq!(stage.stored().await, 200);
}

#[tokio::test]
async fn after_the_stop_what_came_in_is_answered_and_nothing_new_is_taken() {
    let stage = usual().await;
    let body = comment(1);
    let length = format!("Content-Length: {}", body.len());
    let request = head("d-1", &signature("new", body.as_bytes()), &length) + &body;
    let (first, second) = request.split_at(request.len() - 10);
    let mut under_way = stage.connect().await;
    under_way.write_all(first.as_bytes()).await.unwrap();
    // Until it has surely been read.
    tokio::time::sleep(Duration::from_millis(200)).await;
    stage.stop.cancel();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(TcpStream::connect(stage.at).await.is_err(), "a new connection was taken");
    under_way.write_all(second.as_bytes()).await.unwrap();
    assert_eq!(status(&answer(&mut under_way).await), "202");
}
