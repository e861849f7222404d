//! `/api/audit`: the audit trail of one repository, oldest first, in parts.

use std::collections::HashMap;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::json;

use super::answers::{Refusal, document};
use super::{SCHEMA_VERSION, Shared};

/// Entries of one answer, unless fewer are asked for.
const MOST: usize = 100;
/// Entries that one request reads at most: others' are passed over.
const READ: u32 = 1_000;
const PARTS: usize = 20;

pub(super) async fn list(
    State(shared): State<Shared>,
    Query(asked): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let actor = shared.person(&headers).await?;
    let number = |name: &str, usual: u64, most: u64| match asked.get(name) {
        None => Ok(usual),
        Some(text) => text.parse::<u64>().ok().filter(|number| *number <= most).ok_or_else(|| {
            Refusal::invalid(format!("`{name}` is not a number from 0 to {most}."), "Correct it, or leave it out.")
        }),
    };
    let mut after = number("after", 0, i64::MAX.unsigned_abs())?;
    let most = usize::try_from(number("limit", 100, 100)?).unwrap_or(MOST);
    let repository = shared.repository(&actor, asked.get("repository").map(String::as_str)).await?;
    let mut entries = Vec::new();
    let mut whole = false;
    for _ in 0..PARTS {
        let part = shared.bot.store.audit_after(after, READ).await?;
        whole = part.len() < READ as usize;
        for entry in part {
            if entries.len() == most {
                whole = false;
                break;
            }
            after = entry.sequence;
            if entry.entry.repository == Some(repository.id) {
                entries.push(json!(entry));
            }
        }
        if whole || entries.len() == most {
            break;
        }
    }
    let body = json!({
        "schema_version": SCHEMA_VERSION, "entries": entries, "next": if whole { None } else { Some(after) },
    });
    Ok(document(StatusCode::OK, &body))
}
