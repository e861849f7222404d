//! AWS sessions: where credentials come from, and what an SDK error means.
//!
//! Not here: what is done with a session. Endpoint overrides (`AWS_ENDPOINT_URL` and the
//! service-specific variants) are the SDK's own and work everywhere, STS included.
//!
//! Invariants: every secret passes the mask before its first use; credentials that can be renewed
//! renew themselves; an account that is not allowed is refused before anything is called in it.
//!
//! Start reading at [`connect`].

mod assume;
mod claims;
mod connector;
mod failure;
mod lost;
pub mod permissions;
pub mod policy;
pub mod raw;
mod refusal;
mod session;
mod token;

pub use failure::failure;
pub use session::{Session, Sources, Start, connect, without_credentials};
pub use token::{Mask, TokenFile, TokenSource};
