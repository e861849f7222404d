//! Why a change failed: App Runner's events for the operation, and the last lines of the new
//! instances. Never fails; what cannot be read becomes a fact.
//!
//! Log groups and streams are those of the App Runner developer guide, "Viewing App Runner logs
//! streamed to CloudWatch Logs": `…/service` with the stream `events` and one stream a deployment (`deployment/…`, with the lines
//! of a build), `…/application` with one stream an instance.

use aws_sdk_cloudwatchlogs::types::{LogStream, OrderBy};

use super::service::Service;
use super::{AppRunnerTarget, escaped};
use crate::aws::failure;
use crate::engine::ProviderFailure;
use crate::rollout::{Cause, CauseCode, Exit, Link, LogLines, Shift};

/// How many lines are shown.
const LINES: i32 = 20;
/// Events of an operation may carry a time a little before its start.
const SLACK_MS: i64 = 2_000;

impl AppRunnerTarget {
    pub(super) async fn find_cause(&self, shift: &Shift, mut cause: Cause) -> Cause {
        cause.links.push(Link { title: "service".to_owned(), url: self.console() });
        let (service, operations) = match self.look(shift.id.as_deref()).await {
            Ok(seen) => seen,
            Err(failure) => {
                cause.facts.push(format!("the service cannot be read: {failure}"));
                return cause;
            }
        };
        let operation = shift.id.as_deref().and_then(|id| operations.find(id));
        let since = operation.and_then(|known| known.started).unwrap_or(shift.started).as_millisecond() - SLACK_MS;
        let events_group = service.log_group("service");
        let lines_group = service.log_group("application");
        let (events, lines, built) = futures_util::join!(
            self.lines(&events_group, "events", since),
            self.newest_lines(&lines_group, "", since),
            self.newest_lines(&events_group, "deployment/", since)
        );
        match events {
            Ok(events) => read_events(&events, &service, &mut cause),
            Err(failure) => cause.facts.push(format!("App Runner's event log cannot be read: {failure}")),
        }
        let built = built.ok().flatten().filter(|_| cause.code == CauseCode::BuildFailed);
        match lines {
            // Nothing of the new revision ever ran: the build's own lines tell why.
            _ if built.is_some() => cause.log = built.map(build_lines),
            Ok(Some(log)) => cause.log = Some(log),
            Ok(None) => cause.facts.push("the new revision has written no log line".to_owned()),
            Err(failure) => cause.facts.push(format!("the application log cannot be read: {failure}")),
        }
        for (title, group) in [("application log", &lines_group), ("event log", &events_group)] {
            cause.links.push(Link { title: title.to_owned(), url: self.log_console(group) });
        }
        cause
    }

    fn log_console(&self, group: &str) -> String {
        let base = format!("https://{0}.console.aws.amazon.com/cloudwatch/home?region={0}", self.region);
        format!("{base}#logsV2:log-groups/log-group/{}", escaped(group, "$25"))
    }

    async fn lines(&self, group: &str, stream: &str, since: i64) -> Result<Vec<String>, ProviderFailure> {
        let request = self.logs.get_log_events().log_group_name(group).log_stream_name(stream);
        let request = request.start_time(since).limit(LINES).start_from_head(false);
        let page = request.send().await.map_err(|error| failure("logs:GetLogEvents", &error))?;
        let messages = page.events.unwrap_or_default().into_iter().filter_map(|event| event.message);
        Ok(messages.map(|line| line.trim_end().to_owned()).collect())
    }

    /// The last lines of the instance that was started for this change and wrote last; the old
    /// instances write into the same group all the while.
    async fn newest_lines(&self, group: &str, prefix: &str, since: i64) -> Result<Option<LogLines>, ProviderFailure> {
        let request = self.logs.describe_log_streams().log_group_name(group);
        let request = request.order_by(OrderBy::LastEventTime).descending(true).limit(50);
        let page = request.send().await.map_err(|error| failure("logs:DescribeLogStreams", &error))?;
        let mut streams = page.log_streams.unwrap_or_default();
        streams.retain(|stream| stream.log_stream_name.as_deref().is_some_and(|name| name.starts_with(prefix)));
        let born = |stream: &LogStream| stream.creation_time.or(stream.first_event_timestamp).unwrap_or_default();
        let (new, old): (Vec<_>, Vec<_>) = streams.into_iter().partition(|stream| born(stream) >= since);
        // Without a new instance the newest old one: it may tell why there is none.
        for stream in new.iter().chain(old.first()).take(5) {
            let Some(name) = stream.log_stream_name.as_deref() else { continue };
            let lines = self.lines(group, name, since).await?;
            if !lines.is_empty() {
                return Ok(Some(LogLines { source: format!("{group} {name}"), lines }));
            }
        }
        Ok(None)
    }
}

