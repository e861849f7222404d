//! From wishes to a plan: every target is asked what it would do, all at once, and all refusals
//! are reported together.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::config::spec::EnvironmentSpec;
use crate::engine::{Targets, Wish};
use crate::problem::{Problem, Problems};
use crate::rollout::{Plan, Release};
use crate::types::{CommitSha, EnvironmentName, ServiceName};

/// A plan for these wishes. Changes nothing.
pub async fn plan(
    environment: &EnvironmentName,
    spec: &EnvironmentSpec,
    targets: &Targets,
    wishes: &BTreeMap<ServiceName, Wish>,
    commit: Option<CommitSha>,
) -> Result<Plan, Problems> {
    let asked = wishes.iter().filter_map(|(name, wish)| targets.get(name).map(|target| (name, wish, target)));
    let answers = join_all(asked.map(async |(name, wish, target)| (name, target.prepare(wish).await))).await;
    let mut services = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, answer) in answers {
        match answer {
            Ok(preparation) => {
                services.insert(name.clone(), preparation.service);
            }
            Err(error) => problems.push(about(name, error.into())),
        }
    }
    let images = wishes
        .iter()
        .filter_map(|(name, wish)| match wish {
            Wish::Image { image, .. } => Some((name.clone(), image.clone())),
            Wish::Revision(revision) => revision.image.clone().map(|image| (name.clone(), image)),
        })
        .collect();
    Problems::or(problems, ())?;
    let waves = spec
        .waves
        .iter()
        .map(|wave| wave.iter().filter(|name| services.contains_key(*name)).cloned().collect())
        .collect();
    let plan = Plan {
        environment: environment.clone(),
        release: Release { commit, images },
        services,
        waves,
        checks: spec.verify.clone(),
        on_failure: spec.on_failure,
        within: spec.within,
    };
    plan.checked().map_err(|error| Problem::defect("plan", error.to_string()).into())
}

/// Says which service a target's problem is about.
pub fn about(service: &ServiceName, mut problem: Problem) -> Problem {
    problem.what = format!("{service}: {}", problem.what);
    problem
}
