//! The HTTP server: reads requests, writes answers, or withholds them.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};

use crate::control;
use crate::dispatch::{self, Fate};
use crate::github;
use crate::state::World;

/// A running server; stops when dropped, its open connections with it.
///
/// It has a thread and a runtime of its own: a test may block (on a program
/// it runs, say) and is answered all the same.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    world: Shared,
    runtime: Handle,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// The account behind its lock.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Mutex<World>>);

impl Shared {
    /// The account. A test that failed while holding it does not matter here.
    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// Binds and serves in the background.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub fn start(listen: SocketAddr) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let wake = Arc::new(Notify::new());
        let world = Shared(Arc::new(Mutex::new(World::new(format!("http://{address}"), wake))));
        let app = Router::new().fallback(handle).with_state(world.clone());
        let courier = github::carry(world.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let its = runtime.handle().clone();
        let thread = std::thread::Builder::new().name("simulators".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("the runtime takes a bound listener");
                tokio::select! {
                    _ = axum::serve(listener, app) => {}
                    _ = stopped => {}
                    () = courier => {}
                }
            });
        })?;
        Ok(Self { address, world, runtime: its, running: Some((stop, thread)) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its requests are answered.
    pub(crate) const fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(crate) const fn world(&self) -> &Shared {
        &self.world
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            // Either can only fail when the thread is over already.
            let _over = stop.send(());
            let _over = thread.join();
        }
    }
}

/// A request after its body was read.
pub(crate) struct Incoming {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Incoming {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The access key id of a Signature Version 4 `Authorization` header.
    pub(crate) fn access_key(&self) -> Option<String> {
        let credential = self.header("authorization")?.split("Credential=").nth(1)?;
        credential.split('/').next().map(str::to_owned)
    }
}

/// An answer before it is written.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) body: Vec<u8>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Reply {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::of(status, "application/json; charset=utf-8", body.to_string().into_bytes())
    }

    /// An answer of any kind.
    pub(crate) fn of(status: u16, kind: &'static str, body: Vec<u8>) -> Self {
        Self { status, kind, body, headers: Vec::new() }
    }

    /// A status and nothing else.
    pub(crate) fn empty(status: u16) -> Self {
        Self::of(status, "application/json; charset=utf-8", Vec::new())
    }

    /// With one more header.
    pub(crate) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// 201 instead of 200.
    pub(crate) fn created(self) -> Self {
        Self { status: if self.status == 200 { 201 } else { self.status }, ..self }
    }
}

async fn handle(State(world): State<Shared>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, 32 << 20).await else {
        return write(&Reply::json(413, &json!({"message": "body too large"})));
    };
    let incoming = Incoming {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
    };
    let page = if incoming.method == "GET" { github::page(&world, &incoming) } else { None };
    if let Some(page) = page {
        return write(&page);
    }
    if incoming.path.starts_with("/_sim/") {
        return write(&control::answer(&world, &incoming));
    }
    let (reply, fate) = dispatch::answer(&world, &incoming);
    match fate {
        Fate::Written => {}
        Fate::Delayed(ms) => wait(ms).await,
        Fate::Dropped(ms) => {
            wait(ms).await;
            return Response::new(Body::new(Broken));
        }
    }
    write(&reply)
}

#[expect(clippy::disallowed_methods, reason = "a late answer is what was asked for")]
pub(crate) async fn wait(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

pub(crate) fn write(reply: &Reply) -> Response<Body> {
    let mut response = Response::new(Body::from(reply.body.clone()));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert("content-type", axum::http::HeaderValue::from_static(reply.kind));
    headers.insert("x-amzn-requestid", axum::http::HeaderValue::from_static("5a1f7c1e-0000-4000-a000-000000000000"));
    for (name, value) in &reply.headers {
        if let Ok(value) = axum::http::HeaderValue::from_str(value) {
            headers.insert(*name, value);
        }
    }
    let told = reply.headers.iter().any(|(name, _)| *name == "retry-after");
    if !told && reply.status == 403 && reply.body.windows(20).any(|part| part == b"secondary rate limit") {
        headers.insert("retry-after", axum::http::HeaderValue::from_static("1"));
    }
    response
}

/// A body that breaks: the connection is closed without an answer.
struct Broken;

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(Err(std::io::Error::other("connection dropped on purpose"))))
    }
}
