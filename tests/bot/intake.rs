//! Webhooks against the real program: what it takes in survives everything, what it does not take in
//! leaves no trace, and what it was not told it says.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use shipline_bot::store::Store;
use shipline_test_support::{AppSeed, AwsWorld};

use crate::{Bot, free_port, get};

const SECRET: &str = "It's a Secret to Everybody";

/// A bot that was set up, with a database of its own and a GitHub that nobody runs.
struct Stage {
    folder: tempfile::TempDir,
    port: u16,
    bot: Bot,
}

fn program(folder: &std::path::Path, port: u16) -> Command {
    let key = folder.join("key.pem");
    fs::write(&key, private_key()).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_shipline-bot"));
    program
        .arg("serve")
        .env_clear()
        .env("SHIPLINE_LISTEN", format!("127.0.0.1:{port}"))
        .env("SHIPLINE_DATABASE_URL", format!("sqlite://{}", database(folder).display()))
        .env("SHIPLINE_GITHUB_API_URL", format!("http://127.0.0.1:{}", free_port()))
        .env("SHIPLINE_GITHUB_APP_ID", "12")
        .env("SHIPLINE_GITHUB_PRIVATE_KEY_FILE", key)
        .env("SHIPLINE_WEBHOOK_SECRET", SECRET)
        .env("SHIPLINE_LOG", "error");
    program
}

/// A key as GitHub hands it out.
fn private_key() -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { AwsWorld::start().await.github().app(&AppSeed::default()).pem })
}

fn database(folder: &std::path::Path) -> PathBuf {
    folder.join("bot.db")
}

fn ready(port: u16) -> bool {
    get(port, "/readyz").is_some_and(|said| said.starts_with("HTTP/1.1 200"))
}

fn until(what: &str, mut look: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !look() {
        assert!(begun.elapsed() < Duration::from_secs(20), "waited for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Stage {
    fn start() -> Self {
        Self::start_with(|program| program)
    }

    fn start_with(change: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let bot = Bot(change(&mut program(folder.path(), port)).spawn().unwrap());
        until("the bot", || ready(port));
        Self { folder, port, bot }
    }

    /// The whole answer to these bytes.
    fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // The bot may refuse before it has read everything.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    fn send(&self, delivery: &str, body: &str) -> String {
        self.raw(signed(delivery, body).as_bytes())
    }

    /// What is stored under these ids.
    fn stored(&self, ids: &[&str]) -> Vec<String> {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let url = format!("sqlite://{}", database(self.folder.path()).display());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { Store::open(&url).await.unwrap().known_deliveries(&ids).await.unwrap() })
    }

    fn metric(&self, line: &str) -> bool {
        get(self.port, "/metrics").unwrap().lines().any(|found| found == line)
    }
}

