//! Scans of images: `StartImageScan`, and what one found, basic and enhanced
//! (`DescribeImageScanFindings`).
//!
//! An image that nobody scanned has no scan, and an index never has one: ECR scans the images it
//! lists.

use serde_json::{Value, json};

use super::Ecr;
use crate::env::Env;
use crate::reply::{Answer, ApiError, Millis, number, page, put, seconds, text};
use crate::seed::{FindingSeed, ScanSeed};

/// A scan, and when it was begun: as it was planted, or by whoever asked for it.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    seed: ScanSeed,
    begun: Option<Millis>,
}

/// "A basic image scan can only be started once per 24 hours on an individual image."
const EVERY: Millis = 24 * 60 * 60 * 1000;

impl Scan {
    pub(crate) fn planted(seed: ScanSeed, now: Millis) -> Self {
        let begun = (!seed.asked).then_some(now);
        Self { seed, begun }
    }
}

impl Ecr {
    pub(super) fn start_scan(&mut self, body: &Value, now: Millis, env: &Env) -> Answer {
        let (name, digest, list) = self.scanned(body, env)?;
        if list {
            let message = format!(
                "The image with digest '{digest}' in the repository with name '{name}' in the registry with id '{}' is of a type that cannot be scanned",
                env.account
            );
            return Err(ApiError::bad("UnsupportedImageTypeException", message));
        }
        // With Amazon Inspector nobody but it begins a scan.
        if self.scans.iter().any(|scan| scan.seed.enhanced) {
            return Err(ApiError::bad("ValidationException", "This feature is disabled"));
        }
        let of = |scan: &Scan| scan.seed.repository == name && scan.seed.digest == digest;
        if self.scans.iter().any(|scan| of(scan) && scan.begun.is_some_and(|begun| now < begun + EVERY)) {
            let message = "The scan quota per image has been exceeded. Wait and try again.";
            return Err(ApiError::bad("LimitExceededException", message));
        }
        // What nobody planted is clean.
        let planted = self.scans.iter().rev().find(|scan| of(scan)).map(|scan| scan.seed.clone());
        let seed = planted.unwrap_or_else(|| ScanSeed {
            repository: name.clone(),
            digest: digest.clone(),
            status: "COMPLETE".to_owned(),
            ..ScanSeed::default()
        });
        self.scans.push(Scan { seed, begun: Some(now) });
        let mut id = json!({"imageDigest": digest});
        put(&mut id, "imageTag", text(&body["imageId"], "imageTag"));
        Ok(json!({
            "registryId": env.account, "repositoryName": name, "imageId": id,
            "imageScanStatus": {"status": "IN_PROGRESS"},
        }))
    }

    /// The repository and the digest of the image that is meant, and whether it lists others.
    fn scanned(&mut self, body: &Value, env: &Env) -> Result<(String, String, bool), ApiError> {
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
        let list = ["index", "list"].iter().any(|kind| super::media_type(&image.manifest).contains(kind));
        Ok((name, image.digest.clone(), list))
    }

    pub(super) fn scan_findings(&mut self, body: &Value, now: Millis, env: &Env) -> Answer {
        let (name, digest, _) = self.scanned(body, env)?;
        let of = |scan: &&Scan| scan.seed.repository == name && scan.seed.digest == digest;
        let begun = self.scans.iter().rev().filter(of).find_map(|scan| Some((scan, scan.begun?)));
        let (scan, begun) = begun.ok_or_else(|| {
            let message = format!("Image scan does not exist for the image with '{{imageDigest:'{digest}'}}' in the repository with name '{name}' in the registry with id '{}'", env.account);
            ApiError::bad("ScanNotFoundException", message)
        })?;
        let under_way = scan.seed.takes_ms.is_some_and(|takes| now < begun + takes);
        let status = if under_way { "IN_PROGRESS" } else { scan.seed.status.as_str() };
        let mut answer = json!({
            "registryId": env.account, "repositoryName": name, "imageId": {"imageDigest": digest},
            "imageScanStatus": {"status": status, "description": scan.seed.description},
        });
        if !["COMPLETE", "ACTIVE"].contains(&status) {
            return Ok(answer);
        }
        if text(body, "nextToken").is_some_and(|token| token.parse::<usize>().is_err()) {
            return Err(ApiError::bad("InvalidParameterException", "Invalid parameter at 'nextToken'"));
        }
        let size = number(body, "maxResults").and_then(|size| usize::try_from(size).ok()).unwrap_or(100).clamp(1, 1000);
        let (found, next) = page(scan.seed.findings.iter().collect(), text(body, "nextToken"), size);
        let mut findings = json!({"imageScanCompletedAt": seconds(begun), "findingSeverityCounts": {}});
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
