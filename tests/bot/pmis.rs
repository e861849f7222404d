//! PMIS' production: its ready configuration, three services, with the bot and load balancers that split
//! requests. The plan is approved, a tenth of the traffic moves, it is measured, somebody is asked again.
//! Of the configuration only the times are others, the roles and addresses that are not there, and the
//! days of the week and recipients.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use shipline_test_support::{AlarmSeed, Behaviour, ImageSeed, Pull, Rule, ServiceSeed, Timing, TrafficRule};

use super::answering::Answering;
use crate::stage::{Database, REGISTRY, Stage, definition};

const SERVICES: [&str; 3] = ["api", "web", "worker"];
const READY: &str = include_str!("../../workflows/systems/pmis/shipline.yml");

/// The ready configuration where a story can be told.
fn configuration(address: &str) -> String {
    let gone = ["freeze:", "- { from: Fri 16:00", "notify:", "- { slack:"];
    let kept = READY.lines().filter(|line| !gone.iter().any(|gone| line.trim_start().starts_with(gone)));
    let mut file: String = kept.flat_map(|line| [line, "\n"]).collect();
    for (ready, told) in [
        (", role: \"arn:aws:iam::111122223333:role/shipline-staging\"", ""),
        (", role: \"arn:aws:iam::444455556666:role/shipline-production\"", ""),
        ("https://staging.pmis.example.com", address),
        ("https://pmis.example.com", address),
        ("soak: 30m", "soak: 1s"),
        ("bake: 10m", "bake: 9s"),
        ("period: 1m", "period: 1s"),
        ("every: 1m", "every: 1s"),
    ] {
        assert!(file.contains(ready), "{ready} is not in the ready configuration any more");
        file = file.replace(ready, told);
    }
    file
}

struct System {
    stage: Stage,
    _health: Answering,
}

impl System {
    async fn new() -> Self {
        let mut stage = Stage::new(Database::Sqlite).await;
        stage.world.timing(Timing { hook_minute_ms: Some(60_000), ..Timing::default() });
        stage.world.cluster("pmis-staging");
        let health = Answering::with(200, &[], "ok").await;
        for cluster in ["pmis-staging", "pmis"] {
            for name in SERVICES {
                let mut made = definition(&format!("{cluster}-{name}"), &image(&stage, name, "one"));
                made["containerDefinitions"][0]["name"] = json!(name);
                let arn = stage.world.task_definition(made);
                let network = json!({"awsvpcConfiguration": {
                    "subnets": ["subnet-a", "subnet-b"], "securityGroups": ["sg-1"], "assignPublicIp": "DISABLED",
                }});
                let seed = ServiceSeed::new(cluster, name, &arn).desired(2).with("networkConfiguration", network);
                let seed = seed.with("launchType", "FARGATE");
                stage.world.service(match name {
                    "worker" => seed,
                    _ => seed.shifting(&format!("{cluster}-{name}"), name, 8000),
                });
            }
        }
        for name in ["pmis-target-5xx", "pmis-api-error-rate"] {
            stage.world.alarm(AlarmSeed::quiet(name));
        }
        stage.world.traffic_rule(TrafficRule::image("/pmis/").latency(60, 40));
        stage.github.team("release-managers", &["mona"]);
        stage.policy(&configuration(&health.address()));
        stage.start();
        Self { stage, _health: health }
    }

    /// A pull request whose release is good on staging; its images.
    fn on_staging(&self, title: &str) -> (Pull, Vec<String>) {
        let pull = self.stage.pull(title);
        let images = SERVICES.map(|name| image(&self.stage, name, &pull.sha)).to_vec();
        let comment = self.stage.says("dev", pull.number, "/deploy staging");
        self.shows(&pull, comment, "serves after");
        // The soak of this story, in GitHub's seconds.
        std::thread::sleep(Duration::from_secs(2));
        (pull, images)
    }

    /// Asked for and approved; the comment that asked.
    fn approved(&self, pull: &Pull) -> u64 {
        let comment = self.stage.says("dev", pull.number, "/deploy production");
        let asks = self.shows(pull, comment, "waiting for approval, 0 of 1");
        assert!(asks.contains("**Your turn, @acme/release-managers** (1 of 1 needed, not dev)"), "{asks}");
        assert!(asks.contains("One after another: api and web, then worker"), "{asks}");
        self.stage.says("mona", pull.number, "/approve production");
        comment
    }

    #[track_caller]
    fn shows(&self, pull: &Pull, comment: u64, words: &str) -> String {
        self.stage.until(words, || self.stage.shown(pull.number, comment).filter(|shown| shown.contains(words)))
    }

    /// What serves on production, service by service, steadily.
    fn serves(&self) -> Vec<String> {
        SERVICES.map(|name| self.stage.serving(name).unwrap_or_else(|| format!("{name} is not steady"))).to_vec()
    }

