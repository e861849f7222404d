//! What a deployment to this service would run into, found without changing anything.
//!
//! A service that is missing and may be created is examined by what it would be created with.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::prepare::{Absent, nothing_active, refuse_own_definition};
use super::raw::Configuration;
use super::{ExpressTarget, MAIN, raw, settings};
use crate::config::spec::CreateService;
use crate::engine::Examination;
use crate::problem::Problem;
use crate::targets::ecs::live::{Live, RolloutState};
use crate::targets::ecs::prepare::refused;
use crate::targets::ecs::raw::{describe, short};
use crate::targets::ecs::render;
use crate::targets::secrets;
use crate::types::RoleArn;

impl ExpressTarget {
    pub(super) async fn examine_service(&self) -> Examination {
        let mut found = Examination::default();
        if let Err(error) = self.refuse_strategy() {
            found.failed(error);
        }
        if !self.ecs.cluster_is_there(&mut found).await {
            return found;
        }
        match self.live_service().await {
            Ok(Ok(live)) => self.examine_live(&live, &mut found).await,
            Ok(Err(absent)) => self.examine_creation(absent, &mut found).await,
            Err(error) => found.failed(error),
        }
        found
    }

    async fn examine_live(&self, live: &Live, found: &mut Examination) {
        found.good(format!("Express service {} is there", self.place_at(None).name));
        if live.primary().is_some_and(|primary| primary.state == RolloutState::InProgress) {
            found.warns(Problem::refused(
                "deployment-in-progress",
                format!("a deployment of {} is under way", self.ecs.service_name()),
                "Wait for its end; a deployment that begins now replaces it, and goes back to what served before it.",
            ));
        }
        if live.desired == 0 && self.spec.scaling.least.is_none_or(|least| least == 0) {
            found.warns(Problem::refused(
                "no-tasks",
                format!("{} runs no task: a deployment would prove nothing", self.ecs.service_name()),
                "Set `min-task-count` to 1 or more.",
            ));
        }
        for group in &live.target_groups {
            self.ecs.examine_target_group(group, found).await;
        }
        let known = match raw::describe(&self.ecs.patient, &live.arn).await {
            Ok(known) => known,
            Err(failure) => return found.failed(failure.into()),
        };
        match known.current(live) {
            Some(current) => self.examine_configuration(current, live, found).await,
            None => found.failed(refused(nothing_active(live))),
        }
    }

    /// The configuration as a deployment would leave it: the one that runs, with what is named here.
    async fn examine_configuration(&self, current: &Configuration, live: &Live, found: &mut Examination) {
        if let Err(error) = refuse_own_definition(current) {
            return found.failed(error);
        }
        let wanted = settings::changed(current.settings.clone(), &self.spec);
        self.examine_roles(live.arn.split(':').nth(4), &wanted, found);
        if let Some(path) = self.spec.health_check_path.as_deref() {
            let runs = current.settings.get("healthCheckPath").and_then(Value::as_str);
            if runs != Some(path) {
                found.good(format!("the health check moves from {} to {path}", runs.unwrap_or("/ping")));
            }
        }
        let definition = match describe(&self.ecs.patient, &current.definition).await {
            Ok(definition) => definition,
            Err(failure) => return found.failed(failure.into()),
        };
        let content = settings::definition(render::content(&definition), MAIN, &wanted);
        // The service's own container and port are ECS's; the rest is checked as of any task.
        self.ecs.examine_content(content, &format!("the configuration of {}", short(&live.arn)), None, found).await;
    }

    /// `iam:PassRole` hands over roles of the service's own account alone.
    fn examine_roles(&self, account: Option<&str>, wanted: &Map<String, Value>, found: &mut Examination) {
        let Some(account) = account else { return };
        for member in ["executionRoleArn", "taskRoleArn", "infrastructureRoleArn"] {
            let Some(arn) = wanted.get(member).and_then(Value::as_str) else { continue };
            match arn.parse::<RoleArn>() {
                Ok(role) if role.account().as_str() == account => found.good(format!("{member} is {arn}")),
                Ok(_) | Err(_) => found.fails(Problem::mistake(
                    "role-elsewhere",
                    format!("{arn} is no role of account {account}, where {} runs", self.ecs.service_name()),
                    "Name a role of that account: ECS takes no other.",
                )),
            }
        }
    }

    /// What a creation would be made of.
    async fn examine_creation(&self, absent: Absent, found: &mut Examination) {
        if self.spec.create == CreateService::No || !matches!(absent, Absent::Service(_)) {
            return found.failed(self.missing(&absent, None));
        }
        found.good(format!("{} is not there and is created", self.place_at(None).name));
        found.platform = Some("linux/amd64".to_owned());
        let account = self.spec.infrastructure_role.as_ref().map(|role| role.account().as_str().to_owned());
        let mut made_of = settings::changed(Map::new(), &self.spec);
        if let Some(role) = &self.spec.infrastructure_role {
            made_of.insert("infrastructureRoleArn".to_owned(), Value::String(role.to_string()));
        }
        self.examine_roles(account.as_deref(), &made_of, found);
        if self.spec.container_port.is_none() {
            found.warns(Problem::refused(
                "port-not-named",
                format!("{} is created without `container-port`: its traffic goes to port 80", self.ecs.service_name()),
                "Name the port the program listens on.",
            ));
        }
        if self.spec.health_check_path.is_none() {
            found.warns(Problem::refused(
                "health-path-not-named",
                format!("{} is created without `health-check-path`: /ping has to answer 200", self.ecs.service_name()),
                "Name the path that tells whether the program is well.",
            ));
        }
        let named: BTreeSet<(String, String)> =
            self.spec.secrets.iter().map(|(name, from)| (name.clone(), from.clone())).collect();
        secrets::examine(&self.ecs.config, &named, found).await;
    }
}
