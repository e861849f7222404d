use std::path::Path;

use super::*;
use crate::engine::Cancel;
use crate::image::served::Served;
use crate::image::{Ask, Options, Pipeline};

#[test]
fn plain_http_is_only_spoken_to_this_machine() {
    let scheme = |host: &str, endpoint| Scheme::of(&host.parse().unwrap(), endpoint);
    let ecr = "111122223333.dkr.ecr.us-east-1.amazonaws.com";
    for host in ["localhost:5000", "127.0.0.1:5000", "127.1.2.3", "localhost"] {
        assert_eq!(scheme(host, None), Scheme::Http, "{host}");
    }
    for host in ["ghcr.io", "localhost.example.com", "128.0.0.1:5000", ecr, "public.ecr.aws"] {
        assert_eq!(scheme(host, None), Scheme::Https, "{host}");
    }
    assert_eq!(scheme(ecr, Some("127.0.0.1")), Scheme::Http);
    assert_eq!(scheme(ecr, Some("vpce-1.example.com")), Scheme::Https);
    assert_eq!(scheme("ghcr.io", Some("127.0.0.1")), Scheme::Https);
}

#[test]
fn a_challenge_is_read() {
    let challenge = "realm=\"https://auth.example.com/token\",service=\"registry.example.com\"";
    assert_eq!(parameter(challenge, "realm").unwrap(), "https://auth.example.com/token");
    assert_eq!(parameter(challenge, "service").unwrap(), "registry.example.com");
    assert_eq!(parameter(challenge, "scope"), None);
}

fn pipeline(own: &Path) -> Pipeline {
    let environment = [("DOCKER_CONFIG".to_owned(), own.to_str().unwrap().to_owned())].into();
    let options = Options { environment, mask: Arc::new(|_| {}), lines: Arc::new(|_, _| {}), cancel: Cancel::new() };
    Pipeline::new(&aws_types::SdkConfig::builder().build(), options)
}

const MANIFEST: &str = r#"{"schemaVersion":2,"layers":[]}"#;

/// A registry that wants a token, which it gives to `me` with the password `pw`.
fn with_token() -> Served {
    Served::new(|head, own| {
        let json = "content-type: application/json\r\n".to_owned();
        if head.starts_with("GET /token") {
            let me = base64::engine::general_purpose::STANDARD.encode("me:pw");
            return if head.contains(&format!("authorization: Basic {me}")) {
                ("200 OK", json, r#"{"token":"t0k"}"#.to_owned())
            } else {
                ("401 Unauthorized", json, "who are you".to_owned())
            };
        }
        if !head.contains("authorization: Bearer t0k") {
            let challenge = format!("www-authenticate: Bearer realm=\"http://{own}/token\",service=\"reg\"\r\n");
            return ("401 Unauthorized", challenge, String::new());
        }
        if head.contains("/manifests/v1 ") {
            ("200 OK", "content-type: application/vnd.oci.image.manifest.v1+json\r\n".to_owned(), MANIFEST.to_owned())
        } else {
            ("404 Not Found", json, r#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#.to_owned())
        }
    })
}

#[tokio::test]
async fn a_registry_that_wants_a_token_gets_the_users_login_for_this_repository_only() {
    let served = with_token();
    let own = tempfile::tempdir().unwrap();
    let auth = base64::engine::general_purpose::STANDARD.encode("me:pw");
    let config = format!(r#"{{"auths":{{"{}":{{"auth":"{auth}"}}}}}}"#, served.host);
    std::fs::write(own.path().join("config.json"), config).unwrap();
    let pipeline = pipeline(own.path());
    let image: ImageRef = format!("{}/acme/app:v1", served.host).parse().unwrap();
    let (pinned, _) = pipeline.resolve_existing(&image, Ask::Digest).await.unwrap();
    assert_eq!(pinned.digest(), ImageDigest::of(MANIFEST.as_bytes()));
    let asked = served.asked();
    assert!(asked[1].starts_with("GET /token?service=reg&scope=repository%3Aacme%2Fapp%3Apull "), "{}", asked[1]);
    assert_eq!(asked.len(), 3);

    // The token is used again, and what is not there is a mistake, not a failure.
    let other = image.with_tag("v2".parse().unwrap());
    assert_eq!(pipeline.resolve_existing(&other, Ask::Digest).await.unwrap_err().code, "image-missing");
    assert_eq!(served.asked().len(), 4);
}

#[tokio::test]
async fn a_registry_that_refuses_says_how_to_log_in() {
    let served = with_token();
    let own = tempfile::tempdir().unwrap();
    let image: ImageRef = format!("{}/acme/app:v1", served.host).parse().unwrap();
    let problem = pipeline(own.path()).resolve_existing(&image, Ask::Digest).await.unwrap_err();
    assert_eq!((problem.code.as_str(), problem.exit_code()), ("registry-denied", 4));
    assert!(problem.next.contains(&format!("docker login {}", served.host)), "{problem}");
}

#[tokio::test]
async fn a_manifest_that_is_not_its_digest_is_refused() {
    let served = Served::new(|_, _| ("200 OK", String::new(), MANIFEST.to_owned()));
    let own = tempfile::tempdir().unwrap();
    let image: ImageRef = format!("{}/acme/app@sha256:{}", served.host, "a".repeat(64)).parse().unwrap();
    let problem = pipeline(own.path()).resolve_existing(&image, Ask::Commit).await.unwrap_err();
    assert_eq!(problem.code, "registry-wrong-answer");
}
