//! The policy as a deployment meets it: its text becomes a configuration, its mistakes a no.
//!
//! The policy is `.github/shipline.yml` of the default branch, never of the pull request. Here is
//! only what it says; whether a command may run by it is decided in [`crate::decision`]. Pure.

use shipline::config::spec::Config;
use shipline::config::{self, FILE};
use shipline::problem::{Problem, ProblemKind, Problems};

pub use crate::decision::policy::{environment, services};
use crate::decision::{Denied, ReasonCode};

/// The configuration of this text; absent when the default branch has no such file.
pub fn read(text: Option<&str>) -> Result<Config, Denied> {
    let text = text.ok_or_else(|| {
        Denied::new(
            ReasonCode::NotConfigured,
            format!("This repository has no `{FILE}` on its default branch."),
            "Add one, and merge it: `shipline init` writes it, docs/configuration.md explains it.",
        )
    })?;
    config::parse(FILE, text).map_err(|problems| denied(&problems, ReasonCode::PolicyInvalid))
}

/// Problems as a no. What AWS or GitHub failed at, and our own defects, keep their own codes; `code`
/// is for everything the reader can mend.
pub fn denied(problems: &Problems, code: ReasonCode) -> Denied {
    let all = problems.all();
    let Some(first) = all.first() else {
        return Denied::new(ReasonCode::Defect, "Something went wrong and nobody said what.", "Report this, please.");
    };
    let any = |kind: ProblemKind| all.iter().any(|problem| problem.kind == kind);
    let code = if any(ProblemKind::Defect) {
        ReasonCode::Defect
    } else if any(ProblemKind::Provider) {
        ReasonCode::ProviderFailed
    } else {
        code
    };
    let mut denied = Denied::new(code, told(first), first.next.clone());
    denied.why.clone_from(&first.why);
    for other in &all[1..] {
        denied = denied.because(format!("{} {}", told(other), other.next));
        denied.why.extend(other.why.iter().cloned());
    }
    denied
}

fn told(problem: &Problem) -> String {
    match &problem.place {
        Some(place) => format!("`{place}`: {}", problem.what),
        None => problem.what.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_policy_and_one_with_mistakes_are_told_apart() {
        assert_eq!(read(None).unwrap_err().code, ReasonCode::NotConfigured);
        let denied = read(Some("version: 1\nservicess: {}\nenvironments: {}\n")).unwrap_err();
        assert_eq!(denied.code, ReasonCode::PolicyInvalid);
        assert!(denied.what.starts_with("`.github/shipline.yml:1 services`: "), "{}", denied.what);
        assert!(
            denied.why.iter().any(|other| other.contains(".github/shipline.yml:2")),
            "all of them: {:?}",
            denied.why
        );
    }

    #[test]
    fn what_a_provider_failed_at_is_never_told_as_the_readers_mistake() {
        let problems =
            Problems::or(vec![Problem::mistake("a", "first", "mend it"), Problem::provider("b", "second", "wait")], ())
                .unwrap_err();
        let denied = denied(&problems, ReasonCode::PlanRefused);
        assert_eq!(denied.code, ReasonCode::ProviderFailed);
        assert_eq!((denied.what.as_str(), denied.next.as_str()), ("first", "mend it"));
        assert_eq!(denied.why, ["second wait"]);
    }
}
