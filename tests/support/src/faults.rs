//! What goes wrong on the wire, by operation.

use serde::{Deserialize, Serialize};

/// One fault. All faults are asked in the order given; the first that is due
/// for the call happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Only this service (`ecs`, `apprunner`, `logs`, `elbv2`, `sts`, `ecr`,
    /// `github`, `oidc`).
    #[serde(default)]
    pub service: Option<String>,
    /// Only this operation; `*` stands for any characters.
    #[serde(default)]
    pub operation: Option<String>,
    /// What happens.
    #[serde(flatten)]
    pub kind: FaultKind,
    /// Let that many calls pass first.
    #[serde(default)]
    pub after: u32,
    /// For that many calls; without end by default.
    #[serde(default)]
    pub times: Option<u32>,
    /// Of the calls that are due, this share (0 to 1), evenly spread.
    #[serde(default)]
    pub rate: Option<f64>,
    /// Matching calls so far.
    #[serde(skip)]
    pub(crate) seen: u32,
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FaultKind {
    /// `ThrottlingException` (400), `Throttling` (400) in XML.
    Throttle,
    /// `AccessDeniedException`, naming caller, action and resource.
    Deny,
    /// The operation does not exist here: `UnknownOperationException`, or
    /// `InvalidAction` in XML.
    Unknown,
    /// The operation runs; every list of its answer is empty.
    EmptyList,
    /// That HTTP status with a server fault.
    ServerError {
        /// 500, 502, 503…
        #[serde(default = "internal")]
        status: u16,
    },
    /// The effect happens; the answer waits that long.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// No effect, and no answer for that long; then the connection is dropped.
    Hang {
        /// Milliseconds.
        ms: u64,
    },
    /// The effect happens; the connection is dropped instead of an answer.
    LoseResponse,
    /// GitHub's secondary limit.
    SecondaryLimit {
        /// 403 or 429.
        #[serde(default = "forbidden")]
        status: u16,
        /// Seconds in `retry-after`; no such header without.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// GitHub's primary limit: none left for so long.
    PrimaryLimit {
        /// Milliseconds until it is full again.
        reset_ms: u64,
    },
    /// Any error of the provider.
    Error {
        /// `__type` or `Code`.
        code: String,
        /// Text for people.
        message: String,
        /// HTTP status.
        #[serde(default = "bad_request")]
        status: u16,
    },
}

const fn internal() -> u16 {
    500
}

const fn forbidden() -> u16 {
    403
}

const fn bad_request() -> u16 {
    400
}

impl Fault {
    /// For every call of one operation of one service.
    #[must_use]
    pub fn on(service: &str, operation: &str, kind: FaultKind) -> Self {
        Self {
            service: Some(service.to_owned()),
            operation: Some(operation.to_owned()),
            kind,
            after: 0,
            times: None,
            rate: None,
            seen: 0,
        }
    }

    /// For every call of one service.
    #[must_use]
    pub fn on_service(service: &str, kind: FaultKind) -> Self {
        Self { operation: None, ..Self::on(service, "", kind) }
    }

    /// For that many calls only.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// After letting that many calls pass.
    #[must_use]
    pub fn after(self, after: u32) -> Self {
        Self { after, ..self }
    }

    /// For that share of the calls.
    #[must_use]
    pub fn rate(self, rate: f64) -> Self {
        Self { rate: Some(rate), ..self }
    }

    fn due(&mut self, service: &str, operation: &str) -> bool {
        let matches = self.service.as_deref().is_none_or(|wanted| wanted == service)
            && self.operation.as_deref().is_none_or(|wanted| fits(wanted, operation));
        if !matches {
            return false;
        }
        self.seen += 1;
        let Some(place) = self.seen.checked_sub(self.after + 1) else { return false };
        if self.times.is_some_and(|times| place >= times) {
            return false;
        }
        let Some(rate) = self.rate else { return true };
        (f64::from(place + 1) * rate).floor() > (f64::from(place) * rate).floor()
    }
}

/// Whether an operation is the wanted one; `*` stands for any characters.
fn fits(wanted: &str, operation: &str) -> bool {
    match wanted.split_once('*') {
        None => wanted == operation,
        Some((start, rest)) => operation.strip_prefix(start).is_some_and(|left| {
            let mut places = (0..=left.len()).filter(|place| left.is_char_boundary(*place));
            places.any(|place| fits(rest, &left[place..]))
        }),
    }
}

/// The fault that is due for this call. Every matching fault counts the call.
pub(crate) fn due(faults: &mut [Fault], service: &str, operation: &str) -> Option<FaultKind> {
    let mut first = None;
    for fault in faults {
        let kind = fault.due(service, operation).then(|| fault.kind.clone());
        first = first.or(kind);
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(fault: Fault) -> Vec<bool> {
        let mut faults = [fault];
        (0..6).map(|_| due(&mut faults, "ecs", "DescribeServices").is_some()).collect()
    }

    #[test]
    fn a_limited_fault_lets_the_first_calls_pass_and_ends_after_its_number_of_times() {
        let fault = Fault::on("ecs", "DescribeServices", FaultKind::Throttle).after(1).times(2);
        assert_eq!(pattern(fault), [false, true, true, false, false, false]);
    }

    #[test]
    fn a_rate_is_spread_evenly() {
        let fault = Fault::on_service("ecs", FaultKind::Throttle).rate(0.5);
        assert_eq!(pattern(fault), [false, true, false, true, false, true]);
    }

    #[test]
    fn other_operations_are_left_alone() {
        let fault = Fault::on("ecs", "UpdateService", FaultKind::Deny);
        assert_eq!(pattern(fault), [false; 6]);
    }
}
