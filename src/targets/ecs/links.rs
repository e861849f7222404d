//! Pages of the AWS console (addresses as the console's own share links have them). Pure.

use std::fmt::Write as _;

/// The console's host in a region's partition.
fn host(region: &str) -> String {
    let domain = if region.starts_with("cn-") {
        "console.amazonaws.cn"
    } else if region.starts_with("us-gov-") {
        "console.amazonaws-us-gov.com"
    } else {
        "console.aws.amazon.com"
    };
    format!("https://{region}.{domain}")
}

/// A service.
pub(super) fn service(region: &str, cluster: &str, service: &str) -> String {
    format!("{}/ecs/v2/clusters/{cluster}/services/{service}?region={region}", host(region))
}

/// A task of a cluster.
pub(super) fn task(region: &str, cluster: &str, task: &str) -> String {
    format!("{}/ecs/v2/clusters/{cluster}/tasks/{task}?region={region}", host(region))
}

/// A log stream. The console encodes its own fragment: every `%` becomes `$`, and once more.
pub(super) fn log(region: &str, group: &str, stream: &str) -> String {
    let twice = |text: &str| {
        let mut out = String::new();
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
                out.push(char::from(byte));
            } else {
                let _written = write!(out, "$25{byte:02X}");
            }
        }
        out
    };
    let (group, stream) = (twice(group), twice(stream));
    format!("{}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{group}/log-events/{stream}", host(region))
}
