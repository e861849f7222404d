//! What the load balancer says about the targets of a service, and what made a deployment slow.

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types as sdk;

use crate::aws::failure;
use crate::engine::ProviderFailure;

/// Targets that are not well, in words, one line a reason: `2 targets unhealthy: Health checks failed with these codes: [503]`.
pub(super) async fn unwell(client: &Client, group: &str) -> Result<Vec<String>, ProviderFailure> {
    let asked = client.describe_target_health().target_group_arn(group).send().await;
    let answer = asked.map_err(|error| failure("elasticloadbalancing:DescribeTargetHealth", &error))?;
    let mut reasons: Vec<(String, usize)> = Vec::new();
    for target in answer.target_health_descriptions() {
        let Some(health) = target.target_health() else { continue };
        // Healthy ones are well, draining ones go, unused ones were never asked.
        let well = matches!(
            health.state(),
            None | Some(
                sdk::TargetHealthStateEnum::Healthy
                    | sdk::TargetHealthStateEnum::Draining
                    | sdk::TargetHealthStateEnum::Unused
            )
        );
        if well {
            continue;
        }
        let state = health.state().map(|state| state.as_str().to_owned()).unwrap_or_default();
        let why = health.description().map(str::to_owned);
        let why = why.or_else(|| health.reason().map(|reason| reason.as_str().to_owned()));
        let text = why.map_or_else(|| state.clone(), |why| format!("{state}: {why}"));
        match reasons.iter_mut().find(|(known, _)| *known == text) {
            Some((_, times)) => *times += 1,
            None => reasons.push((text, 1)),
        }
    }
    let words = |(text, times): (String, usize)| match times {
        1 => format!("1 target {text}"),
        more => format!("{more} targets {text}"),
    };
    Ok(reasons.into_iter().map(words).collect())
}

/// The deregistration delay of a target group, seconds.
pub(super) async fn drain_seconds(client: &Client, group: &str) -> Result<Option<u32>, ProviderFailure> {
    let asked = client.describe_target_group_attributes().target_group_arn(group).send().await;
    let answer = asked.map_err(|error| failure("elasticloadbalancing:DescribeTargetGroupAttributes", &error))?;
    let known = answer.attributes().iter().find(|known| known.key() == Some("deregistration_delay.timeout_seconds"));
    Ok(known.and_then(|known| known.value()?.parse().ok()))
}