    /// Users of API and web, until the story is over.
    fn used<T>(&self, story: impl FnOnce() -> T) -> T {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    for name in ["api", "web"] {
                        self.stage.world.requests("pmis", name, 20);
                    }
                    std::thread::sleep(Duration::from_millis(40));
                }
            });
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(story));
            over.store(true, Ordering::Relaxed);
            done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// The share of requests that an image answers, in percent.
    fn share(&self, service: &str, image: &str) -> usize {
        let seen = self.stage.world.requests("pmis", service, 200);
        seen.iter().filter(|one| one.image == image).count() / 2
    }

    /// Commands of one-off tasks that were started on production.
    fn commands(&self) -> Vec<String> {
        let calls = self.stage.world.calls_of("ecs", "RunTask");
        let there = calls.iter().filter(|call| call.body["cluster"] == "pmis");
        let words = there.map(|call| {
            let words = call.body["overrides"]["containerOverrides"][0]["command"].as_array().unwrap().clone();
            words.iter().map(|word| word.as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        });
        words.collect()
    }
}

/// Plants the image of a service in a release; answers it with its digest.
fn image(stage: &Stage, service: &str, release: &str) -> String {
    let labels = [("word", format!("{service} {release}")), ("org.opencontainers.image.revision", release.to_owned())];
    let labels = labels.map(|(name, value)| (name.to_owned(), value)).into();
    let repository = format!("pmis/{service}");
    let seed = ImageSeed { repository: repository.clone(), tags: vec![release.to_owned()], labels, manifest: None };
    format!("{REGISTRY}/{repository}@{}", stage.world.image(seed))
}

#[tokio::test]
async fn three_services_go_to_production_by_an_approved_canary_and_are_measured_on_the_way() {
    let system = System::new().await;
    let (pull, new) = system.on_staging("Show what is overdue");
    let old = system.serves();
    let comment = system.approved(&pull);
    let asks = system.used(|| {
        let watched = system.stage.until("values of both services", || {
            let shown = system.stage.shown(pull.number, comment)?.replace('\u{a0}', " ");
            let values = |name: &str| shown.contains(&format!("| {name} | error rate | 0 % | 0 % | below 5 % |"));
            (shown.contains("canary 10 %, being watched") && values("api") && values("web")).then_some(shown)
        });
        assert!(watched.contains("error rate 0 %<br>p99 "), "in the services' own rows: {watched}");
        system.shows(&pull, comment, "canary 10 %, waiting for approval")
    });
    assert!(asks.contains("✓ pass") && !asks.contains("✗"), "{asks}");
    for (at, name) in ["api", "web"].into_iter().enumerate() {
        let tenth = system.share(name, &new[at]);
        assert!((6..=14).contains(&tenth), "{tenth} % of {name}'s users are on the new one");
    }
    assert_eq!(system.stage.serving("worker").as_ref(), Some(&old[2]), "the worker waits for them");
    system.stage.says("mona", pull.number, "/approve production");
    let end = system.used(|| system.shows(&pull, comment, "serves after"));
    assert_eq!(system.serves(), new, "{end}");
    assert_eq!(system.commands(), ["alembic upgrade head"]);
    system.stage.program(&["audit", "verify"]);
}

#[tokio::test]
async fn a_web_that_is_bad_at_a_tenth_goes_back_with_the_api_and_the_migration() {
    let system = System::new().await;
    let (pull, new) = system.on_staging("Forget a page");
    let old = system.serves();
    system.stage.world.traffic_rule(TrafficRule::image(&new[1]).errors(0.3).latency(60, 40));
    let comment = system.approved(&pull);
    let end = system.used(|| system.shows(&pull, comment, "failed after"));
    assert!(end.contains("**analysis**: web: error rate"), "{end}");
    assert!(end.contains("| web | error rate |") && end.contains("✗ fail"), "{end}");
    assert_eq!(system.serves(), old, "{end}");
    assert_eq!(system.commands(), ["alembic upgrade head", "alembic downgrade -1"]);
    assert!(end.contains("undone"), "{end}");
    let seen = system.stage.world.served("pmis", "web");
    let bad = seen.iter().filter(|one| one.image == new[1]).count() * 100 / seen.len();
    assert!(bad <= 13, "{bad} % of the users were on it");
}

#[tokio::test]
async fn a_worker_that_does_not_start_takes_three_services_and_the_migration_back() {
    let system = System::new().await;
    let (pull, new) = system.on_staging("Forget the queue");
    let old = system.serves();
    let digest = new[2].split_once('@').unwrap().1;
    let breaks = Behaviour::exits(1, ["KeyError: 'REDIS_URL'"]);
    system.stage.world.rule(Rule::image(digest, breaks));
    let comment = system.approved(&pull);
    system.shows(&pull, comment, "canary 10 %");
    system.stage.says("mona", pull.number, "/promote production");
    let end = system.shows(&pull, comment, "failed after");
    assert!(end.contains("KeyError: 'REDIS_URL'"), "{end}");
    assert_eq!(system.serves(), old, "{end}");
    assert_eq!(system.commands(), ["alembic upgrade head", "alembic downgrade -1"]);
}
