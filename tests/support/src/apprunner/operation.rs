//! The operation state machine: PENDING → `IN_PROGRESS` → SUCCEEDED, FAILED, or
//! `ROLLBACK_IN_PROGRESS` → `ROLLBACK_SUCCEEDED` or `ROLLBACK_FAILED`.
//!
//! The service is `OPERATION_IN_PROGRESS` meanwhile and `RUNNING` afterwards,
//! rolled back or not: only the operation tells success.

use serde_json::{Value, json};

use super::{AppRunnerService, Configuration};
use crate::behaviour::AppRunnerBehaviour;
use crate::env::Env;
use crate::reply::{Millis, put, seconds};

/// `Type` of an operation, as far as it is modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Create,
    Update,
    Deploy,
    Pause,
    Resume,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE_SERVICE",
            Self::Update => "UPDATE_SERVICE",
            Self::Deploy => "START_DEPLOYMENT",
            Self::Pause => "PAUSE_SERVICE",
            Self::Resume => "RESUME_SERVICE",
        }
    }
}

/// One operation.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) status: &'static str,
    pub(crate) started: Millis,
    pub(crate) ended: Option<Millis>,
    pub(crate) updated: Millis,
    /// The configuration to have when it succeeds.
    pub(crate) wanted: Configuration,
    pub(crate) behaviour: AppRunnerBehaviour,
    pub(crate) after: Millis,
    pub(crate) rollback: Millis,
    /// When `status` moves next.
    pub(crate) due: Option<Millis>,
}

impl Operation {
    /// `OperationSummaryList[]`.
    pub(crate) fn document(&self, arn: &str) -> Value {
        let mut document = json!({
            "Id": self.id, "Type": self.kind.name(), "Status": self.status, "TargetArn": arn,
            "StartedAt": seconds(self.started), "UpdatedAt": seconds(self.updated),
        });
        put(&mut document, "EndedAt", self.ended.map(seconds));
        document
    }
}

impl AppRunnerService {
    /// Starts an operation; returns its id.
    pub(crate) fn begin(&mut self, kind: Kind, wanted: Option<Configuration>, now: Millis, env: &mut Env) -> String {
        let wanted = wanted.unwrap_or_else(|| self.configuration.clone());
        let rule = env.apprunner_rule(&self.name, wanted.image());
        let id = env.ids.uuid();
        let after = rule.as_ref().and_then(|rule| rule.after_ms);
        let rollback = rule.as_ref().and_then(|rule| rule.rollback_ms);
        self.operations.insert(
            0,
            Operation {
                id: id.clone(),
                kind,
                status: "PENDING",
                started: now,
                ended: None,
                updated: now,
                wanted,
                behaviour: rule.map_or(AppRunnerBehaviour::Succeeds {}, |rule| rule.behaviour),
                after: env.ms(after, env.timing.operation_ms),
                rollback: env.ms(rollback, env.timing.rollback_ms),
                due: Some(now + env.ms(None, env.timing.pending_ms)),
            },
        );
        self.status = "OPERATION_IN_PROGRESS";
        self.updated = now;
        let cause = match kind {
            Kind::Create => "SERVICE_CREATE",
            Kind::Update => "SERVICE_UPDATE",
            Kind::Deploy => "MANUAL_DEPLOYMENT",
            Kind::Pause => "SERVICE_PAUSE",
            Kind::Resume => "SERVICE_RESUME",
        };
        self.service_log(
            now,
            &[format!("[AppRunner] Deployment with ID : {id} started. Triggering event : {cause}")],
            env,
        );
        id
    }

    /// The creation of a service that is there already.
    pub(crate) fn begin_done(&mut self, now: Millis, env: &mut Env) {
        let rules = std::mem::take(&mut env.apprunner_rules);
        self.begin(Kind::Create, None, now, env);
        env.apprunner_rules = rules;
        self.end(now, "SUCCEEDED");
    }

