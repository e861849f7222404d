//! Who is told: ways, occasions, and topics that the environment's own rights reach.

use std::collections::BTreeSet;

use super::super::raw::environment::Environment;
use super::super::raw::notify::{Notify, OccasionWord};
use super::super::raw::values::Text as _;
use super::super::read::{At, Reader};
use super::super::spec::{Occasion, Recipient, Way};
use super::{items, not_empty};
use crate::problem::Problem;

/// Everybody who is told.
pub(super) fn recipients(raw: &Environment, reader: &mut Reader) -> Vec<Recipient> {
    items(&raw.notify).filter_map(|told| recipient(&told.value, raw, reader)).collect()
}

fn recipient(raw: &Notify, environment: &Environment, reader: &mut Reader) -> Option<Recipient> {
    if let (Some(key), None) = (&raw.signed_with, &raw.webhook) {
        let what = "`signed-with` belongs to a `webhook`.";
        reader.note(&key.place, Problem::mistake("needs-another-key", what, "Remove it, or tell a `webhook`."));
    }
    if let Some(on) = &raw.on {
        not_empty(reader, &on.place, on.value.len(), "occasion");
    }
    let mut on: BTreeSet<Occasion> = items(&raw.on)
        .map(|word| match word.value {
            OccasionWord::Start => Occasion::Start,
            OccasionWord::Success => Occasion::Success,
            OccasionWord::Failure => Occasion::Failure,
        })
        .collect();
    if raw.on.is_none() {
        on.extend([Occasion::Success, Occasion::Failure]);
    }
    let text = |at: &At<_>| -> String { super::super::raw::values::SecretName::as_str(&at.value).to_owned() };
    let way = if let Some(address) = &raw.slack {
        Way::Slack(text(address))
    } else if let Some(address) = &raw.webhook {
        Way::Webhook { address: text(address), signed_with: raw.signed_with.as_ref().map(text) }
    } else {
        let topic = raw.sns.as_ref()?;
        reached(topic, environment, reader);
        Way::Sns(topic.value.as_str().to_owned())
    };
    Some(Recipient { way, on })
}

/// A topic is published to with the environment's session: it is in its region and account, as far
/// as they are written here.
fn reached<T: super::super::raw::values::Text>(topic: &At<T>, environment: &Environment, reader: &mut Reader) {
    let Some(aws) = &environment.aws else { return };
    let parts: Vec<&str> = topic.value.as_str().splitn(6, ':').collect();
    let (region, account) = (parts.get(3).copied().unwrap_or_default(), parts.get(4).copied().unwrap_or_default());
    let own = aws.value.region.as_ref().map(|at| at.value.as_str());
    if let Some(own) = own.filter(|own| *own != region) {
        let what = format!("The topic is in `{region}`, and this environment in `{own}`.");
        let next = format!("Name a topic in `{own}`; it can tell others by a subscription.");
        reader.note(&topic.place, Problem::mistake("another-region", what, next));
    }
    let own = aws.value.role.as_ref().map(|at| at.value.account().as_str());
    if let Some(own) = own.filter(|own| *own != account) {
        let what = format!("The topic is in account {account}, and this environment in {own}.");
        let next = "Name a topic of this account; it can tell others by a subscription.";
        reader.note(&topic.place, Problem::mistake("another-account", what, next));
    }
}
