//! The service deployment state machine: PENDING → `IN_PROGRESS` → SUCCESSFUL or
//! STOPPED: its states and what is stored of one. The way forward is in
//! `progress` (its stages and traffic in `gradual`), failure detection and rollbacks are in
//! `rollback`.
//!
//! Each deployment has at most one next step with the instant it is due;
//! `Service::step` (in `progress`) performs it and schedules the following one relative to
//! that instant, not to the time of the call.
//!
//! Where the documentation is silent (the texts of `statusReason` for a
//! superseded deployment, whether ROLLING reports `lifecycleStage`) the model
//! chooses; clients must not depend on those texts.

use serde_json::Value;

use super::gradual::Weights;
use super::hook::{HookRun, HookStatus};
use super::stage::Stage;
use super::strategy::Shifts;
use crate::behaviour::{Behaviour, Rule};
use crate::env::Env;
use crate::reply::{Millis, number, text};

/// `status` of a service deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Pending,
    InProgress,
    StopRequested,
    Stopped,
    Successful,
    RollbackRequested,
    RollbackInProgress,
    RollbackSuccessful,
    RollbackFailed,
}

impl Status {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::InProgress => "IN_PROGRESS",
            Self::StopRequested => "STOP_REQUESTED",
            Self::Stopped => "STOPPED",
            Self::Successful => "SUCCESSFUL",
            Self::RollbackRequested => "ROLLBACK_REQUESTED",
            Self::RollbackInProgress => "ROLLBACK_IN_PROGRESS",
            Self::RollbackSuccessful => "ROLLBACK_SUCCESSFUL",
            Self::RollbackFailed => "ROLLBACK_FAILED",
        }
    }

    /// Whether nothing will change any more.
    pub(crate) const fn is_final(self) -> bool {
        matches!(self, Self::Stopped | Self::Successful | Self::RollbackSuccessful | Self::RollbackFailed)
    }
}

/// What happens next to a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// PENDING → `IN_PROGRESS` and the first tasks.
    Begin,
    /// Another attempt after a failure.
    Launch,
    /// Tasks are RUNNING.
    Running,
    /// Tasks are healthy.
    Healthy,
    /// A stage is over.
    Leave,
    /// A hook waited too long.
    Expire,
    /// Old tasks are gone.
    Complete,
    /// Tasks fail.
    Fail,
    /// Somebody else updates the service.
    Supersede,
    /// A deployment alarm goes off.
    Alarm,
    /// `STOP_REQUESTED` → STOPPED.
    Stop,
    /// `ROLLBACK_REQUESTED` → `ROLLBACK_IN_PROGRESS`.
    BeginRollback,
    /// The rollback's end.
    EndRollback,
}

/// What a failure detector does when it triggers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Detector {
    /// It does not look.
    #[default]
    Off,
    /// The deployment stops.
    Stops,
    /// The deployment rolls back.
    RollsBack,
}

impl Detector {
    fn read(configuration: &Value) -> Self {
        let on = |member: &str| configuration[member] == Value::Bool(true);
        match (on("enable"), on("rollback")) {
            (false, _) => Self::Off,
            (true, false) => Self::Stops,
            (true, true) => Self::RollsBack,
        }
    }
}

/// The failure detectors of a deployment, as configured when it began.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Detectors {
    pub(crate) breaker: Detector,
    pub(crate) threshold: i64,
    pub(crate) alarm: Detector,
    pub(crate) alarms: Vec<String>,
}

impl Detectors {
    /// Reads `deploymentConfiguration`; the breaker's default threshold is
    /// half of the desired count, at least 3 and at most 200.
    pub(crate) fn read(configuration: Option<&Value>, desired: i64) -> Self {
        let configuration = configuration.unwrap_or(&Value::Null);
        let breaker = &configuration["deploymentCircuitBreaker"];
        let alarms = &configuration["alarms"];
        Self {
            breaker: Detector::read(breaker),
            threshold: threshold(breaker.get("thresholdConfiguration"), desired),
            alarm: Detector::read(alarms),
            alarms: crate::reply::texts(alarms, "alarmNames"),
        }
    }
}

