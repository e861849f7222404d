//! The view of a rollout: everything a page, a comment or a script needs, and nothing else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::gate::{self, WaitsView};
use crate::rollout::analysis::Judged;
use crate::rollout::{
    Cause, CauseCode, Change, FieldChange, HookRole, HookState, Outcome, Phase, Plan, Reason, ServiceState,
};
use crate::types::{CommitSha, EnvironmentName, ImageDigest, ServiceName, Timestamp};

/// The version of the machine output. Within a version fields are only added.
pub const SCHEMA_VERSION: u32 = 1;

/// How a service's image came to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageOrigin {
    /// Built and pushed by this run.
    Built,
    /// The registry already had it under the commit's tag.
    FoundByCommit,
    /// The registry had an image of the identical source; only the tag was added.
    FoundByTree,
    /// Given by hand.
    Given,
    /// What another environment runs, brought along by digest.
    Promoted,
    /// What ran before, put back.
    PutBack,
}

/// A part of the run that took time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// What it was: `build api`, `rollout`, `credentials`.
    pub name: String,
    /// When it began.
    pub began: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// About which service, if about one.
    pub service: Option<ServiceName>,
    /// One short sentence.
    pub what: String,
}

/// A commit between what served and what is deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    /// Its id.
    pub sha: CommitSha,
    /// First line of its message.
    pub title: String,
    /// Who wrote it.
    pub author: String,
}

/// One service of the view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceView {
    /// Its name.
    pub name: ServiceName,
    /// Where it runs: `cluster/service`.
    pub target: String,
    /// What served before, short.
    pub before: String,
    /// What was wished for, short; what served before when nothing changed.
    pub after: String,
    /// `waiting`, `unchanged`, `starting`, `moving`, `serving`, `failed`, `going back`, `restored`,
    /// `superseded` or `stuck`.
    pub state: String,
    /// The image that was deployed, with its digest.
    pub image: Option<String>,
    /// Its digest.
    pub digest: Option<ImageDigest>,
    /// Tags it has in the registry because of this run.
    pub tags: Vec<String>,
    /// How it came to be there.
    pub origin: Option<ImageOrigin>,
    /// Revision that the run put there or tried to, in the provider's words (a task definition ARN).
    pub revision: Option<String>,
    /// Revision that served before, in the provider's words.
    pub previous_revision: String,
    /// What differs.
    pub changes: Vec<FieldChange>,
    /// The provider's name of the change.
    pub deployment_id: Option<String>,
    /// Why it failed.
    pub cause: Option<Cause>,
    /// Why it could not go back.
    pub stuck: Option<Cause>,
    /// The address that serves.
    pub url: Option<String>,
    /// Its page in the provider's console.
    pub console: Option<String>,
}

/// One hook of the view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HookView {
    /// `before`, `check` or `after`.
    pub when: String,
    /// The service it runs for.
    pub service: ServiceName,
    /// The command.
    pub run: Vec<String>,
    /// `waiting`, `starting`, `running`, `stopping`, `done`, `failed`, `stopped`, `being undone`,
    /// `undone` or `could not be undone`.
    pub state: String,
    /// Why it failed, or could not be undone.
    pub cause: Option<Cause>,
}

/// Something a deployment waits for, or is refused by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateView {
    /// Its key in the configuration: `approvals`.
    pub gate: String,
    /// What must hold, as a sentence without its full stop.
    pub what: String,
    /// `shipline-bot`, or `this run`.
    pub held_by: String,
}

