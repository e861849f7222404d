//! Rules: checked completely, carried out elsewhere or later.
//!
//! Each one that only the bot carries out becomes a [`DeferredRule`], so that a run without it says so.

use super::super::raw::Configuration;
use super::super::raw::List;
use super::super::raw::environment::Environment;
use super::super::raw::rules::{AllowWord, Approvals, Hook};
use super::super::raw::scan::{Scan, SeverityWord};
use super::super::raw::values::{Argument, Text as _};
use super::super::read::{At, Reader, Slot, choose};
use super::super::spec::{DeferredRule, HookSpec, ScanSpec, Severity, Steering, Unscanned};
use super::{items, not_empty, strategy, within};
use crate::problem::{Place, Problem};
use crate::types::{EnvironmentName, ServiceName, Span};

/// ECS: bake times are 0 to 1440 minutes.
pub(super) const DAY: Span = Span::minutes(24 * 60);

pub(super) fn rules(
    name: &EnvironmentName,
    raw: &Environment,
    whole: &Configuration,
    reader: &mut Reader,
) -> (Steering, Vec<DeferredRule>) {
    requires(name, raw, whole, reader);
    if let Some(approvals) = &raw.approvals {
        self::approvals(&approvals.value, reader);
    }
    for freeze in items(&raw.freeze) {
        if let (Some(from), Some(to)) = (&freeze.value.from, &freeze.value.to)
            && from.value == to.value
        {
            let what = "The freeze ends when it begins: it would be empty, or last for ever.";
            reader.note(&to.place, Problem::mistake("empty-freeze", what, "Write another end."));
        }
    }
    for hook in items(&raw.before).chain(items(&raw.after)) {
        self::hook(&hook.value, raw, reader);
    }
    let steering = strategy::steering(raw, reader);
    (steering, deferred(raw))
}

fn requires(name: &EnvironmentName, raw: &Environment, whole: &Configuration, reader: &mut Reader) {
    let mut seen: Vec<&EnvironmentName> = Vec::new();
    for required in items(&raw.requires) {
        let known = whole.environments.as_ref().is_some_and(|all| all.value.contains_key(&required.value));
        let problem = if required.value == *name {
            let what = format!("`{name}` cannot require itself.");
            Problem::mistake("circle", what, "Name the environment that comes before it.")
        } else if !known {
            let others = whole.environments.iter().flat_map(|all| all.value.keys()).filter(|other| *other != name);
            let others: Vec<&str> = others.map(EnvironmentName::as_str).collect();
            let next = if others.is_empty() {
                "There is no other environment: remove it.".to_owned()
            } else {
                choose(required.value.as_str(), others)
            };
            Problem::mistake("unknown-environment", format!("There is no environment `{}`.", required.value), next)
        } else if seen.contains(&&required.value) {
            Problem::mistake("named-twice", format!("`{}` is named twice.", required.value), "Keep one of them.")
        } else {
            seen.push(&required.value);
            continue;
        };
        reader.note(&required.place, problem);
    }
    let some = raw.requires.as_ref().is_some_and(|requires| !requires.value.is_empty());
    if let (Some(soak), false) = (&raw.soak, some) {
        let what = "`soak` says how long a release was good in the environments of `requires`, and there are none.";
        reader.note(&soak.place, Problem::mistake("needs-another-key", what, "Add `requires`, or remove this."));
    }
}

fn approvals(raw: &Approvals, reader: &mut Reader) {
    within(reader, &raw.expires, Span::seconds(10), Span::minutes(30 * 24 * 60));
    let expires = raw.expires.as_ref().map_or(DAY, |at| at.value);
    if let Some(remind) = within(reader, &raw.remind, Span::seconds(1), Span::minutes(30 * 24 * 60))
        && remind.duration() >= expires.duration()
        && let Some(at) = &raw.remind
    {
        let what =
            format!("After {remind} nobody waits for an answer any more: the question stays open for {expires}.");
        reader.note(&at.place, Problem::mistake("out-of-range", what, "Remind earlier, or let it stay open longer."));
    }
    let Some(from) = &raw.from else { return };
    not_empty(reader, &from.place, from.value.len(), "team or user");
    let only_users = from.value.iter().all(|at| at.as_ref().is_some_and(|at| !at.value.as_str().contains('/')));
    let users = from.value.len();
    if let Some(count) = raw.count.as_ref().filter(|count| only_users && users > 0 && count.value.0 as usize > users) {
        let what = format!("{} must say yes, and only {users} may.", count.value.0);
        reader.note(&count.place, Problem::mistake("out-of-range", what, "Name more people, or a team."));
    }
}

fn hook(raw: &Hook, environment: &Environment, reader: &mut Reader) {
    for command in [&raw.run, &raw.undo].into_iter().flatten() {
        not_empty(reader, &command.place, command.value.len(), "argument");
    }
    within(reader, &raw.within, Span::seconds(1), DAY);
    if let Some(service) = &raw.service {
        known_here(service, environment, reader);
    }
}

/// Says no to a service that the environment does not have.
pub(super) fn known_here(service: &At<ServiceName>, environment: &Environment, reader: &mut Reader) {
    if let Some(services) = &environment.services
        && !services.value.contains_key(&service.value)
    {
        let what = format!("`{}` is not a service of this environment.", service.value);
        let next = choose(service.value.as_str(), services.value.keys().map(ServiceName::as_str));
        reader.note(&service.place, Problem::mistake("unknown-service", what, next));
    }
}

/// A hook as it is carried out; nothing when it has mistakes, which are told already.
pub(super) fn hook_spec(raw: &Hook) -> Option<HookSpec> {
    Some(HookSpec {
        service: raw.service.as_ref()?.value.clone(),
        run: words(&raw.run),
        undo: words(&raw.undo),
        within: raw.within.as_ref().map_or(Span::minutes(10), |at| at.value),
    })
}

/// The words of a command.
pub(super) fn words(command: &Slot<List<Argument>>) -> Vec<String> {
    items(command).map(|word| word.value.as_str().to_owned()).collect()
}

/// What scans may have found.
pub(super) fn scan(raw: &Scan, reader: &mut Reader) -> Option<ScanSpec> {
    let wait = within(reader, &raw.wait, Span::seconds(0), Span::minutes(60));
    Some(ScanSpec {
        severity: match raw.severity.as_ref()?.value {
            SeverityWord::Critical => Severity::Critical,
            SeverityWord::High => Severity::High,
            SeverityWord::Medium => Severity::Medium,
            SeverityWord::Low => Severity::Low,
        },
        wait: wait.unwrap_or(Span::minutes(5)),
        ignore: items(&raw.ignore).map(|name| name.value.as_str().to_owned()).collect(),
        unscanned: match raw.unscanned.as_ref().map(|at| at.value) {
            Some(AllowWord::Allow) => Unscanned::Allow,
            Some(AllowWord::Refuse) | None => Unscanned::Refuse,
        },
    })
}

fn deferred(raw: &Environment) -> Vec<DeferredRule> {
    fn place<T>(slot: &Slot<T>) -> Option<Place> {
        slot.as_ref().map(|at| at.place.clone())
    }
    let rules = [
        ("checks", place(&raw.checks)),
        ("reviews", place(&raw.reviews)),
        ("approvals", place(&raw.approvals)),
        ("access", place(&raw.access)),
        ("queue", place(&raw.queue)),
        ("pull-requests", place(&raw.pull_requests)),
    ];
    let rule = |(key, place): (&str, Option<Place>)| place.map(|place| DeferredRule { key: key.to_owned(), place });
    rules.into_iter().filter_map(rule).collect()
}
