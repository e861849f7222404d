//! The world over its real socket.

use std::io;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::AwsWorld;
use crate::{Behaviour, Fault, FaultKind, Rule, ServiceSeed, Timing};

async fn post(endpoint: &str, target: &str, body: &Value) -> io::Result<(u16, Value)> {
    let address = endpoint.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await?;
    let body = body.to_string();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\nx-amz-target: {target}\r\nconnection: close\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/us-east-1/ecs/aws4_request, Signature=0\r\n\
         content-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no answer"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("no status"))?;
    Ok((status, serde_json::from_str(body).map_err(io::Error::other)?))
}

async fn ecs(world: &AwsWorld, operation: &str, body: Value) -> io::Result<(u16, Value)> {
    post(&world.endpoint(), &format!("AmazonEC2ContainerServiceV20141113.{operation}"), &body).await
}

async fn shop() -> AwsWorld {
    let world = AwsWorld::start().await;
    world.timing(Timing::instant()).cluster("shop");
    for image in ["api:v1", "api:v2"] {
        world.task_definition(json!({"family": "api", "containerDefinitions": [{"name": "app", "image": image}]}));
    }
    world.service(ServiceSeed::new("shop", "api", "api:1").desired(2).circuit_breaker("rollback"));
    world
}

#[tokio::test]
async fn a_rule_decides_how_a_deployment_over_http_ends() {
    let world = shop().await;
    world.rule(Rule::image("api:v2", Behaviour::exits(1, ["boom"])));
    let update = json!({"cluster": "shop", "service": "api", "taskDefinition": "api:2"});
    let (status, _) = ecs(&world, "UpdateService", update).await.unwrap();
    assert_eq!(status, 200);
    let list = json!({"cluster": "shop", "service": "api"});
    let (_, listed) = ecs(&world, "ListServiceDeployments", list).await.unwrap();
    assert_eq!(listed["serviceDeployments"][0]["status"], "ROLLBACK_SUCCESSFUL");
    assert_eq!(world.count("ecs", "UpdateService"), 1);
    assert_eq!(world.calls()[0].access_key_id.as_deref(), Some("AKIATEST"));
}

#[tokio::test]
async fn somebody_else_can_interfere_without_being_recorded() {
    let world = shop().await;
    let update = json!({"cluster": "shop", "service": "api", "forceNewDeployment": true});
    world.ecs("UpdateService", &update).unwrap();
    let refused = world.ecs("UpdateService", &json!({"cluster": "shop", "service": "none"}));
    assert!(refused.unwrap_err().starts_with("ServiceNotFoundException"));
    assert!(world.calls().is_empty());
}

#[tokio::test]
async fn a_lost_answer_is_no_answer_but_has_its_effect() {
    let world = shop().await;
    world.fault(Fault::on("ecs", "UpdateService", FaultKind::LoseResponse).times(1));
    let update = json!({"cluster": "shop", "service": "api", "taskDefinition": "api:2"});
    assert!(ecs(&world, "UpdateService", update).await.is_err());
    let described = world.ecs("DescribeServices", &json!({"cluster": "shop", "services": ["api"]})).unwrap();
    assert!(described["services"][0]["taskDefinition"].as_str().unwrap().ends_with("api:2"));
    assert_eq!(world.calls()[0].status, None);
}

#[tokio::test]
async fn a_test_that_blocks_its_runtime_is_answered() {
    let world = shop().await;
    let endpoint = world.endpoint();
    let other = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(post(
            &endpoint,
            "AmazonEC2ContainerServiceV20141113.ListServices",
            &json!({"cluster": "shop"}),
        ))
    });
    let (status, listed) = other.join().unwrap().unwrap();
    assert_eq!((status, listed["serviceArns"].as_array().unwrap().len()), (200, 1));
}

#[tokio::test]
async fn a_dropped_world_no_longer_answers() {
    let world = shop().await;
    let endpoint = world.endpoint();
    drop(world);
    assert!(post(&endpoint, "AmazonEC2ContainerServiceV20141113.ListServices", &json!({})).await.is_err());
}
