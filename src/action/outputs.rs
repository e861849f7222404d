//! The outputs of the action, and the job summary.
//!
//! Values pass the redactor: GitHub drops an output that holds a masked value, so a secret here
//! would also break the next job. With several services each output is a JSON object by service.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::cli::Host;
use crate::cli::deploy::Report;
use crate::cli::release::Images;
use crate::problem::{Problem, Problems};
use crate::report;

/// Every output, with its description, in the order of `action.yml`.
pub const OUTPUTS: &[(&str, &str)] = &[
    (
        "result",
        "succeeded, unchanged, rolled-back, nothing-changed, held, superseded, cancelled, interrupted or needs-attention; planned for a plan, refused when nothing was tried.",
    ),
    ("image", "Image with its digest; with several services a JSON object by service, as all that follow."),
    ("digest", "Digest of the image."),
    ("tags", "Tags of the image, separated by commas."),
    ("task-definition-arn", "Task definition that was deployed (ECS)."),
    ("revision", "Revision that serves now, in the provider's words."),
    ("previous-revision", "Revision that served before, in the provider's words."),
    ("deployment-id", "The provider's name of the deployment."),
    ("service-url", "Address that serves, if the provider tells it."),
    ("rollback-command", "Command that goes back."),
    ("report", "The whole report as JSON (schema_version 1, docs/report.md)."),
];

/// Writes outputs where the runner reads them.
pub struct Outputs {
    output: Option<String>,
    summary: Option<String>,
    redactor: crate::redact::Redactor,
}

impl Outputs {
    /// For this run; without the runner's files nothing is written.
    pub fn of(host: &Host) -> Self {
        Self {
            output: host.variable("GITHUB_OUTPUT"),
            summary: host.variable("GITHUB_STEP_SUMMARY"),
            redactor: host.console.redactor().clone(),
        }
    }

    /// The outputs and the summary of a rollout or a plan.
    pub fn report(&self, report: &Report, host: &Host) -> Result<(), Problem> {
        let view = &report.view;
        host.console.line(&report::text(view));
        let each = |pick: &dyn Fn(&report::ServiceView) -> Option<String>| Self::each(view, pick);
        let document = serde_json::to_string(view)
            .map_err(|error| Problem::defect("report", format!("the report cannot be written: {error}")))?;
        let ecs = |service: &report::ServiceView| {
            let revision = service.revision.clone().unwrap_or_else(|| service.previous_revision.clone());
            revision.contains(":task-definition/").then_some(revision)
        };
        let values = [
            ("result", view.result.clone()),
            ("image", each(&|service| service.image.clone())),
            ("digest", each(&|service| service.digest.map(|digest| digest.to_string()))),
            ("tags", each(&|service| Some(service.tags.join(",")))),
            ("task-definition-arn", each(&ecs)),
            (
                "revision",
                each(&|service| {
                    let serves = matches!(service.state.as_str(), "serving");
                    Some(
                        service
                            .revision
                            .clone()
                            .filter(|_| serves)
                            .unwrap_or_else(|| service.previous_revision.clone()),
                    )
                }),
            ),
            ("previous-revision", each(&|service| Some(service.previous_revision.clone()))),
            ("deployment-id", each(&|service| service.deployment_id.clone())),
            ("service-url", each(&|service| service.url.clone())),
            ("rollback-command", view.rollback_command.clone().unwrap_or_default()),
            ("report", document),
        ];
        self.write(&values)?;
        if let Some(headline) = failure_line(view) {
            host.console.annotate(crate::cli::console::Level::Error, "Shipline", &headline);
        }
        self.summary(&report::summary(view))
    }

    /// The outputs of a build.
    pub fn images(&self, images: &Images) -> Result<(), Problem> {
        let several = images.pinned.len() > 1;
        let join = |pick: &dyn Fn(&crate::types::ServiceName) -> String| {
            joined(several, images.pinned.keys().map(|name| (name.to_string(), pick(name))))
        };
        self.write(&[
            ("result", "succeeded".to_owned()),
            ("image", join(&|name| images.pinned[name].0.to_string())),
            ("digest", join(&|name| images.pinned[name].0.digest().to_string())),
            ("tags", join(&|name| images.origins.get(name).map(|(_, tags)| tags.join(",")).unwrap_or_default())),
        ])
    }

    /// What the page says when nothing was tried.
    pub fn problems(&self, problems: &Problems) {
        let cancelled = crate::cli::exit_code(problems) == 130;
        let (result, title) =
            if cancelled { ("cancelled", "Cancelled") } else { ("refused", "Shipline did not start") };
        let mut text = format!("### {title}\n\n");
        for problem in problems.all() {
            let place = problem.place.as_ref().map(|place| format!("{} ", report::escape::code(&place.to_string())));
            let _ = write!(
                text,
                "- {}{}\n\n  **Next**: {}\n",
                place.unwrap_or_default(),
                report::escape::sentence(&problem.what),
                report::escape::sentence(&problem.next)
            );
        }
        // The problems themselves are already on the log; a page that cannot be written adds nothing.
        let _ = self.write(&[("result", result.to_owned())]);
        let _ = self.summary(&text);
    }

    fn each(view: &report::View, pick: &dyn Fn(&report::ServiceView) -> Option<String>) -> String {
        joined(
            view.services.len() > 1,
            view.services.iter().map(|service| (service.name.to_string(), pick(service).unwrap_or_default())),
        )
    }

    fn write(&self, values: &[(&str, String)]) -> Result<(), Problem> {
        let Some(file) = &self.output else { return Ok(()) };
        let mut text = String::new();
        for (name, value) in values {
            debug_assert!(OUTPUTS.iter().any(|(known, _)| known == name), "{name} is not in the table");
            // An object stays one: text by text.
            let value = match serde_json::from_str(value) {
                Ok(object @ Value::Object(_)) => self.redactor.clean_document(object).to_string(),
                _ => self.redactor.clean(value),
            };
            // A value that held its own end mark could write further outputs.
            let mark = format!("end-{}", hex::encode(&Sha256::digest(value.as_bytes())[..8]));
            let _ = write!(text, "{name}<<{mark}\n{value}\n{mark}\n");
        }
        append(Path::new(file), &text)
    }

    fn summary(&self, text: &str) -> Result<(), Problem> {
        let Some(file) = &self.summary else { return Ok(()) };
        append(Path::new(file), &(self.redactor.clean(text) + "\n"))
    }
}

fn joined(several: bool, values: impl Iterator<Item = (String, String)>) -> String {
    if several {
        let map: Map<String, Value> = values.map(|(name, value)| (name, Value::String(value))).collect();
        Value::Object(map).to_string()
    } else {
        values.map(|(_, value)| value).next().unwrap_or_default()
    }
}

fn failure_line(view: &report::View) -> Option<String> {
    if matches!(view.result.as_str(), "succeeded" | "unchanged" | "planned") {
        return None;
    }
    let first = view.services.iter().find_map(|service| {
        let cause = service.cause.as_ref()?;
        Some(format!("{}: {} {}", service.name, cause.summary, cause.next))
    });
    let whole = view.failures().next().map(|(name, cause)| format!("{name}: {} {}", cause.summary, cause.next));
    Some(format!("{} {}: {}", view.environment, view.result, first.or(whole).unwrap_or_default()))
}

fn append(file: &Path, text: &str) -> Result<(), Problem> {
    let written =
        OpenOptions::new().append(true).create(true).open(file).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        Problem::provider(
            "runner-file",
            format!("{} cannot be written: {error}", file.display()),
            "This is the runner's own file; the deployment itself is as the log says.",
        )
    })
}
