//! Who is told of a run: the environment's recipients, with secrets from the process environment.

use std::time::Duration;

use futures_util::future::{Either, select};
use secrecy::SecretString;

use super::host::Host;
use super::recorder::Recorder;
use crate::aws::{self, Session};
use crate::config::spec::{EnvironmentSpec, Occasion};
use crate::engine::clock;
use crate::notify::{Message, Notifier};
use crate::report::View;

/// How long a cancelled run still tells how it ended.
const AFTER_CANCEL: Duration = Duration::from_secs(1);

/// Everybody of an environment; each secret that is read is masked.
pub(super) fn notifier(spec: &EnvironmentSpec, session: Option<&Session>, host: &Host) -> Notifier {
    let secret = |name: &str| {
        let value = SecretString::from(host.variable(name)?);
        host.console.mask(&value);
        Some(value)
    };
    let none = aws::without_credentials();
    let sdk = session.map_or(&none, Session::sdk);
    Notifier::new(&spec.notify, &secret, sdk, host.console.redactor().clone())
}

/// Says who cannot be reached, before anything changes.
pub(super) fn warn(notifier: &Notifier, recorder: &Recorder) {
    for sentence in notifier.unreachable() {
        recorder.notice(&sentence);
    }
}

/// Does the work, and tells meanwhile that it began, if there is anything to do. The work waits for nobody.
pub(super) async fn beginning<T>(
    notifier: &Notifier,
    view: Option<View>,
    host: &Host,
    recorder: &Recorder,
    work: impl Future<Output = T>,
) -> T {
    let Some(view) = view else { return work.await };
    let message = Message::new(&host.run_name(), Occasion::Start, view, host.run_url(), clock::now());
    let telling = host.within(Duration::ZERO, notifier.tell(&message));
    match select(Box::pin(work), Box::pin(telling)).await {
        Either::Left((done, _)) => done,
        Either::Right((failed, work)) => {
            note(failed.unwrap_or_default(), recorder);
            work.await
        }
    }
}

/// Tells how it ended; who could not be told becomes a notice.
pub(super) async fn ended(notifier: &Notifier, view: View, exit_code: u8, host: &Host, recorder: &Recorder) {
    let occasion = if exit_code == 0 { Occasion::Success } else { Occasion::Failure };
    let message = Message::new(&host.run_name(), occasion, view, host.run_url(), clock::now());
    note(host.within(AFTER_CANCEL, notifier.tell(&message)).await.unwrap_or_default(), recorder);
}

fn note(failed: Vec<String>, recorder: &Recorder) {
    for sentence in failed {
        recorder.notice(&sentence);
    }
}
