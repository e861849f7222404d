//! Scalars of the configuration that have a form of their own.
//!
//! Form only: whether a cluster, a team or a time zone exists is asked where it is used.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::super::read::{Bare, Written};
use super::super::tree::shown;
use crate::types::{
    AccountId, EnvironmentName, Percent, Region, RegistryHost, RepositoryPath, RoleArn, ServiceName, Span, Tag,
};

/// Why a text does not have its form: a clause that says what the form is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value that is its text.
pub(crate) trait Text {
    /// The text.
    fn as_str(&self) -> &str;
}

/// Declares a text with a form: documentation, name, what it is, an example, a pattern, a check.
macro_rules! text {
    (
        $(#[$doc:meta])+
        $name:ident = $what:literal, like $example:literal, $pattern:expr, $bare:ident,
        |$text:ident| $ok:expr, else $error:expr $(, hint $hint:expr)?
    ) => {
        $(#[$doc])+
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) struct $name(String);

        impl Text for $name {
            fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Malformed;
            fn from_str($text: &str) -> Result<Self, Malformed> {
                if $ok { Ok(Self($text.to_owned())) } else { Err(Malformed($error)) }
            }
        }

        impl Written for $name {
            const WHAT: &'static str = $what;
            const EXAMPLE: &'static str = $example;
            const PATTERN: Option<&'static str> = $pattern;
            const BARE: Bare = Bare::$bare;
            $(fn hint(text: &str) -> Option<String> {
                $hint(text)
            })?
        }
    };
}

/// Declares how a type from `types` is written.
macro_rules! written {
    ($type:ty = $what:literal, like $example:literal, $pattern:expr, $bare:ident $(, hint $hint:expr)?) => {
        impl Written for $type {
            const WHAT: &'static str = $what;
            const EXAMPLE: &'static str = $example;
            const PATTERN: Option<&'static str> = $pattern;
            const BARE: Bare = Bare::$bare;
            $(fn hint(text: &str) -> Option<String> {
                $hint(text)
            })?
        }
    };
}

mod measured;
mod people;
mod places;

pub(crate) use measured::{MetricId, Probability, ProbeUrl, ShareOfPairs, Unit, share};
pub(crate) use people::{Access, Person, WeekTime, WorkflowFile, Zone};
pub(crate) use places::{
    AppRunnerArn, AppRunnerCpu, AppRunnerMemory, ContainerPath, HealthPath, HostPath, InstanceId, ProjectName, TagPair,
};

written!(ServiceName = "a service's name", like "api", Some("^[a-z0-9][a-z0-9_-]{0,62}$"), Text);
written!(EnvironmentName = "an environment's name", like "production", Some("^[a-z0-9][a-z0-9_-]{0,62}$"), Text);
written!(Region = "an AWS region", like "us-east-1", Some("^[a-z0-9]+(-[a-z0-9]+){1,3}-[0-9]+$"), Text);
written!(
    RoleArn = "a role's ARN",
    like "arn:aws:iam::111122223333:role/shipline",
    Some("^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$"), Text
);
written!(AccountId = "an AWS account id", like "\"111122223333\"", Some("^[0-9]{12}$"), Text, hint account_hint);
written!(
    RegistryHost = "a registry's host",
    like "111122223333.dkr.ecr.us-east-1.amazonaws.com",
    Some("^[A-Za-z0-9.-]+(:[0-9]+)?$"), Text
);
written!(
    RepositoryPath = "an image repository",
    like "pmis/api", Some("^[a-z0-9]+([._/-]+[a-z0-9]+)*$"), Text, hint repository_hint
);
written!(Tag = "an image tag", like "stable", Some("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"), Text);
written!(Span = "a length of time", like "30m", Some("^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"), Text, hint span_hint);
written!(Percent = "a percentage", like "10", None, Number);

fn account_hint(text: &str) -> Option<String> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    if digits && (9..12).contains(&text.len()) {
        return Some(format!(
            "A leading 0 was probably lost where the id was taken for a number: is it `\"{text:0>12}\"`, in quotes?"
        ));
    }
    let number = text.contains(['e', 'E', '.']) && text.bytes().all(|b| b.is_ascii_digit() || b"eE.+".contains(&b));
    number.then(|| "A spreadsheet or YAML took it for a number. Write the twelve digits in quotes.".to_owned())
}

