//! Branches and what is required of them: branch protection and rulesets.

use serde::Deserialize;
use serde_json::{Value, json};

use super::entry::{Ask, page_of};
use super::repository::Repo;
use super::{GitHub, missing};
use crate::reply::Millis;
use crate::server::Reply;

/// A required check, and the App it must come from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequiredCheck {
    /// Its name.
    pub(crate) context: String,
    /// The App's id.
    #[serde(default)]
    pub(crate) app: Option<u64>,
}

/// Whether a branch must contain its base.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UpToDate {
    #[default]
    Any,
    Strict,
}

/// What becomes of approvals when somebody pushes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stale {
    #[default]
    Keep,
    Dismiss,
}

/// Branch protection.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Protection {
    pub(crate) checks: Vec<RequiredCheck>,
    pub(crate) up_to_date: UpToDate,
    /// How many approvals.
    pub(crate) reviews: usize,
    pub(crate) stale: Stale,
}

/// A ruleset for one branch.
#[derive(Debug)]
pub(crate) struct Ruleset {
    pub(crate) id: u64,
    pub(crate) branch: String,
    pub(crate) rules: Protection,
}

impl Repo {
    fn rules_of(&self, branch: &str) -> impl Iterator<Item = &Protection> {
        let rulesets = self.rulesets.iter().filter(move |ruleset| ruleset.branch == branch);
        self.protection.get(branch).into_iter().chain(rulesets.map(|ruleset| &ruleset.rules))
    }

    /// Required checks from protection and rulesets.
    pub(crate) fn required(&self, branch: &str) -> Vec<(String, Option<u64>)> {
        let checks = self.rules_of(branch).flat_map(|rules| &rules.checks);
        checks.map(|check| (check.context.clone(), check.app)).collect()
    }

    /// How many approvals a pull request into the branch needs.
    pub(crate) fn required_reviews(&self, branch: &str) -> usize {
        self.rules_of(branch).map(|rules| rules.reviews).max().unwrap_or(0)
    }

    pub(crate) fn is_strict(&self, branch: &str) -> bool {
        self.rules_of(branch).any(|rules| rules.up_to_date == UpToDate::Strict)
    }

    pub(crate) fn dismisses_stale(&self, branch: &str) -> bool {
        self.rules_of(branch).any(|rules| rules.stale == Stale::Dismiss)
    }
}

impl GitHub {
    /// `GET /repos/{}/branches/{b}`.
    pub(super) fn branch(&self, full: &str, name: &str, now: Millis) -> Reply {
        let repository = &self.repositories[full];
        let Some(commit) = repository.references.get(name).and_then(|sha| repository.seen(sha, now)) else {
            return missing();
        };
        let links = self.links(full);
        let protection = repository.protection.get(name);
        let checks = protection.map(|protection| protection.checks.as_slice()).unwrap_or_default();
        let contexts: Vec<&str> = checks.iter().map(|check| check.context.as_str()).collect();
        let named: Vec<Value> =
            checks.iter().map(|check| json!({"context": check.context, "app_id": check.app})).collect();
        let level = if checks.is_empty() { "off" } else { "non_admins" };
        let url = links.url(&format!("branches/{name}"));
        Reply::json(
            200,
            &json!({
                "name": name, "commit": links.commit(commit),
                "_links": {"self": url, "html": links.html(&format!("tree/{name}"))},
                "protected": protection.is_some() || !self.rules(full, name).is_empty(),
                "protection": {
                    "enabled": protection.is_some(),
                    "required_status_checks": {"enforcement_level": level, "contexts": contexts, "checks": named},
                },
                "protection_url": format!("{url}/protection"),
            }),
        )
    }

    fn rules(&self, full: &str, branch: &str) -> Vec<Value> {
        let rulesets = self.repositories[full].rulesets.iter().filter(|ruleset| ruleset.branch == branch);
        let mut found = Vec::new();
        for Ruleset { id, rules, .. } in rulesets {
            let source = json!({"ruleset_source_type": "Repository", "ruleset_source": full, "ruleset_id": id});
            let mut add = |kind: &str, parameters: Value| {
                let mut rule = json!({"type": kind, "parameters": parameters});
                let more = source.as_object().cloned().unwrap_or_default();
                rule.as_object_mut().into_iter().for_each(|rule| rule.extend(more.clone()));
                found.push(rule);
            };
            if !rules.checks.is_empty() {
                let checks = rules.checks.iter().map(|check| match check.app {
                    Some(app) => json!({"context": check.context, "integration_id": app}),
                    None => json!({"context": check.context}),
                });
                let checks: Vec<Value> = checks.collect();
                add(
                    "required_status_checks",
                    json!({
                        "required_status_checks": checks, "do_not_enforce_on_create": false,
                        "strict_required_status_checks_policy": rules.up_to_date == UpToDate::Strict,
                    }),
                );
            }
            if rules.reviews > 0 {
                add(
                    "pull_request",
                    json!({
                        "required_approving_review_count": rules.reviews,
                        "dismiss_stale_reviews_on_push": rules.stale == Stale::Dismiss,
                        "require_code_owner_review": false, "require_last_push_approval": false,
                        "required_review_thread_resolution": false,
                    }),
                );
            }
        }
        found
    }

    /// `GET /repos/{}/rules/branches/{b}`: the rules that are active there.
    pub(super) fn branch_rules(&self, full: &str, branch: &str, ask: &Ask<'_>) -> Reply {
        Reply::json(200, &Value::Array(page_of(&self.rules(full, branch), &ask.form, 30)))
    }
}
