//! Credentials of registries, and a Docker configuration of our own that holds them.
//!
//! The password is written as an entry into a configuration file only this user can read, in a
//! folder that goes away with the pipeline. `docker login` would start a process and a round trip
//! for every registry and, with a credential store configured, would overwrite what other jobs of
//! this machine use. The user's own configuration is read and never written: its logins, credential
//! helpers, proxies, contexts, builders and plugins keep working for every registry but the ones
//! logged in to here.

use std::collections::HashMap;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_types::SdkConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};
use tokio::sync::{Mutex, OnceCell};

use super::registry;
use crate::aws::failure;
use crate::engine::Cancel;
use crate::problem::Problem;
use crate::process::{Environment, Program};
use crate::types::{Region, RegistryHost};

/// Takes every secret before it is used for the first time, so that no output can show it.
pub type Mask = Arc<dyn Fn(&str) + Send + Sync>;

/// The host of ECR Public, whose tokens come from us-east-1 alone ("Amazon ECR Public registry authentication").
const ECR_PUBLIC: &str = "public.ecr.aws";

/// A user name and a password.
#[derive(Debug, Clone)]
pub(super) struct Basic {
    pub user: String,
    pub password: SecretString,
}

/// Where a token is good: one serves every registry a principal may use in a region, whatever the
/// account (ECR `GetAuthorizationToken`; its `registryIds` are deprecated for that reason).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Reach {
    Private(Region),
    Public,
}

impl Reach {
    fn of(host: &RegistryHost) -> Option<Self> {
        match host.ecr() {
            Some((_, region)) => Some(Self::Private(region)),
            None => (host.as_str() == ECR_PUBLIC).then_some(Self::Public),
        }
    }
}

/// Finds credentials; asks for each token once.
pub(super) struct Logins {
    sdk: SdkConfig,
    environment: Environment,
    mask: Mask,
    cancel: Cancel,
    tokens: Mutex<HashMap<Reach, Arc<OnceCell<Basic>>>>,
}

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Logins")
    }
}

impl Logins {
    pub(super) fn new(sdk: SdkConfig, environment: Environment, mask: Mask, cancel: Cancel) -> Self {
        Self { sdk, environment, mask, cancel, tokens: Mutex::default() }
    }

    /// Credentials for a registry: ECR's token, or what the user's Docker configuration has.
    pub(super) async fn basic(&self, host: &RegistryHost) -> Result<Option<Basic>, Problem> {
        match Reach::of(host) {
            // Anybody may read ECR Public; who cannot get a token reads as nobody.
            Some(Reach::Public) => Ok(self.token(Reach::Public).await.ok()),
            Some(reach) => self.token(reach).await.map(Some),
            None => self.users(host).await,
        }
    }

    /// The token for an ECR registry, private or public; nothing for any other host.
    pub(super) async fn of_ecr(&self, host: &RegistryHost) -> Result<Option<Basic>, Problem> {
        match Reach::of(host) {
            Some(reach) => self.token(reach).await.map(Some),
            None => Ok(None),
        }
    }

    async fn token(&self, reach: Reach) -> Result<Basic, Problem> {
        let cell = Arc::clone(self.tokens.lock().await.entry(reach.clone()).or_default());
        cell.get_or_try_init(|| self.ask(reach)).await.cloned()
    }

