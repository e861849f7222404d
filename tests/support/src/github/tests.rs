//! The model over its real socket, asked by hand: no client's opinion in between.

mod asking;
mod telling;

use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::world::{App, AppSeed, GitHubWorld, RepositoryWorld};
use crate::AwsWorld;

/// A world with one App, one repository, and somebody who asks.
struct Shop {
    world: AwsWorld,
    github: GitHubWorld,
    app: App,
    repository: RepositoryWorld,
    http: reqwest::Client,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

fn signed(pem: &str, claims: &Value) -> String {
    let der: String = pem.lines().filter(|line| !line.starts_with("---")).collect();
    let key = KeyPair::from_der(&STANDARD.decode(der).unwrap()).unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({"alg": "RS256", "typ": "JWT"})), part(claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn seconds() -> i64 {
    i64::try_from(crate::state::now() / 1000).unwrap()
}

impl Shop {
    async fn open() -> Self {
        let world = AwsWorld::start().await;
        let github = world.github();
        let app = github.app(&AppSeed::default());
        let repository = github.repository("acme/shop");
        Self { world, github, app, repository, http: reqwest::Client::new() }
    }

    fn jwt(&self) -> String {
        let now = seconds();
        signed(&self.app.pem, &json!({"iss": self.app.id.to_string(), "iat": now - 60, "exp": now + 540}))
    }

    async fn ask(&self, method: &str, path: &str, token: &str, body: &Value) -> Answer {
        self.ask_with(method, path, token, body, &[]).await
    }

    async fn ask_with(&self, method: &str, path: &str, token: &str, body: &Value, more: &[(&str, &str)]) -> Answer {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.world.endpoint()) };
        let mut request = self.http.request(method.parse().unwrap(), url);
        request = request.header("authorization", format!("Bearer {token}"));
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null);
        Answer { status, headers, body }
    }

    async fn token(&self) -> String {
        let path = format!("/app/installations/{}/access_tokens", self.app.installation.unwrap());
        let answer = self.ask("POST", &path, &self.jwt(), &Value::Null).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body["token"].as_str().unwrap().to_owned()
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        self.ask("GET", path, token, &Value::Null).await
    }
}

/// What a receiver of webhooks got, and what it answers.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<Message>>>, Arc<Mutex<Vec<u16>>>);

/// Headers and bytes.
type Message = (HeaderMap, Vec<u8>);

impl Received {
    /// Listens; answers 202 after the given statuses were used up.
    async fn listen(statuses: &[u16]) -> (Self, String) {
        let received = Self(Arc::default(), Arc::new(Mutex::new(statuses.to_vec())));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/webhooks/github", listener.local_addr().unwrap());
        let take = |State(received): State<Self>, headers: HeaderMap, body: Bytes| async move {
            received.0.lock().unwrap().push((headers, body.to_vec()));
            let mut statuses = received.1.lock().unwrap();
            let status = if statuses.is_empty() { 202 } else { statuses.remove(0) };
            StatusCode::from_u16(status).unwrap()
        };
        let app = axum::Router::new().fallback(take).with_state(received.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (received, address)
    }

    fn payloads(&self) -> Vec<Value> {
        self.0.lock().unwrap().iter().map(|(_, body)| serde_json::from_slice(body).unwrap()).collect()
    }

    fn guids(&self) -> Vec<String> {
        let all = self.0.lock().unwrap();
        all.iter().map(|(headers, _)| headers["x-github-delivery"].to_str().unwrap().to_owned()).collect()
    }
}
