use serde_json::json;

use super::*;

fn described() -> Service {
    Service::of(json!({
        "ServiceName": "web", "ServiceId": "0123", "ServiceArn": "arn:aws:apprunner:us-east-1:111122223333:service/web/0123",
        "Status": "RUNNING", "CreatedAt": 1.5, "ServiceUrl": "x.us-east-1.awsapprunner.com",
        "SourceConfiguration": {"ImageRepository": {
            "ImageIdentifier": "111122223333.dkr.ecr.us-east-1.amazonaws.com/acme/web:latest",
            "ImageRepositoryType": "ECR",
            "ImageConfiguration": {"Port": "80", "RuntimeEnvironmentVariables": {"A": "1", "EMPTY": ""}},
        }},
        "InstanceConfiguration": {"Cpu": "1024", "New": {"deep": true}},
        "AutoScalingConfigurationSummary": {"AutoScalingConfigurationArn": "arn:scale", "Status": "ACTIVE"},
        "HealthCheckConfiguration": {"Protocol": "HTTP", "Path": "/up", "Interval": 10},
        "NetworkConfiguration": {"EgressConfiguration": {"EgressType": "DEFAULT"}},
        "EncryptionConfiguration": {"KmsKey": "arn:key"},
    }))
    .unwrap()
}

#[test]
fn an_update_carries_every_part_whole_and_nothing_that_an_update_cannot_carry() {
    let configuration = described().configuration();
    let members: Vec<_> = configuration.input().as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        members,
        [
            "ServiceArn",
            "SourceConfiguration",
            "InstanceConfiguration",
            "HealthCheckConfiguration",
            "NetworkConfiguration",
            "AutoScalingConfigurationArn",
        ]
    );
    assert_eq!(configuration.input()["InstanceConfiguration"]["New"]["deep"], json!(true));
}

#[test]
fn a_revision_is_the_same_exactly_when_nothing_differs() {
    let one = described().configuration();
    let order = Configuration(json!({
        "AutoScalingConfigurationArn": "arn:scale", "ObservabilityConfiguration": {},
        "NetworkConfiguration": one.input()["NetworkConfiguration"],
        "HealthCheckConfiguration": {"Interval": 10, "Protocol": "HTTP", "Path": "/up"},
        "InstanceConfiguration": {"New": {"deep": true}, "Cpu": "1024", "Memory": null},
        "SourceConfiguration": one.input()["SourceConfiguration"], "ServiceArn": one.service_arn(),
    }));
    assert_eq!(one.id(), order.id());
    assert_eq!(one.id(), Configuration::of(&one.revision(None)).id());
    assert_ne!(one.id(), one.with_image("111122223333.dkr.ecr.us-east-1.amazonaws.com/acme/web:other").id());
    let none = std::collections::BTreeMap::new();
    let empty: std::collections::BTreeMap<String, String> = [("A".to_owned(), String::new())].into();
    assert_ne!(one.id(), one.with_environment(&empty, &none).id());
    assert_eq!(one.id(), one.with_environment(&none, &none).id());
}

#[test]
fn a_revision_is_named_by_its_tag_or_its_digest() {
    let one = described().configuration();
    assert_eq!(one.revision(None).name, "web:latest");
    assert_eq!(one.revision(None).image, None);
    let digest = format!("111122223333.dkr.ecr.us-east-1.amazonaws.com/acme/web@sha256:{}", "ab".repeat(32));
    let pinned = one.with_image(&digest).revision(None);
    assert_eq!((pinned.name.as_str(), pinned.image_text.as_str()), ("web@sha256:abababababab", digest.as_str()));
    assert_eq!(pinned.image.unwrap().by_digest(), digest);
    let commit = "a1b2c3d4e5f60718293a4b5c6d7e8f9012345678";
    let tagged = one.with_image(&format!("111122223333.dkr.ecr.us-east-1.amazonaws.com/acme/web:{commit}"));
    assert_eq!(tagged.revision(None).commit.unwrap().to_string(), commit);
}

#[test]
fn only_ecr_is_a_registry_app_runner_pulls_from() {
    let of = |host: &str| {
        let image: PinnedImage = format!("{host}/acme/web@sha256:{}", "0".repeat(64)).parse().unwrap();
        repository_type(&image)
    };
    assert_eq!(of("111122223333.dkr.ecr.eu-west-1.amazonaws.com"), Some("ECR"));
    assert_eq!(of("public.ecr.aws"), Some("ECR_PUBLIC"));
    assert_eq!(of("ghcr.io"), None);
}

#[test]
fn the_health_check_reads_as_a_sentence_part() {
    let words = described().health_check();
    assert_eq!(words, "HTTP /up on port 80, every 10 s, 2 s to answer, unhealthy after 5 failures");
}
