//! Every permission Shipline may need, by what it is needed for. Pure.
//!
//! One table drives docs/permissions.md and is held against the operations the code names: an
//! operation that is not here cannot be granted by somebody who reads the page.

/// What a permission is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// Opening a session.
    Session,
    /// Logging in to a registry, and reading what is in it.
    Registry,
    /// Pushing an image, and adding a tag to one.
    Push,
    /// Deploying to ECS.
    Ecs,
    /// Saying why a deployment to ECS failed.
    EcsCause,
    /// Deploying to ECS Express Mode, beside what ECS needs.
    Express,
    /// Deploying to App Runner.
    AppRunner,
    /// Saying why a deployment to App Runner failed.
    AppRunnerCause,
    /// Deploying to a Compose project on an instance.
    Compose,
    /// Showing logs.
    Logs,
    /// Saying before a deployment what would fail.
    Verify,
    /// Writing a configuration from what runs.
    Init,
    /// Alarms that must stay quiet.
    Alarms,
    /// Measurements that must stay within limits.
    Analysis,
    /// What scans of images found.
    Scan,
    /// Telling people.
    Notify,
}

/// How much is lost without a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The deployment is refused before anything changes.
    Required,
    /// It works with less: a coarser truth, or a report with fewer facts.
    Helpful,
}

/// One permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// What for.
    pub feature: Feature,
    /// As IAM names it.
    pub action: &'static str,
    /// What is lost without it.
    pub need: Need,
}

const fn required(feature: Feature, action: &'static str) -> Permission {
    Permission { feature, action, need: Need::Required }
}

const fn helpful(feature: Feature, action: &'static str) -> Permission {
    Permission { feature, action, need: Need::Helpful }
}

