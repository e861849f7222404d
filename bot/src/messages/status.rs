//! What runs where: the ledger, the provider's own answer, what is on its way, who holds it.

use std::fmt::Write as _;

use shipline::report::escape::{code, cut, link, sentence};
use shipline::types::{CommitSha, Timestamp};

use super::history::ended;
use super::sections::Sections;
use super::shapes::{EnvironmentStatus, Live, LiveService};
use super::words::{ago, at, release, stage, who};
use crate::store::Good;

/// More services than anybody reads in one comment.
const ROWS: usize = 60;

/// What runs where.
pub fn status(environments: &[EnvironmentStatus], now: Timestamp) -> String {
    let mut text = Sections::headed("What runs where");
    if environments.is_empty() {
        text.add("The configuration names no environment.");
    }
    for environment in environments {
        text.add(&one(environment, now));
    }
    text.finish()
}

fn one(environment: &EnvironmentStatus, now: Timestamp) -> String {
    let mut out = format!("**{}**", environment.name);
    match &environment.good {
        Some(good) => {
            let _ = write!(
                out,
                " ← {} since {} ({}), by {}",
                shown(good),
                at(good.since),
                ago(good.since, now),
                who(&good.actor)
            );
        }
        None => out.push_str(" · no deployment by the bot is known there"),
    }
    if let Some(url) = &environment.url {
        let _ = write!(out, " · {}", link("open", &cut(url, 500)));
    }
    out.push_str("\n\n");
    if let Some(lock) = &environment.lock {
        let _ = writeln!(out, "{}\n", super::locks::line(lock));
    }
    for (index, open) in environment.open.iter().take(ROWS).enumerate() {
        let stands = if index == 0 { stage(&open.state.stage) } else { "waiting" };
        let _ = writeln!(
            out,
            "… {} {stands}, {} asked {}\n",
            release(open),
            who(&open.asked.actor),
            ago(open.asked.decided, now)
        );
    }
    live(&mut out, environment);
    // An end that left the ledger's release in place is no news.
    let news = environment.last.as_ref().filter(|last| last.outcome.as_deref() != Some("succeeded"));
    if let Some(last) = news {
        let when = last.ended.unwrap_or(last.asked.decided);
        let _ = writeln!(out, "Last: {} {} ({})\n", release(last), ended(last), ago(when, now));
    }
    out
}

fn live(out: &mut String, environment: &EnvironmentStatus) {
    match &environment.live {
        Live::Unknown(why) => {
            let why = sentence(&cut(why, 500));
            let _ = writeln!(out, "The provider could not be asked what serves now: {why}\n");
        }
        Live::Known(services) if services.is_empty() => {}
        Live::Known(services) => {
            out.push_str("| service | serves | commit | |\n| --- | --- | --- | --- |\n");
            for service in services.iter().take(ROWS) {
                let good = environment.good.as_ref();
                let commit = service.commit.or_else(|| known_commit(good, service));
                let commit = commit.map(|sha| code(&sha.short())).unwrap_or_default();
                let remark = remark(good, service);
                let _ =
                    writeln!(out, "| {} | {} | {commit} | {remark} |", service.name, code(&cut(&service.revision, 80)));
            }
            if services.len() > ROWS {
                let _ = writeln!(out, "| … and {} more | | | |", services.len() - ROWS);
            }
            out.push('\n');
        }
    }
}

/// The commit that our ledger knows of what the provider shows.
fn known_commit(good: Option<&Good>, service: &LiveService) -> Option<CommitSha> {
    let known = good?.serves.get(&service.name)?;
    known.commit.filter(|_| known.id == service.id)
}

/// Says when the provider shows something else than our ledger.
fn remark(good: Option<&Good>, service: &LiveService) -> String {
    match good.and_then(|good| good.serves.get(&service.name)) {
        Some(known) if known.id != service.id => {
            format!("⚠ not what the bot put there ({})", code(&cut(&known.name, 80)))
        }
        Some(_) => "✓".to_owned(),
        None => String::new(),
    }
}

fn shown(good: &Good) -> String {
    if let Some(commit) = good.commit {
        return code(&commit.short());
    }
    let names: Vec<String> = good.serves.values().take(3).map(|revision| code(&cut(&revision.name, 80))).collect();
    if names.is_empty() { "an unknown release".to_owned() } else { names.join(", ") }
}
