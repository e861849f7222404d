//! PMIS: API, worker and web on ECS Fargate, from staging to production, in a run. On real containers with
//! a real registry and databases; what an emulator has no moods for is told with the simulator. The canary
//! of production is told with the bot, in `tests/bot/pmis.rs`.

mod containers;

use serde_json::json;
use shipline_test_support::{AlarmSeed, Behaviour, CommitSeed, Rule, Seed};

use super::answering::Answering;
use super::fleet::Fleet;
use super::stage::Run;

const SERVICES: &[&str] = &["api", "web", "worker"];
/// What a story cannot wait for, and whom it cannot tell.
const WAITS: [&str; 5] = ["soak: 30m", "freeze:", "- { from: Fri 16:00", "notify:", "- { slack:"];
const TOKEN: &str = "ghs_16C7e42F292c6912E7710c838347Ae178B4a";

struct System {
    fleet: Fleet,
    health: Answering,
}

fn commit(release: u8) -> String {
    format!("{release:02x}").repeat(20)
}

impl System {
    async fn new() -> Self {
        let health = Answering::with(200, &[], "ok").await;
        let fleet = Fleet::of("pmis", &["pmis-staging", "pmis"], SERVICES, &health.address()).await;
        for name in ["pmis-target-5xx", "pmis-api-error-rate"] {
            fleet.stage.world.alarm(AlarmSeed::quiet(name));
        }
        let commits = (1..=4).map(|release| CommitSeed {
            repository: "acme/pmis".to_owned(),
            sha: commit(release),
            message: format!("Release {release}"),
            author: "octocat".to_owned(),
            reference: None,
        });
        fleet.stage.world.seed(Seed { commits: commits.collect(), ..Seed::default() });
        let system = Self { fleet, health };
        let path = system.fleet.stage.path("work/.github/shipline.yml");
        let file = std::fs::read_to_string(path).unwrap();
        system.fleet.stage.write(".github/shipline.yml", &in_a_run(&file));
        system
    }

    fn release(&self, number: u8) -> Vec<String> {
        SERVICES.iter().map(|service| self.fleet.image_at(service, &commit(number))).collect()
    }

    fn with_github<'a>(&self, run: Run<'a>) -> Run<'a> {
        run.set("SHIPLINE_GITHUB_TOKEN", TOKEN)
            .set("GITHUB_REPOSITORY", "acme/pmis")
            .set("GITHUB_API_URL", &self.fleet.stage.world.endpoint())
    }

    fn deploy(&self, environment: &str, images: &[String]) -> Run<'_> {
        self.with_github(self.fleet.deploy(environment, images))
    }

    /// The release that staging runs, by digest.
    fn promote(&self) -> Run<'_> {
        self.with_github(self.fleet.stage.command(&["deploy", "production", "--from", "staging", "--yes"]))
    }

    /// The commands of one-off tasks, in their order.
    fn commands(&self) -> Vec<String> {
        let calls = self.fleet.stage.world.calls_of("ecs", "RunTask");
        let command = |body: &serde_json::Value| {
            let words = body["overrides"]["containerOverrides"][0]["command"].as_array().unwrap().clone();
            words.iter().map(|word| word.as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
        };
        calls.iter().map(|call| command(&call.body)).collect()
    }
}

/// The ready configuration as these stories use it: nobody waits half an hour in them, and they run on
/// every day of the week. Production is replaced task by task, in the order of staging: in a run without
/// the bot nobody can answer at a step, and the emulator of the real containers knows no strategies. The
/// canary of production has its own stories, with the bot (`tests/bot/pmis.rs`).
fn in_a_run(file: &str) -> String {
    let file = without(file, &WAITS);
    let (before, rest) = file.split_once("    rollout: { canary: {").expect("production is a canary");
    let (_, after) = rest.split_once("    verify:\n").expect("the measurements end there");
    let file = format!("{before}    rollout: rolling\n    verify:\n{after}");
    let order = "waves: [[api, web], [worker]]";
    assert_eq!(file.matches(order).count(), 1, "{file}");
    file.replace(order, "waves: [[api, worker], [web]]")
}

