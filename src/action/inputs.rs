//! The inputs of the action: one table for `action.yml`, the documentation and the reader.
//!
//! Names that users know from AWS's own actions keep their meaning. Reading collects all problems;
//! an input that nobody knows is a mistake with "did you mean", because GitHub only warns about it
//! and a typo would otherwise silently deploy with a default.

use std::collections::BTreeMap;

use crate::problem::{Place, Problem};

/// One input.
#[derive(Debug, Clone, Copy)]
pub struct Input {
    /// Its name as in `with:`.
    pub name: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// Its default, if it has one.
    pub default: Option<&'static str>,
}

const fn input(name: &'static str, description: &'static str) -> Input {
    Input { name, description, default: None }
}

const fn with_default(name: &'static str, default: &'static str, description: &'static str) -> Input {
    Input { name, description, default: Some(default) }
}

/// Every input, in the order of `action.yml`.
pub const INPUTS: &[Input] = &[
    with_default(
        "command",
        "deploy",
        "What to do: deploy, build, plan, rollback, status, history, verify, iam-policy or check.",
    ),
    input(
        "environment",
        "Environment of the configuration file to deploy to; without a file, the name for GitHub's Deployment.",
    ),
    input("config", "Configuration file; .github/shipline.yml when it exists and no service is given by inputs."),
    input("services", "Services to deploy, separated by spaces, commas or lines; all of the environment when empty."),
    input("sha", "Commit to deploy, in full; the checked-out one when empty."),
    input(
        "to",
        "For rollback: the release to go back to (full commit, or a number of steps); the last good one when empty.",
    ),
    input("from", "Environment whose running images are deployed, by digest, instead of building."),
    input("image", "Existing image to deploy instead of building; with several services one `service=image` a line."),
    input("aws-region", "AWS region."),
    input(
        "role-to-assume",
        "ARN of the role to assume, with GitHub's OIDC token when the job may request one (permissions: id-token: write).",
    ),
    input("role-session-name", "Name of the role's session."),
    input("role-duration-seconds", "Length of the role's session, 900 to 43200."),
    input("role-external-id", "External id for the role."),
    with_default(
        "role-chaining",
        "false",
        "Assume the role with the credentials already in the environment, not with the OIDC token.",
    ),
    with_default("audience", "sts.amazonaws.com", "Audience of the OIDC token."),
    input("web-identity-token-file", "File with a web identity token, instead of GitHub's OIDC token."),
    input("allowed-account-ids", "The only accounts anything may be changed in, separated by commas."),
    input("registries", "More accounts whose private ECR registries are logged in to, separated by commas."),
    with_default("registry-type", "private", "private, or public for ECR Public."),
    input("cluster", "ECS cluster."),
    input("service", "ECS service."),
    input("service-name", "ECS service in Express Mode, name or ARN; its cluster is `cluster`, or default."),
    input("app-runner-service", "App Runner service, name or ARN."),
    input("task-definition", "Task definition file to start from instead of the live one."),
    input("container-name", "Container whose image is replaced; may be left out when there is one."),
    input(
        "environment-variables",
        "Environment variables to set in the container, one NAME=value a line, or a JSON list of name and value.",
    ),
    input("secrets", "Secrets to set in the container, one NAME=arn a line, or a JSON list of name and valueFrom."),
    input("docker-labels", "Docker labels to set in the container, one name=value a line."),
    input("log-configuration-log-driver", "Log driver of the container."),
    input("log-configuration-options", "Log options to set in the container, one name=value a line."),
    input("desired-count", "New number of tasks."),
    with_default("force-new-deployment", "false", "Start new tasks even if nothing changed."),
    input("container-port", "Express Mode: port of the container that gets traffic."),
    input("cpu", "Express Mode: CPU units of a task."),
    input("memory", "Express Mode: memory of a task in MiB."),
    input("health-check-path", "Express Mode: path of the load balancer's health check."),
    input("execution-role-arn", "Express Mode: role that pulls the image, writes logs and reads secrets."),
    input("task-role-arn", "Express Mode: role of the program."),
    input(
        "infrastructure-role-arn",
        "Express Mode: role with which a service that is missing is created; without it nothing is created.",
    ),
    input("subnets", "Express Mode: subnets, separated by commas."),
    input("security-groups", "Express Mode: security groups of the tasks, separated by commas."),
    input("min-task-count", "Express Mode: fewest tasks."),
    input("max-task-count", "Express Mode: most tasks."),
    input(
        "auto-scaling-metric",
        "Express Mode: average-cpu, average-memory or request-count-per-target; AWS's own words do as well.",
    ),
    input("auto-scaling-target-value", "Express Mode: the value to keep that metric at."),
    with_default(
        "wait-for-service-stability",
        "true",
        "Kept for old workflows. Shipline always waits for the truth; false is answered with a warning.",
    ),
    input("wait-for-minutes", "How long a service may take to be healthy, in minutes, 1 to 360; 30 when empty."),
    input("repository", "Image repository: a path in the account's ECR registry, or host/path."),
    with_default("context", ".", "Build context."),
    input("file", "Dockerfile; Dockerfile in the context when empty."),
    input("target", "Stage of the Dockerfile to build."),
    input("platforms", "Platforms to build for, separated by commas."),
    input("build-args", "Build arguments, one NAME=value a line."),
    input("build-secrets", "Build secrets, one id=ENVIRONMENT_VARIABLE or id=file:path a line."),
    with_default("cache", "off", "Layer cache: registry, gha or off."),
    with_default("provenance", "off", "Provenance attestation: off or min."),
    input(
        "tags",
        "Tags beside the commit's: latest, branch, pr, semver, or a tag, separated by spaces, commas or lines.",
    ),
    with_default(
        "on-failure",
        "roll-back-all",
        "What to take back on failure: roll-back-all, roll-back-failed or hold.",
    ),
    input("url", "Address people open; shown with GitHub's Deployment."),
    with_default(
        "github-token",
        "${{ github.token }}",
        "Token for GitHub's Deployment and the commits in the report; empty for none.",
    ),
];

