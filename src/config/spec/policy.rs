//! The rules about people and time: who may ask, from what, when, after what. The bot carries them
//! out; a run in a workflow says that it does not ask for those about people.

use crate::types::{EnvironmentName, Span};

/// What must hold before a deployment of an environment may begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Environments where this very release must be good first.
    pub requires: Vec<EnvironmentName>,
    /// How long it must have been good there.
    pub soak: Span,
    /// Checks of the commit that must have passed.
    pub checks: Checks,
    /// Whether the reviews that branch protection requires must be there.
    pub reviews: Reviews,
    /// People who must say yes before anything changes; nobody when absent.
    pub approvals: Option<ApprovalsSpec>,
    /// Times of the week when nothing is deployed.
    pub freeze: Vec<Freeze>,
    /// Who may do what.
    pub access: Access,
    /// What happens to a command while a deployment is open.
    pub queue: Queue,
    /// From which pull requests may be deployed.
    pub pulls: Pulls,
}

/// Which checks count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Checks {
    /// None.
    #[default]
    NotAsked,
    /// Those that branch protection and rulesets require of the base branch.
    Required,
    /// All that were reported; at least one.
    All,
    /// These, by name.
    Named(Vec<String>),
}

/// Which reviews count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reviews {
    /// None.
    #[default]
    NotAsked,
    /// Those that branch protection requires.
    Required,
}

/// People who must say yes to a plan before it is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalsSpec {
    /// How many of them.
    pub count: u32,
    /// Who may; not empty.
    pub from: Vec<Who>,
    /// Whether the person who asked for the deployment may be one of them.
    pub requester: Allow,
    /// How long the question stays open.
    pub expires: Span,
    /// How long after the question they are reminded.
    pub remind: Span,
}

/// A time of the week, in a zone that [`Freeze`] names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WeekTime {
    /// Days since Monday, 0 to 6.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
}

/// A time of the week when nothing is deployed; it may go over the end of the week.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// Its beginning.
    pub from: WeekTime,
    /// Its end.
    pub to: WeekTime,
    /// IANA name of the zone of both.
    pub zone: String,
}

/// A role in a repository, in the order of what it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Can look.
    Read,
    /// Can label and close.
    Triage,
    /// Can push.
    Write,
    /// Can manage without what is dangerous.
    Maintain,
    /// Can do everything.
    Admin,
}

/// Somebody who may do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Everybody with at least this role.
    Role(Role),
    /// The active members of a team.
    Team {
        /// Its organisation.
        org: String,
        /// Its slug.
        slug: String,
    },
    /// One user, by login.
    User(String),
}

/// Who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Who may deploy.
    pub deploy: Vec<Who>,
    /// Who may go back.
    pub rollback: Vec<Who>,
    /// Who may approve.
    pub approve: Vec<Who>,
    /// Who may lock and unlock.
    pub lock: Vec<Who>,
}

/// What happens to a command while a deployment is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Queue {
    /// It waits; the newest waiting one replaces the older.
    #[default]
    One,
    /// It is refused.
    Refuse,
}

/// Whether something unusual is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Allow {
    /// It is not.
    #[default]
    No,
    /// It is.
    Yes,
}

/// From which pull requests may be deployed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pulls {
    /// From drafts.
    pub drafts: Allow,
    /// From forks, when somebody who can write has approved the very commit.
    pub forks: Allow,
    /// Base branches; only the default branch when empty.
    pub bases: Vec<String>,
    /// Whether the branch must hold all commits of its base (`Yes`: it need not).
    pub behind: BehindBase,
}

/// Whether a branch may lack commits of its base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BehindBase {
    /// It may.
    #[default]
    Allowed,
    /// It must be up to date.
    Refused,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            requires: Vec::new(),
            soak: Span::seconds(0),
            checks: Checks::default(),
            reviews: Reviews::default(),
            approvals: None,
            freeze: Vec::new(),
            access: Access::default(),
            queue: Queue::default(),
            pulls: Pulls::default(),
        }
    }
}

/// `write` for everything but locks, which are for `maintain`.
impl Default for Access {
    fn default() -> Self {
        let write = || vec![Who::Role(Role::Write)];
        Self { deploy: write(), rollback: write(), approve: write(), lock: vec![Who::Role(Role::Maintain)] }
    }
}

/// The workflow that builds what is missing, for the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildWorkflow {
    /// Its file in `.github/workflows`, as of the default branch: `build.yml`.
    pub workflow: String,
    /// How long a run may take.
    pub within: Span,
}
