//! Ten services of one cluster that are deployed at once: what that costs in calls, and that nobody is
//! told what is about somebody else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use shipline::report::View;
use shipline_test_support::{Behaviour, Call, Fault, FaultKind, RoleSeed, Rule};

use super::stage::{Run, Stage};

const ROLE: &str = "arn:aws:iam::111122223333:role/fleet";

/// Ten services, each on its image `one`.
struct Fleet {
    stage: Stage,
    names: Vec<String>,
    /// The image `two` of each.
    images: BTreeMap<String, String>,
}

impl Fleet {
    async fn new() -> Self {
        Self::with_aws("{ region: us-east-1 }").await
    }

    async fn with_aws(aws: &str) -> Self {
        let stage = Stage::empty().await;
        let names: Vec<String> = (0..10).map(|number| format!("service-{number}")).collect();
        for name in &names {
            stage.service(name, |service| service.desired(2));
        }
        let images = names.iter().map(|name| (name.clone(), stage.image_of(name, "two"))).collect();
        // One is named by its ARN, as people do who copy from the console.
        let written = |name: &str| match name {
            "service-1" => format!("\"arn:aws:ecs:us-east-1:111122223333:service/pmis/{name}\""),
            name => name.to_owned(),
        };
        let place =
            |name: &String| format!("      {name}: {{ ecs: {{ cluster: pmis, service: {} }} }}\n", written(name));
        let listed = names.iter().map(|name| format!("  {name}: {{}}\n")).collect::<Vec<_>>().concat();
        let places = names.iter().map(place).collect::<Vec<_>>().concat();
        stage.write(
            ".github/shipline.yml",
            &format!(
                "version: 1\nservices:\n{listed}environments:\n  staging:\n    aws: {aws}\n    services:\n{places}"
            ),
        );
        Self { stage, names, images }
    }

    /// `shipline deploy staging` of the image `two` to those services.
    fn deploy(&self, names: &[String], more: &[&str]) -> Run<'_> {
        let images: Vec<String> = names.iter().map(|name| format!("--image={name}={}", self.images[name])).collect();
        let all = ["deploy", "staging", "--yes"].into_iter().chain(names.iter().map(String::as_str));
        let arguments: Vec<&str> = all.chain(images.iter().map(String::as_str)).chain(more.iter().copied()).collect();
        self.stage.command(&arguments)
    }

    fn calls(&self, operation: &str) -> Vec<Call> {
        self.stage.world.calls_of("ecs", operation)
    }
}

/// What a call asks for.
fn asked<'a>(call: &'a Call, member: &str) -> Vec<&'a str> {
    call.body[member].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect()
}

const SHARED: [(&str, &str, usize); 2] =
    [("DescribeServices", "services", 10), ("DescribeServiceDeployments", "serviceDeploymentArns", 20)];

#[tokio::test]
async fn following_ten_services_costs_the_calls_of_one() {
    let fleet = Fleet::new().await;
    // All take the same time, so that the two runs can be compared.
    fleet.stage.world.rule(Rule::any(Behaviour::slow(4000, 200)));
    let (one, others) = fleet.names.split_first().unwrap();
    fleet.deploy(std::slice::from_ref(one), &[]).end().must(0);
    let alone = SHARED.map(|(operation, ..)| fleet.calls(operation).len());
    fleet.stage.world.forget_calls();

    fleet.deploy(others, &[]).end().must(0);
    for name in &fleet.names {
        fleet.stage.assert_serves(name, &fleet.images[name]);
    }
    for ((operation, member, most), alone) in SHARED.into_iter().zip(alone) {
        let calls = fleet.calls(operation);
        assert!(calls.len() <= 2 * alone, "{operation}: {} calls for nine, {alone} for one", calls.len());
        assert!(calls.iter().all(|call| asked(call, member).len() <= most), "{calls:#?}");
        let all: BTreeSet<&str> = calls.iter().flat_map(|call| asked(call, member)).collect();
        assert_eq!(all.len(), 9, "{operation} asked for {all:?}");
    }
}

