//! What must hold before a release is planned, beside what the targets say: alarms are quiet, and
//! scans of the images found nothing grave.
//!
//! Everything is asked at once and every refusal is told. A rollback asks for nothing here: a firing
//! alarm is why one goes back, and what is put back was released before.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::{OptionFuture, join3};

use super::scan_gate::{self, Patience};
use crate::config::spec::EnvironmentSpec;
use crate::engine::{Alarms, Cancel, Firing, Wish};
use crate::image::Pipeline;
use crate::problem::{Problem, Problems};
use crate::rollout::Plan;
use crate::types::ServiceName;

/// What is asked.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// The environment's rules.
    pub spec: &'a EnvironmentSpec,
    /// Where its alarms are kept.
    pub alarms: Option<&'a dyn Alarms>,
    /// What each service should run.
    pub wishes: &'a BTreeMap<ServiceName, Wish>,
    /// Who knows what is wrong with images.
    pub pipeline: &'a Arc<Pipeline>,
    /// Whether scans under way are waited for.
    pub patience: Patience,
    /// Ends the waiting.
    pub cancel: &'a Cancel,
}

/// A plan, made while everything else is asked, with what people should know; or all that is against
/// it. A plan that changes nothing needs nothing to hold.
pub async fn planned(
    planning: impl Future<Output = Result<Plan, Problems>>,
    asked: Asked<'_>,
) -> Result<(Plan, Vec<String>), Problems> {
    let Asked { spec, alarms, wishes, pipeline, patience, cancel } = asked;
    let scans = spec.scan.as_ref().map(|rule| scan_gate::look(rule, wishes, pipeline, patience, cancel));
    let scans = Box::pin(OptionFuture::from(scans));
    let (plan, mut against, scans) = join3(planning, quiet(spec, alarms), scans).await;
    let scans = scans.unwrap_or_default();
    against.extend(scans.against);
    match plan {
        Ok(plan) if plan.changes_nothing() => Ok((plan, Vec::new())),
        Ok(plan) => Problems::or(against, (plan, scans.notices)),
        Err(problems) => Err(problems.and(against)),
    }
}

/// The problems of alarms that do not exist or fire already.
async fn quiet(spec: &EnvironmentSpec, alarms: Option<&dyn Alarms>) -> Vec<Problem> {
    let Some(alarms) = alarms.filter(|_| !spec.alarms.is_empty()) else { return Vec::new() };
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
