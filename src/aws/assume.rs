//! Credentials of an assumed role, with an identity token or with the credentials before it.
//!
//! Invariants: nothing is kept here (the SDK's identity cache asks again shortly before expiry, and
//! then a new token is requested); secrets pass the mask before they are returned.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::types::{AssumedRoleUser, Credentials as StsCredentials};
use secrecy::{ExposeSecret, SecretString};

use super::claims::Claims;
use super::failure::failure;
use super::lost::{self, NoCredentials};
use super::refusal;
use super::token::{Mask, TokenSource};
use crate::engine::{ProviderFailure, clock};
use crate::problem::Problem;
use crate::types::{RoleArn, Span};

/// What proves to AWS that the role may be assumed.
#[derive(Debug)]
pub(super) enum Proof {
    /// A token of an identity provider.
    Token(Arc<dyn TokenSource>),
    /// The credentials that the STS client signs with.
    Credentials,
}

/// A role and how it is assumed.
#[derive(Debug)]
pub(super) struct AssumedRole {
    pub(super) sts: aws_sdk_sts::Client,
    pub(super) role: RoleArn,
    pub(super) session_name: String,
    pub(super) external_id: Option<String>,
    pub(super) length: Option<Span>,
    pub(super) proof: Proof,
    pub(super) mask: Mask,
}

impl AssumedRole {
    /// New credentials.
    async fn fetch(&self) -> Result<Credentials, NoCredentials> {
        let (credentials, user) = match &self.proof {
            Proof::Token(source) => self.with_token(source.as_ref()).await?,
            Proof::Credentials => self.with_credentials().await?,
        };
        let incomplete = || NoCredentials::from(refusal::incomplete(&self.role));
        let credentials = credentials.ok_or_else(incomplete)?;
        let expiry = SystemTime::try_from(credentials.expiration).map_err(|_| incomplete())?;
        let account = user.and_then(|user| user.arn.split(':').nth(4).map(str::to_owned));
        let mut made = Credentials::builder()
            .access_key_id(credentials.access_key_id)
            .secret_access_key(credentials.secret_access_key)
            .session_token(credentials.session_token)
            .expiry(expiry)
            .provider_name("shipline");
        made.set_account_id(account.map(Into::into));
        let made = made.build();
        hide(&self.mask, &made);
        Ok(made)
    }

    async fn with_token(&self, source: &dyn TokenSource) -> Result<Answer, NoCredentials> {
        let token = source.token().await?;
        let answer = self
            .sts
            .assume_role_with_web_identity()
            .role_arn(self.role.as_str())
            .role_session_name(&self.session_name)
            .web_identity_token(token.expose_secret())
            .set_duration_seconds(self.seconds())
            .send()
            .await;
        match answer {
            Ok(answer) => Ok((answer.credentials, answer.assumed_role_user)),
            Err(error) => {
                let refused = failure("sts:AssumeRoleWithWebIdentity", &error);
                let claims = Claims::read(&token);
                Err(self.lost(&error, &refused, |refused| refusal::of_token(refused, claims.as_ref(), &self.role)))
            }
        }
    }

    async fn with_credentials(&self) -> Result<Answer, NoCredentials> {
        let answer = self
            .sts
            .assume_role()
            .role_arn(self.role.as_str())
            .role_session_name(&self.session_name)
            .set_external_id(self.external_id.clone())
            .set_duration_seconds(self.seconds())
            .send()
            .await;
        match answer {
            Ok(answer) => Ok((answer.credentials, answer.assumed_role_user)),
            Err(error) => {
                let refused = failure("sts:AssumeRole", &error);
                let external_id = self.external_id.as_deref();
                Err(self.lost(&error, &refused, |refused| refusal::of_role(refused, external_id, &self.role)))
            }
        }
    }

    fn seconds(&self) -> Option<i32> {
        self.length.map(|length| i32::try_from(length.as_seconds()).unwrap_or(i32::MAX))
    }

    /// The reason: that of the credentials before this role if they are what failed, ours otherwise.
    fn lost(
        &self,
        error: &(dyn std::error::Error + 'static),
        refused: &ProviderFailure,
        explain: impl FnOnce(&ProviderFailure) -> Problem,
    ) -> NoCredentials {
        tracing::debug!(role = %self.role, code = refused.code, request_id = refused.request_id, "role not assumed");
        lost::find(error).cloned().unwrap_or_else(|| NoCredentials { problem: explain(refused), kind: refused.kind })
    }
}

type Answer = (Option<StsCredentials>, Option<AssumedRoleUser>);

impl ProvideCredentials for AssumedRole {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.fetch().await.map_err(CredentialsError::provider_error) })
    }
}

/// Masks everything secret about credentials.
pub(super) fn hide(mask: &Mask, credentials: &Credentials) {
    mask.hide(&SecretString::from(credentials.secret_access_key().to_owned()));
    if let Some(token) = credentials.session_token() {
        mask.hide(&SecretString::from(token.to_owned()));
    }
}

/// Gives out the credentials that were fetched to see whether they can be, then new ones.
#[derive(Debug)]
pub(super) struct Primed {
    first: Mutex<Option<Credentials>>,
    then: SharedCredentialsProvider,
    mask: Mask,
}

/// Credentials with less time left than this are renewed first.
pub(super) const MARGIN: Duration = Duration::from_mins(1);

impl Primed {
    pub(super) fn new(first: Credentials, then: SharedCredentialsProvider, mask: Mask) -> Self {
        Self { first: Mutex::new(Some(first)), then, mask }
    }

    fn take(&self) -> Option<Credentials> {
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let soon = SystemTime::from(clock::now()) + MARGIN;
        first.expiry().is_none_or(|expiry| expiry > soon).then_some(first)
    }

    async fn next(&self) -> Result<Credentials, CredentialsError> {
        if let Some(first) = self.take() {
            return Ok(first);
        }
        let renewed = self.then.provide_credentials().await?;
        hide(&self.mask, &renewed);
        Ok(renewed)
    }
}

impl ProvideCredentials for Primed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.next())
    }
}
