//! What an identity token says about itself. Pure; the signature is AWS's to check.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// The claims that a trust policy looks at. None of them is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claims {
    /// Who the token is about: `repo:acme/shop:environment:production`.
    pub(super) sub: String,
    /// Who it is for; the first, if there are several.
    pub(super) aud: String,
    /// Who made it, with `https://`.
    pub(super) iss: String,
}

impl Claims {
    /// Reads the payload; nothing if it is not a JWT.
    pub(super) fn read(token: &SecretString) -> Option<Self> {
        let mut parts = token.expose_secret().split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        let payload: Value = serde_json::from_slice(&payload).ok()?;
        let text = |value: &Value| value.as_str().map(printable);
        let first = |value: &Value| text(value).or_else(|| value.get(0).and_then(text));
        Some(Self {
            sub: text(&payload["sub"]).unwrap_or_default(),
            aud: first(&payload["aud"]).unwrap_or_default(),
            iss: text(&payload["iss"]).unwrap_or_default(),
        })
    }

    /// The provider as IAM names it: the issuer without its scheme.
    pub(super) fn provider(&self) -> &str {
        self.iss.trim_start_matches("https://").trim_end_matches('/')
    }
}

/// A branch can be named almost anything; control characters would forge lines.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> SecretString {
        SecretString::from(format!("e30.{}.c2lnbmF0dXJl", URL_SAFE_NO_PAD.encode(payload)))
    }

    #[test]
    fn the_claims_of_a_github_token_are_read() {
        let payload = r#"{"sub":"repo:acme/shop:ref:refs/heads/main","aud":"sts.amazonaws.com","iss":"https://token.actions.githubusercontent.com","exp":1}"#;
        let claims = Claims::read(&token(payload)).unwrap();
        assert_eq!(claims.sub, "repo:acme/shop:ref:refs/heads/main");
        assert_eq!(claims.aud, "sts.amazonaws.com");
        assert_eq!(claims.provider(), "token.actions.githubusercontent.com");
    }

    #[test]
    fn of_several_audiences_the_first_counts_and_control_characters_are_dropped() {
        let claims = Claims::read(&token(r#"{"sub":"a\u0000b\nc","aud":["x","y"]}"#)).unwrap();
        assert_eq!((claims.sub.as_str(), claims.aud.as_str(), claims.iss.as_str()), ("abc", "x", ""));
    }

    #[test]
    fn what_is_no_token_has_no_claims() {
        for text in ["", "abc", "a.b", "a.!!.c", "a.e30", "e30.bm90IGpzb24.x"] {
            assert_eq!(Claims::read(&SecretString::from(text.to_owned())), None, "{text:?}");
        }
    }
}
