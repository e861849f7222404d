//! The text of a new configuration: pure.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::config::spec::ComposeHost;
use crate::types::{AccountId, EnvironmentName, ImageRef, Region, RegistryHost};

/// The first line: editors complete and check by it.
const SCHEMA: &str =
    "# yaml-language-server: $schema=https://raw.githubusercontent.com/shipline/shipline/main/shipline.schema.json";

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Draft {
    pub(super) environment: EnvironmentName,
    /// Account and region, if anything of it is on AWS.
    pub(super) aws: Option<(AccountId, Region)>,
    pub(super) services: Vec<DraftService>,
    pub(super) alarms: Vec<String>,
    /// What the reader should know.
    pub(super) notes: Vec<String>,
}

/// One service that was found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DraftService {
    /// The provider's name of it.
    pub(super) name: String,
    /// The image that runs now.
    pub(super) image: Option<String>,
    /// How it is built, where that is known.
    pub(super) build: Option<DraftBuild>,
    pub(super) runs: Runs,
}

/// How an image is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DraftBuild {
    /// Relative to the repository.
    pub(super) context: String,
    /// The same, where it has another name than `Dockerfile`.
    pub(super) dockerfile: Option<String>,
}

/// Where it runs.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Runs {
    Ecs { cluster: String, service: String, container: String },
    Express { cluster: String, service: String },
    AppRunner { service: String },
    Compose { project: String, service: String, file: String, host: ComposeHost },
}

/// The file.
pub(super) fn file(draft: &Draft) -> String {
    let names = names(draft);
    let mut out = format!("{SCHEMA}\nversion: 1\nservices:\n");
    for (service, name) in draft.services.iter().zip(&names) {
        let image = service.image.as_deref().and_then(|image| image.parse::<ImageRef>().ok());
        match image {
            Some(image) => {
                let ecr = draft.aws.as_ref().map(|(account, region)| RegistryHost::of_ecr(account, region));
                let own = Some(image.registry()) == ecr.as_ref();
                let _ =
                    writeln!(out, "  {name}:\n    image:\n      repository: {}", quoted(image.repository().as_str()));
                if !own {
                    let _ = writeln!(out, "      registry: {}", quoted(image.registry().as_str()));
                }
                match &service.build {
                    Some(build) => {
                        let _ = writeln!(out, "      context: {}", quoted(&build.context));
                        if let Some(file) = &build.dockerfile {
                            let _ = writeln!(out, "      dockerfile: {}", quoted(file));
                        }
                    }
                    None => out.push_str("      # context: .   # with it, Shipline builds the image\n"),
                }
            }
            None => {
                let _ =
                    writeln!(out, "  {name}: {{}}   # no image of its own: deployed with --image {name}=<reference>");
            }
        }
    }
    let _ = writeln!(out, "environments:\n  {}:", draft.environment);
    if let Some((account, region)) = &draft.aws {
        let _ = writeln!(out, "    aws:\n      region: {region}\n      allowed-account-ids: [\"{account}\"]");
        let _ = writeln!(
            out,
            "      # role: arn:aws:iam::{account}:role/shipline-{0}   # `shipline iam-policy {0}` prints what it needs",
            draft.environment
        );
    }
    out.push_str("    services:\n");
    for (service, name) in draft.services.iter().zip(&names) {
        let target = match &service.runs {
            Runs::Ecs { cluster, service, container } => format!(
                "ecs: {{ cluster: {}, service: {}, container: {} }}",
                quoted(cluster),
                quoted(service),
                quoted(container)
            ),
            Runs::Express { cluster, service } if cluster == "default" => {
                format!("express: {{ service: {} }}", quoted(service))
            }
            Runs::Express { cluster, service } => {
                format!("express: {{ cluster: {}, service: {} }}", quoted(cluster), quoted(service))
            }
            Runs::AppRunner { service } => format!("app-runner: {{ service: {} }}", quoted(service)),
            Runs::Compose { project, service, file, host } => format!(
                "compose: {{ project: {}, service: {}, file: {}{} }}",
                quoted(project),
                quoted(service),
                quoted(file),
                match host {
                    ComposeHost::Local => String::new(),
                    ComposeHost::Instance(id) => format!(", host: {{ instance: {id} }}"),
                    ComposeHost::Tag { key, value } =>
                        format!(", host: {{ tag: {} }}", quoted(&format!("{key}={value}"))),
                }
            ),
        };
        let _ = writeln!(out, "      {name}: {{ {target} }}");
    }
    if !draft.alarms.is_empty() {
        let alarms: Vec<String> = draft.alarms.iter().map(|name| quoted(name)).collect();
        let _ = writeln!(out, "    alarms: [{}]", alarms.join(", "));
    }
    out
}

