//! A session: region, credentials that renew themselves, and the account they belong to.
//!
//! Order: an identity token and `AssumeRoleWithWebIdentity`; otherwise what the SDK finds
//! (environment, profile, SSO, web identity file, container, instance), and `AssumeRole` from
//! there if a role is given. Nothing is called that is not needed: with keys in the environment, no
//! role and no allowed accounts, a session makes no request at all.

use std::sync::Arc;
use std::time::Duration;

use aws_config::default_provider::region::DefaultRegionChain;
use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::region::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_sts::config::IdentityCache;
use tokio::sync::OnceCell;

use super::assume::{self, AssumedRole, MARGIN, Primed, Proof};
use super::failure::failure;
use super::token::{Mask, TokenSource};
use super::{connector, lost, refusal};
use crate::config::spec::AwsSpec;
use crate::engine::target::FailureKind;
use crate::problem::Problem;
use crate::types::{AccountId, EnvironmentName, Region, RoleArn};

/// Which credentials come first.
#[derive(Debug, Clone)]
pub enum Start {
    /// An identity token. Only a role can be had for it: without one it is not used.
    Token(Arc<dyn TokenSource>),
    /// What the SDK's default chain finds.
    Ambient,
}

/// What a session is made from, beside its specification.
pub struct Sources<'a> {
    /// The environment, for the session's name; absent when none is named.
    pub environment: Option<&'a EnvironmentName>,
    /// Which credentials come first.
    pub start: Start,
    /// Roles to go through, in this order, before the specification's own.
    pub through: Vec<RoleArn>,
    /// Gets every secret before its first use.
    pub mask: Mask,
    /// The process environment, read once at the start.
    pub variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

/// Region, credentials and account. Cheap to clone; clones share connections and credentials.
#[derive(Debug, Clone)]
pub struct Session {
    sdk: SdkConfig,
    region: Region,
    account: Arc<OnceCell<AccountId>>,
}

impl Session {
    /// What SDK clients are made from; they all share its connections and credentials.
    pub fn sdk(&self) -> &SdkConfig {
        &self.sdk
    }

    /// The region.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The account, asked with `GetCallerIdentity` the first time, unless a role already told.
    pub async fn account(&self) -> Result<AccountId, Problem> {
        self.account.get_or_try_init(|| whose(&self.sdk)).await.cloned()
    }
}

/// Opens a session. Credentials are fetched once, so that a refusal comes before anything else, and
/// an account that is not allowed is refused before anything is done in it.
pub async fn connect(spec: &AwsSpec, sources: &Sources<'_>) -> Result<Session, Problem> {
    if let Some(role) = &spec.role {
        allowed(spec, role.account())?;
    }
    let way = way(spec, sources);
    let mut sdk = base(spec, sources, way).await;
    let region = region(&sdk)?;
    let mut account = None;
    if way == Way::Ambient {
        let found = sdk.credentials_provider().ok_or_else(|| none(spec, sources, "nothing is configured"))?;
        let (provider, _) = primed(spec, sources, found).await?;
        sdk = with_credentials(&sdk, provider);
    }
    let hops: Vec<&RoleArn> = sources.through.iter().chain(&spec.role).collect();
    if let Some(last) = through(&sdk, spec, sources, &hops) {
        let (provider, first) = primed(spec, sources, last).await?;
        account = told(&first);
        sdk = with_credentials(&sdk, provider);
    }
    let session = Session { sdk, region, account: Arc::new(OnceCell::new_with(account)) };
    if !spec.allowed_accounts.is_empty() {
        allowed(spec, &session.account().await?)?;
    }
    Ok(session)
}

/// For runs that need nothing of AWS: whatever is called with it is refused for want of credentials.
pub fn without_credentials() -> SdkConfig {
    SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build()
}

/// Which credentials are really used first: a token is good for nothing without a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Token,
    Ambient,
}

fn way(spec: &AwsSpec, sources: &Sources<'_>) -> Way {
    match sources.start {
        Start::Token(_) if spec.role.is_some() => Way::Token,
        Start::Token(_) | Start::Ambient => Way::Ambient,
    }
}