/// Inputs of the actions people come from that have no meaning here, with what to do instead.
const FOREIGN: &[(&str, &str)] = &[
    (
        "codedeploy-appspec",
        "CodeDeploy is not driven by Shipline; ECS's own deployments replace it (docs/migrating.md).",
    ),
    (
        "codedeploy-application",
        "CodeDeploy is not driven by Shipline; ECS's own deployments replace it (docs/migrating.md).",
    ),
    (
        "codedeploy-deployment-group",
        "CodeDeploy is not driven by Shipline; ECS's own deployments replace it (docs/migrating.md).",
    ),
    ("log-group", "Remove it: the container's log stays where it is."),
    ("log-stream-prefix", "Remove it: the container's log stays where it is."),
    ("repository-credentials", "Remove it: the container keeps its credentials."),
    ("wait-max-delay-seconds", "Remove it: Shipline looks every second or two, whatever the deployment takes."),
    ("max-retries", "Remove it: throttled calls are repeated by themselves."),
    ("keep-null-value-keys", "Remove it: empty values are always kept."),
    ("mask-password", "Remove it: the password is always masked."),
    ("skip-logout", "Remove it: the login lives in a private configuration that is deleted at the end."),
    (
        "run-task",
        "Commands before and after a deployment stand in the configuration file: `before` and `after` (docs/hooks.md).",
    ),
    ("dockerfile", "It is called `file`, as in docker/build-push-action."),
    ("push", "Remove it: what is deployed is always pushed."),
    ("labels", "Remove it: revision, source, created and version are set by themselves."),
    ("region", "It is called `aws-region`."),
    ("access-role-arn", IN_THE_FILE),
    ("instance-role-arn", IN_THE_FILE),
    ("auto-scaling-config-arn", IN_THE_FILE),
    ("port", IN_THE_FILE),
    ("branch", IN_THE_FILE),
    ("source-connection-arn", "Remove it: a service that is built from a branch keeps its connection."),
    ("repo", "Remove it: a service that is built from a branch keeps its repository."),
    ("runtime", "Remove it: the service keeps its runtime."),
    ("build-command", "Remove it: the service keeps its build command."),
    ("start-command", "Remove it: the service keeps its start command."),
    ("wait-for-service-stability-seconds", "It is called `wait-for-minutes`, in minutes."),
    ("copy-env-vars", "It is called `environment-variables`: `NAME=value`, one a line."),
    ("copy-secret-env-vars", "It is called `secrets`: `NAME=arn`, one a line."),
];

