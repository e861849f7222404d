//! CloudWatch Logs: groups, streams and the lines simulated containers wrote.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::env::Env;
use crate::reply::{Answer, ApiError, Millis, number, page, put, text, texts};

#[derive(Debug, Default)]
struct Stream {
    created: Millis,
    lines: Vec<(Millis, String)>,
}

/// Every log group of the account.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    groups: BTreeMap<String, BTreeMap<String, Stream>>,
}

impl Logs {
    /// Makes an empty group.
    pub(crate) fn create_group(&mut self, group: &str) {
        self.groups.entry(group.to_owned()).or_default();
    }

    /// Appends lines, all with the same instant.
    pub(crate) fn write(&mut self, group: &str, stream: &str, at: Millis, lines: &[String]) {
        let streams = self.groups.entry(group.to_owned()).or_default();
        let stream = streams.entry(stream.to_owned()).or_default();
        if stream.created == 0 {
            stream.created = at;
        }
        stream.lines.extend(lines.iter().map(|line| (at, line.clone())));
    }

    fn streams(&self, body: &Value) -> Result<(&str, &BTreeMap<String, Stream>), ApiError> {
        let name = text(body, "logGroupName").or_else(|| text(body, "logGroupIdentifier"));
        let name = name.ok_or_else(|| {
            ApiError::bad("InvalidParameterException", "Either logGroupName or logGroupIdentifier is required.")
        })?;
        let name = name.rsplit_once(":log-group:").map_or(name, |(_, name)| name);
        let found = self.groups.get_key_value(name.trim_end_matches(":*"));
        found
            .map(|(name, streams)| (name.as_str(), streams))
            .ok_or_else(|| ApiError::bad("ResourceNotFoundException", "The specified log group does not exist."))
    }
}

/// Answers one operation.
pub(crate) fn answer(env: &Env, operation: &str, body: &Value) -> Answer {
    match operation {
        "GetLogEvents" => get_log_events(&env.logs, body),
        "FilterLogEvents" => filter_log_events(&env.logs, body),
        "DescribeLogGroups" => Ok(describe_log_groups(env, body)),
        "DescribeLogStreams" => describe_log_streams(env, body),
        _ => Err(ApiError::bad("UnknownOperationException", "")),
    }
}

fn wanted(body: &Value, at: Millis) -> bool {
    let at = i64::try_from(at).unwrap_or(i64::MAX);
    number(body, "startTime").is_none_or(|start| at >= start) && number(body, "endTime").is_none_or(|end| at < end)
}