/// Fetches credentials once, to see whether they can be had, and keeps them for the first use.
async fn primed(
    spec: &AwsSpec,
    sources: &Sources<'_>,
    provider: SharedCredentialsProvider,
) -> Result<(SharedCredentialsProvider, Credentials), Problem> {
    let first = provider.provide_credentials().await.map_err(|error| explain(spec, sources, &error))?;
    assume::hide(&sources.mask, &first);
    let primed = Primed::new(first.clone(), provider, sources.mask.clone());
    Ok((SharedCredentialsProvider::new(primed), first))
}

/// Everything but the final credentials.
async fn base(spec: &AwsSpec, sources: &Sources<'_>, way: Way) -> SdkConfig {
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(connector::shared())
        .app_name(AppName::new("shipline").expect("letters are allowed in an application's name"))
        .retry_config(
            // About eight seconds in all: long enough for throttling and hiccups to pass, short enough
            // that an address nobody answers at is soon told. Slower quotas have patience of their own.
            RetryConfig::standard()
                .with_max_attempts(8)
                .with_initial_backoff(Duration::from_millis(250))
                .with_max_backoff(Duration::from_secs(3)),
        )
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(5))
                .operation_attempt_timeout(Duration::from_secs(30))
                .operation_timeout(Duration::from_mins(2))
                .build(),
        );
    let loader = match &spec.region {
        Some(region) => loader.region(aws_config::Region::new(region.as_str().to_owned())),
        None => loader.region(found_region(sources, way)),
    };
    // The default chain is not even built when a token replaces it: it reads files.
    if way == Way::Token { loader.no_credentials().load().await } else { loader.load().await }
}

/// On a machine that is no AWS instance, asking the instance metadata for a region takes seconds.
fn found_region(sources: &Sources<'_>, way: Way) -> RegionProviderChain {
    let elsewhere = way == Way::Token || ["AWS_ACCESS_KEY_ID", "GITHUB_ACTIONS"].iter().any(|name| set(sources, name));
    if elsewhere {
        RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
            .or_else(ProfileFileRegionProvider::new())
    } else {
        RegionProviderChain::first_try(DefaultRegionChain::builder().build())
    }
}

fn set(sources: &Sources<'_>, name: &str) -> bool {
    (sources.variable)(name).is_some_and(|value| !value.is_empty())
}

fn region(base: &SdkConfig) -> Result<Region, Problem> {
    let Some(found) = base.region() else {
        return Err(Problem::mistake(
            "region-missing",
            "No AWS region is set.",
            "Set the input `aws-region`, or `aws: { region: us-east-1 }` of the environment in .github/shipline.yml, or AWS_REGION.",
        ));
    };
    found.as_ref().parse().map_err(|error| {
        Problem::mistake(
            "region-invalid",
            format!("{error}"),
            "Set `aws-region` (`aws.region`, AWS_REGION) to a region's name like us-east-1.",
        )
    })
}

/// The provider of the last role, each assumed with the credentials of the one before; nothing
/// without roles.
fn through(
    base: &SdkConfig,
    spec: &AwsSpec,
    sources: &Sources<'_>,
    hops: &[&RoleArn],
) -> Option<SharedCredentialsProvider> {
    let name = session_name(spec, sources.environment);
    let mut config = base.clone();
    let mut provider = None;
    for (index, role) in hops.iter().enumerate() {
        let last = index + 1 == hops.len();
        let proof = match &sources.start {
            Start::Token(source) if index == 0 && way(spec, sources) == Way::Token => Proof::Token(source.clone()),
            _ => Proof::Credentials,
        };
        let assumed = SharedCredentialsProvider::new(AssumedRole {
            sts: aws_sdk_sts::Client::new(&config),
            role: (*role).clone(),
            session_name: name.clone(),
            external_id: spec.external_id.clone().filter(|_| last),
            length: spec.session.filter(|_| last),
            proof,
            mask: sources.mask.clone(),
        });
        config = with_credentials(base, assumed.clone());
        provider = Some(assumed);
    }
    provider
}

fn with_credentials(base: &SdkConfig, provider: SharedCredentialsProvider) -> SdkConfig {
    let cache = IdentityCache::lazy().buffer_time(MARGIN).load_timeout(Duration::from_secs(90)).build();
    base.to_builder().credentials_provider(provider).identity_cache(cache).build()
}

