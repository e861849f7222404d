//! The HTTP client of registries.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::Client;

use super::RegistryError;
use crate::problem::Problem;

/// The HTTP client, made at its first use: reading the machine's certificates takes longer than a
/// whole run that only speaks to the AWS API.
#[derive(Debug, Default)]
pub(in crate::image) struct Http(OnceLock<Result<Client, String>>);

impl Http {
    pub(super) fn client(&self) -> Result<Client, RegistryError> {
        let build = || {
            let builder = Client::builder()
                .user_agent(concat!("shipline/", env!("CARGO_PKG_VERSION")))
                .connect_timeout(Duration::from_secs(10))
                .read_timeout(Duration::from_mins(1));
            builder.build().map_err(|error| error.to_string())
        };
        let made = self.0.get_or_init(build).clone();
        made.map_err(|cause| {
            let next = "Install ca-certificates on this machine.";
            RegistryError::Login(Box::new(Problem::provider("tls", format!("HTTPS cannot be set up: {cause}"), next)))
        })
    }
}
