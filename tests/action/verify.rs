//! What would fail is found before the first deployment: one planted mistake a story.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shipline_test_support::{
    AppRunnerServiceSeed, Behaviour, BlobSeed, ClusterSeed, Fault, FaultKind, ImageSeed, RepositorySeed, RoleSeed,
    Seed, ServiceSeed, TargetHealthSeed,
};

use super::stage::{REGISTRY, Ran, Stage, TARGET_GROUP, definition};

const FILE: &str = "version: 1
services:
  api: { image: { repository: pmis/api } }
environments:
  staging:
    aws: { region: us-east-1 }
    services:
      api: { ecs: { cluster: pmis, service: api, container: app } }
";

const SECRET: &str = "arn:aws:secretsmanager:us-east-1:111122223333:secret:pmis/db-AbCdEf";

/// A service that has everything it needs.
fn whole() -> ServiceSeed {
    ServiceSeed::new("pmis", "api", "api").desired(2).circuit_breaker("rollback").target_group(
        TARGET_GROUP,
        "app",
        8080,
    )
}

/// Its task definition.
fn task(image: &str) -> Value {
    let mut task = definition("api", image);
    task["containerDefinitions"][0]["secrets"] = json!([
        {"name": "DATABASE_URL", "valueFrom": format!("{SECRET}:url::")},
        {"name": "TOKEN", "valueFrom": "/pmis/token"},
    ]);
    task
}

/// A stage on which nothing is wrong, but for what is changed here.
async fn stage(change: impl FnOnce(&Stage, &mut Value, &mut ServiceSeed, &mut Seed)) -> Stage {
    let stage = Stage::empty().await;
    let mut seed = Seed {
        secrets: vec!["pmis/db".to_owned()],
        parameters: vec!["/pmis/token".to_owned()],
        log_groups: vec!["/pmis/api".to_owned()],
        ..Seed::default()
    };
    let mut task = task(&stage.image_of("api", "one"));
    let mut service = whole();
    stage.write(".github/shipline.yml", FILE);
    change(&stage, &mut task, &mut service, &mut seed);
    let arn = stage.world.task_definition(task);
    stage.world.service(service.with("taskDefinition", arn));
    stage.world.seed(seed);
    stage
}

fn verify(stage: &Stage) -> Ran {
    verify_image(stage, &format!("{REGISTRY}/pmis/api:one"))
}

fn verify_image(stage: &Stage, image: &str) -> Ran {
    let image = format!("--image=api={image}");
    let ran = stage.command(&["verify", "staging", &image, "--json"]).end();
    assert_eq!(stage.changes(), Vec::<String>::new(), "verify changes nothing");
    ran
}

