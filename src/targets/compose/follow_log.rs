//! The log of the service: what its containers wrote, those that ended included.

use async_trait::async_trait;

use super::ComposeTarget;
use super::answer::Logged;
use super::host::Verb;
use super::prepare::refused;
use crate::engine::{LogLine, Logs, TargetError};
use crate::problem::Problem;
use crate::types::Timestamp;

/// The newest lines of a container that one look brings: over Systems Manager, an answer of that size
/// takes a few calls.
const MOST: &str = "1000";

#[async_trait]
impl Logs for ComposeTarget {
    async fn lines(&self, since: Timestamp) -> Result<Vec<LogLine>, TargetError> {
        let seen = self.host.ask(Verb::Lines, &[&self.spec.service, &since.to_string(), MOST]).await?;
        if let (Some(driver), true) = (&seen.unlogged, seen.logged.is_empty()) {
            let what = format!("the log of {} cannot be read: its driver is `{driver}`", self.spec.service);
            let next = "Remove `logging` from the service, or read its log where its driver sends it.";
            return Err(refused(Problem::refused("no-logs", what, next)));
        }
        Ok(seen.logged.iter().flat_map(|logged| of_container(logged, &self.spec.project)).collect())
    }
}

/// `<time> <text>` of each line; what has no time is Docker's own word about the log.
fn of_container(logged: &Logged, project: &str) -> Vec<LogLine> {
    let own = logged.container.strip_prefix(project).and_then(|rest| rest.strip_prefix('-'));
    let from = own.unwrap_or(&logged.container);
    let line = |text: &String| {
        let (stamp, text) = text.split_once(' ').unwrap_or((text, ""));
        let at: Timestamp = stamp.parse().ok()?;
        let id = format!("{} {stamp} {text}", logged.container);
        Some(LogLine { at, id, from: from.to_owned(), text: text.to_owned() })
    };
    logged.lines.iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_time_its_container_and_an_id_that_stays_the_same() {
        let lines = ["2026-02-03T04:05:06.123456789Z hello  world", "2026-02-03T04:05:07Z ", "error from daemon"];
        let lines = lines.map(str::to_owned).to_vec();
        let read = of_container(&Logged { container: "shop-web-1".to_owned(), lines: lines.clone() }, "shop");
        assert_eq!(read.len(), 2, "{read:?}");
        assert_eq!((read[0].from.as_str(), read[0].text.as_str()), ("web-1", "hello  world"));
        assert_eq!(read[0].at, "2026-02-03T04:05:06.123456789Z".parse().unwrap());
        assert_ne!(read[0].id, read[1].id);
        assert_eq!(read, of_container(&Logged { container: "shop-web-1".to_owned(), lines }, "shop"));
        let other = Logged { container: "mine".to_owned(), lines: vec!["2026-02-03T04:05:07Z x".to_owned()] };
        assert_eq!(of_container(&other, "shop")[0].from, "mine");
    }
}