fn span_hint(text: &str) -> Option<String> {
    let digits = !text.is_empty() && text.len() < 10 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| format!("Add the unit: `{text}s`, `{text}m`, `{text}h` or `{text}d`."))
}

fn repository_hint(text: &str) -> Option<String> {
    if text.contains(['@', ':']) {
        return Some("Leave tag and digest out: the commit decides them. A registry goes into `registry`.".to_owned());
    }
    let lower = text.to_lowercase();
    (lower != text && lower.parse::<RepositoryPath>().is_ok()).then(|| format!("Write `{}`.", shown(&lower)))
}

/// A path relative to the repository that stays inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InsidePath(PathBuf);

impl InsidePath {
    /// The path.
    pub(crate) fn as_path(&self) -> &Path {
        &self.0
    }
}

impl FromStr for InsidePath {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let drive = text.as_bytes().get(1) == Some(&b':');
        let bad = if text.is_empty() {
            "it is empty"
        } else if text.starts_with(['/', '~']) || drive {
            "it is absolute"
        } else if text.split(['/', '\\']).any(|part| part == "..") {
            "it has `..`"
        } else if text.contains('\\') {
            "it has a backslash"
        } else if text.starts_with('-') {
            "it starts with `-`, like an option"
        } else if text.chars().any(char::is_control) {
            "it has a control character"
        } else if text.len() > 1024 {
            "it is longer than 1024 bytes"
        } else {
            return Ok(Self(PathBuf::from(text)));
        };
        let shown = shown(text);
        Err(Malformed(format!("a path is relative to the repository and stays inside it; `{shown}` does not: {bad}")))
    }
}

impl Written for InsidePath {
    const WHAT: &'static str = "a path inside the repository";
    const EXAMPLE: &'static str = "apps/api";
    const PATTERN: Option<&'static str> = Some("^(?![/~-])(?!.*(^|/)\\.\\.(/|$))[^\\\\]+$");
}

fn word(text: &str, most: usize, extra: &[u8]) -> bool {
    !text.is_empty() && text.len() <= most && text.bytes().all(|b| b.is_ascii_alphanumeric() || extra.contains(&b))
}

fn line(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.len() <= most && !text.chars().any(char::is_control)
}

