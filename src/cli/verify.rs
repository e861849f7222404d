//! `shipline verify`: says before the first deployment what would fail. Changes nothing.
//!
//! Invariant: every problem is reported at once; one check that fails hides no other that can be made.

use std::fmt::Write as _;

use futures_util::future::{join, join_all};
use serde_json::json;

use super::deploy::Request;
use super::host::Host;
use super::{environment, planning, release};
use crate::aws::Session;
use crate::config::spec::EnvironmentSpec;
use crate::engine::{Examination, Finding, Targets, Weight, http_answers};
use crate::image::{Pipeline, Source};
use crate::problem::{Problem, Problems};
use crate::types::{CommitSha, ImageRef, ServiceName};

/// Looks at everything a deployment would use, and tells all that would stop it.
pub(super) async fn verify(request: &Request, host: &Host) -> Result<u8, Problems> {
    let spec = environment::find(&request.config, &request.environment)?;
    let services = environment::chosen(&request.environment, spec, &request.services)?;
    let mut found = Examination::default();
    rules(spec, &mut found);
    if let Err(problems) = release::possible(request, &services) {
        problems.all().iter().for_each(|problem| found.fails(problem.clone()));
    }
    let dealt = environment::Images::Dealt;
    let opening = environment::places(request, &request.environment, spec, &services, dealt, host);
    let (places, elsewhere) = join(opening, async { join(addresses(spec), github(request, host)).await }).await;
    match places {
        Ok((session, targets)) => {
            if let Some(session) = &session {
                found.good("credentials are there, and their account is allowed");
                add(&mut found, None, account(session).await);
            }
            hooks(spec, &targets, &mut found);
            let pipeline = release::pipeline(session.as_ref(), host);
            let commit = commit(request, &services, host).await;
            if let Err(problem) = &commit {
                found.fails(problem.clone());
            }
            let commit = commit.ok().flatten();
            let examined = services.iter().map(async |name| {
                let Some(target) = targets.get(name) else { return (name, Examination::default()) };
                let mut own = target.examine().await;
                image(request, name, commit, session.as_ref(), &pipeline, &mut own).await;
                (name, own)
            });
            for (name, own) in join_all(examined).await {
                add(&mut found, Some(name), own);
            }
        }
        Err(problem) => found.fails(problem),
    }
    add(&mut found, None, elsewhere.0);
    add(&mut found, None, elsewhere.1);
    Ok(tell(request, found, host))
}

fn add(found: &mut Examination, service: Option<&ServiceName>, own: Examination) {
    let named = |text: String| service.map_or_else(|| text.clone(), |service| format!("{service}: {text}"));
    found.good.extend(own.good.into_iter().map(named));
    found.findings.extend(own.findings.into_iter().map(|finding| match service {
        Some(service) => Finding { problem: planning::about(service, finding.problem), ..finding },
        None => finding,
    }));
}

/// Rules that a run without the bot does not hold.
fn rules(spec: &EnvironmentSpec, found: &mut Examination) {
    for rule in &spec.deferred {
        found.good(format!("`{}` is held by shipline-bot alone", rule.key));
    }
}

async fn account(session: &Session) -> Examination {
    let mut found = Examination::default();
    match session.account().await {
        Ok(account) => found.good(format!("account {account}, region {}", session.region())),
        Err(problem) => found.fails(problem),
    }
    found
}

/// Hooks that no target of theirs could run.
fn hooks(spec: &EnvironmentSpec, targets: &Targets, found: &mut Examination) {
    for hook in spec.before.iter().chain(&spec.after) {
        let Some(target) = targets.get(&hook.service) else { continue };
        if target.tasks().is_none() {
            let what = format!("{}: `{}` cannot run here", hook.service, hook.run.join(" "));
            let next = "Name a service in `in` that runs one-off tasks, or remove the hook.";
            let problem = Problem::refused("no-tasks", what, next);
            found.fails(problem.because(format!("{} runs no one-off tasks", target.place().name)));
        }
    }
}

/// The commit whose images are looked for; nothing when every image is given.
async fn commit(request: &Request, services: &[ServiceName], host: &Host) -> Result<Option<CommitSha>, Problem> {
    if request.commit.is_some() || services.iter().all(|name| request.images.contains_key(name)) {
        return Ok(request.commit);
    }
    let source = Box::pin(Source::read(&host.root, None, &host.variables, &host.cancel)).await?;
    Ok(Some(source.commit))
}

