//! What measurements call the two revisions of a change.

use std::collections::BTreeMap;

/// What stands for the variables of queries about one service: the name without braces, and its value
/// as the provider's dimensions and addresses have it (`targetgroup/api/1f2e3d` for `target-group`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sides {
    /// For the new revision.
    pub new: BTreeMap<String, String>,
    /// For the old one.
    pub old: BTreeMap<String, String>,
}
