//! How the parts of a configuration fit together, and the checked form of each.
//!
//! A part that was reported as wrong is replaced by its default, so that everything beside it is
//! still checked; the result is thrown away when there was any problem.
#![expect(clippy::ref_option, reason = "a slot is a field of a raw table and is handed over whole")]

mod analysis;
mod express;
mod image;
mod notify;
mod policy;
mod rules;
mod strategy;
mod target;
mod verify;

use std::collections::{BTreeMap, BTreeSet};

use super::raw::environment::{Aws, Environment, OnFailureWord};
use super::raw::values::Text as _;
use super::raw::{Configuration, List, Named};
use super::read::{At, Reader, Slot, choose};
use super::spec::{AwsSpec, Config, EnvironmentSpec, OnFailure};
use crate::problem::{Place, Problem};
use crate::types::{EnvironmentName, ServiceName, Span};

/// The version this program reads.
const VERSION: u32 = 1;

/// A value that stands somewhere, or its default.
fn value<T: Clone>(slot: &Slot<T>) -> Option<T> {
    slot.as_ref().map(|at| at.value.clone())
}

/// The right items of a list.
fn items<T>(list: &Slot<List<T>>) -> impl Iterator<Item = &At<T>> {
    list.iter().flat_map(|list| list.value.iter().flatten())
}

/// The right entries of a mapping.
fn pairs<K, T>(map: &Slot<Named<K, T>>) -> impl Iterator<Item = (&K, &At<T>)> {
    map.iter().flat_map(|map| &map.value).filter_map(|(key, at)| at.as_ref().map(|at| (key, at)))
}

/// Says no to a list or mapping with nothing in it.
fn not_empty(reader: &mut Reader, place: &Place, length: usize, what: &str) {
    if length == 0 {
        let next = "Add one, or remove the key if it may be left out.";
        reader.note(place, Problem::mistake("empty", format!("There must be at least one {what}."), next));
    }
}

/// Says no to a length of time outside of its range.
fn within(reader: &mut Reader, slot: &Slot<Span>, least: Span, most: Span) -> Option<Span> {
    let At { value, place } = slot.as_ref()?;
    if !(least..=most).contains(value) {
        let what = format!("`{value}` is outside of {least} to {most}.");
        reader.note(place, Problem::mistake("out-of-range", what, format!("Write a length from {least} to {most}.")));
    }
    Some(*value)
}

/// The problem of a configuration that is newer than this program.
pub(super) fn newer_version(raw: &Configuration) -> Option<Problem> {
    let version = raw.version.as_ref().filter(|version| version.value.0 > VERSION)?;
    let what = format!("The configuration is written for version {} of the format.", version.value.0);
    let next = format!("Use a newer Shipline; this one reads version {VERSION}.");
    let problem = Problem::mistake("newer-version", what, next);
    Some(problem.at(version.place.clone()).see("docs/configuration.md"))
}

/// The whole.
pub(super) fn configuration(raw: &Configuration, reader: &mut Reader) -> Config {
    if let Some(version) = raw.version.as_ref().filter(|version| version.value.0 < VERSION) {
        let next = format!("Write `version: {VERSION}`.");
        reader.note(&version.place, Problem::mistake("invalid-value", "There is no version 0 of the format.", next));
    }
    if let Some(services) = &raw.services {
        not_empty(reader, &services.place, services.value.len(), "service");
    }
    if let Some(environments) = &raw.environments {
        not_empty(reader, &environments.place, environments.value.len(), "environment");
    }
    let services = pairs(&raw.services).map(|(name, at)| (name.clone(), image::service(&at.value, reader))).collect();
    let mut environments = BTreeMap::new();
    for (name, at) in pairs(&raw.environments) {
        environments.insert(name.clone(), environment(name, &at.value, raw, reader));
    }
    circles(raw, reader);
    Config { services, environments, build: image::workflow(raw, reader) }
}

