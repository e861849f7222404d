//! How traffic moves from the old revision to the new one, and who holds it at each step.

use serde::{Deserialize, Serialize};

use super::EcsSpec;
use crate::types::{Percent, Span};

/// How traffic moves from the old revision to the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "strategy")]
pub enum Strategy {
    /// The platform replaces tasks step by step.
    #[default]
    Rolling,
    /// All at once to a second set, then back if it fails.
    BlueGreen {
        /// How long the old set stays.
        bake: Span,
        /// Whether somebody must say yes before the shift.
        approval: Approval,
    },
    /// In equal steps.
    Linear {
        /// The share of one step.
        percent: Percent,
        /// How long one step lasts.
        every: Span,
        /// How long the old set stays at the end.
        bake: Span,
    },
    /// A small share first.
    Canary {
        /// The share.
        percent: Percent,
        /// How long it is watched.
        bake: Span,
        /// Whether somebody must say yes before the rest follows.
        approval: Approval,
        /// How long the old set stays at the end.
        stays: Span,
    },
}

/// Whether a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approval {
    /// Nobody is.
    #[default]
    NotAsked,
    /// Somebody is.
    Asked,
}

/// Who decides about each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Steered {
    /// The platform, by its clock alone.
    #[default]
    Platform,
    /// The rollout: the platform stops before each step until it is told to go on, and goes back by
    /// itself when nobody tells it.
    Rollout,
}

/// How one service is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OwnRollout {
    /// As the environment says.
    #[default]
    AsEnvironment,
    /// Step by step by the platform, whatever the environment says: it has no traffic to move.
    Rolling,
}

impl EcsSpec {
    /// How it is replaced in an environment that is steered like that.
    pub fn steering(&self, environment: Steering) -> Steering {
        match self.rollout {
            OwnRollout::AsEnvironment => environment,
            OwnRollout::Rolling => Steering::default(),
        }
    }
}

/// A strategy with who decides about its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Steering {
    /// How traffic moves.
    pub strategy: Strategy,
    /// Who decides about each step.
    pub by: Steered,
    /// How long a person may take at a step.
    pub patience: Span,
}

impl Strategy {
    /// The word for it in configurations and reports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Rolling => "rolling",
            Self::BlueGreen { .. } => "blue-green",
            Self::Linear { .. } => "linear",
            Self::Canary { .. } => "canary",
        }
    }

    /// How traffic moves, for people; nothing where it does not move in steps.
    pub fn told(&self) -> Option<String> {
        let asks = |approval: Approval| match approval {
            Approval::Asked => ", then somebody is asked",
            Approval::NotAsked => "",
        };
        let moves = match self {
            Self::Rolling => return None,
            Self::BlueGreen { approval: Approval::Asked, .. } => {
                "blue-green, all at once when somebody has said yes".to_owned()
            }
            Self::BlueGreen { approval: Approval::NotAsked, .. } => "blue-green, all at once".to_owned(),
            Self::Linear { percent, every, .. } => format!("linear, {percent} % every {every}"),
            Self::Canary { percent, bake, approval, .. } => {
                format!("canary, {percent} % first and watched for {bake}{}", asks(*approval))
            }
        };
        Some(format!("{moves}; what serves now stays beside it for {}", self.stays()))
    }

    /// How long the old set stays beside the new one when all traffic has moved.
    pub fn stays(&self) -> Span {
        match self {
            Self::Rolling => Span::seconds(0),
            Self::BlueGreen { bake, .. } | Self::Linear { bake, .. } => *bake,
            Self::Canary { stays, .. } => *stays,
        }
    }

    /// How long a step is watched before the next one.
    pub fn step(&self) -> Span {
        match self {
            Self::Rolling | Self::BlueGreen { .. } => Span::seconds(0),
            Self::Linear { every, .. } => *every,
            Self::Canary { bake, .. } => *bake,
        }
    }

    /// How many steps lie between nothing and everything, where the new revision has a share.
    pub fn steps(&self) -> u32 {
        match self {
            Self::Rolling | Self::BlueGreen { .. } => 0,
            Self::Linear { percent, .. } => {
                let steps = (100.0 / percent.value().max(3.0)).ceil() - 1.0;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 33")]
                let steps = steps as u32;
                steps
            }
            Self::Canary { .. } => 1,
        }
    }

    /// Whether somebody must say yes while the new revision has that share.
    pub fn asks_at(&self, traffic: Percent) -> Approval {
        match self {
            Self::BlueGreen { approval, .. } if traffic == Percent::ZERO => *approval,
            Self::Canary { approval, .. } if traffic > Percent::ZERO && traffic < Percent::ALL => *approval,
            Self::Rolling | Self::Linear { .. } | Self::BlueGreen { .. } | Self::Canary { .. } => Approval::NotAsked,
        }
    }

    /// Whether somebody must say yes at all.
    pub fn asks(&self) -> Approval {
        match self {
            Self::BlueGreen { approval, .. } | Self::Canary { approval, .. } => *approval,
            Self::Rolling | Self::Linear { .. } => Approval::NotAsked,
        }
    }
}

impl From<Strategy> for Steering {
    fn from(strategy: Strategy) -> Self {
        Self { strategy, ..Self::default() }
    }
}

/// How long a run in a workflow waits at a step that nothing decides: somebody may still do it in the
/// provider's console, and a runner costs money.
const RUN_WAITS: Span = Span::minutes(15);

impl Steering {
    /// As a run in a workflow holds it: nobody can answer it, so it does not wait for long.
    #[must_use]
    pub fn in_a_run(self) -> Self {
        Self { patience: self.patience.min(RUN_WAITS), ..self }
    }

    /// How long the platform itself watches steps, by its own clock.
    pub fn watches(&self) -> Span {
        match self.by {
            Steered::Platform => Span::seconds(self.strategy.step().as_seconds().saturating_mul(self.strategy.steps())),
            Steered::Rollout => Span::seconds(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_says_what_becomes_of_traffic() {
        let percent: Percent = "10".parse().unwrap();
        let (bake, stays) = (Span::minutes(10), Span::minutes(5));
        let told = |strategy: Strategy| strategy.told();
        assert_eq!(told(Strategy::Rolling), None);
        insta::assert_snapshot!(
            told(Strategy::Canary { percent, bake, approval: Approval::Asked, stays }).unwrap(),
            @"canary, 10 % first and watched for 10m, then somebody is asked; what serves now stays beside it for 5m"
        );
        insta::assert_snapshot!(
            told(Strategy::Linear { percent, every: stays, bake }).unwrap(),
            @"linear, 10 % every 5m; what serves now stays beside it for 10m"
        );
        insta::assert_snapshot!(
            told(Strategy::BlueGreen { bake, approval: Approval::Asked }).unwrap(),
            @"blue-green, all at once when somebody has said yes; what serves now stays beside it for 10m"
        );
    }
}
