//! The last deployments of an environment, newest first.

use std::fmt::Write as _;

use shipline::report::escape::{code, cut, inline};
use shipline::types::{EnvironmentName, Timestamp};

use super::sections::Sections;
use super::words::{ago, at, long, quoted, release, who};
use crate::store::{Deployment, DeploymentKind};

/// More rows than anybody reads.
const ROWS: usize = 100;

/// The last deployments of an environment.
pub fn history(environment: &EnvironmentName, deployments: &[Deployment], now: Timestamp) -> String {
    let mut text = Sections::headed(&format!("{environment} · history"));
    if deployments.is_empty() {
        text.add("Nothing has been deployed there by the bot.");
        return text.finish();
    }
    let mut out =
        "| release | what | who | when | how it ended | took |\n| --- | --- | --- | --- | --- | --- |\n".to_owned();
    for deployment in deployments.iter().take(ROWS) {
        let asked = &deployment.asked;
        let what = match asked.kind {
            DeploymentKind::Deploy { .. } => "deploy",
            DeploymentKind::Rollback { .. } => "rollback",
        };
        let reason = asked.reason.as_deref().map(|reason| quoted(&cut(reason, 80))).unwrap_or_default();
        let took =
            deployment.ended.map_or_else(String::new, |ended| long(ended.as_second() - deployment.created.as_second()));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} ({}) | {} | {took} |",
            release(deployment),
            if reason.is_empty() { what.to_owned() } else { format!("{what}: {reason}") },
            who(&asked.actor),
            at(asked.decided),
            ago(asked.decided, now),
            ended(deployment),
        );
    }
    text.add(&out);
    text.finish()
}

/// How a deployment ended, or where it stands, with the sign that a reader looks for.
pub(super) fn ended(deployment: &Deployment) -> String {
    let Some(outcome) = &deployment.outcome else { return format!("… {}", deployment.state.stage.word()) };
    match outcome.as_str() {
        "succeeded" => "✓ serves".to_owned(),
        "unchanged" => "✓ already served".to_owned(),
        "rolled-back" => "✗ failed, rolled back".to_owned(),
        "held" => "✗ failed, left as it is".to_owned(),
        "needs-attention" => "🚨 **needs attention**".to_owned(),
        "superseded" => "⤼ replaced by somebody else's deployment".to_owned(),
        "cancelled" => "⊘ cancelled".to_owned(),
        "replaced" => "⊘ replaced by a newer command".to_owned(),
        "nothing-changed" => "✗ refused by the provider".to_owned(),
        word if word_only(word) => format!("✗ {}", code(word)),
        other => format!("✗ {}", inline(&cut(other, 80))),
    }
}

fn word_only(text: &str) -> bool {
    text.len() <= 60 && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')
}
