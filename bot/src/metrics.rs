//! Counters and gauges in the text format that Prometheus reads.

/// What the bot counts. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {}

#[expect(unused_variables, clippy::unimplemented, clippy::new_without_default, reason = "the shape; filled in next")]
impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        unimplemented!()
    }

    /// A delivery was answered: `accepted`, `known`, `ignored`, `refused`.
    pub fn delivery(&self, outcome: &str) {
        unimplemented!()
    }

    /// A command was decided: its verb and reason code.
    pub fn command(&self, verb: &str, code: &str) {
        unimplemented!()
    }

    /// A deployment came into a stage or phase: `building`, `shifting`, `rolling-back`…
    pub fn phase(&self, phase: &str) {
        unimplemented!()
    }

    /// A deployment ended: how, and after how many seconds.
    pub fn ended(&self, outcome: &str, seconds: f64) {
        unimplemented!()
    }

    /// A request to GitHub was made: what for, and the status that came back (0 for none).
    pub fn github(&self, doing: &str, status: u16) {
        unimplemented!()
    }
}