fn arn_of(text: &str, service: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    let (Some("arn"), Some(partition), Some(found), Some(_), Some(account), Some(rest)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let plain = |text: &str| !text.chars().any(|c| c.is_whitespace() || c.is_control());
    partition.starts_with("aws") && found == service && account.len() == 12 && !rest.is_empty() && plain(text)
}

text! {
    /// A branch, as git allows it (`git help check-ref-format`), without `refs/heads/`.
    Branch = "a branch", like "main", Some("^(?!refs/)[^ ~^:?*\\[\\\\]+$"), Text,
    |text| {
        let parts = text.split('/').all(|p| !p.is_empty() && !p.starts_with('.') && p.rsplit_once('.').is_none_or(|(_, end)| end != "lock"));
        let plain = !text.chars().any(|c| c.is_control() || " ~^:?*[\\".contains(c));
        let words = ["true", "false", "yes", "no", "on", "off"].contains(&text.to_lowercase().as_str());
        parts && plain && !words && text.len() <= 255
            && !["..", "@{"].iter().any(|bad| text.contains(bad))
            && !text.starts_with("refs/") && !text.starts_with('-') && !text.ends_with('.')
    },
    else format!("a branch is named as in git; `{}` is not a name of one", shown(text)),
    hint |text: &str| {
        let pattern = || text.contains(['*', '?', '[']).then(|| "Name each branch in full: patterns are not read here.".to_owned());
        text.strip_prefix("refs/heads/").map(|name| format!("Write `{}`.", shown(name))).or_else(pattern)
    }
}
text! {
    /// An `http` or `https` URL without user information.
    HttpUrl = "a URL", like "https://example.com/health", Some("^https?://[^/?#@\\s]+([/?#]\\S*)?$"), Text,
    |text| is_http_url(text),
    // The text may hold a password before the `@`: it is not repeated.
    else "a URL starts with http:// or https://, names a host, and has no user, password or space".to_owned(),
    hint |text: &str| text.contains('@').then(|| {
        "Remove the user and password before `@`: a check needs none, and they would be shown.".to_owned()
    })
}

fn is_http_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = match authority.strip_prefix('[').and_then(|v6| v6.split_once(']')) {
        Some((v6, port)) => {
            if v6.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            ("v6", port.strip_prefix(':'))
        }
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let host_ok = word(host, 253, b"-._") && !host.starts_with(['.', '-']);
    let port_ok = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    host_ok && port_ok && text.len() <= 2048 && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

text! {
    /// An external id (IAM user guide: 2 to 1224 characters of `\w+=,.@:/-`).
    ExternalId = "an external id", like "pmis-7c1f", Some("^[\\w+=,.@:/-]{2,1224}$"), Text,
    |text| text.len() >= 2 && word(text, 1224, b"_+=,.@:/-"),
    else "an external id has 2 to 1224 characters of A-Z a-z 0-9 _ + = , . @ : / -".to_owned()
}
text! {
    /// A role session's name (STS: 2 to 64 characters of `\w+=,.@-`).
    SessionName = "a session name", like "shipline-production", Some("^[\\w+=,.@-]{2,64}$"), Text,
    |text| text.len() >= 2 && word(text, 64, b"_+=,.@-"),
    else "a session name has 2 to 64 characters of A-Z a-z 0-9 _ + = , . @ -".to_owned()
}
text! {
    /// The name or ARN of a cluster or service.
    NameOrArn = "a name or ARN", like "pmis-staging", Some("^([A-Za-z0-9_-]{1,255}|arn:aws\\S+)$"), Text,
    |text| word(text, 255, b"_-") || arn_of(text, "ecs") || arn_of(text, "apprunner"),
    else format!("a name has at most 255 characters of A-Z a-z 0-9 _ -, or it is a whole ARN; `{}` is neither", shown(text))
}
text! {
    /// A container's name.
    ContainerName = "a container's name", like "app", Some("^[A-Za-z0-9_-]{1,255}$"), Text,
    |text| word(text, 255, b"_-"),
    else format!("a container's name has at most 255 characters of A-Z a-z 0-9 _ -; `{}` is not one", shown(text))
}
text! {
    /// The name of an environment variable, build argument, label, log option or metric dimension.
    VariableName = "a name", like "LOG_LEVEL", Some("^[^=\\s]+$"), Text,
    |text| !text.is_empty() && text.len() <= 256 && !text.chars().any(|c| c == '=' || c.is_whitespace() || c.is_control()),
    else "a name here is not empty and has no `=`, space or control character".to_owned()
}
text! {
    /// Any text; a number or `true` stands for itself as it is written; empty is a value.
    AnyText = "text", like "info", None, Any,
    |text| !text.contains('\0'),
    else "a text cannot hold the character NUL".to_owned()
}
text! {
    /// Some text on one line.
    SomeText = "a text on one line", like "unit tests", Some("\\S"), Text,
    |text| line(text, 1024),
    else "the text here is one line that is not empty".to_owned()
}
text! {
    /// One argument of a command. Never seen by a shell.
    Argument = "an argument", like "upgrade", None, Any,
    |text| !text.contains('\0') && text.len() <= 32768,
    else "an argument has no NUL and at most 32768 bytes".to_owned()
}
text! {
    /// Where ECS or App Runner reads a secret: an ARN, or a Parameter Store name in the same region.
    ValueFrom = "where a secret is kept",
    like "arn:aws:secretsmanager:us-east-1:111122223333:secret:pmis/db",
    Some("^(arn:aws\\S+|[A-Za-z0-9_.-]*/[A-Za-z0-9_./-]+)$"), Text,
    |text| arn_of(text, "secretsmanager") || arn_of(text, "ssm") || (text.contains('/') && word(text, 1011, b"_./-")),
    // Never repeated: people paste the secret itself here.
    else "a secret is named by where it is kept: the ARN of a Secrets Manager secret or Parameter Store parameter, or a \
          parameter's name with a `/`".to_owned(),
    hint |_: &str| Some(
        "Put the value into Secrets Manager or Parameter Store and write its ARN here. If this was the secret itself, \
         change it: it is in the history of the repository.".to_owned()
    )
}
text! {
    /// A platform of a build: `os/architecture[/variant]`.
    Platform = "a platform", like "linux/amd64", Some("^[a-z0-9]+/[a-z0-9_]+(/[a-z0-9.]+)?$"), Text,
    |text| (2..=3).contains(&text.split('/').count()) && text.split('/').all(|part| word(part, 32, b"_.")),
    else format!("a platform is an operating system and an architecture; `{}` is not one", shown(text)),
    hint |text: &str| {
        let known = match text.to_lowercase().as_str() {
            "amd64" | "x86_64" | "linux/x86_64" => "linux/amd64",
            "arm64" | "aarch64" | "graviton" => "linux/arm64",
            _ => return None,
        };
        Some(format!("Write `{known}`."))
    }
}
text! {
    /// A stage of a Dockerfile, a build secret's id, a log driver, a profile.
    Identifier = "a name", like "runtime", Some("^[A-Za-z0-9][A-Za-z0-9_.-]*$"), Text,
    |text| word(text, 255, b"_.-") && text.as_bytes()[0].is_ascii_alphanumeric(),
    else format!("a name here has A-Z a-z 0-9 _ . - and starts with a letter or digit; `{}` is not one", shown(text))
}
text! {
    /// A name of a secret or variable in GitHub or the environment.
    SecretName = "the name of a secret", like "SLACK_WEBHOOK", Some("^[A-Za-z_][A-Za-z0-9_]*$"), Text,
    |text| word(text, 255, b"_") && !text.as_bytes()[0].is_ascii_digit(),
    // Never repeated: people paste the secret itself here.
    else "the name of a secret has A-Z a-z 0-9 _ and does not start with a digit".to_owned(),
    hint |_: &str| Some("Write the name of the secret, never its value.".to_owned())
}
text! {
    /// The ARN of an SNS topic.
    TopicArn = "a topic's ARN", like "arn:aws:sns:us-east-1:111122223333:deploys", Some("^arn:aws[a-z-]*:sns:\\S+$"), Text,
    |text| arn_of(text, "sns"),
    else format!("a topic is named by its ARN; `{}` is not one", shown(text))
}
text! {
    /// The name of a header in an HTTP answer.
    HeaderName = "a header's name", like "X-Version", Some("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"), Text,
    |text| word(text, 256, b"!#$%&'*+.^_`|~-"),
    else "a header's name has letters, digits and none of ( ) , / : ; < = > ? @ [ ] { }".to_owned()
}
text! {
    /// What a header must say. A number or `true` stands for itself.
    HeaderValue = "a header's value", like "v2", None, Any,
    |text| text.len() <= 8192 && text.trim() == text && !text.chars().any(char::is_control),
    else "a header's value is one line without spaces around it".to_owned()
}
text! {
    /// How long one answer may take.
    Latency = "a latency", like "500ms", Some("^[0-9]+(ms|s)$"), Text,
    |text| milliseconds(text).is_some_and(|ms| (1..=10_000).contains(&ms)),
    else format!("a latency is 1ms to 10s; `{}` is not", shown(text))
}
text! {
    /// The name of a vulnerability, as scans have it.
    FindingName = "the name of a finding", like "CVE-2026-0001", Some("^[A-Za-z0-9][A-Za-z0-9:._-]*$"), Text,
    |text| word(text, 256, b":._-"),
    else format!("a finding is named as in the scan; `{}` is not a name of one", shown(text))
}

/// The milliseconds of a [`Latency`].
pub(crate) fn milliseconds(text: &str) -> Option<u32> {
    let (number, size) = text.strip_suffix("ms").map_or_else(|| (text.strip_suffix('s'), 1000), |n| (Some(n), 1));
    number?.parse::<u32>().ok()?.checked_mul(size)
}

text! {
    /// A limit of a measured value: a number, or a percentage.
    Limit = "a limit", like "5%", Some("^-?[0-9]+(\\.[0-9]+)?( ?%)?$"), Number,
    |text| {
        let number = text.strip_suffix('%').unwrap_or(text).trim_end();
        let unsigned = number.strip_prefix('-').unwrap_or(number);
        let (whole, broken) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
        let digits = |t: &str| !t.is_empty() && t.len() <= 15 && t.bytes().all(|b| b.is_ascii_digit());
        digits(whole) && digits(broken)
    },
    else format!("a limit is a number or a percentage; `{}` is neither", shown(text))
}
