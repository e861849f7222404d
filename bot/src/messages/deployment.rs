//! The one comment of a deployment, from the first word to the last; and the two short answers about
//! a deployment that is on its way.

use shipline::report::escape::{code, cut, link, sentence};
use shipline::report::{self, View, changes, failure, headline, notices, plural, release as release_of};
use shipline::rollout::{Cause, CauseCode};
use shipline::types::ServiceName;

use super::refusal::body;
use super::sections::Sections;
use super::shapes::{Question, Shown, Stand};
use super::table::{percent, table};
use super::trail::{commits, timeline};
use super::trim::trimmed;
use super::words::{ago, at, commit, quoted, release, request_link, stage, who};
use super::{deployment_marker, gate, plan, step};
use crate::decision::{Denied, ReasonCode};
use crate::store::{Deployment, DeploymentKind, Lock, Stage};

/// The one comment of a deployment, at any time of its life (state line, services
/// table, cause, timeline, commits, links). Ends with its marker.
pub fn deployment(shown: &Shown<'_>) -> String {
    let view = match &shown.stand {
        Stand::Rolling { view, .. } | Stand::Ended { view, .. } => Some(trimmed(view)),
        Stand::Gating { waiting, .. } => Some(trimmed(&waiting.view)),
        Stand::Waiting { .. } | Stand::Building { .. } | Stand::Preparing | Stand::Refused(_) => None,
    };
    let mut text = Sections::headed(&state_line(shown, view.as_ref()));
    text.add(&about(shown, view.as_ref()));
    match (&shown.stand, &view) {
        (Stand::Ended { view: whole, locked }, Some(view)) => {
            rollout(&mut text, shown, whole, view);
            text.add(&after(shown, view, *locked));
            details(&mut text, shown, whole, view);
        }
        (Stand::Rolling { view: whole, question }, Some(view)) => {
            rollout(&mut text, shown, whole, view);
            if let Some(waits) = &whole.waits {
                step::turn(&mut text, shown.deployment, waits, *question);
            }
            // What goes back by itself cannot be cancelled any more.
            if shown.deployment.cancel.is_some() || !matches!(view.result.as_str(), "rolling-back" | "undoing") {
                text.add(&cancel(shown));
            }
            details(&mut text, shown, whole, view);
        }
        (Stand::Gating { waiting, gate }, Some(view)) => {
            let whole: &View = &waiting.view;
            text.add(&plan::table(view, whole.services.len()));
            for notice in notices(view) {
                text.add(&format!("> {}", sentence(notice)));
            }
            gate::turn(&mut text, shown.deployment, waiting, gate);
            text.add(&cancel(shown));
            details(&mut text, shown, whole, view);
        }
        (Stand::Refused(denied), _) => {
            // Every other one says it in its heading.
            let said = [ReasonCode::Cancelled, ReasonCode::Replaced, ReasonCode::Rejected, ReasonCode::GateExpired];
            if said.contains(&denied.code) {
                text.add(&sentence(&cut(&denied.what, 300)));
            }
            body(&mut text, denied);
            text.add(&timeline(shown, None));
        }
        _ => {
            text.add(&own_notices(shown));
            text.add(&cancel(shown));
            text.add(&timeline(shown, None));
        }
    }
    text.finish_with(&deployment_marker(shown.deployment.id))
}

/// A cancel was taken note of.
pub fn cancelling(deployment: &Deployment) -> String {
    let environment = &deployment.asked.key.environment;
    let changed = match deployment.state.stage {
        Stage::Waiting | Stage::Building { .. } | Stage::Gating { .. } => "Nothing has been changed for it yet",
        Stage::Rolling { .. } | Stage::Over => "What it has changed is taken back",
    };
    let mut text = Sections::new();
    text.add(&format!(
        "Cancelling {} ← {}, which {} asked for. {changed}; its own comment says how it ends.",
        code(environment.as_str()),
        release(deployment),
        who(&deployment.asked.actor)
    ));
    text.finish()
}

/// The same release is on its way there already.
pub fn already(deployment: &Deployment) -> String {
    let asked = &deployment.asked;
    let mut text = Sections::new();
    text.add(&format!(
        "{} is on its way to {} already ({}): {} asked for it at {}. Nothing was started a second time.",
        release(deployment),
        code(asked.key.environment.as_str()),
        stage(&deployment.state.stage),
        who(&asked.actor),
        at(asked.decided)
    ));
    text.add(&format!("See how it goes: `/status {}`", asked.key.environment));
    text.finish()
}