#[tokio::test]
async fn one_of_ten_that_fails_is_the_one_named_and_all_go_back() {
    let fleet = Fleet::new().await;
    let old: Vec<String> = fleet.names.iter().map(|name| fleet.stage.live_image(name)).collect();
    fleet.stage.goes(&fleet.images["service-6"], Behaviour::exits(3, ["no queue"]));
    let ran = fleet.deploy(&fleet.names, &["--json"]).end().must(1);
    for (name, image) in fleet.names.iter().zip(&old) {
        fleet.stage.assert_serves(name, image);
    }
    let view: View = serde_json::from_value(ran.document()).unwrap();
    assert_eq!(view.result, "rolled-back");
    for service in &view.services {
        assert_eq!(service.state, "restored", "{service:#?}");
        match (&service.cause, service.name.as_str()) {
            (Some(cause), "service-6") => assert_eq!(cause.exit.as_ref().unwrap().code, 3, "{cause:#?}"),
            (cause, name) => assert!(cause.is_none(), "{name} is blamed: {cause:#?}"),
        }
    }
    for (operation, ..) in SHARED {
        let count = fleet.calls(operation).len();
        assert!(count < 40, "{operation}: {count} calls");
    }
}

#[tokio::test]
async fn throttled_looks_hold_everybody_back_and_fail_nobody() {
    let fleet = Fleet::new().await;
    fleet.stage.world.rule(Rule::any(Behaviour::slow(1500, 200)));
    // Plan and change are through: services are followed.
    for (operation, ..) in SHARED {
        fleet.stage.world.fault(Fault::on("ecs", operation, FaultKind::Throttle).after(4).times(2));
    }
    fleet.deploy(&fleet.names, &[]).end().must(0);
    for name in &fleet.names {
        fleet.stage.assert_serves(name, &fleet.images[name]);
    }
    for (operation, ..) in SHARED {
        let calls = fleet.calls(operation);
        let throttled: Vec<usize> = (0..calls.len()).filter(|index| calls[*index].status == Some(400)).collect();
        assert_eq!(throttled.len(), 2, "{operation}: {calls:#?}");
        for (index, least) in throttled.into_iter().zip([900, 1900]) {
            let Some(next) = calls.get(index + 1) else { continue };
            let gap = next.at_ms - calls[index].at_ms;
            assert!(gap >= least, "{operation} was asked again {gap} ms after it asked for fewer calls");
        }
    }
}

#[tokio::test]
async fn a_service_that_is_not_there_and_one_that_may_not_be_seen_refuse_the_plan_for_themselves_alone() {
    let fleet = Fleet::new().await;
    let file = fleet.stage.path("work/.github/shipline.yml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("service: service-3 }", "service: servce-3 }")).unwrap();
    let ran = fleet.deploy(&fleet.names, &["--json"]).end().must(4);
    let problems = ran.document()["problems"].as_array().unwrap().clone();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    ran.says("there is no ECS service servce-3 in cluster pmis").says("`service-3`");

    let hidden = Fleet::with_aws(&format!("{{ region: us-east-1, role: \"{ROLE}\" }}")).await;
    let denied = json!({"Effect": "Deny", "Action": "ecs:DescribeServices",
        "Resource": "arn:aws:ecs:us-east-1:111122223333:service/pmis/service-3"});
    let policy = json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}, denied]});
    hidden.stage.world.role(RoleSeed { arn: ROLE.to_owned(), policy: Some(policy), ..RoleSeed::default() });
    let ran = hidden.deploy(&hidden.names, &["--json"]).end().must(4);
    let problems: Vec<Value> = ran.document()["problems"].as_array().unwrap().clone();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0]["what"].as_str().unwrap().contains("service/pmis/service-3"), "{problems:#?}");
    assert_eq!((fleet.stage.changes(), hidden.stage.changes()), (Vec::new(), Vec::new()));
}
