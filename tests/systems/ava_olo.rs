//! AVA OLO: two App Runner services that App Runner builds from GitHub source.

use serde_json::{Value, json};
use shipline_test_support::{AppRunnerBehaviour, AppRunnerRule, AppRunnerServiceSeed, CommitSeed, Seed, Timing};

use super::stage::{Ran, Run, Stage, until};

const REPOSITORY: &str = "ava-olo/constellation";
const SERVICES: [&str; 2] = ["ava-olo-monitoring-dashboards", "ava-olo-agricultural-core"];

fn sha(letter: char) -> String {
    letter.to_string().repeat(40)
}

struct System {
    stage: Stage,
}

impl System {
    /// Both serve the commit `a`, and every push to `main` deploys them.
    async fn new() -> Self {
        let stage = Stage::empty().await;
        stage.write(".github/shipline.yml", &super::configuration("ava-olo"));
        let check = json!({
            "Protocol": "HTTP", "Path": "/health", "Interval": 10, "Timeout": 5, "HealthyThreshold": 1,
            "UnhealthyThreshold": 5,
        });
        let service = |name: &str| {
            AppRunnerServiceSeed::from_source(name, REPOSITORY, "main")
                .with("InstanceConfiguration", json!({"Cpu": "256", "Memory": "512"}))
                .with("HealthCheckConfiguration", check.clone())
        };
        let first = CommitSeed {
            repository: REPOSITORY.to_owned(),
            sha: sha('a'),
            message: "First".to_owned(),
            author: "octocat".to_owned(),
            reference: None,
        };
        stage.world.seed(Seed {
            commits: vec![first],
            commits_age_ms: 60_000,
            app_runner_services: SERVICES.map(service).to_vec(),
            ..Seed::default()
        });
        Self { stage }
    }

    fn run(&self, arguments: &[&str]) -> Run<'_> {
        self.stage
            .command(arguments)
            .set("GITHUB_API_URL", &self.stage.world.endpoint())
            .set("SHIPLINE_GITHUB_TOKEN", "ghs_16C7e42F292c6912E7710c838347Ae178B4a")
    }

    fn push(&self, letter: char) {
        self.stage.world.push(REPOSITORY, "main", &sha(letter));
    }

    /// As the workflow of a push does.
    fn deploy(&self, letter: char) -> Ran {
        self.run(&["deploy", "production", "--yes", "--sha", &sha(letter)]).end()
    }

    fn serve(&self) -> [String; 2] {
        SERVICES.map(|name| self.stage.world.app_runner_commit(name).unwrap())
    }

    fn service(&self, name: &str) -> Value {
        let listed = self.stage.world.app_runner("ListServices", &json!({})).unwrap();
        let all = listed["ServiceSummaryList"].as_array().unwrap().clone();
        let arn = all.iter().find(|known| known["ServiceName"] == name).unwrap()["ServiceArn"].clone();
        self.stage.world.app_runner("DescribeService", &json!({ "ServiceArn": arn })).unwrap()["Service"].clone()
    }

    fn goes(&self, service: &str, letter: char, behaviour: AppRunnerBehaviour) {
        self.stage.world.app_runner_rule(AppRunnerRule {
            service: Some(service.to_owned()),
            image: Some(format!("#{}", sha(letter))),
            behaviour,
            after_ms: None,
            rollback_ms: None,
            times: None,
        });
    }

    fn started(&self) -> usize {
        self.stage.world.count("apprunner", "StartDeployment")
    }
}

#[tokio::test]
async fn first_deploy_second_deploy_a_bad_release_and_a_rollback_by_command() {
    let system = System::new().await;
    // The first two are deployed before App Runner's own deployment of the push begins.
    system.stage.world.timing(Timing { automatic_ms: 3_600_000, ..Timing::default() });
    for letter in ['b', 'c'] {
        system.push(letter);
        system.deploy(letter).must(0).says(&sha(letter)[..7]);
        assert_eq!(system.serve(), [sha(letter), sha(letter)]);
    }

    // One of the two is not healthy: App Runner takes it back, and Shipline the other one.
    let lines = vec!["psycopg2.OperationalError: could not connect to aurora".to_owned()];
    system.goes(SERVICES[1], 'd', AppRunnerBehaviour::HealthFails { lines });
    system.push('d');
    let ran = system.deploy('d').must(1);
    ran.says("did not answer its health check (HTTP /health on port 8080, every 10 s, 5 s to answer");
    ran.says("could not connect to aurora");
    assert_eq!(system.serve(), [sha('c'), sha('c')]);

    // Mended, it goes forward again, from `main`.
    system.push('e');
    system.deploy('e').must(0);
    assert_eq!(system.serve(), [sha('e'), sha('e')]);
    for name in SERVICES {
        let code = system.service(name)["SourceConfiguration"]["CodeRepository"].clone();
        assert_eq!(code["SourceCodeVersion"]["Value"], "main", "{name}");
    }

    // One command puts both back to a release that was good there, two steps before this one.
    system.run(&["rollback", "production", "--yes", "--to", "2"]).end().must(0);
    assert_eq!(system.serve(), [sha('b'), sha('b')]);
    assert_eq!(system.stage.world.branch(REPOSITORY, "main"), Some(sha('e')));
    assert_eq!(system.stage.world.count("apprunner", "DeleteService"), 0);
}

#[tokio::test]
async fn the_deployment_that_a_push_began_by_itself_is_joined() {
    let system = System::new().await;
    system.stage.world.timing(Timing { operation_ms: 4_000, ..Timing::default() });
    system.push('b');
    until("App Runner noticed the push", || {
        SERVICES.iter().all(|name| system.service(name)["Status"] == "OPERATION_IN_PROGRESS")
    });
    system.deploy('b').must(0).says("it is joined");
    assert_eq!(system.serve(), [sha('b'), sha('b')]);
    assert_eq!(system.started(), 0);
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_before_anything_changes_with_the_way_that_can() {
    let system = System::new().await;
    system.stage.world.timing(Timing { automatic_ms: 3_600_000, ..Timing::default() });
    system.push('b');
    system.push('c');
    system.stage.world.forget_calls();
    let ran = system.deploy('b').must(3);
    ran.says("main stands at ccccccc, not at bbbbbbb").says(&format!("--sha {}", sha('c')));
    // A release that was never good there.
    system
        .run(&["rollback", "production", "--yes", "--to", &sha('c')])
        .end()
        .must(3)
        .says("is not known to have been good here");
    // Without a branch to go back through.
    let text = super::configuration("ava-olo");
    let kept: Vec<&str> = text.lines().filter(|line| !line.contains("rollback-branch")).collect();
    system.stage.write(".github/shipline.yml", &kept.join("\n"));
    assert!(system.stage.changes().is_empty(), "{:?}", system.stage.changes());
    system.deploy('c').must(0);
    system.stage.world.forget_calls();
    let ran = system.run(&["rollback", "production", "--yes"]).end().must(3);
    ran.says("rollback-branch: shipline-rollback").says("git revert");
    assert!(system.stage.changes().is_empty(), "{:?}", system.stage.changes());
    assert_eq!(system.serve(), [sha('c'), sha('c')]);
}
