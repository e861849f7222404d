//! The OCI distribution API over HTTP (distribution specification 1.1, Docker token authentication).
//!
//! Plain HTTP only where nothing leaves this machine: a loopback host, or an ECR host name while the
//! ECR endpoint itself is overridden to a loopback address. Layers are streamed, never held.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use secrecy::ExposeSecret as _;

use super::manifest::MEDIA_TYPES;
use super::{Descriptor, Http, Manifest, Name, RegistryError, Tagged};
use crate::image::login::{Basic, Logins};
use crate::types::{ImageDigest, ImageRef, RegistryHost};

/// Largest manifest or configuration that is read (the specification's own limit is 4 MiB).
const SMALL: u64 = 8 * 1024 * 1024;

/// Whether a registry is spoken to in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::image) enum Scheme {
    Https,
    /// Only towards this machine.
    Http,
}

impl Scheme {
    /// The scheme for a host; `endpoint` is the host of an overridden ECR endpoint.
    pub(in crate::image) fn of(host: &RegistryHost, endpoint: Option<&str>) -> Self {
        let name = host.as_str().split(':').next().unwrap_or_default();
        let local = is_loopback(name) || (host.ecr().is_some() && endpoint.is_some_and(is_loopback));
        if local { Self::Http } else { Self::Https }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// One registry's distribution API.
#[derive(Debug)]
pub(in crate::image) struct Oci {
    http: Arc<Http>,
    host: RegistryHost,
    scheme: Scheme,
    logins: Arc<Logins>,
    /// `Authorization` values that worked, by scope.
    known: Mutex<HashMap<String, HeaderValue>>,
}

impl Oci {
    pub(in crate::image) fn new(http: Arc<Http>, host: RegistryHost, scheme: Scheme, logins: Arc<Logins>) -> Self {
        Self { http, host, scheme, logins, known: Mutex::default() }
    }

    /// The manifest of a tag or digest, if there is one.
    pub(super) async fn manifest(&self, repository: &ImageRef, name: &Name) -> Result<Option<Manifest>, RegistryError> {
        let url = self.url(repository, &format!("manifests/{name}"))?;
        let what = "read a manifest";
        let http = self.http.client()?;
        let request = || http.get(url.clone()).header(ACCEPT, MEDIA_TYPES.join(", "));
        let response = self.send(what, &pull(repository), &request).await?;
        if response.status() == StatusCode::NOT_FOUND {
            let answer = text(response).await;
            return if answer.contains("NAME_UNKNOWN") {
                Err(RegistryError::NoRepository(repository.clone()))
            } else {
                Ok(None)
            };
        }
        let response = self.good(what, response).await?;
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).map(str::to_owned);
        let manifest = Manifest::new(self.limited(what, response).await?, kind.as_deref());
        match name {
            Name::Digest(digest) if *digest != manifest.digest => {
                Err(RegistryError::Wrong(format!("{} answered with another manifest than {digest}", self.host)))
            }
            _ => Ok(Some(manifest)),
        }
    }

    /// Stores a manifest under a tag or its digest.
    pub(super) async fn put_manifest(
        &self,
        repository: &ImageRef,
        manifest: &Manifest,
        name: &Name,
    ) -> Result<Tagged, RegistryError> {
        let url = self.url(repository, &format!("manifests/{name}"))?;
        let what = "store a manifest";
        let http = self.http.client()?;
        let request = || http.put(url.clone()).header(CONTENT_TYPE, &manifest.media_type).body(manifest.bytes.clone());
        let response = self.send(what, &push(repository, None), &request).await?;
        let status = response.status();
        // Registries answer an immutable tag with 400, 403, 409 or 412 and these words.
        if status.is_client_error() && matches!(name, Name::Tag(_)) {
            let answer = text(response).await;
            let lower = answer.to_ascii_lowercase();
            if lower.contains("immutab") || lower.contains("tag_invalid") || status == StatusCode::PRECONDITION_FAILED {
                return Ok(Tagged::Taken);
            }
            return Err(self.refusal(what, status, &answer));
        }
        let response = self.good(what, response).await?;
        let said = response.headers().get("docker-content-digest").and_then(|value| value.to_str().ok());
        match said.map(str::parse::<ImageDigest>) {
            Some(Ok(digest)) if digest != manifest.digest => {
                Err(RegistryError::Wrong(format!("{} stored {} as {digest}", self.host, manifest.digest)))
            }
            _ => Ok(Tagged::Done),
        }
    }

    pub(super) async fn small_blob(&self, repository: &ImageRef, blob: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        let response = self.blob(repository, blob).await?;
        let bytes = self.limited("read a blob", response).await?;
        verified(bytes, blob)
    }

    /// A blob by the address the ECR API gave for it, which needs no credentials.
    pub(super) async fn download(&self, url: &str, blob: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        let what = "read a blob";
        let mut url = Url::parse(url).map_err(|_| RegistryError::Wrong("ECR gave no address for a blob".to_owned()))?;
        // An emulator on this machine hands out addresses of the registry it stands for.
        if self.scheme == Scheme::Http && url.host_str() == Some(self.host.as_str()) {
            let _ = url.set_scheme("http");
        }
        let response = self.http.client()?.get(url).send().await.map_err(|error| self.unreachable(what, &error))?;
        let response = self.good(what, response).await?;
        verified(self.limited(what, response).await?, blob)
    }

    /// A blob, not yet read.
    pub(in crate::image) async fn blob(
        &self,
        repository: &ImageRef,
        blob: &Descriptor,
    ) -> Result<Response, RegistryError> {
        let url = self.url(repository, &format!("blobs/{}", blob.digest))?;
        let http = self.http.client()?;
        let response = self.send("read a blob", &pull(repository), &|| http.get(url.clone())).await?;
        self.good("read a blob", response).await
    }

    /// Whether a repository has a blob.
    pub(in crate::image) async fn has_blob(
        &self,
        repository: &ImageRef,
        blob: &Descriptor,
    ) -> Result<Option<()>, RegistryError> {
        let url = self.url(repository, &format!("blobs/{}", blob.digest))?;
        let http = self.http.client()?;
        let response = self.send("look for a blob", &push(repository, None), &|| http.head(url.clone())).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        self.good("look for a blob", response).await.map(|_| Some(()))
    }

    /// Asks for an upload, or for the blob to be mounted from another repository of this registry.
    pub(in crate::image) async fn begin_upload(
        &self,
        repository: &ImageRef,
        blob: &Descriptor,
        from: Option<&ImageRef>,
    ) -> Result<Upload, RegistryError> {
        let what = "begin an upload";
        let mut url = self.url(repository, "blobs/uploads/")?;
        if let Some(from) = from {
            url.query_pairs_mut().append_pair("mount", &blob.digest).append_pair("from", &path(from));
        }
        let http = self.http.client()?;
        let request = || http.post(url.clone()).header(CONTENT_LENGTH, 0);
        let response = self.send(what, &push(repository, from), &request).await?;
        let status = response.status();
        let response = self.good(what, response).await?;
        if status == StatusCode::CREATED {
            return Ok(Upload::Mounted);
        }
        let location = location(&url, &response).ok_or_else(|| self.failed(what, "it named no place".to_owned()))?;
        Ok(Upload::To(location))
    }

    /// Sends a blob to where an upload was begun.
    pub(in crate::image) async fn upload(
        &self,
        repository: &ImageRef,
        to: Url,
        blob: &Descriptor,
        body: reqwest::Body,
    ) -> Result<(), RegistryError> {
        let what = "take a layer";
        let scope = push(repository, None);
        let http = self.http.client()?;
        let request = http.request(Method::PATCH, to.clone()).header(CONTENT_TYPE, "application/octet-stream");
        let request = self.with_known(request.body(body), &scope);
        let response = request.send().await.map_err(|error| self.unreachable(what, &error))?;
        let response = self.good(what, response).await?;
        let mut finish = location(&to, &response).unwrap_or(to);
        finish.query_pairs_mut().append_pair("digest", &blob.digest);
        let request = || http.put(finish.clone()).header(CONTENT_LENGTH, 0);
        let response = self.send(what, &scope, &request).await?;
        self.good(what, response).await.map(|_| ())
    }

    fn url(&self, repository: &ImageRef, rest: &str) -> Result<Url, RegistryError> {
        let host = if self.host.as_str() == "docker.io" { "registry-1.docker.io" } else { self.host.as_str() };
        let text = format!("{}://{host}/v2/{}/{rest}", self.scheme.as_str(), path(repository));
        Url::parse(&text).map_err(|error| RegistryError::Wrong(format!("{text} is not an address: {error}")))
    }

    fn with_known(&self, request: RequestBuilder, scope: &str) -> RequestBuilder {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(scope).cloned();
        match known {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        }
    }

    /// Sends a request, answering the registry's challenge once.
    async fn send(
        &self,
        what: &str,
        scope: &str,
        request: &(dyn Fn() -> RequestBuilder + Send + Sync),
    ) -> Result<Response, RegistryError> {
        let first = self.with_known(request(), scope).send().await.map_err(|error| self.unreachable(what, &error))?;
        if first.status() != StatusCode::UNAUTHORIZED {
            return Ok(first);
        }
        let challenge = first.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).unwrap_or("Basic");
        let value = self.answer(challenge, scope).await?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(scope.to_owned(), value);
        self.with_known(request(), scope).send().await.map_err(|error| self.unreachable(what, &error))
    }

