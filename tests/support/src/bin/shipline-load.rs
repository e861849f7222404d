//! Sends webhooks as fast as they are acknowledged: `issue_comment` deliveries of some 13 kB, each
//! with an id, a comment and a signature of its own, over connections that stay open. Prints what was
//! acknowledged a second, the wait, and failures; writes the acknowledged ids into a file.
//!
//! A raw client, so that what is measured is the server. Signatures are made before the clock starts.
#![expect(clippy::disallowed_methods, reason = "it measures with a real clock")]

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const USAGE: &str = "usage: shipline-load ADDRESS PATH SECRET --count N --first ID --connections N --acknowledged FILE\n\
                     (1000, 1, 32, none by default)";

/// A real delivery; `@COMMENT` and `@ISSUE` are what makes each one another.
const TEMPLATE: &str = include_str!("../../payloads/issue_comment.json");

struct Load {
    address: String,
    path: String,
    secret: String,
    count: u64,
    first: u64,
    connections: u64,
    acknowledged: Option<String>,
}

fn load() -> Option<Load> {
    let mut arguments = std::env::args().skip(1);
    let (address, path, secret) = (arguments.next()?, arguments.next()?, arguments.next()?);
    let mut load = Load { address, path, secret, count: 1000, first: 1, connections: 32, acknowledged: None };
    while let Some(name) = arguments.next() {
        let value = arguments.next()?;
        match name.as_str() {
            "--count" => load.count = value.parse().ok()?,
            "--first" => load.first = value.parse().ok()?,
            "--connections" => load.connections = value.parse().ok().filter(|n| *n > 0)?,
            "--acknowledged" => load.acknowledged = Some(value),
            _ => return None,
        }
    }
    Some(load)
}

fn comment(id: u64) -> u64 {
    2_000_000_000 + id
}

