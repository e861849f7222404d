//! Requests through real load balancers while deployments move traffic.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{AwsWorld, Behaviour, RollbackOutcome, Rule, Served, ServiceSeed, Timing, TrafficRule};

/// `api` on v1 in cluster `shop`, behind a load balancer; canaries of 10 % that pause before each
/// shift.
async fn shop() -> AwsWorld {
    let world = AwsWorld::start().await;
    world.timing(Timing { hook_minute_ms: Some(60_000), ..Timing::instant() }).cluster("shop");
    for image in ["api:v1", "api:v2"] {
        world.task_definition(json!({"family": "api", "containerDefinitions": [{"name": "app", "image": image}]}));
    }
    let pause = json!({"targetType": "PAUSE", "lifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"]});
    let configuration = json!({"strategy": "CANARY", "bakeTimeInMinutes": 1, "lifecycleHooks": [pause],
        "canaryConfiguration": {"canaryPercent": 10, "canaryBakeTimeInMinutes": 0}});
    let service = ServiceSeed::new("shop", "api", "api:1").desired(2).shifting("api", "app", 8080);
    world.service(service.with("deploymentConfiguration", configuration));
    world
}

fn deploy(world: &AwsWorld) -> String {
    let update = json!({"cluster": "shop", "service": "api", "taskDefinition": "api:2"});
    let answer = world.ecs("UpdateService", &update).unwrap();
    answer["service"]["currentServiceDeployment"].as_str().unwrap().to_owned()
}

fn deployment(world: &AwsWorld, arn: &str) -> Value {
    let asked = json!({"serviceDeploymentArns": [arn]});
    world.ecs("DescribeServiceDeployments", &asked).unwrap()["serviceDeployments"][0].clone()
}

/// Says `action` at the hook that waits.
fn decide(world: &AwsWorld, arn: &str, action: &str) {
    let hook = deployment(world, arn)["lifecycleHookDetails"][0]["hookId"].clone();
    let request = json!({"serviceDeploymentArn": arn, "hookId": hook, "action": action});
    world.ecs("ContinueServiceDeployment", &request).unwrap();
}

fn by(served: &[Served], image: &str) -> usize {
    served.iter().filter(|one| one.image == image).count()
}

#[tokio::test]
async fn requests_over_http_are_split_by_the_weights_of_the_moment() {
    let world = shop().await;
    let url = world.balancer("shop", "api");
    assert_eq!(world.balancer("shop", "api"), url);
    let client = reqwest::Client::new();
    let ask = async |count: usize| {
        let before = world.served("shop", "api").len();
        for _ in 0..count {
            let answer = client.get(&url).send().await.unwrap();
            assert_eq!(answer.status(), 200);
            assert!(answer.headers()["x-image"].to_str().unwrap().starts_with("api:v"));
        }
        world.served("shop", "api")[before..].to_vec()
    };
    assert_eq!(by(&ask(10).await, "api:v1"), 10);
    let arn = deploy(&world);
    assert_eq!(by(&ask(10).await, "api:v1"), 10, "nothing moves before the first decision");
    decide(&world, &arn, "CONTINUE");
    assert_eq!(by(&ask(100).await, "api:v2"), 10);
    decide(&world, &arn, "CONTINUE");
    assert_eq!(by(&ask(10).await, "api:v2"), 10);
    assert_eq!(deployment(&world, &arn)["status"], "SUCCESSFUL");
}

#[tokio::test]
async fn every_revision_is_within_one_request_of_its_share_at_any_time() {
    let world = shop().await;
    let arn = deploy(&world);
    decide(&world, &arn, "CONTINUE");
    let served = world.requests("shop", "api", 1000);
    for count in 1..=served.len() {
        #[expect(clippy::cast_precision_loss, reason = "a thousand requests")]
        let off = by(&served[..count], "api:v2") as f64 - count as f64 * 0.1;
        assert!(off.abs() <= 1.0, "{count} requests: {off} off");
    }
}

#[tokio::test]
async fn a_decision_to_go_back_ends_the_new_revisions_requests_at_once() {
    let world = shop().await;
    let arn = deploy(&world);
    decide(&world, &arn, "CONTINUE");
    assert_eq!(by(&world.requests("shop", "api", 20), "api:v2"), 2);
    decide(&world, &arn, "ROLLBACK");
    assert_eq!(by(&world.requests("shop", "api", 20), "api:v2"), 0);
    assert_eq!(deployment(&world, &arn)["status"], "ROLLBACK_SUCCESSFUL");
}