/// Environment, release, and how it stands.
fn state_line(shown: &Shown<'_>, view: Option<&View>) -> String {
    let deployment = shown.deployment;
    let (place, what) = (&deployment.asked.key.environment, release(deployment));
    match (&shown.stand, view) {
        (Stand::Ended { .. }, Some(view)) => match view.result.as_str() {
            "needs-attention" => format!("🚨 {}", headline(view)),
            _ => headline(view),
        },
        (Stand::Rolling { question, .. }, Some(view)) => {
            format!("{place} ← {} · {}", release_of(view), rolling(shown, view, *question))
        }
        (Stand::Gating { waiting, gate }, _) => format!("{place} ← {what} · {}", gate::standing(waiting, gate)),
        (Stand::Waiting { behind: Some(other) }, _) => {
            format!("{place} ← {what} · waiting behind {}", release(other))
        }
        (Stand::Waiting { behind: None }, _) => format!("{place} ← {what} · waiting for its turn"),
        (Stand::Building { .. }, _) => format!("{place} ← {what} · building"),
        (Stand::Refused(denied), _) => format!("{place} ← {what} · {}", not_done(denied)),
        (Stand::Preparing | Stand::Rolling { .. } | Stand::Ended { .. }, _) => format!("{place} ← {what} · preparing"),
    }
}

fn rolling(shown: &Shown<'_>, view: &View, question: Option<&Question>) -> String {
    match view.result.as_str() {
        "preparing" => hooks("before any change", view),
        "gating" => step::standing(view, question),
        "verifying" => "everything serves, checking".to_owned(),
        "finishing" => hooks("everything serves", view),
        "undoing" => hooks("the traffic is back", view),
        "rolling-back" if shown.deployment.cancel.is_some() => "cancelled, going back".to_owned(),
        "rolling-back" => {
            let failed = view.services.iter().find(|service| service.cause.is_some());
            match failed {
                Some(service) => format!("going back, because {} failed", service.name),
                None if view.check_failure.is_some() => "going back, because a check failed".to_owned(),
                None if view.alarm.is_some() => "going back, because an alarm fired".to_owned(),
                None => match view.failures().next() {
                    None => "going back".to_owned(),
                    Some(("analysis", _)) => "going back, because of what was measured".to_owned(),
                    Some((_, Cause { code: CauseCode::Rejected, .. })) => "rejected, going back".to_owned(),
                    Some((_, Cause { code: CauseCode::GateExpired, .. })) => {
                        "going back, because nobody decided in time".to_owned()
                    }
                    Some((name, _)) => format!("going back, because a {name} failed"),
                },
            }
        }
        _ => {
            let count = view.services.len();
            let there = view.services.iter().filter(|s| matches!(s.state.as_str(), "serving" | "unchanged")).count();
            let share = percent(view, shown.progress);
            format!("rolling out, {there} of {count} {} serve, {share} %", plural(count, "service"))
        }
    }
}

/// Which hook runs, in a rollout that stands there.
fn hooks(where_it_is: &str, view: &View) -> String {
    let busy = |state: &str| matches!(state, "starting" | "running" | "stopping" | "being undone");
    match view.hooks.iter().position(|hook| busy(&hook.state)) {
        Some(number) => {
            format!("{where_it_is}, hook {} of {} is {}", number + 1, view.hooks.len(), view.hooks[number].state)
        }
        None => where_it_is.to_owned(),
    }
}

/// How it ended before anything changed.
fn not_done(denied: &Denied) -> String {
    match denied.code {
        ReasonCode::Cancelled => "cancelled, nothing was changed".to_owned(),
        ReasonCode::Rejected => "rejected, nothing was changed".to_owned(),
        ReasonCode::GateExpired => "not approved in time, nothing was changed".to_owned(),
        ReasonCode::Replaced => "superseded by a newer command, nothing was changed".to_owned(),
        _ => format!("refused, nothing was changed: {}", sentence(&cut(&denied.what, 300))),
    }
}

/// Who asked for what, when and why, with the pages to open.
fn about(shown: &Shown<'_>, view: Option<&View>) -> String {
    let (deployment, server) = (shown.deployment, shown.server_url);
    let asked = &deployment.asked;
    let verb = match asked.kind {
        DeploymentKind::Deploy { .. } => "asked",
        DeploymentKind::Rollback { .. } => "asked to go back",
    };
    let over = matches!(shown.stand, Stand::Ended { .. } | Stand::Refused(_));
    let when = if over { format!("at {}", at(asked.decided)) } else { ago(asked.decided, shown.now) };
    let reason = asked.reason.as_deref().map(quoted).filter(|reason| !reason.is_empty());
    let mut parts = vec![format!(
        "{} {} {when}{}",
        who(&asked.actor),
        request_link(verb, deployment, server),
        reason.map(|reason| format!(": {reason}")).unwrap_or_default()
    )];
    if let Some(view) = view {
        parts.push(format!("{} {}", view.services.len(), plural(view.services.len(), "service")));
        parts.push(format!("plan {}", code(view.plan.get(..6).unwrap_or_default())));
    } else if !asked.services.is_empty() {
        let names: Vec<&str> = asked.services.iter().take(20).map(ServiceName::as_str).collect();
        parts.push(format!("only {}", names.join(", ")));
    }
    let repository = asked.repository.name.as_str();
    let sha = match asked.kind {
        DeploymentKind::Deploy { sha } => Some(sha),
        DeploymentKind::Rollback { .. } => deployment.state.commit.or(view.and_then(|view| view.commit)),
    };
    if let Some(sha) = sha {
        parts.push(format!("commit {}", commit(sha, server, repository)));
    }
    if deployment.state.github_deployment.is_some() {
        parts.push(format!("[Deployment]({server}/{repository}/deployments/{})", asked.key.environment));
    }
    let more = explained(shown);
    format!("{}{}{more}", parts.join(" · "), if more.is_empty() { "" } else { "\n\n" })
}