fn signature(secret: &str, body: &str) -> String {
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

fn request(delivery: &str, signature: &str, body: &str) -> String {
    format!(
        "POST /webhooks/github HTTP/1.1\r\nHost: bot\r\nConnection: close\r\nContent-Type: application/json\r\n\
         X-GitHub-Event: issue_comment\r\nX-GitHub-Delivery: {delivery}\r\nX-Hub-Signature-256: {signature}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn signed(delivery: &str, body: &str) -> String {
    request(delivery, &signature(SECRET, body), body)
}

/// A whole delivery as GitHub sends it.
fn comment(id: u64) -> String {
    let template = include_str!("../support/payloads/issue_comment.json");
    template.replace("@COMMENT", &id.to_string()).replace("@ISSUE", "42")
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

fn end(child: &mut Child) -> bool {
    let asked = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(asked.success());
    let begun = Instant::now();
    loop {
        if let Some(ended) = child.try_wait().unwrap() {
            return ended.success();
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "it does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill_at_once() {
    let mut stage = Stage::start();
    let ids: Vec<String> = (0..20).map(|id| format!("00000000-0000-4000-8000-{id:012}")).collect();
    for (id, comment_id) in ids.iter().zip(1..) {
        assert_eq!(status(&stage.send(id, &comment(comment_id))), "202");
    }
    // SIGKILL: nothing can be written any more.
    stage.bot.0.kill().unwrap();
    stage.bot.0.wait().unwrap();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(stage.stored(&ids), ids);
    // And the next one goes on with them, without a second storing.
    stage.bot = Bot(program(stage.folder.path(), stage.port).spawn().unwrap());
    until("the next bot", || ready(stage.port));
    assert!(stage.send("another-id", &comment(1)).ends_with("known\n"));
}

#[test]
fn a_replay_is_free_under_the_same_id_and_under_another() {
    let stage = Stage::start();
    assert!(stage.send("d-1", &comment(1)).ends_with("accepted\n"));
    assert!(stage.send("d-1", &comment(1)).ends_with("known\n"));
    assert!(stage.send("d-2", &comment(1)).ends_with("known\n"));
    assert_eq!(stage.stored(&["d-1", "d-2"]), ["d-1"]);
    assert!(stage.metric("shipline_deliveries_total{outcome=\"known\"} 2"));
}

#[test]
fn forged_unsigned_and_wrongly_signed_deliveries_leave_nothing_behind() {
    let stage = Stage::start();
    let (body, good) = (comment(1), signed("d-1", &comment(1)));
    let signature_line = format!("X-Hub-Signature-256: {}\r\n", signature(SECRET, &body));
    let forged = [
        good.replace("/deploy staging", "/deploy another"),
        good.replace(&signature_line, ""),
        good.replace("sha256=", "sha1="),
        request("d-1", &signature("another secret", &body), &body),
        request("d-1", &signature("", &body), &body),
    ];
    for forged in &forged {
        let said = stage.raw(forged.as_bytes());
        assert_eq!(status(&said), "401");
        assert!(said.ends_with("the signature is missing or wrong\n"), "{said}");
    }
    assert!(stage.stored(&["d-1"]).is_empty());
    assert!(stage.metric("shipline_deliveries_total{outcome=\"unverified\"} 5"));
}

#[test]
fn while_the_secret_is_rotated_both_are_good() {
    let stage = Stage::start_with(|program| program.env("SHIPLINE_WEBHOOK_SECRET", "the-new-one,the-old-one"));
    for (secret, expected) in [("the-new-one", "202"), ("the-old-one", "202"), (SECRET, "401")] {
        let body = comment(1);
        assert_eq!(status(&stage.raw(request("d-1", &signature(secret, &body), &body).as_bytes())), expected);
    }
}

#[test]
fn garbage_and_too_much_are_refused_and_the_bot_goes_on() {
    let stage = Stage::start();
    assert_eq!(status(&stage.send("d-1", "{\"action\":\"created\"}")), "400");
    assert_eq!(status(&stage.send("d-1", &"[".repeat(100_000))), "400");
    let announced = request("d-1", "sha256=00", "").replace("Content-Length: 0", "Content-Length: 26214401");
    assert_eq!(status(&stage.raw(announced.as_bytes())), "413");
    let endless = request("d-1", "sha256=00", "").replace("Content-Length: 0", "Transfer-Encoding: chunked")
        + &format!("{:x}\r\n{}\r\n", 1 << 20, "x".repeat(1 << 20)).repeat(26)
        + "0\r\n\r\n";
    assert_eq!(status(&stage.raw(endless.as_bytes())), "413");
    assert_eq!(status(&stage.raw(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")), "400");
    assert_eq!(status(&stage.send("d-2", &comment(2))), "202");
}

#[test]
fn a_body_that_does_not_come_is_given_up_after_ten_seconds() {
    let stage = Stage::start();
    let half = signed("d-1", &comment(1));
    let begun = Instant::now();
    assert_eq!(status(&stage.raw(&half.as_bytes()[..half.len() / 2])), "408");
    assert!((9..15).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[test]
fn while_the_database_fails_github_is_told_so_and_afterwards_all_is_well() {
    let stage = Stage::start();
    let url = format!("sqlite://{}", database(stage.folder.path()).display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut other = runtime.block_on(async {
        let mut other = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        other
    });
    let said = stage.send("d-1", &comment(1));
    assert_eq!(status(&said), "503");
    assert!(said.contains("retry-after: 5") && said.contains("the delivery is not stored"), "{said}");
    runtime.block_on(async { sqlx::query("ROLLBACK").execute(&mut other).await.unwrap() });
    until("the database", || status(&stage.send("d-1", &comment(1))) == "202");
    assert_eq!(stage.stored(&["d-1"]), ["d-1"]);
}

#[test]
fn a_bot_that_was_not_set_up_lives_and_says_what_is_missing() {
    let port = free_port();
    let _bot = crate::started(port);
    let said = get(port, "/readyz").unwrap();
    assert!(said.starts_with("HTTP/1.1 503") && said.contains("SHIPLINE_GITHUB_APP_ID"), "{said}");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(signed("d-1", &comment(1)).as_bytes()).unwrap();
    let mut said = String::new();
    let _ = stream.read_to_string(&mut said);
    assert_eq!(status(&said), "503");
}

#[test]
fn settings_that_are_wrong_end_the_start_and_all_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.env");
    fs::write(&file, "SHIPLINE_LEASE=soon\nSHIPLINE_WEBHOOK_SECRET=hunter22hunter22\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_shipline-bot"))
        .args(["serve", "--listen", "nowhere", "--config-file"])
        .arg(&file)
        .env_clear()
        .stdout(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    for name in ["SHIPLINE_LISTEN", "SHIPLINE_LEASE"] {
        assert!(said.contains(name), "{said}");
    }
    assert!(!said.contains("hunter22"), "{said}");
}

#[test]
fn a_database_that_cannot_be_opened_is_an_error_that_names_the_setting() {
    let folder = tempfile::tempdir().unwrap();
    let output = program(folder.path(), free_port())
        .env("SHIPLINE_DATABASE_URL", format!("sqlite://{}/no/such/folder/bot.db", folder.path().display()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("SHIPLINE_DATABASE_URL"));
}

#[test]
fn the_bot_ends_in_time_although_somebody_keeps_a_connection_and_sends_nothing() {
    let mut stage = Stage::start();
    let _idle = TcpStream::connect(("127.0.0.1", stage.port)).unwrap();
    let mut half = TcpStream::connect(("127.0.0.1", stage.port)).unwrap();
    let request = signed("d-1", &comment(1));
    half.write_all(&request.as_bytes()[..request.len() / 2]).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(end(&mut stage.bot.0));
}

#[test]
fn the_settings_are_in_the_help_and_the_secrets_are_not() {
    let output = Command::new(env!("CARGO_BIN_EXE_shipline-bot"))
        .args(["serve", "--help"])
        .env("SHIPLINE_WEBHOOK_SECRET", "hunter22hunter22")
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("SHIPLINE_WEBHOOK_SECRET_FILE") && help.contains("sqlite://shipline.db"), "{help}");
    assert!(!help.contains("hunter22"), "{help}");
}