/// Codes of what was found, with their weight.
fn found(ran: &Ran) -> Vec<(String, String)> {
    let document = ran.document();
    let findings = document["findings"].as_array().unwrap_or_else(|| panic!("{document:#}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    findings.iter().map(|one| (text(&one["weight"]), text(&one["problem"]["code"]))).collect()
}

/// Exactly this one was found.
#[track_caller]
fn only(ran: &Ran, weight: &str, code: &str) {
    assert_eq!(found(ran), [(weight.to_owned(), code.to_owned())], "{}", ran.said());
    assert_eq!(ran.code == 0, weight != "fails", "{}", ran.said());
}

#[tokio::test]
async fn where_nothing_is_wrong_nothing_is_found_and_it_says_what_it_looked_at() {
    let stage = stage(|_, _, _, _| {}).await;
    let ran = verify(&stage).must(0);
    assert_eq!(found(&ran), Vec::new());
    assert_eq!(ran.document()["result"], "ready");
    let good = ran.document()["good"].to_string();
    for part in
        ["account 111122223333", "service pmis/api", "container app", "secret TOKEN", "/pmis/api", "target group api"]
    {
        assert!(good.contains(part), "{part} is not in {good}");
    }
    let image = format!("--image=api={REGISTRY}/pmis/api:one");
    stage.command(&["verify", "staging", &image]).end().must(0).says("nothing that is known would fail");
}

#[tokio::test]
async fn a_role_that_cannot_be_assumed() {
    let stage = stage(|stage, _, _, seed| {
        stage.write(
            ".github/shipline.yml",
            &FILE.replace("region: us-east-1", "region: us-east-1, role: \"arn:aws:iam::111122223333:role/shipline\""),
        );
        seed.roles = vec![RoleSeed { arn: "arn:aws:iam::111122223333:role/other".to_owned(), ..RoleSeed::default() }];
    })
    .await;
    let ran = verify(&stage);
    assert_eq!(ran.code, 4, "{}", ran.said());
    assert_eq!(found(&ran)[0].0, "fails");
    ran.says("arn:aws:iam::111122223333:role/shipline");
}

#[tokio::test]
async fn an_account_that_is_not_allowed() {
    let stage = stage(|stage, _, _, _| {
        stage.write(
            ".github/shipline.yml",
            &FILE.replace("region: us-east-1", "region: us-east-1, allowed-account-ids: [\"444455556666\"]"),
        );
    })
    .await;
    only(&verify(&stage), "fails", "account-not-allowed");
}

#[tokio::test]
async fn a_repository_that_does_not_exist() {
    let stage = stage(|_, _, _, _| {}).await;
    only(&verify_image(&stage, &format!("{REGISTRY}/pmis/apo:one")), "fails", "repository-missing");
}

#[tokio::test]
async fn an_image_that_does_not_exist() {
    let stage = stage(|_, _, _, seed| {
        seed.repositories = vec![RepositorySeed { name: "pmis/new".to_owned(), immutable: true }];
    })
    .await;
    only(&verify_image(&stage, &format!("{REGISTRY}/pmis/new:two")), "fails", "image-missing");
}

#[tokio::test]
async fn an_image_for_another_platform() {
    let stage = stage(|stage, _, _, _| {
        let config = json!({"architecture": "arm64", "os": "linux", "config": {}}).to_string();
        let digest = shipline::types::ImageDigest::of(config.as_bytes()).to_string();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": [],
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": config.len()},
        });
        let image = ImageSeed {
            repository: "pmis/api".to_owned(),
            tags: vec!["arm".to_owned()],
            labels: BTreeMap::new(),
            manifest: Some(manifest.to_string()),
        };
        let blob = BlobSeed { repository: "pmis/api".to_owned(), text: config };
        stage.world.seed(Seed { images: vec![image], blobs: vec![blob], ..Seed::default() });
    })
    .await;
    let arm = format!("{REGISTRY}/pmis/api:arm");
    let ran = verify_image(&stage, &arm);
    only(&ran, "fails", "wrong-platform");
    ran.says("linux/arm64").says("platforms: [linux/amd64]");
}

#[tokio::test]
async fn a_cluster_that_does_not_exist_or_is_no_more() {
    for file in [FILE.replace("cluster: pmis,", "cluster: pmsi,"), FILE.replace("cluster: pmis,", "cluster: old,")] {
        let stage = stage(|stage, _, _, seed| {
            stage.write(".github/shipline.yml", &file);
            seed.clusters = vec![ClusterSeed { name: "old".to_owned(), status: "INACTIVE".to_owned() }];
        })
        .await;
        only(&verify(&stage), "fails", "cluster-not-found");
    }
}

#[tokio::test]
async fn a_service_that_does_not_exist() {
    let stage = stage(|stage, _, _, _| {
        stage.write(".github/shipline.yml", &FILE.replace("service: api,", "service: apo,"));
    })
    .await;
    let ran = verify(&stage);
    only(&ran, "fails", "service-not-found");
    ran.says("`api`");
}

#[tokio::test]
async fn a_container_that_is_not_in_the_task_definition() {
    let stage = stage(|stage, _, _, _| {
        stage.write(".github/shipline.yml", &FILE.replace("container: app", "container: application"));
    })
    .await;
    only(&verify(&stage), "fails", "container-not-found");
}

#[tokio::test]
async fn a_secret_that_does_not_exist() {
    let stage = stage(|_, _, _, seed| seed.secrets.clear()).await;
    let ran = verify(&stage);
    only(&ran, "fails", "secret-missing");
    ran.says("DATABASE_URL");
}

#[tokio::test]
async fn a_parameter_that_does_not_exist() {
    let stage = stage(|_, _, _, seed| seed.parameters.clear()).await;
    let ran = verify(&stage);
    only(&ran, "fails", "secret-missing");
    ran.says("/pmis/token");
}

#[tokio::test]
async fn a_log_group_that_does_not_exist() {
    // Without a task, because one that ran would have written there.
    let stage = stage(|_, task, service, seed| {
        *service = whole().desired(0);
        task["containerDefinitions"][0]["logConfiguration"]["options"]["awslogs-group"] = json!("/pmis/none");
        // One with a longer name is another one.
        seed.log_groups = vec!["/pmis/none-old".to_owned()];
    })
    .await;
    let ran = verify(&stage);
    let codes = [("fails", "log-group-missing"), ("warns", "no-tasks")];
    assert_eq!(found(&ran), codes.map(|(weight, code)| (weight.to_owned(), code.to_owned())), "{}", ran.said());
    ran.says("aws logs create-log-group");
}