    fn service_log(&self, at: Millis, lines: &[String], env: &mut Env) {
        env.logs.write(&self.log_group("service"), "events", at, lines);
        if let Some(operation) = self.operations.first() {
            let stream = format!("deployment/{}", operation.id.replace('-', ""));
            env.logs.write(&self.log_group("service"), &stream, at, lines);
        }
    }

    /// Performs the newest operation's next move if it is due.
    pub(crate) fn step(&mut self, now: Millis, env: &mut Env) -> bool {
        let Some(operation) = self.operations.first_mut() else { return false };
        let Some(at) = operation.due.take_if(|due| *due <= now) else { return false };
        operation.updated = at;
        let behaviour = operation.behaviour.clone();
        match (operation.status, behaviour) {
            ("PENDING", behaviour) => {
                operation.status = "IN_PROGRESS";
                if behaviour != (AppRunnerBehaviour::Stuck {}) {
                    operation.due = Some(at + operation.after);
                }
            }
            ("IN_PROGRESS", AppRunnerBehaviour::RollsBack { lines, reason }) => {
                self.report_failure(at, &lines, reason, env);
                self.roll_back(at);
            }
            ("IN_PROGRESS", AppRunnerBehaviour::RollbackFails { lines }) => {
                self.report_failure(at, &lines, None, env);
                self.roll_back(at);
            }
            ("IN_PROGRESS", AppRunnerBehaviour::Fails { lines, reason }) => {
                self.report_failure(at, &lines, reason, env);
                self.end(at, "FAILED");
            }
            ("IN_PROGRESS", _) => {
                self.configuration = operation.wanted.clone();
                let line = format!("[AppRunner] Deployment with ID : {} succeeded.", operation.id);
                self.service_log(at, &[line], env);
                self.end(at, "SUCCEEDED");
            }
            ("ROLLBACK_IN_PROGRESS", AppRunnerBehaviour::RollbackFails { .. }) => {
                self.service_log(
                    at,
                    &["[AppRunner] Rollback to the last successful deployment failed.".to_owned()],
                    env,
                );
                self.end(at, "ROLLBACK_FAILED");
            }
            ("ROLLBACK_IN_PROGRESS", _) => {
                self.service_log(
                    at,
                    &["[AppRunner] Rollback to the last successful deployment succeeded.".to_owned()],
                    env,
                );
                self.end(at, "ROLLBACK_SUCCEEDED");
            }
            _ => return false,
        }
        true
    }

    fn report_failure(&self, at: Millis, lines: &[String], reason: Option<String>, env: &mut Env) {
        let Some(operation) = self.operations.first() else { return };
        let instance = format!("instance/{}", operation.id.replace('-', ""));
        env.logs.write(&self.log_group("application"), &instance, at, lines);
        let reason = reason.unwrap_or_else(|| {
            "Your application stopped or failed to start. See logs for more information. Container exit code: 1"
                .to_owned()
        });
        let line = format!("[AppRunner] Deployment with ID : {} failed. Failure reason : {reason}", operation.id);
        self.service_log(at, &["[AppRunner] Container exit code: 1".to_owned(), line], env);
    }

    /// A creation has nothing to go back to: it fails.
    fn roll_back(&mut self, at: Millis) {
        let Some(operation) = self.operations.first_mut() else { return };
        if operation.kind == Kind::Create {
            self.end(at, "FAILED");
            return;
        }
        operation.status = "ROLLBACK_IN_PROGRESS";
        operation.due = Some(at + operation.rollback);
    }

    fn end(&mut self, at: Millis, status: &'static str) {
        let Some(operation) = self.operations.first_mut() else { return };
        operation.status = status;
        operation.ended = Some(at);
        operation.updated = at;
        operation.due = None;
        self.status = match (operation.kind, status) {
            (Kind::Create, "SUCCEEDED") => "RUNNING",
            (Kind::Create, _) => "CREATE_FAILED",
            (Kind::Pause, "SUCCEEDED") => "PAUSED",
            (Kind::Resume, other) if other != "SUCCEEDED" => "PAUSED",
            _ => "RUNNING",
        };
        self.updated = at;
    }
}