    async fn ask(&self, reach: Reach) -> Result<Basic, Problem> {
        let token = match &reach {
            Reach::Private(region) => {
                let client = registry::client(&self.sdk, region);
                let answer = client.get_authorization_token().send().await;
                let answer = answer.map_err(|error| failure("ecr:GetAuthorizationToken", &error).problem())?;
                answer.authorization_data().first().and_then(|data| data.authorization_token()).map(str::to_owned)
            }
            Reach::Public => {
                let region = aws_sdk_ecrpublic::config::Region::new("us-east-1");
                let config = aws_sdk_ecrpublic::config::Builder::from(&self.sdk).region(region).build();
                let client = aws_sdk_ecrpublic::Client::from_conf(config);
                let answer = client.get_authorization_token().send().await;
                let answer = answer.map_err(|error| {
                    // The token of ECR Public also needs this second permission.
                    failure("ecr-public:GetAuthorizationToken", &error)
                        .problem()
                        .because("`sts:GetServiceBearerToken` is needed with it")
                })?;
                answer.authorization_data().and_then(|data| data.authorization_token()).map(str::to_owned)
            }
        };
        let token = SecretString::from(token.unwrap_or_default());
        if !token.expose_secret().is_empty() {
            (self.mask)(token.expose_secret());
        }
        let pair = BASE64.decode(token.expose_secret()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((user, password)) = pair.as_deref().and_then(|pair| pair.split_once(':')) else {
            return Err(Problem::provider(
                "token-unreadable",
                "ECR answered with a token that is not a user name and a password.",
                "Check AWS_ENDPOINT_URL: what answers there is not ECR.",
            ));
        };
        (self.mask)(password);
        Ok(Basic { user: user.to_owned(), password: password.to_owned().into() })
    }

    /// What the user's own configuration knows of a host, helpers included.
    async fn users(&self, host: &RegistryHost) -> Result<Option<Basic>, Problem> {
        let Some(own) = users_folder(&self.environment) else { return Ok(None) };
        let config = read(&own)?;
        let key = if host.as_str() == "docker.io" { "https://index.docker.io/v1/" } else { host.as_str() };
        let text =
            |value: Option<&Value>| value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        let helper = text(config.get("credHelpers").and_then(|helpers| helpers.get(key)))
            .or_else(|| text(config.get("credsStore")));
        if let Some(helper) = helper {
            return Ok(self.helped(&helper, key).await);
        }
        let entry = config.get("auths").and_then(|auths| auths.get(key));
        let Some(auth) = text(entry.and_then(|entry| entry.get("auth"))) else { return Ok(None) };
        (self.mask)(&auth);
        let pair = BASE64.decode(auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(pair.as_deref().and_then(|pair| pair.split_once(':')).map(|(user, password)| {
            (self.mask)(password);
            Basic { user: user.to_owned(), password: password.to_owned().into() }
        }))
    }

    /// Asks a credential helper (docker-credential-helpers, "Usage"). One that fails knows nothing.
    async fn helped(&self, helper: &str, key: &str) -> Option<Basic> {
        let safe = helper.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let program = Program::new(format!("docker-credential-{helper}"), &self.environment, "the credential helper");
        let program = program.arg("get").input(key.to_owned().into()).within(std::time::Duration::from_secs(30));
        let finished = if safe { program.run(&self.cancel, &|_, _| {}).await.ok()? } else { return None };
        let answer: Value = serde_json::from_str(&finished.out).ok()?;
        let password = answer.get("Secret")?.as_str()?.to_owned();
        (self.mask)(&password);
        Some(Basic { user: answer.get("Username")?.as_str()?.to_owned(), password: password.into() })
    }
}

/// The user's Docker configuration folder, there or not.
fn users_folder(environment: &Environment) -> Option<PathBuf> {
    let set = |name: &str| environment.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("DOCKER_CONFIG").or_else(|| set("HOME").map(|home| home.join(".docker")))
}

fn read(folder: &Path) -> Result<Map<String, Value>, Problem> {
    let file = folder.join("config.json");
    let wrong = |cause: String| {
        Problem::mistake(
            "docker-config-unreadable",
            format!("{} cannot be read: {cause}", file.display()),
            "Mend or remove the file; Docker itself would stumble over it too.",
        )
    };
    match std::fs::read(&file) {
        Ok(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => Ok(Map::new()),
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Map::new()),
        Err(error) => Err(wrong(error.to_string())),
    }
}

/// A private Docker configuration; the folder is deleted when this is dropped.
#[derive(Debug)]
pub(super) struct DockerConfig {
    folder: tempfile::TempDir,
    content: Mutex<Map<String, Value>>,
    users: Option<PathBuf>,
}

impl DockerConfig {
    /// Makes the folder (mode 0700) below `RUNNER_TEMP` or the system's, with what the user's own
    /// configuration has.
    pub(super) fn new(environment: &Environment) -> Result<Self, Problem> {
        let users = users_folder(environment);
        let mut content = users.as_deref().map_or_else(|| Ok(Map::new()), read)?;
        let named = ["RUNNER_TEMP", "TMPDIR"].iter().filter_map(|name| environment.get(*name)).map(PathBuf::from);
        let parent = named.into_iter().find(|folder| folder.is_dir()).unwrap_or_else(|| PathBuf::from("/tmp"));
        let folder = tempfile::Builder::new()
            .prefix("shipline-docker-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir_in(&parent)
            .map_err(|error| unwritable(&parent, &error))?;
        if let Some(users) = &users {
            // Plugins are looked for beside the configuration; contexts live there too.
            let plugins = users.join("cli-plugins");
            if plugins.is_dir() {
                let extra = content.entry("cliPluginsExtraDirs").or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(extra) = extra {
                    extra.push(Value::String(plugins.to_string_lossy().into_owned()));
                }
            }
            let contexts = users.join("contexts");
            if contexts.is_dir() {
                std::os::unix::fs::symlink(&contexts, folder.path().join("contexts"))
                    .map_err(|error| unwritable(folder.path(), &error))?;
            }
        }
        let config = Self { folder, content: Mutex::new(content), users };
        Ok(config)
    }

    /// Adds logins and writes the file. Existing entries and helpers for these hosts give way.
    pub(super) async fn add(&self, logins: &[(RegistryHost, Basic)]) -> Result<(), Problem> {
        let mut content = self.content.lock().await;
        for (host, basic) in logins {
            let auth = BASE64.encode(format!("{}:{}", basic.user, basic.password.expose_secret()));
            let entry = serde_json::json!({ "auth": auth });
            set(&mut content, "auths", host.as_str(), entry);
            // An empty helper means this file, even where a store is configured for all the rest.
            if content.contains_key("credsStore") || content.contains_key("credHelpers") {
                set(&mut content, "credHelpers", host.as_str(), Value::String(String::new()));
            }
        }
        let text = SecretString::from(Value::Object(content.clone()).to_string());
        let (file, new) = (self.folder.path().join("config.json"), self.folder.path().join("config.json.new"));
        let write = || {
            let mut options = std::fs::OpenOptions::new();
            let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            out.write_all(text.expose_secret().as_bytes())?;
            // Renamed, so that a Docker started meanwhile reads the old or the new, never half.
            std::fs::rename(&new, &file)
        };
        write().map_err(|error| unwritable(self.folder.path(), &error))
    }

    /// The folder, for files that go with it.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// `environment` with this configuration in place of the user's.
    pub(super) fn environment(&self, environment: &Environment) -> Environment {
        let mut environment = environment.clone();
        environment.insert("DOCKER_CONFIG".to_owned(), self.folder.path().to_string_lossy().into_owned());
        if let Some(users) = &self.users {
            // Builders made by the user (docker/setup-buildx-action) are kept beside the configuration.
            let builders = users.join("buildx");
            if builders.is_dir() {
                let builders = builders.to_string_lossy().into_owned();
                environment.entry("BUILDX_CONFIG".to_owned()).or_insert(builders);
            }
            if environment.contains_key("DOCKER_TLS_VERIFY") {
                let certificates = users.to_string_lossy().into_owned();
                environment.entry("DOCKER_CERT_PATH".to_owned()).or_insert(certificates);
            }
        }
        environment
    }
}

fn set(content: &mut Map<String, Value>, section: &str, host: &str, value: Value) {
    let section = content.entry(section).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(section) = section {
        section.insert(host.to_owned(), value);
    }
}

fn unwritable(folder: &Path, error: &std::io::Error) -> Problem {
    Problem::provider(
        "temporary-folder",
        format!("{} cannot be written: {error}", folder.display()),
        "Make room or set RUNNER_TEMP (or TMPDIR) to a folder that can be written.",
    )
}

#[cfg(test)]
mod tests;