/// All of them (IAM service authorization reference).
pub const ALL: &[Permission] = &[
    required(Feature::Session, "sts:AssumeRoleWithWebIdentity"),
    required(Feature::Session, "sts:AssumeRole"),
    required(Feature::Session, "sts:GetCallerIdentity"),
    required(Feature::Registry, "ecr:GetAuthorizationToken"),
    required(Feature::Registry, "ecr:BatchGetImage"),
    required(Feature::Registry, "ecr:DescribeRepositories"),
    required(Feature::Registry, "ecr:GetDownloadUrlForLayer"),
    required(Feature::Registry, "ecr-public:GetAuthorizationToken"),
    required(Feature::Registry, "sts:GetServiceBearerToken"),
    required(Feature::Push, "ecr:BatchCheckLayerAvailability"),
    required(Feature::Push, "ecr:InitiateLayerUpload"),
    required(Feature::Push, "ecr:UploadLayerPart"),
    required(Feature::Push, "ecr:CompleteLayerUpload"),
    required(Feature::Push, "ecr:PutImage"),
    required(Feature::Ecs, "ecs:DescribeServices"),
    required(Feature::Ecs, "ecs:DescribeTaskDefinition"),
    required(Feature::Ecs, "ecs:RegisterTaskDefinition"),
    required(Feature::Ecs, "ecs:UpdateService"),
    required(Feature::Ecs, "iam:PassRole"),
    helpful(Feature::Ecs, "ecs:ListServiceDeployments"),
    helpful(Feature::Ecs, "ecs:DescribeServiceDeployments"),
    helpful(Feature::Ecs, "ecs:DescribeServiceRevisions"),
    helpful(Feature::Ecs, "ecs:StopServiceDeployment"),
    helpful(Feature::Ecs, "ecs:ListTaskDefinitions"),
    helpful(Feature::Ecs, "ecs:TagResource"),
    required(Feature::Ecs, "ecs:RunTask"),
    required(Feature::Ecs, "ecs:StopTask"),
    helpful(Feature::EcsCause, "ecs:ListTasks"),
    helpful(Feature::EcsCause, "ecs:DescribeTasks"),
    helpful(Feature::EcsCause, "logs:GetLogEvents"),
    helpful(Feature::EcsCause, "elasticloadbalancing:DescribeTargetHealth"),
    helpful(Feature::EcsCause, "elasticloadbalancing:DescribeTargetGroupAttributes"),
    required(Feature::Express, "ecs:DescribeExpressGatewayService"),
    required(Feature::Express, "ecs:UpdateExpressGatewayService"),
    required(Feature::AppRunner, "apprunner:DescribeService"),
    required(Feature::AppRunner, "apprunner:CreateService"),
    required(Feature::AppRunner, "apprunner:ListServices"),
    required(Feature::AppRunner, "apprunner:ListOperations"),
    required(Feature::AppRunner, "apprunner:UpdateService"),
    required(Feature::AppRunner, "apprunner:StartDeployment"),
    helpful(Feature::AppRunner, "apprunner:ListTagsForResource"),
    helpful(Feature::AppRunner, "apprunner:TagResource"),
    required(Feature::AppRunner, "iam:PassRole"),
    helpful(Feature::AppRunnerCause, "logs:DescribeLogStreams"),
    helpful(Feature::AppRunnerCause, "logs:GetLogEvents"),
    required(Feature::Compose, "ssm:SendCommand"),
    required(Feature::Compose, "ssm:GetCommandInvocation"),
    helpful(Feature::Compose, "ssm:CancelCommand"),
    required(Feature::Compose, "ssm:DescribeInstanceInformation"),
    required(Feature::Logs, "logs:FilterLogEvents"),
    helpful(Feature::Verify, "ecs:DescribeClusters"),
    helpful(Feature::Verify, "ecs:ListServices"),
    helpful(Feature::Verify, "logs:DescribeLogGroups"),
    helpful(Feature::Verify, "elasticloadbalancing:DescribeTargetGroups"),
    helpful(Feature::Verify, "secretsmanager:DescribeSecret"),
    helpful(Feature::Verify, "ssm:DescribeParameters"),
    required(Feature::Init, "ecs:ListClusters"),
    required(Feature::Alarms, "cloudwatch:DescribeAlarms"),
    required(Feature::Analysis, "cloudwatch:GetMetricData"),
    required(Feature::Scan, "ecr:DescribeImageScanFindings"),
    helpful(Feature::Notify, "sns:Publish"),
];

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    const PAGE: &str = include_str!("../../docs/permissions.md");

    #[test]
    fn the_page_names_every_permission_of_the_table_and_no_other() {
        for permission in ALL {
            assert!(PAGE.contains(permission.action), "docs/permissions.md does not name {}", permission.action);
        }
        for named in actions_in(PAGE) {
            assert!(
                ALL.iter().any(|known| known.action == named),
                "docs/permissions.md names {named}, the table does not"
            );
        }
    }

    #[test]
    fn every_operation_the_code_names_is_in_the_table() {
        let mut named = Vec::new();
        for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
            let text = std::fs::read_to_string(&file).unwrap();
            // Tests speak of permissions that are none of ours.
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            named.extend(actions_in(code).into_iter().map(|action| (action, file.clone())));
        }
        assert!(
            named.iter().any(|(action, _)| action == "sts:GetCallerIdentity"),
            "nothing was found: the search is broken"
        );
        for (action, file) in named {
            assert!(
                ALL.iter().any(|known| known.action == action),
                "{action} of {} is not in the table",
                file.display()
            );
        }
    }

    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
            .filter(|path| path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs"))
            .collect()
    }

    /// `"service:Operation"` between quotes of any kind.
    fn actions_in(text: &str) -> Vec<String> {
        let services = [
            "ecs",
            "ecr",
            "ecr-public",
            "apprunner",
            "logs",
            "elasticloadbalancing",
            "sts",
            "iam",
            "cloudwatch",
            "sns",
            "ssm",
            "secretsmanager",
        ];
        text.split(['"', '`', '\''])
            .filter(|part| {
                part.split_once(':').is_some_and(|(service, operation)| {
                    services.contains(&service)
                        && operation.starts_with(|c: char| c.is_ascii_uppercase())
                        && operation.chars().all(|c| c.is_ascii_alphanumeric())
                })
            })
            .filter(|part| {
                ![
                    "iam:PassedToService",
                    "sts:ExternalId",
                    "ecs:CreateAction",
                    // Of roles that a service has, not of ours.
                    "secretsmanager:GetSecretValue",
                    "ssm:GetParameters",
                    "apprunner:DescribeAutoScalingConfiguration",
                ]
                .contains(part)
            })
            .map(str::to_owned)
            .collect()
    }
}
