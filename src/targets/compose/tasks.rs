//! One-off tasks: `docker compose run` of the service with the plan's new image.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::ComposeTarget;
use super::answer::{Answer, State};
use super::change::call_failed;
use super::host::Verb;
use super::prepare::refused;
use super::record::{Wanted, image_of};
use crate::engine::target::opaque;
use crate::engine::{NotApplied, ProviderFailure, TargetError, TaskSight, Tasks, clock};
use crate::problem::Problem;
use crate::rollout::{Cause, CauseCode, Change, Exit, LogLines, ServicePlan, Task, Touched};

/// What a task is run with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Facts {
    image: String,
}

impl ComposeTarget {
    async fn ask_for_task(&self, command: &[String], facts: &Value, key: &str) -> Result<Answer, ProviderFailure> {
        let image = facts["image"].as_str().unwrap_or_default();
        let override_file = self.override_for(image);
        let mut arguments = vec![self.spec.service.as_str(), key, image, &override_file];
        arguments.extend(command.iter().map(String::as_str));
        self.host.ask(Verb::StartTask, &arguments).await
    }
}

#[async_trait]
impl Tasks for ComposeTarget {
    async fn prepare_task(&self, _command: &[String], plan: &ServicePlan) -> Result<Value, TargetError> {
        let revision = match &plan.change {
            Change::Move { .. } => Wanted::of(plan).map_err(refused)?.revision,
            Change::Nothing => plan.previous.clone(),
        };
        Ok(json!(Facts { image: image_of(&revision).to_owned() }))
    }

    async fn start_task(&self, command: &[String], facts: &Value, key: &str) -> Result<Task, NotApplied> {
        let known: Result<Facts, Problem> = opaque(facts, "task of a Compose service");
        if let Err(problem) = known {
            let cause = Cause::new(CauseCode::CallRefused, problem.what, problem.next);
            return Err(NotApplied { cause, touched: Touched::No });
        }
        match self.ask_for_task(command, facts, key).await {
            Ok(answer) => {
                let started = answer.now.unwrap_or_else(clock::now);
                Ok(Task { id: key.to_owned(), started, facts: Value::Null })
            }
            Err(failure) => {
                let touched = if failure.is_passing() { Touched::Perhaps } else { Touched::No };
                Err(NotApplied { cause: call_failed(&failure), touched })
            }
        }
    }

    async fn observe_task(&self, task: &Task, _facts: &Value) -> Result<TaskSight, TargetError> {
        let answer = self.host.ask(Verb::LookTask, &[&task.id]).await?;
        Ok(match &answer.state {
            Some(State::Running) => TaskSight::Running { doing: "running on the host".to_owned() },
            Some(State::Ended { code: 0, .. }) => TaskSight::Ended { log: log(&answer) },
            Some(State::Ended { code, step }) => TaskSight::Failed(Box::new(failed(&answer, *code, step, task))),
            Some(State::Lost | State::Stopped | State::Unknown) | None => {
                let next = "Look whether the host was restarted; then run again.";
                let mut cause = Cause::new(CauseCode::Stopped, "the command was interrupted on the host", next);
                cause.log = log(&answer);
                cause.task = Some(task.id.clone());
                TaskSight::Failed(Box::new(cause))
            }
        })
    }

    async fn stop_task(&self, task: Option<&Task>, _facts: &Value, key: &str) -> Result<(), TargetError> {
        let key = task.map_or(key, |task| task.id.as_str());
        let answer = self.host.ask(Verb::StopTask, &[key]).await?;
        debug_assert_eq!(answer.state, Some(State::Stopped), "whatever is left is told as a refusal");
        Ok(())
    }
}

fn failed(answer: &Answer, code: i32, step: &str, task: &Task) -> Cause {
    let mut cause = if step == "pull" {
        let next = "Check that the host may pull it (docs/compose.md), then deploy again.";
        Cause::new(CauseCode::ImageNotPulled, "the host cannot pull the image of the command", next)
    } else {
        let next = "Mend what its last lines name, then deploy again.";
        let mut cause = Cause::new(CauseCode::CommandFailed, format!("the command exited with code {code}"), next);
        cause.exit = Some(Exit::of(code));
        cause
    };
    cause.task = Some(task.id.clone());
    cause.log = log(answer);
    cause
}

fn log(answer: &Answer) -> Option<LogLines> {
    let skip = answer.log.len().saturating_sub(20);
    let lines = answer.log[skip..].to_vec();
    (!lines.is_empty()).then(|| LogLines { source: "docker compose run".to_owned(), lines })
}
