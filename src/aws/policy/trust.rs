//! Who may assume an environment's role: the jobs of one repository, by GitHub's identity token.

use serde_json::{Value, json};

use super::{Ground, account};
use crate::config::spec::EnvironmentSpec;
use crate::types::{AccountId, EnvironmentName};

/// GitHub's issuer of identity tokens.
const ISSUER: &str = "token.actions.githubusercontent.com";

/// The trust policy of the role: jobs of `repository` (`owner/name`) that name this environment,
/// and pushes to the branch that deploys here.
pub fn trust(repository: &str, name: &EnvironmentName, spec: &EnvironmentSpec, ground: &Ground) -> Value {
    let account = account(spec, ground);
    let account = account.as_ref().map_or("*", AccountId::as_str);
    let partition = spec.aws.role.as_ref().and_then(|role| role.as_str().split(':').nth(1)).unwrap_or("aws");
    let mut subjects = vec![format!("repo:{repository}:environment:{name}")];
    subjects.extend(spec.deploy_on_push.iter().map(|branch| format!("repo:{repository}:ref:refs/heads/{branch}")));
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Federated": format!("arn:{partition}:iam::{account}:oidc-provider/{ISSUER}") },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": {
                format!("{ISSUER}:aud"): "sts.amazonaws.com",
                format!("{ISSUER}:sub"): subjects,
            } },
        }],
    })
}