/// A rollout as people and scripts see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// `deploy`, `rollback` or `plan`.
    pub command: String,
    /// Where.
    pub environment: EnvironmentName,
    /// `succeeded`, `unchanged`, `not-shifted`, `rolled-back`, `nothing-changed`, `held`, `superseded`, `cancelled`,
    /// `needs-attention`; while it runs, and in a plan, the phase.
    pub result: String,
    /// The commit, when known.
    pub commit: Option<CommitSha>,
    /// The plan's hash.
    pub plan: String,
    /// The services, by name.
    pub services: Vec<ServiceView>,
    /// The order of the waves.
    pub waves: Vec<Vec<ServiceName>>,
    /// How traffic moves, in words, where it moves in steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<String>,
    /// The failure of a check, if that is why it failed.
    pub check_failure: Option<Cause>,
    /// The alarm, if one is why it failed.
    #[serde(default)]
    pub alarm: Option<Cause>,
    /// What was decided or measured at a step of traffic, if that is why it went back.
    #[serde(default)]
    pub gate_failure: Option<Cause>,
    /// What it waits for at a step of traffic.
    #[serde(default)]
    pub waits: Option<WaitsView>,
    /// What the measurements of the new revision say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub analysis: Option<Judged>,
    /// The hooks, in their order.
    #[serde(default)]
    pub hooks: Vec<HookView>,
    /// What a deployment would wait for; in a plan only.
    #[serde(default)]
    pub gates: Vec<GateView>,
    /// Commits between what served and this release, newest first; empty when unknown.
    pub commits: Vec<Commit>,
    /// What happened.
    pub timeline: Vec<Moment>,
    /// What took how long.
    pub stages: Vec<Stage>,
    /// Things the reader should know.
    pub notices: Vec<String>,
    /// When the run began.
    pub began: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The command that goes back.
    pub rollback_command: Option<String>,
}

impl View {
    /// Why it failed as a whole, beside the services' own causes: a check, an alarm, what was measured or
    /// decided at a step (`analysis`, `decision`), hooks.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, &Cause)> {
        let check = self.check_failure.iter().map(|cause| ("check", cause));
        let alarm = self.alarm.iter().map(|cause| ("alarm", cause));
        let hooks = self.hooks.iter().filter_map(|hook| {
            let name = if hook.when == "check" { "check" } else { "hook" };
            hook.cause.as_ref().map(|cause| (name, cause))
        });
        let gate = self.gate_failure.iter().map(|cause| match cause.code {
            CauseCode::AnalysisFailed => ("analysis", cause),
            _ => ("decision", cause),
        });
        check.chain(alarm).chain(gate).chain(hooks)
    }
}

/// What only the run knows.
#[derive(Debug, Clone, Default)]
pub struct ViewInput {
    /// `deploy`, `rollback` or `plan`.
    pub command: String,
    /// How each image came to be there, with the tags it got.
    pub origins: BTreeMap<ServiceName, (ImageOrigin, Vec<String>)>,
    /// Short names of earlier revisions that are put back.
    pub put_back: BTreeMap<ServiceName, String>,
    /// Commits between.
    pub commits: Vec<Commit>,
    /// What happened.
    pub timeline: Vec<Moment>,
    /// What the measurements say.
    pub analysis: Option<Judged>,
    /// What took how long.
    pub stages: Vec<Stage>,
    /// Things the reader should know, beside the plan's own.
    pub notices: Vec<String>,
}

