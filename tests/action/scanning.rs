//! The scan gate: what is grave in an image refuses the release before anything changes.

use serde_json::{Value, json};
use shipline_test_support::{Fault, FaultKind, FindingSeed, ImageSeed, ScanSeed};

use super::stage::{REGISTRY, Run, Stage};

struct Gated {
    stage: Stage,
    image: String,
}

impl Gated {
    async fn with(rule: &str) -> Self {
        let stage = Stage::new().await;
        stage.write(
            ".github/shipline.yml",
            &format!(
                "version: 1
services: {{ api: {{ image: {{ repository: pmis/api }} }} }}
environments:
  staging:
    aws: {{ region: us-east-1 }}
    services: {{ api: {{ ecs: {{ cluster: pmis, service: api }} }} }}
  production:
    aws: {{ region: us-east-1 }}
    services: {{ api: {{ ecs: {{ cluster: pmis, service: api-production }} }} }}
    scan: {rule}
"
            ),
        );
        stage.service("api-production", |service| service.desired(2));
        let image = stage.image_of("api", "two");
        Self { stage, image }
    }

    fn deploy(&self) -> Run<'_> {
        self.stage.command(&["deploy", "production", "--yes", "--json", &format!("--image=api={}", self.image)])
    }

    fn scan(&self, change: impl FnOnce(&mut ScanSeed)) {
        let (_, digest) = self.image.split_once('@').unwrap();
        let mut scan = ScanSeed {
            repository: "pmis/api".to_owned(),
            digest: digest.to_owned(),
            status: "COMPLETE".to_owned(),
            ..ScanSeed::default()
        };
        change(&mut scan);
        self.stage.world.scan(scan);
    }

    #[track_caller]
    fn refused(&self) -> Value {
        let ran = self.deploy().end().must(3);
        assert_eq!(self.stage.changes(), Vec::<String>::new());
        ran.document()["problems"].clone()
    }
}

fn findings() -> Vec<FindingSeed> {
    vec![
        FindingSeed::new("CVE-2026-0003", "LOW", "tar", "1.34"),
        FindingSeed::new("CVE-2026-0002", "HIGH", "openssl", "3.0.1"),
        FindingSeed::new("CVE-2026-0001", "CRITICAL", "zlib", "1.2.1"),
        FindingSeed::new("CVE-2026-0004", "UNDEFINED", "perl", "5.36"),
        FindingSeed::new("CVE-2026-0005", "HIGH", "curl", "8.1"),
    ]
}

#[tokio::test]
async fn grave_findings_refuse_the_release_sorted_with_package_version_and_page() {
    let gated = Gated::with("{ severity: high, wait: 5s }").await;
    gated.scan(|scan| scan.findings = findings());
    let problems = gated.refused();
    assert_eq!(problems[0]["code"], "scan-findings");
    assert_eq!(
        problems[0]["what"],
        format!("api: the scan of {} has 3 findings of severity high or above", gated.image)
    );
    assert_eq!(
        problems[0]["why"],
        json!([
            "critical CVE-2026-0001 in zlib 1.2.1: https://security-tracker.debian.org/tracker/CVE-2026-0001",
            "high CVE-2026-0002 in openssl 3.0.1: https://security-tracker.debian.org/tracker/CVE-2026-0002",
            "high CVE-2026-0005 in curl 8.1: https://security-tracker.debian.org/tracker/CVE-2026-0005",
        ])
    );
}

#[tokio::test]
async fn known_findings_and_lesser_ones_let_the_release_pass() {
    let gated = Gated::with("{ severity: high, ignore: [CVE-2026-0001, CVE-2026-0002, CVE-2026-0005] }").await;
    gated.scan(|scan| scan.findings = findings());
    gated.deploy().end().must(0);
    gated.stage.assert_serves("api-production", &gated.image);
}

#[tokio::test]
async fn enhanced_findings_on_several_pages_count_and_suppressed_ones_do_not() {
    let gated = Gated::with("{ severity: critical }").await;
    gated.scan(|scan| {
        scan.enhanced = true;
        scan.status = "ACTIVE".to_owned();
        scan.findings = (0..1_500).map(|n| FindingSeed::new(&format!("CVE-2025-{n}"), "MEDIUM", "a", "1")).collect();
        let fixed = FindingSeed {
            fixed_in: Some("1.2.2".to_owned()),
            ..FindingSeed::new("CVE-2026-0001", "CRITICAL", "zlib", "1.2.1")
        };
        let closed = FindingSeed {
            status: "SUPPRESSED".to_owned(),
            ..FindingSeed::new("CVE-2026-0009", "CRITICAL", "bash", "5")
        };
        scan.findings.extend([closed, fixed]);
    });
    let problems = gated.refused();
    let told = "critical CVE-2026-0001 in zlib 1.2.1, fixed in 1.2.2: https://security-tracker.debian.org/tracker/CVE-2026-0001";
    assert_eq!(problems[0]["why"], json!([told]));
    assert_eq!(gated.stage.world.count("ecr", "DescribeImageScanFindings"), 2, "1000 findings a page");
}

