//! A server that answers as a test says and remembers what it was asked. It gives tokens by itself.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use secrecy::SecretString;
use serde_json::{Value, json};
use shipline::engine::clock;
use shipline::types::Timestamp;

use super::super::{App, Hub};
use crate::types::{InstallationId, RepositoryId, RepositoryRef};

/// What was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) what: String,
    pub(super) bearer: String,
    pub(super) if_none_match: Option<String>,
    pub(super) body: Value,
}

/// What is answered.
pub(super) enum Reply {
    With(u16, Vec<(&'static str, String)>, Value),
    /// The connection ends without an answer.
    Lost,
}

pub(super) fn ok(body: Value) -> Reply {
    Reply::With(200, Vec::new(), body)
}

pub(super) fn status(status: u16, message: &str) -> Reply {
    Reply::With(status, Vec::new(), json!({ "message": message }))
}

impl Reply {
    pub(super) fn header(self, name: &'static str, value: impl std::fmt::Display) -> Self {
        match self {
            Self::With(status, mut headers, body) => {
                headers.push((name, value.to_string()));
                Self::With(status, headers, body)
            }
            Self::Lost => Self::Lost,
        }
    }
}

/// The server.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// The most requests that were answered at one time.
    pub(super) at_once: Arc<AtomicUsize>,
    /// How long tokens are good, in seconds.
    pub(super) token_life: Arc<AtomicUsize>,
}

pub(super) fn in_seconds(seconds: i64) -> Timestamp {
    Timestamp::from_second(clock::now().as_second() + seconds).unwrap()
}

impl Server {
    /// Answers with what `script` makes of a request and of how many came before it; with a token or
    /// 404 where it says nothing.
    pub(super) async fn start(script: impl Fn(&Asked, usize) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            asked: Arc::default(),
            at_once: Arc::default(),
            token_life: Arc::new(AtomicUsize::new(3600)),
        };
        let (made, script) = (server.clone(), Arc::new(script));
        tokio::spawn(async move {
            let now = Arc::new(AtomicUsize::new(0));
            while let Ok((stream, _)) = listener.accept().await {
                let (server, script, now) = (server.clone(), Arc::clone(&script), Arc::clone(&now));
                let service = service_fn(move |request| {
                    let (server, script, now) = (server.clone(), Arc::clone(&script), Arc::clone(&now));
                    async move {
                        let running = now.fetch_add(1, Ordering::SeqCst) + 1;
                        server.at_once.fetch_max(running, Ordering::SeqCst);
                        // Long enough that requests sent at once meet.
                        let _held = tokio::time::timeout(Duration::from_millis(15), std::future::pending::<()>()).await;
                        let answer = server.answer(request, &*script).await;
                        now.fetch_sub(1, Ordering::SeqCst);
                        answer
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        made
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        script: &(dyn Fn(&Asked, usize) -> Option<Reply> + Send + Sync),
    ) -> Result<Response<Full<Bytes>>, std::io::Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
        let header = |name: &str| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let asked = Asked {
            what: format!("{} {}", parts.method, parts.uri),
            bearer: header("authorization").unwrap_or_default(),
            if_none_match: header("if-none-match"),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        };
        let before = {
            let mut all = self.asked.lock().unwrap();
            let before = all.iter().filter(|other| other.what == asked.what).count();
            all.push(asked.clone());
            before
        };
        let tokens = asked.what.ends_with("/access_tokens").then(|| {
            let life = i64::try_from(self.token_life.load(Ordering::SeqCst)).unwrap();
            let issued = json!({ "token": format!("ghs_number{}", before + 1), "expires_at": in_seconds(life) });
            Reply::With(201, Vec::new(), issued)
        });
        let reply = script(&asked, before).or(tokens).unwrap_or_else(|| status(404, "Not Found"));
        let Reply::With(status, headers, body) = reply else { return Err(std::io::Error::other("lost")) };
        let body = if matches!(status, 204 | 304) { String::new() } else { body.to_string() };
        let mut answer = Response::builder().status(status);
        for (name, value) in headers {
            answer = answer.header(name, value);
        }
        Ok::<_, Infallible>(answer.body(Full::from(body)).unwrap()).map_err(|never| match never {})
    }

    /// What was asked so far, tokens left out.
    pub(super) fn asked(&self) -> Vec<Asked> {
        let all = self.asked.lock().unwrap();
        all.iter().filter(|asked| !asked.what.ends_with("/access_tokens")).cloned().collect()
    }

    pub(super) fn tokens(&self) -> usize {
        let all = self.asked.lock().unwrap();
        all.iter().filter(|asked| asked.what.ends_with("/access_tokens")).count()
    }

    pub(super) fn app(&self) -> App {
        App::new(&self.url, 7, &key()).unwrap()
    }

    pub(super) fn hub(&self) -> Hub {
        self.app().hub(&repository())
    }
}

pub(super) fn key() -> SecretString {
    SecretString::from(include_str!("pkcs1.pem"))
}

pub(super) fn repository() -> RepositoryRef {
    RepositoryRef {
        id: RepositoryId::new(42),
        name: "acme/shop".parse().unwrap(),
        installation: InstallationId::new(9),
        public: false,
    }
}
