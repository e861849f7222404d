//! How traffic moves: what the platform can do, and who decides about each step.

use super::super::raw::environment::{Environment, OnFailureWord};
use super::super::raw::forms::Either;
use super::super::raw::rules::{BlueGreen, Canary, Linear, StrategyWord};
use super::super::read::{At, Reader, Slot};
use super::super::spec::{Approval, Steered, Steering, Strategy};
use super::rules::DAY;
use super::{items, within};
use crate::problem::Problem;
use crate::types::{Percent, Span};

/// ECS: the old set stays for minutes after the shift, unless said otherwise.
const STAYS: Span = Span::minutes(5);

/// How long a person may take, unless `approvals.expires` says otherwise.
const PATIENCE: Span = DAY;

pub(super) fn steering(raw: &Environment, reader: &mut Reader) -> Steering {
    let strategy = match raw.rollout.as_ref().map(|at| &at.value) {
        None | Some(Either::Short(StrategyWord::Rolling)) => Strategy::Rolling,
        Some(Either::Short(StrategyWord::BlueGreen)) => blue_green(&BlueGreen { bake: None, approval: None }, reader),
        Some(Either::Short(StrategyWord::Linear)) => linear(&Linear { percent: None, every: None, bake: None }, reader),
        Some(Either::Short(StrategyWord::Canary)) => {
            canary(&Canary { percent: None, bake: None, approval: None, stays: None }, reader)
        }
        Some(Either::Long(settings)) => {
            if let Some(settings) = &settings.blue_green {
                blue_green(&settings.value, reader)
            } else if let Some(settings) = &settings.linear {
                linear(&settings.value, reader)
            } else if let Some(settings) = &settings.canary {
                canary(&settings.value, reader)
            } else {
                Strategy::Rolling
            }
        }
    };
    let decided = strategy.asks() == Approval::Asked || items(&raw.analysis).next().is_some();
    let by = if decided && strategy != Strategy::Rolling { Steered::Rollout } else { Steered::Platform };
    match by {
        Steered::Platform => whole_minutes(raw, reader),
        Steered::Rollout => not_held(raw, strategy, reader),
    }
    let expires = raw.approvals.as_ref().and_then(|at| at.value.expires.as_ref());
    Steering { strategy, by, patience: expires.map_or(PATIENCE, |at| at.value) }
}

fn blue_green(raw: &BlueGreen, reader: &mut Reader) -> Strategy {
    let bake = stays(&raw.bake, reader);
    Strategy::BlueGreen { bake, approval: asked(&raw.approval) }
}

fn linear(raw: &Linear, reader: &mut Reader) -> Strategy {
    let every = within(reader, &raw.every, Span::seconds(0), DAY).unwrap_or(Span::minutes(6));
    let bake = stays(&raw.bake, reader);
    Strategy::Linear { percent: share(&raw.percent, "3", "10", reader), every, bake }
}

fn canary(raw: &Canary, reader: &mut Reader) -> Strategy {
    let bake = within(reader, &raw.bake, Span::seconds(0), DAY).unwrap_or(Span::minutes(10));
    let stays = stays(&raw.stays, reader);
    Strategy::Canary { percent: share(&raw.percent, "0.1", "5", reader), bake, approval: asked(&raw.approval), stays }
}

fn asked(slot: &Slot<bool>) -> Approval {
    if slot.as_ref().is_some_and(|at| at.value) { Approval::Asked } else { Approval::NotAsked }
}

/// How long the old set stays: the platform counts it, in minutes.
fn stays(slot: &Slot<Span>, reader: &mut Reader) -> Span {
    let Some(span) = within(reader, slot, Span::seconds(0), DAY) else { return STAYS };
    in_minutes(slot, reader);
    span
}

fn in_minutes(slot: &Slot<Span>, reader: &mut Reader) {
    if let Some(At { value, place }) = slot
        && !value.as_seconds().is_multiple_of(60)
    {
        let what = format!("ECS counts this in whole minutes; `{value}` is none.");
        reader.note(place, Problem::mistake("out-of-range", what, "Write whole minutes, as in `5m`."));
    }
}

/// A step that the platform times is counted in minutes as well.
fn whole_minutes(raw: &Environment, reader: &mut Reader) {
    let Some(Either::Long(settings)) = raw.rollout.as_ref().map(|at| &at.value) else { return };
    if let Some(linear) = &settings.linear {
        in_minutes(&linear.value.every, reader);
    }
    if let Some(canary) = &settings.canary {
        in_minutes(&canary.value.bake, reader);
    }
}

/// A rollout that decides about steps cannot be left in its middle: ECS would end it.
fn not_held(raw: &Environment, strategy: Strategy, reader: &mut Reader) {
    if let Some(At { value: OnFailureWord::Hold, place }) = &raw.on_failure {
        let what = format!(
            "With `hold` a {} rollout that fails would stay with its traffic split, until ECS takes it back.",
            strategy.word()
        );
        let next = "Write `roll-back-all`, or remove `analysis` and `approval`.";
        reader.note(place, Problem::mistake("cannot-be-held", what, next));
    }
}

/// ECS: a linear step is 3 to 100 percent, a canary 0.1 to 100.
fn share(slot: &Slot<Percent>, least: &str, usual: &str, reader: &mut Reader) -> Percent {
    let percentage = |text: &str| text.parse::<Percent>().expect("the limits here are percentages");
    let Some(At { value: percent, place }) = slot else { return percentage(usual) };
    if *percent < percentage(least) {
        let what = format!("`{percent}` percent is less than {least}, the smallest share ECS shifts this way.");
        reader.note(place, Problem::mistake("out-of-range", what, format!("Write {least} to 100.")));
    }
    *percent
}
