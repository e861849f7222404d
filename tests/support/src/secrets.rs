//! AWS Secrets Manager and Systems Manager Parameter Store, as far as they tell whether something is there.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::env::Env;
use crate::reply::{Answer, ApiError, page, text, texts};

/// Names of secrets and parameters.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    /// Secrets by name, `pmis/db`.
    pub(crate) secrets: BTreeSet<String>,
    /// Parameters by name, `/pmis/token`.
    pub(crate) parameters: BTreeSet<String>,
}

impl Secrets {
    /// The metadata of one secret, asked for by name, whole ARN or ARN without its last six characters.
    pub(crate) fn in_manager(&self, operation: &str, body: &Value, env: &Env) -> Answer {
        if operation != "DescribeSecret" {
            return Err(ApiError::bad("UnknownOperationException", ""));
        }
        let asked = text(body, "SecretId").unwrap_or_default();
        let name = asked.split_once(":secret:").map_or(asked, |(_, name)| name);
        let arn = |name: &str| env.arn("secretsmanager", &format!("secret:{name}-AbCdEf"));
        let known = self.secrets.iter().find(|known| *known == name || arn(known) == asked);
        let known = known.ok_or_else(|| {
            ApiError::bad("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        })?;
        Ok(json!({ "ARN": arn(known), "Name": known }))
    }

    /// Parameters that pass the filters; of those only `Name` with `Equals` is known.
    pub(crate) fn in_store(&self, operation: &str, body: &Value) -> Answer {
        if operation != "DescribeParameters" {
            return Err(ApiError::bad("UnknownOperationException", ""));
        }
        let mut wanted: Option<Vec<String>> = None;
        for filter in body["ParameterFilters"].as_array().into_iter().flatten() {
            let (key, option) = (text(filter, "Key"), text(filter, "Option").unwrap_or("Equals"));
            if key != Some("Name") || option != "Equals" {
                return Err(ApiError::bad("InvalidFilterKey", format!("The filter {filter} is not known here.")));
            }
            wanted = Some(texts(filter, "Values"));
        }
        let fits = |name: &&String| wanted.as_ref().is_none_or(|wanted| wanted.contains(name));
        let all =
            self.parameters.iter().filter(fits).map(|name| json!({"Name": name, "Type": "SecureString"})).collect();
        // The smallest page the API takes is one, its largest 50 and its default 10.
        let (parameters, next) = page(all, text(body, "NextToken"), 10);
        let mut answer = json!({ "Parameters": parameters });
        crate::reply::put(&mut answer, "NextToken", next);
        Ok(answer)
    }
}
