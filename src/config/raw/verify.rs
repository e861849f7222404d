//! Checks after everything serves: an address that must answer, or a command that must end well.

use super::forms::Whole;
use super::shape::record;
use super::values::{Argument, HeaderName, HeaderValue, HttpUrl, Latency, SomeText};
use super::{List, Named};
use crate::types::{ServiceName, Span};

record! {
    /// A check: an address (`http`) or a command (`run`). An address is asked until everything is right
    /// or the time is up. Redirects are not followed: a redirect is an answer like any other.
    Verify = "{ http: \"https://staging.example.com/health\", expect: 200, within: 60s }", one of ["http", "run"] {
        /// The address to ask.
        optional "http" http: HttpUrl;
        /// The status that is right.
        optional "expect" expect: Whole<100, 599>, default "`200`", example "204";
        /// A text that the first 1 MB of the answer must contain.
        optional "body" body: SomeText, example "\"ready\"";
        /// Headers the answer must have, with exactly these values.
        optional "header" header: Named<HeaderName, HeaderValue>, example "{ X-Version: v2 }";
        /// How long one whole answer may take, 1 ms to 10 s.
        optional "latency" latency: Latency, default "`10s`";
        /// The command and its arguments; it must end with exit code 0. No shell sees it.
        optional "run" run: List<Argument>, example "[bin/smoke-test, --quick]";
        /// The service whose new image, network and roles the command runs with.
        optional "in" service: ServiceName;
        /// How long to keep asking, or how long the command may take.
        optional "within" within: Span, default "`60s`; `10m` for a command", example "60s";
    }
}
