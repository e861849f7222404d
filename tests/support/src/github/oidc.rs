//! OIDC tokens of GitHub Actions. Not signed: nothing here verifies them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::reply::Millis;
use crate::server::Reply;

/// A token with exactly these claims and a signature that says nothing.
#[must_use]
pub fn token(claims: &Value) -> String {
    let header = json!({"typ": "JWT", "alg": "RS256", "kid": "simulated"});
    let part = |document: &Value| URL_SAFE_NO_PAD.encode(document.to_string());
    format!("{}.{}.{}", part(&header), part(claims), URL_SAFE_NO_PAD.encode("not a signature"))
}

/// `{"count": …, "value": "<token>"}` for that audience.
pub(super) fn answer(own: &Map<String, Value>, audience: Option<&str>, now: Millis) -> Reply {
    let seconds = now / 1000;
    let mut claims = json!({
        "iss": "https://token.actions.githubusercontent.com",
        "sub": "repo:acme/shop:ref:refs/heads/main",
        "aud": audience.unwrap_or("https://github.com/acme"),
        "repository": "acme/shop", "repository_owner": "acme", "ref": "refs/heads/main",
        "event_name": "push", "workflow": "deploy", "run_id": "1", "run_attempt": "1",
        "iat": seconds, "nbf": seconds - 60, "exp": seconds + 300,
    });
    for (name, value) in own {
        claims[name] = value.clone();
    }
    let token = token(&claims);
    Reply::json(200, &json!({"count": token.len(), "value": token}))
}
