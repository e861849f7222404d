//! The interface for scripts: approvals that wait, answers to them, the audit trail. JSON, versioned.
//!
//! Whoever asks comes with a GitHub token of their own in `Authorization: Bearer …`; GitHub says whose
//! it is, and the App's own token asks what that person may do. Invariants: no cookie is looked at, so
//! no other page can make a browser ask; the token is neither kept nor written anywhere; who may not
//! read a repository learns nothing of it, not even that it is known here.

mod answers;
mod approvals;
mod asking;
mod audit;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::context::Bot;
use asking::Door;

/// The version of every answer. Within a version members are only added.
pub const SCHEMA_VERSION: u32 = 1;

/// The longest body of a request.
const LARGEST: usize = 16 * 1024;

/// What every handler is given.
#[derive(Clone)]
struct Shared {
    bot: Arc<Bot>,
    door: Arc<Door>,
}

/// The routes.
pub fn routes(bot: Arc<Bot>) -> Router {
    Router::new()
        .route("/api/approvals", get(approvals::list))
        .route("/api/approvals/{id}", get(approvals::one))
        .route("/api/approvals/{id}/approve", post(approvals::approve))
        .route("/api/approvals/{id}/reject", post(approvals::reject))
        .route("/api/audit", get(audit::list))
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(Shared { bot, door: Arc::new(Door::default()) })
}
