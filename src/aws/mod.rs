//! AWS sessions: where credentials come from, and what an SDK error means.
//!
//! Not here: what is done with a session. Endpoint overrides (`AWS_ENDPOINT_URL` and the
//! service-specific variants) are the SDK's own and work everywhere.

mod failure;

pub use failure::failure;
