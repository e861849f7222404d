//! stand-in until merged
#![allow(missing_docs)]
#[derive(Clone, Debug, Default)]
pub struct Redactor;
impl Redactor {
    pub fn new() -> Self {
        Self
    }
    pub fn add(&self, _s: impl Into<secrecy::SecretString>) {}
    pub fn clean(&self, t: &str) -> String {
        t.to_owned()
    }
}
