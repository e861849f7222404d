//! What the administrator lets repositories use: roles, accounts, regions; and the external id that
//! is theirs alone.

use shipline::config::spec::AwsSpec;

use crate::decision::Denied;
use crate::types::RepositoryRef;

/// The administrator's list. Without one every repository that has the App may deploy, each place
/// belongs to the repository that deployed there first ([`crate::store::Store::claim_places`]), and
/// roles are assumed with the repository's own external id.
#[derive(Debug, Clone, Default)]
pub struct AllowList {}

#[expect(unused_variables, clippy::unimplemented, reason = "the shape; filled in next")]
impl AllowList {
    /// Reads a list: YAML, all mistakes at once.
    pub fn parse(text: &str) -> Result<Self, shipline::problem::Problems> {
        unimplemented!()
    }

    /// The account, region and role a repository may use, as it may use them (external id set), or why not.
    pub fn permitted(&self, repository: &RepositoryRef, wanted: &AwsSpec) -> Result<AwsSpec, Denied> {
        unimplemented!()
    }
}
