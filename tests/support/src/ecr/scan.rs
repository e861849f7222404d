//! What a scan of an image found: `DescribeImageScanFindings`, basic and enhanced.
//!
//! An image that nobody scanned has no scan, and an index never has one: ECR scans the images it
//! lists.

use serde_json::{Value, json};

use super::Ecr;
use crate::env::Env;
use crate::reply::{Answer, ApiError, Millis, number, page, put, seconds, text};
use crate::seed::{FindingSeed, ScanSeed};

/// A scan, and when it was begun.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    pub(crate) seed: ScanSeed,
    pub(crate) begun: Millis,
}

impl Ecr {
    pub(super) fn scan_findings(&mut self, body: &Value, now: Millis, env: &Env) -> Answer {
        let id = &body["imageId"];
        let (tag, wanted) = (text(id, "imageTag"), text(id, "imageDigest"));
        let (name, repository) = self.repository(body, env)?;
        let image = repository.find(tag, wanted).ok_or_else(|| {
            let message = format!(
                "The image with imageId {id} does not exist within the repository with name '{name}' in the registry with id '{}'",
                env.account
            );
            ApiError::bad("ImageNotFoundException", message)
        })?;
        let digest = image.digest.clone();
        let scan = self.scans.iter().rev().find(|scan| scan.seed.repository == name && scan.seed.digest == digest);
        let scan = scan.ok_or_else(|| {
            let message = format!("Image scan does not exist for the image with '{{imageDigest:'{digest}'}}' in the repository with name '{name}' in the registry with id '{}'", env.account);
            ApiError::bad("ScanNotFoundException", message)
        })?;
        let under_way = scan.seed.takes_ms.is_some_and(|takes| now < scan.begun + takes);
        let status = if under_way { "IN_PROGRESS" } else { scan.seed.status.as_str() };
        let mut answer = json!({
            "registryId": env.account, "repositoryName": name, "imageId": {"imageDigest": digest},
            "imageScanStatus": {"status": status, "description": scan.seed.description},
        });
        if !["COMPLETE", "ACTIVE"].contains(&status) {
            return Ok(answer);
        }
        let size = number(body, "maxResults").and_then(|size| usize::try_from(size).ok()).unwrap_or(100).clamp(1, 1000);
        let (found, next) = page(scan.seed.findings.iter().collect(), text(body, "nextToken"), size);
        let mut findings = json!({"imageScanCompletedAt": seconds(scan.begun), "findingSeverityCounts": {}});
        for one in &scan.seed.findings {
            let count = findings["findingSeverityCounts"][&one.severity].as_u64().unwrap_or(0);
            findings["findingSeverityCounts"][&one.severity] = json!(count + 1);
        }
        let (member, documents): (_, Vec<Value>) = if scan.seed.enhanced {
            ("enhancedFindings", found.iter().map(|one| enhanced(one)).collect())
        } else {
            ("findings", found.iter().map(|one| basic(one)).collect())
        };
        findings[member] = json!(documents);
        answer["imageScanFindings"] = findings;
        put(&mut answer, "nextToken", next);
        Ok(answer)
    }
}

fn basic(finding: &FindingSeed) -> Value {
    json!({
        "name": finding.name, "description": "", "uri": finding.url, "severity": finding.severity,
        "attributes": [
            {"key": "package_version", "value": finding.version}, {"key": "package_name", "value": finding.package},
        ],
    })
}

fn enhanced(finding: &FindingSeed) -> Value {
    let mut package = json!({"name": finding.package, "version": finding.version, "packageManager": "OS", "epoch": 0});
    put(&mut package, "fixedInVersion", finding.fixed_in.clone());
    json!({
        "findingArn": format!("arn:aws:inspector2:us-east-1:111122223333:finding/{}", finding.name),
        "severity": finding.severity, "status": finding.status, "type": "PACKAGE_VULNERABILITY",
        "title": format!("{} - {}", finding.name, finding.package),
        "packageVulnerabilityDetails": {
            "vulnerabilityId": finding.name, "source": "DEBIAN_CVE", "sourceUrl": finding.url,
            "vulnerablePackages": [package],
        },
    })
}
