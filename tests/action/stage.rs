//! A stage for stories about the program: a simulated account, a private home, the program run as
//! GitHub's runner or a person runs it, and what it left behind.
//!
//! Nothing of the test's own environment reaches the program. The files of the runner are read with
//! readers of their own, written from GitHub's documentation and not from the program's writer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use shipline_test_support::{AwsWorld, Behaviour, Call, ImageSeed, RollbackOutcome, Rule, ServiceSeed, keep_pages};

pub(crate) const REGISTRY: &str = "111122223333.dkr.ecr.us-east-1.amazonaws.com";
pub(crate) const TARGET_GROUP: &str =
    "arn:aws:elasticloadbalancing:us-east-1:111122223333:targetgroup/api/50dc6c495c0c9188";

/// A world, and the folders a run has.
pub(crate) struct Stage {
    pub(crate) world: AwsWorld,
    folder: tempfile::TempDir,
}

impl Stage {
    /// An empty account with the cluster `pmis`.
    pub(crate) async fn empty() -> Self {
        let world = AwsWorld::start().await;
        world.cluster("pmis");
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "tmp", "work"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { world, folder }
    }

    /// The ECS service `api` serves the image `one` with two tasks.
    pub(crate) async fn new() -> Self {
        Self::with(|service| service.desired(2)).await
    }

    /// The same, with another service around it.
    pub(crate) async fn with(service: impl FnOnce(ServiceSeed) -> ServiceSeed) -> Self {
        let stage = Self::empty().await;
        stage.service("api", service);
        stage
    }

    /// Adds an ECS service that serves the image `one` of its repository.
    pub(crate) fn service(&self, name: &str, service: impl FnOnce(ServiceSeed) -> ServiceSeed) {
        let image = self.image_of(name, "one");
        let arn = self.world.task_definition(definition(name, &image));
        self.world.service(service(ServiceSeed::new("pmis", name, &arn)));
    }

    /// Plants an image with that tag in the repository of a service; answers it with its digest.
    pub(crate) fn image_of(&self, service: &str, tag: &str) -> String {
        self.image_at(service, tag, BTreeMap::new())
    }

    /// The same with a label that names the commit it was made from.
    pub(crate) fn image_at_commit(&self, service: &str, tag: &str, commit: &str) -> String {
        let label = ("org.opencontainers.image.revision".to_owned(), commit.to_owned());
        self.image_at(service, tag, [label].into())
    }

    fn image_at(&self, service: &str, tag: &str, mut labels: BTreeMap<String, String>) -> String {
        // Every tag is another image.
        labels.insert("word".to_owned(), format!("{service}:{tag}"));
        let repository = format!("pmis/{service}");
        let seed = ImageSeed { repository: repository.clone(), tags: vec![tag.to_owned()], labels, manifest: None };
        let digest = self.world.image(seed);
        format!("{REGISTRY}/{repository}@{digest}")
    }

    /// From now on deployments of this image go like that.
    pub(crate) fn goes(&self, image: &str, behaviour: Behaviour) {
        self.goes_back(image, behaviour, RollbackOutcome::Succeeds);
    }

    /// The same, with that end of a rollback.
    pub(crate) fn goes_back(&self, image: &str, behaviour: Behaviour, rollback: RollbackOutcome) {
        let (_, digest) = image.split_once('@').unwrap();
        self.world.rule(Rule::image(digest, behaviour).rollback(rollback));
    }

    /// What serves is proven by the simulator itself.
    #[track_caller]
    pub(crate) fn assert_serves(&self, name: &str, image: &str) {
        let service = self.live(name);
        assert_eq!(self.live_image(name), image, "{service:#}");
        assert_eq!(service["deployments"].as_array().unwrap().len(), 1, "{service:#}");
        assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED", "{service:#}");
        assert_eq!(service["runningCount"], service["desiredCount"], "{service:#}");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the repository.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path("work").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// The action as the runner starts it, with the inputs that name the service `api`.
    pub(crate) fn action(&self, image: &str) -> Run<'_> {
        self.bare_action()
            .input("cluster", "pmis")
            .input("service", "api")
            .input("container-name", "app")
            .input("image", image)
    }

    /// The action with the region and no other input.
    pub(crate) fn bare_action(&self) -> Run<'_> {
        self.command(&["action"]).in_a_job().input("aws-region", "us-east-1")
    }