/// The repository, the commit's image in it, and its platform.
async fn image(
    request: &Request,
    name: &ServiceName,
    commit: Option<CommitSha>,
    session: Option<&Session>,
    pipeline: &Pipeline,
    found: &mut Examination,
) {
    let spec = request.config.services.get(name).and_then(|service| service.image.as_ref());
    let build = spec.and_then(|spec| spec.build.as_ref());
    let wanted = found.platform.clone();
    let reference: ImageRef = match (request.images.get(name), spec, commit) {
        (Some(given), _, _) => given.clone(),
        (None, Some(spec), Some(commit)) => match release::repository(spec, session).await {
            Ok(repository) => repository.with_tag(commit.into()),
            Err(problem) => return found.fails(problem),
        },
        _ => return,
    };
    match pipeline.platforms(&reference).await {
        Ok(Some(made)) => {
            found.good(format!("image {reference} is there"));
            if let Some(wanted) = wanted.filter(|wanted| !made.is_empty() && !made.contains(wanted)) {
                found.fails(wrong_platform(&format!("{reference} is made for {}", made.join(", ")), &wanted));
            }
        }
        Ok(None) => match build {
            Some(build) => {
                found.good(format!("image {reference} would be built"));
                if let Some(wanted) =
                    wanted.filter(|wanted| !build.platforms.is_empty() && !build.platforms.contains(wanted))
                {
                    found.fails(wrong_platform(
                        &format!("the image is built for {}", build.platforms.join(", ")),
                        &wanted,
                    ));
                }
            }
            None => found.fails(Problem::mistake(
                "image-missing",
                format!("there is no image {reference}, and nothing says how to build it"),
                format!("Push it, or add `context` to the image of {name}."),
            )),
        },
        Err(problem) if problem.code == "permission-missing" => {
            found.findings.push(Finding { weight: Weight::Unseen, problem });
        }
        Err(problem) => found.fails(problem),
    }
}

fn wrong_platform(what: &str, wanted: &str) -> Problem {
    Problem::mistake(
        "wrong-platform",
        format!("{what}, and it would run on {wanted}"),
        format!("Build it with `platforms: [{wanted}]`, or change the platform it runs on."),
    )
}

/// Whether the addresses of `verify` answer now; before a first deployment they need not.
async fn addresses(spec: &EnvironmentSpec) -> Examination {
    let asked = join_all(spec.verify.iter().map(async |check| (check, http_answers(check).await))).await;
    let mut found = Examination::default();
    for (check, answer) in asked {
        match answer {
            Ok(()) => found.good(format!("{} answers {}", check.url, check.expect)),
            Err(why) => found.warns(
                Problem::provider(
                    "address-does-not-answer",
                    format!("{} does not answer {} now", check.url, check.expect),
                    "Mend the address if something serves there already: a deployment waits for this answer.",
                )
                .because(why),
            ),
        }
    }
    found
}

/// Whether the token, if there is one, may read deployments.
async fn github(request: &Request, host: &Host) -> Examination {
    let mut found = Examination::default();
    match host.github(request.github_token.as_deref()) {
        Err(problem) => found.fails(problem),
        Ok(None) => {}
        Ok(Some(github)) => match github.deployments(&request.environment, None, 1).await {
            Ok(_) => found.good(format!("GitHub shows the deployments of {}", github.repository())),
            // Never fatal: GitHub is told of deployments, it does not decide them.
            Err(problem) => found.warns(problem),
        },
    }
    found
}

fn tell(request: &Request, found: Examination, host: &Host) -> u8 {
    let Examination { mut findings, good, .. } = found;
    findings.sort_by_key(|finding| finding.weight);
    let count = |weight: Weight| findings.iter().filter(|finding| finding.weight == weight).count();
    let (fails, warns, unseen) = (count(Weight::Fails), count(Weight::Warns), count(Weight::Unseen));
    let mut text = String::new();
    for one in &good {
        let _ = writeln!(text, "  ok     {one}");
    }
    for finding in &findings {
        let problem = finding.problem.to_string().replace('\n', "\n       ");
        let _ = writeln!(text, "  {:6} {problem}", finding.weight.word());
    }
    let verdict = if fails == 0 { "nothing that is known would fail" } else { "a deployment would fail" };
    let _ = writeln!(
        text,
        "{}: {verdict} ({fails} fail, {warns} to look at, {unseen} could not be looked at)",
        request.environment
    );
    host.console.answer(&text);
    let told: Vec<_> =
        findings.iter().map(|finding| json!({ "weight": finding.weight.word(), "problem": finding.problem })).collect();
    host.console.document(&json!({
        "schema_version": 1, "command": "verify", "environment": request.environment,
        "result": if fails == 0 { "ready" } else { "not-ready" }, "findings": told, "good": good,
    }));
    let failing: Vec<Problem> =
        findings.into_iter().filter(|finding| finding.weight == Weight::Fails).map(|finding| finding.problem).collect();
    Problems::or(failing, ()).map_or_else(|problems| problems.exit_code(), |()| 0)
}