const IN_THE_FILE: &str = "Settings of an App Runner service stand in the configuration file (docs/migrating.md).";

/// The inputs that were given, trimmed; empty ones are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given(BTreeMap<&'static str, String>);

impl Given {
    /// Reads `INPUT_*` (GitHub upper-cases the name and keeps hyphens; spaces would become `_`).
    /// What nobody knows is returned beside what was given, so that all problems are reported at once.
    pub fn read(variables: &BTreeMap<String, String>) -> (Self, Vec<Problem>) {
        let mut given = BTreeMap::new();
        let mut problems = Vec::new();
        for (key, value) in variables {
            let Some(name) = key.strip_prefix("INPUT_") else { continue };
            let name = name.to_ascii_lowercase();
            let value = value.trim();
            match INPUTS.iter().find(|input| input.name == name) {
                Some(_) if value.is_empty() => {}
                Some(input) => {
                    given.insert(input.name, value.to_owned());
                }
                None => problems.push(unknown(&name)),
            }
        }
        (Self(given), problems)
    }

    /// The value of an input or its default.
    pub fn get(&self, name: &str) -> Option<&str> {
        debug_assert!(INPUTS.iter().any(|input| input.name == name), "{name} is not in the table");
        let default = || INPUTS.iter().find(|input| input.name == name).and_then(|input| input.default);
        self.0.get(name).map(String::as_str).or_else(|| default().filter(|text| !text.starts_with("${{")))
    }

    /// Whether a value was given that is not the default.
    pub fn has(&self, name: &str) -> bool {
        let default = INPUTS.iter().find(|input| input.name == name).and_then(|input| input.default);
        self.0.get(name).is_some_and(|value| Some(value.as_str()) != default)
    }

    /// The names of a list that were given.
    pub fn given_of(&self, names: &[&'static str]) -> Vec<&'static str> {
        names.iter().copied().filter(|name| self.has(name)).collect()
    }
}

/// The place of an input, for problems.
pub fn place(name: &str) -> Place {
    Place { file: format!("input `{name}`"), line: None, path: String::new() }
}

fn unknown(name: &str) -> Problem {
    let what = format!("there is no input `{name}`");
    if let Some((_, instead)) = FOREIGN.iter().find(|(foreign, _)| *foreign == name) {
        return Problem::mistake("unknown-input", what, *instead).at(place(name)).see("docs/migrating.md");
    }
    if name.starts_with("run-task") || name == "wait-for-task-stopped" {
        let next = "Commands stand under `before` and `after` of the configuration file (docs/hooks.md).";
        return Problem::mistake("unknown-input", what, next).at(place(name)).see("docs/migrating.md");
    }
    let near = INPUTS
        .iter()
        .map(|input| (strsim::damerau_levenshtein(input.name, name), input.name))
        .min()
        .filter(|(distance, near)| *distance <= 1 + near.len() / 4);
    let next = match near {
        Some((_, near)) => format!("Did you mean `{near}`?"),
        None => "Remove it; `action.yml` lists all inputs.".to_owned(),
    };
    Problem::mistake("unknown-input", what, next).at(place(name))
}
