//! What a deploy would do, for `/plan`. Reads only: nothing is built, brought along, claimed or changed.

use std::sync::Arc;

use shipline::cli::deploy::planned;
use shipline::cli::planning;
use shipline::cli::preconditions::{self, Asked as Preconditions};
use shipline::cli::scan_gate::Patience;
use shipline::config::spec::Config;
use shipline::engine::{Cancel, clock};
use shipline::report::{View, ViewInput, view};
use shipline::rollout::Phase;
use shipline::types::ServiceName;

use super::images::{Bring, Found, Search};
use super::opened::{self, Files, Wanted};
use super::{build, prepare};
use crate::context::Bot;
use crate::decision::{Denied, ReasonCode};
use crate::policy;
use crate::store::{Asked, DeploymentKind};

/// What a deploy would do, as far as it can be known without building.
pub struct Preview {
    /// The plan; absent while images are missing.
    pub view: Option<View>,
    /// What people should know: images that would be built first.
    pub notices: Vec<String>,
}

/// What a deploy would do: the plan, and what people should know about it. Without a plan when an
/// image is missing that the build workflow would bring.
pub async fn preview(bot: &Bot, asked: &Asked, config: &Config) -> Result<Preview, Denied> {
    let began = clock::now();
    let DeploymentKind::Deploy { sha } = asked.kind else {
        let next = "Write `/plan <environment>`.";
        return Err(Denied::new(ReasonCode::Usage, "Only a deploy can be shown beforehand.", next));
    };
    let hub = bot.app.hub(&asked.repository);
    let environment = &asked.key.environment;
    let spec = policy::environment(config, environment)?;
    let services = policy::services(environment, spec, &asked.services)?;
    let files = Files::At(asked.policy_commit);
    let wanted = Wanted { repository: &asked.repository, environment, spec, services: &services, files };
    let opened = opened::open(bot, &hub, &wanted).await?;
    let search = Search {
        bot,
        hub: &hub,
        repository: &asked.repository,
        config,
        spec,
        services: &prepare::with_images(spec, &services),
        session: &opened.session,
        commit: sha,
        cancel: &Cancel::new(),
        bring: Bring::Look,
    };
    let found = match search.find().await? {
        Found::All(images, notices) => prepare::released(sha, images, prepare::built_there(spec, &services), notices),
        Found::Missing(missing) => {
            let Some(build) = &config.build else { return Err(build::nobody_builds(&missing, sha)) };
            let names: Vec<String> = missing.iter().map(|name: &ServiceName| format!("`{name}`")).collect();
            let notice = format!(
                "There is no image of `{}` for {} yet: `/deploy` would run `{}` first. The rest is known when it has run.",
                sha.short(),
                names.join(", "),
                build.workflow
            );
            return Ok(Preview { view: None, notices: vec![notice] });
        }
    };
    let plan = planning::plan(planning::Purpose::Release, environment, spec, &opened.targets, &found.runs, Some(sha));
    let (pipeline, cancel) = (Arc::new(opened::pipeline(bot, &opened.session, &Cancel::new())), Cancel::new());
    let asked = Preconditions {
        spec,
        alarms: Some(opened.alarms.as_ref()),
        wishes: &found.runs,
        pipeline: &pipeline,
        patience: Patience::None,
        cancel: &cancel,
    };
    let plan = preconditions::planned(plan, asked).await;
    let (plan, notices) = plan.map_err(|problems| policy::denied(&problems, ReasonCode::PlanRefused))?;
    let base = plan.services.values().find_map(|part| part.previous.commit).filter(|base| *base != sha);
    let commits = match base {
        Some(base) => hub.commits_between(base, sha).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let input = ViewInput {
        command: "plan".to_owned(),
        origins: found.origins,
        notices: found.notices.into_iter().chain(notices).collect(),
        commits,
        ..ViewInput::default()
    };
    let view = planned(view(&plan, &Phase::first(&plan), input, began, clock::now()));
    Ok(Preview { view: Some(view), notices: Vec::new() })
}