    /// The program with these arguments, in the repository.
    pub(crate) fn command(&self, arguments: &[&str]) -> Run<'_> {
        let text = |name: &str| self.path(name).to_str().unwrap().to_owned();
        let variables = [
            ("PATH", "/usr/bin:/bin".to_owned()),
            ("HOME", text("home")),
            ("TMPDIR", text("tmp")),
            ("AWS_ENDPOINT_URL", self.world.endpoint()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7STAGE00".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "stage-secret-key-4f1d".to_owned()),
        ];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Run::of(self.folder.path(), arguments, variables)
    }

    /// The service as somebody else sees it.
    pub(crate) fn live(&self, name: &str) -> Value {
        let asked = json!({"cluster": "pmis", "services": [name]});
        self.world.ecs("DescribeServices", &asked).unwrap()["services"][0].clone()
    }

    /// The task definition it runs.
    pub(crate) fn live_definition(&self, name: &str) -> Value {
        let arn = self.live(name)["taskDefinition"].clone();
        self.world.ecs("DescribeTaskDefinition", &json!({"taskDefinition": arn})).unwrap()["taskDefinition"].clone()
    }

    /// The image of its first container.
    pub(crate) fn live_image(&self, name: &str) -> String {
        self.live_definition(name)["containerDefinitions"][0]["image"].as_str().unwrap().to_owned()
    }

    /// The newest service deployment.
    pub(crate) fn deployment(&self, name: &str) -> Value {
        let listed = self.world.ecs("ListServiceDeployments", &json!({"cluster": "pmis", "service": name})).unwrap();
        let arn = listed["serviceDeployments"][0]["serviceDeploymentArn"].clone();
        let asked = json!({"serviceDeploymentArns": [arn]});
        self.world.ecs("DescribeServiceDeployments", &asked).unwrap()["serviceDeployments"][0].clone()
    }

    /// From the newest service deployment being done, by the simulator's own clock, to the end of a run.
    #[track_caller]
    pub(crate) fn late_ms(&self, name: &str, ran: &Ran) -> u64 {
        let deployment = self.deployment(name);
        let finished = deployment["finishedAt"].as_f64().unwrap_or_else(|| panic!("not finished: {deployment:#}"));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds of this century")]
        let finished = (finished * 1000.0) as u64;
        ran.ended_ms.saturating_sub(finished)
    }

    /// Names of the calls so far that can change something.
    pub(crate) fn changes(&self) -> Vec<String> {
        let reads = ["Describe", "List", "Get", "BatchGet", "Filter", "Assume"];
        let changing = |call: &Call| match call.service.as_str() {
            "github" => call.operation.starts_with("POST"),
            "blob" | "oidc" => false,
            _ => !reads.iter().any(|read| call.operation.starts_with(read)),
        };
        self.world.calls().iter().filter(|call| changing(call)).map(|call| call.operation.clone()).collect()
    }
}

/// A task definition like many, with its log in CloudWatch.
pub(crate) fn definition(name: &str, image: &str) -> Value {
    json!({
        "family": name,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256", "memory": "512",
        "executionRoleArn": "arn:aws:iam::111122223333:role/execution",
        "containerDefinitions": [{
            "name": "app",
            "image": image,
            "essential": true,
            "portMappings": [{"containerPort": 8080, "protocol": "tcp"}],
            "environment": [{"name": "PORT", "value": "8080"}],
            "logConfiguration": {"logDriver": "awslogs", "options": {
                "awslogs-group": format!("/pmis/{name}"), "awslogs-region": "us-east-1", "awslogs-stream-prefix": name,
            }},
        }],
    })
}

/// A run to be started.
#[derive(Clone)]
pub(crate) struct Run<'a> {
    folder: &'a Path,
    arguments: Vec<String>,
    variables: BTreeMap<String, String>,
}

impl<'a> Run<'a> {
    /// The program with these arguments and variables alone, in `work` of that folder.
    pub(crate) fn of(folder: &'a Path, arguments: &[&str], variables: BTreeMap<String, String>) -> Self {
        Self { folder, arguments: arguments.iter().map(|word| (*word).to_owned()).collect(), variables }
    }

    /// With the files and variables a job's step has.
    pub(crate) fn in_a_job(mut self) -> Self {
        let text = |name: &str| self.folder.join(name).to_str().unwrap().to_owned();
        let variables = [("OUTPUT", "output"), ("STEP_SUMMARY", "summary"), ("WORKSPACE", "work")]
            .map(|(name, file)| (format!("GITHUB_{name}"), text(file)));
        for file in ["output", "summary"] {
            std::fs::write(self.folder.join(file), "").unwrap();
        }
        self.variables.extend(variables);
        self.set("GITHUB_ACTIONS", "true")
    }

