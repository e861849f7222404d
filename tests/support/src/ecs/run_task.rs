//! One-off tasks, and stopping any task.

use serde_json::{Value, json};

use super::Ecs;
use super::task::{Stop, Task};
use crate::behaviour::Behaviour;
use crate::env::Env;
use crate::reply::{Answer, ApiError, Millis, number, text};

impl Ecs {
    /// `RunTask`: the rule for its images (without a service) decides how it
    /// ends; without one it runs and exits with 0.
    pub(crate) fn run_task(&mut self, body: &Value, now: Millis, env: &mut Env) -> Answer {
        let cluster = self.cluster(body)?;
        let asked = text(body, "taskDefinition").unwrap_or_default();
        let definition = self.definitions.usable(asked)?.clone();
        let awsvpc = definition.document["networkMode"] == "awsvpc";
        if awsvpc && body.get("networkConfiguration").is_none() {
            return Err(ApiError::bad(
                "InvalidParameterException",
                "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
            ));
        }
        let rule = env.rule(None, &definition.images());
        let behaviour = rule.map_or_else(Behaviour::healthy, |rule| rule.behaviour);
        if let Behaviour::Unplaceable { .. } = behaviour {
            let id = env.ids.hex();
            let arn = env.arn("ecs", &format!("container-instance/{id}"));
            return Ok(json!({"tasks": [], "failures": [{"arn": arn, "reason": "RESOURCE:MEMORY"}]}));
        }
        let family = definition.document["family"].as_str().unwrap_or_default().to_owned();
        let group = text(body, "group").map_or_else(|| format!("family:{family}"), str::to_owned);
        let mut documents = Vec::new();
        for _ in 0..number(body, "count").unwrap_or(1) {
            let mut task = Task::new(&cluster, &definition, group.clone(), now, env);
            task.started_by = text(body, "startedBy").map(str::to_owned);
            if let Some(launch) = text(body, "launchType") {
                launch.clone_into(&mut task.launch_type);
            }
            if let Some(overrides) = body.get("overrides") {
                task.overrides = overrides.clone();
            }
            if let Some(tags) = body.get("tags") {
                task.tags = tags.clone();
            }
            if behaviour != (Behaviour::Stuck {}) {
                task.one_off = Some((behaviour.clone(), now + env.ms(None, env.timing.start_ms)));
            }
            documents.push(task.document(Some(&definition)));
            self.loose.push(task);
        }
        Ok(json!({"tasks": documents, "failures": []}))
    }

    /// `StopTask`: a service's task is replaced by the scheduler.
    pub(crate) fn stop_task(&mut self, body: &Value, now: Millis, env: &mut Env) -> Answer {
        let cluster = self.cluster(body)?;
        let asked = text(body, "task").unwrap_or_default();
        let id = asked.rsplit('/').next().unwrap_or(asked).to_owned();
        let reason = text(body, "reason").unwrap_or("Task stopped by user").to_owned();
        let stop = Stop::plain("UserInitiated", reason);
        let definitions = &self.definitions;
        let missing = || ApiError::bad("InvalidParameterException", "The referenced task was not found.");
        if let Some(task) = self.loose.iter_mut().find(|task| task.cluster == cluster && task.id == id) {
            let definition = definitions.find(&task.definition);
            task.stop(now, stop, definition);
            task.one_off = None;
            return Ok(json!({"task": task.document(definition)}));
        }
        for service in self.services.iter_mut().filter(|service| service.cluster == cluster) {
            let Some(task) = service.tasks.iter_mut().find(|task| task.id == id) else { continue };
            let definition = definitions.find(&task.definition);
            task.stop(now, stop, definition);
            let answer = json!({"task": task.document(definition)});
            let primary = service.rollouts.first().map(|known| known.id.clone());
            let idle = service.deployments.first().is_none_or(|newest| newest.status.is_final());
            if let Some(primary) = primary.filter(|_| idle) {
                service.settle_at(&primary, service.wanted(), now, definitions, env);
            }
            return Ok(answer);
        }
        Err(missing())
    }
}