/// Our names of the services: theirs as far as they are names here, each once.
fn names(draft: &Draft) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let own = |text: &str| {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c.to_ascii_lowercase() } else { '-' };
        let name: String = text.chars().map(plain).skip_while(|c| !c.is_ascii_alphanumeric()).take(58).collect();
        if name.is_empty() { "service".to_owned() } else { name }
    };
    draft
        .services
        .iter()
        .map(|service| {
            let name = own(&service.name);
            let numbered = (1..).map(|number| if number == 1 { name.clone() } else { format!("{name}-{number}") });
            let free = numbered.filter(|name| !taken.contains(name)).take(1).collect::<String>();
            taken.insert(free.clone());
            free
        })
        .collect()
}

/// A YAML scalar: as it is where that is safe, double-quoted where it is not.
fn quoted(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_/.".contains(c))
        && !["true", "false", "null", "yes", "no", "on", "off"].contains(&text);
    if plain {
        return text.to_owned();
    }
    let escaped: String = text
        .chars()
        .flat_map(|c| match c {
            '"' | '\\' => vec!['\\', c],
            c if c.is_control() => Vec::new(),
            c => vec![c],
        })
        .collect();
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(services: Vec<DraftService>) -> Draft {
        Draft {
            environment: "production".parse().unwrap(),
            aws: Some(("111122223333".parse().unwrap(), "us-east-1".parse().unwrap())),
            services,
            alarms: vec!["pmis 5xx: \"high\"".to_owned()],
            notes: Vec::new(),
        }
    }

    fn ecs(name: &str, image: &str) -> DraftService {
        let runs = Runs::Ecs { cluster: "pmis".to_owned(), service: name.to_owned(), container: "app".to_owned() };
        DraftService { name: name.to_owned(), image: Some(image.to_owned()), build: None, runs }
    }

    #[test]
    fn whatever_is_found_the_file_can_be_read_again() {
        let own = "111122223333.dkr.ecr.us-east-1.amazonaws.com/pmis/api:latest";
        let all = draft(vec![
            ecs("Api_V2", own),
            ecs("api_v2", "ghcr.io/acme/api@sha256:0000000000000000000000000000000000000000000000000000000000000000"),
            ecs("1", "not an image at all"),
            ecs("true", own),
            DraftService {
                name: "web_Front".to_owned(),
                image: None,
                build: None,
                runs: Runs::AppRunner { service: "web_Front".to_owned() },
            },
        ]);
        let text = file(&all);
        let config =
            crate::config::parse("shipline.yml", &text).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        let names: Vec<&str> = config.services.keys().map(crate::types::ServiceName::as_str).collect();
        assert_eq!(names, ["1", "api_v2", "api_v2-2", "true", "web_front"], "{text}");
        assert!(text.starts_with("# yaml-language-server: $schema="), "{text}");
        assert!(text.contains("registry: ghcr.io"), "{text}");
        let spec = config.environments.values().next().unwrap();
        assert_eq!(spec.alarms, ["pmis 5xx: \"high\""]);
    }
}