/// `[\w+=,.@-]{2,64}` (STS API, `RoleSessionName`).
fn session_name(spec: &AwsSpec, environment: Option<&EnvironmentName>) -> String {
    let wished = match (&spec.session_name, environment) {
        (Some(name), _) => name.clone(),
        (None, Some(environment)) => format!("shipline-{environment}"),
        (None, None) => "shipline".to_owned(),
    };
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "_+=,.@-".contains(c) { c } else { '-' };
    let name: String = wished.chars().map(allowed).take(64).collect();
    if name.len() < 2 { "shipline".to_owned() } else { name }
}

/// The account that the answer to our own `AssumeRole` named.
fn told(credentials: &Credentials) -> Option<AccountId> {
    credentials.account_id()?.as_str().parse().ok()
}

async fn whose(sdk: &SdkConfig) -> Result<AccountId, Problem> {
    let answer = aws_sdk_sts::Client::new(sdk).get_caller_identity().send().await.map_err(|error| {
        let refused = failure("sts:GetCallerIdentity", &error);
        match (lost::find(&error), refused.kind) {
            (Some(lost), _) => lost.problem.clone(),
            (None, FailureKind::Credentials) => refusal::expired_or_wrong(&refused),
            (None, _) => refused.problem(),
        }
    })?;
    answer.account().unwrap_or_default().parse().map_err(|error| {
        Problem::provider(
            "account-unknown",
            format!("STS did not say which account this is: {error}"),
            "Check AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_STS: the endpoint does not answer like STS.",
        )
    })
}

fn allowed(spec: &AwsSpec, account: &AccountId) -> Result<(), Problem> {
    if spec.allowed_accounts.is_empty() || spec.allowed_accounts.contains(account) {
        return Ok(());
    }
    let allowed: Vec<&str> = spec.allowed_accounts.iter().map(AccountId::as_str).collect();
    Err(Problem::refused(
        "account-not-allowed",
        format!("These credentials belong to account {account}, which is not allowed here."),
        "Use credentials or a role of an allowed account, or add this one to `allowed-account-ids` (`aws.allowed-account-ids`). Nothing was changed.",
    )
    .because(format!("allowed: {}", allowed.join(", "))))
}

/// What to tell when the first credentials could not be had.
fn explain(spec: &AwsSpec, sources: &Sources<'_>, error: &CredentialsError) -> Problem {
    if let Some(lost) = lost::find(error) {
        return lost.problem.clone();
    }
    let said = lost::in_words(error);
    match error {
        CredentialsError::CredentialsNotLoaded(_) => none(spec, sources, &said),
        CredentialsError::InvalidConfiguration(_) => Problem::mistake(
            "credentials-configuration",
            "The AWS configuration of this machine cannot be used.",
            "Mend the profile named below (~/.aws/config, AWS_PROFILE), or give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        )
        .because(said),
        _ => Problem::provider(
            "credentials-unavailable",
            "The AWS credentials of this machine could not be fetched.",
            "Log in again (`aws sso login`), then run again.",
        )
        .because(said),
    }
}

/// Nothing to sign with.
fn none(spec: &AwsSpec, sources: &Sources<'_>, said: &str) -> Problem {
    let in_actions = set(sources, "GITHUB_ACTIONS");
    let can_ask = set(sources, "ACTIONS_ID_TOKEN_REQUEST_URL");
    match (&spec.role, in_actions) {
        (Some(role), true) if !can_ask => Problem::mistake(
            "oidc-not-permitted",
            format!("{role} shall be assumed, but this job may not ask GitHub for an identity token."),
            "Give the job the permission:\n  permissions:\n    id-token: write\n    contents: read",
        )
        .because("ACTIONS_ID_TOKEN_REQUEST_URL is not set: the job lacks `permissions: id-token: write`, or it runs for a pull request from a fork")
        .see("docs/permissions.md#trust-policy"),
        (_, true) => Problem::mistake(
            "credentials-missing",
            "There are no AWS credentials.",
            "Set `role-to-assume` to a role that trusts this repository and give the job `permissions: id-token: write`.",
        )
        .because(said.to_owned()),
        (_, false) => Problem::mistake(
            "credentials-missing",
            "There are no AWS credentials.",
            "Log in on this machine (`aws sso login`, `aws configure`), name a profile with AWS_PROFILE, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        )
        .because(said.to_owned()),
    }
}

#[cfg(test)]
mod tests;