/// The view of a plan at a phase.
pub fn view(plan: &Plan, phase: &Phase, input: ViewInput, began: Timestamp, now: Timestamp) -> View {
    let outcome = phase.outcome();
    let mut notices: Vec<String> = input.notices;
    for (name, part) in &plan.services {
        notices.extend(part.notices.iter().map(|notice| format!("{name}: {notice}")));
    }
    let result = match outcome {
        Some(Outcome::Succeeded) if plan.changes_nothing() => "unchanged",
        Some(outcome) => outcome.word(),
        None => phase.word(),
    };
    let (check_failure, alarm) = match phase.why() {
        Some(Reason::CheckFailed { cause, .. }) => (Some((**cause).clone()), None),
        Some(Reason::AlarmFired { cause }) => (None, Some((**cause).clone())),
        Some(
            Reason::ServiceFailed { .. }
            | Reason::Superseded { .. }
            | Reason::HookFailed { .. }
            | Reason::AnalysisFailed { .. }
            | Reason::Rejected { .. }
            | Reason::GateExpired { .. }
            | Reason::Cancelled,
        )
        | None => (None, None),
    };
    let services = plan
        .services
        .keys()
        .map(|name| service_view(plan, phase, name, input.origins.get(name), input.put_back.get(name)))
        .collect();
    let changed = phase.services().values().any(|state| matches!(state, ServiceState::Serving { .. }));
    View {
        schema_version: SCHEMA_VERSION,
        command: input.command,
        environment: plan.environment.clone(),
        result: result.to_owned(),
        commit: plan.release.commit,
        plan: plan.hash().to_string(),
        services,
        waves: plan.waves.clone(),
        rollout: plan.steering.and_then(|steering| steering.strategy.told()),
        check_failure,
        alarm,
        gate_failure: phase.why().and_then(gate::cause),
        waits: gate::waits(plan, phase),
        analysis: input.analysis,
        hooks: hook_views(plan, phase),
        gates: Vec::new(),
        commits: input.commits,
        timeline: input.timeline,
        stages: input.stages,
        notices,
        began,
        took_ms: u64::try_from(now.duration_since(began).as_millis()).unwrap_or(0),
        rollback_command: changed.then(|| format!("shipline rollback {}", plan.environment)),
    }
}

fn hook_views(plan: &Plan, phase: &Phase) -> Vec<HookView> {
    let behind = plan.after.iter().map(|hook| match hook.role {
        HookRole::Step => ("after", hook),
        HookRole::Check => ("check", hook),
    });
    let hooks = plan.before.iter().map(|hook| ("before", hook)).chain(behind);
    hooks
        .enumerate()
        .map(|(number, (when, hook))| {
            let state = phase.hooks().get(number);
            HookView {
                when: when.to_owned(),
                service: hook.service.clone(),
                run: hook.run.clone(),
                state: state.map_or("waiting", HookState::word).to_owned(),
                cause: state.and_then(HookState::cause).cloned(),
            }
        })
        .collect()
}

fn service_view(
    plan: &Plan,
    phase: &Phase,
    name: &ServiceName,
    origin: Option<&(ImageOrigin, Vec<String>)>,
    put_back: Option<&String>,
) -> ServiceView {
    let part = &plan.services[name];
    let state = &phase.services()[name];
    let shift = state.attempt();
    let (changes, unchanged) = match &part.change {
        Change::Nothing => (Vec::new(), true),
        Change::Move { fields, .. } => (fields.clone(), false),
    };
    let before = short(part.previous.commit, &part.previous.name);
    let after = if unchanged {
        before.clone()
    } else {
        match (put_back, shift) {
            (Some(name), _) => name.clone(),
            (None, Some(shift)) => short(plan.release.commit, &shift.revision.name),
            (None, None) => {
                let wished =
                    part.image.as_ref().map_or_else(|| part.previous.name.clone(), |image| image.digest().short());
                short(plan.release.commit, &wished)
            }
        }
    };
    ServiceView {
        name: name.clone(),
        target: part.place.name.clone(),
        before,
        after,
        state: state.word().to_owned(),
        image: part.image.as_ref().map(ToString::to_string),
        digest: part.image.as_ref().map(crate::types::PinnedImage::digest),
        tags: origin.map(|(_, tags)| tags.clone()).unwrap_or_default(),
        origin: origin.map(|(origin, _)| *origin),
        revision: shift.map(|shift| shift.revision.id.clone()),
        previous_revision: part.previous.id.clone(),
        changes,
        deployment_id: shift.and_then(|shift| shift.id.clone()),
        cause: state.cause().cloned(),
        stuck: match state {
            ServiceState::Stuck { stuck, .. } => Some((**stuck).clone()),
            _ => None,
        },
        url: part.place.url.clone(),
        console: part.place.console.clone(),
    }
}

/// A commit is what people know; the revision's name is what the provider knows.
fn short(commit: Option<CommitSha>, name: &str) -> String {
    commit.map_or_else(|| name.to_owned(), |commit| commit.short())
}
