use insta::assert_snapshot;

use super::*;
use crate::engine::ProviderFailure;
use crate::engine::target::FailureKind;

const UPDATE: &str = "User: arn:aws:sts::111122223333:assumed-role/shipline-staging/shipline-staging is not authorized to perform: ecs:UpdateService on resource: arn:aws:ecs:us-east-1:111122223333:service/pmis-staging/api because no identity-based policy allows the ecs:UpdateService action";

fn denied(operation: &str, message: &str) -> ProviderFailure {
    ProviderFailure {
        operation: operation.to_owned(),
        code: Some("AccessDeniedException".to_owned()),
        message: message.to_owned(),
        request_id: None,
        kind: FailureKind::Denied,
    }
}

#[test]
fn the_permission_the_resource_and_the_caller_are_read_from_what_aws_says() {
    let cases = [
        (UPDATE, "ecs:UpdateService", "arn:aws:ecs:us-east-1:111122223333:service/pmis-staging/api"),
        (
            "User: arn:aws:iam::111122223333:user/ci is not authorized to perform: ecr:GetAuthorizationToken on resource: * because no identity-based policy allows the ecr:GetAuthorizationToken action",
            "ecr:GetAuthorizationToken",
            "*",
        ),
        (
            "User: arn:aws:sts::111122223333:assumed-role/x/y is not authorized to perform: iam:PassRole on resource: arn:aws:iam::111122223333:role/ecsTaskExecutionRole because no identity-based policy allows the iam:PassRole action",
            "iam:PassRole",
            "arn:aws:iam::111122223333:role/ecsTaskExecutionRole",
        ),
        (
            "User: arn:aws:sts::111122223333:assumed-role/x/y is not authorized to perform: elasticloadbalancing:DescribeTargetHealth because no identity-based policy allows the elasticloadbalancing:DescribeTargetHealth action",
            "elasticloadbalancing:DescribeTargetHealth",
            "*",
        ),
        (
            "User: arn:aws:sts::111122223333:assumed-role/x/y is not authorized to perform: logs:GetLogEvents on resource: arn:aws:logs:us-east-1:111122223333:log-group:/ecs/api:log-stream:app/api/1",
            "logs:GetLogEvents",
            "arn:aws:logs:us-east-1:111122223333:log-group:/ecs/api:log-stream:app/api/1",
        ),
        (
            "User: arn:aws:sts::111122223333:assumed-role/x/y is not authorized to perform: ecr-public:GetAuthorizationToken on resource: \"arn:aws:ecr-public::111122223333:registry/*\".",
            "ecr-public:GetAuthorizationToken",
            "arn:aws:ecr-public::111122223333:registry/*",
        ),
    ];
    for (message, action, resource) in cases {
        let read = missing(message).unwrap_or_else(|| panic!("not understood: {message}"));
        assert_eq!((read.action.as_str(), read.resource.as_str()), (action, resource));
        assert_eq!(read.by, RefusedBy::NothingAllows);
        assert!(read.principal.is_some_and(|who| who.starts_with("arn:aws:")));
    }
}

#[test]
fn what_names_no_permission_is_left_as_it_is() {
    for message in [
        "",
        "Access denied",
        "Not authorized to perform sts:AssumeRoleWithWebIdentity",
        "User: x is not authorized to perform: ",
        "User: x is not authorized to perform: something",
    ] {
        assert_eq!(missing(message), None, "{message}");
    }
}

#[test]
fn a_deny_and_a_boundary_are_told_apart_from_a_missing_statement() {
    let base = "User: arn:aws:sts::111122223333:assumed-role/x/y is not authorized to perform: ecs:UpdateService on resource: arn:aws:ecs:us-east-1:111122223333:service/a/b";
    let by = |end: &str| missing(&format!("{base} {end}")).unwrap().by;
    assert_eq!(
        by("with an explicit deny in a service control policy"),
        RefusedBy::Denies("service control policy".to_owned())
    );
    assert_eq!(
        by("with an explicit deny in an identity-based policy: arn:aws:iam::1:policy/x"),
        RefusedBy::Denies("identity-based policy".to_owned())
    );
    assert_eq!(
        by("because no permissions boundary allows the ecs:UpdateService action"),
        RefusedBy::Boundary("permissions boundary".to_owned())
    );
    assert_eq!(
        by("because no service control policy allows the ecs:UpdateService action"),
        RefusedBy::Boundary("service control policy".to_owned())
    );
    let next = missing(&format!("{base} with an explicit deny in an identity-based policy")).unwrap().next();
    assert!(next.contains("in an identity-based policy denies") && !next.contains("Allow"), "{next}");
}

#[test]
fn the_problem_of_a_denied_call_prints_the_statement_to_add() {
    assert_snapshot!(denied("ecs:UpdateService", UPDATE).problem(), @r#"
    ecs:UpdateService was refused: `ecs:UpdateService` is not allowed on arn:aws:ecs:us-east-1:111122223333:service/pmis-staging/api.
      User: arn:aws:sts::111122223333:assumed-role/shipline-staging/shipline-staging is not authorized to perform: ecs:UpdateService on resource: arn:aws:ecs:us-east-1:111122223333:service/pmis-staging/api because no identity-based policy allows the ecs:UpdateService action
      code: AccessDeniedException
      next: Add this statement to the policy of shipline-staging (docs/permissions.md), then run again:
      {"Effect":"Allow","Action":"ecs:UpdateService","Resource":"arn:aws:ecs:us-east-1:111122223333:service/pmis-staging/api"}
      see: docs/permissions.md
    "#);
}

#[test]
fn a_role_that_may_not_be_passed_is_the_permission_that_is_missing_and_not_the_call() {
    let message = "User: arn:aws:sts::111122223333:assumed-role/shipline/x is not authorized to perform: iam:PassRole on resource: arn:aws:iam::111122223333:role/task because no identity-based policy allows the iam:PassRole action";
    assert_snapshot!(denied("ecs:RegisterTaskDefinition", message).problem(), @r#"
    ecs:RegisterTaskDefinition was refused: `iam:PassRole` is not allowed on arn:aws:iam::111122223333:role/task.
      User: arn:aws:sts::111122223333:assumed-role/shipline/x is not authorized to perform: iam:PassRole on resource: arn:aws:iam::111122223333:role/task because no identity-based policy allows the iam:PassRole action
      code: AccessDeniedException
      next: Add this statement to the policy of shipline (docs/permissions.md), then run again:
      {"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::111122223333:role/task","Condition":{"StringEquals":{"iam:PassedToService":"ecs-tasks.amazonaws.com"}}}
      see: docs/permissions.md
    "#);
}

#[test]
fn an_encoded_reason_comes_with_the_command_that_decodes_it() {
    let message = "You are not authorized to perform this operation. Encoded authorization failure message: 4GIOHlTkIaWHQD0Q0m6XSnuUMCm-abc";
    assert_snapshot!(denied("ssm:SendCommand", message).problem(), @r#"
    ssm:SendCommand was refused.
      code: AccessDeniedException
      next: Allow `ssm:SendCommand` for this role (docs/permissions.md). If it is allowed, this says what refused it:
        aws sts decode-authorization-message --encoded-message 4GIOHlTkIaWHQD0Q0m6XSnuUMCm-abc
    "#);
}