#[tokio::test]
async fn a_target_group_that_was_deleted() {
    let stage = stage(|_, _, _, seed| seed.deleted_target_groups = vec![TARGET_GROUP.to_owned()]).await;
    only(&verify(&stage), "fails", "target-group-missing");
}

#[tokio::test]
async fn a_health_check_that_nothing_passes() {
    let stage = stage(|_, _, _, seed| {
        let target = TargetHealthSeed {
            id: "10.0.0.7".to_owned(),
            port: 8080,
            state: "unhealthy".to_owned(),
            reason: Some("Target.ResponseCodeMismatch".to_owned()),
            description: Some("Health checks failed with these codes: [404]".to_owned()),
        };
        seed.target_health = [(TARGET_GROUP.to_owned(), vec![target])].into();
    })
    .await;
    let ran = verify(&stage);
    only(&ran, "fails", "health-check-fails");
    ran.says("/health").says("[404]");
}

#[tokio::test]
async fn an_execution_role_that_is_not_named() {
    let stage = stage(|_, task, _, _| {
        task.as_object_mut().unwrap().remove("executionRoleArn");
    })
    .await;
    only(&verify(&stage), "fails", "execution-role-missing");
}

#[tokio::test]
async fn a_task_that_fits_no_size_of_fargate() {
    let stage = stage(|stage, task, _, _| {
        let mut file = task.clone();
        file["memory"] = json!("4096");
        stage.write("deploy/api.json", &file.to_string());
        let with_file = FILE.replace("container: app", "container: app, task-definition: deploy/api.json");
        stage.write(".github/shipline.yml", &with_file);
    })
    .await;
    let ran = verify(&stage);
    only(&ran, "fails", "task-does-not-fit");
    ran.says("deploy/api.json").says("256 CPU units and 4096 MiB");
}

#[tokio::test]
async fn a_task_definition_file_that_cannot_be_read() {
    let stage = stage(|stage, _, _, _| {
        stage.write("deploy/api.json", "{ \"family\": ");
        let with_file = FILE.replace("container: app", "container: app, task-definition: deploy/api.json");
        stage.write(".github/shipline.yml", &with_file);
    })
    .await;
    only(&verify(&stage), "fails", "task-definition-invalid");
}

#[tokio::test]
async fn a_port_that_the_load_balancer_wants_and_nobody_maps() {
    let stage = stage(|_, task, _, _| {
        task["containerDefinitions"][0]["portMappings"] = json!([{"containerPort": 9090, "protocol": "tcp"}]);
    })
    .await;
    only(&verify(&stage), "fails", "port-not-mapped");
}

#[tokio::test]
async fn a_service_without_tasks_is_worth_a_look() {
    let stage = stage(|_, _, service, _| *service = whole().desired(0)).await;
    only(&verify(&stage), "warns", "no-tasks");
}

#[tokio::test]
async fn a_circuit_breaker_that_is_off_is_worth_a_look() {
    let stage = stage(|_, _, service, _| {
        *service = ServiceSeed::new("pmis", "api", "api").target_group(TARGET_GROUP, "app", 8080);
    })
    .await;
    only(&verify(&stage), "warns", "circuit-breaker-off");
}

#[tokio::test]
async fn a_deployment_under_way_is_worth_a_look() {
    let stage = stage(|_, _, _, _| {}).await;
    let two = stage.image_of("api", "two");
    stage.goes(&two, Behaviour::slow(60_000, 50));
    let arn = stage.world.task_definition(task(&two));
    let asked = json!({"cluster": "pmis", "service": "api", "taskDefinition": arn});
    stage.world.ecs("UpdateService", &asked).unwrap();
    only(&verify(&stage), "warns", "deployment-in-progress");
}

#[tokio::test]
async fn an_address_that_does_not_answer_is_worth_a_look() {
    let stage = stage(|stage, _, _, _| {
        // Nobody listens on the port that is reserved for discarding.
        stage
            .write(".github/shipline.yml", &format!("{FILE}    verify: [{{ http: \"http://127.0.0.1:9/health\" }}]\n"));
    })
    .await;
    only(&verify(&stage), "warns", "address-does-not-answer");
}

#[tokio::test]
async fn a_strategy_that_the_service_cannot_carry_out() {
    let stage = stage(|stage, _, _, _| {
        let rule = "    rollout: { canary: { percent: 10, bake: 10m } }\n";
        stage.write(".github/shipline.yml", &format!("{FILE}{rule}"));
    })
    .await;
    only(&verify(&stage), "fails", "strategy-not-possible");
}