    /// Sets an input as the runner does: upper case, hyphens kept.
    pub(crate) fn input(self, name: &str, value: &str) -> Self {
        let name = format!("INPUT_{}", name.to_ascii_uppercase());
        self.set(&name, value)
    }

    pub(crate) fn without_input(mut self, name: &str) -> Self {
        self.variables.remove(&format!("INPUT_{}", name.to_ascii_uppercase()));
        self
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn unset(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// Starts it; both streams are read while it runs.
    pub(crate) fn start(self) -> Running {
        self.start_with(Stdio::piped())
    }

    /// Starts it with another standard output.
    #[expect(clippy::disallowed_methods, reason = "the program under test is started as a stranger would")]
    pub(crate) fn start_with(self, out: Stdio) -> Running {
        let mut child = Command::new(env!("CARGO_BIN_EXE_shipline"))
            .args(&self.arguments)
            .env_clear()
            .envs(&self.variables)
            .current_dir(self.folder.join("work"))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(collect);
        Running {
            child,
            stdout,
            stderr,
            began: now(),
            output: self.folder.join("output"),
            summary: self.folder.join("summary"),
        }
    }

    /// Runs it to its end.
    pub(crate) fn end(self) -> Ran {
        self.start().end()
    }
}

fn collect(mut from: impl std::io::Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        String::from_utf8(bytes).expect("the program writes UTF-8")
    })
}

/// A run that was started.
pub(crate) struct Running {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Option<JoinHandle<String>>,
    began: Instant,
    output: PathBuf,
    summary: PathBuf,
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Ends it as the kernel does that has no memory left.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end; a run that hangs is a failure of the test, not of its patience.
    pub(crate) fn end(mut self) -> Ran {
        while self.is_running() {
            if self.began.elapsed() > Duration::from_secs(90) {
                self.child.kill().unwrap();
                panic!("the program did not end within 90 s:\n{}", self.stdout.unwrap().join().unwrap());
            }
            pause(Duration::from_millis(2));
        }
        let ended_ms = epoch_ms();
        let took = self.began.elapsed();
        let status = self.child.wait().unwrap();
        let read = |file: &Path| std::fs::read_to_string(file).unwrap_or_default();
        let summary = read(&self.summary);
        if !summary.is_empty() {
            keep_pages(std::slice::from_ref(&summary));
        }
        Ran {
            code: status.code().unwrap_or_else(|| panic!("ended by a signal: {status}")),
            stdout: self.stdout.map(|thread| thread.join().unwrap()).unwrap_or_default(),
            stderr: self.stderr.map(|thread| thread.join().unwrap()).unwrap_or_default(),
            output: read(&self.output),
            summary,
            took,
            ended_ms,
        }
    }
}

/// A run that ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// `GITHUB_OUTPUT`, as it is.
    pub(crate) output: String,
    pub(crate) summary: String,
    pub(crate) took: Duration,
    pub(crate) ended_ms: u64,
}

impl Ran {
    /// Fails with everything it said unless it ended with this code.
    #[track_caller]
    pub(crate) fn must(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code; it said:\n{}\n{}\n{}", self.stdout, self.stderr, self.summary);
        self
    }

    /// An output, as the runner reads it.
    #[track_caller]
    pub(crate) fn out(&self, name: &str) -> String {
        outputs(&self.output).remove(name).unwrap_or_else(|| panic!("no output {name} in {}", self.output))
    }

    pub(crate) fn report(&self) -> Value {
        serde_json::from_str(&self.out("report")).unwrap()
    }

    /// The one JSON document of `--json`.
    #[track_caller]
    pub(crate) fn document(&self) -> Value {
        assert_eq!(self.stdout.trim_end().lines().count(), 1, "{}", self.stdout);
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// Both streams.
    pub(crate) fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.said().contains(text), "{text:?} is not in:\n{}", self.said());
        self
    }

    #[track_caller]
    pub(crate) fn says_not(&self, text: &str) -> &Self {
        assert!(!self.said().contains(text), "{text:?} is in:\n{}", self.said());
        self
    }

    #[track_caller]
    pub(crate) fn summarises(&self, text: &str) -> &Self {
        assert!(self.summary.contains(text), "{text:?} is not in:\n{}", self.summary);
        self
    }

    /// What is told after the rollout, without the parts that differ from run to run.
    #[track_caller]
    pub(crate) fn ending(&self) -> String {
        plain(self.stdout.split_once("::endgroup::\n").expect("a rollout").1)
    }
}

