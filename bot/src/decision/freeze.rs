//! Freeze windows as an answer to a command; when they hold is [`shipline::rollout::frozen`]'s.

use shipline::config::spec::Freeze;
pub use shipline::rollout::{Frozen, frozen};
use shipline::types::Timestamp;

use super::words::{between, moment};
use super::{Denied, ReasonCode};

/// Whether the freeze windows let a deployment begin now.
pub fn open(environment: &str, windows: &[Freeze], now: Timestamp) -> Result<(), Denied> {
    let denied = |what: String, next: String| Err(Denied::new(ReasonCode::Frozen, what, next));
    match frozen(windows, now) {
        Frozen::No => Ok(()),
        Frozen::Until(end, zone) => denied(
            format!("`{environment}` is frozen until {}, {} from now.", moment(end, &zone), between(now, end)),
            format!("Comment again then. Going back is always possible: `/rollback {environment}`."),
        ),
        Frozen::Always => denied(
            format!("`{environment}` is frozen all week: its windows leave no gap."),
            "Change `freeze` in the policy on the default branch.".to_owned(),
        ),
        Frozen::UnknownZone(zone) => denied(
            format!("`{environment}` has a freeze window in the time zone `{zone}`, which is not known here."),
            "Write the zone as the IANA database has it, for example `Europe/Berlin`, on the default branch."
                .to_owned(),
        ),
    }
}
