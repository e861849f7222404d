//! One HTTP request with JSON to an address that is a secret.

use std::net::IpAddr;
use std::sync::OnceLock;

use reqwest::Url;
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};

use super::NotTold;

/// An address that only its receiver and we know.
pub(super) struct Address(SecretString);

impl Address {
    /// The address in a secret: https, or http to this machine. The reason never holds it.
    pub(super) fn read(name: &str, secret: &SecretString) -> Result<Self, String> {
        let wrong = || format!("{name} holds no https:// address");
        let url = Url::parse(secret.expose_secret().trim()).map_err(|_| wrong())?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let own = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        match url.scheme() {
            "https" => Ok(Self(url.as_str().into())),
            "http" if own => Ok(Self(url.as_str().into())),
            _ => Err(wrong()),
        }
    }
}

/// Sends. Whoever asks bounds the time. The client is made for the first who is told: most runs tell nobody,
/// and reading root certificates costs them time and memory.
#[derive(Clone, Default)]
pub(super) struct Post(OnceLock<Option<reqwest::Client>>);

impl Post {
    fn client(&self) -> Option<&reqwest::Client> {
        let made = self.0.get_or_init(|| {
            let client = reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .user_agent(concat!("shipline/", env!("CARGO_PKG_VERSION")));
            client.build().ok()
        });
        made.as_ref()
    }

    /// Sends once; anything but 2xx is a failure.
    pub(super) async fn send(&self, to: &Address, headers: HeaderMap, body: Vec<u8>) -> Result<(), NotTold> {
        let client = self.client().ok_or_else(|| NotTold::Certainly("there is no HTTP client".to_owned()))?;
        let request =
            client.post(to.0.expose_secret()).header("content-type", "application/json").headers(headers).body(body);
        // The error's own words hold the address.
        let answer = request.send().await.map_err(|error| NotTold::Perhaps(reason(&error.without_url())))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let why = format!("it answered {status}");
        let passing = status.is_server_error() || [408, 425, 429].contains(&status.as_u16());
        Err(if passing { NotTold::Perhaps(why) } else { NotTold::Certainly(why) })
    }
}

/// The innermost error.
fn reason(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_or_this_machine() {
        let read = |text: &str| Address::read("HOOK", &SecretString::from(text)).map(|address| address.0);
        for good in [
            "https://hooks.slack.com/services/T/B/x",
            " https://a.example/ ",
            "http://127.0.0.1:8080/x",
            "http://[::1]/",
            "http://localhost:1/",
        ] {
            assert!(read(good).is_ok(), "{good}");
        }
        for bad in [
            "http://hooks.slack.com/x",
            "hooks.slack.com/x",
            "ftp://a.example",
            "file:///etc/passwd",
            "",
            "http://127.0.0.1.example/",
        ] {
            assert_eq!(read(bad).unwrap_err(), "HOOK holds no https:// address", "{bad}");
        }
    }
}
