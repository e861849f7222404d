//! astro-ai: a Django service on AWS App Runner, image from ECR.

use serde_json::{Value, json};
use shipline_test_support::{AppRunnerBehaviour, AppRunnerRule, ImageSeed};

use super::stage::{REGISTRY, Ran, Stage};

const SERVICE: &str = "astro-ai-service";

struct System {
    stage: Stage,
}

impl System {
    async fn new() -> Self {
        let stage = Stage::empty().await;
        stage.write(".github/shipline.yml", &super::configuration("astro-ai"));
        Self { stage }
    }

    /// An image of the release, as the pipeline pushes it.
    fn image(&self, release: &str) -> String {
        let labels = [("release".to_owned(), release.to_owned())].into();
        let tags = vec![release.to_owned()];
        let seed = ImageSeed { repository: "astro-ai".to_owned(), tags, labels, manifest: None };
        format!("{REGISTRY}/astro-ai@{}", self.stage.world.image(seed))
    }

    fn deploy(&self, image: &str) -> Ran {
        self.stage.command(&["deploy", "production", "--yes", &format!("--image=web={image}")]).end()
    }

    fn service(&self) -> Value {
        let listed = self.stage.world.app_runner("ListServices", &json!({})).unwrap();
        let arn = listed["ServiceSummaryList"][0]["ServiceArn"].clone();
        self.stage.world.app_runner("DescribeService", &json!({ "ServiceArn": arn })).unwrap()["Service"].clone()
    }

    fn serves(&self) -> String {
        let repository = self.service()["SourceConfiguration"]["ImageRepository"].clone();
        repository["ImageIdentifier"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn first_deploy_second_deploy_a_bad_release_and_a_rollback_by_command() {
    let system = System::new().await;
    let (one, two, three) = (system.image("one"), system.image("two"), system.image("three"));

    // The first deploy creates the service as it is configured.
    system.deploy(&one).must(0);
    let made = system.service();
    assert_eq!((system.serves(), made["Status"].clone()), (one.clone(), json!("RUNNING")));
    assert_eq!(made["InstanceConfiguration"]["Cpu"], "2048");
    assert_eq!(made["InstanceConfiguration"]["Memory"], "4096");
    let runtime = &made["SourceConfiguration"]["ImageRepository"]["ImageConfiguration"];
    assert_eq!(runtime["Port"], "8000");
    assert!(
        runtime["RuntimeEnvironmentSecrets"]["DB_PASSWORD"].as_str().unwrap().contains("astro-ai/prod:DB_PASSWORD")
    );

    // Somebody sets by hand what the configuration does not name.
    let mut source = made["SourceConfiguration"].clone();
    source["ImageRepository"]["ImageConfiguration"]["RuntimeEnvironmentVariables"] = json!({"DJANGO_DEBUG": ""});
    let by_hand = json!({
        "ServiceArn": made["ServiceArn"], "SourceConfiguration": source,
        "NetworkConfiguration": {"IpAddressType": "DUAL_STACK"},
    });
    system.stage.world.app_runner("UpdateService", &by_hand).unwrap();
    super::stage::until("the change by hand", || system.service()["Status"] == "RUNNING");
    let before = system.service();

    // The second one keeps every setting it was not asked to change.
    system.deploy(&two).must(0);
    let after = system.service();
    assert_eq!(system.serves(), two);
    for part in
        ["InstanceConfiguration", "HealthCheckConfiguration", "NetworkConfiguration", "AutoScalingConfigurationSummary"]
    {
        assert_eq!(after[part], before[part], "{part}");
    }
    let mut expected = before["SourceConfiguration"].clone();
    expected["ImageRepository"]["ImageIdentifier"] = json!(two);
    assert_eq!(after["SourceConfiguration"], expected);

    // A bad release goes back by itself, with its reason.
    let lines = ["django.db.utils.OperationalError: no such table: charts".to_owned()];
    let (_, digest) = three.split_once('@').unwrap();
    system.stage.world.app_runner_rule(AppRunnerRule {
        service: Some(SERVICE.to_owned()),
        image: Some(digest.to_owned()),
        behaviour: AppRunnerBehaviour::RollsBack { lines: lines.to_vec(), reason: None },
        after_ms: None,
        rollback_ms: None,
        times: None,
    });
    let ran = system.deploy(&three).must(1);
    ran.says("exited with code 1").says("no such table: charts");
    assert_eq!(system.serves(), two);

    // The same by hand from a laptop, with one command.
    system.stage.command(&["rollback", "production", "--yes"]).end().must(0);
    assert_eq!(system.serves(), one);
    assert_eq!(system.stage.world.count("apprunner", "DeleteService"), 0);
}
