//! Values about places: sizes and paths of App Runner services, projects and hosts of Compose.

use std::str::FromStr;

use super::super::super::read::{Bare, Written};
use super::super::super::tree::shown;
use super::{Malformed, Text, arn_of, line, word};

text! {
    /// The ARN of something of App Runner's.
    AppRunnerArn = "an ARN of App Runner's", like "arn:aws:apprunner:us-east-1:111122223333:vpcconnector/private/1",
    Some("^arn:aws[a-z-]*:apprunner:\\S+$"), Text,
    |text| arn_of(text, "apprunner"),
    else format!("this is named by its ARN (`arn:aws:apprunner:…`); `{}` is not one", shown(text))
}
text! {
    /// CPU of an App Runner instance (API reference, `InstanceConfiguration`).
    AppRunnerCpu = "CPU", like "1 vCPU", Some("^(256|512|1024|2048|4096|(0\\.25|0\\.5|1|2|4) vCPU)$"), Any,
    |text| matches!(text.strip_suffix(" vCPU"), Some("0.25" | "0.5" | "1" | "2" | "4"))
        || matches!(text, "256" | "512" | "1024" | "2048" | "4096"),
    else format!("App Runner has 0.25, 0.5, 1, 2 or 4 vCPU, and not `{}`", shown(text)),
    hint |_: &str| Some("Write for example `1 vCPU`.".to_owned())
}
text! {
    /// Memory of an App Runner instance (API reference, `InstanceConfiguration`).
    AppRunnerMemory = "memory", like "2 GB",
    Some("^(512|1024|2048|3072|4096|6144|8192|10240|12288|(0\\.5|1|2|3|4|6|8|10|12) GB)$"), Any,
    |text| matches!(text.strip_suffix(" GB"), Some("0.5" | "1" | "2" | "3" | "4" | "6" | "8" | "10" | "12"))
        || matches!(text, "512" | "1024" | "2048" | "3072" | "4096" | "6144" | "8192" | "10240" | "12288"),
    else format!("App Runner has 0.5, 1, 2, 3, 4, 6, 8, 10 or 12 GB, and not `{}`", shown(text)),
    hint |_: &str| Some("Write for example `2 GB`.".to_owned())
}
text! {
    /// The path of a health check.
    HealthPath = "a path", like "/health", Some("^/\\S*$"), Text,
    |text| text.starts_with('/') && text.len() <= 1024 && !text.chars().any(|c| c.is_whitespace() || c.is_control()),
    else format!("a path begins with `/` and has no space; `{}` is not one", shown(text))
}
text! {
    /// A Compose project's name (Compose specification, "name").
    ProjectName = "a project's name", like "shop", Some("^[a-z0-9][a-z0-9_-]*$"), Text,
    |text| word(text, 255, b"_-") && text.as_bytes()[0].is_ascii_alphanumeric() && text == text.to_ascii_lowercase(),
    else format!("a project's name has a-z 0-9 _ - and starts with a letter or digit; `{}` is not one", shown(text))
}
text! {
    /// A path on a host. Which host decides whether it may be relative.
    HostPath = "a path", like "compose.yml", Some("^[^\\x00-\\x1f]+$"), Text,
    |text| line(text, 1024),
    else "a path is one line that is not empty".to_owned()
}
text! {
    /// An absolute path inside a container.
    ContainerPath = "a path inside the container", like "/data/app.db", Some("^/[A-Za-z0-9_./-]+$"), Text,
    |text| text.starts_with('/') && text.len() > 1 && word(text, 512, b"_./-") && !text.ends_with('/')
        && !text.split('/').any(|part| part == ".."),
    else format!("a path inside the container starts with / and has A-Z a-z 0-9 _ . - / only; `{}` is not one", shown(text))
}
text! {
    /// An EC2 instance or a managed node.
    InstanceId = "an instance's id", like "i-0123456789abcdef0", Some("^m?i-[0-9a-f]{8,17}$"), Text,
    |text| {
        let id = text.strip_prefix("mi-").or_else(|| text.strip_prefix("i-")).unwrap_or_default();
        (8..=17).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    },
    else format!("an instance's id is i- or mi- and 8 to 17 characters of 0-9 a-f; `{}` is not one", shown(text))
}
text! {
    /// A tag with its value.
    TagPair = "a tag with its value", like "Name=shop-production", Some("^[^=]+=[^=]+$"), Text,
    |text| text.split_once('=').is_some_and(|(key, value)| line(key, 128) && line(value, 256) && !value.contains('=')),
    else format!("a tag is written as key=value; `{}` is not", shown(text))
}
