//! The code that GitHub sent back, changed for the App's secrets. Works once a code, for an hour.

use std::time::Duration;

use octocrab::Octocrab;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use shipline::problem::Problem;

use super::manifest::Place;

/// The App as GitHub made it.
#[derive(Deserialize)]
pub(super) struct Credentials {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) html_url: String,
    #[serde(deserialize_with = "secret")]
    pub(super) pem: SecretString,
    #[serde(deserialize_with = "secret")]
    pub(super) webhook_secret: SecretString,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

/// Asks for the App's secrets. Not repeated: who asks a second time gets nothing.
pub(super) async fn exchange(place: &Place, code: &str) -> Result<Credentials, Problem> {
    if code.is_empty() || code.len() > 200 || !code.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        return Err(Problem::mistake(
            "code",
            "GitHub's answer holds no code.",
            "Open the page whose address the terminal shows, and press the button there.",
        ));
    }
    let client = client(place)?;
    let uri = format!("{}/app-manifests/{code}/conversions", place.api_url);
    let answer = client._post(uri, None::<&()>).await.map_err(|why| unreachable(place, &why.to_string()))?;
    let status = answer.status();
    let body = client.body_to_string(answer).await.map_err(|why| unreachable(place, &why.to_string()))?;
    if status.as_u16() != 201 {
        return Err(Problem::provider(
            "github-refused",
            "GitHub did not give the App's secrets.",
            "A code works once and for an hour: open the page again and press the button. If GitHub made the App, delete it there first.",
        )
        .because(format!("status {status}")));
    }
    serde_json::from_str(&body).map_err(|why| {
        // The body holds secrets: only the place of the mistake is told.
        Problem::provider(
            "github-answer",
            "GitHub's answer could not be understood.",
            "Check --server-url and --api-url; then delete the new App on GitHub and start again.",
        )
        .because(format!("line {} column {}", why.line(), why.column()))
    })
}

fn client(place: &Place) -> Result<Octocrab, Problem> {
    let unusable = |why: octocrab::Error| unreachable(place, &why.to_string());
    Octocrab::builder()
        .base_uri(origin(&place.api_url))
        .map_err(unusable)?
        .set_connect_timeout(Some(Duration::from_secs(5)))
        .set_read_timeout(Some(Duration::from_secs(15)))
        .set_write_timeout(Some(Duration::from_secs(15)))
        .build()
        .map_err(unusable)
}

/// Scheme and host of an address.
fn origin(address: &str) -> &str {
    let host = address.find("://").map_or(0, |at| at + 3);
    let end = address[host..].find('/').map_or(address.len(), |at| host + at);
    &address[..end]
}

fn unreachable(place: &Place, why: &str) -> Problem {
    Problem::provider(
        "unavailable",
        format!("GitHub could not be reached at {}.", place.api_url),
        "Check the network, --server-url and --api-url; then reload this page.",
    )
    .because(why.lines().next().unwrap_or_default())
}
