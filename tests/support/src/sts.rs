//! AWS STS: who calls, assumed roles, web identities.
//!
//! The token's signature is not verified (there is no identity provider to ask
//! for keys); `iss`, `aud`, `sub` and `exp` are, against the role's trust.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::env::Env;
use crate::query::{Form, xml};
use crate::reply::{ApiError, Millis, rfc3339};
use crate::seed::{Credentials, RoleSeed};

/// A set of credentials that was given out.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) arn: String,
    /// The ARN of the role.
    pub(crate) role: String,
    pub(crate) expires: Millis,
}

/// Roles and sessions.
#[derive(Debug, Default)]
pub(crate) struct Sts {
    pub(crate) roles: BTreeMap<String, RoleSeed>,
    pub(crate) sessions: BTreeMap<String, Session>,
    pub(crate) credentials: Credentials,
}

impl Sts {
    /// The caller's ARN: the assumed role of a session, a user otherwise.
    pub(crate) fn caller(&self, key: Option<&str>, env: &Env) -> String {
        let session = key.and_then(|key| self.sessions.get(key));
        session.map_or_else(|| format!("arn:aws:iam::{}:user/deployer", env.account), |known| known.arn.clone())
    }

    /// Refuses expired sessions, and keys that are neither a session's nor
    /// listed, when enforcement is on.
    ///
    /// # Errors
    ///
    /// `ExpiredTokenException`, `UnrecognizedClientException`.
    pub(crate) fn check(&self, key: Option<&str>, now: Millis) -> Result<(), ApiError> {
        if !self.credentials.enforce {
            return Ok(());
        }
        let key =
            key.ok_or_else(|| ApiError::bad("MissingAuthenticationTokenException", "Missing Authentication Token"))?;
        match self.sessions.get(key) {
            Some(session) if session.expires <= now => {
                Err(ApiError::bad("ExpiredTokenException", "The security token included in the request is expired"))
            }
            Some(_) => Ok(()),
            None if self.credentials.keys.iter().any(|known| known == key) => Ok(()),
            None => Err(ApiError::bad(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            )),
        }
    }

    /// Refuses what the caller's role may not do: only roles that were given a policy are held to it.
    ///
    /// # Errors
    ///
    /// `AccessDeniedException`.
    pub(crate) fn permit(
        &self,
        key: Option<&str>,
        service: &str,
        operation: &str,
        body: &Value,
        env: &Env,
    ) -> Result<(), ApiError> {
        let session = key.and_then(|key| self.sessions.get(key));
        let policy = session.and_then(|session| self.roles.get(&session.role)?.policy.as_ref());
        let (Some(session), Some(policy)) = (session, policy) else { return Ok(()) };
        crate::iam::check(policy, &session.arn, service, operation, body, env)
    }

    /// Answers one action with the inside of its result element.
    pub(crate) fn answer(
        &mut self,
        action: &str,
        form: &Form,
        key: Option<&str>,
        now: Millis,
        env: &mut Env,
    ) -> Result<String, ApiError> {
        match action {
            "GetCallerIdentity" => {
                let arn = self.caller(key, env);
                let account = arn.split(':').nth(4).unwrap_or_default();
                Ok(format!(
                    "<Arn>{}</Arn><UserId>AIDASIMULATEDDEPLOYER</UserId><Account>{account}</Account>",
                    xml(&arn)
                ))
            }
            "AssumeRole" => self.assume_role(form, key, now, env),
            "AssumeRoleWithWebIdentity" => self.web_identity(form, now, env),
            _ => {
                Err(ApiError::bad("InvalidAction", format!("Could not find operation {action} for version 2011-06-15")))
            }
        }
    }

    fn assume_role(&mut self, form: &Form, key: Option<&str>, now: Millis, env: &mut Env) -> Result<String, ApiError> {
        let arn = required(form, "RoleArn")?;
        let caller = self.caller(key, env);
        let denied = || {
            let message = format!("User: {caller} is not authorized to perform: sts:AssumeRole on resource: {arn}");
            ApiError::with(403, "AccessDenied", message)
        };
        if let Some(role) = self.roles.get(arn) {
            let external = role.external_id.as_ref().is_none_or(|wanted| form.get("ExternalId") == Some(wanted));
            let principal =
                role.assumable_by.is_empty() || role.assumable_by.iter().any(|wanted| caller.contains(wanted.as_str()));
            if !external || !principal {
                return Err(denied());
            }
        } else if !self.roles.is_empty() {
            return Err(denied());
        }
        // A session that assumes a role (chaining) gets one hour at most.
        let chained = key.is_some_and(|key| self.sessions.contains_key(key));
        self.give(form, if chained { 3600 } else { 43_200 }, now, env)
    }