#[tokio::test]
async fn a_scan_under_way_is_waited_for() {
    let gated = Gated::with("{ severity: high, wait: 30s }").await;
    gated.scan(|scan| scan.takes_ms = Some(1_500));
    gated.deploy().end().must(0);
    assert!(gated.stage.world.count("ecr", "DescribeImageScanFindings") > 1);
}

#[tokio::test]
async fn a_scan_that_does_not_end_in_time_refuses_the_release() {
    let gated = Gated::with("{ severity: high, wait: 1s }").await;
    gated.scan(|scan| scan.takes_ms = Some(600_000));
    let problems = gated.refused();
    assert_eq!(problems[0]["code"], "scan-under-way");
}

#[tokio::test]
async fn an_image_without_a_scan_is_refused_with_the_way_to_one() {
    let gated = Gated::with("{ severity: high, wait: 0s }").await;
    let problems = gated.refused();
    assert_eq!(problems[0]["code"], "not-scanned");
    let next = problems[0]["next"].as_str().unwrap();
    assert!(next.contains("scanOnPush=true") && next.contains("start-image-scan --registry-id 111122223333"), "{next}");

    gated.scan(|scan| {
        scan.status = "UNSUPPORTED_IMAGE".to_owned();
        scan.description = "the operating system is not known".to_owned();
    });
    let problems = gated.refused();
    assert_eq!(problems[0]["why"], json!(["UNSUPPORTED_IMAGE: the operating system is not known"]));
}

#[tokio::test]
async fn an_image_without_a_scan_may_be_allowed_and_is_told_of() {
    let gated = Gated::with("{ severity: high, wait: 0s, unscanned: allow }").await;
    let ran = gated.deploy().end().must(0);
    let notices = ran.document()["notices"].to_string();
    assert!(notices.contains("has no scan (nobody scanned it)"), "{notices}");
}

#[tokio::test]
async fn the_images_of_every_platform_are_looked_at() {
    let gated = Gated::with("{ severity: high, wait: 0s }").await;
    let parts = ["amd64", "arm64"].map(|name| gated.stage.image_of("api", name));
    let digest = |image: &str| image.split_once('@').unwrap().1.to_owned();
    let mut manifests: Vec<Value> = parts
        .iter()
        .map(|image| json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(image), "size": 1}))
        .collect();
    manifests.push(json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": format!("sha256:{}", "0".repeat(64)),
        "size": 1, "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
    }));
    let index =
        json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests});
    let seed = ImageSeed {
        repository: "pmis/api".to_owned(),
        tags: vec!["both".to_owned()],
        manifest: Some(index.to_string()),
        ..ImageSeed::default()
    };
    let image = format!("{REGISTRY}/pmis/api@{}", gated.stage.world.image(seed));
    for (part, finding) in parts.iter().zip([None, Some(FindingSeed::new("CVE-2026-0007", "HIGH", "libc", "2.36"))]) {
        gated.stage.world.scan(ScanSeed {
            repository: "pmis/api".to_owned(),
            digest: digest(part),
            status: "COMPLETE".to_owned(),
            findings: finding.into_iter().collect(),
            ..ScanSeed::default()
        });
    }
    let gated = Gated { image, ..gated };
    let problems = gated.refused();
    assert!(problems[0]["why"][0].as_str().unwrap().starts_with("high CVE-2026-0007 in libc 2.36"), "{problems:#}");
}

#[tokio::test]
async fn a_promoted_image_passes_the_gate_of_where_it_goes() {
    let gated = Gated::with("{ severity: high, wait: 0s }").await;
    let live = gated.stage.live_image("api");
    let bad = Gated { image: live, ..gated };
    bad.scan(|scan| scan.findings = findings());
    let ran = bad.stage.command(&["deploy", "production", "--from", "staging", "--yes", "--json"]).end().must(3);
    assert_eq!(ran.document()["problems"][0]["code"], "scan-findings");
}

#[tokio::test]
async fn a_rollback_asks_for_no_scan_and_a_missing_permission_is_named() {
    let gated = Gated::with("{ severity: high, wait: 0s }").await;
    gated.scan(|_| {});
    gated.deploy().end().must(0);
    gated.stage.world.forget_calls();
    gated.stage.command(&["rollback", "production", "--yes"]).end().must(0);
    assert_eq!(gated.stage.world.count("ecr", "DescribeImageScanFindings"), 0);
    gated.stage.world.fault(Fault::on("ecr", "DescribeImageScanFindings", FaultKind::Deny));
    gated.deploy().end().must(4).says("ecr:DescribeImageScanFindings");
}
