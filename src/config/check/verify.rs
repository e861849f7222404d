//! Checks after everything serves: what belongs to an address, and what to a command.
#![expect(clippy::ref_option, reason = "a slot is a field of a raw table and is handed over whole")]

use super::super::raw::environment::Environment;
use super::super::raw::values::{Text as _, milliseconds};
use super::super::raw::verify::Verify;
use super::super::read::{Reader, Slot};
use super::super::spec::{HookSpec, HttpCheck};
use super::{items, not_empty, pairs, rules, value, within};
use crate::problem::{Place, Problem};
use crate::types::Span;

/// The addresses and the commands, each in their order.
pub(super) fn checks(raw: &Environment, reader: &mut Reader) -> (Vec<HttpCheck>, Vec<HookSpec>) {
    let (mut addresses, mut commands) = (Vec::new(), Vec::new());
    for check in items(&raw.verify) {
        if check.value.run.is_some() {
            commands.extend(command(&check.value, raw, &check.place, reader));
        } else {
            addresses.push(address(&check.value, reader));
        }
    }
    (addresses, commands)
}

fn address(raw: &Verify, reader: &mut Reader) -> HttpCheck {
    stray("in", &raw.service, "run", reader);
    HttpCheck {
        url: value(&raw.http).map(|url| url.as_str().to_owned()).unwrap_or_default(),
        expect: value(&raw.expect).and_then(|status| u16::try_from(status.0).ok()).unwrap_or(200),
        body: value(&raw.body).map(|text| text.as_str().to_owned()),
        headers: pairs(&raw.header)
            .map(|(name, text)| (name.as_str().to_ascii_lowercase(), text.value.as_str().to_owned()))
            .collect(),
        latency_ms: value(&raw.latency).and_then(|text| milliseconds(text.as_str())),
        within: within(reader, &raw.within, Span::seconds(1), Span::minutes(60)).unwrap_or(Span::seconds(60)),
    }
}

fn command(raw: &Verify, environment: &Environment, place: &Place, reader: &mut Reader) -> Option<HookSpec> {
    stray("expect", &raw.expect, "http", reader);
    stray("body", &raw.body, "http", reader);
    stray("header", &raw.header, "http", reader);
    stray("latency", &raw.latency, "http", reader);
    let run = raw.run.as_ref()?;
    not_empty(reader, &run.place, run.value.len(), "argument");
    within(reader, &raw.within, Span::seconds(1), rules::DAY);
    let Some(service) = &raw.service else {
        let what = "A command runs with the image of a service, and `in` is missing.";
        reader
            .note(place, Problem::mistake("missing-key", what, "Add it, as in `{ run: [bin/smoke-test], in: api }`."));
        return None;
    };
    rules::known_here(service, environment, reader);
    Some(HookSpec {
        service: service.value.clone(),
        run: rules::words(&raw.run),
        undo: Vec::new(),
        within: raw.within.as_ref().map_or(Span::minutes(10), |at| at.value),
    })
}

/// Says no to a key that belongs to the other kind of check.
fn stray<T>(key: &str, slot: &Slot<T>, kind: &str, reader: &mut Reader) {
    if let Some(at) = slot {
        let what = format!("`{key}` belongs to a check with `{kind}`.");
        reader.note(
            &at.place,
            Problem::mistake("needs-another-key", what, format!("Remove it, or check with `{kind}`.")),
        );
    }
}
