//! What measurements call the new revision and the old one: names as CloudWatch's dimensions have them.

use std::collections::BTreeMap;

use aws_sdk_ecs::types as sdk;

use super::EcsTarget;
use super::looks::Tries;
use super::raw::short;
use crate::aws::failure;
use crate::engine::{Sides, TargetError};
use crate::rollout::Shift;

impl EcsTarget {
    /// Names of both sides of a change; nothing where ECS does not tell of two.
    pub(super) async fn sides_of(&self, shift: &Shift) -> Result<Option<Sides>, TargetError> {
        let Some(arn) = self.arn_of(shift).await else { return Ok(None) };
        let Some(known) = self.lookout.deployment(Tries::Many, &arn).await? else { return Ok(None) };
        let Some(target) = known.course.target.clone() else { return Ok(None) };
        let mut asked = known.course.sources.clone();
        asked.push(target.clone());
        let answer = self.patient.describe_service_revisions().set_service_revision_arns(Some(asked)).send().await;
        let answer = answer.map_err(|error| failure("ecs:DescribeServiceRevisions", &error))?;
        let revisions = answer.service_revisions();
        let new = revisions.iter().find(|known| known.service_revision_arn() == Some(&target));
        let old = known
            .course
            .sources
            .iter()
            .rev()
            .find_map(|source| revisions.iter().find(|known| known.service_revision_arn() == Some(source)));
        let (Some(new), Some(old)) = (new, old) else { return Ok(None) };
        Ok(Some(Sides { new: self.side(new), old: self.side(old) }))
    }

    fn side(&self, revision: &sdk::ServiceRevision) -> BTreeMap<String, String> {
        let mut side = names(revision);
        side.insert("cluster".to_owned(), self.cluster_name().to_owned());
        side.insert("service".to_owned(), self.service_name().to_owned());
        side
    }
}

/// What the revision itself tells.
fn names(revision: &sdk::ServiceRevision) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    if let Some(definition) = revision.task_definition() {
        names.insert("revision".to_owned(), short(definition).to_owned());
    }
    let resolved = revision.resolved_configuration().and_then(|resolved| resolved.load_balancers().first());
    let group = resolved.and_then(|balancer| balancer.target_group_arn());
    // A revision that was never moved by weights has but the one group that the service names.
    let group = group.or_else(|| revision.load_balancers().first()?.target_group_arn());
    if let Some(group) = group.and_then(group_dimension) {
        names.insert("target-group".to_owned(), group.to_owned());
    }
    let rule = resolved.and_then(|balancer| balancer.production_listener_rule());
    let configured = || revision.load_balancers().first()?.advanced_configuration()?.production_listener_rule();
    if let Some(balancer) = rule.or_else(configured).and_then(balancer_dimension) {
        names.insert("load-balancer".to_owned(), balancer);
    }
    names
}

/// `targetgroup/api/50dc6c495c0c9188` of a target group's ARN.
fn group_dimension(arn: &str) -> Option<&str> {
    arn.rsplit(':').next().filter(|name| name.starts_with("targetgroup/"))
}

/// `app/web/50dc6c495c0c9188` of the ARN of one of its rules, or of a listener of `net/…`.
fn balancer_dimension(arn: &str) -> Option<String> {
    let path = arn.rsplit(':').next()?;
    let path = path.strip_prefix("listener-rule/").or_else(|| path.strip_prefix("listener/"))?;
    let parts: Vec<&str> = path.split('/').take(3).collect();
    (parts.len() == 3).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "arn:aws:elasticloadbalancing:us-east-1:111122223333:listener-rule/app/web/50dc/f2f7/9683";

    #[test]
    fn names_are_those_of_the_dimensions_of_cloudwatch() {
        let group = "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/api/50dc6c495c0c9188";
        assert_eq!(group_dimension(group), Some("targetgroup/api/50dc6c495c0c9188"));
        assert_eq!(group_dimension("arn:aws:ecs:us-east-1:111122223333:service/a/b"), None);
        assert_eq!(balancer_dimension(RULE).as_deref(), Some("app/web/50dc"));
        let network = RULE.replace("listener-rule/app/web/50dc/f2f7/9683", "listener/net/web/50dc/f2f7");
        assert_eq!(balancer_dimension(&network).as_deref(), Some("net/web/50dc"));
        assert_eq!(balancer_dimension("arn:aws:ecs:us-east-1:111122223333:service/a/b"), None);
    }

    #[test]
    fn the_group_that_serves_a_revision_counts_and_not_the_one_the_service_names_first() {
        let arn = |name: &str| format!("arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/{name}/1");
        let advanced = sdk::AdvancedConfiguration::builder().production_listener_rule(RULE).build();
        let configured =
            sdk::LoadBalancer::builder().target_group_arn(arn("blue")).advanced_configuration(advanced).build();
        let plain = sdk::ServiceRevision::builder()
            .task_definition("arn:aws:ecs:us-east-1:111122223333:task-definition/api:43")
            .load_balancers(configured.clone());
        let resolved = sdk::ServiceRevisionLoadBalancer::builder().target_group_arn(arn("green")).build();
        let resolved = sdk::ResolvedConfiguration::builder().load_balancers(resolved).build();
        let of = |revision: sdk::ServiceRevision| names(&revision).into_values().collect::<Vec<_>>();
        assert_eq!(of(plain.clone().build()), ["app/web/50dc", "api:43", "targetgroup/blue/1"]);
        let moved = plain.resolved_configuration(resolved).build();
        assert_eq!(of(moved), ["app/web/50dc", "api:43", "targetgroup/green/1"]);
    }
}
