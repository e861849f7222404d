//! What a deployment of an environment waits for, or is refused by: read from the configuration alone. Pure.

use crate::config::spec::{Checks, EnvironmentSpec, Freeze, Reviews, WeekTime};
use crate::report::GateView;

/// The gates of an environment, in the order in which they are asked. `commands` of the bot hold those about people.
pub(super) fn conditions(spec: &EnvironmentSpec) -> Vec<GateView> {
    let policy = &spec.policy;
    let held_by = |key: &str| {
        let deferred = spec.deferred.iter().any(|rule| rule.key == key);
        if deferred { "shipline-bot" } else { "this run" }.to_owned()
    };
    let mut found = Vec::new();
    let mut add = |key: &str, what: String| {
        found.push(GateView { gate: key.to_owned(), what, held_by: held_by(key) });
    };
    match &policy.checks {
        Checks::NotAsked => {}
        Checks::Required => add("checks", "the checks that branch protection requires have passed".to_owned()),
        Checks::All => add("checks", "every check of the commit has passed".to_owned()),
        Checks::Named(names) => add("checks", format!("these checks have passed: {}", names.join(", "))),
    }
    if policy.reviews == Reviews::Required {
        add("reviews", "the pull request has the reviews that branch protection requires".to_owned());
    }
    if !policy.requires.is_empty() {
        let names: Vec<&str> = policy.requires.iter().map(crate::types::EnvironmentName::as_str).collect();
        let soak = if policy.soak.duration().is_zero() { String::new() } else { format!(" for {}", policy.soak) };
        add("requires", format!("this very release is good in {}{soak}", names.join(", ")));
    }
    for freeze in &policy.freeze {
        add("freeze", format!("it is not between {}", frozen(freeze)));
    }
    if spec.deferred.iter().any(|rule| rule.key == "approvals") {
        add("approvals", "the people whom `approvals` names have said yes".to_owned());
    }
    if !spec.alarms.is_empty() {
        add("alarms", format!("these alarms are quiet: {}", spec.alarms.join(", ")));
    }
    found
}

fn frozen(freeze: &Freeze) -> String {
    format!("{} and {} ({})", at(freeze.from), at(freeze.to), freeze.zone)
}

fn at(time: WeekTime) -> String {
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let day = days.get(usize::from(time.day)).copied().unwrap_or("?");
    format!("{day} {:02}:{:02}", time.hour, time.minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_that_can_hold_a_deployment_up_is_told_with_who_holds_it() {
        let text = r#"
version: 1
services: { api: {} }
environments:
  staging: { services: { api: { ecs: { cluster: c, service: api } } } }
  production:
    services: { api: { ecs: { cluster: c, service: api } } }
    requires: [staging]
    soak: 30m
    checks: [lint, test]
    reviews: required
    approvals: { count: 1, from: ["@acme/release-managers"] }
    freeze: [{ from: "Fri 16:00", to: "Mon 08:00", zone: Europe/Berlin }]
    alarms: [pmis-5xx]
"#;
        let config = crate::config::parse("shipline.yml", text).unwrap();
        let of = |name: &str| conditions(&config.environments[&name.parse().unwrap()]);
        assert_eq!(of("staging"), Vec::new());
        let told: Vec<String> = of("production").iter().map(|gate| format!("{}: {}", gate.gate, gate.what)).collect();
        assert_eq!(
            told,
            [
                "checks: these checks have passed: lint, test",
                "reviews: the pull request has the reviews that branch protection requires",
                "requires: this very release is good in staging for 30m",
                "freeze: it is not between Fri 16:00 and Mon 08:00 (Europe/Berlin)",
                "approvals: the people whom `approvals` names have said yes",
                "alarms: these alarms are quiet: pmis-5xx",
            ]
        );
        assert_eq!(of("production")[0].held_by, "shipline-bot");
    }
}
