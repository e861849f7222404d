//! Identity tokens that a role's trust policy accepts, and the mask that hides them.
//!
//! A token is fetched anew every time credentials are: GitHub's live ten minutes, a mounted one is
//! rotated by whoever mounts it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::problem::Problem;

/// Where identity tokens come from.
#[async_trait]
pub trait TokenSource: Send + Sync + fmt::Debug {
    /// A token that is valid now. It has passed the mask before it is returned.
    async fn token(&self) -> Result<SecretString, Problem>;
}

/// Hides a secret in everything that is printed from now on.
#[derive(Clone)]
pub struct Mask(Arc<dyn Fn(&SecretString) + Send + Sync>);

impl Mask {
    /// A mask that calls `hide` with every secret before its first use, from any thread, possibly
    /// more than once with the same secret.
    pub fn new(hide: impl Fn(&SecretString) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hide))
    }

    /// Hides a secret.
    pub fn hide(&self, secret: &SecretString) {
        (self.0)(secret);
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mask")
    }
}

/// A token in a file, read again for every use (`web-identity-token-file`).
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    mask: Mask,
}

impl TokenFile {
    /// A token in the file at `path`.
    pub fn new(path: impl Into<PathBuf>, mask: Mask) -> Self {
        Self { path: path.into(), mask }
    }
}

#[async_trait]
impl TokenSource for TokenFile {
    async fn token(&self) -> Result<SecretString, Problem> {
        let text = tokio::fs::read_to_string(&self.path).await.map_err(|error| {
            Problem::mistake(
                "token-file-unreadable",
                format!("the web identity token file {} cannot be read: {error}", self.path.display()),
                "Check `web-identity-token-file`: the path must exist and be readable where Shipline runs.",
            )
        })?;
        let token = SecretString::from(text.trim().to_owned());
        self.mask.hide(&token);
        Ok(token)
    }
}
