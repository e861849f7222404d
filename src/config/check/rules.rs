//! Rules: checked completely, carried out elsewhere or later.
//!
//! Each one that the engine does not carry out becomes a [`DeferredRule`], so that whoever plans a
//! deployment must either hold it or refuse.

use super::super::raw::Configuration;
use super::super::raw::List;
use super::super::raw::environment::Environment;
use super::super::raw::forms::Either;
use super::super::raw::rules::{AllowWord, Analysis, Approvals, Hook, StrategySettings, StrategyWord};
use super::super::raw::scan::{Scan, SeverityWord};
use super::super::raw::values::{Argument, Text as _};
use super::super::read::{At, Reader, Slot, choose};
use super::super::spec::{DeferredRule, DeferredTo, HookSpec, ScanSpec, Severity, Strategy, Unscanned};
use super::{items, not_empty, within};
use crate::problem::{Place, Problem};
use crate::types::{EnvironmentName, Percent, ServiceName, Span};

/// ECS: bake times are 0 to 1440 minutes.
pub(super) const DAY: Span = Span::minutes(24 * 60);

pub(super) fn rules(
    name: &EnvironmentName,
    raw: &Environment,
    whole: &Configuration,
    reader: &mut Reader,
) -> (Strategy, Vec<DeferredRule>) {
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
    analyses(raw, reader);
    let strategy = strategy(raw, reader);
    (strategy, deferred(raw, strategy))
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
    within(reader, &raw.expires, Span::minutes(1), Span::minutes(30 * 24 * 60));
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

fn analyses(raw: &Environment, reader: &mut Reader) {
    let mut names: Vec<&str> = Vec::new();
    for analysis in items(&raw.analysis) {
        if let Some(name) = &analysis.value.name {
            if names.contains(&name.value.as_str()) {
                let what = format!("There is another measurement named `{}`.", name.value.as_str());
                reader.note(&name.place, Problem::mistake("named-twice", what, "Give each its own name."));
            }
            names.push(name.value.as_str());
        }
        self::analysis(&analysis.value, reader);
    }
}

fn analysis(raw: &Analysis, reader: &mut Reader) {
    within(reader, &raw.every, Span::seconds(1), DAY);
    let Some(At { value: metric, place }) = &raw.cloudwatch else { return };
    within(reader, &metric.period, Span::seconds(1), DAY);
    if metric.metric.is_some() && metric.namespace.is_none() {
        let what = "A metric is found by `namespace` and `metric`; `namespace` is missing.";
        reader.note(place, Problem::mistake("missing-key", what, "Add it, as in `namespace: AWS/ApplicationELB`."));
    }
    if metric.expression.is_some() {
        let beside = [
            ("namespace", metric.namespace.as_ref().map(|at| &at.place)),
            ("statistic", metric.statistic.as_ref().map(|at| &at.place)),
            ("dimensions", metric.dimensions.as_ref().map(|at| &at.place)),
        ];
        for (key, place) in beside {
            if let Some(place) = place {
                let what = format!("`{key}` belongs to a metric; an expression says it itself.");
                reader.note(place, Problem::mistake("too-many-keys", what, "Remove it, or the expression."));
            }
        }
    }
}

fn strategy(raw: &Environment, reader: &mut Reader) -> Strategy {
    let Some(rollout) = &raw.rollout else { return Strategy::Rolling };
    match &rollout.value {
        Either::Short(StrategyWord::Rolling) => Strategy::Rolling,
        Either::Short(StrategyWord::BlueGreen) => Strategy::BlueGreen,
        Either::Short(StrategyWord::Linear) => Strategy::Linear,
        Either::Short(StrategyWord::Canary) => Strategy::Canary(default_canary()),
        Either::Long(settings) => with_settings(settings, reader),
    }
}

fn default_canary() -> Percent {
    "5".parse().expect("5 is a percentage")
}

fn with_settings(raw: &StrategySettings, reader: &mut Reader) -> Strategy {
    if let Some(blue_green) = &raw.blue_green {
        within(reader, &blue_green.value.bake, Span::seconds(0), DAY);
        return Strategy::BlueGreen;
    }
    if let Some(linear) = &raw.linear {
        within(reader, &linear.value.every, Span::seconds(0), DAY);
        within(reader, &linear.value.bake, Span::seconds(0), DAY);
        share(&linear.value.percent, "3", reader);
        return Strategy::Linear;
    }
    if let Some(canary) = &raw.canary {
        within(reader, &canary.value.bake, Span::seconds(0), DAY);
        return Strategy::Canary(share(&canary.value.percent, "0.1", reader).unwrap_or_else(default_canary));
    }
    Strategy::Rolling
}

/// ECS: a linear step is 3 to 100 percent, a canary 0.1 to 100.
fn share(slot: &Slot<Percent>, least: &str, reader: &mut Reader) -> Option<Percent> {
    let At { value: percent, place } = slot.as_ref()?;
    let lowest: Percent = least.parse().expect("the limits here are percentages");
    if *percent < lowest {
        let what = format!("`{percent}` percent is less than {least}, the smallest share ECS shifts this way.");
        reader.note(place, Problem::mistake("out-of-range", what, format!("Write {least} to 100.")));
    }
    Some(*percent)
}

fn deferred(raw: &Environment, strategy: Strategy) -> Vec<DeferredRule> {
    use DeferredTo::{Bot, Nobody};
    fn place<T>(slot: &Slot<T>) -> Option<Place> {
        slot.as_ref().map(|at| at.place.clone())
    }
    let rollout = if strategy == Strategy::Rolling { None } else { place(&raw.rollout) };
    let rules = [
        ("checks", place(&raw.checks), Bot),
        ("reviews", place(&raw.reviews), Bot),
        ("approvals", place(&raw.approvals), Bot),
        ("access", place(&raw.access), Bot),
        ("queue", place(&raw.queue), Bot),
        ("pull-requests", place(&raw.pull_requests), Bot),
        ("rollout", rollout, Nobody),
        ("analysis", place(&raw.analysis), Nobody),
    ];
    let rule =
        |(key, place, by): (&str, Option<Place>, _)| place.map(|place| DeferredRule { key: key.to_owned(), place, by });
    rules.into_iter().filter_map(rule).collect()
}
