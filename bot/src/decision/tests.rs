//! The decision over tables and random situations. Facts are made here; nothing is asked.

mod access;
mod binding;
mod checks;
mod freeze;
mod job;
mod order;
mod rest;
mod whole;

use shipline::config::spec::{Config, EnvironmentSpec};
use shipline::types::{CommitSha, EnvironmentName, Timestamp};

use super::{
    Allowed, Ancestry, CommitFacts, Denied, Facts, Learned, Pull, PullState, Question, ReasonCode, Rights, Situation,
    Wanted, decide,
};
use crate::store::{Head, Lock};
use crate::types::{Actor, EnvironmentKey, RepositoryId, UserId};

pub(super) fn sha(digit: char) -> CommitSha {
    digit.to_string().repeat(40).parse().unwrap()
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) const COMMENTED: &str = "2026-03-03T12:00:00Z";
pub(super) const NOW: &str = "2026-03-03T12:00:02Z";

/// A command in a pull request that nothing speaks against, to be spoilt.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) wanted: Wanted,
    pub(super) environment: EnvironmentName,
    pub(super) config: Config,
    pub(super) situation: Situation,
    pub(super) actor: Actor,
    pub(super) rights: Rights,
    pub(super) facts: Facts,
    pub(super) now: Timestamp,
}

const POLICY: &str = "
version: 1
services:
  api: { image: { repository: acme/api } }
  web: { image: { repository: acme/web } }
environments:
  staging:
    aws: { region: us-east-1 }
    services: { api: { ecs: { cluster: c, service: api } }, web: { ecs: { cluster: c, service: web } } }
  production:
    aws: { region: us-east-1 }
    services: { api: { ecs: { cluster: p, service: api } }, web: { ecs: { cluster: p, service: web } } }
";

impl Scene {
    pub(super) fn new() -> Self {
        let config = shipline::config::parse("shipline.yml", POLICY).unwrap();
        let pull = Pull {
            number: 7,
            state: PullState::Open,
            draft: false,
            head: sha('a'),
            base: "main".to_owned(),
            head_repository: Some(RepositoryId::new(1)),
            fork: false,
            author: Some("ben".to_owned()),
            title: "Faster".to_owned(),
            mergeable: Some(true),
            behind: false,
            reviews: None,
            approvals: Vec::new(),
        };
        Self {
            wanted: Wanted::Deploy { sha: None },
            environment: "staging".parse().unwrap(),
            config,
            situation: Situation {
                default_branch: "main".to_owned(),
                policy_commit: sha('0'),
                policy: Some(POLICY.to_owned()),
                pull: Some(pull),
                deployments: Vec::new(),
                public: false,
            },
            actor: Actor { id: UserId::new(10), login: "ann".to_owned() },
            rights: Rights {
                user: UserId::new(10),
                login: "ann".to_owned(),
                role: Some(shipline::config::spec::Role::Write),
                teams: Vec::new(),
            },
            facts: Facts {
                learned: Learned::Head(Head { sha: sha('a'), at: at("2026-03-03T11:50:00Z"), sequence: 1 }),
                commit: CommitFacts {
                    ancestry: Ancestry::NotAsked,
                    checks: None,
                    required: None,
                    good_since: Vec::new(),
                },
                lock: None,
                open: Vec::new(),
                own: Vec::new(),
            },
            now: at(NOW),
        }
    }

    pub(super) fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut scene = Self::new();
        change(&mut scene);
        scene
    }

    pub(super) fn pull(&mut self) -> &mut Pull {
        self.situation.pull.as_mut().unwrap()
    }

    pub(super) fn spec(&mut self) -> &mut EnvironmentSpec {
        self.config.environments.get_mut(&self.environment).unwrap()
    }

    pub(super) fn question(&self) -> Question<'_> {
        Question {
            wanted: self.wanted,
            environment: &self.environment,
            spec: &self.config.environments[&self.environment],
            situation: &self.situation,
            actor: &self.actor,
            rights: &self.rights,
            facts: &self.facts,
            commented: at(COMMENTED),
            now: self.now,
        }
    }

    pub(super) fn decide(&self) -> Result<Allowed, Denied> {
        decide(&self.question())
    }

    pub(super) fn denied(&self) -> Denied {
        self.decide().expect_err("it was allowed")
    }

    pub(super) fn code(&self) -> ReasonCode {
        self.decide().map_or_else(|denied| denied.code, |_| ReasonCode::Allowed)
    }

    pub(super) fn lock(&self, holder: u64, reason: &str) -> Lock {
        Lock {
            key: EnvironmentKey { repository: RepositoryId::new(1), environment: self.environment.clone() },
            holder: Actor { id: UserId::new(holder), login: if holder == 10 { "ann" } else { "cat" }.to_owned() },
            reason: reason.to_owned(),
            since: at("2026-03-03T11:30:00Z"),
            until: Some(at("2026-03-03T13:00:00Z")),
        }
    }
}

/// A no as it is read.
pub(super) fn text(denied: &Denied) -> String {
    let mut text = format!("[{}] {}", denied.code.word(), denied.what);
    for why in &denied.why {
        text.push_str("\n- ");
        text.push_str(why);
    }
    format!("{text}\n→ {}", denied.next)
}
