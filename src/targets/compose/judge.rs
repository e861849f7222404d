//! What one look at the host means. Pure.

use super::answer::{Answer, Container, State};
use super::record::{self, NOTHING};
use crate::config::spec::{ComposeSpec, HttpCheck};
use crate::engine::{Progress, Sight};
use crate::rollout::{Cause, CauseCode, Exit, LogLines, Revision};
use crate::types::Timestamp;

/// How long a container without a health check must run before it counts as healthy.
const STEADY_SECONDS: i64 = 5;
/// How often a container may be started again before waiting is in vain.
const RESTARTS: u32 = 2;
/// The same, where it is never seen between two starts.
const MANY_RESTARTS: u32 = 5;

/// How one container stands.
enum Stands {
    Well,
    Starting(String),
    Broken(Box<Cause>),
}

/// What a change that was begun as `job` has come to.
pub(super) fn change(answer: &Answer, job: &str, to: &Revision, spec: &ComposeSpec) -> Sight {
    if answer.job.as_deref() != Some(job) {
        let by = format!("{}, deployed meanwhile", said(answer));
        return Sight::Superseded { by };
    }
    let containers: Vec<&Container> = answer.containers.iter().filter(|known| record::runs(known, to)).collect();
    // A container that cannot come up is told at once, while the change is still being made.
    // What compose is taking away may run the same image, and ends because it is asked to.
    let leaving = |known: &Container| {
        answer.state == Some(State::Running)
            && known.state.started_at.zip(answer.since).is_some_and(|(started, since)| started < since)
    };
    let broken = containers.iter().filter(|known| !leaving(known)).find_map(|known| match stands(known, answer) {
        Stands::Broken(cause) => Some(cause),
        Stands::Well | Stands::Starting(_) => None,
    });
    if let Some(cause) = broken {
        return Sight::Broke(cause);
    }
    match &answer.state {
        Some(State::Running) => moving(answer, &containers, doing(answer, &containers)),
        Some(State::Ended { code: 0, .. }) => settled(answer, to, spec, &containers),
        // What it brought may be there all the same.
        Some(State::Lost) if serves(answer, to) => settled(answer, to, spec, &containers),
        Some(State::Ended { code, step }) => Sight::Broke(Box::new(failed(answer, *code, step, to))),
        Some(State::Lost | State::Stopped | State::Unknown) | None => Sight::Broke(Box::new(lost(answer))),
    }
}

/// Whether the service is that revision, steadily. Where nothing is wished for: whether nothing is there.
pub(super) fn serves(answer: &Answer, revision: &Revision) -> bool {
    if revision.id == NOTHING {
        return answer.containers.is_empty();
    }
    let all = answer.containers.iter().all(|known| record::runs(known, revision));
    !answer.containers.is_empty()
        && all
        && answer.containers.iter().all(|known| matches!(stands(known, answer), Stands::Well))
}

/// What runs, for people.
pub(super) fn said(answer: &Answer) -> String {
    match answer.containers.first() {
        Some(container) => format!("image {}", container.image),
        None => "no container".to_owned(),
    }
}

fn settled(answer: &Answer, to: &Revision, spec: &ComposeSpec, containers: &[&Container]) -> Sight {
    if to.id == NOTHING {
        return if answer.containers.is_empty() { Sight::Serving } else { Sight::Superseded { by: said(answer) } };
    }
    if containers.len() < answer.containers.len() {
        let other = answer.containers.iter().find(|known| !record::runs(known, to));
        return Sight::Superseded { by: other.map_or_else(|| said(answer), |known| format!("image {}", known.image)) };
    }
    if containers.is_empty() {
        let next = "Look who removed it (`docker events`), then deploy again.";
        return Sight::Broke(Box::new(Cause::new(CauseCode::Stopped, "the container was removed", next)));
    }
    let starting = containers.iter().find_map(|known| match stands(known, answer) {
        Stands::Starting(what) => Some(what),
        Stands::Well | Stands::Broken(_) => None,
    });
    if let Some(what) = starting {
        return moving(answer, containers, what);
    }
    spec.check.as_ref().map_or(Sight::Serving, |check| checked(check, answer, containers))
}

/// Whether the address answers. The time for it counts from the youngest container's start.
fn checked(check: &HttpCheck, answer: &Answer, containers: &[&Container]) -> Sight {
    let got = answer.http.clone().unwrap_or_else(|| "it was not asked".to_owned());
    if got == check.expect.to_string() {
        return Sight::Serving;
    }
    let youngest = containers.iter().filter_map(|known| age(known, answer)).min().unwrap_or_default();
    if youngest <= i64::from(check.within.as_seconds()) {
        return moving(answer, containers, format!("waiting for {} to answer {}", check.url, check.expect));
    }
    let mut cause = Cause::new(
        CauseCode::CheckFailed,
        format!("{} did not answer {} within {}", check.url, check.expect, check.within),
        "Ask the address on the host yourself; if the check is wrong, change `check` in the configuration.",
    );
    cause.facts.push(format!("last: {got}"));
    Sight::Broke(Box::new(cause))
}

