//! A stage for stories about the bot: simulated GitHub and AWS, a database, and the real program,
//! which can be killed, stopped and run several times.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use shipline_test_support::{
    App, AppSeed, AwsWorld, Behaviour, Call, Comment, GitHubWorld, ImageSeed, Pull, RepositoryWorld, Role, Rule,
    ServiceSeed, keep_pages,
};

pub(crate) const REGISTRY: &str = "111122223333.dkr.ecr.us-east-1.amazonaws.com";

/// Longer than anything takes: GitHub is asked for a missed delivery half a minute after it, and the machine
/// may do ten other things.
const PATIENCE: Duration = Duration::from_secs(90);

/// What every story's repository says unless it says something else.
pub(crate) const POLICY: &str = "\
version: 1
services:
  api: { image: { repository: pmis/api } }
environments:
  staging:
    aws: { region: us-east-1 }
    services: { api: { ecs: { cluster: pmis, service: api-staging, container: app } } }
  production:
    aws: { region: us-east-1 }
    services: { api: { ecs: { cluster: pmis, service: api-production, container: app } } }
";

/// [`POLICY`] with more lines for staging.
pub(crate) fn policy_with(rules: &str) -> String {
    let place = "services: { api: { ecs: { cluster: pmis, service: api-staging, container: app } } }\n";
    POLICY.replace(place, &format!("{place}    {rules}\n"))
}

/// Where the bot keeps what it must not forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

pub(crate) struct Stage {
    pub(crate) world: AwsWorld,
    pub(crate) github: GitHubWorld,
    pub(crate) shop: RepositoryWorld,
    pub(crate) app: App,
    pub(crate) bots: Vec<Option<Bot>>,
    folder: tempfile::TempDir,
    url: String,
    port: u16,
    postgres: Option<Postgres>,
    settings: Vec<(String, String)>,
}

/// A running program.
pub(crate) struct Bot {
    child: Child,
    pub(crate) port: u16,
}

impl Drop for Bot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What was written into the conversation, each edit of it.
        let writes = |call: &Call| ["POST", "PATCH"].iter().any(|verb| call.operation.starts_with(verb));
        let written =
            self.github_calls().into_iter().filter(|call| writes(call) && call.operation.contains("/comments"));
        let texts: Vec<String> = written.filter_map(|call| call.body["body"].as_str().map(str::to_owned)).collect();
        keep_pages(&texts);
    }
}

impl Stage {
    /// Two environments that serve the image `one`, a repository with the usual people, no bot yet.
    pub(crate) async fn new(database: Database) -> Self {
        let world = AwsWorld::start().await;
        world.cluster("pmis");
        let port = free_port();
        let github = world.github();
        let app = github.app(&AppSeed {
            webhook: Some(format!("http://127.0.0.1:{port}/webhooks/github")),
            secret: Some("a-webhook-secret-9d1c".into()),
            account: Some("acme".into()),
            ..AppSeed::default()
        });
        let shop = github.repository("acme/shop");
        shop.user("dev", Role::Write);
        shop.user("mona", Role::Maintain);
        shop.user("reader", Role::Read);
        shop.file(".github/shipline.yml", POLICY);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key.pem"), &app.pem).unwrap();
        let (url, postgres) = match database {
            Database::Sqlite => (format!("sqlite://{}", folder.path().join("bot.db").display()), None),
            Database::Postgres => {
                let postgres = Postgres::new().await;
                (postgres.url.clone(), Some(postgres))
            }
        };
        let stage =
            Self { world, github, shop, app, bots: Vec::new(), folder, url, port, postgres, settings: Vec::new() };
        for name in ["api-staging", "api-production"] {
            stage.service(name);
        }
        // GitHub's times have seconds: nothing of the preparation is in the second of the first comment.
        stage.github.advance(Duration::from_secs(5));
        stage
    }

    /// The same with the bot running.
    pub(crate) async fn with_bot(database: Database) -> Self {
        let mut stage = Self::new(database).await;
        stage.start();
        stage
    }

    /// An ECS service that serves the image `one` of `pmis/api` with two tasks.
    pub(crate) fn service(&self, name: &str) {
        let image = self.image("one", None);
        let arn = self.world.task_definition(definition(name, &image));
        let network = json!({"awsvpcConfiguration": {
            "subnets": ["subnet-a", "subnet-b"], "securityGroups": ["sg-api"], "assignPublicIp": "DISABLED",
        }});
        let service = ServiceSeed::new("pmis", name, &arn).desired(2);
        self.world.service(service.with("networkConfiguration", network).with("launchType", "FARGATE"));
    }

