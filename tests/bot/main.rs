//! Black-box stories about the bot: the real program over real HTTP.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::print_stdout,
    clippy::similar_names,
    reason = "a story whose stage is missing ends there"
)]

#[path = "../action/answering.rs"]
#[expect(dead_code, reason = "the stories of the action use more of it")]
mod answering;
mod approvals;
mod approvals_elsewhere;
mod building;
mod canary;
mod commands;
mod crash;
mod dangers;
mod deliveries;
mod deploying;
mod hooks;
mod intake;
mod jobs;
mod jobs_held;
mod outages;
mod places;
mod pmis;
mod promotion;
mod races;
mod refusals;
mod replicas;
mod safeguards;
mod stage;
mod steps;
mod told;
mod unanswered;
mod verbs;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

struct Bot(Child);

impl Drop for Bot {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn started(port: u16) -> Bot {
    let bot = Command::new(env!("CARGO_BIN_EXE_shipline-bot"))
        .arg("serve")
        .env("SHIPLINE_LISTEN", format!("127.0.0.1:{port}"))
        .spawn()
        .unwrap();
    let bot = Bot(bot);
    let begun = Instant::now();
    while get(port, "/healthz").is_none() {
        assert!(begun.elapsed() < Duration::from_secs(20), "the bot does not answer");
        std::thread::sleep(Duration::from_millis(20));
    }
    bot
}

#[test]
fn the_bot_says_that_it_is_alive_and_ends_when_asked() {
    let port = free_port();
    let mut bot = started(port);
    assert!(get(port, "/healthz").unwrap().starts_with("HTTP/1.1 200"));
    assert!(get(port, "/nothing").unwrap().starts_with("HTTP/1.1 404"));
    let pid = bot.0.id().to_string();
    // The shell's own: a minimal Debian has no program of that name.
    assert!(Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status().unwrap().success());
    assert!(bot.0.wait().unwrap().success());
}

#[test]
fn a_taken_address_is_an_error_that_names_the_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_shipline-bot"))
        .arg("serve")
        .env("SHIPLINE_LISTEN", taken.local_addr().unwrap().to_string())
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("SHIPLINE_LISTEN"));
}