fn stands(container: &Container, answer: &Answer) -> Stands {
    let state = &container.state;
    let seconds = age(container, answer).unwrap_or_default();
    match (state.status.as_str(), state.health.as_ref().map(|health| health.status.as_str())) {
        ("exited" | "dead", _) => Stands::Broken(Box::new(ended(container))),
        // Between two starts its exit code can be read; one that never rests is told all the same.
        ("restarting", _) if container.restarts >= RESTARTS => Stands::Broken(Box::new(ended(container))),
        (_, _) if container.restarts >= MANY_RESTARTS && seconds < 60 => Stands::Broken(Box::new(ended(container))),
        ("restarting", _) => Stands::Starting("the container ended and is started again".to_owned()),
        ("running", None) if container.restarts > 0 && seconds < 60 => {
            Stands::Starting(format!("the container was started again {} times", container.restarts))
        }
        ("running", Some("healthy")) => Stands::Well,
        ("running", Some("unhealthy")) => Stands::Broken(Box::new(unhealthy(container))),
        ("running", Some("starting")) => Stands::Starting("waiting for the container's health check".to_owned()),
        ("running", _) if seconds >= STEADY_SECONDS => Stands::Well,
        ("running", _) => Stands::Starting("the container runs; seeing whether it stays".to_owned()),
        (other, _) => Stands::Starting(format!("the container is {other}")),
    }
}

/// Seconds since a container's last start, by the host's clock.
fn age(container: &Container, answer: &Answer) -> Option<i64> {
    let since: Timestamp = container.state.started_at?;
    Some(answer.now?.as_second() - since.as_second())
}

fn moving(answer: &Answer, containers: &[&Container], doing: String) -> Sight {
    let healthy = containers.iter().filter(|known| matches!(stands(known, answer), Stands::Well)).count();
    Sight::Moving(Progress {
        healthy: u32::try_from(healthy).unwrap_or(u32::MAX),
        wanted: u32::try_from(containers.len().max(1)).unwrap_or(u32::MAX),
        traffic: None,
        doing,
        notices: Vec::new(),
    })
}

fn doing(answer: &Answer, containers: &[&Container]) -> String {
    let starting = containers.iter().find_map(|known| match stands(known, answer) {
        Stands::Starting(what) => Some(what),
        Stands::Well | Stands::Broken(_) => None,
    });
    starting.unwrap_or_else(|| match containers {
        [] => "pulling the image and starting the container".to_owned(),
        _ => "waiting for the container to come up".to_owned(),
    })
}

fn ended(container: &Container) -> Cause {
    let state = &container.state;
    // A container that is being started again has no exit code of its own any more.
    let code = if container.restarts > 0 && state.status == "running" { None } else { Some(state.exit_code) };
    let times =
        if container.restarts > 0 { format!(", started again {} times", container.restarts) } else { String::new() };
    let (kind, summary) = match code {
        _ if state.oom_killed => (CauseCode::OutOfMemory, format!("the container was killed for memory{times}")),
        Some(code) => (CauseCode::ContainerExited, format!("the container exited with code {code}{times}")),
        None => (CauseCode::ContainerExited, format!("the container ends again and again{times}")),
    };
    let mut cause = Cause::new(kind, summary, "Mend what its last lines name, then deploy again.");
    cause.exit = code.map(Exit::of);
    cause.task = Some(container.id.chars().take(12).collect());
    cause.provider_says = Some(state.error.clone()).filter(|said| !said.is_empty());
    cause
}

fn unhealthy(container: &Container) -> Cause {
    let mut cause = Cause::new(
        CauseCode::ContainerUnhealthy,
        "the container's health check fails",
        "Look at what the check said and at the last lines; mend it, then deploy again.",
    );
    cause.task = Some(container.id.chars().take(12).collect());
    let last = container.state.health.as_ref().and_then(|health| health.log.as_ref()?.last());
    // Of a program's complaint the last line says what it is about.
    cause.provider_says = last.map(|probe| {
        let line = probe.output.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        format!("exit code {}: {}", probe.exit_code, line.trim())
    });
    cause
}

fn lost(answer: &Answer) -> Cause {
    let mut cause = Cause::new(
        CauseCode::Stopped,
        "the work on the host was interrupted",
        "Look whether the host was restarted or ran out of memory or disk, then deploy again.",
    );
    cause.log = log(answer);
    cause
}

fn failed(answer: &Answer, code: i32, step: &str, to: &Revision) -> Cause {
    let (kind, summary, next) = match step {
        "pull" => (
            CauseCode::ImageNotPulled,
            format!("the host cannot pull {}", to.image_text),
            "Check that the host may pull it: for ECR its instance role needs AmazonEC2ContainerRegistryPullOnly and the \
             host needs the `aws` command or amazon-ecr-credential-helper; for others `docker login` on the host.",
        ),
        "backup" => (
            CauseCode::ResourcesNotReady,
            "the database could not be copied, so nothing was changed".to_owned(),
            "Look at the lines below; there must be room on the host's disk. Then deploy again.",
        ),
        "remove" => (
            CauseCode::ProviderGaveUp,
            format!("compose could not remove the container (exit code {code})"),
            "Look at the lines below, and at the host with `docker ps`.",
        ),
        _ => (
            CauseCode::ProviderGaveUp,
            format!("`docker compose up` failed with exit code {code}"),
            "Mend what the lines below name, then deploy again.",
        ),
    };
    let mut cause = Cause::new(kind, summary, next);
    cause.provider_says = answer.log.last().cloned();
    cause.log = log(answer);
    cause
}

fn log(answer: &Answer) -> Option<LogLines> {
    let skip = answer.log.len().saturating_sub(20);
    let lines = answer.log[skip..].to_vec();
    (!lines.is_empty()).then(|| LogLines { source: "docker compose on the host".to_owned(), lines })
}

#[cfg(test)]
mod tests;
