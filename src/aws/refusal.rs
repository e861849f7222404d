//! Why a role could not be assumed, and the very text to write where. Pure.
//!
//! AWS says only "Not authorized"; it never says which condition failed. So what the token claims
//! is shown beside the condition that would accept it.

use super::claims::Claims;
use crate::engine::ProviderFailure;
use crate::engine::target::FailureKind;
use crate::problem::Problem;
use crate::types::RoleArn;

const DOCS: &str = "docs/permissions.md#trust-policy";

/// STS did not accept an identity token.
pub(super) fn of_token(refused: &ProviderFailure, claims: Option<&Claims>, role: &RoleArn) -> Problem {
    if let Some(problem) = same_for_both(refused, role) {
        return problem;
    }
    let Some(claims) = claims else {
        return facts(
            Problem::provider(
                "oidc-token-unreadable",
                format!("AWS does not accept the identity token for {role}: {}", refused.message),
                "The token is not a JWT. Check where it comes from: `web-identity-token-file`, or the job's own token endpoint.",
            ),
            refused,
        );
    };
    let message = refused.message.to_lowercase();
    let (code, what, next) = match refused.code.as_deref() {
        Some("InvalidIdentityToken") if message.contains("no openidconnect provider") => (
            "oidc-provider-missing",
            format!("Account {} does not know the identity provider {}.", role.account(), claims.provider()),
            format!(
                "Create it once in account {}:\n  aws iam create-open-id-connect-provider --url {} --client-id-list {}",
                role.account(),
                claims.iss,
                claims.aud
            ),
        ),
        Some("InvalidIdentityToken") if message.contains("audience") => (
            "oidc-audience",
            format!("The identity provider in account {} does not accept the token's audience.", role.account()),
            format!(
                "Add the audience to the provider, or set the input `audience` to one it has:\n  aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {} --client-id {}",
                provider_arn(claims, role),
                claims.aud
            ),
        ),
        Some("ExpiredTokenException" | "ExpiredToken") => (
            "oidc-token-expired",
            "The identity token had expired when AWS looked at it.".to_owned(),
            "Check the clock of the runner. A token from `web-identity-token-file` must be renewed by whoever writes the file.".to_owned(),
        ),
        Some("IDPCommunicationError") => (
            "oidc-provider-unreachable",
            format!("AWS could not reach the identity provider {}.", claims.provider()),
            "Run again. If it stays, check that the provider's keys can be fetched from the internet.".to_owned(),
        ),
        _ => (
            "oidc-refused",
            format!("AWS refused to let this job assume {role}."),
            format!(
                "Write this trust policy for the role, or correct `sub` and `aud` in the one it has (IAM, role, Trust relationships):\n{}",
                trust_policy(claims, role)
            ),
        ),
    };
    let refused_by_trust = code == "oidc-refused";
    let mut problem = Problem::provider(code, what, next)
        .because(format!("the token says sub: {}", claims.sub))
        .because(format!("the token says aud: {}", claims.aud));
    if refused_by_trust {
        problem = problem.because(format!("the token says iss: {}", claims.iss));
        for hint in hints(claims) {
            problem = problem.because(hint);
        }
    }
    facts(problem, refused).see(DOCS)
}

/// STS did not let the credentials assume a role.
pub(super) fn of_role(refused: &ProviderFailure, external_id: Option<&str>, role: &RoleArn) -> Problem {
    if let Some(problem) = same_for_both(refused, role) {
        return problem;
    }
    if matches!(refused.kind, FailureKind::Credentials) {
        return expired_or_wrong(refused);
    }
    // "User: arn:… is not authorized to perform: sts:AssumeRole on resource: arn:…"
    let caller = refused.message.strip_prefix("User: ").and_then(|rest| rest.split(' ').next());
    let mut statement = serde_json::json!({
        "Effect": "Allow",
        "Principal": { "AWS": caller.map_or_else(|| "<the caller's role>".to_owned(), role_of_session) },
        "Action": "sts:AssumeRole",
    });
    if let Some(id) = external_id {
        statement["Condition"] = serde_json::json!({ "StringEquals": { "sts:ExternalId": id } });
    }
    let problem = Problem::provider(
        "role-refused",
        format!("AWS refused to let these credentials assume {role}."),
        format!(
            "Two policies must agree: the trust policy of {role} needs the statement below, and the caller's own policy needs `sts:AssumeRole` on the role. Then run again.\n{}",
            pretty(&statement)
        ),
    )
    .because(match external_id {
        Some(id) => format!("an external id is sent ({id}); it must be the very one in the trust policy"),
        None => "no external id is sent; if the trust policy asks for one, set `role-external-id` (`aws.external-id`)"
            .to_owned(),
    });
    facts(problem, refused).see(DOCS)
}

