//! The operation state machine: PENDING → `IN_PROGRESS` → SUCCEEDED, FAILED, or
//! `ROLLBACK_IN_PROGRESS` → `ROLLBACK_SUCCEEDED` or `ROLLBACK_FAILED`.
//!
//! The service is `OPERATION_IN_PROGRESS` meanwhile and `RUNNING` afterwards,
//! rolled back or not: only the operation tells success.

use serde_json::{Value, json};

use super::source::Pulled;
use super::{AppRunnerService, Configuration};
use crate::behaviour::AppRunnerBehaviour;
use crate::env::Env;
use crate::reply::{Millis, put, seconds, text};

/// `Type` of an operation, as far as it is modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Create,
    Update,
    Deploy,
    /// A deployment that a push began.
    Automatic,
    Pause,
    Resume,
    Delete,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE_SERVICE",
            Self::Update => "UPDATE_SERVICE",
            Self::Deploy | Self::Automatic => "START_DEPLOYMENT",
            Self::Pause => "PAUSE_SERVICE",
            Self::Resume => "RESUME_SERVICE",
            Self::Delete => "DELETE_SERVICE",
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
    /// The commit it pulled.
    pub(crate) commit: Option<String>,
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
        // What is built from source code is decided by the commit, when it is pulled.
        let rule = if wanted.builds_source() || kind == Kind::Delete {
            None
        } else {
            env.apprunner_rule(&self.name, wanted.image())
        };
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
                commit: None,
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
            Kind::Automatic => "AUTOMATIC_DEPLOYMENT",
            Kind::Delete => "SERVICE_DELETE",
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
        if let Pulled::Commit(sha) = self.configuration.pull(env) {
            self.commit = Some(sha.clone());
            self.watched = Some(sha);
        }
        self.end(now, "SUCCEEDED");
    }

    fn service_log(&self, at: Millis, lines: &[String], env: &mut Env) {
        env.logs.write(&self.log_group("service"), "events", at, lines);
        if let Some(operation) = self.operations.first() {
            let stream = format!("deployment/{}", operation.id.replace('-', ""));
            env.logs.write(&self.log_group("service"), &stream, at, lines);
        }
    }

    /// Takes the branch's newest commit; how the operation goes is decided by it.
    fn pull(&mut self, at: Millis, env: &mut Env) {
        let Some(operation) = self.operations.first_mut() else { return };
        if !matches!(operation.kind, Kind::Create | Kind::Update | Kind::Deploy | Kind::Automatic) {
            return;
        }
        let pulled = operation.wanted.pull(env);
        let told = operation.wanted.pulled_text(&pulled);
        let rule = env.apprunner_rule(&self.name, &told);
        operation.after = env.ms(rule.as_ref().and_then(|rule| rule.after_ms), env.timing.operation_ms);
        operation.rollback = env.ms(rule.as_ref().and_then(|rule| rule.rollback_ms), env.timing.rollback_ms);
        operation.behaviour = rule.map_or(AppRunnerBehaviour::Succeeds {}, |rule| rule.behaviour);
        let lines = match pulled {
            Pulled::Commit(sha) => {
                operation.commit = Some(sha);
                ["Successfully pulled source code.", "Starting source code build."].as_slice()
            }
            Pulled::Something => &["Successfully pulled source code.", "Starting source code build."],
            Pulled::NoBranch => {
                operation.behaviour = AppRunnerBehaviour::BuildFails {
                    lines: Vec::new(),
                    reason: Some("Failed to pull your source code: the branch was not found.".to_owned()),
                };
                &[]
            }
        };
        let lines: Vec<String> = lines.iter().map(|line| format!("[AppRunner] {line}")).collect();
        self.service_log(at, &lines, env);
    }

    /// Performs the newest operation's next move if it is due.
    pub(crate) fn step(&mut self, now: Millis, env: &mut Env) -> bool {
        let Some(operation) = self.operations.first_mut() else { return false };
        let Some(at) = operation.due.take_if(|due| *due <= now) else { return false };
        operation.updated = at;
        if operation.status == "PENDING" && operation.wanted.builds_source() {
            self.pull(at, env);
        }
        let Some(operation) = self.operations.first_mut() else { return false };
        let behaviour = operation.behaviour.clone();
        match (operation.status, behaviour) {
            ("PENDING", behaviour) => {
                operation.status = "IN_PROGRESS";
                if behaviour != (AppRunnerBehaviour::Stuck {}) {
                    operation.due = Some(at + operation.after);
                }
            }
            ("IN_PROGRESS", AppRunnerBehaviour::BuildFails { lines, reason }) => {
                self.report_build_failure(at, &lines, reason, env);
                self.end(at, "FAILED");
            }
            ("IN_PROGRESS", AppRunnerBehaviour::HealthFails { lines }) => {
                let reason = self.health_words();
                self.report_failure(at, &lines, Some(reason), env);
                self.roll_back(at);
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
                if operation.wanted.builds_source() {
                    // Another branch is watched from where it stands.
                    if operation.wanted.source != self.configuration.source {
                        self.watched = None;
                    }
                    self.commit = operation.commit.clone().or_else(|| self.commit.take());
                }
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

    /// The lines of a build stand in the deployment's own stream.
    fn report_build_failure(&self, at: Millis, lines: &[String], reason: Option<String>, env: &mut Env) {
        let Some(operation) = self.operations.first() else { return };
        let stream = format!("deployment/{}", operation.id.replace('-', ""));
        let built: Vec<String> = lines.iter().map(|line| format!("[Build] {line}")).collect();
        env.logs.write(&self.log_group("service"), &stream, at, &built);
        let reason = reason.unwrap_or_else(|| {
            "Failed to build your application source code. Reason: Failed to execute 'build' command.".to_owned()
        });
        let lines = [
            format!("[AppRunner] {reason}"),
            format!("[AppRunner] Deployment with ID : {} failed. Failure reason : {reason}", operation.id),
        ];
        self.service_log(at, &lines, env);
    }

    /// App Runner's words about a health check that nobody answers.
    fn health_words(&self) -> String {
        let Some(operation) = self.operations.first() else { return String::new() };
        let Configuration { source, health_check, .. } = &operation.wanted;
        let image = &source["ImageRepository"]["ImageConfiguration"];
        let code = &source["CodeRepository"]["CodeConfiguration"]["CodeConfigurationValues"];
        let port = text(image, "Port").or_else(|| text(code, "Port")).unwrap_or("8080");
        let protocol = text(health_check, "Protocol").unwrap_or("TCP");
        let path = match text(health_check, "Path") {
            Some(path) if protocol == "HTTP" => format!("[Path: '{path}'], "),
            _ => String::new(),
        };
        format!(
            "Health check failed on protocol `{protocol}` {path}[Port: '{port}']. Check your configured port number. \
             For more information, see the application logs."
        )
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
        let exited = "[AppRunner] Container exit code: 1".to_owned();
        let lines = if reason.starts_with("Health check") { vec![line] } else { vec![exited, line] };
        self.service_log(at, &lines, env);
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
            (Kind::Delete, "SUCCEEDED") => "DELETED",
            (Kind::Resume, other) if other != "SUCCEEDED" => "PAUSED",
            _ => "RUNNING",
        };
        self.updated = at;
    }
}