    fn web_identity(&mut self, form: &Form, now: Millis, env: &mut Env) -> Result<String, ApiError> {
        let arn = required(form, "RoleArn")?.to_owned();
        let token = required(form, "WebIdentityToken")?;
        let claims = claims(token).ok_or_else(|| {
            ApiError::bad(
                "InvalidIdentityToken",
                "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
            )
        })?;
        let claim = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
        let (audience, subject, issuer) = (claim("aud"), claim("sub"), claim("iss"));
        if claims["exp"].as_u64().is_some_and(|expires| expires * 1000 <= now) {
            return Err(ApiError::bad(
                "ExpiredTokenException",
                "Token expired: current date/time must be before the expiration date/time",
            ));
        }
        let denied = || ApiError::with(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity");
        if let Some(role) = self.roles.get(&arn) {
            if role.issuer.as_ref().is_some_and(|wanted| *wanted != issuer) {
                let message = format!("No OpenIDConnect provider found in your account for {issuer}");
                return Err(ApiError::bad("InvalidIdentityToken", message));
            }
            if role.provider_audiences.as_ref().is_some_and(|known| !known.contains(&audience)) {
                return Err(ApiError::bad("InvalidIdentityToken", "Incorrect token audience"));
            }
            let audience_fits = role.audience.as_ref().is_none_or(|wanted| *wanted == audience);
            let subject_fits = role.subjects.is_empty() || role.subjects.iter().any(|wanted| like(wanted, &subject));
            if !audience_fits || !subject_fits {
                return Err(denied());
            }
        } else if !self.roles.is_empty() {
            return Err(denied());
        }
        let provider = issuer.trim_start_matches("https://");
        let account = arn.split(':').nth(4).unwrap_or_default();
        let given = self.give(form, 43_200, now, env)?;
        Ok(format!(
            "{given}<SubjectFromWebIdentityToken>{}</SubjectFromWebIdentityToken><Audience>{}</Audience>\
             <Provider>arn:aws:iam::{account}:oidc-provider/{}</Provider>",
            xml(&subject),
            xml(&audience),
            xml(provider),
        ))
    }

    fn give(&mut self, form: &Form, most: u64, now: Millis, env: &mut Env) -> Result<String, ApiError> {
        let arn = required(form, "RoleArn")?;
        let name = required(form, "RoleSessionName")?;
        let asked = form.get("DurationSeconds").and_then(|text| text.parse::<u64>().ok()).unwrap_or(3600);
        let limit = self.roles.get(arn).and_then(|role| role.max_session_seconds).unwrap_or(43_200).min(most);
        if !(900..=43_200).contains(&asked) {
            return Err(ApiError::bad(
                "ValidationError",
                "1 validation error detected: durationSeconds must be between 900 and 43200",
            ));
        }
        if asked > limit {
            return Err(ApiError::bad(
                "ValidationError",
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ));
        }
        let lifetime = self.credentials.lifetime_ms.unwrap_or(asked * 1000);
        let expires = now + lifetime;
        let unique = env.ids.hex().to_uppercase();
        let key = format!("ASIA{}", &unique[..16]);
        let parts: Vec<&str> = arn.split(':').collect();
        let account = parts.get(4).copied().unwrap_or_default();
        let role = arn.rsplit('/').next().unwrap_or_default();
        let assumed = format!("arn:aws:sts::{account}:assumed-role/{role}/{name}");
        self.sessions.insert(key.clone(), Session { arn: assumed.clone(), role: arn.to_owned(), expires });
        Ok(format!(
            "<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
             <SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials>\
             <AssumedRoleUser><AssumedRoleId>AROASIMULATEDROLE0000:{}</AssumedRoleId><Arn>{}</Arn></AssumedRoleUser>\
             <PackedPolicySize>0</PackedPolicySize>",
            env.ids.hex(),
            env.ids.hex(),
            rfc3339(expires),
            xml(name),
            xml(&assumed),
        ))
    }
}

fn required<'a>(form: &'a Form, name: &str) -> Result<&'a str, ApiError> {
    form.get(name).map(String::as_str).filter(|value| !value.is_empty()).ok_or_else(|| {
        ApiError::bad("ValidationError", format!("1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"))
    })
}

/// The payload of a JWT.
fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

/// IAM's `StringLike`: `*` any text, `?` one character.
pub(crate) fn like(pattern: &str, text: &str) -> bool {
    fn from(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some(b'*'), _) => from(&pattern[1..], text) || (!text.is_empty() && from(pattern, &text[1..])),
            (Some(b'?'), Some(_)) => from(&pattern[1..], &text[1..]),
            (Some(wanted), Some(found)) => wanted == found && from(&pattern[1..], &text[1..]),
            _ => false,
        }
    }
    from(pattern.as_bytes(), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn a_trust_pattern_matches_like_iam() {
        assert!(like("repo:acme/shop:*", "repo:acme/shop:ref:refs/heads/main"));
        assert!(like("repo:acme/shop:environment:prod?", "repo:acme/shop:environment:prod1"));
        assert!(!like("repo:acme/shop:environment:production", "repo:acme/shop:environment:staging"));
    }
}
