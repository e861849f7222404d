//! The last log lines of a container, where its task definition sends them to CloudWatch Logs.

use std::time::Duration;

use aws_sdk_cloudwatchlogs::Client;
use serde_json::{Map, Value};

use super::calls::{Left, Pauses};
use super::render;
use crate::aws::failure;
use crate::engine::ProviderFailure;
use crate::engine::target::FailureKind;

/// How many lines are shown.
const LINES: i32 = 20;
/// Lines reach CloudWatch Logs a little after the container has ended.
const LATE: Duration = Duration::from_millis(1300);

/// Where a container's log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) group: String,
    pub(super) name: String,
    pub(super) region: String,
}

/// Why there is no stream to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoStream {
    /// The container has no log configuration.
    NotConfigured,
    /// It uses another driver, which cannot be read here.
    Driver(String),
    /// `awslogs` without a group or stream prefix: the stream's name is not known.
    Unnamed,
}

/// The stream of a container of a task (`prefix/container/task`, AWS ECS developer guide "awslogs").
pub(super) fn stream(
    content: &Map<String, Value>,
    container: &str,
    task: &str,
    region: &str,
) -> Result<Stream, NoStream> {
    let log = render::container(content, container).and_then(|known| known.get("logConfiguration"));
    let log = log.ok_or(NoStream::NotConfigured)?;
    match log.get("logDriver").and_then(Value::as_str) {
        Some("awslogs") => {}
        Some(other) => return Err(NoStream::Driver(other.to_owned())),
        None => return Err(NoStream::NotConfigured),
    }
    let option = |name: &str| log.get("options")?.get(name)?.as_str().map(str::to_owned);
    let (Some(group), Some(prefix)) = (option("awslogs-group"), option("awslogs-stream-prefix")) else {
        return Err(NoStream::Unnamed);
    };
    let region = option("awslogs-region").unwrap_or_else(|| region.to_owned());
    Ok(Stream { group, name: format!("{prefix}/{container}/{task}"), region })
}

/// The last lines, oldest first; waits a moment for lines that come late.
pub(super) async fn last_lines(client: &Client, of: &Stream) -> Result<Vec<String>, ProviderFailure> {
    let mut pauses = Pauses::within(LATE);
    loop {
        let found = read(client, of).await;
        let may_come = match &found {
            Ok(lines) => lines.is_empty(),
            // The stream is made with its first line.
            Err(failure) => failure.kind == FailureKind::Missing || failure.is_passing(),
        };
        if !may_come || pauses.pause().await == Left::None {
            return found;
        }
    }
}

async fn read(client: &Client, of: &Stream) -> Result<Vec<String>, ProviderFailure> {
    let asked = client
        .get_log_events()
        .log_group_name(&of.group)
        .log_stream_name(&of.name)
        .limit(LINES)
        .start_from_head(false)
        .send()
        .await;
    let answer = asked.map_err(|error| failure("logs:GetLogEvents", &error))?;
    Ok(answer.events().iter().filter_map(|event| event.message().map(|line| line.trim_end().to_owned())).collect())
}
