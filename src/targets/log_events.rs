//! Lines of CloudWatch log groups since an instant.

use std::collections::BTreeSet;

use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::types::FilteredLogEvent;
use aws_types::SdkConfig;

use crate::aws::failure;
use crate::engine::target::FailureKind;
use crate::engine::{LogLine, ProviderFailure};
use crate::types::Timestamp;

/// A log group, or the streams of it with a common beginning.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    pub(super) region: String,
    pub(super) name: String,
    /// The beginning of the streams' names; all streams when absent.
    pub(super) streams: Option<String>,
}

/// Every line of a group since then, page by page to the end. A group that does not exist yet has none.
pub(super) async fn since(
    config: &SdkConfig,
    group: &Group,
    at: Timestamp,
    from: impl Fn(&str) -> String + Send,
) -> Result<Vec<LogLine>, ProviderFailure> {
    let region = aws_sdk_cloudwatchlogs::config::Region::new(group.region.clone());
    let client = Client::from_conf(aws_sdk_cloudwatchlogs::config::Builder::from(config).region(region).build());
    let mut lines = Vec::new();
    let mut token = None;
    // An answer may hold nothing and still have a page behind it (CloudWatch Logs API, `FilterLogEvents`).
    loop {
        let asked = client
            .filter_log_events()
            .log_group_name(&group.name)
            .set_log_stream_name_prefix(group.streams.clone())
            .start_time(at.as_millisecond())
            .set_next_token(token);
        let page = match asked.send().await.map_err(|error| failure("logs:FilterLogEvents", &error)) {
            Err(failure) if failure.kind == FailureKind::Missing => return Ok(lines),
            other => other?,
        };
        lines.extend(page.events.unwrap_or_default().into_iter().filter_map(|event| line(event, group, &from)));
        token = page.next_token;
        if token.is_none() {
            return Ok(lines);
        }
    }
}

fn line(event: FilteredLogEvent, group: &Group, from: impl Fn(&str) -> String) -> Option<LogLine> {
    let stream = event.log_stream_name.unwrap_or_default();
    let millis = event.timestamp?;
    let text = event.message.unwrap_or_default().trim_end().to_owned();
    let id = event.event_id.unwrap_or_else(|| format!("{stream}/{millis}/{text}"));
    Some(LogLine {
        at: Timestamp::from_millisecond(millis).ok()?,
        id: format!("{}/{}/{stream}/{id}", group.region, group.name),
        from: from(&stream),
        text,
    })
}

/// Which of these groups of a region do not exist.
pub(super) async fn missing(
    config: &SdkConfig,
    region: &str,
    names: &BTreeSet<String>,
) -> Result<Vec<String>, ProviderFailure> {
    let region = aws_sdk_cloudwatchlogs::config::Region::new(region.to_owned());
    let client = Client::from_conf(aws_sdk_cloudwatchlogs::config::Builder::from(config).region(region).build());
    let mut missing = Vec::new();
    for name in names {
        // Names are listed in order, so the very name is on the first page.
        let asked = client.describe_log_groups().log_group_name_prefix(name).send().await;
        let page = asked.map_err(|error| failure("logs:DescribeLogGroups", &error))?;
        if !page.log_groups().iter().any(|known| known.log_group_name() == Some(name)) {
            missing.push(name.clone());
        }
    }
    Ok(missing)
}