    /// The `Authorization` for a challenge (RFC 7235; "Token Authentication Specification").
    async fn answer(&self, challenge: &str, scope: &str) -> Result<HeaderValue, RegistryError> {
        let basic = self.logins.basic(&self.host).await.map_err(|problem| RegistryError::Login(Box::new(problem)))?;
        let Some(parameters) = challenge.strip_prefix("Bearer ") else {
            let basic = basic.ok_or_else(|| self.denied("answer", "it wants a user name and a password".to_owned()))?;
            return Ok(basic_value(&basic));
        };
        let what = "give a token";
        let realm = parameter(parameters, "realm").unwrap_or_default();
        let mut url = Url::parse(&realm).map_err(|_| self.failed(what, format!("{realm:?} is not an address")))?;
        let local = url.host_str().is_some_and(is_loopback);
        if url.scheme() != "https" && !(local && self.scheme == Scheme::Http) {
            return Err(self.denied(what, "it wants the password sent without encryption".to_owned()));
        }
        if let Some(service) = parameter(parameters, "service") {
            url.query_pairs_mut().append_pair("service", &service);
        }
        for one in scope.split(' ') {
            url.query_pairs_mut().append_pair("scope", one);
        }
        let mut request = self.http.client()?.get(url);
        if let Some(basic) = &basic {
            request = request.header(AUTHORIZATION, basic_value(basic));
        }
        let response = request.send().await.map_err(|error| self.unreachable(what, &error))?;
        let response = self.good(what, response).await?;
        let body = self.limited(what, response).await?;
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let token = body.get("token").or_else(|| body.get("access_token")).and_then(serde_json::Value::as_str);
        let token = token.ok_or_else(|| self.failed(what, "its answer has no token".to_owned()))?;
        sensitive(&format!("Bearer {token}")).ok_or_else(|| self.failed(what, "its token is not text".to_owned()))
    }

