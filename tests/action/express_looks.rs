//! `verify`, `logs` and `history` of services in Express Mode.

use serde_json::{Value, json};
use shipline_test_support::{Behaviour, ExpressServiceSeed, Seed, TargetHealthSeed};

use super::stage::{REGISTRY, Ran, Stage, pause, until};

const FILE: &str = "version: 1
services: { web: { image: { repository: pmis/web } } }
environments:
  staging:
    aws: { region: us-east-1 }
    services: { web: { express: { service: web } } }
";

const SECRET: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:pmis/db-AbCdEf";

/// An Express service that has everything it needs, but for what is changed here.
async fn stage(change: impl FnOnce(ExpressServiceSeed) -> ExpressServiceSeed) -> Stage {
    let stage = Stage::empty().await;
    stage.write(".github/shipline.yml", FILE);
    stage.world.seed(Seed { secrets: vec!["pmis/db".to_owned()], ..Seed::default() });
    let one = stage.image_of("web", "one");
    let seed = ExpressServiceSeed::new("web", &one)
        .with("healthCheckPath", "/health")
        .container("secrets", json!([{"name": "DB", "valueFrom": SECRET}]));
    stage.world.express_service(change(seed));
    stage
}

async fn whole() -> Stage {
    stage(|seed| seed).await
}

fn verify(stage: &Stage) -> Ran {
    let image = format!("--image=web={REGISTRY}/pmis/web:one");
    let ran = stage.command(&["verify", "staging", &image, "--json"]).end();
    assert_eq!(stage.changes(), Vec::<String>::new(), "verify changes nothing");
    ran
}

/// Exactly these were found.
#[track_caller]
fn only(ran: &Ran, expected: &[(&str, &str)]) {
    let document = ran.document();
    let findings = document["findings"].as_array().unwrap();
    let found: Vec<_> = findings
        .iter()
        .map(|one| (one["weight"].as_str().unwrap(), one["problem"]["code"].as_str().unwrap()))
        .collect();
    assert_eq!(found, expected, "{}", ran.said());
    let fails = expected.iter().any(|(weight, _)| *weight == "fails");
    assert_eq!(ran.code == 0, !fails, "{}", ran.said());
}

fn with(stage: &Stage, more: &str) {
    stage.write(".github/shipline.yml", &FILE.replace("service: web }", &format!("service: web, {more} }}")));
}

#[tokio::test]
async fn where_nothing_is_wrong_it_says_what_it_looked_at() {
    let ran = verify(&whole().await).must(0);
    only(&ran, &[]);
    let good = ran.document()["good"].to_string();
    for part in [
        "Express service default/web is there",
        "executionRoleArn is arn:aws:iam",
        "secret DB",
        "/aws/ecs/default/web",
        "healthy",
    ] {
        assert!(good.contains(part), "{part} is not in {good}");
    }
}

#[tokio::test]
async fn each_planted_mistake_is_found() {
    let stage = whole().await;
    with(&stage, "secrets: { TOKEN: /pmis/none }");
    only(&verify(&stage), &[("fails", "secret-missing")]);
    with(&stage, "task-role: 'arn:aws:iam::444455556666:role/web'");
    only(&verify(&stage), &[("fails", "role-elsewhere")]);
    with(&stage, "cluster: nowhere");
    only(&verify(&stage), &[("fails", "cluster-not-found")]);
    with(&stage, "memory: 4096");
    only(&verify(&stage), &[("fails", "task-does-not-fit")]);
    stage.write(".github/shipline.yml", &FILE.replace("service: web }", "service: wbe }"));
    let ran = verify(&stage);
    only(&ran, &[("fails", "service-not-found")]);
    ran.says("create: true");
    stage.write(".github/shipline.yml", &format!("{FILE}    rollout: blue-green\n"));
    let ran = verify(&stage);
    assert_eq!(ran.code, 3, "{}", ran.said());
    ran.says("Express Mode moves traffic in its own way");
}

#[tokio::test]
async fn a_secret_or_log_group_that_the_service_itself_names_and_nobody_has() {
    let gone = "arn:aws:secretsmanager:us-east-1:111122223333:secret:pmis/gone-AbCdEf";
    let secrets = json!([{"name": "DB", "valueFrom": gone}]);
    only(&verify(&stage(|seed| seed.container("secrets", secrets)).await), &[("fails", "secret-missing")]);
    // Without a task, because one that ran would have written there.
    let logs = json!({"logGroup": "/shop/gone", "logStreamPrefix": "web"});
    let silent =
        stage(|seed| seed.container("awsLogsConfiguration", logs).with("scalingTarget", json!({"minTaskCount": 0})));
    only(&verify(&silent.await), &[("fails", "log-group-missing"), ("warns", "no-tasks")]);
}

#[tokio::test]
async fn an_image_for_the_other_architecture() {
    let stage = stage(|seed| seed.with("cpuArchitecture", "ARM64")).await;
    let config = json!({"architecture": "amd64", "os": "linux", "config": {}}).to_string();
    let digest = shipline::types::ImageDigest::of(config.as_bytes()).to_string();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": [],
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": config.len()},
    });
    let image = shipline_test_support::ImageSeed {
        repository: "pmis/web".to_owned(),
        tags: vec!["amd".to_owned()],
        labels: std::collections::BTreeMap::new(),
        manifest: Some(manifest.to_string()),
    };
    let blob = shipline_test_support::BlobSeed { repository: "pmis/web".to_owned(), text: config };
    stage.world.seed(Seed { images: vec![image], blobs: vec![blob], ..Seed::default() });
    let image = format!("--image=web={REGISTRY}/pmis/web:amd");
    let ran = stage.command(&["verify", "staging", &image, "--json"]).end();
    only(&ran, &[("fails", "wrong-platform")]);
    ran.says("linux/arm64");
}

