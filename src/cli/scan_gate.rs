//! The scan gate: images with grave findings, or without a scan, are not released.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, FutureExt as _, join_all};

use super::planning::about;
use crate::config::spec::{ScanSpec, Severity, Unscanned};
use crate::engine::wait::{self, Backoff, Seen, Waited};
use crate::engine::{Cancel, Wish, clock};
use crate::image::{Finding, Pipeline, Scanned};
use crate::problem::Problem;
use crate::types::{PinnedImage, ServiceName, Span};

/// Whether scans under way are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// As long as the rule says.
    AsLongAsTheRule,
    /// Not at all: somebody only wants to see what would happen.
    None,
}

/// The scan of a fresh image begins a moment after its push.
const BEGINS: Duration = Duration::from_secs(10);

/// A scan takes seconds to minutes.
const LOOKS: Backoff =
    Backoff { first: Duration::from_millis(500), most: Duration::from_secs(5), throttled: Duration::from_secs(20) };

/// Findings that are told of one image.
const TOLD: usize = 100;

/// What is said of the images of these wishes.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub(super) against: Vec<Problem>,
    pub(super) notices: Vec<String>,
}

/// Looks at every image at once.
pub(super) async fn look(
    rule: &ScanSpec,
    wishes: &BTreeMap<ServiceName, Wish>,
    pipeline: &Arc<Pipeline>,
    patience: Patience,
    cancel: &Cancel,
) -> Verdict {
    let images: Vec<(&ServiceName, &PinnedImage)> = wishes
        .iter()
        .filter_map(|(name, wish)| match wish {
            Wish::Image { image, .. } => Some((name, image)),
            Wish::Source { .. } | Wish::Revision(_) => None,
        })
        .collect();
    // Boxed: the compiler cannot see through a stream of borrowed closures that it may be sent.
    let scans = images.iter().map(|(_, image)| scanned(rule, image, pipeline, patience, cancel).boxed());
    let scans: Vec<BoxFuture<'_, Result<Scanned, Problem>>> = scans.collect();
    let mut verdict = Verdict::default();
    for ((name, image), scanned) in images.iter().zip(join_all(scans).await) {
        match scanned {
            Ok(scanned) => judge(rule, name, image, scanned, patience, &mut verdict),
            Err(problem) => verdict.against.push(about(name, problem)),
        }
    }
    verdict
}

/// What is known when a scan under way has ended, or its time is up.
async fn scanned(
    rule: &ScanSpec,
    image: &PinnedImage,
    pipeline: &Arc<Pipeline>,
    patience: Patience,
    cancel: &Cancel,
) -> Result<Scanned, Problem> {
    if patience == Patience::None {
        return pipeline.scanned(image).await;
    }
    let began = clock::instant();
    let (begins, deadline) = (began + BEGINS.min(rule.wait.duration()), began + rule.wait.duration());
    // Owned by what looks: the compiler cannot see of a borrowing closure that it may be sent.
    let (image_there, pipeline_there) = (image.clone(), Arc::clone(pipeline));
    let look = async move || one_look(&image_there, &pipeline_there, begins).await;
    match wait::until(Some(deadline), LOOKS, cancel, look).await {
        Waited::Ready(answer) => answer,
        Waited::TimedOut | Waited::Cancelled => pipeline.scanned(image).await,
    }
}

async fn one_look(image: &PinnedImage, pipeline: &Pipeline, begins: Instant) -> Seen<Result<Scanned, Problem>> {
    match pipeline.scanned(image).await {
        Ok(Scanned::UnderWay) => Seen::NotYet,
        Ok(Scanned::Never) if clock::instant() < begins => Seen::NotYet,
        answer => Seen::Ready(answer),
    }
}

fn judge(
    rule: &ScanSpec,
    name: &ServiceName,
    image: &PinnedImage,
    scanned: Scanned,
    patience: Patience,
    verdict: &mut Verdict,
) {
    let shown = image.by_digest();
    match scanned {
        Scanned::Done(findings) => {
            let grave: Vec<Finding> = findings
                .into_iter()
                .filter(|finding| finding.severity >= rule.severity && !rule.ignore.contains(&finding.name))
                .collect();
            if !grave.is_empty() {
                verdict.against.push(about(name, findings_of(rule.severity, &shown, &grave)));
            }
        }
        Scanned::UnderWay if patience == Patience::None => {
            verdict.notices.push(format!("{name}: the scan of {shown} is under way; a deployment waits for it"));
        }
        Scanned::UnderWay => verdict.against.push(about(name, under_way(rule.wait, &shown))),
        Scanned::Never => without(rule, name, image, "nobody scanned it", verdict),
        Scanned::Without { why } => without(rule, name, image, &why, verdict),
    }
}

fn findings_of(least: Severity, image: &str, grave: &[Finding]) -> Problem {
    let count = if grave.len() == 1 { "one finding".to_owned() } else { format!("{} findings", grave.len()) };
    let above = if least == Severity::Critical { "" } else { " or above" };
    let problem = Problem::refused(
        "scan-findings",
        format!("the scan of {image} has {count} of severity {}{above}", least.word()),
        "Update the packages and build again; name what is known and accepted in `scan.ignore`.",
    );
    let problem = grave.iter().take(TOLD).fold(problem, |problem, finding| problem.because(line(finding)));
    if grave.len() > TOLD {
        return problem.because(format!("… and {} more", grave.len() - TOLD));
    }
    problem
}

/// `high CVE-2026-0001 in openssl 3.0.1, fixed in 3.0.2: https://…`
fn line(finding: &Finding) -> String {
    let Finding { severity, name, package, version, fixed_in, url } = finding;
    let package = [package.as_str(), version.as_str()].join(" ").trim().to_owned();
    let package = if package.is_empty() { package } else { format!(" in {package}") };
    let fixed = fixed_in.as_ref().map(|version| format!(", fixed in {version}")).unwrap_or_default();
    let url = url.as_ref().map(|url| format!(": {url}")).unwrap_or_default();
    format!("{} {name}{package}{fixed}{url}", severity.word())
}

fn under_way(wait: Span, image: &str) -> Problem {
    Problem::refused(
        "scan-under-way",
        format!("the scan of {image} did not end within {wait}"),
        "Run again when it has; `scan.wait` says how long it is waited for.",
    )
}

fn without(rule: &ScanSpec, name: &ServiceName, image: &PinnedImage, why: &str, verdict: &mut Verdict) {
    let shown = image.by_digest();
    if rule.unscanned == Unscanned::Allow {
        verdict.notices.push(format!("{name}: {shown} has no scan ({why}); `scan.unscanned` allows that"));
        return;
    }
    let reference = image.reference();
    let next = match reference.registry().ecr() {
        Some((account, region)) => format!(
            "Scan it: `aws ecr start-image-scan --registry-id {account} --region {region} --repository-name {0} \
             --image-id imageDigest={1}`, and every image from now on: `aws ecr put-image-scanning-configuration \
             --registry-id {account} --region {region} --repository-name {0} --image-scanning-configuration \
             scanOnPush=true`. Or write `unscanned: allow`.",
            reference.repository(),
            image.digest()
        ),
        None => {
            "Keep the image in a private ECR repository that scans on push, or write `unscanned: allow`.".to_owned()
        }
    };
    let problem = Problem::refused("not-scanned", format!("{shown} has no scan"), next).because(why.to_owned());
    verdict.against.push(about(name, problem));
}
