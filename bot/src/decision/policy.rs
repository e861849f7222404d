//! What the policy of the default branch says of an environment, before anybody asks who and when.

use shipline::config::spec::{Config, EnvironmentSpec};
use shipline::problem::Problems;
use shipline::types::{CommitSha, EnvironmentName, ServiceName};

use super::words::{commit, list};
use super::{Denied, ReasonCode};

/// How many mistakes of a policy are told in a comment.
const TOLD: usize = 10;

/// The repository has no policy.
pub fn not_configured(branch: &str, at: CommitSha) -> Denied {
    let what = format!("There is no `{}` on `{branch}`.", shipline::config::FILE);
    let next = format!("Add it to `{branch}`; `shipline init` writes a first one. The bot reads no other branch.");
    Denied::new(ReasonCode::NotConfigured, what, next).because(format!("Looked at {}.", commit(at)))
}

/// The policy has mistakes.
pub fn invalid(branch: &str, at: CommitSha, problems: &Problems) -> Denied {
    let all = problems.all();
    let count = if all.len() == 1 { "a mistake".to_owned() } else { format!("{} mistakes", all.len()) };
    let what = format!("`{}` on `{branch}` has {count}, so nothing is deployed.", shipline::config::FILE);
    let next = format!("Mend it on `{branch}` (`shipline check` shows the same), then comment again.");
    let mut denied = Denied::new(ReasonCode::PolicyInvalid, what, next);
    for problem in all.iter().take(TOLD) {
        let place = problem.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
        denied = denied.because(format!("{place}{} {}", problem.what, problem.next));
    }
    if all.len() > TOLD {
        denied = denied.because(format!("… and {} more.", all.len() - TOLD));
    }
    denied.because(format!("Looked at {}.", commit(at)))
}

/// The environment, if the policy has it.
pub fn environment<'c>(config: &'c Config, wanted: &EnvironmentName) -> Result<&'c EnvironmentSpec, Denied> {
    config.environments.get(wanted).ok_or_else(|| {
        let known = config.environments.keys().map(EnvironmentName::as_str);
        let what = format!("There is no environment `{wanted}` in the policy.");
        Denied::new(ReasonCode::UnknownEnvironment, what, choose(wanted.as_str(), known))
    })
}

/// The services that are meant: all of the environment when none is named.
pub fn services(
    environment: &EnvironmentName,
    spec: &EnvironmentSpec,
    wanted: &[ServiceName],
) -> Result<Vec<ServiceName>, Denied> {
    if let Some(unknown) = wanted.iter().find(|service| !spec.services.contains_key(*service)) {
        let what = format!("`{environment}` has no service `{unknown}`.");
        let next = choose(unknown.as_str(), spec.services.keys().map(ServiceName::as_str));
        return Err(Denied::new(ReasonCode::UnknownService, what, next));
    }
    Ok(if wanted.is_empty() { spec.services.keys().cloned().collect() } else { wanted.to_vec() })
}

fn choose<'a>(wanted: &str, known: impl Iterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.collect();
    let near = known.iter().map(|name| (strsim::osa_distance(wanted, name), *name)).min();
    let all: Vec<String> = known.iter().map(|name| format!("`{name}`")).collect();
    let there = if all.len() == 1 { "There is" } else { "There are" };
    match near {
        Some((distance, name)) if (distance <= 2 && distance < wanted.len()) || name.starts_with(wanted) => {
            format!("Did you mean `{name}`? {there} {}.", list(&all, "and"))
        }
        Some(_) => format!("{there} {}.", list(&all, "and")),
        None => "There is none.".to_owned(),
    }
}
