//! What is told, before it takes the form of a way. Pure.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::config::spec::Occasion;
use crate::redact::Redactor;
use crate::report::{View, headline, text};
use crate::types::Timestamp;

/// The version of what webhooks get. Within a version fields are only added.
const SCHEMA_VERSION: u32 = 1;

/// What is told.
#[derive(Debug, Clone)]
pub struct Message {
    /// The same for every try of the same message, and for no other.
    pub id: String,
    /// What happened.
    pub occasion: Occasion,
    /// When.
    pub at: Timestamp,
    /// The deployment as it stands.
    pub view: View,
    /// The page of the run, or of the request.
    pub page: Option<String>,
}

impl Message {
    /// A message about a run, which no other run is called.
    pub fn new(run: &str, occasion: Occasion, view: View, page: Option<String>, at: Timestamp) -> Self {
        let mut id = hex::encode(Sha256::digest(format!("{run}/{}/{}", view.plan, occasion.word())));
        id.truncate(32);
        Self { id, occasion, at, view, page }
    }

    /// The same without secrets, in every text of it.
    pub(super) fn cleaned(&self, redactor: &Redactor) -> Self {
        let view = serde_json::to_value(&self.view).map(|view| redactor.clean_document(view));
        let view = view.and_then(serde_json::from_value).unwrap_or_else(|_| bare(&self.view));
        let page = self.page.as_deref().map(|page| redactor.clean(page));
        Self { view, page, ..self.clone() }
    }

    /// The line that says it all, without Markdown.
    pub(super) fn headline(&self) -> String {
        let line: String = headline(&self.view).chars().filter(|c| !matches!(c, '`' | '*')).collect();
        match (self.occasion, line.split_once(" · ")) {
            (Occasion::Start, Some((what, _))) => format!("{what} begins"),
            (Occasion::Start | Occasion::Success | Occasion::Failure, _) => line,
        }
    }

    /// All of it, for people.
    pub(super) fn text(&self) -> String {
        let page = self.page.as_ref().map(|page| format!("\n{page}\n")).unwrap_or_default();
        format!("{}\n\n{}{page}", self.headline(), text(&self.view))
    }

    /// All of it, for machines.
    pub(super) fn document(&self) -> Value {
        json!({
            "schema_version": SCHEMA_VERSION,
            "id": self.id,
            "occasion": self.occasion.word(),
            "at": self.at,
            "environment": self.view.environment,
            "result": self.view.result,
            "headline": self.headline(),
            "page": self.page,
            "report": self.view,
        })
    }
}

/// A view that says only how it ended: what a redactor made unreadable is not sent as it was.
fn bare(view: &View) -> View {
    let mut bare = view.clone();
    bare.services.clear();
    bare.hooks.clear();
    bare.analysis = None;
    bare.commits.clear();
    bare.timeline.clear();
    bare.notices.clear();
    (bare.alarm, bare.check_failure, bare.gate_failure) = (None, None, None);
    bare
}