fn environment(
    name: &EnvironmentName,
    raw: &Environment,
    whole: &Configuration,
    reader: &mut Reader,
) -> EnvironmentSpec {
    let mut services = BTreeMap::new();
    if let Some(found) = &raw.services {
        not_empty(reader, &found.place, found.value.len(), "service");
        for (service, target) in &found.value {
            known_service(service, found, whole, reader);
            if let Some(spec) = target.as_ref().and_then(|target| target::target(target, reader)) {
                services.insert(service.clone(), spec);
            }
        }
    }
    let (steering, deferred) = rules::rules(name, raw, whole, reader);
    let most = Span::minutes(24 * 60);
    let (verify, verify_commands) = verify::checks(raw, reader);
    EnvironmentSpec {
        aws: raw.aws.as_ref().map(|aws| account(&aws.value, reader)).unwrap_or_default(),
        deploy_on_push: value(&raw.deploy_on_push).map(|branch| branch.as_str().to_owned()),
        waves: waves(raw, reader),
        services,
        before: items(&raw.before).filter_map(|hook| rules::hook_spec(&hook.value)).collect(),
        verify,
        verify_commands,
        after: items(&raw.after).filter_map(|hook| rules::hook_spec(&hook.value)).collect(),
        alarms: items(&raw.alarms).map(|name| name.value.as_str().to_owned()).collect(),
        analysis: analysis::measures(raw, steering.strategy, reader),
        scan: raw.scan.as_ref().and_then(|scan| rules::scan(&scan.value, reader)),
        notify: notify::recipients(raw, reader),
        on_failure: match value(&raw.on_failure) {
            None | Some(OnFailureWord::RollBackAll) => OnFailure::RollBackAll,
            Some(OnFailureWord::RollBackFailed) => OnFailure::RollBackFailed,
            Some(OnFailureWord::Hold) => OnFailure::Hold,
        },
        within: within(reader, &raw.within, Span::seconds(1), most).unwrap_or(Span::minutes(30)),
        url: value(&raw.url).map(|url| url.as_str().to_owned()),
        steering,
        policy: policy::policy(raw, reader),
        deferred,
    }
}

/// A service of an environment must be a service at all.
fn known_service<T>(
    service: &ServiceName,
    found: &At<Named<ServiceName, T>>,
    whole: &Configuration,
    reader: &mut Reader,
) {
    let Some(services) = &whole.services else { return };
    if services.value.contains_key(service) {
        return;
    }
    let line = found.value.get(service).and_then(Option::as_ref).and_then(|at| at.place.line);
    let path = format!("{}.{service}", found.place.path);
    let place = Place { line: line.or(found.place.line), path, ..found.place.clone() };
    let what = format!("`{service}` is not one of the top-level `services`.");
    let next = choose(service.as_str(), services.value.keys().map(ServiceName::as_str));
    reader.note(&place, Problem::mistake("unknown-service", what, next));
}

fn account(raw: &Aws, reader: &mut Reader) -> AwsSpec {
    let allowed: Vec<_> = items(&raw.allowed_account_ids).map(|account| account.value.clone()).collect();
    if let Some(list) = &raw.allowed_account_ids {
        not_empty(reader, &list.place, list.value.len(), "account");
        let whole = list.value.iter().all(Option::is_some);
        if let Some(role) = raw.role.as_ref().filter(|role| whole && !allowed.contains(role.value.account())) {
            let what =
                format!("The role is in account {}, which `allowed-account-ids` does not list.", role.value.account());
            let next = format!("Add `\"{}\"` to `allowed-account-ids`, or correct the role.", role.value.account());
            reader.note(&role.place, Problem::mistake("account-not-allowed", what, next));
        }
    }
    if let (Some(external), None) = (&raw.external_id, &raw.role) {
        let what = "`external-id` belongs to a role, and there is no `role`.";
        reader.note(&external.place, Problem::mistake("needs-another-key", what, "Add `role`, or remove this."));
    }
    AwsSpec {
        region: value(&raw.region),
        role: value(&raw.role),
        external_id: value(&raw.external_id).map(|id| id.as_str().to_owned()),
        session_name: value(&raw.session_name).map(|name| name.as_str().to_owned()),
        // STS: 900 seconds to the role's maximum, which is 12 hours at most.
        session: within(reader, &raw.session, Span::minutes(15), Span::minutes(12 * 60)),
        allowed_accounts: allowed,
    }
}

