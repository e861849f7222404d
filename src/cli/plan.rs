//! `shipline plan`: what `deploy` would change. Builds what is not built yet, changes no service.

use super::conditions;
use super::deploy::{self, Report, Request};
use super::gates::Gates;
use super::host::Host;
use super::recorder::Recorder;
use crate::engine::clock;
use crate::problem::Problems;
use crate::report::view;
use crate::rollout::Phase;

/// Makes the plan and shows it.
pub(super) async fn plan(request: &Request, host: &Host, recorder: &Recorder) -> Result<Report, Problems> {
    let began = clock::now();
    let prepared = deploy::prepare(request, Gates::Tell, host, recorder).await?;
    let commits = deploy::commits_between(prepared.github.as_ref(), &prepared.plan).await;
    let input = deploy::known_of_run("plan", &prepared.images, recorder, commits);
    let first = Phase::first(&prepared.plan);
    let mut view = deploy::planned(view(&prepared.plan, &first, input, began, clock::now()));
    view.gates = conditions::conditions(prepared.spec);
    Ok(Report { view, exit_code: 0 })
}