    async fn good(&self, what: &str, response: Response) -> Result<Response, RegistryError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let answer = text(response).await;
        Err(self.refusal(what, status, &answer))
    }

    fn refusal(&self, what: &str, status: StatusCode, answer: &str) -> RegistryError {
        let message = format!("{status} {}", answer.chars().take(500).collect::<String>().trim());
        if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
            self.denied(what, message)
        } else {
            self.failed(what, message)
        }
    }

    async fn limited(&self, what: &str, mut response: Response) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(what, &error))? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > SMALL {
                return Err(self.failed(what, "the answer is larger than 8 MiB".to_owned()));
            }
        }
        Ok(bytes)
    }

    fn denied(&self, what: &str, message: String) -> RegistryError {
        RegistryError::Denied { host: self.host.clone(), what: what.to_owned(), message }
    }

    fn failed(&self, what: &str, message: String) -> RegistryError {
        RegistryError::Failed { host: self.host.clone(), what: what.to_owned(), message }
    }

    fn unreachable(&self, what: &str, error: &reqwest::Error) -> RegistryError {
        let mut message = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            message = format!("{message}: {inner}");
            cause = inner.source();
        }
        self.failed(what, message)
    }
}

/// How an upload begins.
#[derive(Debug)]
pub(in crate::image) enum Upload {
    /// Not at all: the registry has the blob elsewhere and shows it here too.
    Mounted,
    /// By sending it there.
    To(Url),
}

/// The path in a registry; Docker Hub keeps its one-word repositories under `library/`.
fn path(repository: &ImageRef) -> String {
    let path = repository.repository().as_str();
    if repository.registry().as_str() == "docker.io" && !path.contains('/') {
        return format!("library/{path}");
    }
    path.to_owned()
}

fn pull(repository: &ImageRef) -> String {
    format!("repository:{}:pull", path(repository))
}

fn push(repository: &ImageRef, from: Option<&ImageRef>) -> String {
    let own = format!("repository:{}:pull,push", path(repository));
    from.map_or_else(|| own.clone(), |from| format!("{own} {}", pull(from)))
}

fn location(base: &Url, response: &Response) -> Option<Url> {
    base.join(response.headers().get(LOCATION)?.to_str().ok()?).ok()
}

fn verified(bytes: Vec<u8>, blob: &Descriptor) -> Result<Vec<u8>, RegistryError> {
    if ImageDigest::of(&bytes).to_string() == blob.digest {
        Ok(bytes)
    } else {
        Err(RegistryError::Wrong(format!("a blob came with other content than its digest {} says", blob.digest)))
    }
}

async fn text(response: Response) -> String {
    response.text().await.unwrap_or_default()
}

fn basic_value(basic: &Basic) -> HeaderValue {
    let pair = format!("{}:{}", basic.user, basic.password.expose_secret());
    let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
    sensitive(&format!("Basic {encoded}")).expect("base64 can stand in a header")
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A parameter of a challenge: `name="value"`.
fn parameter(parameters: &str, name: &str) -> Option<String> {
    let (_, rest) = parameters.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

#[cfg(test)]
mod tests;