#[tokio::test]
async fn a_health_path_that_answers_otherwise_and_a_deployment_under_way() {
    let stage = whole().await;
    let service = stage.world.ecs("DescribeServices", &json!({"cluster": "default", "services": ["web"]})).unwrap();
    let group = service["services"][0]["loadBalancers"][0]["targetGroupArn"].as_str().unwrap().to_owned();
    let bad = TargetHealthSeed {
        id: "10.0.0.9".to_owned(),
        port: 8080,
        state: "unhealthy".to_owned(),
        reason: Some("Target.ResponseCodeMismatch".to_owned()),
        description: Some("Health checks failed with these codes: [404]".to_owned()),
    };
    stage.world.seed(Seed { target_health: [(group, vec![bad])].into(), ..Seed::default() });
    let ran = verify(&stage);
    only(&ran, &[("fails", "health-check-fails")]);
    ran.says("404");

    let stage = whole().await;
    let two = stage.image_of("web", "two");
    stage.goes(&two, Behaviour::slow(60_000, 50));
    let service = stage.world.ecs("DescribeServices", &json!({"cluster": "default", "services": ["web"]})).unwrap();
    let arn = service["services"][0]["serviceArn"].clone();
    let update = json!({"serviceArn": arn, "primaryContainer": {"image": two}});
    stage.world.ecs("UpdateExpressGatewayService", &update).unwrap();
    only(&verify(&stage), &[("warns", "deployment-in-progress")]);
}

#[tokio::test]
async fn a_service_that_is_created_is_examined_by_what_it_is_made_of() {
    let stage = Stage::empty().await;
    stage.world.cluster("default");
    stage.image_of("web", "one");
    let roles = "create: true, execution-role: 'arn:aws:iam::111122223333:role/x', \
                 infrastructure-role: 'arn:aws:iam::111122223333:role/y'";
    with(&stage, &format!("{roles}, container-port: 80, health-check-path: /"));
    let ran = verify(&stage);
    only(&ran, &[]);
    ran.says("is not there and is created");
    with(&stage, &format!("{roles}, secrets: {{ TOKEN: /pmis/none }}"));
    only(
        &verify(&stage),
        &[("fails", "secret-missing"), ("warns", "port-not-named"), ("warns", "health-path-not-named")],
    );
    with(
        &stage,
        &format!("{roles}, container-port: 80, health-check-path: /")
            .replace("111122223333:role/x", "444455556666:role/x"),
    );
    only(&verify(&stage), &[("fails", "role-elsewhere")]);
}

#[tokio::test]
async fn history_names_ten_good_releases_with_their_images_and_times() {
    let stage = whole().await;
    for number in 2..=12 {
        let image = stage.image_of("web", &format!("n{number}"));
        stage.command(&["deploy", "staging", "--yes", &format!("--image=web={image}")]).end().must(0);
    }
    // One that did not last is no good release.
    let bad = stage.image_of("web", "bad");
    stage.goes(&bad, Behaviour::exits(1, ["no"]));
    stage.command(&["deploy", "staging", "--yes", &format!("--image=web={bad}")]).end().must(1);
    let document = stage.command(&["history", "staging", "--last", "11", "--json"]).end().must(0).document();
    let releases = document["services"][0]["releases"].as_array().unwrap();
    let digests: Vec<&str> = releases.iter().map(|one| one["digest"].as_str().unwrap()).collect();
    let expected: Vec<String> = (2..=12)
        .rev()
        .map(|number| stage.image_of("web", &format!("n{number}")).split_once('@').unwrap().1.to_owned())
        .collect();
    assert_eq!(digests, expected, "{document:#}");
    assert!(releases.iter().all(|one| one["since"].is_string()), "{document:#}");
}

#[tokio::test]
async fn the_log_is_that_of_its_container_and_can_be_followed() {
    let stage = whole().await;
    let arn = stage.world.ecs("ListTaskDefinitions", &json!({"familyPrefix": "default-web"})).unwrap();
    let definition =
        stage.world.ecs("DescribeTaskDefinition", &json!({"taskDefinition": arn["taskDefinitionArns"][0]})).unwrap();
    let options = &definition["taskDefinition"]["containerDefinitions"][0]["logConfiguration"]["options"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let group = text(&options["awslogs-group"]);
    let stream = format!("{}/Main/0123456789abcdef", text(&options["awslogs-stream-prefix"]));
    stage.world.log(&group, &stream, &["hello"]);
    stage.world.log(&group, "other/Main/0123456789abcdef", &["a stranger"]);
    stage.command(&["logs", "staging"]).end().must(0).says("web Main/01234567 hello").says_not("a stranger");
    let running = stage.command(&["logs", "staging", "--follow"]).start();
    until("the first look", || stage.world.count("logs", "FilterLogEvents") >= 2);
    pause(std::time::Duration::from_millis(5));
    stage.world.log(&group, &stream, &["later"]);
    let before = stage.world.count("logs", "FilterLogEvents");
    until("the next looks", || stage.world.count("logs", "FilterLogEvents") > before + 1);
    running.signal(rustix::process::Signal::INT);
    let ran = running.end().must(0);
    assert_eq!((ran.stdout.matches("hello").count(), ran.stdout.matches("later").count()), (1, 1), "{}", ran.stdout);
}
