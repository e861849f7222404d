//! The record of every call.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One call that reached the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// When it arrived, milliseconds since the epoch.
    pub at_ms: u64,
    /// `ecs`, `apprunner`, `logs`, `elbv2`, `sts`, `ecr`, `ecr-public`, `blob`, `github`,
    /// `oidc`; `unknown` when nothing told.
    pub service: String,
    /// `DescribeServices`; for GitHub `POST /repos/{o}/{r}/deployments` with
    /// the real names in it.
    pub operation: String,
    /// What stands behind the `?` of the address.
    #[serde(default)]
    pub query: String,
    /// The request document; form fields for the Query protocol.
    pub body: Value,
    /// The access key id it was signed with.
    pub access_key_id: Option<String>,
    /// The HTTP status that was answered; none when the answer was withheld.
    pub status: Option<u16>,
}