/// A text without the lines that begin like that.
fn without(text: &str, beginnings: &[&str]) -> String {
    let kept = text.lines().filter(|line| !beginnings.iter().any(|out| line.trim_start().starts_with(out)));
    kept.collect::<Vec<_>>().join("\n") + "\n"
}

#[tokio::test]
async fn a_release_goes_from_staging_to_production_and_back_by_command() {
    let system = System::new().await;
    let (two, three) = (system.release(2), system.release(3));
    let before = system.fleet.serve("pmis");

    // Production takes only what is good on staging.
    system.deploy("production", &two).end().must(3).says("is not on `staging`");
    assert_eq!(system.fleet.serve("pmis"), before);

    for images in [&two, &three] {
        system.deploy("staging", images).end().must(0);
        assert_eq!(&system.fleet.serve("pmis-staging"), images);
        system.promote().end().must(0).says("image promoted");
        assert_eq!(&system.fleet.serve("pmis"), images, "the digests that staging runs");
    }
    assert_eq!(system.commands(), vec!["alembic upgrade head"; 4]);
    assert!(system.health.asked() >= 4);

    system.fleet.stage.command(&["rollback", "production", "--yes"]).end().must(0);
    assert_eq!(system.fleet.serve("pmis"), two);
    assert_eq!(system.fleet.serve("pmis-staging"), three);
    assert_eq!(system.commands().len(), 4, "a rollback runs no migration");
}

#[tokio::test]
async fn a_web_that_fails_takes_the_first_wave_back_and_then_the_migration() {
    let system = System::new().await;
    let (before, two) = (system.fleet.serve("pmis-staging"), system.release(2));
    system.fleet.goes(&two[1], Behaviour::exits(1, ["Error: Cannot find module 'next'"]));
    let ran = system.deploy("staging", &two).end().must(1);
    ran.says("web: ").says("exited with code 1").says("Cannot find module 'next'");
    assert_eq!(system.fleet.serve("pmis-staging"), before);
    assert_eq!(system.commands(), ["alembic upgrade head", "alembic downgrade -1"]);
}

#[tokio::test]
async fn a_smoke_check_that_fails_takes_the_release_back() {
    let system = System::new().await;
    let before = system.fleet.serve("pmis-staging");
    let path = system.fleet.stage.path("work/.github/shipline.yml");
    let file = std::fs::read_to_string(path).unwrap().replace("within: 60s", "within: 2s");
    system.fleet.stage.write(".github/shipline.yml", &file);
    system.health.change(|answer| answer.status = 500);
    let two = system.release(2);
    system.deploy("staging", &two).end().must(1).says("it answered 500");
    assert_eq!(system.fleet.serve("pmis-staging"), before);
    assert_eq!(system.commands(), ["alembic upgrade head", "alembic downgrade -1"]);
}

#[tokio::test]
async fn a_migration_that_fails_on_production_changes_nothing_there_and_staging_keeps_the_release() {
    let system = System::new().await;
    let (before, two) = (system.fleet.serve("pmis"), system.release(2));
    system.deploy("staging", &two).end().must(0);
    system.fleet.stage.world.rule(Rule::command("alembic upgrade", Behaviour::exits(1, ["column exists"])));
    system.promote().end().must(1).says("column exists").says("not-shifted");
    assert_eq!(system.fleet.serve("pmis"), before);
    assert_eq!(system.fleet.serve("pmis-staging"), two);
    let asked = json!({"cluster": "pmis", "services": ["api"]});
    let api = system.fleet.stage.world.ecs("DescribeServices", &asked).unwrap();
    assert_eq!(api["services"][0]["runningCount"], 2);
}