#[tokio::test]
async fn a_failed_rollback_goes_on_splitting() {
    let world = shop().await;
    world.rule(Rule::any(Behaviour::healthy()).rollback(RollbackOutcome::Fails));
    let arn = deploy(&world);
    decide(&world, &arn, "CONTINUE");
    decide(&world, &arn, "ROLLBACK");
    assert_eq!(deployment(&world, &arn)["status"], "ROLLBACK_FAILED");
    assert_eq!(by(&world.requests("shop", "api", 20), "api:v2"), 2);
}

#[tokio::test]
async fn test_traffic_sees_the_new_revision_before_the_first_shift() {
    let world = shop().await;
    let url = world.balancer("shop", "api");
    deploy(&world);
    let request = reqwest::Client::new().get(&url).header("x-amzn-ecs-blue-green-test", "1");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["x-image"], "api:v2");
    assert!(world.served("shop", "api")[0].test);
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "what a user would wait is measured")]
async fn a_bad_revision_fails_and_is_slow_as_the_rule_says() {
    let world = shop().await;
    world.traffic_rule(TrafficRule::image("v2").errors(0.25).latency(40, 20));
    let url = world.balancer("shop", "api");
    let arn = deploy(&world);
    decide(&world, &arn, "CONTINUE");
    decide(&world, &arn, "CONTINUE");
    let began = Instant::now();
    let answer = reqwest::get(&url).await.unwrap();
    assert!(began.elapsed().as_millis() >= 40, "the delay is real");
    assert_eq!(answer.headers()["x-image"], "api:v2");
    let served = world.requests("shop", "api", 399);
    assert_eq!(served.iter().filter(|one| one.status == 500).count(), 100);
    assert!(served.iter().all(|one| (40..60).contains(&one.latency_ms)));
    let early = served.iter().filter(|one| one.latency_ms < 50).count();
    assert!((190..=210).contains(&early), "{early} of 399 in the first half of the spread");
}

#[tokio::test]
async fn what_cloudwatch_measures_is_told_by_target_group_and_load_balancer() {
    let world = shop().await;
    world.traffic_rule(TrafficRule::image("v2").errors(0.5).latency(80, 0));
    let arn = deploy(&world);
    decide(&world, &arn, "CONTINUE");
    let served = world.requests("shop", "api", 100);
    let (from, to) = (served[0].at_ms, served[99].at_ms + 1);
    let green =
        [("TargetGroup", "targetgroup/api-green/fedcba9876543210"), ("LoadBalancer", "app/api/50dc6c495c0c9188")];
    let count = |metric: &str, dimensions: &[(&str, &str)]| {
        let samples = world.measured(metric, dimensions, from, to).unwrap();
        (samples.len(), samples.iter().map(|(_, value)| value).sum::<f64>())
    };
    assert_eq!(count("RequestCount", &green), (10, 10.0));
    assert_eq!(count("HTTPCode_Target_5XX_Count", &green), (5, 5.0));
    let (answers, seconds) = count("TargetResponseTime", &green);
    assert!(answers == 10 && (seconds - 0.8).abs() < 1e-9, "{seconds}");
    let blue = [("TargetGroup", "targetgroup/api-blue/0123456789abcdef")];
    assert_eq!(count("RequestCount", &blue), (90, 90.0));
    assert_eq!(count("HTTPCode_Target_5XX_Count", &blue).0, 0);
    assert_eq!(count("RequestCount", &[("LoadBalancer", "app/other/1")]).0, 0);
    assert_eq!(world.measured("CPUUtilization", &[], from, to), None);
    assert_eq!(world.measured("RequestCount", &green, to, to + 1).unwrap(), []);
}

#[tokio::test]
async fn a_service_with_no_task_to_answer_is_a_503_of_the_load_balancer() {
    let world = shop().await;
    world.ecs("UpdateService", &json!({"cluster": "shop", "service": "api", "desiredCount": 0})).unwrap();
    let url = world.balancer("shop", "api");
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 503);
    let none = world.measured("RequestCount", &[], 0, u64::MAX).unwrap();
    let own = world.measured("HTTPCode_ELB_5XX_Count", &[], 0, u64::MAX).unwrap();
    assert_eq!((none.len(), own.len()), (0, 1));
    assert_eq!(reqwest::get(world.balancer("shop", "nobody")).await.unwrap().status(), 503);
}