/// Reads `GITHUB_OUTPUT` (GitHub, "Workflow commands": `name=value`, or `name<<mark`, lines, `mark`).
pub(crate) fn outputs(text: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let (equals, here) = (line.find('='), line.find("<<"));
        let (name, value) = match (equals, here) {
            (_, Some(here)) if equals.is_none_or(|equals| here < equals) => {
                let mark = &line[here + 2..];
                let mut value: Vec<&str> = Vec::new();
                loop {
                    let next = lines.next().unwrap_or_else(|| panic!("{line} has no end"));
                    if next == mark {
                        break;
                    }
                    value.push(next);
                }
                (&line[..here], value.join("\n"))
            }
            (Some(equals), _) => (&line[..equals], line[equals + 1..].to_owned()),
            _ => panic!("the runner refuses {line:?}"),
        };
        assert!(found.insert(name.to_owned(), value).is_none(), "{name} is given twice");
    }
    found
}

/// The workflow commands in a log, as the runner finds them (actions/runner `ActionCommand`): at the
/// start of a line after white space for `::`, anywhere in it for `##[`. Lines end at CR as well.
pub(crate) fn commands(log: &str) -> Vec<String> {
    let known = [
        "add-mask",
        "add-path",
        "debug",
        "echo",
        "endgroup",
        "error",
        "group",
        "notice",
        "save-state",
        "set-env",
        "set-output",
        "stop-commands",
        "warning",
        "add-matcher",
        "remove-matcher",
    ];
    let word = |rest: &str, end: &[char]| rest.split(end).next().unwrap_or_default().trim().to_ascii_lowercase();
    let mut found = Vec::new();
    for line in log.split(['\n', '\r']) {
        if let Some(rest) = line.trim_start().strip_prefix("::")
            && rest.contains("::")
        {
            let name = word(rest, &[':', ' ']);
            // `::token::` ends a `stop-commands`, so any word counts.
            found.push(if known.contains(&name.as_str()) { name } else { format!("? {line}") });
        } else if let Some((_, rest)) = line.split_once("##[") {
            found.push(format!("##[{}", word(rest, &[']', ' '])));
        }
    }
    found
}

/// Replaces what differs from run to run: digests, ids, times and spans.
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut words = Vec::new();
        let parts: Vec<&str> = line.split(' ').collect();
        for (at, word) in parts.iter().enumerate() {
            let unit = parts.get(at + 1).map(|next| next.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()));
            let number = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit() || c == '.');
            if number && matches!(unit, Some("s" | "ms")) {
                words.push("N".to_owned());
            } else if matches!(word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()), "s" | "ms")
                && words.last().is_some_and(|last| last == "N")
            {
                words.push(word.replacen("ms", "s", 1));
            } else {
                words.push(hexless(word));
            }
        }
        out.push_str(words.join(" ").trim_end());
        out.push('\n');
    }
    out
}

/// Runs of seven and more hexadecimal digits (with hyphens for UUIDs) become `…`.
fn hexless(word: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    let flush = |run: &mut String, out: &mut String| {
        let digits = run.chars().filter(char::is_ascii_hexdigit).count();
        let mixed = run.chars().any(|c| c.is_ascii_digit());
        if digits >= 7 && mixed && run != "111122223333" {
            out.push('…');
        } else {
            out.push_str(run);
        }
        run.clear();
    };
    for c in word.chars() {
        if c.is_ascii_digit() || ('a'..='f').contains(&c) {
            run.push(c);
        } else {
            flush(&mut run, &mut out);
            out.push(c);
        }
    }
    flush(&mut run, &mut out);
    out
}

#[expect(clippy::disallowed_methods, reason = "a story looks at the clock of the wall")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the simulator's calls carry the same clock")]
pub(crate) fn epoch_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a story waits for another process")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Waits until the world is as a story needs it.
#[track_caller]
pub(crate) fn until(what: &str, mut is: impl FnMut() -> bool) {
    let began = now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(90), "{what} did not happen");
        pause(Duration::from_millis(5));
    }
}
