//! Which action is needed for what, and on what kind of resource (IAM service authorization reference).

use super::scope::Scope;

/// What an environment does. The name is the beginning of the statement's `Sid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    /// Finds images in private ECR, and tags them.
    Images,
    /// Pushes what it built, or brings what another environment runs.
    Uploads,
    /// Uses the public registry.
    PublicImages,
    /// Deploys to ECS, explains failures, shows logs, verifies.
    Ecs,
    /// Runs one-off tasks.
    Hooks,
    /// Deploys to ECS Express Mode, beside what ECS needs.
    Express,
    /// Deploys to App Runner, explains failures, shows logs, verifies.
    AppRunner,
    /// Creates App Runner services that are missing.
    AppRunnerCreation,
    /// Finds App Runner services by name.
    AppRunnerNames,
    /// Runs programs on Compose hosts.
    Compose,
    /// Finds Compose hosts by a tag.
    ComposeTags,
    /// Reads what scans found.
    Scans,
    /// Watches alarms.
    Alarms,
    /// Reads metrics.
    Analysis,
    /// Tells an SNS topic.
    Notifications,
}

/// One action.
pub(super) struct Row {
    pub(super) of: Use,
    pub(super) action: &'static str,
    pub(super) on: Scope,
}

const fn row(of: Use, action: &'static str, on: Scope) -> Row {
    Row { of, action, on }
}

