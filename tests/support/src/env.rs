//! What the state machines share: where the account is, identifiers, timing,
//! rules, and the log lines that simulated containers write.

use std::collections::BTreeMap;

use crate::behaviour::{AppRunnerRule, Rule};
use crate::ids::Ids;
use crate::logs::Logs;
use crate::reply::Millis;
use crate::timing::Timing;

/// Shared surroundings of one simulated account and region.
#[derive(Debug)]
pub(crate) struct Env {
    /// Region of every ARN.
    pub(crate) region: String,
    /// Account of every ARN.
    pub(crate) account: String,
    /// Identifier source.
    pub(crate) ids: Ids,
    /// Default durations and scale.
    pub(crate) timing: Timing,
    /// ECS rules, oldest first.
    pub(crate) rules: Vec<Rule>,
    /// App Runner rules, oldest first.
    pub(crate) apprunner_rules: Vec<AppRunnerRule>,
    /// CloudWatch Logs.
    pub(crate) logs: Logs,
    /// Alarms in ALARM, by name, and since when.
    pub(crate) firing: BTreeMap<String, Millis>,
    /// Where branches of source repositories stand, by `owner/name` and branch, and since when.
    pub(crate) heads: BTreeMap<(String, String), (String, Millis)>,
}

impl Env {
    pub(crate) fn new() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            account: "111122223333".to_owned(),
            ids: Ids::default(),
            timing: Timing::default(),
            rules: Vec::new(),
            apprunner_rules: Vec::new(),
            logs: Logs::default(),
            firing: BTreeMap::new(),
            heads: BTreeMap::new(),
        }
    }

    /// `arn:aws:<service>:<region>:<account>:<rest>`.
    pub(crate) fn arn(&self, service: &str, rest: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{rest}", self.region, self.account)
    }

    /// A rule's duration or the default, scaled.
    pub(crate) fn ms(&self, asked: Option<u64>, default: u64) -> u64 {
        self.timing.scaled(asked.unwrap_or(default))
    }

    /// The rule for a deployment of `images` to `service`, or for a one-off
    /// task with that command, if there is one; a limited rule is used up by
    /// this.
    pub(crate) fn rule(&mut self, service: Option<&str>, images: &[String], command: Option<&str>) -> Option<Rule> {
        let index = self.rules.iter().rposition(|rule| {
            rule.times != Some(0)
                && rule.command.as_deref().is_none_or(|wanted| command.is_some_and(|command| command.contains(wanted)))
                && rule.service.as_deref().is_none_or(|wanted| service == Some(wanted))
                && rule.image.as_deref().is_none_or(|wanted| images.iter().any(|image| image.contains(wanted)))
        })?;
        let rule = &mut self.rules[index];
        rule.times = rule.times.map(|times| times - 1);
        Some(rule.clone())
    }

    /// The same for an App Runner operation.
    pub(crate) fn apprunner_rule(&mut self, service: &str, image: &str) -> Option<AppRunnerRule> {
        let index = self.apprunner_rules.iter().rposition(|rule| {
            rule.times != Some(0)
                && rule.service.as_deref().is_none_or(|wanted| service == wanted)
                && rule.image.as_deref().is_none_or(|wanted| image.contains(wanted))
        })?;
        let rule = &mut self.apprunner_rules[index];
        rule.times = rule.times.map(|times| times - 1);
        Some(rule.clone())
    }
}