#[tokio::test]
async fn a_token_that_github_does_not_let_in_is_worth_a_look() {
    let stage = stage(|_, _, _, seed| seed.faults = vec![Fault::on_service("github", FaultKind::Deny)]).await;
    let image = format!("--image=api={REGISTRY}/pmis/api:one");
    let ran = stage
        .command(&["verify", "staging", &image, "--json"])
        .set("SHIPLINE_GITHUB_TOKEN", "ghs_stage0000000000000000000000000000001")
        .set("GITHUB_REPOSITORY", "acme/shop")
        .set("GITHUB_API_URL", &stage.world.endpoint())
        .end()
        .must(0);
    assert_eq!(found(&ran).len(), 1, "{}", ran.said());
    assert_eq!(found(&ran)[0].0, "warns");
}

#[tokio::test]
async fn what_may_not_be_looked_at_is_told_apart_from_what_is_wrong() {
    let stage = stage(|_, _, _, seed| {
        seed.faults = vec![Fault::on("secretsmanager", "DescribeSecret", FaultKind::Deny)];
    })
    .await;
    let ran = verify(&stage);
    only(&ran, "unseen", "permission-missing");
    ran.says("secretsmanager:DescribeSecret");
}

#[tokio::test]
async fn all_mistakes_are_told_at_once_and_the_exit_code_is_that_of_the_gravest() {
    let stage = stage(|_, task, service, seed| {
        task.as_object_mut().unwrap().remove("executionRoleArn");
        task["memory"] = json!("4096");
        *service = whole().desired(0);
        seed.secrets.clear();
        seed.log_groups.clear();
        seed.deleted_target_groups = vec![TARGET_GROUP.to_owned()];
    })
    .await;
    let ran = verify_image(&stage, &format!("{REGISTRY}/pmis/api:none")).must(2);
    let codes: Vec<String> = found(&ran).into_iter().map(|(_, code)| code).collect();
    for code in [
        "execution-role-missing",
        "task-does-not-fit",
        "no-tasks",
        "secret-missing",
        "log-group-missing",
        "target-group-missing",
        "image-missing",
    ] {
        assert!(codes.iter().any(|known| known == code), "{code} is not in {codes:?}");
    }
}

const WEB: &str = "version: 1
services: { web: {} }
environments:
  staging:
    aws: { region: us-east-1 }
    services: { web: { app-runner: { service: shop-web, secrets: { TOKEN: /pmis/token } } } }
";

async fn app_runner() -> (Stage, String) {
    let stage = Stage::empty().await;
    stage.write(".github/shipline.yml", WEB);
    let image = stage.image_of("web", "one");
    let arn = stage.world.app_runner_service(AppRunnerServiceSeed::new("shop-web", &image));
    stage.world.seed(Seed { parameters: vec!["/pmis/token".to_owned()], ..Seed::default() });
    (stage, arn)
}

fn verify_web(stage: &Stage) -> Ran {
    let image = format!("--image=web={REGISTRY}/pmis/web:one");
    stage.command(&["verify", "staging", &image, "--json"]).end()
}

#[tokio::test]
async fn an_app_runner_service_that_is_paused_or_busy_or_not_there() {
    let (stage, arn) = app_runner().await;
    assert_eq!(found(&verify_web(&stage)), Vec::new());

    stage.write(".github/shipline.yml", &WEB.replace("/pmis/token", "/pmis/none"));
    only(&verify_web(&stage), "fails", "secret-missing");

    stage.write(".github/shipline.yml", &WEB.replace("shop-web", "shop-wbe"));
    only(&verify_web(&stage), "fails", "service-not-found");

    stage.write(".github/shipline.yml", WEB);
    stage.world.app_runner_rule(stuck());
    stage.world.app_runner("StartDeployment", &json!({ "ServiceArn": arn })).unwrap();
    only(&verify_web(&stage), "warns", "deployment-in-progress");
}

fn stuck() -> shipline_test_support::AppRunnerRule {
    serde_json::from_value(json!({"service": "shop-web", "behaviour": {"kind": "stuck"}})).unwrap()
}

#[tokio::test]
async fn a_paused_app_runner_service() {
    let (stage, arn) = app_runner().await;
    stage.world.app_runner("PauseService", &json!({ "ServiceArn": arn })).unwrap();
    super::stage::until("the pause", || {
        let seen = stage.world.app_runner("DescribeService", &json!({ "ServiceArn": arn })).unwrap();
        seen["Service"]["Status"] == "PAUSED"
    });
    only(&verify_web(&stage), "fails", "service-paused");
}