    /// The same behind a load balancer whose traffic can be moved in steps.
    pub(crate) fn shifting(&self, name: &str) {
        let image = self.image("one", None);
        let arn = self.world.task_definition(definition(name, &image));
        self.world.service(ServiceSeed::new("pmis", name, &arn).desired(2).shifting(name, "app", 8080));
    }

    /// Plants an image; answers it with its digest.
    pub(crate) fn image(&self, tag: &str, commit: Option<&str>) -> String {
        let mut labels = std::collections::BTreeMap::from([("word".to_owned(), tag.to_owned())]);
        if let Some(commit) = commit {
            labels.insert("org.opencontainers.image.revision".to_owned(), commit.to_owned());
        }
        let seed = ImageSeed { repository: "pmis/api".to_owned(), tags: vec![tag.to_owned()], labels, manifest: None };
        format!("{REGISTRY}/pmis/api@{}", self.world.image(seed))
    }

    /// The image of a commit, as the build workflow would have pushed it.
    pub(crate) fn built(&self, sha: &str) -> String {
        self.image(sha, Some(sha))
    }

    /// Another image under the tag and with the label of a commit.
    pub(crate) fn rebuilt(&self, sha: &str) -> String {
        let labels = [("word", "rebuilt"), ("org.opencontainers.image.revision", sha)];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let seed = ImageSeed { repository: "pmis/api".to_owned(), tags: vec![sha.to_owned()], labels, manifest: None };
        format!("{REGISTRY}/pmis/api@{}", self.world.image(seed))
    }

    /// The image of a commit gets the tag of another one as well.
    pub(crate) fn also_tagged(&self, commit: &str, other: &str) {
        let manifest = self.world.ecr_manifest("pmis/api", commit);
        let labels = std::collections::BTreeMap::new();
        self.world.image(ImageSeed {
            repository: "pmis/api".to_owned(),
            tags: vec![commit.to_owned(), other.to_owned()],
            labels,
            manifest: Some(manifest.unwrap_or_else(|| panic!("there is no image {commit}"))),
        });
    }

    /// A pull request whose head is built, learnt by the bot, and older than any comment to come.
    pub(crate) fn pull(&self, title: &str) -> Pull {
        let pull = self.shop.pull("dev", title);
        self.built(&pull.sha);
        self.github.advance(Duration::from_secs(2));
        pull
    }

    /// A push to a pull request, built like the rest.
    pub(crate) fn push(&self, pull: u64) -> String {
        let sha = self.shop.push(pull);
        self.built(&sha);
        self.github.advance(Duration::from_secs(2));
        sha
    }

    /// Deployments of this image go like that.
    pub(crate) fn goes(&self, image: &str, behaviour: Behaviour) {
        let (_, digest) = image.split_once('@').unwrap();
        self.world.rule(Rule::image(digest, behaviour));
    }

    /// A crash at start, with a log line.
    pub(crate) fn breaks(&self, image: &str) {
        let lines = vec!["KeyError: 'DATABASE_URL'".to_owned()];
        self.goes(image, Behaviour::Exits { code: 1, after_ms: None, every_ms: None, lines, container: None });
    }

    /// A setting of every bot that is started from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// A file beside the bot's database; answers its path.
    pub(crate) fn keep(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Starts a bot; the first one listens where GitHub sends.
    pub(crate) fn start(&mut self) -> usize {
        let index = self.bots.len();
        let first = self.bots.iter().all(Option::is_none);
        let port = if first { self.port } else { free_port() };
        let log = std::fs::File::create(self.log_path(index)).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_shipline-bot"))
            .arg("serve")
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.folder.path())
            .env("SHIPLINE_LISTEN", format!("127.0.0.1:{port}"))
            .env("SHIPLINE_DATABASE_URL", &self.url)
            .env("SHIPLINE_GITHUB_API_URL", self.world.endpoint())
            .env("SHIPLINE_GITHUB_APP_ID", self.app.id.to_string())
            .env("SHIPLINE_GITHUB_PRIVATE_KEY_FILE", self.folder.path().join("key.pem"))
            .env("SHIPLINE_WEBHOOK_SECRET", self.app.secret.clone().unwrap_or_default())
            .env("SHIPLINE_LEASE", "2s")
            .env("SHIPLINE_EDITS", "1s")
            .env("SHIPLINE_RECOVERY", "1s")
            .env("AWS_ENDPOINT_URL", self.world.endpoint())
            .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7STAGE00")
            .env("AWS_SECRET_ACCESS_KEY", "stage-secret-key-4f1d")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(self.settings.iter().cloned())
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        self.bots.push(Some(Bot { child, port }));
        let begun = Instant::now();
        while !get(port, "/readyz").is_some_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            assert!(begun.elapsed() < Duration::from_secs(30), "the bot is not ready\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(20));
        }
        index
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, index: usize) {
        // Dropped: killed and waited for.
        self.bots[index] = None;
    }

