use insta::assert_snapshot;

use super::*;

fn role() -> RoleArn {
    "arn:aws:iam::111122223333:role/shipline-production".parse().unwrap()
}

fn claims(sub: &str) -> Claims {
    Claims {
        sub: sub.to_owned(),
        aud: "sts.amazonaws.com".to_owned(),
        iss: "https://token.actions.githubusercontent.com".to_owned(),
    }
}

fn refused(operation: &str, code: &str, message: &str, kind: FailureKind) -> ProviderFailure {
    ProviderFailure {
        operation: operation.to_owned(),
        code: Some(code.to_owned()),
        message: message.to_owned(),
        request_id: Some("4f1c-77".to_owned()),
        kind,
    }
}

fn by_token(code: &str, message: &str, kind: FailureKind) -> ProviderFailure {
    refused("sts:AssumeRoleWithWebIdentity", code, message, kind)
}

#[test]
fn a_refused_token_is_shown_beside_the_trust_policy_that_would_accept_it() {
    let refused =
        by_token("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", FailureKind::Denied);
    let problem = of_token(&refused, Some(&claims("repo:acme/shop:environment:production")), &role());
    assert_eq!(problem.exit_code(), 4);
    assert_snapshot!(problem, @r#"
    AWS refused to let this job assume arn:aws:iam::111122223333:role/shipline-production.
      the token says sub: repo:acme/shop:environment:production
      the token says aud: sts.amazonaws.com
      the token says iss: https://token.actions.githubusercontent.com
      the role may also not exist: AWS answers the same then
      the job names `environment: production`, so sub carries the environment and no branch: a condition on `ref:refs/heads/…` never matches
      a condition with `*` needs `StringLike`; `StringEquals` takes it literally, and letters' case counts
      sts:AssumeRoleWithWebIdentity answered AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity
      request id: 4f1c-77
      next: Write this trust policy for the role, or correct `sub` and `aud` in the one it has (IAM, role, Trust relationships):
      {
        "Version": "2012-10-17",
        "Statement": [
          {
            "Effect": "Allow",
            "Principal": {
              "Federated": "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
            },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
              "StringEquals": {
                "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                "token.actions.githubusercontent.com:sub": "repo:acme/shop:environment:production"
              }
            }
          }
        ]
      }
      see: docs/permissions.md#trust-policy
    "#);
}

#[test]
fn the_hint_follows_from_the_subject() {
    let refused =
        by_token("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", FailureKind::Denied);
    for (sub, hint) in [
        ("repo:acme/shop:ref:refs/heads/main", "names no `environment:`"),
        ("repo:acme/shop:pull_request", "runs for a pull request"),
        ("repo:acme/shop:environment:staging", "no branch"),
    ] {
        let problem = of_token(&refused, Some(&claims(sub)), &role());
        assert!(problem.why.iter().any(|why| why.contains(hint)), "{sub}: {problem}");
    }
}

#[test]
fn a_missing_identity_provider_comes_with_the_command_that_makes_it() {
    let message = "No OpenIDConnect provider found in your account for https://token.actions.githubusercontent.com";
    let refused = by_token("InvalidIdentityToken", message, FailureKind::Rejected);
    assert_snapshot!(of_token(&refused, Some(&claims("repo:acme/shop:ref:refs/heads/main")), &role()), @r#"
    Account 111122223333 does not know the identity provider token.actions.githubusercontent.com.
      the token says sub: repo:acme/shop:ref:refs/heads/main
      the token says aud: sts.amazonaws.com
      sts:AssumeRoleWithWebIdentity answered InvalidIdentityToken: No OpenIDConnect provider found in your account for https://token.actions.githubusercontent.com
      request id: 4f1c-77
      next: Create it once in account 111122223333:
        aws iam create-open-id-connect-provider --url https://token.actions.githubusercontent.com --client-id-list sts.amazonaws.com
      see: docs/permissions.md#trust-policy
    "#);
}

#[test]
fn a_wrong_audience_comes_with_the_command_that_adds_it() {
    let refused = by_token("InvalidIdentityToken", "Incorrect token audience", FailureKind::Rejected);
    assert_snapshot!(of_token(&refused, Some(&claims("repo:acme/shop:ref:refs/heads/main")), &role()), @r#"
    The identity provider in account 111122223333 does not accept the token's audience.
      the token says sub: repo:acme/shop:ref:refs/heads/main
      the token says aud: sts.amazonaws.com
      sts:AssumeRoleWithWebIdentity answered InvalidIdentityToken: Incorrect token audience
      request id: 4f1c-77
      next: Add the audience to the provider, or set the input `audience` to one it has:
        aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com --client-id sts.amazonaws.com
      see: docs/permissions.md#trust-policy
    "#);
}

#[test]
fn a_session_longer_than_the_role_allows_is_a_mistake_and_not_a_refusal() {
    let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
    let refused = by_token("ValidationError", message, FailureKind::Rejected);
    let problem = of_token(&refused, Some(&claims("repo:acme/shop:ref:refs/heads/main")), &role());
    assert_eq!((problem.exit_code(), problem.code.as_str()), (2, "session-too-long"));
}

#[test]
fn an_expired_token_an_unreadable_one_and_a_silent_provider_are_told_apart() {
    let known = claims("repo:acme/shop:ref:refs/heads/main");
    for (code, message, kind, expected) in [
        (
            "ExpiredTokenException",
            "Token expired: current date/time must be before …",
            FailureKind::Credentials,
            "oidc-token-expired",
        ),
        (
            "IDPCommunicationError",
            "Couldn't retrieve verification key",
            FailureKind::Rejected,
            "oidc-provider-unreachable",
        ),
        ("Throttling", "Rate exceeded", FailureKind::Throttled, "throttled"),
    ] {
        assert_eq!(of_token(&by_token(code, message, kind), Some(&known), &role()).code, expected);
    }
    let refused = by_token("InvalidIdentityToken", "The ID Token provided is not a valid JWT.", FailureKind::Rejected);
    assert_eq!(of_token(&refused, None, &role()).code, "oidc-token-unreadable");
}

#[test]
fn a_refused_role_names_both_policies_and_the_external_id() {
    let message = "User: arn:aws:sts::444455556666:assumed-role/hub/shipline-production is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/shipline-production";
    let refused = refused("sts:AssumeRole", "AccessDenied", message, FailureKind::Denied);
    assert_snapshot!(of_role(&refused, Some("acme-7"), &role()), @r#"
    AWS refused to let these credentials assume arn:aws:iam::111122223333:role/shipline-production.
      an external id is sent (acme-7); it must be the very one in the trust policy
      sts:AssumeRole answered AccessDenied: User: arn:aws:sts::444455556666:assumed-role/hub/shipline-production is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::111122223333:role/shipline-production
      request id: 4f1c-77
      next: Two policies must agree: the trust policy of arn:aws:iam::111122223333:role/shipline-production needs the statement below, and the caller's own policy needs `sts:AssumeRole` on the role. Then run again.
      {
        "Effect": "Allow",
        "Principal": {
          "AWS": "arn:aws:iam::444455556666:role/hub"
        },
        "Action": "sts:AssumeRole",
        "Condition": {
          "StringEquals": {
            "sts:ExternalId": "acme-7"
          }
        }
      }
      see: docs/permissions.md#trust-policy
    "#);
}

#[test]
fn expired_credentials_are_not_taken_for_a_missing_trust() {
    let refused = refused(
        "sts:AssumeRole",
        "ExpiredToken",
        "The security token included in the request is expired",
        FailureKind::Credentials,
    );
    assert_eq!(of_role(&refused, None, &role()).code, "credentials-expired");
}
