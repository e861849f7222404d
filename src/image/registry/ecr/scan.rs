//! What ECR's scans found in an image: basic scanning and Amazon Inspector's (enhanced).

use aws_sdk_ecr::error::ProvideErrorMetadata;
use aws_sdk_ecr::types::{
    EnhancedImageScanFinding, ImageIdentifier, ImageScanFinding, PackageVulnerabilityDetails, ScanStatus,
};

use super::super::RegistryError;
use super::Ecr;
use crate::aws::failure;
use crate::config::spec::Severity;
use crate::image::scan::{Finding, Scanned};
use crate::types::{ImageDigest, ImageRef};

/// The most findings a page may have.
const PAGE: i32 = 1000;

impl Ecr {
    /// What is known of one image; never asked for an index, which ECR does not scan.
    pub(in crate::image) async fn scanned(
        &self,
        repository: &ImageRef,
        digest: ImageDigest,
    ) -> Result<Scanned, RegistryError> {
        let call = self
            .client
            .describe_image_scan_findings()
            .registry_id(self.account.as_str())
            .repository_name(repository.repository().as_str())
            .image_id(ImageIdentifier::builder().image_digest(digest.to_string()).build())
            .max_results(PAGE);
        let mut findings = Vec::new();
        let mut token = None;
        loop {
            let answer = match call.clone().set_next_token(token).send().await {
                Ok(answer) => answer,
                Err(error) if error.code() == Some("ScanNotFoundException") => return Ok(Scanned::Never),
                Err(error) => {
                    return Err(Self::wrong(repository, failure("ecr:DescribeImageScanFindings", &error)));
                }
            };
            let status = answer.image_scan_status();
            let words = status.and_then(|status| status.description()).unwrap_or_default();
            match status.and_then(|status| status.status()) {
                Some(ScanStatus::Complete | ScanStatus::Active) => {}
                Some(ScanStatus::InProgress | ScanStatus::Pending) => return Ok(Scanned::UnderWay),
                other => {
                    let status = other.map_or("no status", ScanStatus::as_str);
                    let why = if words.is_empty() { status.to_owned() } else { format!("{status}: {words}") };
                    return Ok(Scanned::Without { why });
                }
            }
            if let Some(found) = answer.image_scan_findings() {
                findings.extend(found.findings().iter().map(basic));
                findings.extend(found.enhanced_findings().iter().flat_map(enhanced));
            }
            token = answer.next_token().filter(|token| !token.is_empty()).map(str::to_owned);
            if token.is_none() {
                return Ok(Scanned::Done(findings));
            }
        }
    }
}

fn basic(finding: &ImageScanFinding) -> Finding {
    let attribute = |wanted: &str| {
        let found = finding.attributes().iter().find(|attribute| attribute.key() == wanted);
        found.and_then(|attribute| attribute.value()).unwrap_or_default().to_owned()
    };
    Finding {
        severity: severity(finding.severity().map_or("", |severity| severity.as_str())),
        name: finding.name().unwrap_or_default().to_owned(),
        package: attribute("package_name"),
        version: attribute("package_version"),
        fixed_in: None,
        url: finding.uri().map(str::to_owned),
    }
}

/// One finding for each package it is about. What somebody suppressed in Inspector, or what is
/// mended, is none.
fn enhanced(finding: &EnhancedImageScanFinding) -> Vec<Finding> {
    if finding.status().is_some_and(|status| status != "ACTIVE") {
        return Vec::new();
    }
    let details = finding.package_vulnerability_details();
    let name = details.and_then(|details| details.vulnerability_id()).or(finding.title()).unwrap_or_default();
    let one = |package: &str, version: &str, fixed_in: Option<&str>| Finding {
        severity: severity(finding.severity().unwrap_or_default()),
        name: name.to_owned(),
        package: package.to_owned(),
        version: version.to_owned(),
        // Inspector says `NotAvailable` where there is no version to go to.
        fixed_in: fixed_in.filter(|version| !version.is_empty() && *version != "NotAvailable").map(str::to_owned),
        url: details.and_then(|details| details.source_url()).map(str::to_owned),
    };
    let packages = details.map(PackageVulnerabilityDetails::vulnerable_packages).unwrap_or_default();
    if packages.is_empty() {
        return vec![one("", "", None)];
    }
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    packages
        .iter()
        .map(|package| one(&text(package.name()), &text(package.version()), package.fixed_in_version()))
        .collect()
}

/// `CRITICAL`, and a word nobody knows yet, are the gravest.
fn severity(word: &str) -> Severity {
    match word {
        "HIGH" => Severity::High,
        "MEDIUM" => Severity::Medium,
        "LOW" => Severity::Low,
        "INFORMATIONAL" => Severity::Informational,
        "UNDEFINED" | "UNTRIAGED" => Severity::Undefined,
        _ => Severity::Critical,
    }
}
