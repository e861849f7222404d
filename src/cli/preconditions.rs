//! What must hold before a release is planned, beside what the targets say: alarms are quiet.
//!
//! Everything is asked at once and every refusal is told. A rollback asks for nothing here: a firing
//! alarm is why one goes back.

use futures_util::future::join;

use crate::config::spec::EnvironmentSpec;
use crate::engine::{Alarms, Firing};
use crate::problem::{Problem, Problems};
use crate::rollout::Plan;

/// What is asked.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The environment's rules.
    pub spec: &'a EnvironmentSpec,
    /// Where its alarms are kept.
    pub alarms: &'a dyn Alarms,
}

/// A plan, made while everything else is asked, or all that is against it. A plan that changes
/// nothing needs nothing to hold.
pub async fn planned(
    planning: impl Future<Output = Result<Plan, Problems>>,
    asked: Asked<'_>,
) -> Result<Plan, Problems> {
    let (plan, against) = join(planning, alarms(asked.spec, asked.alarms)).await;
    match plan {
        Ok(plan) if plan.changes_nothing() => Ok(plan),
        Ok(plan) => Problems::or(against, plan),
        Err(problems) => Err(problems.and(against)),
    }
}

/// The problems of alarms that do not exist or fire already.
async fn alarms(spec: &EnvironmentSpec, alarms: &dyn Alarms) -> Vec<Problem> {
    if spec.alarms.is_empty() {
        return Vec::new();
    }
    let alarmed = match alarms.look(&spec.alarms).await {
        Ok(alarmed) => alarmed,
        Err(failure) => return vec![failure.problem()],
    };
    let missing = alarmed.missing.iter().map(|name| {
        Problem::refused(
            "alarm-missing",
            format!("there is no alarm {name} in this account and region"),
            "Create it (`aws cloudwatch put-metric-alarm`), or correct `alarms`: nobody would be warned by it.",
        )
    });
    let firing = alarmed.firing.iter().map(|Firing { name, reason, url }| {
        let problem = Problem::refused(
            "alarm-firing",
            format!("alarm {name} fires already"),
            "Deploy when it is quiet again. If the release is what mends it: remove it from `alarms` for this once. \
             A rollback does not ask.",
        )
        .because(reason.clone());
        url.iter().fold(problem, |problem, url| problem.because(url.clone()))
    });
    missing.chain(firing).collect()
}