    /// SIGTERM, and its end.
    pub(crate) fn stop(&mut self, index: usize) {
        let mut bot = self.bots[index].take().unwrap();
        let pid = bot.child.id().to_string();
        assert!(Command::new("sh").args(["-c", "kill -TERM \"$0\"", &pid]).status().unwrap().success());
        assert!(bot.child.wait().unwrap().success(), "{}", self.logs());
    }

    /// Another command of the program, with the settings it needs for the database.
    pub(crate) fn program(&self, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_shipline-bot"))
            .args(arguments)
            .env_clear()
            .env("SHIPLINE_DATABASE_URL", &self.url)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}\n{}", self.everything());
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn port(&self, index: usize) -> u16 {
        self.bots[index].as_ref().unwrap().port
    }

    /// Somebody comments, a moment after everything before.
    pub(crate) fn says(&self, who: &str, issue: u64, body: &str) -> u64 {
        self.github.advance(Duration::from_secs(2));
        self.shop.says(who, issue, body)
    }

    /// The bot's comments of an issue.
    pub(crate) fn answers(&self, issue: u64) -> Vec<Comment> {
        let mut all = self.shop.conversation(issue);
        all.retain(|comment| comment.author.ends_with("[bot]"));
        all
    }

    /// Waits until something is there.
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}\n{}", self.everything());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for an answer of the bot that holds this text.
    #[track_caller]
    pub(crate) fn answer(&self, issue: u64, text: &str) -> Comment {
        self.until(&format!("an answer with {text:?}"), || {
            self.answers(issue).into_iter().find(|comment| comment.body.contains(text))
        })
    }

    /// The image that serves, by ECS's own word; steady.
    pub(crate) fn serving(&self, service: &str) -> Option<String> {
        let asked = json!({"cluster": "pmis", "services": [service]});
        let live = self.world.ecs("DescribeServices", &asked).unwrap()["services"][0].clone();
        let steady = live["deployments"].as_array().unwrap().len() == 1
            && live["deployments"][0]["rolloutState"] == "COMPLETED"
            && live["runningCount"] == live["desiredCount"];
        let asked = json!({"taskDefinition": live["taskDefinition"]});
        let definition = self.world.ecs("DescribeTaskDefinition", &asked).unwrap();
        let image = definition["taskDefinition"]["containerDefinitions"][0]["image"].as_str().unwrap().to_owned();
        steady.then_some(image)
    }

    /// The commands of the one-off tasks there are or were, one a task, oldest first.
    pub(crate) fn commands(&self) -> Vec<String> {
        let mut found = Vec::new();
        for status in ["RUNNING", "STOPPED"] {
            let listed = self.world.ecs("ListTasks", &json!({"cluster": "pmis", "desiredStatus": status})).unwrap();
            if listed["taskArns"].as_array().unwrap().is_empty() {
                continue;
            }
            let asked = json!({"cluster": "pmis", "tasks": listed["taskArns"]});
            let tasks = self.world.ecs("DescribeTasks", &asked).unwrap()["tasks"].as_array().unwrap().clone();
            found.extend(tasks.iter().filter_map(|task| {
                let words = task["overrides"]["containerOverrides"][0]["command"].as_array()?.clone();
                let words: Vec<&str> = words.iter().map(|word| word.as_str().unwrap()).collect();
                Some((task["createdAt"].as_f64().unwrap(), words.join(" ")))
            }));
        }
        found.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        found.into_iter().map(|(_, command)| command).collect()
    }

    #[track_caller]
    pub(crate) fn assert_serves(&self, service: &str, image: &str) {
        assert_eq!(self.serving(service).as_deref(), Some(image), "{}", self.everything());
    }

    /// The states that GitHub's Deployments of an environment went through, newest deployment last.
    pub(crate) fn states(&self, environment: &str) -> Vec<Vec<String>> {
        let all = self.shop.deployments();
        let ours = all.iter().filter(|deployment| deployment["environment"] == environment);
        let states = |deployment: &Value| {
            let statuses = deployment["statuses"].as_array().unwrap().iter();
            statuses.map(|status| status["state"].as_str().unwrap().to_owned()).collect()
        };
        ours.map(states).collect()
    }

    /// Calls of GitHub's API so far.
    pub(crate) fn github_calls(&self) -> Vec<Call> {
        self.world.calls().into_iter().filter(|call| call.service == "github").collect()
    }

    /// The audit trail, as `audit export` writes it.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let output = Command::new(env!("CARGO_BIN_EXE_shipline-bot"))
            .args(["audit", "export"])
            .env_clear()
            .env("SHIPLINE_DATABASE_URL", &self.url)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Everything in SQLite's files, as text.
    pub(crate) fn database_bytes(&self) -> String {
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let ours = files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("bot.db"));
        ours.map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()).collect()
    }

    fn log_path(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!("bot-{index}.log"))
    }

    /// The server and the name of this stage's database.
    pub(crate) fn postgres(&self) -> (&str, &str) {
        let postgres = self.postgres.as_ref().unwrap();
        (&postgres.server, &postgres.name)
    }

    /// What a bot has logged so far.
    pub(crate) fn log(&self, index: usize) -> String {
        std::fs::read_to_string(self.log_path(index)).unwrap()
    }

    pub(crate) fn logs(&self) -> String {
        (0..=self.bots.len())
            .filter_map(|index| std::fs::read_to_string(self.log_path(index)).ok().map(|text| (index, text)))
            .map(|(index, text)| format!("--- bot {index}\n{text}\n"))
            .collect()
    }

    /// What a person needs to see why a story failed.
    pub(crate) fn everything(&self) -> String {
        let mut text = String::new();
        for issue in 1..10 {
            let Ok(found) =
                self.github.try_act("conversation", &json!({"repository": self.shop.name(), "issue": issue}))
            else {
                continue;
            };
            for comment in found.as_array().into_iter().flatten() {
                let (author, body) = (comment["author"].as_str().unwrap(), comment["body"].as_str().unwrap());
                text.push_str(&format!("#{issue} {author}: {body}\n\n"));
            }
        }
        let calls: Vec<String> = self
            .world
            .calls()
            .iter()
            .map(|call| format!("{} {} {:?}", call.service, call.operation, call.status))
            .collect();
        let deliveries: Vec<String> = self
            .github
            .deliveries()
            .iter()
            .map(|delivery| format!("{} {:?} {:?} {}", delivery.event, delivery.action, delivery.code, delivery.status))
            .collect();
        format!("{text}\n--- calls\n{}\n--- deliveries\n{}\n{}", calls.join("\n"), deliveries.join("\n"), self.logs())
    }
}

/// A database of its own on the world's PostgreSQL; gone with the story.
pub(crate) struct Postgres {
    pub(crate) url: String,
    server: String,
    name: String,
}

impl Postgres {
    async fn new() -> Self {
        use sqlx::Connection as _;
        let server = std::env::var("SHIPLINE_POSTGRES")
            .expect("SHIPLINE_POSTGRES is not set: run `scripts/world up` and `eval \"$(scripts/world env)\"`");
        let name = format!("story_{}", uuid::Uuid::new_v4().simple());
        let mut connection = sqlx::PgConnection::connect(&server).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
        let (before, _) = server.rsplit_once('/').unwrap();
        Self { url: format!("{before}/{name}"), server, name }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // The story's runtime may be the current one: a thread with its own.
        let dropped = std::thread::spawn(move || {
            use sqlx::Connection as _;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = sqlx::PgConnection::connect(&server).await.unwrap();
                let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            });
        });
        let _ = dropped.join();
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
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
            "logConfiguration": {"logDriver": "awslogs", "options": {
                "awslogs-group": format!("/pmis/{name}"), "awslogs-region": "us-east-1", "awslogs-stream-prefix": name,
            }},
        }],
    })
}