/// What it waits for, in a sentence.
fn explained(shown: &Shown<'_>) -> String {
    match &shown.stand {
        Stand::Waiting { behind: Some(other) } => format!(
            "{} {} for {} there and goes first; this one starts by itself when that is over.",
            who(&other.asked.actor),
            request_link("asked", other, shown.server_url),
            release(other)
        ),
        Stand::Building { url: Some(url) } => {
            let run = link("the build workflow", url);
            format!("The image of this commit is not in the registry yet: {run} makes it.")
        }
        Stand::Building { url: None } => {
            "The image of this commit is not in the registry yet: the build workflow was started.".to_owned()
        }
        Stand::Preparing => "Finding the images, and what serves now.".to_owned(),
        Stand::Waiting { behind: None }
        | Stand::Gating { .. }
        | Stand::Rolling { .. }
        | Stand::Ended { .. }
        | Stand::Refused(_) => String::new(),
    }
}

/// Everything about a rollout that is the same while it runs and after its end.
fn rollout(text: &mut Sections, shown: &Shown<'_>, whole: &View, view: &View) {
    if view.result == "needs-attention" {
        text.add(
            "> [!CAUTION]\n> **A person must look now.** Going back failed or its end is not known, so nobody can say \
             what serves. Nothing more is done by itself.",
        );
    }
    text.add(&table(view, shown.progress, whole.services.len()));
    for service in &view.services {
        if let Some(cause) = &service.cause {
            text.add(&told(service.name.as_str(), cause));
        }
        if let Some(stuck) = &service.stuck {
            text.add(&told(&format!("{} could not go back", service.name), stuck));
        }
    }
    let mut measured = String::new();
    report::analysis(&mut measured, view);
    text.add(&measured);
    let mut list = String::new();
    report::hooks(&mut list, view);
    text.add(&list);
    for (name, cause) in view.failures() {
        text.add(&told(name, cause));
    }
    for notice in notices(view) {
        text.add(&format!("> {}", sentence(notice)));
    }
    text.add(&own_notices(shown));
}

/// What only some readers open.
fn details(text: &mut Sections, shown: &Shown<'_>, whole: &View, view: &View) {
    let mut fields = String::new();
    changes(&mut fields, view);
    text.add(&fields);
    text.add(&commits(shown, whole, view));
    text.add(&timeline(shown, Some(view)));
}

fn told(name: &str, cause: &Cause) -> String {
    let mut out = String::new();
    failure(&mut out, name, cause);
    out
}

/// What was noticed before there was a plan, unless the rollout says it too.
fn own_notices(shown: &Shown<'_>) -> String {
    let known = match &shown.stand {
        Stand::Rolling { view, .. } | Stand::Ended { view, .. } => view.notices.as_slice(),
        Stand::Gating { waiting, .. } => waiting.view.notices.as_slice(),
        _ => &[],
    };
    let own = shown.deployment.state.notices.iter().filter(|notice| !known.contains(notice)).take(20);
    own.map(|notice| format!("> {}\n", sentence(&cut(notice, 400)))).collect::<Vec<_>>().join("\n")
}

fn cancel(shown: &Shown<'_>) -> String {
    match &shown.deployment.cancel {
        Some(by) => format!("{} cancelled it.", who(by)),
        None => format!("Cancel: `/cancel {}`", shown.deployment.asked.key.environment),
    }
}

/// What the reader can do next.
fn after(shown: &Shown<'_>, view: &View, locked: Option<&Lock>) -> String {
    let environment = &shown.deployment.asked.key.environment;
    let mut lines = Vec::new();
    if let Some(by) = shown.deployment.cancel.as_ref().filter(|_| view.result == "cancelled") {
        lines.push(format!("{} cancelled it.", who(by)));
    }
    if view.result == "succeeded" && matches!(shown.deployment.asked.kind, DeploymentKind::Deploy { .. }) {
        lines.push(format!("Back: `/rollback {environment}`"));
    }
    if view.result == "needs-attention" {
        lines.push(format!("What runs there now: `/status {environment}`"));
    }
    if let Some(lock) = locked {
        lines.push(format!("{}\n\nOpen it again: `/unlock {environment}`", super::locks::line(lock)));
    }
    lines.join("\n\n")
}
