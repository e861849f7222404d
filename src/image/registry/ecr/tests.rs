use std::sync::Arc;

use super::*;
use crate::engine::Cancel;
use crate::image::served::{Answer, Served};
use crate::image::{Ask, Options, Pipeline};

fn image(text: &str) -> Manifest {
    Manifest::new(text.as_bytes().to_vec(), None)
}

fn tag(text: &str) -> Name {
    Name::Tag(text.parse().unwrap())
}

#[test]
fn images_are_put_in_the_order_of_the_names() {
    let batch = Batch {
        images: vec![image("b"), image("a")],
        tags: vec![Some("two".into()), Some("one".into())],
        missing: vec!["three".into()],
    };
    let found = assigned(&[tag("one"), tag("three"), tag("two"), Name::Digest(image("a").digest)], &batch).unwrap();
    assert_eq!(found, [Some(image("a")), None, Some(image("b")), Some(image("a"))]);
}

#[test]
fn one_image_for_several_tags_needs_no_second_call_and_two_unnamed_ones_do() {
    let same = Batch { images: vec![image("a"), image("a")], tags: vec![None, None], missing: Vec::new() };
    assert_eq!(assigned(&[tag("one"), tag("two")], &same).unwrap(), [Some(image("a")), Some(image("a"))]);
    let other = Batch { images: vec![image("a"), image("b")], tags: vec![None, None], missing: Vec::new() };
    assert!(assigned(&[tag("one"), tag("two")], &other).is_none());
}

async fn pipeline(served: &Served) -> Pipeline {
    let credentials = aws_credential_types::Credentials::new("id", "key", None, None, "test");
    let sdk = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region("us-east-1")
        .endpoint_url(format!("http://{}", served.host))
        .credentials_provider(credentials)
        .load()
        .await;
    let options = Options {
        environment: crate::process::Environment::new(),
        mask: Arc::new(|_| {}),
        lines: Arc::new(|_, _| {}),
        cancel: Cancel::new(),
    };
    Pipeline::new(&sdk, options)
}

fn json(status: &'static str, body: &serde_json::Value) -> Answer {
    (status, "content-type: application/x-amz-json-1.1\r\n".to_owned(), body.to_string())
}

const ECR: &str = "444455556666.dkr.ecr.eu-west-1.amazonaws.com/pmis/api";

#[tokio::test]
async fn a_tag_costs_one_call_to_the_region_of_the_registry() {
    let manifest = r#"{"schemaVersion":2}"#;
    let digest = ImageDigest::of(manifest.as_bytes());
    let served = Served::new(move |_, _| {
        let id = serde_json::json!({"imageTag": "v1", "imageDigest": digest});
        json("200 OK", &serde_json::json!({"images": [{"imageId": id, "imageManifest": manifest}], "failures": []}))
    });
    let image: ImageRef = format!("{ECR}:v1").parse().unwrap();
    let (pinned, _) = pipeline(&served).await.resolve_existing(&image, Ask::Digest).await.unwrap();
    assert_eq!(pinned, image.pinned(digest));
    let asked = served.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].contains(".BatchGetImage") && asked[0].contains("/eu-west-1/ecr/"), "{}", asked[0]);
}

#[tokio::test]
async fn what_ecr_refuses_or_gets_wrong_is_said_in_its_own_terms() {
    let ask = async |served: &Served| {
        let image: ImageRef = format!("{ECR}:v1").parse().unwrap();
        pipeline(served).await.resolve_existing(&image, Ask::Digest).await.unwrap_err()
    };
    let error = |kind: &'static str| {
        Served::new(move |_, _| json("400 Bad Request", &serde_json::json!({"__type": kind, "message": "it says so"})))
    };
    let denied = ask(&error("AccessDeniedException")).await;
    assert_eq!((denied.code.as_str(), denied.exit_code()), ("permission-missing", 4));
    assert!(denied.next.contains("`ecr:BatchGetImage`"), "{denied}");
    let missing = ask(&error("RepositoryNotFoundException")).await;
    assert_eq!(missing.code, "repository-missing");
    assert!(missing.next.contains("--repository-name pmis/api --region eu-west-1"), "{missing}");
    assert!(missing.next.contains("444455556666"), "{missing}");
    let other = ImageDigest::of(b"something else");
    let lying = Served::new(move |_, _| {
        let id = serde_json::json!({"imageTag": "v1", "imageDigest": other});
        json("200 OK", &serde_json::json!({"images": [{"imageId": id, "imageManifest": "{}"}], "failures": []}))
    });
    assert_eq!(ask(&lying).await.code, "registry-wrong-answer");
}