fn limit(body: &Value, default: usize) -> usize {
    number(body, "limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(default)
}

/// The newest lines by default, the oldest with `startFromHead`; tokens are
/// the position before the first and after the last line given.
fn get_log_events(logs: &Logs, body: &Value) -> Answer {
    let (_, streams) = logs.streams(body)?;
    let stream = text(body, "logStreamName")
        .and_then(|name| streams.get(name))
        .ok_or_else(|| ApiError::bad("ResourceNotFoundException", "The specified log stream does not exist."))?;
    let lines: Vec<_> = stream.lines.iter().filter(|(at, _)| wanted(body, *at)).collect();
    let size = limit(body, 10_000);
    let token = text(body, "nextToken").and_then(|token| {
        let (way, place) = token.split_once('/')?;
        Some((way.to_owned(), place.parse::<usize>().ok()?.min(lines.len())))
    });
    let from_head = body.get("startFromHead").and_then(Value::as_bool) == Some(true);
    let (from, to) = match token {
        Some((way, place)) if way == "b" => (place.saturating_sub(size), place),
        Some((_, place)) => (place, lines.len().min(place + size)),
        None if from_head => (0, lines.len().min(size)),
        None => (lines.len().saturating_sub(size), lines.len()),
    };
    let events: Vec<_> = lines[from..to]
        .iter()
        .map(|(at, line)| json!({"timestamp": at, "message": line, "ingestionTime": at}))
        .collect();
    Ok(json!({
        "events": events,
        "nextForwardToken": format!("f/{to}"),
        "nextBackwardToken": format!("b/{from}"),
    }))
}

/// Lines of several streams in order of time. Of the filter pattern language
/// only plain and quoted terms are known (all must be contained).
fn filter_log_events(logs: &Logs, body: &Value) -> Answer {
    let (_, streams) = logs.streams(body)?;
    let names = texts(body, "logStreamNames");
    let prefix = text(body, "logStreamNamePrefix").unwrap_or_default();
    let pattern = text(body, "filterPattern").unwrap_or_default();
    let terms: Vec<_> = if let Some(quoted) = pattern.strip_prefix('"') {
        vec![quoted.trim_end_matches('"')]
    } else {
        pattern.split_whitespace().collect()
    };
    let mut found = Vec::new();
    for (name, stream) in streams {
        if !name.starts_with(prefix) || !(names.is_empty() || names.contains(name)) {
            continue;
        }
        for (place, (at, line)) in stream.lines.iter().enumerate() {
            if wanted(body, *at) && terms.iter().all(|term| line.contains(term)) {
                found.push((*at, name, place, line));
            }
        }
    }
    found.sort();
    let events: Vec<_> = found
        .into_iter()
        .map(|(at, stream, place, line)| {
            json!({"logStreamName": stream, "timestamp": at, "message": line,
                   "ingestionTime": at, "eventId": format!("{at:020}{place:016}")})
        })
        .collect();
    let (events, next) = page(events, text(body, "nextToken"), limit(body, 10_000));
    let mut answer = json!({"events": events, "searchedLogStreams": []});
    put(&mut answer, "nextToken", next);
    Ok(answer)
}

fn describe_log_groups(env: &Env, body: &Value) -> Value {
    let prefix = text(body, "logGroupNamePrefix").unwrap_or_default();
    let all = env.logs.groups.keys().filter(|name| name.starts_with(prefix));
    let all = all.map(|name| json!({"logGroupName": name, "arn": env.arn("logs", &format!("log-group:{name}:*"))}));
    let (groups, next) = page(all.collect(), text(body, "nextToken"), limit(body, 50));
    let mut answer = json!({ "logGroups": groups });
    put(&mut answer, "nextToken", next);
    answer
}

fn describe_log_streams(env: &Env, body: &Value) -> Answer {
    let (group, streams) = env.logs.streams(body)?;
    let prefix = text(body, "logStreamNamePrefix").unwrap_or_default();
    let by_time = text(body, "orderBy") == Some("LastEventTime");
    if by_time && !prefix.is_empty() {
        return Err(ApiError::bad(
            "InvalidParameterException",
            "Cannot order by LastEventTime with a logStreamNamePrefix.",
        ));
    }
    let mut all: Vec<_> = streams.iter().filter(|(name, _)| name.starts_with(prefix)).collect();
    if by_time {
        all.sort_by_key(|(_, stream)| stream.lines.last().map(|(at, _)| *at));
    }
    if body.get("descending").and_then(Value::as_bool) == Some(true) {
        all.reverse();
    }
    let all = all
        .into_iter()
        .map(|(name, stream)| {
            let mut document = json!({
                "logStreamName": name,
                "creationTime": stream.created,
                "arn": env.arn("logs", &format!("log-group:{group}:log-stream:{name}")),
                "storedBytes": 0,
            });
            put(&mut document, "firstEventTimestamp", stream.lines.first().map(|(at, _)| *at));
            put(&mut document, "lastEventTimestamp", stream.lines.last().map(|(at, _)| *at));
            put(&mut document, "lastIngestionTime", stream.lines.last().map(|(at, _)| *at));
            document
        })
        .collect();
    let (streams, next) = page(all, text(body, "nextToken"), limit(body, 50));
    let mut answer = json!({ "logStreams": streams });
    put(&mut answer, "nextToken", next);
    Ok(answer)
}
