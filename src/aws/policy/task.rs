//! What a task definition tells about permissions.

use std::collections::BTreeSet;

use serde_json::Value;

/// Roles, log groups and secrets of a task definition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFacts {
    /// ARNs of the task role and the execution role.
    pub roles: BTreeSet<String>,
    /// Log groups of its containers.
    pub log_groups: BTreeSet<String>,
    /// `valueFrom` of its containers' secrets.
    pub secrets: BTreeSet<String>,
}

impl TaskFacts {
    /// Those of a task definition as ECS writes it.
    pub fn of(definition: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let mut facts = Self::default();
        facts.roles.extend(["taskRoleArn", "executionRoleArn"].iter().filter_map(|role| text(&definition[*role])));
        for container in list(&definition["containerDefinitions"]) {
            let log = &container["logConfiguration"];
            facts.log_groups.extend(text(&log["options"]["awslogs-group"]));
            facts.secrets.extend(list(&container["secrets"]).iter().filter_map(|secret| text(&secret["valueFrom"])));
            facts.secrets.extend(list(&log["secretOptions"]).iter().filter_map(|secret| text(&secret["valueFrom"])));
        }
        facts
    }
}