fn threshold(configuration: Option<&Value>, desired: i64) -> i64 {
    let value = configuration.and_then(|known| number(known, "value")).unwrap_or(50);
    let share = (desired * value + 99) / 100;
    match configuration.and_then(|known| text(known, "type")) {
        Some("COUNT") => value.max(1),
        Some("UNBOUNDED_PERCENT") => share.max(1),
        _ => share.clamp(3, 200),
    }
}

/// What `rollback` of a deployment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RollbackInfo {
    pub(crate) reason: String,
    pub(crate) started: Millis,
    pub(crate) revision: String,
}

/// One service deployment.
#[derive(Debug, Clone)]
pub(crate) struct ServiceDeployment {
    pub(crate) arn: String,
    pub(crate) status: Status,
    pub(crate) reason: Option<String>,
    pub(crate) stage: Stage,
    /// How traffic moves; none for a rolling update and a service's first deployment.
    pub(crate) shifts: Option<Shifts>,
    /// Steps of it that are done.
    pub(crate) shifted: usize,
    /// The hooks of the stage it is in.
    pub(crate) hooks: Vec<HookRun>,
    pub(crate) created: Millis,
    pub(crate) started: Option<Millis>,
    pub(crate) finished: Option<Millis>,
    pub(crate) stopped: Option<Millis>,
    pub(crate) updated: Millis,
    pub(crate) target: String,
    pub(crate) sources: Vec<String>,
    pub(crate) rollout: String,
    pub(crate) failures: i64,
    pub(crate) detectors: Detectors,
    /// Whether the circuit breaker did.
    pub(crate) triggered: bool,
    /// The alarm that went off.
    pub(crate) alarm: Option<String>,
    /// An alarm that a rule makes go off, and when.
    pub(crate) fires: Option<(Millis, String)>,
    pub(crate) configuration: Option<Value>,
    pub(crate) rollback: Option<RollbackInfo>,
    pub(crate) rule: Rule,
    pub(crate) next: Option<(Millis, Step)>,
    /// Task counts when it ended (requested, running, pending), and traffic.
    pub(crate) frozen: Option<([i64; 3], Weights)>,
}

impl ServiceDeployment {
    /// The alarm that its rule makes go off at any stage, and when; none for a rolling update.
    pub(crate) fn alarm_of_rule(&self, at: Millis, env: &Env) -> Option<(Millis, String)> {
        match &self.rule.behaviour {
            Behaviour::Alarm { after_ms, name } if self.shifts.is_some() => {
                Some((at + env.ms(*after_ms, env.timing.settle_ms), name.clone()))
            }
            _ => None,
        }
    }

    /// `MONITORING`, `TRIGGERED`, `MONITORING_COMPLETE`, `DISABLED`.
    pub(crate) fn breaker_status(&self) -> &'static str {
        self.detector_status(self.detectors.breaker, self.triggered)
    }

    /// The same for the alarms.
    pub(crate) fn alarm_status(&self) -> &'static str {
        self.detector_status(self.detectors.alarm, self.alarm.is_some())
    }

    fn detector_status(&self, detector: Detector, triggered: bool) -> &'static str {
        match (detector, triggered) {
            (Detector::Off, _) => "DISABLED",
            (_, true) => "TRIGGERED",
            (_, false) if self.status.is_final() => "MONITORING_COMPLETE",
            (_, false) => "MONITORING",
        }
    }

    pub(crate) fn moved(&mut self, status: Status, at: Millis) {
        self.status = status;
        self.updated = at;
        if status.is_final() {
            self.finished = Some(at);
            self.next = None;
        }
        if status == Status::Stopped {
            self.stopped = Some(at);
        }
        if status != Status::InProgress {
            self.end_hooks();
        }
    }

    /// `ROLLBACK_REQUESTED`, and the rollback itself a little later.
    pub(crate) fn request_rollback(&mut self, at: Millis, begins: Millis) {
        self.moved(Status::RollbackRequested, at);
        self.next = Some((begins, Step::BeginRollback));
    }

    /// Nobody decides at a hook of a deployment that does not go on.
    fn end_hooks(&mut self) {
        for hook in self.hooks.iter_mut().filter(|hook| hook.status == HookStatus::AwaitingAction) {
            hook.status = HookStatus::Failed;
        }
    }
}