/// Refusals whose reason has nothing to do with who asks.
fn same_for_both(refused: &ProviderFailure, role: &RoleArn) -> Option<Problem> {
    let duration = refused.message.contains("DurationSeconds") || refused.message.contains("durationSeconds");
    if duration && refused.kind == FailureKind::Rejected {
        let problem = Problem::mistake(
            "session-too-long",
            format!("The session asked for is longer than {role} allows."),
            "Lower `role-duration-seconds` (`aws.session`), or raise the role's maximum session duration; one hour is the most when one role assumes another. Sessions are renewed by themselves, so a short one is enough.",
        );
        return Some(facts(problem, refused));
    }
    if refused.code.as_deref() == Some("RegionDisabledException") {
        let problem = Problem::provider(
            "region-disabled",
            format!("STS is not activated in this region for account {}.", role.account()),
            "Activate the region in the account's settings, or choose another `aws-region`.",
        );
        return Some(facts(problem, refused));
    }
    matches!(refused.kind, FailureKind::Throttled | FailureKind::Unavailable | FailureKind::Unknown)
        .then(|| refused.problem())
}

/// The credentials that were there are no good.
pub(super) fn expired_or_wrong(refused: &ProviderFailure) -> Problem {
    let expired = refused.code.as_deref().is_some_and(|code| code.starts_with("ExpiredToken"));
    let problem = if expired {
        Problem::provider(
            "credentials-expired",
            "The AWS credentials found have expired.",
            "Log in again (`aws sso login`), or take the old AWS_SESSION_TOKEN out of the environment. In a workflow give `role-to-assume` with `permissions: id-token: write`; such credentials are renewed by themselves.",
        )
    } else {
        Problem::provider(
            "credentials-wrong",
            "AWS does not accept the credentials found.",
            "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN: all three belong together, and a key may have been deleted. `aws sts get-caller-identity` shows whether they work.",
        )
    };
    facts(problem, refused)
}

/// STS said yes and sent nothing usable.
pub(super) fn incomplete(role: &RoleArn) -> Problem {
    Problem::provider(
        "credentials-incomplete",
        format!("STS let us assume {role} but sent no usable credentials."),
        "Check AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_STS: the endpoint does not answer like STS.",
    )
}

fn facts(mut problem: Problem, refused: &ProviderFailure) -> Problem {
    if let Some(code) = &refused.code {
        problem = problem.because(format!("{} answered {code}: {}", refused.operation, refused.message));
    }
    match &refused.request_id {
        Some(id) => problem.because(format!("request id: {id}")),
        None => problem,
    }
}

/// What people usually got wrong, judged by the subject.
fn hints(claims: &Claims) -> Vec<String> {
    let mut hints = vec!["the role may also not exist: AWS answers the same then".to_owned()];
    if let Some((_, environment)) = claims.sub.split_once(":environment:") {
        hints.push(format!(
            "the job names `environment: {environment}`, so sub carries the environment and no branch: a condition on `ref:refs/heads/…` never matches"
        ));
    } else if claims.sub.ends_with(":pull_request") {
        hints.push(
            "the job runs for a pull request: a condition on a branch or an environment never matches".to_owned(),
        );
    } else if claims.sub.contains(":ref:") {
        hints.push(
            "the job names no `environment:`, so sub carries the branch or tag: a condition on `environment:…` never matches"
                .to_owned(),
        );
    }
    hints.push(
        "a condition with `*` needs `StringLike`; `StringEquals` takes it literally, and letters' case counts"
            .to_owned(),
    );
    hints
}

fn provider_arn(claims: &Claims, role: &RoleArn) -> String {
    let partition = role.as_str().split(':').nth(1).unwrap_or("aws");
    format!("arn:{partition}:iam::{}:oidc-provider/{}", role.account(), claims.provider())
}

fn trust_policy(claims: &Claims, role: &RoleArn) -> String {
    let provider = claims.provider();
    pretty(&serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Federated": provider_arn(claims, role) },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": {
                format!("{provider}:aud"): claims.aud,
                format!("{provider}:sub"): claims.sub,
            } },
        }],
    }))
}

/// A trust policy names the role, not one session of it. A session's ARN has lost the role's path.
fn role_of_session(caller: &str) -> String {
    let mut parts = caller.splitn(6, ':');
    let (Some(_), Some(partition), Some("sts"), _, Some(account), Some(resource)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return caller.to_owned();
    };
    match resource.strip_prefix("assumed-role/").and_then(|rest| rest.split('/').next()) {
        Some(name) => format!("arn:{partition}:iam::{account}:role/{name}"),
        None => caller.to_owned(),
    }
}

fn pretty(json: &serde_json::Value) -> String {
    serde_json::to_string_pretty(json).expect("a JSON value can always be written")
}

#[cfg(test)]
mod tests;
