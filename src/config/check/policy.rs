//! The rules about people and time, in their checked form: for the bot, which carries them out.
//!
//! What a rule may not be is said here where it is about one rule alone; [`super::rules`] says how
//! rules fit to the rest.

use super::super::raw::List;
use super::super::raw::environment::Environment;
use super::super::raw::forms::Either;
use super::super::raw::rules::{
    AllowWord, Allowed, Approvals, ChecksWord, People, PullRequests, QueueWord, ReviewsWord,
};
use super::super::raw::values::{Access as RawWho, Text, WeekTime as RawTime};
use super::super::read::{Reader, Slot};
use super::super::spec::{
    Access, Allow, ApprovalsSpec, BehindBase, Checks, Freeze, Policy, Pulls, Queue, Reviews, Role, WeekTime, Who,
};
use super::{items, not_empty, value};
use crate::problem::Problem;
use crate::types::Span;

pub(super) fn policy(raw: &Environment, reader: &mut Reader) -> Policy {
    Policy {
        requires: items(&raw.requires).map(|at| at.value.clone()).collect(),
        soak: value(&raw.soak).unwrap_or(Span::seconds(0)),
        checks: checks(raw, reader),
        reviews: match value(&raw.reviews) {
            None => Reviews::NotAsked,
            Some(ReviewsWord::Required) => Reviews::Required,
        },
        approvals: raw.approvals.as_ref().and_then(|at| approvals(&at.value)),
        freeze: items(&raw.freeze)
            .filter_map(|freeze| {
                Some(Freeze {
                    from: week_time(&freeze.value.from)?,
                    to: week_time(&freeze.value.to)?,
                    zone: freeze.value.zone.as_ref()?.value.as_str().to_owned(),
                })
            })
            .collect(),
        access: access(raw, reader),
        queue: match value(&raw.queue) {
            None | Some(QueueWord::One) => Queue::One,
            Some(QueueWord::Refuse) => Queue::Refuse,
        },
        pulls: raw.pull_requests.as_ref().map(|pulls| self::pulls(&pulls.value, reader)).unwrap_or_default(),
    }
}

fn checks(raw: &Environment, reader: &mut Reader) -> Checks {
    let Some(checks) = &raw.checks else { return Checks::NotAsked };
    match &checks.value {
        Either::Short(ChecksWord::Required) => Checks::Required,
        Either::Short(ChecksWord::All) => Checks::All,
        Either::Long(names) => {
            not_empty(reader, &checks.place, names.len(), "check");
            Checks::Named(texts(names))
        }
    }
}

/// Nothing when it names nobody, which is told elsewhere.
fn approvals(raw: &Approvals) -> Option<ApprovalsSpec> {
    let from: Vec<Who> = items(&raw.from).map(|at| person(at.value.as_str())).collect();
    let expires = value(&raw.expires).unwrap_or(Span::minutes(24 * 60));
    (!from.is_empty()).then(|| ApprovalsSpec {
        count: raw.count.as_ref().map_or(1, |count| count.value.0),
        from,
        requester: match value(&raw.requester) {
            Some(true) => Allow::Yes,
            Some(false) | None => Allow::No,
        },
        expires,
        remind: value(&raw.remind).unwrap_or_else(|| expires.half()),
    })
}

fn texts<T: Text>(list: &List<T>) -> Vec<String> {
    list.iter().flatten().map(|at| at.value.as_str().to_owned()).collect()
}

fn access(raw: &Environment, reader: &mut Reader) -> Access {
    let people: Option<&People> = raw.access.as_ref().map(|people| &people.value);
    let mut allowed = |slot: fn(&People) -> &Slot<Allowed>| {
        let slot = slot(people?).as_ref()?;
        match &slot.value {
            Either::Short(one) => Some(vec![who(one)]),
            Either::Long(several) => {
                not_empty(reader, &slot.place, several.len(), "role, team or user");
                Some(several.iter().flatten().map(|at| who(&at.value)).collect())
            }
        }
    };
    let usual = Access::default();
    let approvers: Vec<Who> =
        raw.approvals.iter().flat_map(|at| items(&at.value.from)).map(|at| person(at.value.as_str())).collect();
    let deploy = allowed(|people| &people.deploy).unwrap_or(usual.deploy);
    Access {
        rollback: allowed(|people| &people.rollback).unwrap_or_else(|| deploy.clone()),
        approve: allowed(|people| &people.approve).unwrap_or(if approvers.is_empty() {
            usual.approve
        } else {
            approvers
        }),
        lock: allowed(|people| &people.lock).unwrap_or(usual.lock),
        deploy,
    }
}

fn who(raw: &RawWho) -> Who {
    match raw.as_str() {
        "read" => Who::Role(Role::Read),
        "triage" => Who::Role(Role::Triage),
        "write" => Who::Role(Role::Write),
        "maintain" => Who::Role(Role::Maintain),
        "admin" => Who::Role(Role::Admin),
        name => person(name),
    }
}

/// `@organisation/team` or `@user`. Names stay as they are written; GitHub compares them without case.
fn person(text: &str) -> Who {
    let name = text.strip_prefix('@').unwrap_or(text);
    match name.split_once('/') {
        Some((org, slug)) => Who::Team { org: org.to_owned(), slug: slug.to_owned() },
        None => Who::User(name.to_owned()),
    }
}

fn week_time(raw: &Slot<RawTime>) -> Option<WeekTime> {
    let text = raw.as_ref()?.value.as_str();
    let (day, time) = text.split_once(' ')?;
    let (hour, minute) = time.split_once(':')?;
    let day = (0..).zip(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]).find(|(_, name)| *name == day)?.0;
    Some(WeekTime { day, hour: hour.parse().ok()?, minute: minute.parse().ok()? })
}

fn pulls(raw: &PullRequests, reader: &mut Reader) -> Pulls {
    let allow = |slot: &Slot<AllowWord>| match value(slot) {
        None | Some(AllowWord::Refuse) => Allow::No,
        Some(AllowWord::Allow) => Allow::Yes,
    };
    if let Some(bases) = &raw.bases {
        not_empty(reader, &bases.place, bases.value.len(), "branch");
    }
    let mut bases: Vec<String> = Vec::new();
    for base in items(&raw.bases) {
        let name = base.value.as_str();
        if bases.iter().any(|seen| seen == name) {
            let what = format!("`{name}` is named twice.");
            reader.note(&base.place, Problem::mistake("named-twice", what, "Keep one of them."));
        }
        bases.push(name.to_owned());
    }
    Pulls {
        drafts: allow(&raw.drafts),
        forks: allow(&raw.forks),
        bases,
        behind: match value(&raw.behind) {
            None | Some(AllowWord::Allow) => BehindBase::Allowed,
            Some(AllowWord::Refuse) => BehindBase::Refused,
        },
    }
}