/// Spreads numbers that follow each other over all numbers (`SplitMix64`): comments come in no order of
/// their pull requests, which is what a database's indexes have to bear.
fn scattered(id: u64) -> u64 {
    let mixed = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// As GitHub makes them: UUIDs that begin with the time, its lower half first; here 16,000 a second.
fn delivery(id: u64) -> String {
    let ticks = 0x1_f0c7_5a7b_1c00_u64 + id * 625;
    let (low, middle, high) = (ticks & 0xffff_ffff, (ticks >> 32) & 0xffff, (ticks >> 48) & 0xfff);
    format!("{low:08x}-{middle:04x}-1{high:03x}-81ab-{:012x}", scattered(id) >> 16)
}

/// Some of many: a busy one has several comments that wait.
fn issue(id: u64) -> u64 {
    100_000 + scattered(id) % 900_000
}

/// A number that differs from delivery to delivery.
#[derive(Clone, Copy)]
enum Hole {
    Comment,
    Issue,
    End,
}

/// The template cut at its holes, so that filling it costs next to nothing while the clock runs.
fn cut() -> Vec<(&'static str, Hole)> {
    let mut parts = Vec::new();
    let mut rest = TEMPLATE.trim_end();
    while let Some(at) = rest.find('@') {
        let hole =
            if rest[at..].starts_with("@COMMENT") { ("@COMMENT", Hole::Comment) } else { ("@ISSUE", Hole::Issue) };
        if rest[at..].starts_with(hole.0) {
            parts.push((&rest[..at], hole.1));
            rest = &rest[at + hole.0.len()..];
        } else {
            parts.push((&rest[..=at], Hole::End));
            rest = &rest[at + 1..];
        }
    }
    parts.push((rest, Hole::End));
    parts
}

/// The body of one delivery. Numbers have the same length, so all bodies have.
fn body(template: &[(&str, Hole)], id: u64) -> String {
    let (comment, issue) = (comment(id).to_string(), issue(id).to_string());
    let mut body = String::with_capacity(16 * 1024);
    for (text, hole) in template {
        body.push_str(text);
        body.push_str(match hole {
            Hole::Comment => &comment,
            Hole::Issue => &issue,
            Hole::End => "",
        });
    }
    body
}

fn sign(keyed: &Hmac<Sha256>, body: &[u8]) -> [u8; 32] {
    keyed.clone().chain_update(body).finalize().into_bytes().into()
}

/// What one connection saw.
#[derive(Default)]
struct Seen {
    acknowledged: Vec<u64>,
    waits: Vec<Duration>,
    refused: u64,
    broken: Option<String>,
}

/// Sends its share, one after another, until the connection breaks.
async fn converse(load: Arc<Load>, template: Arc<[(&'static str, Hole)]>, share: Vec<(u64, [u8; 32])>) -> Seen {
    let mut seen = Seen::default();
    let Ok(mut stream) = TcpStream::connect(&load.address).await else {
        seen.broken = Some("no connection".to_owned());
        return seen;
    };
    let _ = stream.set_nodelay(true);
    let mut answer = Vec::with_capacity(1024);
    for (id, signature) in share {
        let body = body(&template, id);
        let mut request = String::with_capacity(body.len() + 512);
        let _ = write!(
            request,
            "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: GitHub-Hookshot/044aadd\r\nAccept: */*\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nX-GitHub-Event: issue_comment\r\n\
             X-GitHub-Delivery: {}\r\nX-GitHub-Hook-ID: 1\r\nX-Hub-Signature-256: sha256={}\r\n\r\n{body}",
            load.path,
            load.address,
            body.len(),
            delivery(id),
            hex::encode(signature),
        );
        let began = Instant::now();
        if let Err(why) = stream.write_all(request.as_bytes()).await {
            seen.broken = Some(why.to_string());
            return seen;
        }
        match status(&mut stream, &mut answer).await {
            Ok(status) if (200..300).contains(&status) => {
                seen.waits.push(began.elapsed());
                seen.acknowledged.push(id);
            }
            Ok(_) => seen.refused += 1,
            Err(why) => {
                seen.broken = Some(why);
                return seen;
            }
        }
    }
    seen
}

/// Reads one answer to its end.
async fn status(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<u16, String> {
    answer.clear();
    loop {
        if stream.read_buf(answer).await.map_err(|why| why.to_string())? == 0 {
            return Err("the server closed the connection".to_owned());
        }
        let text = std::str::from_utf8(answer).map_err(|why| why.to_string())?;
        let Some((head, rest)) = text.split_once("\r\n\r\n") else { continue };
        let mut length = None;
        for line in head.lines() {
            let line = line.to_ascii_lowercase();
            length = line.strip_prefix("content-length:").and_then(|value| value.trim().parse().ok()).or(length);
        }
        let whole = length.map_or_else(|| rest.ends_with("0\r\n\r\n"), |length: usize| rest.len() >= length);
        if whole {
            return head.get(9..12).and_then(|code| code.parse().ok()).ok_or_else(|| "not HTTP".to_owned());
        }
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |wait| wait.as_secs_f64() * 1000.0)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (mut out, mut wrong) = (std::io::stdout(), std::io::stderr());
    let Some(load) = load() else {
        drop(writeln!(wrong, "{USAGE}"));
        return ExitCode::from(2);
    };
    let keyed = Hmac::<Sha256>::new_from_slice(load.secret.as_bytes()).expect("HMAC takes a key of any length");
    let connections = usize::try_from(load.connections).unwrap_or(usize::MAX);
    let template: Arc<[_]> = cut().into();
    let mut shares = vec![Vec::new(); connections];
    for id in load.first..load.first + load.count {
        let connection = usize::try_from(id % load.connections).unwrap_or_default();
        shares[connection].push((id, sign(&keyed, body(&template, id).as_bytes())));
    }
    let load = Arc::new(load);
    let began = Instant::now();
    let sending: Vec<_> = shares
        .into_iter()
        .map(|share| tokio::spawn(converse(Arc::clone(&load), Arc::clone(&template), share)))
        .collect();
    let mut all = Seen::default();
    let mut broken = 0_u64;
    for connection in sending {
        let Ok(seen) = connection.await else { continue };
        all.acknowledged.extend(seen.acknowledged);
        all.waits.extend(seen.waits);
        all.refused += seen.refused;
        if let Some(why) = seen.broken {
            broken += 1;
            all.broken = Some(why);
        }
    }
    let took = began.elapsed().as_secs_f64();
    if let Some(file) = &load.acknowledged {
        let written = File::create(file).and_then(|file| {
            let mut file = BufWriter::new(file);
            for id in &all.acknowledged {
                writeln!(file, "{}", delivery(*id))?;
            }
            file.flush()
        });
        if let Err(why) = written {
            drop(writeln!(wrong, "{file} cannot be written: {why}"));
            return ExitCode::FAILURE;
        }
    }
    all.waits.sort_unstable();
    let acknowledged = all.acknowledged.len();
    let rate = f64::from(u32::try_from(acknowledged).unwrap_or(u32::MAX)) / took;
    let result = serde_json::json!({
        "sent": load.count, "bytes": body(&template, load.first).len(), "acknowledged": acknowledged, "seconds": took,
        "per_second": rate, "p50_ms": percentile(&all.waits, 50), "p99_ms": percentile(&all.waits, 99),
        "most_ms": percentile(&all.waits, 100), "refused": all.refused, "broken_connections": broken,
        "why": all.broken,
    });
    drop(writeln!(out, "{result}"));
    if u64::try_from(acknowledged).is_ok_and(|all| all == load.count) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