/// The lines of the build itself, where they are told apart.
fn build_lines(log: LogLines) -> LogLines {
    let of_build = |line: &&String| line.contains("[Build]");
    let lines: Vec<String> = log.lines.iter().filter(of_build).cloned().collect();
    if lines.is_empty() { log } else { LogLines { lines, ..log } }
}

/// What App Runner's own words say: its stated reason, else the first thing that went wrong.
fn read_events(events: &[String], service: &Service, cause: &mut Cause) {
    let said: Vec<&str> = events.iter().map(|line| line.trim().trim_start_matches("[AppRunner]").trim()).collect();
    let stated = said.iter().find_map(|line| line.split_once("Failure reason").map(|(_, reason)| reason));
    let stated = stated.map(|reason| reason.trim_start_matches([' ', ':'])).filter(|reason| kind(reason).is_some());
    let first = stated.or_else(|| said.iter().find(|line| kind(line).is_some()).copied());
    let exit = said.iter().find_map(|line| exit_code(line)).map(Exit::of);
    if let Some((line, code)) = first.and_then(|line| Some((line, kind(line)?))) {
        let revision = cause.revision.as_deref().unwrap_or("the new revision");
        let (summary, next) = words(code, revision, service, exit.as_ref());
        cause.code = code;
        cause.provider_says = Some(line.to_owned());
        cause.summary = summary;
        if let Some(next) = next {
            next.clone_into(&mut cause.next);
        }
    }
    cause.exit = exit;
    let shown = said.len().saturating_sub(6);
    cause.facts.extend(said.iter().skip(shown).map(|line| format!("App Runner: {line}")));
}

/// The sentence, and a better next step than to read the log where there is one.
fn words(code: CauseCode, revision: &str, service: &Service, exit: Option<&Exit>) -> (String, Option<&'static str>) {
    match (code, exit) {
        (CauseCode::ContainerUnhealthy, exit) => {
            let ended = exit.map_or_else(String::new, |exit| format!("; its container exited with code {}", exit.code));
            let check = service.health_check();
            let next = "Let the program listen on that port and answer there soon enough after its start, or change the \
                        service's health check; then deploy again.";
            (format!("{revision} did not answer its health check ({check}){ended}"), Some(next))
        }
        (CauseCode::BuildFailed, _) => {
            let next = "Mend what the build's log names (App Runner runs the build command in the source directory of \
                        that commit), push, and deploy again.";
            (format!("App Runner could not build {revision} from its source code"), Some(next))
        }
        (CauseCode::ImageNotPulled, _) => {
            let next = "Check that the image is in the repository, that it is built for linux/amd64, and that the \
                        service's access role may pull it; then deploy again.";
            (format!("App Runner could not pull the image of {revision}"), Some(next))
        }
        (CauseCode::ResourcesNotReady, _) => {
            let next = "Check that it exists and that the service's instance role may read it; then deploy again.";
            (format!("App Runner could not read a secret or parameter that {revision} refers to"), Some(next))
        }
        (_, Some(exit)) => {
            (format!("the container of {revision} exited with code {}: {}", exit.code, exit.meaning), None)
        }
        (_, None) => (format!("the container of {revision} stopped or did not start"), None),
    }
}

fn kind(line: &str) -> Option<CauseCode> {
    let line = line.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
    if !has(&["fail", "exit code", "unable", "cannot", "can't", "stopped", "error"]) {
        return None;
    }
    if has(&["health check"]) {
        Some(CauseCode::ContainerUnhealthy)
    } else if has(&["source code", "build' command", "apprunner.yaml"]) {
        Some(CauseCode::BuildFailed)
    } else if has(&["pull", "copy the image", "image doesn't exist", "image does not exist", "access role"]) {
        Some(CauseCode::ImageNotPulled)
    } else if has(&["secret", "parameter store", "ssm"]) {
        Some(CauseCode::ResourcesNotReady)
    } else if has(&["exit code", "application stopped", "failed to start"]) {
        Some(CauseCode::ContainerExited)
    } else {
        None
    }
}

/// `… Container exit code: 1`.
fn exit_code(line: &str) -> Option<i32> {
    let lower = line.to_ascii_lowercase();
    let after = lower.split_once("exit code")?.1.trim_start_matches([':', ' ', '=']);
    let end = after.find(|c: char| !(c.is_ascii_digit() || c == '-')).unwrap_or(after.len());
    after[..end].parse().ok()
}

#[cfg(test)]
mod tests;
