//! One-off tasks, and stopping any task.

use serde_json::{Value, json};

use super::Ecs;
use super::definition::Definition;
use super::task::{Stop, Task, TaskStatus};
use crate::behaviour::Behaviour;
use crate::env::Env;
use crate::reply::{Answer, ApiError, Millis, number, text, texts};

impl Ecs {
    /// `RunTask`: the rule for its command and images (without a service)
    /// decides how it ends; without one it runs and exits with 0.
    ///
    /// The same `clientToken` with the same request answers what it answered
    /// before and starts nothing; with another request it is a
    /// `ConflictException` (AWS ECS API reference, `RunTask`).
    pub(crate) fn run_task(&mut self, body: &Value, now: Millis, env: &mut Env) -> Answer {
        let cluster = self.cluster(body)?;
        let token = text(body, "clientToken");
        if let Some((request, answer)) = token.and_then(|token| self.run.get(token)) {
            if request != body {
                let message = "The provided clientToken is already in use with a different RunTask request.";
                return Err(ApiError::bad("ConflictException", message));
            }
            return Ok(answer.clone());
        }
        let asked = text(body, "taskDefinition").unwrap_or_default();
        let definition = self.definitions.usable(asked)?.clone();
        check(body, &definition)?;
        let command = command(body);
        let rule = env.rule(None, &definition.images(), Some(&command));
        let behaviour = rule.map_or_else(Behaviour::healthy, |rule| rule.behaviour);
        if let Behaviour::Unplaceable { message, .. } = &behaviour {
            let id = env.ids.hex();
            let arn = env.arn("ecs", &format!("container-instance/{id}"));
            return Ok(json!({"tasks": [], "failures": [{"arn": arn, "reason": message}]}));
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
        let answer = json!({"tasks": documents, "failures": []});
        if let Some(token) = token {
            self.run.insert(token.to_owned(), (body.clone(), answer.clone()));
        }
        Ok(answer)
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
            task.one_off = None;
            if task.status != TaskStatus::Stopped && task.ending.is_none() {
                task.ending = Some((stop, now + env.ms(None, env.timing.end_ms)));
            }
            return Ok(json!({"task": task.document(definitions.find(&task.definition))}));
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

/// The words of every command of the request.
fn command(body: &Value) -> String {
    let overrides = body["overrides"]["containerOverrides"].as_array();
    let words = overrides.into_iter().flatten().flat_map(|known| texts(known, "command"));
    words.collect::<Vec<_>>().join(" ")
}

/// What ECS refuses a task for (AWS ECS API reference, `RunTask`).
fn check(body: &Value, definition: &Definition) -> Result<(), ApiError> {
    let refused = |message: &str| Err(ApiError::bad("InvalidParameterException", message));
    let awsvpc = definition.document["networkMode"] == "awsvpc";
    let network = body.get("networkConfiguration").is_some();
    if awsvpc && !network {
        return refused("Network Configuration must be provided when networkMode 'awsvpc' is specified.");
    }
    if network && !awsvpc {
        return refused("Network Configuration is not valid for the given networkMode of this task definition.");
    }
    if number(body, "count").is_some_and(|count| !(1..=10).contains(&count)) {
        return refused("Count must be between 1 and 10.");
    }
    let providers = body.get("capacityProviderStrategy").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    if providers && text(body, "launchType").is_some() {
        return refused(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
        );
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-/_".contains(&byte);
    if text(body, "startedBy").is_some_and(|by| by.len() > 128 || !by.bytes().all(allowed)) {
        return refused("startedBy: up to 128 letters, numbers, hyphens, forward slashes and underscores are allowed.");
    }
    let printable = |byte: u8| (33..=126).contains(&byte);
    if text(body, "clientToken").is_some_and(|token| token.len() > 64 || !token.bytes().all(printable)) {
        return refused("clientToken: up to 64 characters in the range of 33-126 are allowed.");
    }
    if text(body, "propagateTags") == Some("SERVICE") {
        return refused("SERVICE is not a valid value for propagateTags when running a task.");
    }
    if body.get("overrides").is_some_and(|overrides| overrides.to_string().chars().count() > 8192) {
        return refused("Container Overrides length must be at most 8192");
    }
    for known in body["overrides"]["containerOverrides"].as_array().into_iter().flatten() {
        let name = text(known, "name").unwrap_or_default();
        if !definition.containers().iter().any(|container| text(container, "name") == Some(name)) {
            let message = format!("Override for container named {name} is not a container in the TaskDefinition.");
            return refused(&message);
        }
    }
    Ok(())
}