/// The order: every service of the environment in exactly one wave.
fn waves(raw: &Environment, reader: &mut Reader) -> Vec<Vec<ServiceName>> {
    let Some(services) = &raw.services else { return Vec::new() };
    let Some(waves) = &raw.waves else { return vec![services.value.keys().cloned().collect()] };
    let mut seen: BTreeMap<&ServiceName, &Place> = BTreeMap::new();
    let mut whole = true;
    let mut order = Vec::new();
    for wave in &waves.value {
        let Some(wave) = wave else {
            whole = false;
            continue;
        };
        not_empty(reader, &wave.place, wave.value.len(), "service in a wave");
        for service in &wave.value {
            let Some(At { value: service, place }) = service else {
                whole = false;
                continue;
            };
            if !services.value.contains_key(service) {
                let what = format!("`{service}` is not a service of this environment.");
                let next = choose(service.as_str(), services.value.keys().map(ServiceName::as_str));
                reader.note(place, Problem::mistake("unknown-service", what, next));
            } else if let Some(first) = seen.get(service) {
                let what = format!("`{service}` already stands in {}.", first.path);
                let next = "Keep it in one wave: it is deployed once.";
                reader.note(place, Problem::mistake("service-twice", what, next));
            } else {
                seen.insert(service, place);
            }
        }
        order.push(wave.value.iter().flatten().map(|at| at.value.clone()).collect());
    }
    let missing: Vec<String> =
        services.value.keys().filter(|name| !seen.contains_key(name)).map(|name| format!("`{name}`")).collect();
    if whole && !missing.is_empty() {
        let what = format!("No wave names {}.", missing.join(", "));
        let next = "Add it to a wave; a wave of its own at the end makes it the last.";
        reader.note(&waves.place, Problem::mistake("service-in-no-wave", what, next));
    }
    order
}

/// Environments that wait for each other would wait for ever.
fn circles(raw: &Configuration, reader: &mut Reader) {
    let requires: BTreeMap<&EnvironmentName, Vec<&At<EnvironmentName>>> =
        pairs(&raw.environments).map(|(name, at)| (name, items(&at.value.requires).collect())).collect();
    let mut told: BTreeSet<&EnvironmentName> = BTreeSet::new();
    for start in requires.keys().copied() {
        let Some(circle) = circle_through(start, &requires) else { continue };
        // One that only waits for itself has been told by its own rule.
        if circle.len() < 2 || circle.iter().any(|name| told.contains(name)) {
            continue;
        }
        told.extend(&circle);
        let place = requires[start].iter().find(|at| circle.get(1) == Some(&&at.value)).map(|at| at.place.clone());
        let mut names: Vec<String> = circle.iter().map(|name| format!("`{name}`")).collect();
        names.push(format!("`{start}`"));
        let what = format!("These environments wait for each other: {}.", names.join(" → "));
        if let Some(place) = place {
            reader.note(&place, Problem::mistake("circle", what, "Remove one of these from its `requires`."));
        }
    }
}

/// A way from an environment back to itself, if there is one; found breadth first, so it is a shortest.
fn circle_through<'a>(
    start: &'a EnvironmentName,
    requires: &BTreeMap<&'a EnvironmentName, Vec<&'a At<EnvironmentName>>>,
) -> Option<Vec<&'a EnvironmentName>> {
    let mut came_from: BTreeMap<&EnvironmentName, &EnvironmentName> = BTreeMap::new();
    let mut ahead = std::collections::VecDeque::from([start]);
    while let Some(here) = ahead.pop_front() {
        for next in requires.get(here).into_iter().flatten().map(|at| &at.value) {
            if next == start {
                let mut way = vec![here];
                while let Some(before) = way.last().and_then(|last| came_from.get(last)) {
                    way.push(before);
                }
                way.reverse();
                return Some(way);
            }
            if !came_from.contains_key(next) {
                came_from.insert(next, here);
                ahead.push_back(next);
            }
        }
    }
    None
}
