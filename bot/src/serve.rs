//! The HTTP server: so many connections, so much time for a request's head, and a quiet end.
//!
//! The ready-made loop has no limits on number and time; a handful of idle senders would keep
//! everybody else out. Invariants: a connection too many is told so and closed; after the stop no
//! connection is taken, and what was being answered is answered.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use shipline::engine::Cancel;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bounds on connections.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once.
    pub connections: u32,
    /// How long the head of a request may take, counted from the end of the one before.
    pub head: Duration,
    /// How long requests may take after the stop.
    pub last: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 1024, head: Duration::from_secs(20), last: Duration::from_secs(5) }
    }
}

/// Connections that are turned away at once with a word; more are closed without.
const TURNED_AWAY: usize = 64;
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n\
    Content-Length: 36\r\nContent-Type: text/plain\r\n\r\ntoo many connections at once: again\n";
/// How long one that is turned away may take to listen.
const LISTEN: Duration = Duration::from_secs(1);
/// The pause when the system has no room for another connection.
const NO_ROOM: Duration = Duration::from_millis(100);

/// Serves until the stop; returns when every request was answered, or their time is over.
pub async fn serve(listener: TcpListener, routes: Router, limits: Limits, stop: &Cancel) {
    let open = Arc::new(Semaphore::new(limits.connections as usize));
    let leaving = Arc::new(Semaphore::new(TURNED_AWAY));
    loop {
        let stream = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(failure) => {
                    tracing::warn!(%failure, "a connection could not be accepted");
                    let _ = tokio::time::timeout(NO_ROOM, stop.cancelled()).await;
                    continue;
                }
            },
        };
        if let Ok(place) = Arc::clone(&open).try_acquire_owned() {
            tokio::spawn(converse(stream, routes.clone(), limits.head, stop.clone(), place));
        } else if let Ok(place) = Arc::clone(&leaving).try_acquire_owned() {
            tokio::spawn(turn_away(stream, place));
        }
    }
    drop(listener);
    // Whoever converses holds a place: with all places in hand nobody does.
    if tokio::time::timeout(limits.last, open.acquire_many(limits.connections)).await.is_err() {
        tracing::warn!("stopped with requests unanswered");
    }
}

async fn converse(stream: TcpStream, routes: Router, head: Duration, stop: Cancel, place: OwnedSemaphorePermit) {
    // Answers are one small write each: waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(routes);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(why) = ended {
        tracing::debug!(%why, "a connection broke off");
    }
    drop(place);
}

async fn turn_away(mut stream: TcpStream, place: OwnedSemaphorePermit) {
    let said = async {
        stream.write_all(TOO_MANY).await?;
        stream.shutdown().await?;
        // What it sent is read, or the closing would take the answer back.
        let mut sink = [0; 4096];
        while stream.read(&mut sink).await? > 0 {}
        std::io::Result::Ok(())
    };
    let _ = tokio::time::timeout(LISTEN, said).await;
    drop(place);
}

/// Is done at the first SIGINT or SIGTERM.
pub async fn stop_signal() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without handlers the signals end the process by themselves.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