/// All of them.
pub(super) const ROWS: &[Row] = &[
    row(Use::Images, "ecr:BatchGetImage", Scope::Repositories),
    row(Use::Images, "ecr:GetDownloadUrlForLayer", Scope::Repositories),
    row(Use::Images, "ecr:DescribeRepositories", Scope::Repositories),
    row(Use::Images, "ecr:PutImage", Scope::Repositories),
    row(Use::Uploads, "ecr:GetAuthorizationToken", Scope::Everything),
    row(Use::Uploads, "ecr:BatchCheckLayerAvailability", Scope::Repositories),
    row(Use::Uploads, "ecr:InitiateLayerUpload", Scope::Repositories),
    row(Use::Uploads, "ecr:UploadLayerPart", Scope::Repositories),
    row(Use::Uploads, "ecr:CompleteLayerUpload", Scope::Repositories),
    row(Use::PublicImages, "ecr-public:GetAuthorizationToken", Scope::Everything),
    row(Use::PublicImages, "sts:GetServiceBearerToken", Scope::Everything),
    row(Use::Ecs, "ecs:DescribeServices", Scope::Services),
    row(Use::Ecs, "ecs:UpdateService", Scope::Services),
    row(Use::Ecs, "ecs:ListServiceDeployments", Scope::Services),
    row(Use::Ecs, "ecs:DescribeServiceDeployments", Scope::ServiceDeployments),
    row(Use::Ecs, "ecs:StopServiceDeployment", Scope::ServiceDeployments),
    row(Use::Ecs, "ecs:DescribeServiceRevisions", Scope::ServiceRevisions),
    row(Use::Ecs, "ecs:DescribeTaskDefinition", Scope::Everything),
    row(Use::Ecs, "ecs:RegisterTaskDefinition", Scope::Everything),
    row(Use::Ecs, "ecs:ListTaskDefinitions", Scope::Everything),
    row(Use::Ecs, "ecs:TagResource", Scope::NewTaskDefinitions),
    row(Use::Ecs, "ecs:ListServices", Scope::InClusters),
    row(Use::Ecs, "ecs:ListTasks", Scope::InClusters),
    row(Use::Ecs, "ecs:DescribeTasks", Scope::Tasks),
    row(Use::Ecs, "ecs:DescribeClusters", Scope::Clusters),
    row(Use::Ecs, "iam:PassRole", Scope::TaskRoles),
    row(Use::Ecs, "logs:GetLogEvents", Scope::LogGroups),
    row(Use::Ecs, "logs:FilterLogEvents", Scope::LogGroups),
    row(Use::Ecs, "logs:DescribeLogGroups", Scope::AllLogGroups),
    row(Use::Ecs, "elasticloadbalancing:DescribeTargetHealth", Scope::Everything),
    row(Use::Ecs, "elasticloadbalancing:DescribeTargetGroups", Scope::Everything),
    row(Use::Ecs, "elasticloadbalancing:DescribeTargetGroupAttributes", Scope::Everything),
    row(Use::Ecs, "secretsmanager:DescribeSecret", Scope::Secrets),
    row(Use::Ecs, "ssm:DescribeParameters", Scope::Everything),
    row(Use::Hooks, "ecs:RunTask", Scope::TaskDefinitionsInClusters),
    row(Use::Hooks, "ecs:StopTask", Scope::Tasks),
    row(Use::Express, "ecs:DescribeExpressGatewayService", Scope::Services),
    row(Use::Express, "ecs:UpdateExpressGatewayService", Scope::Services),
    row(Use::AppRunner, "apprunner:DescribeService", Scope::AppRunnerServices),
    row(Use::AppRunner, "apprunner:ListOperations", Scope::AppRunnerServices),
    row(Use::AppRunner, "apprunner:UpdateService", Scope::AppRunnerServices),
    row(Use::AppRunner, "apprunner:StartDeployment", Scope::AppRunnerServices),
    row(Use::AppRunner, "apprunner:ListTagsForResource", Scope::AppRunnerServices),
    row(Use::AppRunner, "apprunner:TagResource", Scope::AppRunnerServices),
    row(Use::AppRunner, "iam:PassRole", Scope::AppRunnerRoles),
    row(Use::AppRunner, "logs:DescribeLogStreams", Scope::AppRunnerLogGroups),
    row(Use::AppRunner, "logs:GetLogEvents", Scope::AppRunnerLogGroups),
    row(Use::AppRunner, "logs:FilterLogEvents", Scope::AppRunnerLogGroups),
    row(Use::AppRunner, "secretsmanager:DescribeSecret", Scope::AppRunnerSecrets),
    row(Use::AppRunner, "ssm:DescribeParameters", Scope::Everything),
    row(Use::AppRunnerNames, "apprunner:ListServices", Scope::Everything),
    row(Use::AppRunnerCreation, "apprunner:CreateService", Scope::AppRunnerServices),
    row(Use::Compose, "ssm:SendCommand", Scope::ComposeHosts),
    row(Use::Compose, "ssm:GetCommandInvocation", Scope::Everything),
    row(Use::Compose, "ssm:CancelCommand", Scope::Everything),
    row(Use::ComposeTags, "ssm:DescribeInstanceInformation", Scope::Everything),
    row(Use::Scans, "ecr:DescribeImageScanFindings", Scope::Repositories),
    // Composite alarms are told to who may ask for all (API reference, `DescribeAlarms`).
    row(Use::Alarms, "cloudwatch:DescribeAlarms", Scope::Everything),
    // No action on metric values can be narrowed to some metrics (service authorization reference).
    row(Use::Analysis, "cloudwatch:GetMetricData", Scope::Everything),
    row(Use::Notifications, "sns:Publish", Scope::Topics),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::permissions::ALL;

    /// Not granted by the role's own policy: who may assume it is the trust policy's, a first role's
    /// policy names the second, nobody needs a permission to ask who he is, and `init` comes before
    /// there is a configuration.
    const ELSEWHERE: [&str; 4] =
        ["sts:AssumeRoleWithWebIdentity", "sts:AssumeRole", "sts:GetCallerIdentity", "ecs:ListClusters"];

    #[test]
    fn every_permission_of_the_page_can_be_granted_and_no_other_is() {
        for permission in ALL.iter().filter(|permission| !ELSEWHERE.contains(&permission.action)) {
            assert!(ROWS.iter().any(|row| row.action == permission.action), "{} has no row", permission.action);
        }
        for row in ROWS {
            assert!(ALL.iter().any(|known| known.action == row.action), "{} is not in the table", row.action);
        }
    }
}
